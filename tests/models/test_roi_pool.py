"""RoI max pooling in torch: held to loops over samples, forward and backward."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from tatami.models.roi_pool import roi_max_pool
from tatami.ops import roi_pool as in_numpy
from tatami.types import Size


def naive(x, regions, pictures, bins, scale):
    """Bin after bin, sample after sample: the maxima, and (n, c, row, column) of each, or None."""
    _, c, h, w = x.shape
    y = np.zeros((len(regions), c, bins.height, bins.width), x.dtype)
    won = {}
    for k, region in enumerate(regions):
        left, top, right, bottom = (math.floor(edge * scale + 0.5) for edge in region)
        right, bottom = max(right, left + 1), max(bottom, top + 1)
        for channel in range(c):
            for i in range(bins.height):
                for j in range(bins.width):
                    rows = range(
                        top + math.floor(i * (bottom - top) / bins.height),
                        top + math.ceil((i + 1) * (bottom - top) / bins.height),
                    )
                    columns = range(
                        left + math.floor(j * (right - left) / bins.width),
                        left + math.ceil((j + 1) * (right - left) / bins.width),
                    )
                    best = None
                    for row in rows:
                        for column in columns:
                            if not (0 <= row < h and 0 <= column < w):
                                continue
                            value = x[pictures[k], channel, row, column]
                            if best is None or value > y[k, channel, i, j]:
                                best = (pictures[k], channel, row, column)
                                y[k, channel, i, j] = value
                    won[k, channel, i, j] = best
    return y, won


def regions_of(rng, count, *, beyond):
    low = -40 if beyond else 0
    corners = rng.uniform(low, 200 if beyond else 120, (count, 2))
    boxes = np.hstack([corners, corners + rng.uniform(0, 90, (count, 2))])
    return boxes if beyond else boxes.clip(0, (208, 176, 208, 176))


@pytest.mark.parametrize("beyond", [False, True], ids=["within", "beyond"])
@pytest.mark.parametrize("bins", [Size(7, 7), Size(3, 2), Size(1, 1)], ids=str)
def test_forward_and_backward_are_those_of_loops(bins, beyond):
    rng = np.random.default_rng(2)
    # Few values, so that many samples are equal and the first must win.
    values = rng.integers(-4, 4, (2, 3, 11, 13)).astype(np.float64)
    x = torch.from_numpy(values).requires_grad_()
    regions = regions_of(rng, 40, beyond=beyond)
    pictures = rng.integers(0, 2, 40)
    y = roi_max_pool(x, regions, pictures, bins, 1 / 16)
    expected, won = naive(values, regions, pictures, bins, 1 / 16)
    np.testing.assert_array_equal(y.detach().numpy(), expected)
    dy = torch.from_numpy(rng.standard_normal(y.shape))
    y.backward(dy)
    dx = np.zeros_like(values)
    for place, source in won.items():
        if source is not None:
            dx[source] += dy.numpy()[place]
    assert x.grad is not None
    np.testing.assert_allclose(x.grad.numpy(), dx, atol=1e-12)


def test_it_is_the_specification_in_numpy():
    rng = np.random.default_rng(3)
    x = rng.standard_normal((2, 4, 11, 13)).astype(np.float32)
    regions, pictures = regions_of(rng, 100, beyond=True), rng.integers(0, 2, 100)
    tensor = torch.from_numpy(x).requires_grad_()
    y = roi_max_pool(tensor, regions, pictures, Size(6, 7), 1 / 16)
    expected, indices = in_numpy.roi_max_pool(x, regions, pictures, (7, 6), 1 / 16)
    np.testing.assert_array_equal(y.detach().numpy(), expected)
    dy = rng.standard_normal(y.shape).astype(np.float32)
    y.backward(torch.from_numpy(dy))
    assert tensor.grad is not None
    np.testing.assert_allclose(
        tensor.grad.numpy(),
        in_numpy.roi_max_pool_backward(dy, indices, pictures, x.shape),
        atol=1e-5,
    )


def test_no_region_is_no_output():
    x = torch.zeros(1, 4, 5, 5, requires_grad=True)
    y = roi_max_pool(x, np.zeros((0, 4)), np.zeros(0, np.int64), Size(7, 7), 1.0)
    assert y.shape == (0, 4, 7, 7)
    y.sum().backward()
