"""RoI max pooling and spatial pyramid pooling, against loops written from the papers' words."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tatami.errors import TatamiError
from tatami.ops.roi_pool import roi_max_pool, roi_max_pool_backward
from tatami.ops.spatial_pyramid import bins, spatial_pyramid_pool, spatial_pyramid_pool_backward

seeds = st.integers(0, 2**32 - 1)


def apart(rng, *shape):
    """Numbers at least 0.1 from each other, so that no small step makes another the largest."""
    count = int(np.prod(shape))
    return (rng.permutation(count) - count // 2).reshape(shape) * 0.1 + 0.05


def largest_in_bin(x, edges, i, j, output):
    """The largest sample of bin (i, j) of a region, by asking every sample; and its index."""
    (left, top, right, bottom), (out_h, out_w) = edges, output
    best, index = None, -1
    for row in range(x.shape[0]):
        for column in range(x.shape[1]):
            # A sample is in the bin if any of its unit square is.
            below = (row + 1 - top) * out_h > i * (bottom - top)
            above = (row - top) * out_h < (i + 1) * (bottom - top)
            after = (column + 1 - left) * out_w > j * (right - left)
            before = (column - left) * out_w < (j + 1) * (right - left)
            if below and above and after and before and (best is None or x[row, column] > best):
                best, index = x[row, column], row * x.shape[1] + column
    return (0.0 if best is None else best), index


def nearest(edge):
    return math.floor(edge + 0.5)


regions = st.tuples(*[st.floats(-6, 20)] * 2, *[st.floats(0, 16)] * 2).map(
    lambda given: (given[0], given[1], given[0] + given[2], given[1] + given[3])
)


@settings(max_examples=20, deadline=None)
@given(
    st.lists(regions, max_size=4),
    st.integers(1, 4),
    st.integers(1, 4),
    st.sampled_from([1.0, 0.5, 0.25]),
    seeds,
)
def test_roi_max_pool_equals_its_loops(check_gradients, boxes, out_h, out_w, scale, seed):
    rng = np.random.default_rng(seed)
    x, output = apart(rng, 2, 2, 6, 7), (out_h, out_w)
    xyxy, pictures = np.array(boxes).reshape(-1, 4), rng.integers(0, 2, len(boxes))
    y, indices = roi_max_pool(x, xyxy, pictures, output, scale)
    assert y.shape == indices.shape == (len(boxes), 2, out_h, out_w)
    dy = rng.standard_normal(y.shape)
    gradient = np.zeros_like(x)
    for k, c, i, j in np.ndindex(y.shape):
        left, top, right, bottom = (nearest(edge * scale) for edge in boxes[k])
        edges = left, top, max(right, left + 1), max(bottom, top + 1)
        value, index = largest_in_bin(x[pictures[k], c], edges, i, j, output)
        assert (y[k, c, i, j], indices[k, c, i, j]) == (value, index)
        if index >= 0:
            gradient[pictures[k], c, index // 7, index % 7] += dy[k, c, i, j]
    ours = roi_max_pool_backward(dy, indices, pictures, x.shape)
    np.testing.assert_allclose(ours, gradient, rtol=0, atol=1e-12)
    check_gradients(lambda x: roi_max_pool(x, xyxy, pictures, output, scale)[0], (x,), dy, (ours,))


def test_a_region_of_no_picture_or_without_end_is_refused():
    x, box = np.ones((2, 1, 4, 4)), np.array([[0.0, 0, 2, 2]])
    for picture in (-1, 2):
        with pytest.raises(TatamiError, match="outside the 2 given"):
            roi_max_pool(x, box, np.array([picture]), (2, 2))
    with pytest.raises(TatamiError, match="not finite"):
        roi_max_pool(x, box * np.nan, np.array([0]), (2, 2))


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 30), st.integers(1, 10))
def test_bins_leave_no_sample_out_and_are_alike(length, count):
    shared = bins(length, count)
    assert len(shared) == count
    assert {i for first, end in shared for i in range(first, end)} == set(range(length))
    sizes = [end - first for first, end in shared]
    assert min(sizes) >= 1
    assert max(sizes) - min(sizes) <= 2 - (length % count == 0) * 2


@settings(max_examples=30, deadline=None)
@given(
    st.integers(1, 7), st.integers(1, 7), st.lists(st.integers(1, 4), min_size=1, max_size=3), seeds
)
def test_the_pyramid_equals_its_loops(check_gradients, h, w, levels, seed):
    rng = np.random.default_rng(seed)
    x = apart(rng, 2, 3, h, w)
    y, indices = spatial_pyramid_pool(x, levels)
    expected = [
        [
            largest_in_bin(x[n, c], (0, 0, w, h), i, j, (level, level))[0]
            for level in levels
            for c in range(3)
            for i in range(level)
            for j in range(level)
        ]
        for n in range(2)
    ]
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(np.take_along_axis(x.reshape(2, -1), indices, 1), y)
    dy = rng.standard_normal(y.shape)
    gradient = spatial_pyramid_pool_backward(dy, indices, x.shape)
    check_gradients(lambda x: spatial_pyramid_pool(x, levels)[0], (x,), dy, (gradient,))


@pytest.mark.parametrize("levels", [(), (2, 0)])
def test_a_pyramid_without_bins_is_refused(levels):
    with pytest.raises(TatamiError, match="no bins"):
        spatial_pyramid_pool(np.ones((1, 1, 4, 4)), levels)
