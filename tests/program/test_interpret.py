"""The interpreter against the graph that its program was made of."""

import numpy as np
import pytest

from tatami import graph
from tatami.errors import TatamiError
from tatami.program import interpret
from tatami.program.lower import lower
from tatami.types import Size


def test_a_float_program_computes_what_the_graph_does(tmp_path, small_detector):
    network = small_detector(tmp_path / "n.onnx")
    program = lower(network)
    image = np.random.default_rng(0).random((1, 3, 32, 64), np.float32)
    expected = graph.values(network, image)
    for name, value in interpret.values(program, [image[0]]).items():
        np.testing.assert_allclose(value, expected[name][0], rtol=1e-5, atol=1e-6)


def test_every_kind_of_float_step(tmp_path, builder):
    b = builder()
    x = b.conv("images", 3, 8, kernel=(2, 2), strides=[2, 2])  # 8 x 8 x 8
    pooled = b.node("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2])
    scales = b.constant([1, 1, 2, 2])
    wide = b.node("Resize", pooled, "", scales, mode="linear")
    weights = b.constant(b.rng.normal(size=(8, 8, 2, 2)))
    spread = b.node("ConvTranspose", pooled, weights, strides=[2, 2])
    joined = b.node("Concat", b.node("Sigmoid", wide), b.node("Tanh", spread), axis=1)
    scaled = b.node("Mul", joined, b.constant(b.rng.normal(size=(16, 1, 1))))
    turned = b.node("Transpose", scaled, perm=[0, 2, 3, 1])
    soft = b.node("Softmax", turned, axis=-1)
    network = b.network(tmp_path / "n.onnx", None, soft, Size(16, 16), (8, 8, 16))
    image = np.random.default_rng(0).normal(size=(1, 3, 16, 16)).astype(np.float32)
    found = interpret.run(lower(network), [image[0]])[0]
    np.testing.assert_allclose(found, graph.run(network, image)[0][0], rtol=1e-5, atol=1e-6)


def test_inputs_are_checked(tmp_path, small_detector):
    program = lower(small_detector(tmp_path / "n.onnx"))
    with pytest.raises(TatamiError, match="takes 1 inputs, not 2"):
        interpret.run(program, [np.zeros((3, 32, 64)), np.zeros(3)])
    with pytest.raises(TatamiError, match=r"shape \(3, 64, 32\) does not fit 'images'"):
        interpret.run(program, [np.zeros((3, 64, 32), np.float32)])
