"""The inputs of ONNX files: sides that are open, batches, and inputs that are always one number."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tatami import graph
from tatami.errors import TatamiError
from tatami.graph.read import network_of
from tatami.importers.onnx_file import read_onnx
from tatami.importers.onnx_inputs import Given
from tatami.pipeline.import_network import parse_numbers, parse_shapes
from tatami.types import Size

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64
Inputs = dict[str, tuple[int, list[Any]]]


def file_of(
    folder: Path, nodes: list[onnx.NodeProto], inputs: Inputs, weights: dict[str, Any] | None = None
) -> Path:
    content = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info(name, *each) for name, each in inputs.items()],
        [helper.make_tensor_value_info("y", FLOAT, None)],
        [
            numpy_helper.from_array(np.asarray(array), name)
            for name, array in (weights or {}).items()
        ],
    )
    model = helper.make_model(content, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, folder / "net.onnx")
    return folder / "net.onnx"


def shapes_of(network: graph.Network) -> dict[str, tuple[int, ...]]:
    return {
        str(value.name): tuple(value.shape.numpy())
        for value in network.graph.inputs
        if value.shape is not None
    }


def test_sides_of_minus_one_are_open(tmp_path: Path) -> None:
    """As Paddle's exporter writes them."""
    file = file_of(
        tmp_path, [helper.make_node("Relu", ["x"], ["y"])], {"x": (FLOAT, [-1, 3, -1, -1])}
    )
    with pytest.raises(TatamiError, match="leaves its sides open") as refused:
        read_onnx(file)
    assert refused.value.setting == "size"
    network = network_of(read_onnx(file, Given(Size(6, 4))).model)
    assert shapes_of(network) == {"x": (1, 3, 4, 6)}


def test_the_size_of_a_picture_whose_channels_lie_last(tmp_path: Path) -> None:
    nodes = [helper.make_node("Transpose", ["x"], ["y"], perm=[0, 3, 1, 2])]
    file = file_of(tmp_path, nodes, {"x": (FLOAT, ["n", "h", "w", 3])})
    assert shapes_of(network_of(read_onnx(file, Given(Size(6, 4))).model)) == {"x": (1, 4, 6, 3)}


def test_sides_of_one_name_are_equal(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Add", ["x", "more"], ["sum"]),
        helper.make_node("ReduceSum", ["h"], ["one"], keepdims=0),
        helper.make_node("Add", ["sum", "one"], ["y"]),
    ]
    inputs: Inputs = {
        "x": (FLOAT, ["batch", "time"]),
        "more": (FLOAT, ["batch", "time"]),
        "h": (FLOAT, [2, "batch", 3]),
    }
    file = file_of(tmp_path, nodes, inputs)
    with pytest.raises(TatamiError, match=r"'x' leaves its sides open: \(1, time\)") as refused:
        read_onnx(file)
    assert refused.value.setting == "shape"
    network = network_of(read_onnx(file, Given(shape={"x": (1, 7)})).model)
    assert shapes_of(network) == {"x": (1, 7), "more": (1, 7), "h": (2, 1, 3)}
    for shape, said in (
        ({"x": (1, 7), "more": (1, 8)}, "'time' is said to be 7 and 8"),
        ({"x": (7,)}, "has 2 axes"),
        ({"z": (7,)}, "no input 'z'"),
    ):
        with pytest.raises(TatamiError, match=said):
            read_onnx(file, Given(shape=shape))


def rate(folder: Path, shapes: tuple[int, int]) -> Path:
    """A network that goes one of two ways, as its sample rate says."""
    branches = {}
    for name, count in zip(("then", "else"), shapes, strict=True):
        part = numpy_helper.from_array(np.arange(count, dtype=np.float32), "part")
        branches[f"{name}_branch"] = helper.make_graph(
            [helper.make_node("Mul", ["sum", "part"], [name])],
            name,
            [],
            [helper.make_tensor_value_info(name, FLOAT, None)],
            [part],
        )
    nodes = [
        helper.make_node("ReduceSum", ["x"], ["sum"]),
        helper.make_node("Equal", ["sr", "high"], ["is_high"]),
        helper.make_node("If", ["is_high"], ["y"], **branches),
    ]
    inputs: Inputs = {"x": (FLOAT, [1, 4]), "sr": (INT64, [])}
    return file_of(folder, nodes, inputs, {"high": np.int64(16000)})


def test_an_input_that_chooses_isparse_numbers(tmp_path: Path) -> None:
    file = rate(tmp_path, (3, 2))
    with pytest.raises(TatamiError, match="decided by its input 'sr'") as refused:
        read_onnx(file)
    assert refused.value.setting == "fix"
    x = np.ones((1, 4), np.float32)
    for number, expected in ((16000, [[0, 4, 8]]), (8000, [[0, 4]])):
        network = network_of(read_onnx(file, Given(fix={"sr": number})).model)
        np.testing.assert_array_equal(graph.run(network, [x])[0], expected)


def test_branches_of_one_shape_are_both_computed(tmp_path: Path) -> None:
    network = network_of(read_onnx(rate(tmp_path, (3, 3))).model)
    assert [node.op_type for node in network.graph][-1] == "Where"
    x = np.ones((1, 4), np.float32)
    (found,) = graph.run(network, [x, np.array(16000)])
    np.testing.assert_array_equal(found, [[0, 4, 8]])


def test_what_is_typed_of_inputs() -> None:
    assert parse_shapes(["x=1x512", "a=b=2"]) == {"x": (1, 512), "a=b": (2,)}
    assert parse_numbers(["sr=16000", "a=b=-0.5"]) == {"sr": 16000.0, "a=b": -0.5}
    for bad in ("x", "x=", "=1", "x=1x", "x=1x-2"):
        with pytest.raises(TatamiError):
            parse_shapes([bad])
    for bad in ("x", "x=", "=1", "x=nan", "x=1x2"):
        with pytest.raises(TatamiError):
            parse_numbers([bad])


def test_weights_that_are_standardized_are_computed_once(tmp_path: Path) -> None:
    """torch writes a standardized weight as a normalization that is in training."""
    rng = np.random.default_rng(0)
    weights = {
        "w": rng.normal(size=(8, 3, 200, 300)).astype(np.float32),  # more than shapes have numbers
        "flat": np.array([1, 8, -1]),
        "scale": np.full(8, 0.3, np.float32),
        "none": np.zeros(8, np.float32),
        "one": np.ones(8, np.float32),
        "whole": np.array([8, 3, 200, 300]),
    }
    nodes = [
        helper.make_node("Reshape", ["w", "flat"], ["rows"]),
        helper.make_node(
            "BatchNormalization",
            ["rows", "scale", "none", "none", "one"],
            ["normal", "mean", "variance"],
            training_mode=1,
        ),
        helper.make_node("Reshape", ["normal", "whole"], ["standard"]),
        helper.make_node("Conv", ["x", "standard"], ["y"]),
    ]
    file = file_of(tmp_path, nodes, {"x": (FLOAT, [1, 3, 200, 300])}, weights)
    network = network_of(read_onnx(file).model)
    assert [node.op_type for node in network.graph] == ["Conv"]
    assert set(network.graph.initializers) == {"standard"}
    x = rng.normal(size=(1, 3, 200, 300)).astype(np.float32)
    rows = weights["w"].reshape(8, -1).astype(np.float64)
    normal = (rows - rows.mean(1, keepdims=True)) / np.sqrt(rows.var(1, keepdims=True) + 1e-5)
    expected = 0.3 * normal @ x.reshape(-1)
    np.testing.assert_allclose(
        graph.run(network, [x])[0].reshape(-1), expected, rtol=1e-4, atol=1e-2
    )
