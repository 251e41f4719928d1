"""tatami.graph.run against ONNX Runtime: the same file, another program.

Bound everywhere: |difference| <= 1e-5 of the largest |value| of the activation.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import helper

from tatami import graph
from tatami.graph.write import to_bytes

onnxruntime = pytest.importorskip("onnxruntime")
node = helper.make_node
rng = np.random.default_rng(11)
BOUND = 1e-5


def peer(network, images):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        to_bytes(network), options, providers=["CPUExecutionProvider"]
    )
    return np.concatenate([session.run(None, {"images": one[None]})[0] for one in images])


def agrees(network, images):
    ours, theirs = graph.run(network, images)[0], peer(network, images)
    assert ours.shape == theirs.shape
    assert ours.dtype == theirs.dtype == np.float32
    assert np.abs(ours - theirs).max() <= BOUND * max(np.abs(theirs).max(), 1e-30)


def normal(*shape):
    return rng.standard_normal(shape).astype(np.float32)


POOL = {"kernel_shape": [3, 2]}
CHANNEL = normal(4, 1, 1)
CASES = {
    "conv": (
        [node("Conv", ["images", "w", "b"], ["map"])],
        {"w": normal(5, 4, 3, 2), "b": normal(5)},
    ),
    "conv asymmetric": (
        [
            node(
                "Conv",
                ["images", "w"],
                ["map"],
                pads=[0, 2, 1, 0],
                strides=[2, 1],
                dilations=[1, 2],
            )
        ],
        {"w": normal(5, 4, 3, 2)},
    ),
    "conv groups": ([node("Conv", ["images", "w"], ["map"], group=2)], {"w": normal(6, 2, 3, 3)}),
    "conv depthwise": (
        [node("Conv", ["images", "w"], ["map"], group=4, pads=[1, 1, 1, 1])],
        {"w": normal(8, 1, 3, 3)},
    ),
    "conv pointwise": (
        [node("Conv", ["images", "w"], ["map"], strides=[2, 2])],
        {"w": normal(6, 4, 1, 1)},
    ),
    "conv same upper": (
        [node("Conv", ["images", "w"], ["map"], auto_pad="SAME_UPPER", strides=[2, 3])],
        {"w": normal(6, 4, 2, 4)},
    ),
    "conv same lower": (
        [node("Conv", ["images", "w"], ["map"], auto_pad="SAME_LOWER", strides=[2, 1])],
        {"w": normal(6, 4, 2, 4)},
    ),
    "conv valid": (
        [node("Conv", ["images", "w"], ["map"], auto_pad="VALID")],
        {"w": normal(6, 4, 2, 4)},
    ),
    "normalize": (
        [node("BatchNormalization", ["images", "s", "b", "m", "v"], ["map"], epsilon=1e-3)],
        {"s": normal(4), "b": normal(4), "m": normal(4), "v": np.abs(normal(4))},
    ),
    "leaky": ([node("LeakyRelu", ["images"], ["map"], alpha=0.1)], {}),
    "leaky default": ([node("LeakyRelu", ["images"], ["map"])], {}),
    "relu": ([node("Relu", ["images"], ["map"])], {}),
    "clip": ([node("Clip", ["images", "", "high"], ["map"])], {"high": np.array(0.5, np.float32)}),
    "relu6": (
        [node("Clip", ["images", "low", "high"], ["map"])],
        {"low": np.array(0, np.float32), "high": np.array(6, np.float32)},
    ),
    "sigmoid": ([node("Sigmoid", ["images"], ["map"])], {}),
    "max pool": ([node("MaxPool", ["images"], ["map"], strides=[2, 2], **POOL)], {}),
    "max pool tiny": (
        [node("MaxPool", ["images"], ["map"], kernel_shape=[2, 2], pads=[0, 0, 1, 1])],
        {},
    ),
    "max pool dilated": ([node("MaxPool", ["images"], ["map"], dilations=[2, 3], **POOL)], {}),
    "max pool same": (
        [node("MaxPool", ["images"], ["map"], auto_pad="SAME_UPPER", strides=[2, 2], **POOL)],
        {},
    ),
    "average pool": ([node("AveragePool", ["images"], ["map"], pads=[1, 0, 2, 1], **POOL)], {}),
    "average pool counted": (
        [node("AveragePool", ["images"], ["map"], pads=[1, 0, 2, 1], count_include_pad=1, **POOL)],
        {},
    ),
    "pad": ([node("Pad", ["images", "p"], ["map"])], {"p": np.array([0, 0, 1, 2, 0, 1, 0, 3])}),
    "pad value": (
        [node("Pad", ["images", "p", "k", "axes"], ["map"])],
        {"p": np.array([1, 2, 3, 0]), "k": np.array(7, np.float32), "axes": np.array([3, 2])},
    ),
    "pad edge": (
        [node("Pad", ["images", "p"], ["map"], mode="edge")],
        {"p": np.array([0, 0, 1, 2, 0, 0, 0, 3])},
    ),
    "pad reflect": (
        [node("Pad", ["images", "p"], ["map"], mode="reflect")],
        {"p": np.array([0, 0, 1, 2, 0, 0, 0, 3])},
    ),
    "add": ([node("Add", ["images", "k"], ["map"])], {"k": CHANNEL}),
    "sub": ([node("Sub", ["k", "images"], ["map"])], {"k": CHANNEL}),
    "mul": ([node("Mul", ["images", "images"], ["map"])], {}),
    "div": ([node("Div", ["images", "k"], ["map"])], {"k": CHANNEL}),
    "concat": (
        [node("Relu", ["images"], ["r"]), node("Concat", ["r", "images"], ["map"], axis=-3)],
        {},
    ),
    "identity": ([node("Identity", ["images"], ["map"])], {}),
    "reshape": (
        [node("Reshape", ["images", "shape"], ["map"])],
        {"shape": np.array([0, -1, 9, 2])},
    ),
    "transposed": (
        [node("ConvTranspose", ["images", "w", "b"], ["map"], strides=[2, 1], pads=[1, 0, 0, 1])],
        {"w": normal(4, 5, 3, 2), "b": normal(5)},
    ),
    "transposed groups": (
        [
            node(
                "ConvTranspose",
                ["images", "w"],
                ["map"],
                group=2,
                dilations=[2, 2],
                strides=[3, 2],
                output_padding=[1, 0],
            )
        ],
        {"w": normal(4, 3, 2, 3)},
    ),
    "transposed same": (
        [node("ConvTranspose", ["images", "w"], ["map"], auto_pad="SAME_UPPER", strides=[2, 2])],
        {"w": normal(4, 3, 3, 3)},
    ),
    "global average": ([node("GlobalAveragePool", ["images"], ["map"])], {}),
    "global max": ([node("GlobalMaxPool", ["images"], ["map"])], {}),
    "l2 norm": ([node("ReduceL2", ["images", "axes"], ["map"])], {"axes": np.array([1])}),
    "l2 norm of all": ([node("ReduceL2", ["images"], ["map"])], {}),
    "softmax": ([node("Softmax", ["images"], ["map"], axis=1)], {}),
    "softmax last": ([node("Softmax", ["images"], ["map"])], {}),
    "exp": ([node("Exp", ["images"], ["map"])], {}),
    "tanh": ([node("Tanh", ["images"], ["map"])], {}),
    "dropout": ([node("Dropout", ["images"], ["map"])], {}),
    "space to depth": (
        [
            node("Pad", ["images", "p"], ["a"]),
            node("SpaceToDepth", ["a"], ["map"], blocksize=2),
        ],
        {"p": np.array([0, 0, 0, 0, 0, 0, 1, 0])},
    ),
    "transpose": ([node("Transpose", ["images"], ["map"], perm=[0, 2, 3, 1])], {}),
    "squeeze and unsqueeze": (
        [
            node("GlobalMaxPool", ["images"], ["top"]),
            node("Squeeze", ["top", "axes"], ["flat"]),
            node("Unsqueeze", ["flat", "axes"], ["map"]),
        ],
        {"axes": np.array([2, 3])},
    ),
    "matmul": (
        [
            node("GlobalAveragePool", ["images"], ["top"]),
            node("Flatten", ["top"], ["flat"]),
            node("MatMul", ["flat", "w"], ["row"]),
            node("Unsqueeze", ["row", "axes"], ["map"]),
        ],
        {"w": normal(4, 7), "axes": np.array([2, 3])},
    ),
    "gemm": (
        [
            node("Flatten", ["images"], ["flat"]),
            node("Gemm", ["flat", "w", "b"], ["row"], transB=1, alpha=0.5, beta=2.0),
            node("Unsqueeze", ["row", "axes"], ["map"]),
        ],
        {"w": normal(6, 360), "b": normal(6), "axes": np.array([2, 3])},
    ),
    "resize nearest": (
        [
            node(
                "Resize",
                ["images", "", "s"],
                ["map"],
                mode="nearest",
                coordinate_transformation_mode="asymmetric",
                nearest_mode="floor",
            )
        ],
        {"s": np.array([1, 1, 2, 3], np.float32)},
    ),
    "resize linear": (
        [node("Resize", ["images", "", "s"], ["map"], mode="linear")],
        {"s": np.array([1, 1, 1.5, 2], np.float32)},
    ),
    "resize to corners": (
        [
            node(
                "Resize",
                ["images", "", "", "sizes"],
                ["map"],
                mode="linear",
                coordinate_transformation_mode="align_corners",
            )
        ],
        {"sizes": np.array([1, 4, 7, 23])},
    ),
    "quantize": (
        [
            node("QuantizeLinear", ["images", "s", "z"], ["q"]),
            node("DequantizeLinear", ["q", "s", "z"], ["map"]),
        ],
        {"s": np.array(0.03, np.float32), "z": np.array(120, np.uint8)},
    ),
    "quantized weights": (
        [
            node("DequantizeLinear", ["w8", "ws", "wz"], ["w"], axis=0),
            node("Conv", ["images", "w"], ["map"]),
        ],
        {
            "w8": np.arange(-127, 161 - 127, 1)[:144]
            .reshape(4, 4, 3, 3)
            .clip(-127, 127)
            .astype(np.int8),
            "ws": np.array([0.1, 0.2, 0.3, 0.4], np.float32),
            "wz": np.zeros(4, np.int8),
        },
    ),
    "max unpooling": (
        [
            node("MaxPool", ["images"], ["y", "at"], kernel_shape=[3, 2], strides=[3, 2]),
            node("Sigmoid", ["y"], ["z"]),
            node("MaxUnpool", ["z", "at"], ["map"], kernel_shape=[3, 2], strides=[3, 2]),
        ],
        {},
    ),
    "slices": (
        [
            node("Slice", ["images", "from", "to"], ["a"]),
            node("Slice", ["a", "starts", "ends", "axes", "steps"], ["map"]),
        ],
        {
            "from": np.array([0, 1, 2, -9]),
            "to": np.array([1, 4, 99, 9]),
            "starts": np.array([6, 1]),
            "ends": np.array([-99, -1]),
            "axes": np.array([-1, 2]),
            "steps": np.array([-2, 3]),
        },
    ),
    "flatten": (
        [
            node("Flatten", ["images"], ["flat"], axis=2),
            node("Reshape", ["flat", "shape"], ["map"]),
        ],
        {"shape": np.array([1, 4, 9, 10])},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_every_operator_of_the_table_agrees(network_of, name):
    network = network_of(*CASES[name], image=(1, 4, 9, 10))
    agrees(network, 4 * normal(2, 4, 9, 10))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_convolution_agrees_for_any_window(network_of, data):
    kernel = data.draw(st.tuples(st.integers(1, 4), st.integers(1, 4)), "kernel")
    groups = data.draw(st.sampled_from([1, 2, 4]), "groups")
    attributes = {
        "strides": data.draw(st.tuples(st.integers(1, 3), st.integers(1, 3)), "strides"),
        "dilations": data.draw(st.tuples(st.integers(1, 2), st.integers(1, 2)), "dilations"),
        "pads": data.draw(st.tuples(*[st.integers(0, 3)] * 4), "pads"),
        "group": groups,
    }
    weights = {"w": normal(8, 4 // groups, *kernel), "b": normal(8)}
    network = network_of(
        [node("Conv", ["images", "w", "b"], ["map"], **attributes)], weights, (1, 4, 9, 10)
    )
    agrees(network, normal(1, 4, 9, 10))
