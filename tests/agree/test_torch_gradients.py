"""The backward functions of tatami.ops against torch's autograd, in float32 and in float64.

Bound: 1e-5 of the largest |value| in float32, 1e-12 in float64.
"""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from torch.nn import functional as F  # noqa: E402

from tatami.ops import activation  # noqa: E402
from tatami.ops import norm as norms  # noqa: E402
from tatami.ops.conv import convolve, convolve_backward  # noqa: E402
from tatami.ops.conv_transpose import (  # noqa: E402
    convolve_transposed,
    convolve_transposed_backward,
)
from tatami.ops.im2col import col2im, im2col  # noqa: E402
from tatami.ops.pool import (  # noqa: E402
    average_pool,
    average_pool_backward,
    global_average_pool_backward,
    max_pool_backward,
    max_pool_with_indices,
    max_unpool,
    max_unpool_backward,
)
from tatami.ops.resize import resize, resize_backward, resize_taps  # noqa: E402
from tatami.ops.window import Window  # noqa: E402

rng = np.random.default_rng(3)
both = pytest.mark.parametrize("kind", [np.float32, np.float64])


def normal(kind, *shape):
    return rng.standard_normal(shape).astype(kind)


def close(ours, theirs):
    theirs = theirs.detach().numpy()
    assert ours.shape == theirs.shape
    assert ours.dtype == theirs.dtype
    bound = 1e-5 if theirs.dtype == np.float32 else 1e-12
    assert np.abs(ours - theirs).max() <= bound * max(1, np.abs(theirs).max())


def graded(*arrays):
    return [torch.from_numpy(array).requires_grad_() for array in arrays]


def agree(ours, theirs, dy, gradients, tensors):
    """Our forward and all gradients equal torch's."""
    close(ours, theirs)
    theirs.backward(torch.from_numpy(dy))
    for gradient, tensor in zip(gradients, tensors, strict=True):
        close(gradient, tensor.grad)


@both
@pytest.mark.parametrize("kernel", [1, 3, 4])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("groups", [1, 2, 6])
def test_convolution(kind, kernel, stride, dilation, groups):
    x, weight = normal(kind, 2, 6, 13, 11), normal(kind, 12, 6 // groups, kernel, kernel)
    bias, window = normal(kind, 12), Window.square(kernel, stride, 2, dilation)
    tensors = graded(x, weight, bias)
    ours = convolve(x, weight, bias, window, groups)
    dy = normal(kind, *ours.shape)
    gradients = convolve_backward(x, weight, dy, window, groups)
    agree(ours, F.conv2d(*tensors, stride, 2, dilation, groups), dy, gradients, tensors)


@both
@pytest.mark.parametrize("groups", [1, 2, 6])
@pytest.mark.parametrize(
    ("kernel", "stride", "pad", "more", "dilation"),
    [(1, 1, 0, 0, 1), (2, 2, 0, 0, 1), (3, 2, 1, 1, 1), (4, 2, 1, 0, 1), (3, 3, 2, 2, 2)],
)
def test_transposed_convolution(kind, kernel, stride, pad, more, dilation, groups):
    x, weight = normal(kind, 2, 6, 5, 4), normal(kind, 6, 12 // groups, kernel, kernel)
    bias, window = normal(kind, 12), Window.square(kernel, stride, pad, dilation)
    tensors = graded(x, weight, bias)
    theirs = F.conv_transpose2d(*tensors, stride, pad, more, groups, dilation)
    ours = convolve_transposed(x, weight, bias, window, theirs.shape[2:], groups)
    dy = normal(kind, *ours.shape)
    gradients = convolve_transposed_backward(x, weight, dy, window, groups)
    agree(ours, theirs, dy, gradients, tensors)


@both
@pytest.mark.parametrize(("kernel", "stride", "pad", "dilation"), [(2, 2, 0, 1), (3, 2, 2, 2)])
def test_col2im(kind, kernel, stride, pad, dilation):
    x, window = normal(kind, 2, 3, 9, 8), Window.square(kernel, stride, pad, dilation)
    columns = im2col(x, window)
    close(columns, F.unfold(torch.from_numpy(x), kernel, dilation, pad, stride))
    theirs = F.fold(torch.from_numpy(columns), (9, 8), kernel, dilation, pad, stride)
    close(col2im(columns, x.shape, window), theirs)


@both
@pytest.mark.parametrize(
    ("kernel", "stride", "pad", "dilation"),
    [(2, 2, 0, 1), (2, 1, 1, 1), (3, 2, 1, 1), (5, 3, 2, 1), (3, 2, 1, 2)],
)
def test_max_pool_and_its_indices(kind, kernel, stride, pad, dilation):
    x = rng.integers(-4, 4, (2, 3, 13, 11)).astype(kind)  # many are equal
    window = Window.square(kernel, stride, pad, dilation)
    (tensor,) = graded(x)
    theirs, places = F.max_pool2d(
        tensor, kernel, stride, pad, dilation=dilation, return_indices=True
    )
    ours, indices = max_pool_with_indices(x, window)
    assert np.array_equal(indices, places.numpy())
    dy = normal(kind, *ours.shape)
    agree(ours, theirs, dy, [max_pool_backward(dy, indices, x.shape)], [tensor])


@both
@pytest.mark.parametrize(("kernel", "stride", "pad"), [(2, 2, 0), (2, 1, 1), (3, 2, 1), (5, 3, 2)])
@pytest.mark.parametrize("count_padding", [False, True])
def test_average_pool(kind, kernel, stride, pad, count_padding):
    x, window = normal(kind, 2, 3, 13, 11), Window.square(kernel, stride, pad)
    (tensor,) = graded(x)
    theirs = F.avg_pool2d(tensor, kernel, stride, pad, count_include_pad=count_padding)
    ours = average_pool(x, window, count_padding)
    dy = normal(kind, *ours.shape)
    gradient = average_pool_backward(dy, x.shape, window, count_padding)
    agree(ours, theirs, dy, [gradient], [tensor])


@both
def test_the_mean_of_a_map(kind):
    x, dy = normal(kind, 2, 3, 5, 6), normal(kind, 2, 3, 1, 1)
    (tensor,) = graded(x)
    F.adaptive_avg_pool2d(tensor, 1).backward(torch.from_numpy(dy))
    close(global_average_pool_backward(dy, x.shape), tensor.grad)


@both
def test_unpooling(kind):
    x = normal(kind, 2, 3, 7, 9)
    pooled, indices = max_pool_with_indices(x, Window.square(2, 2))
    (tensor,) = graded(pooled)
    theirs = F.max_unpool2d(tensor, torch.from_numpy(indices), 2, 2, output_size=(7, 9))
    dy = normal(kind, *x.shape)
    ours = max_unpool(pooled, indices, x.shape)
    agree(ours, theirs, dy, [max_unpool_backward(dy, indices)], [tensor])


@both
def test_activations(kind):
    x, dy = normal(kind, 3, 4, 5) * 4, normal(kind, 3, 4, 5)
    x[0, 0, 0], x[0, 0, 1] = 0, 6  # where they have no derivative
    for ours, gradient, theirs in (
        (activation.relu(x), activation.relu_backward(x, dy), torch.relu),
        (
            activation.leaky_relu(x, 0.1),
            activation.leaky_relu_backward(x, dy, 0.1),
            lambda t: F.leaky_relu(t, 0.1),
        ),
        (activation.clip(x, 0, 6), activation.clip_backward(x, dy, 0, 6), F.relu6),
        (
            activation.sigmoid(x),
            activation.sigmoid_backward(activation.sigmoid(x), dy),
            torch.sigmoid,
        ),
        (activation.tanh(x), activation.tanh_backward(activation.tanh(x), dy), torch.tanh),
        (
            activation.softmax(x, 1),
            activation.softmax_backward(activation.softmax(x, 1), dy, 1),
            lambda t: t.softmax(1),
        ),
    ):
        (tensor,) = graded(x)
        agree(ours, theirs(tensor), dy, [gradient], [tensor])


@both
def test_normalizations(kind):
    x, dy = normal(kind, 4, 3, 5, 6) * 3 + 1, normal(kind, 4, 3, 5, 6)
    scale, bias = normal(kind, 3), normal(kind, 3)
    tensors = graded(x, scale, bias)
    running = torch.zeros(3, dtype=tensors[0].dtype), torch.ones(3, dtype=tensors[0].dtype)
    theirs = F.batch_norm(tensors[0], *running, *tensors[1:], True, 1.0, 1e-3)
    ours, mean, variance = norms.batch_normalize_training(x, scale, bias, 1e-3)
    agree(ours, theirs, dy, norms.batch_normalize_backward(x, scale, dy, 1e-3), tensors)
    close(mean, running[0])
    close(variance * kind(120 / 119), running[1])  # torch keeps the estimate with n - 1

    tensors = graded(x, scale, bias)
    theirs = F.instance_norm(tensors[0], None, None, *tensors[1:], True, 0.1, 1e-3)
    ours = norms.instance_normalize(x, scale, bias, 1e-3)
    agree(ours, theirs, dy, norms.instance_normalize_backward(x, scale, dy, 1e-3), tensors)

    for shape in ((3, 5, 6), (6,)):
        scale, bias = normal(kind, *shape), normal(kind, *shape)
        tensors = graded(x, scale, bias)
        theirs = F.layer_norm(tensors[0], shape, *tensors[1:], 1e-3)
        ours = norms.layer_normalize(x, scale, bias, 1e-3)
        agree(ours, theirs, dy, norms.layer_normalize_backward(x, scale, dy, 1e-3), tensors)


@both
@pytest.mark.parametrize(("h", "w"), [(26, 22), (13, 11), (5, 7), (40, 1)])
@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
def test_resize(kind, h, w, mode):
    x, dy = normal(kind, 2, 3, 13, 11), normal(kind, 2, 3, h, w)
    ours, place = ("linear", "half_pixel") if mode == "bilinear" else (mode, "asymmetric")
    rows, columns = (
        resize_taps(length, outputs, outputs / length, ours, place, "floor")
        for length, outputs in ((13, h), (11, w))
    )
    (tensor,) = graded(x)
    theirs = F.interpolate(tensor, (h, w), mode=mode)
    gradient = resize_backward(dy, x.shape, rows, columns)
    if kind == np.float64 and mode == "bilinear":
        # Our weights are float32's, torch's in float64 are not.
        theirs.backward(torch.from_numpy(dy))
        np.testing.assert_allclose(gradient, tensor.grad, rtol=0, atol=1e-5)
    else:
        agree(resize(x, rows, columns), theirs, dy, [gradient], [tensor])
