"""What layers cost: held to loops that count, to darknet's files and to what is published."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import helper

from tatami import graph
from tatami.graph import Network
from tatami.graph.costs import KINDS, Cost, costs, total
from tatami.graph.operators import OPERATORS
from tatami.graph.read import network_of as network_from
from tatami.importers.darknet import read_darknet
from tatami.ops.counting import PRODUCTS, kind_of
from tatami.ops.elementwise import FUNCTIONS
from tatami.ops.norm import Epsilon
from tatami.program.lower import lower
from tatami.program.steps import parameters
from tatami.shrink.calibrate import observe
from tatami.shrink.fold import fold
from tatami.shrink.quantize import quantize
from tests.operators.example import Example
from tests.operators.example import network_from as network_of_one

Build = Callable[..., Network]
IMAGE = (1, 3, 8, 6)
SAMPLES = math.prod(IMAGE)


def ones(*shape: int) -> np.ndarray:
    return np.ones(shape, np.float32)


def whole(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int64)


# Every operator ----------------------------------------------------------------------------------


def test_every_operator_of_the_table_has_a_cost() -> None:
    assert set(KINDS) <= set(OPERATORS)
    assert set(PRODUCTS) == {operator for operator, kind in KINDS.items() if kind == "product"}
    assert set(KINDS) - set(FUNCTIONS) <= {*ONE_NODE, *SEQUENCES}


# operator: attributes, constants after the input, multiply-adds, parameters, samples written
ONE_NODE: dict[str, tuple[dict[str, object], list[np.ndarray], int, int, int]] = {
    "Add": ({}, [ones(3, 1, 1)], 0, 3, SAMPLES),
    "AveragePool": ({"kernel_shape": [2, 2], "strides": [2, 2]}, [], 0, 0, 36),
    "BatchNormalization": ({}, [ones(3)] * 4, 0, 12, SAMPLES),
    "Clip": ({}, [ones(), 2 * ones()], 0, 0, SAMPLES),
    "Concat": ({"axis": 1}, [ones(1, 2, 8, 6)], 0, 96, SAMPLES + 96),
    "Conv": ({}, [ones(5, 3, 3, 3), ones(5)], 135 * 24, 140, 120),
    "ConvTranspose": ({"strides": [2, 2]}, [ones(3, 5, 2, 2)], 60 * 48, 60, 960),
    "DequantizeLinear": ({}, [], 0, 0, SAMPLES),
    "Div": ({}, [ones()], 0, 1, SAMPLES),
    "Dropout": ({}, [], 0, 0, SAMPLES),
    "Exp": ({}, [], 0, 0, SAMPLES),
    "Flatten": ({}, [], 0, 0, SAMPLES),
    "Gemm": ({"transB": 1}, [ones(7, SAMPLES), ones(7)], 7 * SAMPLES, 7 * SAMPLES + 7, 7),
    "GlobalAveragePool": ({}, [], 0, 0, 3),
    "GlobalMaxPool": ({}, [], 0, 0, 3),
    "Identity": ({}, [], 0, 0, SAMPLES),
    "LeakyRelu": ({}, [], 0, 0, SAMPLES),
    "MatMul": ({}, [ones(6, 4)], 6 * 24 * 4, 24, 96),
    "Max": ({}, [ones()], 0, 1, SAMPLES),
    "MaxPool": ({"kernel_shape": [2, 2]}, [], 0, 0, 105),
    "MaxUnpool": (
        {"kernel_shape": [2, 2], "strides": [2, 2]},
        [2 * np.arange(SAMPLES).reshape(1, 3, 8, 6)],
        *(0, 0, 4 * SAMPLES),
    ),
    "Min": ({}, [ones(3, 1, 1)], 0, 3, SAMPLES),
    "Mul": ({}, [ones(1, 3, 1, 1)], 0, 3, SAMPLES),
    "PRelu": ({}, [ones(3, 1, 1)], 0, 3, SAMPLES),
    "Pad": ({}, [whole(0, 0, 1, 1, 0, 0, 1, 1)], 0, 0, 240),
    "Pow": ({}, [ones()], 0, 1, SAMPLES),
    "QuantizeLinear": ({}, [], 0, 0, SAMPLES),
    "ReduceL2": ({"keepdims": 1}, [whole(1)], SAMPLES, 0, 48),
    "Relu": ({}, [], 0, 0, SAMPLES),
    "Reshape": ({}, [whole(1, 6, 4, 6)], 0, 0, SAMPLES),
    "Resize": ({}, [ones(0), np.array([1, 1, 2, 2], np.float32)], 0, 0, 4 * SAMPLES),
    "Sigmoid": ({}, [], 0, 0, SAMPLES),
    "Slice": ({}, [whole(1, -5), whole(7, 6), whole(2, 3)], 0, 0, 90),
    "Softmax": ({"axis": 1}, [], 0, 0, SAMPLES),
    "SpaceToDepth": ({"blocksize": 2}, [], 0, 0, SAMPLES),
    "Squeeze": ({}, [whole(0)], 0, 0, SAMPLES),
    "Sub": ({}, [ones(3, 1, 1)], 0, 3, SAMPLES),
    "Tanh": ({}, [], 0, 0, SAMPLES),
    "Transpose": ({"perm": [0, 2, 3, 1]}, [], 0, 0, SAMPLES),
    "Unsqueeze": ({}, [whole(0)], 0, 0, SAMPLES),
}
RANKS = {"Flatten": 2, "Gemm": 2, "Squeeze": 3, "Unsqueeze": 5}
VIEWS = {"Dropout", "Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze"}


def one_node(operator: str, folder: Path) -> Network:
    """A file of the operator between two operators that join nothing: a max pool, which gives it
    an input that is no picture, and what it makes as the output."""
    attributes, constants, *_ = ONE_NODE[operator]
    names = [f"w{index}" for index in range(len(constants))]
    arrays = dict(zip(names, constants, strict=True))
    nodes = [helper.make_node("MaxPool", ["images"], ["x"], kernel_shape=[1, 1])]
    arrays |= {"scale": np.array(0.5, np.float32), "zero": np.array(3, np.uint8)}
    source = "x"
    if operator == "Gemm":
        nodes.append(helper.make_node("Flatten", ["x"], ["flat"]))
        source = "flat"
    if operator == "DequantizeLinear":
        nodes.append(helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["q"]))
        source = "q"
    quantizes = operator in ("QuantizeLinear", "DequantizeLinear")
    inputs = [source, "scale", "zero"] if quantizes else [source, *names]
    nodes.append(helper.make_node(operator, inputs, ["map"], **attributes))
    kind = onnx.TensorProto.FLOAT
    made = onnx.TensorProto.UINT8 if operator == "QuantizeLinear" else kind
    content = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("images", kind, IMAGE)],
        [helper.make_tensor_value_info("map", made, [None] * RANKS.get(operator, 4))],
        [onnx.numpy_helper.from_array(array, name) for name, array in arrays.items()],
    )
    opsets = [helper.make_opsetid("", 18)]
    onnx.save(helper.make_model(content, opset_imports=opsets, ir_version=10), folder / "one.onnx")
    return graph.read(folder / "one.onnx")


@pytest.mark.parametrize("operator", sorted(ONE_NODE))
def test_an_operator_by_itself(operator: str, tmp_path: Path) -> None:
    _, _, multiplied, learnt, written = ONE_NODE[operator]
    layers = costs(one_node(operator, tmp_path))
    pool, last, both = layers[0], layers[-1], total(layers)
    assert pool.operators[0] == "MaxPool"
    assert both.multiply_adds == multiplied
    assert both.operations == 2 * multiplied
    assert both.parameters == learnt
    assert both.weight_bytes == 4 * learnt
    if operator == "QuantizeLinear":  # the pool writes bytes at once
        assert (last, last.activation_bytes) == (pool, 4 * SAMPLES + SAMPLES)
    elif kind_of(operator) == "samples":  # done before the pool's result is written
        assert last.operators == ("MaxPool", operator)
        assert last.activation_bytes == 8 * SAMPLES
    elif operator in VIEWS:
        assert (last.operators, last.activation_bytes) == ((operator,), 0)
    else:
        read = SAMPLES if operator == "DequantizeLinear" else 4 * SAMPLES
        assert (last.operators, last.activation_bytes) == ((operator,), read + 4 * written)


STEPS, BATCH, SIZE, HIDDEN = 4, 2, 3, 5


def recurrent(gates: int) -> Example:
    """Make a layer whose every gate of every step adds up its inputs and what it remembers."""
    weights = [ones(1, gates * HIDDEN, SIZE), ones(1, gates * HIDDEN, HIDDEN)]
    return Example([(STEPS, BATCH, SIZE)], weights, {"hidden_size": HIDDEN})


EACH_GATE = STEPS * BATCH * HIDDEN * (SIZE + HIDDEN)
SEQUENCES = {
    "ConvInteger": (
        Example([np.ones((1, 2, 5, 4), np.uint8)], [np.ones((3, 2, 2, 2), np.uint8)]),
        3 * 2 * 2 * 2 * 4 * 3,
    ),
    "Einsum": (Example([(2, 3), (3, 5)], (), {"equation": "ij,jk->k"}), 2 * 3 * 5),
    "GRU": (recurrent(3), 3 * EACH_GATE),
    "LSTM": (recurrent(4), 4 * EACH_GATE),
    "MatMulInteger": (Example([np.ones((3, 4), np.uint8), np.ones((4, 2), np.uint8)]), 3 * 4 * 2),
    "RNN": (recurrent(1), EACH_GATE),
}


@pytest.mark.parametrize("operator", sorted(SEQUENCES))
def test_what_works_on_no_picture(operator: str) -> None:
    example, products = SEQUENCES[operator]
    network = network_of_one(operator, example)
    assert total(costs(network)).multiply_adds == products
    program = lower(network)
    assert sum(map(program.multiply_adds, program.steps)) == products


# Multiply-adds, counted one by one ---------------------------------------------------------------


def starts(length: int, kernel: int, stride: int, pad: int, dilation: int) -> list[int]:
    """Where a window can begin along an axis that is padded at both ends."""
    places = range(-pad, length + pad, stride)
    return [place for place in places if place + dilation * (kernel - 1) < length + pad]


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    groups=st.integers(1, 4),
    inputs=st.integers(1, 3),
    outputs=st.integers(1, 3),
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    pad=st.integers(0, 1),
    dilation=st.integers(1, 2),
)
def test_a_convolution_counted_by_loops(
    network_of: Build,
    groups: int,
    inputs: int,
    outputs: int,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    pad: int,
    dilation: int,
) -> None:
    """groups = channels, one input and one output a group, is a depthwise convolution."""
    image = (1, groups * inputs, 9, 7)
    node = helper.make_node(
        "Conv", ["images", "w"], ["map"], group=groups, strides=stride, pads=[pad] * 4,
        dilations=[dilation] * 2,
    )  # fmt: skip
    network = network_of([node], {"w": ones(groups * outputs, inputs, *kernel)}, image)
    counted = 0
    for _group in range(groups):
        for _output in range(outputs):
            for _row in starts(9, kernel[0], stride[0], pad, dilation):
                for _column in starts(7, kernel[1], stride[1], pad, dilation):
                    for _input in range(inputs):
                        counted += sum(1 for _ in range(kernel[0]) for _ in range(kernel[1]))
    (layer,) = costs(network)
    assert layer.multiply_adds == counted
    program = lower(network)
    assert sum(map(program.multiply_adds, program.steps)) == counted


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    groups=st.integers(1, 3),
    inputs=st.integers(1, 3),
    outputs=st.integers(1, 3),
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    stride=st.integers(1, 3),
)
def test_a_transposed_convolution_counted_by_loops(
    network_of: Build,
    groups: int,
    inputs: int,
    outputs: int,
    kernel: tuple[int, int],
    stride: int,
) -> None:
    """Every sample is multiplied by its whole kernel, once for each output of its group."""
    node = helper.make_node(
        "ConvTranspose", ["images", "w"], ["map"], group=groups, strides=[stride] * 2
    )
    network = network_of(
        [node], {"w": ones(groups * inputs, outputs, *kernel)}, (1, groups * inputs, 4, 5)
    )
    counted = 0
    for _channel in range(groups * inputs):
        for _sample in range(4 * 5):
            for _output in range(outputs):
                counted += sum(1 for _ in range(kernel[0]) for _ in range(kernel[1]))
    (layer,) = costs(network)
    assert layer.multiply_adds == counted
    program = lower(network)
    assert sum(map(program.multiply_adds, program.steps)) == counted


@pytest.mark.parametrize("transposed", [False, True])
def test_a_matrix_product_counted_by_loops(transposed: bool, network_of: Build) -> None:
    image, outputs = (1, 2, 3, 4), 5
    weight = ones(outputs, 24) if transposed else ones(24, outputs)
    nodes = [
        helper.make_node("Flatten", ["images"], ["flat"]),
        helper.make_node("Gemm", ["flat", "w", "b"], ["rows"], transB=int(transposed)),
        helper.make_node("Reshape", ["rows", "shape"], ["map"]),
    ]
    constants = {"w": weight, "b": ones(outputs), "shape": whole(1, outputs, 1, 1)}
    network = network_of(nodes, constants, image)
    counted = sum(1 for _ in range(outputs) for _ in range(math.prod(image)))
    assert total(costs(network)).multiply_adds == counted
    program = lower(network)
    assert sum(map(program.multiply_adds, program.steps)) == counted


# Layers ------------------------------------------------------------------------------------------


def conv_norm_leaky(last: str = "map") -> tuple[list[onnx.NodeProto], dict[str, np.ndarray]]:
    statistics = {name: ones(4) for name in ("scale", "shift", "mean", "variance")}
    nodes = [
        helper.make_node("Conv", ["images", "c.weight"], ["made"], pads=[1] * 4),
        helper.make_node("BatchNormalization", ["made", *statistics], ["normal"]),
        helper.make_node("LeakyRelu", ["normal"], [last]),
    ]
    return nodes, {"c.weight": ones(4, 3, 3, 3), **statistics}


def test_normalization_and_activation_join_the_layer_before(network_of: Build) -> None:
    (layer,) = costs(network_of(*conv_norm_leaky(), IMAGE))
    assert layer.name == "c"
    assert layer.operators == ("Conv", "BatchNormalization", "LeakyRelu")
    assert layer.shape == (1, 4, 8, 6)
    assert layer.parameters == 4 * 27 + 16
    assert layer.activation_bytes == 4 * 48 * (3 + 4)
    assert layer.intensity == 108 * 48 / (4 * 124 + 4 * 48 * 7)


def test_a_value_that_others_read_too_ends_its_layer(network_of: Build) -> None:
    nodes, weights = conv_norm_leaky("active")
    nodes.append(helper.make_node("Add", ["active", "normal"], ["map"]))
    first, active, added = costs(network_of(nodes, weights, IMAGE))
    assert first.operators == ("Conv", "BatchNormalization")
    assert active.operators == ("LeakyRelu",)
    assert active.activation_bytes == 4 * 48 * (4 + 4)
    assert added.operators == ("Add",)
    assert added.activation_bytes == 4 * 48 * (4 + 4 + 4)


def test_a_value_that_a_node_reads_twice_is_read_once(network_of: Build) -> None:
    network = network_of([helper.make_node("Mul", ["images", "images"], ["map"])], {}, IMAGE)
    assert costs(network)[0].activation_bytes == 8 * SAMPLES


def test_a_shared_weight_counts_once(network_of: Build) -> None:
    nodes = [
        helper.make_node("Conv", ["images", "w"], ["x"], pads=[1] * 4),
        helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[1, 1]),
        helper.make_node("Conv", ["y", "w"], ["map"], pads=[1] * 4),
    ]
    network = network_of(nodes, {"w": ones(3, 3, 3, 3)}, IMAGE)
    assert [layer.parameters for layer in costs(network)] == [81, 0, 0]
    assert total(costs(network)).multiply_adds == 2 * 81 * 48


def test_a_folded_network_costs_what_its_program_does(network_of: Build) -> None:
    network = network_of(*conv_norm_leaky(), IMAGE)
    folded, _ = fold(network)
    before, after = total(costs(network)), total(costs(folded))
    assert after.multiply_adds == before.multiply_adds
    assert after.parameters == before.parameters - 4 * 4 + 4  # four statistics become a bias
    program = lower(folded)
    assert after.parameters == sum(map(parameters, program.steps))
    assert after.multiply_adds == sum(map(program.multiply_adds, program.steps))


# Quantized ---------------------------------------------------------------------------------------


def test_a_quantized_network_is_counted_as_bytes(network_of: Build) -> None:
    nodes = [
        helper.make_node("Conv", ["images", "a.weight", "a.bias"], ["x"], pads=[1] * 4),
        helper.make_node("Relu", ["x"], ["active"]),
        helper.make_node("MaxPool", ["active"], ["small"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Conv", ["small", "b.weight", "b.bias"], ["map"]),
    ]
    rng = np.random.default_rng(0)
    weights = {
        name: rng.normal(size=shape).astype(np.float32)
        for name, shape in (
            ("a.weight", (4, 3, 3, 3)), ("a.bias", 4), ("b.weight", (5, 4, 1, 1)), ("b.bias", 5),
        )
    }  # fmt: skip
    network = network_of(nodes, weights, IMAGE)
    pictures = [rng.random(IMAGE, np.float32) for _ in range(2)]
    quantized = quantize(network, observe(network, pictures, 2))
    first, pool, last = costs(quantized)
    assert [one.operators for one in (first, pool, last)] == [
        ("Conv", "Relu"),
        ("MaxPool",),
        ("Conv",),
    ]
    assert first.activation_bytes == 48 * (3 + 4)  # the picture comes as bytes
    assert pool.activation_bytes == 4 * (48 + 12)
    assert last.activation_bytes == 12 * 4 + 4 * 12 * 5  # the map is float
    assert [one.multiply_adds for one in (first, pool, last)] == [
        one.multiply_adds for one in costs(network)
    ]
    assert total(costs(quantized)).parameters == total(costs(network)).parameters
    # int8 weights with a scale and a zero point a channel, int32 biases with the same.
    stored = {
        value.name: value.const_value.nbytes
        for value in quantized.graph.initializers.values()
        if value.const_value is not None and value.name.startswith(("a.", "b."))
    }
    assert len(stored) >= 4
    assert stored["a.weight_quantized"] == 108
    assert total(costs(quantized)).weight_bytes == sum(stored.values())


# Real networks -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("network", "header", "operations"),
    [
        ("nano-voc/MobileNetV2-YOLOv3-Nano-voc", 20, 0.49e9),
        ("yoloface-500k/yoloface-500k", 20, 0.11e9),
        ("yolo-fastest-1.1/yolo-fastest-1.1", 20, 0.25e9),
        ("yolo-lite/tiny-yolov2-trial3", 16, 0.48e9),
    ],
)
def test_darknets_files_hold_so_many_parameters(
    network: str, header: int, operations: float, shared_data: Path
) -> None:
    """A .weights file is a header and nothing but float32 parameters, four a normalization."""
    cfg = shared_data / "weights" / f"{network}.cfg"
    if not cfg.is_file():
        pytest.skip(f"no real network at {cfg}")
    weights = cfg.with_suffix(".weights")
    network_read = network_from(read_darknet(cfg, weights, Epsilon.parse("1e-5")).model)
    whole_network = total(costs(network_read))
    assert whole_network.weight_bytes == weights.stat().st_size - header
    assert whole_network.operations == pytest.approx(operations, rel=0.03)


def test_the_sum_of_nothing() -> None:
    assert total(()) == Cost("all", (), (), 0, 0, 0, 0)
    assert total(()).intensity == 0
