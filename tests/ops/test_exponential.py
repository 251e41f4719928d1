"""exp from plain operations: near the true one everywhere, right at the ends. C is held to it in
tests/ship/test_c_detect.py."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tatami.ops.exponential import exp, sigmoid, softmax

FLOATS = st.floats(width=32)
NUMBERS = st.floats(width=32, allow_nan=False)


def units_from_truth(x):
    """|exp(x) - e^x| in units in the last place of the float32 nearest to e^x."""
    truth = np.exp(x.astype(np.float64))
    unit = np.spacing(truth.astype(np.float32)).astype(np.float64)
    return np.abs(exp(x).astype(np.float64) - truth) / unit


def test_within_one_unit_wherever_there_is_a_finite_result():
    x = np.linspace(-103.9, 88.72, 2_000_003).astype(np.float32)
    assert units_from_truth(x).max() < 1.0


@given(FLOATS)
def test_any_float(number):
    x = np.float32(number)
    y = exp(x)
    assert y.dtype == np.float32
    assert y.shape == ()
    if np.isnan(x):
        assert np.isnan(y)
    elif x > 88.73:
        assert y == np.inf
    elif x < -104:
        assert y == 0
    elif x < 88.72:
        assert units_from_truth(x) < 1.0


@given(NUMBERS, NUMBERS)
def test_never_falls_by_more_than_a_unit(a, b):
    low, high = sorted((np.float32(a), np.float32(b)))
    assert exp(low) <= np.nextafter(exp(high), np.float32(np.inf))


def test_ends():
    x = np.float32([np.inf, -np.inf, 0, -0.0, 3e38, -3e38, 1e-40])
    np.testing.assert_array_equal(exp(x), np.float32([np.inf, 0, 1, 1, np.inf, 0, 1]))
    np.testing.assert_array_equal(sigmoid(x), np.float32([1, 0, 0.5, 0.5, 1, 0, 0.5]))


def test_softmax_adds_up_in_the_order_of_the_axis():
    x = np.random.default_rng(0).normal(0, 3, (2, 17, 3, 1)).astype(np.float32)
    y = softmax(x)
    e = exp(x - x.max(axis=1, keepdims=True))
    for n, row in np.ndindex(2, 3):
        total = np.float32(0)
        for k in range(17):
            total += e[n, k, row, 0]
        np.testing.assert_array_equal(y[n, :, row, 0], e[n, :, row, 0] / total)
    np.testing.assert_allclose(y.sum(axis=1), 1, rtol=1e-6)
    one = softmax(x[:1, :, :1])  # another layout of the same numbers in memory: the same sum
    np.testing.assert_array_equal(one, y[:1, :, :1])
