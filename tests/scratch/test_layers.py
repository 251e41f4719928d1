"""Every layer of tatami.scratch: its gradients against central differences, in float64."""

from __future__ import annotations

import numpy as np
import pytest

from tatami.errors import TatamiError
from tatami.ops.window import Axis, Window
from tatami.scratch.layers import (
    Affine,
    AveragePooling,
    BatchNorm,
    Convolution,
    Dropout,
    InstanceNorm,
    LayerNorm,
    LeakyReLU,
    MaxPooling,
    ReLU,
    SoftmaxCrossEntropy,
    SpatialPyramidPooling,
    TransposedConvolution,
    Unpooling,
)

rng = np.random.default_rng(0)


def normal(*shape):
    return rng.standard_normal(shape)


LAYERS = {
    "convolution": lambda: Convolution(normal(4, 6, 3, 3), normal(4), Window.square(3, 1, 1)),
    "uneven": lambda: Convolution(
        normal(4, 6, 2, 3), normal(4), Window(Axis(2, 2, after=1), Axis(3, before=2))
    ),
    "depthwise": lambda: Convolution(normal(6, 1, 3, 3), normal(6), Window.square(3, 2, 1), 6),
    "pointwise": lambda: Convolution(normal(4, 6, 1, 1), normal(4), Window.square(1)),
    "grouped": lambda: Convolution(normal(4, 3, 3, 3), normal(4), Window.square(3), 2),
    "dilated": lambda: Convolution(normal(4, 6, 2, 2), normal(4), Window.square(2, 1, 2, 3)),
    "transposed": lambda: TransposedConvolution(
        normal(6, 2, 3, 3), normal(4), Window.square(3, 2, 1), 2, (1, 0)
    ),
    "max pooling": lambda: MaxPooling(Window.square(3, 2, 1)),
    "average pooling": lambda: AveragePooling(Window.square(3, 2, 1)),
    "spatial pyramid": lambda: SpatialPyramidPooling((3, 2, 1)),
    "affine": lambda: Affine(normal(6 * 5 * 4, 3), normal(3)),
    "relu": ReLU,
    "leaky relu": lambda: LeakyReLU(0.1),
    "batch norm": lambda: BatchNorm(normal(6), normal(6)),
    "layer norm": lambda: LayerNorm(normal(6, 5, 4), normal(6, 5, 4)),
    "instance norm": lambda: InstanceNorm(normal(6), normal(6)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_gradients(check_gradients, name):
    layer = LAYERS[name]()
    x = normal(2, 6, 5, 4)
    y = layer.forward(x, training=True)
    dy = normal(*y.shape)
    gradients = (layer.backward(dy), *(layer.grads[key] for key in layer.params))

    def forward(*_):
        return layer.forward(x, training=True)

    # The arrays are the layer's own, so that a change of one is a change of the layer.
    check_gradients(forward, (x, *layer.params.values()), dy, gradients, bound=1e-6)


def test_unpooling_undoes_its_pooling(check_gradients):
    pooling = MaxPooling(Window.square(2, 2))
    x = normal(2, 3, 6, 5)
    pooled = pooling.forward(x)
    layer = Unpooling(pooling)
    y = layer.forward(pooled)
    assert y.shape == x.shape
    np.testing.assert_array_equal(pooling.forward(np.where(y == 0, -9, y)), pooled)
    dy = normal(*y.shape)
    check_gradients(layer.forward, (pooled,), dy, (layer.backward(dy),))


def test_cross_entropy(check_gradients):
    layer, x, labels = SoftmaxCrossEntropy(), normal(5, 4) * 3, rng.integers(0, 4, 5)
    y = np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)
    expected = -np.mean([np.log(y[i, label]) for i, label in enumerate(labels)])
    assert abs(layer.forward(x, labels) - expected) < 1e-12
    gradient = layer.backward()
    check_gradients(lambda x: np.array(layer.forward(x, labels)), (x,), np.array(1.0), (gradient,))


def test_cross_entropy_of_what_is_certain_and_of_what_is_as_good_as_impossible():
    layer = SoftmaxCrossEntropy()
    x = np.array([[1000.0, 0, -1000]])
    assert layer.forward(x, np.array([0])) == 0
    assert layer.forward(x, np.array([2])) == 2000


@pytest.mark.parametrize("labels", [[0, 4], [-1, 0], [1], []])
def test_labels_that_are_no_classes_are_refused(labels):
    with pytest.raises(TatamiError, match="not 2 of 4 classes"):
        SoftmaxCrossEntropy().forward(np.zeros((2, 4)), np.array(labels, np.int64))


def test_dropout_drops_its_share_and_keeps_the_mean():
    layer, x = Dropout(0.3, np.random.default_rng(0)), np.ones((200, 200), np.float32)
    assert np.array_equal(layer.forward(x), x)
    assert np.array_equal(layer.backward(x), x)
    y = layer.forward(x, training=True)
    assert y.dtype == np.float32
    assert abs((y == 0).mean() - 0.3) < 0.01
    assert np.allclose(y[y != 0], 1 / 0.7)
    assert np.array_equal(layer.backward(x), y)
    again = Dropout(0.3, np.random.default_rng(1)).forward(x, training=True)
    assert not np.array_equal(again, y)
    with pytest.raises(TatamiError, match="the dropout ratio is 1"):
        Dropout(1, rng)


def test_batch_norm_runs_with_the_statistics_that_it_gathered():
    layer = BatchNorm(np.ones(3), np.zeros(3), momentum=1.0)
    x = normal(8, 3, 5, 4) * [[[2.0]], [[3]], [[4]]] + 7
    seen = layer.forward(x, training=True)
    count = 8 * 5 * 4
    np.testing.assert_allclose(layer.variance, x.var(axis=(0, 2, 3), ddof=1))
    np.testing.assert_allclose(layer.forward(x), seen * np.sqrt((count - 1) / count), rtol=1e-5)
    flat = x[:, :, 0, 0]
    np.testing.assert_allclose(layer.forward(flat), layer.forward(x)[:, :, 0, 0])
    with pytest.raises(TatamiError, match="no variance"):
        layer.forward(flat[:1], training=True)


@pytest.mark.parametrize("name", LAYERS)
def test_float32_stays_float32(name):
    layer = LAYERS[name]()
    for key, array in layer.params.items():
        layer.params[key] = array.astype(np.float32)
    if isinstance(layer, BatchNorm):
        layer = BatchNorm(*layer.params.values())
    y = layer.forward(normal(2, 6, 5, 4).astype(np.float32), training=True)
    assert y.dtype == np.float32
    assert layer.backward(y).dtype == np.float32
    assert all(array.dtype == np.float32 for array in layer.grads.values())
    assert layer.forward(normal(2, 6, 5, 4).astype(np.float32)).dtype == np.float32
