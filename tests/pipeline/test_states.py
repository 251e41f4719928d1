"""What lives from call to call is memory of the program, not an input that the caller carries."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from tatami import graph
from tatami.errors import TatamiError
from tatami.graph.state import say_states, whole_calls
from tatami.importers.tflite import read_tflite
from tatami.pipeline.bare import samples_of
from tatami.pipeline.prove import prove
from tatami.pipeline.quantize import quantize
from tatami.pipeline.ship import ship
from tatami.program import interpret
from tatami.program.lower import lower
from tatami.program.steps import Program
from tatami.ship.c.emit import emit
from tatami.ship.c.run.network import CompiledNetwork

needs_cc = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
Array = NDArray[Any]
STEPS = 2
"""How many steps of 8 bits LiteRT's own rounding may lie beside ours, behind a dozen layers."""
STATES = {"last": "x", "before": "last", "h": "h_next", "count": "count_next"}


def remembering(path: Path) -> Path:
    """Write a recurrent cell that also sees the last two inputs, and counts its calls."""
    rng = np.random.default_rng(3)
    weights = {
        "w": rng.normal(0, 0.4, (12, 6)).astype(np.float32),
        "u": rng.normal(0, 0.4, (6, 6)).astype(np.float32),
        "v": rng.normal(0, 0.4, (6, 3)).astype(np.float32),
        "low": np.float32(-1),
        "high": np.float32(1),
        "one": np.ones((1, 1), np.int32),
    }
    node = helper.make_node
    nodes = [
        node("Concat", ["x", "last", "before"], ["seen"], axis=1),
        node("MatMul", ["seen", "w"], ["from_x"]),
        node("MatMul", ["h", "u"], ["from_h"]),
        node("Add", ["from_x", "from_h"], ["sum"]),
        node("Clip", ["sum", "low", "high"], ["h_next"]),
        node("MatMul", ["h_next", "v"], ["y"]),
        node("Add", ["count", "one"], ["count_next"]),
    ]
    value, real, whole = helper.make_tensor_value_info, TensorProto.FLOAT, TensorProto.INT32
    ends = [
        value("x", real, (1, 4)), value("last", real, (1, 4)), value("before", real, (1, 4)),
        value("h", real, (1, 6)), value("count", whole, (1, 1)),
    ]  # fmt: skip
    nodes += [node("Identity", [kept], [f"{name}_kept"]) for name, kept in STATES.items()]
    kept = []
    for end in ends[1:]:
        kept.append(onnx.ValueInfoProto.FromString(end.SerializeToString()))
        kept[-1].name = f"{end.name}_kept"
    model = helper.make_model(
        helper.make_graph(
            nodes, "cell", ends, [value("y", real, (1, 3)), *kept],
            [numpy_helper.from_array(array, name) for name, array in weights.items()],
        ),
        opset_imports=[helper.make_opsetid("", 18)],
        ir_version=9,
    )  # fmt: skip
    say_states(model, {name: f"{name}_kept" for name in STATES})
    onnx.save(model, path)
    return path


def calls_of(program: Program, count: int) -> list[list[Array]]:
    rng = np.random.default_rng(0)
    (name,) = program.inputs
    shape = program.values[name].shape
    return [[rng.uniform(-2, 2, shape).astype(np.float32)] for _ in range(count)]


def compiled(program: Program, folder: Path) -> CompiledNetwork:
    folder.mkdir()
    for name, content in emit(program, "net").files.items():
        (folder / name).write_bytes(content)
    return CompiledNetwork(folder, options=("-O2", "-Wall", "-Wextra", "-Wpedantic", "-Werror"))


@needs_cc
def test_calls_in_c_are_calls_in_numpy_and_of_a_caller_who_carries(tmp_path: Path) -> None:
    network = graph.read(remembering(tmp_path / "cell.onnx"))
    program = lower(network)
    assert program.inputs == ("x",)
    assert program.outputs == ("y",)
    assert set(program.states) == set(STATES)
    calls = calls_of(program, 12)
    found = interpret.run_calls(program, calls)
    lines = [[array.reshape(1, 4) for array in each] for each in calls]
    carried = [graph.run(network, each)[0] for each in whole_calls(network, lines)]
    alone = graph.run(network, whole_calls(network, lines[5:6])[0])[0]
    assert np.abs(carried[5] - alone).max() > 0.1  # it matters what was before
    np.testing.assert_allclose(
        [each[0].ravel() for each in found], np.concatenate(carried), 0, 1e-6
    )
    memory = interpret.memory_of(program)
    for each in calls:
        interpret.run(program, each, memory)
    assert memory["count"].tolist() == [[[12]]]
    np.testing.assert_array_equal(memory["last"], calls[-1][0])
    np.testing.assert_array_equal(memory["before"], calls[-2][0])
    with compiled(program, tmp_path / "c") as net:
        assert net.remembers
        for _ in range(2):  # each time from the beginning
            for ours, expected in zip(net.run_calls(calls), found, strict=True):
                np.testing.assert_allclose(ours[0], expected[0], rtol=0, atol=1e-6)


@needs_cc
def test_in_eight_bits_calls_are_equal_bit_for_bit(tmp_path: Path) -> None:
    path = remembering(tmp_path / "cell.onnx")
    quantize(path, inputs="random", pictures=24, out=tmp_path / "int8.onnx", equalize=False)
    program = lower(graph.read(tmp_path / "int8.onnx"))
    assert program.values["h"].quantization is not None
    assert program.values[program.states["h"]] == program.values["h"]
    calls = calls_of(program, 40)
    with compiled(program, tmp_path / "c") as net:
        for ours, expected in zip(
            net.values_of_calls(calls), interpret.values_of_calls(program, calls), strict=True
        ):
            exact = expected.keys() - program.rounded() - set(program.inputs)
            assert {"seen", program.states["h"]} <= exact
            for name in exact:
                np.testing.assert_array_equal(ours[name], expected[name], err_msg=name)


@needs_cc
def test_it_ships_and_is_proved_as_a_stream(tmp_path: Path) -> None:
    path = remembering(tmp_path / "cell.onnx")
    assert len(samples_of(graph.read(path), None, 3)[0]) == 1  # what the caller gives, alone
    result = ship(path, out=tmp_path / "out")
    header = (tmp_path / "out" / f"{result.shipped.name}.h").read_text()
    assert f"void {result.shipped.name}_reset(void);" in header
    kept = 4 * (4 + 4 + 6 + 1)
    assert result.plan.networks[""].state == kept
    assert f"{kept} bytes of it live from call to call" in " ".join(result.lines())
    assert result.footprint.to_json()["ram"] >= result.plan.networks[""].memory >= kept
    proof = prove([path, tmp_path / "out"], inputs="random", pictures=20)
    assert proof.passed
    assert proof.ledger.rows[-1].worst < 1e-6


def test_a_state_of_another_shape_is_refused(tmp_path: Path) -> None:
    model = onnx.load(remembering(tmp_path / "cell.onnx"))
    say_states(model, {"h": "last_kept"})
    onnx.save(model, tmp_path / "bad.onnx")
    with pytest.raises(TatamiError, match="does not pair inputs with outputs"):
        lower(graph.read(tmp_path / "bad.onnx"))


@needs_cc
def test_a_wake_word_with_variables_is_as_in_litert_call_after_call(
    shared_data: Path, tmp_path: Path
) -> None:
    interpreter = pytest.importorskip("ai_edge_litert.interpreter", reason="LiteRT is not here")
    file = shared_data / "networks" / "esphome-okay_nabu-v2.tflite"
    if not file.is_file():
        pytest.skip("its networks are not here")
    onnx.save(read_tflite(file, None, None).model, tmp_path / "net.onnx")
    program = lower(graph.read(tmp_path / "net.onnx"))
    assert len(program.states) == 6
    rng = np.random.default_rng(1)
    bytes_ = rng.integers(0, 256, (40, 1, 3, 40))
    calls = [[each.astype(np.uint8).reshape(3, 40, 1)] for each in bytes_]
    theirs = interpreter.Interpreter(
        model_path=str(file), experimental_preserve_all_tensors=True,
        experimental_op_resolver_type=interpreter.OpResolverType.BUILTIN_REF,
    )  # fmt: skip
    theirs.allocate_tensors()
    (given,) = theirs.get_input_details()
    deep = "model/stream_5/concat"  # after all layers but the last, its last five and a new one
    (place,) = (one["index"] for one in theirs.get_tensor_details() if one["name"] == deep)
    expected = []
    for each in bytes_:
        theirs.set_tensor(given["index"], (each - 128).astype(np.int8))
        theirs.invoke()
        expected.append(theirs.get_tensor(place).ravel().astype(np.int64) + 128)
    with compiled(program, tmp_path / "c") as net:
        found = net.values_of_calls(calls)
    for ours, numpy in zip(found, interpret.values_of_calls(program, calls), strict=True):
        np.testing.assert_array_equal(ours[deep], numpy[deep])
    ours = np.stack([each[deep].reshape(64, 6).T.ravel() for each in found])
    steps = np.abs(ours - np.stack(expected))
    assert len(np.unique(expected)) > 50
    assert steps.max() <= STEPS
