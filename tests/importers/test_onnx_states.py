"""Memory of a streaming network in ONNX is recognized by its names, and by its shape and kind."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from tatami import graph
from tatami.graph.state import states_of
from tatami.pipeline.import_network import import_network
from tatami.program import interpret
from tatami.program.lower import lower


def streaming(path: Path, found: str, made: str, width: int = 4, kind: int = 1) -> Path:
    """Write a network that adds what it is given to what it was given before."""
    value = helper.make_tensor_value_info
    nodes = [
        helper.make_node("Add", ["x", found], ["sum"]),
        helper.make_node("Relu", ["sum"], ["y"]),
        helper.make_node("Identity", ["sum"], [made]),
    ]
    if width != 4 or kind != 1:
        nodes[2] = helper.make_node("Cast", ["sum"], [made], to=kind)
    made_as = value(made, kind, ("batch", 4))
    if width != 4:
        nodes.append(helper.make_node("Concat", ["sum", "sum"], [made], axis=1))
        del nodes[2]
        made_as = value(made, kind, ("batch", 8))
    inputs = [value("x", TensorProto.FLOAT, ("batch", 4)), value(found, 1, ("batch", 4))]
    outputs = [value("y", TensorProto.FLOAT, ("batch", 4)), made_as]
    model = helper.make_model(
        helper.make_graph(nodes, "net", inputs, outputs),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    onnx.save(model, path)
    return path


@pytest.mark.parametrize(
    ("found", "made"),
    [
        ("h", "hn"), ("state", "stateN"), ("state_in", "state_out"), ("in_cache", "out_cache"),
        ("h0", "hn"),
        ("past_key.0", "present_key.0"), ("prev_h", "next_h"), ("cache", "new_cache"),
    ],
)  # fmt: skip
def test_what_it_keeps_is_found_by_its_names(found: str, made: str, tmp_path: Path) -> None:
    file = streaming(tmp_path / "net.onnx", found, made)
    imported = import_network(file, out=tmp_path / "out.onnx")
    assert f"{found} ({made} next)" in " ".join(imported.notes)
    lines = imported.lines()
    assert "takes x (1, 4)" in lines
    assert "gives y (1, 4)" in lines
    assert f"keeps from call to call 1 values: {found}" in lines
    program = lower(graph.read(tmp_path / "out.onnx"))
    assert program.inputs == ("x",)
    calls = [[np.full((4, 1, 1), number, np.float32)] for number in (1, 2, -4, 5)]
    sums = [float(each[0].ravel()[0]) for each in interpret.run_calls(program, calls)]
    assert sums == [1, 3, 0, 4]


@pytest.mark.parametrize(
    ("found", "made", "width", "kind"),
    [("a", "b", 4, 1), ("h", "hn", 8, 1), ("h", "hn", 4, TensorProto.INT32)],
)
def test_what_is_not_alike_stays_an_input(
    found: str, made: str, width: int, kind: int, tmp_path: Path
) -> None:
    file = streaming(tmp_path / "net.onnx", found, made, width, kind)
    import_network(file, out=tmp_path / "out.onnx")
    assert states_of(graph.read(tmp_path / "out.onnx")) == {}
