"""tatami.scratch and the pools of regions against torch, in float64. Bound: 1e-10 of the most."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from tatami.ops.spatial_pyramid import (  # noqa: E402
    spatial_pyramid_pool,
    spatial_pyramid_pool_backward,
)
from tatami.ops.window import Axis, Window  # noqa: E402
from tatami.scratch import optimizers  # noqa: E402
from tatami.scratch.conv_nd import convolve_nd, convolve_nd_backward  # noqa: E402
from tatami.scratch.layers import (  # noqa: E402
    Affine,
    AveragePooling,
    BatchNorm,
    Convolution,
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
from tatami.scratch.simple_convnet import SimpleConvNet  # noqa: E402

rng = np.random.default_rng(4)


def normal(*shape):
    return rng.standard_normal(shape)


def close(ours, theirs):
    theirs = theirs.detach().numpy()
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() <= 1e-10 * max(1, np.abs(theirs).max())


def graded(*arrays):
    return [torch.from_numpy(array.copy()).requires_grad_() for array in arrays]


PAIRS = {
    "convolution": (
        lambda: Convolution(normal(4, 6, 3, 3), normal(4), Window.square(3, 2, 1)),
        lambda x, *p: F.conv2d(x, *p, stride=2, padding=1),
    ),
    "depthwise": (
        lambda: Convolution(normal(6, 1, 3, 3), normal(6), Window.square(3, 1, 1), 6),
        lambda x, *p: F.conv2d(x, *p, padding=1, groups=6),
    ),
    "pointwise": (
        lambda: Convolution(normal(4, 6, 1, 1), normal(4), Window.square(1)),
        lambda x, *p: F.conv2d(x, *p),
    ),
    "grouped and dilated": (
        lambda: Convolution(normal(4, 3, 3, 3), normal(4), Window.square(3, 1, 2, 2), 2),
        lambda x, *p: F.conv2d(x, *p, padding=2, dilation=2, groups=2),
    ),
    "transposed": (
        lambda: TransposedConvolution(
            normal(6, 2, 3, 3), normal(4), Window.square(3, 2, 1), 2, (1, 0)
        ),
        lambda x, *p: F.conv_transpose2d(x, *p, 2, 1, (1, 0), 2),
    ),
    "max pooling": (
        lambda: MaxPooling(Window.square(3, 2, 1)),
        lambda x: F.max_pool2d(x, 3, 2, 1),
    ),
    "average pooling": (
        lambda: AveragePooling(Window.square(3, 2, 1)),
        lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False),
    ),
    "spatial pyramid": (
        lambda: SpatialPyramidPooling((2, 1)),
        lambda x: torch.cat([F.adaptive_max_pool2d(x, n).flatten(1) for n in (2, 1)], 1),
    ),
    "affine": (
        lambda: Affine(normal(6 * 7 * 8, 3), normal(3)),
        lambda x, weight, bias: F.linear(x.flatten(1), weight.T, bias),
    ),
    "relu": (ReLU, F.relu),
    "leaky relu": (lambda: LeakyReLU(0.1), lambda x: F.leaky_relu(x, 0.1)),
    "batch norm": (
        lambda: BatchNorm(normal(6), normal(6)),
        lambda x, *p: F.batch_norm(x, None, None, *p, True),
    ),
    "layer norm": (
        lambda: LayerNorm(normal(6, 7, 8), normal(6, 7, 8)),
        lambda x, *p: F.layer_norm(x, (6, 7, 8), *p),
    ),
    "instance norm": (
        lambda: InstanceNorm(normal(6), normal(6)),
        lambda x, *p: F.instance_norm(x, None, None, *p),
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_layers(name):
    made, theirs = PAIRS[name]
    layer, x = made(), normal(3, 6, 7, 8)
    tensors = graded(x, *layer.params.values())
    expected = theirs(*tensors)
    close(layer.forward(x, training=True), expected)
    dy = normal(*expected.shape)
    expected.backward(torch.from_numpy(dy))
    gradients = (layer.backward(dy), *(layer.grads[key] for key in layer.params))
    for gradient, tensor in zip(gradients, tensors, strict=True):
        close(gradient, tensor.grad)


def test_pooling_and_unpooling_in_a_row():
    x, dy = normal(2, 3, 7, 6), normal(2, 3, 7, 6)
    (tensor,) = graded(x)
    pooled, places = F.max_pool2d(tensor, 2, 2, return_indices=True)
    expected = F.max_unpool2d(pooled, places, 2, 2, output_size=(7, 6))
    expected.backward(torch.from_numpy(dy))
    pooling = MaxPooling(Window.square(2, 2))
    unpooling = Unpooling(pooling)
    close(unpooling.forward(pooling.forward(x)), expected)
    close(pooling.backward(unpooling.backward(dy)), tensor.grad)


def test_the_running_statistics_of_batch_norm():
    ours, theirs = BatchNorm(normal(6), normal(6)), nn.BatchNorm2d(6).double()
    theirs.weight.data, theirs.bias.data = graded(*ours.params.values())
    for _ in range(3):
        x = normal(4, 6, 5, 3) * 3 + 1
        close(ours.forward(x, training=True), theirs(torch.from_numpy(x)))
    close(ours.mean, theirs.running_mean)
    close(ours.variance, theirs.running_var)
    close(ours.forward(x), theirs.eval()(torch.from_numpy(x)))


def test_cross_entropy():
    layer, x, labels = SoftmaxCrossEntropy(), normal(7, 5) * 9, rng.integers(0, 5, 7)
    (tensor,) = graded(x)
    expected = F.cross_entropy(tensor, torch.from_numpy(labels))
    expected.backward()
    assert abs(layer.forward(x, labels) - expected.item()) < 1e-12
    close(layer.backward(), tensor.grad)


@pytest.mark.parametrize(
    ("function", "lengths"),
    [(F.conv1d, (17,)), (F.conv2d, (9, 8)), (F.conv3d, (7, 6, 8))],
    ids=["sound", "picture", "volume"],
)
@pytest.mark.parametrize(
    ("stride", "pad", "dilation"), [(1, 0, 1), (2, 1, 1), (1, 2, 2), (3, 1, 2)]
)
def test_convolution_along_any_axes(function, lengths, stride, pad, dilation):
    kernels = (3, 2, 3)[: len(lengths)]
    axes = [Axis(kernel, stride, pad, pad, dilation) for kernel in kernels]
    x, weight, bias = normal(2, 3, *lengths), normal(4, 3, *kernels), normal(4)
    tensors = graded(x, weight, bias)
    expected = function(*tensors, stride, pad, dilation)
    close(convolve_nd(x, weight, bias, axes), expected)
    dy = normal(*expected.shape)
    expected.backward(torch.from_numpy(dy))
    gradients = convolve_nd_backward(x, weight, dy, axes)
    for gradient, tensor in zip(gradients, tensors, strict=True):
        close(gradient, tensor.grad)


@pytest.mark.parametrize(("h", "w"), [(13, 13), (10, 7), (3, 2)])
@pytest.mark.parametrize("levels", [(1,), (4, 2, 1), (6, 3, 2, 1)])
def test_the_pyramid_is_torchs_adaptive_pools_side_by_side(h, w, levels):
    x = rng.integers(-9, 9, (2, 3, h, w)).astype(np.float64)  # many are equal
    (tensor,) = graded(x)
    expected = torch.cat([F.adaptive_max_pool2d(tensor, n).flatten(1) for n in levels], 1)
    y, indices = spatial_pyramid_pool(x, levels)
    close(y, expected)
    dy = normal(*y.shape)
    expected.backward(torch.from_numpy(dy))
    close(spatial_pyramid_pool_backward(dy, indices, x.shape), tensor.grad)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (optimizers.SGD(0.1), lambda p: torch.optim.SGD(p, 0.1)),
        (optimizers.Momentum(0.1, 0.8), lambda p: torch.optim.SGD(p, 0.1, momentum=0.8)),
        (optimizers.AdaGrad(0.1, 1e-7), lambda p: torch.optim.Adagrad(p, 0.1, eps=1e-7)),
        (
            optimizers.Adam(0.1, 0.8, 0.95, 1e-6),
            lambda p: torch.optim.Adam(p, 0.1, (0.8, 0.95), 1e-6),
        ),
    ],
    ids=["sgd", "momentum", "adagrad", "adam"],
)
def test_optimizers(ours, theirs):
    params = {"a": normal(3, 4), "b": normal(5)}
    tensors = graded(*params.values())
    steps = theirs(tensors)
    for _ in range(20):
        grads = {name: normal(*array.shape) for name, array in params.items()}
        ours.update(params, grads)
        for tensor, grad in zip(tensors, grads.values(), strict=True):
            tensor.grad = torch.from_numpy(grad)
        steps.step()
        for array, tensor in zip(params.values(), tensors, strict=True):
            close(array, tensor)


def test_simple_convnet():
    net = SimpleConvNet(filters=8, dtype=np.float64)
    images, labels = normal(5, 1, 28, 28), rng.integers(0, 10, 5)
    loss, gradients = net.gradient(images, labels)
    weight, bias, affine1, bias1, affine2, bias2 = tensors = graded(*net.params.values())
    x = F.max_pool2d(F.conv2d(torch.from_numpy(images), weight, bias).relu(), 2)
    logits = (x.flatten(1) @ affine1 + bias1).relu() @ affine2 + bias2
    expected = F.cross_entropy(logits, torch.from_numpy(labels))
    expected.backward()
    assert abs(loss - expected.item()) < 1e-12
    for name, tensor in zip(net.params, tensors, strict=True):
        close(gradients[name], tensor.grad)
