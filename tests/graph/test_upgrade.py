"""Old operator sets, and operators of bytes, mean to Tatami what they mean to ONNX Runtime."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tatami import graph
from tatami.errors import TatamiError
from tatami.graph.read import network_of
from tatami.program.interpret import run
from tatami.program.lower import lower

runtime = pytest.importorskip("onnxruntime")
Array = np.ndarray[Any, Any]
IMAGE = (1, 4, 6, 8)


def numbers(*shape: int) -> Array:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def model_of(
    nodes: Sequence[onnx.NodeProto],
    weights: dict[str, Any],
    opset: int,
    image: tuple[int, ...] = IMAGE,
    domains: Sequence[str] = (),
) -> onnx.ModelProto:
    model = helper.make_model(
        helper.make_graph(
            nodes,
            "net",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, image)],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
            [numpy_helper.from_array(np.asarray(array), name) for name, array in weights.items()],
        ),
        opset_imports=[
            helper.make_opsetid("", opset),
            *(helper.make_opsetid(d, 1) for d in domains),
        ],
        ir_version=8,
    )
    return onnx.shape_inference.infer_shapes(model)


def expected(model: onnx.ModelProto, image: Array) -> Array:
    options = runtime.SessionOptions()
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session = runtime.InferenceSession(model.SerializeToString(), options)
    (found,) = session.run(None, {"x": image})
    return np.asarray(found)


def node(operator: str, *inputs: str, **attributes: Any) -> list[onnx.NodeProto]:
    return [helper.make_node(operator, ["x", *inputs], ["y"], **attributes)]


ONES = np.ones(4, np.float32)
OLD: dict[str, tuple[int, list[onnx.NodeProto], dict[str, Any]]] = {
    "Squeeze 11": (11, node("Squeeze", axes=[0]), {}),
    "Unsqueeze 11": (11, node("Unsqueeze", axes=[1, 3]), {}),
    "ReduceSum 11": (11, node("ReduceSum", axes=[1, 2], keepdims=0), {}),
    "ReduceMean 7": (7, node("ReduceMean", axes=[2, 3]), {}),
    "Split 11": (
        11,
        [
            helper.make_node("Split", ["x"], ["a", "b"], axis=1, split=[1, 3]),
            helper.make_node("ReduceMax", ["b"], ["y"], axes=[1]),
        ],
        {},
    ),
    "Pad 7": (7, node("Pad", pads=[0, 0, 1, 2, 0, 0, 0, 1], value=1.5), {}),
    "Pad 10, reflect": (10, node("Pad", pads=[0, 0, 1, 2, 0, 0, 0, 1], mode="reflect"), {}),
    "Slice 9": (9, node("Slice", starts=[1, 0], ends=[3, 99], axes=[1, 3]), {}),
    "Clip 7": (7, node("Clip", min=-0.5, max=0.25), {}),
    "Dropout 7": (7, node("Dropout", ratio=0.3), {}),
    "BatchNormalization 8": (
        8,
        node("BatchNormalization", "s", "b", "m", "v"),
        {"s": 2 * ONES, "b": ONES, "m": 0.5 * ONES, "v": 3 * ONES},
    ),
    "Softmax 7, over all axes from 1 on": (7, node("Softmax"), {}),
    "Softmax 11, of the last axis": (11, node("Softmax", axis=3), {}),
    "LogSoftmax 11, from the third": (11, node("LogSoftmax", axis=2), {}),
    "Upsample 7": (7, node("Upsample", scales=[1.0, 1.0, 2.0, 3.0], mode="nearest"), {}),
    "Upsample 9, linear": (
        9,
        node("Upsample", "k", mode="linear"),
        {"k": np.array([1, 1, 2, 2], np.float32)},
    ),
    "Resize 10, nearest, down": (
        10,
        node("Resize", "k", mode="nearest"),
        {"k": np.array([1, 1, 1 / 3, 0.5], np.float32)},
    ),
    "Resize 10, linear": (
        10,
        node("Resize", "k", mode="linear"),
        {"k": np.array([1, 1, 2, 1.5], np.float32)},
    ),
}


@pytest.mark.parametrize("name", OLD)
def test_an_old_form_gives_the_same_numbers(name: str) -> None:
    opset, nodes, weights = OLD[name]
    model, image = model_of(nodes, weights, opset), numbers(*IMAGE)
    wanted = expected(model, image)
    (found,) = graph.run(network_of(model), image)
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)


def test_statistics_of_each_place_are_refused() -> None:
    weights = {"s": 2 * ONES, "b": ONES, "m": ONES, "v": ONES}
    model = model_of(node("BatchNormalization", "s", "b", "m", "v", spatial=0), weights, 7)
    with pytest.raises(TatamiError, match="statistics of each place"):
        network_of(model)


# Operators of bytes ------------------------------------------------------------------------------

STEPS: dict[str, Any] = {
    "xs": np.float32(0.03), "xz": np.uint8(120), "ys": np.float32(0.05), "yz": np.uint8(110),
}  # fmt: skip
QUANTIZED = helper.make_node("QuantizeLinear", ["x", "xs", "xz"], ["q"])
BACK = helper.make_node("DequantizeLinear", ["r", "ys", "yz"], ["y"])


def of_bytes(operator: str, *inputs: str, domain: str = "com.microsoft", **attributes: Any) -> Any:
    made = helper.make_node(operator, list(inputs), ["r"], domain=domain, **attributes)
    return [QUANTIZED, made, BACK]


X, Y = ("q", "xs", "xz"), ("ys", "yz")
CONV = {
    "w": np.random.default_rng(1).integers(-90, 90, (3, 4, 3, 3)).astype(np.int8),
    "ws": np.array([0.01, 0.02, 0.005], np.float32), "wz": np.zeros(3, np.int8),
    "b": np.array([100, -2000, 4], np.int32),
}  # fmt: skip
BYTES: dict[str, tuple[list[onnx.NodeProto], dict[str, Any]]] = {
    "QLinearConv": (
        of_bytes("QLinearConv", *X, "w", "ws", "wz", *Y, "b", domain="", pads=[1, 1, 1, 1]),
        CONV,
    ),
    "QLinearAdd": (of_bytes("QLinearAdd", *X, *X, *Y), {}),
    "QLinearAveragePool": (of_bytes("QLinearAveragePool", *X, *Y, kernel_shape=[2, 2]), {}),
    "QLinearGlobalAveragePool": (of_bytes("QLinearGlobalAveragePool", *X, *Y), {}),
    "QLinearSigmoid": (of_bytes("QLinearSigmoid", *X, *Y), {}),
    "QLinearLeakyRelu": (of_bytes("QLinearLeakyRelu", *X, *Y, alpha=0.1), {}),
    "QLinearConcat": (of_bytes("QLinearConcat", *Y, *X, *X, axis=1), {}),
}


@pytest.mark.parametrize("name", BYTES)
def test_an_operator_of_bytes_is_integers_within_a_step(name: str) -> None:
    nodes, weights = BYTES[name]
    model = model_of(nodes, {**STEPS, **weights}, 17, domains=["com.microsoft"])
    image = numbers(*IMAGE)
    wanted = expected(model, image)
    del model.graph.output[:]  # ONNX cannot infer the shapes of operators that are not its own
    model.graph.output.append(helper.make_tensor_value_info("y", TensorProto.FLOAT, wanted.shape))
    program = lower(network_of(model))
    assert all(value.quantized for value in list(program.values.values())[:-1])
    (found,) = run(program, [image[0]])
    assert np.abs(found.reshape(wanted.shape) - wanted).max() <= 0.0501  # a tie may round up


def test_channels_last_are_refused() -> None:
    nodes = of_bytes("QLinearAveragePool", *X, *Y, kernel_shape=[2, 2], channels_last=1)
    with pytest.raises(TatamiError, match="channels last"):
        network_of(model_of(nodes, STEPS, 17, domains=["com.microsoft"]))
