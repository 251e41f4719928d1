"""Convolution along 1, 2, 3 and 4 axes: gradients by central differences, and tatami.ops's 2."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tatami.errors import TatamiError
from tatami.ops.conv import convolve
from tatami.ops.window import Axis, Window
from tatami.scratch.conv_nd import convolve_nd, convolve_nd_backward

axes = st.builds(
    Axis,
    kernel=st.integers(1, 3),
    stride=st.integers(1, 2),
    before=st.integers(0, 2),
    after=st.integers(0, 2),
    dilation=st.integers(1, 2),
)


def drawn(seed, window, lengths):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((2, 2, *lengths))
    weight = rng.standard_normal((3, 2, *(axis.kernel for axis in window)))
    return rng, x, weight, rng.standard_normal(3)


@settings(max_examples=20, deadline=None)
@given(st.lists(axes, min_size=1, max_size=3), st.integers(0, 2**32 - 1))
def test_gradients(check_gradients, window, seed):
    rng, x, weight, bias = drawn(seed, window, (5, 6, 5)[: len(window)])
    dy = rng.standard_normal(convolve_nd(x, weight, bias, window).shape)
    gradients = convolve_nd_backward(x, weight, dy, window)
    check_gradients(lambda *arrays: convolve_nd(*arrays, window), (x, weight, bias), dy, gradients)


@settings(max_examples=20, deadline=None)
@given(axes, axes, st.integers(0, 2**32 - 1))
def test_two_axes_are_those_of_a_picture(rows, columns, seed):
    _, x, weight, bias = drawn(seed, (rows, columns), (7, 6))
    ours = convolve_nd(x, weight, bias, (rows, columns))
    expected = convolve(x, weight, bias, Window(rows, columns))
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-12)


def test_what_does_not_fit_is_refused():
    x, weight, bias = np.ones((1, 2, 5)), np.ones((3, 2, 3)), np.ones(3)
    assert convolve_nd(x, weight, bias, [Axis(3)]).tolist() == [[[7.0] * 3] * 3]
    for window in ([Axis(2)], [Axis(3), Axis(1)]):
        with pytest.raises(TatamiError, match="do not fit"):
            convolve_nd(x, weight, bias, window)
    with pytest.raises(TatamiError, match="do not fit"):
        convolve_nd(np.ones((1, 1, 5)), weight, bias, [Axis(3)])
