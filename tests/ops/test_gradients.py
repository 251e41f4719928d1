"""Every backward function against central differences of its forward function, in float64."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tatami.errors import TatamiError
from tatami.ops.activation import (
    clip,
    clip_backward,
    leaky_relu,
    leaky_relu_backward,
    relu,
    relu_backward,
    sigmoid,
    sigmoid_backward,
    softmax,
    softmax_backward,
    tanh,
    tanh_backward,
)
from tatami.ops.conv import convolve, convolve_backward
from tatami.ops.conv_transpose import convolve_transposed, convolve_transposed_backward
from tatami.ops.im2col import col2im, im2col
from tatami.ops.norm import (
    batch_normalize,
    batch_normalize_backward,
    batch_normalize_training,
    instance_normalize,
    instance_normalize_backward,
    l2_norm,
    l2_norm_backward,
    layer_normalize,
    layer_normalize_backward,
)
from tatami.ops.pool import (
    average_pool,
    average_pool_backward,
    global_average_pool,
    global_average_pool_backward,
    max_pool,
    max_pool_backward,
    max_pool_with_indices,
    max_unpool,
    max_unpool_backward,
)
from tatami.ops.resize import resize, resize_backward, resize_taps
from tatami.ops.window import Axis, Window

axes = st.builds(
    Axis,
    kernel=st.integers(1, 3),
    stride=st.integers(1, 3),
    before=st.integers(0, 2),
    after=st.integers(0, 2),
    dilation=st.integers(1, 2),
)
seeds = st.integers(0, 2**32 - 1)
groupings = st.sampled_from([(1, 1), (1, 2), (2, 1), (3, 1)])


def apart(rng, *shape):
    """Numbers at least 0.1 from each other, so that no small step makes another the largest."""
    count = int(np.prod(shape))
    return (rng.permutation(count) - count // 2).reshape(shape) * 0.1 + 0.05


@settings(max_examples=15, deadline=None)
@given(axes, axes, groupings, seeds)
def test_convolution(check_gradients, rows, columns, grouping, seed):
    groups, per_group = grouping
    rng, window = np.random.default_rng(seed), Window(rows, columns)
    x = rng.standard_normal((2, groups * per_group, 5, 6))
    weight = rng.standard_normal((2 * groups, per_group, rows.kernel, columns.kernel))
    bias = rng.standard_normal(2 * groups)
    dy = rng.standard_normal(convolve(x, weight, bias, window, groups).shape)
    gradients = convolve_backward(x, weight, dy, window, groups)
    check_gradients(
        lambda *arrays: convolve(*arrays, window, groups), (x, weight, bias), dy, gradients
    )


@settings(max_examples=15, deadline=None)
@given(axes, axes, groupings, st.integers(0, 2), seeds)
def test_transposed_convolution(check_gradients, rows, columns, grouping, more, seed):
    groups, per_group = grouping
    rng, window = np.random.default_rng(seed), Window(rows, columns)
    x = rng.standard_normal((2, groups * per_group, 4, 3))
    weight = rng.standard_normal((groups * per_group, 2, rows.kernel, columns.kernel))
    bias = rng.standard_normal(2 * groups)
    output = tuple(
        max(1, (length - 1) * axis.stride + axis.span - axis.before - axis.after + more)
        for length, axis in ((4, rows), (3, columns))
    )
    dy = rng.standard_normal((2, 2 * groups, *output))
    gradients = convolve_transposed_backward(x, weight, dy, window, groups)
    check_gradients(
        lambda *arrays: convolve_transposed(*arrays, window, output, groups),
        (x, weight, bias),
        dy,
        gradients,
    )


@settings(max_examples=40, deadline=None)
@given(axes, axes, seeds)
def test_col2im_is_the_transpose_of_im2col(rows, columns, seed):
    """<im2col(x), d> = <x, col2im(d)>: what makes one linear map the other's gradient."""
    rng, window = np.random.default_rng(seed), Window(rows, columns)
    x = rng.standard_normal((2, 3, 6, 7))
    laid = im2col(x, window)
    d = rng.standard_normal(laid.shape)
    back = col2im(d, x.shape, window)
    assert back.shape == x.shape
    assert abs((laid * d).sum() - (x * back).sum()) < 1e-10


@settings(max_examples=20, deadline=None)
@given(axes, axes, seeds)
def test_max_pool(check_gradients, rows, columns, seed):
    rng, window = np.random.default_rng(seed), Window(rows, columns)
    x = apart(rng, 2, 2, 5, 6)
    y, indices = max_pool_with_indices(x, window)
    np.testing.assert_array_equal(y, max_pool(x, window))
    flat = x.reshape(2, 2, -1)
    lay = np.take_along_axis(flat, np.maximum(indices, 0).reshape(2, 2, -1), 2).reshape(y.shape)
    np.testing.assert_array_equal(np.where(indices < 0, -np.inf, lay), y)
    dy = rng.standard_normal(y.shape)
    gradient = max_pool_backward(dy, indices, x.shape)

    def forward(x):
        y = max_pool(x, window)
        return np.where(np.isinf(y), 0, y)  # of a place wholly in the padding

    check_gradients(forward, (x,), dy, (gradient,))


def test_indices_of_equal_samples_infinities_and_nan():
    x = np.array([[[[2.0, 2, -np.inf], [2, 1, np.nan], [-np.inf, -np.inf, 5]]]])
    y, indices = max_pool_with_indices(x, Window.square(2))
    assert indices.tolist() == [[[[0, 5], [3, 5]]]]
    assert np.isnan(y[0, 0, :, 1]).all()
    padded = Window(Axis(2, 2, before=1, after=1), Axis(2, 2, before=1, after=1))
    lowest = np.full((1, 1, 2, 2), -np.inf)
    assert max_pool_with_indices(lowest, padded)[1].tolist() == [[[[0, 1], [2, 3]]]]
    empty = Window(Axis(1, before=1), Axis(1))
    assert max_pool_with_indices(np.ones((1, 1, 1, 1)), empty)[1].tolist() == [[[[-1], [0]]]]


@settings(max_examples=20, deadline=None)
@given(axes, axes, st.booleans(), seeds)
def test_average_pool(check_gradients, rows, columns, count_padding, seed):
    rng, window = np.random.default_rng(seed), Window(rows, columns)
    x = rng.standard_normal((2, 2, 5, 6))

    def forward(x):
        with np.errstate(invalid="ignore"):  # a place wholly in the padding has no mean
            return np.nan_to_num(average_pool(x, window, count_padding))

    dy = rng.standard_normal(forward(x).shape)
    gradient = average_pool_backward(dy, x.shape, window, count_padding)
    check_gradients(forward, (x,), dy, (gradient,))


def test_global_average_pool(check_gradients):
    rng = np.random.default_rng(0)
    x, dy = rng.standard_normal((2, 3, 4, 5)), rng.standard_normal((2, 3, 1, 1))
    gradient = global_average_pool_backward(dy, x.shape)
    check_gradients(global_average_pool, (x,), dy, (gradient,))


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 3), st.integers(1, 3), seeds)
def test_unpooling(check_gradients, height, width, seed):
    rng, window = np.random.default_rng(seed), Window(Axis(height, height), Axis(width, width))
    x = rng.standard_normal((2, 3, 6, 7))
    pooled, indices = max_pool_with_indices(x, window)
    y = max_unpool(pooled, indices, x.shape)
    assert np.array_equal(y[y != 0], x[y != 0])
    assert (y != 0).sum() == pooled.size
    dy = rng.standard_normal(x.shape)
    gradient = max_unpool_backward(dy, indices)
    check_gradients(lambda p: max_unpool(p, indices, x.shape), (pooled,), dy, (gradient,))


@pytest.mark.parametrize("index", [-1, 12])
def test_unpooling_to_where_nothing_is_is_refused(index):
    with pytest.raises(TatamiError, match="outside a map of 3 x 4"):
        max_unpool(np.ones((1, 1, 1, 1)), np.full((1, 1, 1, 1), index), (1, 1, 3, 4))


def test_activations(check_gradients):
    rng = np.random.default_rng(0)
    x, dy = apart(rng, 3, 4, 5), rng.standard_normal((3, 4, 5))
    check_gradients(relu, (x,), dy, (relu_backward(x, dy),))
    gradient = leaky_relu_backward(x, dy, 0.1)
    check_gradients(lambda x: leaky_relu(x, 0.1), (x,), dy, (gradient,))
    gradient = clip_backward(x, dy, -1.0, 2.0)
    check_gradients(lambda x: clip(x, -1.0, 2.0), (x,), dy, (gradient,))
    check_gradients(sigmoid, (x,), dy, (sigmoid_backward(sigmoid(x), dy),))
    check_gradients(tanh, (x,), dy, (tanh_backward(tanh(x), dy),))
    for axis in (0, 1, -1):
        gradient = softmax_backward(softmax(x, axis), dy, axis)
        check_gradients(lambda x, axis=axis: softmax(x, axis), (x,), dy, (gradient,))


@pytest.mark.parametrize("shape", [(6, 3), (3, 2, 4), (2, 3, 4, 5), (2, 2, 3, 2, 2)])
def test_normalizations(check_gradients, shape):
    rng = np.random.default_rng(0)
    x, dy = rng.standard_normal(shape) * 3 + 1, rng.standard_normal(shape)
    channels = rng.standard_normal((2, shape[1]))
    gradients = batch_normalize_backward(x, channels[0], dy, 1e-3)
    check_gradients(
        lambda *arrays: batch_normalize_training(*arrays, 1e-3)[0], (x, *channels), dy, gradients
    )
    for first in range(1, len(shape)):
        inner = rng.standard_normal((2, *shape[first:]))
        gradients = layer_normalize_backward(x, inner[0], dy, 1e-3)
        check_gradients(lambda *arrays: layer_normalize(*arrays, 1e-3), (x, *inner), dy, gradients)
    if len(shape) > 2:
        gradients = instance_normalize_backward(x, channels[0], dy, 1e-3)
        check_gradients(
            lambda *arrays: instance_normalize(*arrays, 1e-3), (x, *channels), dy, gradients
        )


@pytest.mark.parametrize("axes", [(0,), (1,), (2, 3), (0, 1, 2, 3)])
def test_the_euclidean_norm(check_gradients, axes):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 3, 4, 5))
    y = l2_norm(x, axes)
    np.testing.assert_allclose(y, np.linalg.norm(x, axis=axes, keepdims=True) if len(axes) < 3
                               else np.full((1, 1, 1, 1), np.linalg.norm(x.ravel())))  # fmt: skip
    dy = rng.standard_normal(y.shape)
    check_gradients(lambda x: l2_norm(x, axes), (x,), dy, (l2_norm_backward(x, y, dy),))


def test_the_euclidean_norm_of_nothing_has_no_slope():
    x = np.array([[0.0, 0.0], [3.0, 4.0]], np.float32)
    y = l2_norm(x, (1,))
    np.testing.assert_array_equal(y, np.array([[0], [5]], np.float32))
    dx = l2_norm_backward(x, y, np.ones_like(y))
    assert dx.dtype == np.float32
    np.testing.assert_allclose(dx, [[0, 0], [0.6, 0.8]], rtol=1e-6)


def test_the_statistics_of_a_batch_normalize_it_as_fixed_ones_do():
    rng = np.random.default_rng(0)
    x, scale, bias = rng.standard_normal((4, 3, 5, 6)), *rng.standard_normal((2, 3))
    y, mean, variance = batch_normalize_training(x, scale, bias)
    np.testing.assert_allclose(y, batch_normalize(x, scale, bias, mean, variance), rtol=1e-12)
    np.testing.assert_allclose(variance, np.var(x, (0, 2, 3)), rtol=1e-12)


@pytest.mark.parametrize("mode", ["nearest", "linear"])
@pytest.mark.parametrize(("h", "w"), [(6, 8), (2, 3), (5, 1)])
def test_resize(check_gradients, mode, h, w):
    rng = np.random.default_rng(0)
    rows, columns = (
        resize_taps(length, outputs, outputs / length, mode, "half_pixel", "round_prefer_floor")
        for length, outputs in ((3, h), (4, w))
    )
    x, dy = rng.standard_normal((2, 2, 3, 4)), rng.standard_normal((2, 2, h, w))
    gradient = resize_backward(dy, x.shape, rows, columns)
    check_gradients(lambda x: resize(x, rows, columns), (x,), dy, (gradient,))
