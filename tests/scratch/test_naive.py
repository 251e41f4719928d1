"""The loops give what tatami.ops gives: what the benchmark compares is the same."""

from __future__ import annotations

import numpy as np
import pytest

from tatami.ops.conv import convolve, convolve_backward
from tatami.ops.im2col import im2col
from tatami.ops.pool import max_pool
from tatami.ops.window import Axis, Window
from tatami.scratch import naive


@pytest.mark.parametrize(
    "window",
    [
        Window.square(3),
        Window.square(3, 2, 1),
        Window.square(2, 1, 2, 2),
        Window(Axis(2, 2, after=1), Axis(3, before=2)),
    ],
    ids=str,
)
def test_loops(window):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 3, 6, 7))
    weight = rng.standard_normal((4, 3, window.rows.kernel, window.columns.kernel))
    bias = rng.standard_normal(4)
    np.testing.assert_array_equal(naive.im2col(x, window), im2col(x, window))
    np.testing.assert_array_equal(naive.max_pool(x, window), max_pool(x, window))
    y = naive.convolve(x, weight, bias, window)
    np.testing.assert_allclose(convolve(x, weight, bias, window), y, rtol=0, atol=1e-12)
    dy = rng.standard_normal(y.shape)
    for ours, loops in zip(
        convolve_backward(x, weight, dy, window),
        naive.convolve_backward(x, weight, dy, window),
        strict=True,
    ):
        np.testing.assert_allclose(ours, loops, rtol=0, atol=1e-12)
