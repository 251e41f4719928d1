"""Each operation against the loops that its docstring's formula says."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tatami.errors import TatamiError
from tatami.ops.activation import clip, exp, leaky_relu, relu, sigmoid, softmax, tanh
from tatami.ops.conv import convolve
from tatami.ops.conv_transpose import convolve_transposed
from tatami.ops.im2col import im2col
from tatami.ops.norm import batch_normalize
from tatami.ops.pad import pad
from tatami.ops.pool import average_pool, global_average_pool, global_max_pool, max_pool
from tatami.ops.window import Axis, Window

axes = st.builds(
    Axis,
    kernel=st.integers(1, 4),
    stride=st.integers(1, 3),
    before=st.integers(0, 2),
    after=st.integers(0, 2),
    dilation=st.integers(1, 2),
)


def at(x, channel, row, column, outside):
    """A sample of a (c, h, w) map, or ``outside`` beyond its border."""
    inside = 0 <= row < x.shape[1] and 0 <= column < x.shape[2]
    return float(x[channel, row, column]) if inside else outside


def places(window, shape):
    """Every output place with the samples under it: ((i, j), [(u, v, row, column), ...])."""
    rows, columns = window.rows, window.columns
    for i in range(rows.output(shape[1])):
        for j in range(columns.output(shape[2])):
            seen = [
                (
                    u,
                    v,
                    i * rows.stride - rows.before + u * rows.dilation,
                    j * columns.stride - columns.before + v * columns.dilation,
                )
                for u in range(rows.kernel)
                for v in range(columns.kernel)
            ]
            yield (i, j), seen


@settings(max_examples=60)
@given(axes, axes, st.sampled_from([(1, 1), (1, 3), (2, 1), (3, 2)]), st.integers(0, 2**32 - 1))
def test_convolution_equals_its_formula(rows, columns, grouping, seed):
    groups, per_group = grouping
    rng = np.random.default_rng(seed)
    window = Window(rows, columns)
    x = rng.standard_normal((2, groups * per_group, 8, 9)).astype(np.float32)
    weight = rng.standard_normal((2 * groups, per_group, rows.kernel, columns.kernel))
    weight = weight.astype(np.float32)
    bias = rng.standard_normal(2 * groups).astype(np.float32)
    y = convolve(x, weight, bias, window, groups)
    assert y.dtype == np.float32
    for picture in range(2):
        for o in range(2 * groups):
            first = o // 2 * per_group
            for (i, j), seen in places(window, x.shape[1:]):
                expected = float(bias[o]) + sum(
                    float(weight[o, c, u, v]) * at(x[picture], first + c, row, column, 0.0)
                    for c in range(per_group)
                    for u, v, row, column in seen
                )
                assert math.isclose(y[picture, o, i, j], expected, rel_tol=1e-5, abs_tol=1e-4)


@settings(max_examples=60)
@given(axes, axes, st.sampled_from([(1, 1), (1, 3), (2, 1), (3, 2)]), st.integers(0, 2**32 - 1))
def test_transposed_convolution_equals_its_formula(rows, columns, grouping, seed):
    groups, per_group = grouping
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((2, groups * per_group, 4, 3)).astype(np.float32)
    weight = rng.standard_normal((groups * per_group, 2, rows.kernel, columns.kernel))
    weight = weight.astype(np.float32)
    bias = rng.standard_normal(2 * groups).astype(np.float32)
    shape = [
        max(1, (length - 1) * axis.stride + axis.span - axis.before - axis.after + more)
        for length, axis, more in ((4, rows, seed % 3), (3, columns, seed % 2))
    ]
    y = convolve_transposed(x, weight, bias, Window(rows, columns), tuple(shape), groups)
    assert y.dtype == np.float32
    expected = np.zeros((2, 2 * groups, *shape)) + bias[:, None, None]
    for n, c, i, j in np.ndindex(x.shape):
        for o, u, v in np.ndindex(weight.shape[1:]):
            row = i * rows.stride + u * rows.dilation - rows.before
            column = j * columns.stride + v * columns.dilation - columns.before
            if 0 <= row < shape[0] and 0 <= column < shape[1]:
                product = float(weight[c, o, u, v]) * float(x[n, c, i, j])
                expected[n, c // per_group * 2 + o, row, column] += product
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-4)
    bare = convolve_transposed(x, weight, None, Window(rows, columns), tuple(shape), groups)
    np.testing.assert_allclose(bare, expected - bias[:, None, None], rtol=1e-5, atol=1e-4)


def test_im2col_has_one_row_a_tap_and_one_column_a_place():
    x = np.arange(6, dtype=np.float32).reshape(1, 1, 2, 3)
    columns = im2col(x, Window(Axis(2), Axis(2, after=1)))
    assert columns.tolist() == [[[0, 1, 2], [1, 2, 0], [3, 4, 5], [4, 5, 0]]]


@settings(max_examples=60)
@given(axes, axes, st.booleans(), st.integers(0, 2**32 - 1))
def test_pools_equal_their_formulas(rows, columns, count_padding, seed):
    x = np.random.default_rng(seed).standard_normal((2, 3, 8, 7)).astype(np.float32)
    window = Window(rows, columns)
    largest = max_pool(x, window)
    with np.errstate(invalid="ignore"):  # a place wholly in the padding has no mean
        mean = average_pool(x, window, count_padding)
    for picture in range(2):
        for c in range(3):
            for (i, j), seen in places(window, x.shape[1:]):
                inside = [
                    at(x[picture], c, row, column, math.nan)
                    for _, _, row, column in seen
                    if 0 <= row < 8 and 0 <= column < 7
                ]
                assert largest[picture, c, i, j] == max(inside, default=-math.inf)
                count = len(seen) if count_padding else len(inside)
                expected = sum(inside) / count if count else math.nan
                got = mean[picture, c, i, j]
                assert (math.isnan(got) and math.isnan(expected)) or abs(got - expected) < 1e-5


def test_a_max_pool_of_size_2_and_stride_1_keeps_the_size():
    x = np.array([[[[-1, -2], [-3, -4]]]], np.float32)
    y = max_pool(x, Window(Axis(2, after=1), Axis(2, after=1)))
    assert y.tolist() == [[[[-1, -2], [-3, -4]]]]  # padding with 0 would have won


def test_pools_of_the_whole_map():
    x = np.random.default_rng(0).standard_normal((2, 3, 5, 4)).astype(np.float32)
    whole = Window(Axis(5), Axis(4))
    mean = global_average_pool(x)
    assert mean.dtype == np.float32
    np.testing.assert_allclose(mean, average_pool(x, whole), rtol=1e-5, atol=1e-6)
    assert np.array_equal(global_max_pool(x), max_pool(x, whole))
    whole_numbers = np.arange(12, dtype=np.uint8).reshape(1, 2, 3, 2)
    largest = global_max_pool(whole_numbers)
    assert largest.dtype == np.uint8
    assert largest.tolist() == [[[[5]], [[11]]]]


def test_batch_normalization_is_algorithm_2_of_the_paper():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 3, 4, 5)).astype(np.float32)
    scale, bias, mean = rng.standard_normal((3, 3)).astype(np.float32)
    variance = rng.uniform(0.1, 2, 3).astype(np.float32)
    y = batch_normalize(x, scale, bias, mean, variance, 1e-3)
    for c in range(3):
        hat = (x[:, c].astype(float) - mean[c]) / math.sqrt(float(variance[c]) + 1e-3)
        assert np.allclose(y[:, c], scale[c] * hat + bias[c], rtol=1e-5, atol=1e-6)
    assert y.dtype == np.float32


def test_activations():
    x = np.array([-200, -2, -0.0, 0, 3, 200], np.float32)
    assert relu(x).tolist() == [0, 0, 0, 0, 3, 200]
    assert leaky_relu(x, 0.5).tolist() == [-100, -1, 0, 0, 3, 200]
    assert clip(x, 0, 6).tolist() == [0, 0, 0, 0, 3, 6]
    expected = [0, 1 / (1 + math.exp(2)), 0.5, 0.5, 1 / (1 + math.exp(-3)), 1]
    assert np.allclose(sigmoid(x), expected, rtol=1e-6, atol=1e-38)
    for y in (relu(x), leaky_relu(x), clip(x, 0, 6), sigmoid(x)):
        assert y.dtype == np.float32


def test_exp_and_tanh_over_all_that_float32_holds():
    x = np.array([-200, -2, 0, 3, 88, 200], np.float32)
    assert np.allclose(exp(x), [0, *(math.exp(v) for v in (-2, 0, 3, 88)), np.inf], rtol=1e-6)
    assert np.allclose(tanh(x), [math.tanh(float(v)) for v in x], rtol=1e-6)
    assert exp(x).dtype == tanh(x).dtype == np.float32


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_softmax_along_any_axis(axis):
    x = np.random.default_rng(0).normal(0, 50, (3, 4, 5)).astype(np.float32)
    y = softmax(x, axis)
    assert y.dtype == np.float32
    e = np.exp(x.astype(float) - x.max(axis=axis, keepdims=True))
    np.testing.assert_allclose(y, e / e.sum(axis=axis, keepdims=True), rtol=1e-5, atol=1e-7)
    moved = np.moveaxis(softmax(np.moveaxis(x, axis, -1), -1), -1, axis)
    np.testing.assert_allclose(y, moved, rtol=1e-6)
    assert softmax(np.array([1000, -1000], np.float32), 0).tolist() == [1, 0]


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("constant", [7, 1, 2, 3, 7, 7]),
        ("edge", [1, 1, 2, 3, 3, 3]),
        ("reflect", [2, 1, 2, 3, 2, 1]),
    ],
)
def test_pad(mode, expected):
    x = np.array([[1, 2, 3]], np.float32)
    assert pad(x, [(0, 0), (1, 2)], mode, 7).tolist() == [expected]


def test_what_does_not_fit_is_refused():
    x = np.zeros((1, 3, 4, 4), np.float32)
    with pytest.raises(TatamiError, match="does not fit 3 channels"):
        convolve(x, np.zeros((2, 2, 1, 1), np.float32), None, Window.square(1))
    with pytest.raises(TatamiError, match="does not fit in 4 samples"):
        max_pool(x, Window.square(5))
    with pytest.raises(TatamiError, match="is not a window"):
        Axis(3, stride=0)
