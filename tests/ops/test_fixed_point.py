"""The rounding rule against arithmetic without limits: Python's integers and fractions."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tatami.errors import TatamiError
from tatami.ops.fixed_point import (
    MAX_SUM,
    dequantize,
    multiplier_of,
    negative_multiplier_of,
    quantize,
    requantize,
    round_half_up,
    rounding_shift,
    sum_bounds,
    to_float,
)

HALF = Fraction(1, 2)
factors = st.one_of(
    st.floats(0, 2.0**29, exclude_max=True),
    st.floats(2.0**-40, 1),
    st.builds(math.ldexp, st.floats(0.5, 1, exclude_max=True), st.integers(-80, 29)),
)
sums = st.one_of(
    st.integers(-MAX_SUM, MAX_SUM),
    st.sampled_from([-MAX_SUM, 1 - MAX_SUM, -1, 0, 1, MAX_SUM - 1, MAX_SUM]),
)
multipliers = st.one_of(
    st.integers(0, 2**31 - 1), st.sampled_from([0, 1, 2**30, 2**30 + 1, 2**31 - 2, 2**31 - 1])
)
shifts = st.one_of(st.integers(1, 62), st.sampled_from([1, 2, 31, 32, 61, 62]))
zero_points = st.one_of(st.integers(0, 255), st.sampled_from([0, 128, 255]))
scales = st.floats(2.0**-20, 2.0**10, width=32)


def by_the_page(total, multiplier, negative, shift, zero_point, low, high):
    """Section 3 of docs/integer-arithmetic.md for one sum, in integers that never overflow."""
    m = negative if total < 0 else multiplier
    return min(max(zero_point + math.floor(Fraction(total * m, 2**shift) + HALF), low), high)


@given(st.floats(-(2.0**52), 2.0**52))
def test_halves_go_up_and_nothing_is_rounded_before(x):
    assert round_half_up(np.array([x]))[0] == math.floor(Fraction(x) + HALF)


def test_numbers_that_half_more_would_round_wrongly():
    x = np.array([0.49999999999999994, -0.5, 0.5, -0.50000000000000011, 2**52 + 1, -1e-300])
    assert round_half_up(x).tolist() == [0, 0, 1, -1, 2**52 + 1, 0]
    assert round_half_up(np.array([np.inf, -np.inf])).tolist() == [np.inf, -np.inf]


@given(factors)
def test_a_factor_is_rounded_once_and_keeps_31_bits(factor):
    multiplier, shift = (int(number) for number in multiplier_of(factor))
    assert 1 <= shift <= 62
    assert multiplier < 2**31
    assert multiplier >= 2**30 or shift == 62 or factor == 0
    assert multiplier == math.floor(Fraction(factor) * 2**shift + HALF)
    if shift < 62 and factor > 0:
        assert abs(Fraction(multiplier, 2**shift) / Fraction(factor) - 1) <= Fraction(1, 2**31)


def test_factors_at_the_ends():
    below = math.nextafter(2.0**29, 0)
    smallest = [2.0**-32, 2.0**-33, 2.0**-62, 2.0**-63, math.nextafter(2.0**-63, 0), 0, 5e-324]
    multiplier, shift = multiplier_of([1, 0.75, math.nextafter(1, 0), below, *smallest])
    assert multiplier.dtype == shift.dtype == np.int32
    assert list(zip(multiplier.tolist(), shift.tolist(), strict=True)) == [
        (2**30, 30),
        (3 * 2**29, 31),
        (2**30, 30),  # 2^31 after rounding
        (2**30, 1),
        (2**30, 62),
        (2**29, 62),
        (1, 62),
        (1, 62),  # a half goes up
        (0, 62),
        (0, 31),
        (0, 62),
    ]


@pytest.mark.parametrize("factor", [2.0**29, math.inf, math.nan, -1e-9])
def test_a_factor_that_integers_cannot_hold_is_refused(factor):
    with pytest.raises(TatamiError, match="cannot be held in integers"):
        multiplier_of([0.5, factor])


@given(factors, st.floats(0, 1))
def test_the_slope_below_zero_has_the_same_shift(factor, alpha):
    multiplier, shift = multiplier_of([factor])
    negative = negative_multiplier_of(multiplier, shift, [alpha * factor])
    assert negative.dtype == np.int32
    expected = math.floor(Fraction(alpha * factor) * 2 ** int(shift[0]) + HALF)
    assert negative[0] == expected
    assert negative[0] <= multiplier[0]


def test_a_slope_below_zero_that_does_not_fit_is_refused():
    multiplier, shift = multiplier_of([0.75])
    for slope in (1.0, -0.1, math.nan):
        with pytest.raises(TatamiError, match="steeper below 0"):
            negative_multiplier_of(multiplier, shift, [slope])


@settings(max_examples=500)
@given(sums, multipliers, multipliers, shifts, zero_points, zero_points, zero_points)
def test_requantization_is_the_written_rule(
    total, multiplier, negative, shift, zero_point, one, other
):
    low, high = sorted((one, other))
    y = requantize(
        np.full((1, 1, 1, 1), total, np.int32),
        np.array([multiplier], np.int32),
        np.array([negative], np.int32),
        np.array([shift], np.int32),
        zero_point,
        low,
        high,
    )
    assert y.dtype == np.uint8
    assert y[0, 0, 0, 0] == by_the_page(total, multiplier, negative, shift, zero_point, low, high)


def test_every_corner_of_requantization():
    """All extremes at once, one channel a pair of multiplier and shift."""
    totals = [s * t for t in (0, 1, 2**30, MAX_SUM - 1, MAX_SUM) for s in (1, -1)]
    pairs = [(m, s) for m in (0, 1, 2**30, 2**31 - 1) for s in (1, 2, 31, 61, 62)]
    multiplier, shift = (np.array(column, np.int32) for column in zip(*pairs, strict=True))
    grid = np.broadcast_to(np.array(totals)[:, None, None, None], (len(totals), len(pairs), 1, 1))
    for zero_point in (0, 255):
        y = requantize(grid, multiplier, multiplier, shift, zero_point)
        for i, total in enumerate(totals):
            for j, (m, s) in enumerate(pairs):
                assert y[i, j, 0, 0] == by_the_page(total, m, m, s, zero_point, 0, 255)


@given(sums, sums, multipliers, multipliers, shifts)
def test_a_larger_sum_never_gives_a_smaller_byte(one, other, multiplier, negative, shift):
    """So a max pool of sums, requantized, is the max pool of the bytes."""
    pair = np.array(sorted((one, other)), np.int64).reshape(1, 1, 1, 2)
    of_channel = [np.array([number], np.int32) for number in (multiplier, negative, shift)]
    first, second = requantize(pair, *of_channel, 7).ravel()
    assert first <= second


@given(sums, st.floats(2.0**-38, 2.0**-2), zero_points)
def test_only_what_lies_beside_a_half_can_differ_from_real_arithmetic(total, factor, zero_point):
    multiplier, shift = multiplier_of([factor])
    y = requantize(np.full((1, 1, 1, 1), total), multiplier, multiplier, shift, zero_point)
    exact = total * Fraction(factor) + HALF
    held = min(max(math.floor(exact) + zero_point, 0), 255)
    if abs(exact - round(exact)) > Fraction(1, 2**22):
        assert y.item() == held
    else:
        assert abs(int(y.item()) - held) <= 1


@given(st.integers(-(2**62), 2**62), shifts)
def test_the_shift_rounds_halves_up(x, shift):
    shifted = rounding_shift(np.array([x]), shift)
    assert shifted.dtype == np.int64
    assert shifted[0] == math.floor(Fraction(x, 2**shift) + HALF)


def test_nothing_in_requantization_leaves_int64():
    assert MAX_SUM * (2**31 - 1) + 2**61 < 2**63
    assert -MAX_SUM * (2**31 - 1) >= -(2**63)


@given(sums, st.floats(2.0**-60, 2.0**20, width=32))
def test_to_float_rounds_the_sum_and_then_the_product(total, scale):
    y = to_float(np.full((1, 1, 1, 1), total), np.array([scale], np.float32))
    assert y.dtype == np.float32
    near = np.float32(total)  # an int32 is exact in float64: one rounding, halves to even
    assert y.item() == np.float32(float(near) * scale)  # 48 bits, exact in float64


# Sums --------------------------------------------------------------------------------------------

small = st.lists(st.tuples(st.integers(-127, 127), st.integers(0, 255)), min_size=1, max_size=8)


@given(small, st.integers(-(2**31), 2**31 - 1), zero_points, st.randoms())
def test_no_partial_sum_passes_the_bound_in_any_order(pairs, bias, zero_point, order):
    order.shuffle(pairs)
    weights = np.array([[weight for weight, _ in pairs]], np.int8)
    bound = sum_bounds(weights, np.array([bias], np.int32), zero_point)[0]
    total = sum(weight for weight, _ in pairs)
    start = bias - zero_point * total
    for begin, moved in ((start, 0), (start + 128 * total, 128)):
        assert abs(begin) <= bound
        running, products = begin, 0
        for weight, sample in pairs:
            running += weight * (sample - moved)
            products += weight * (sample - moved)
            assert abs(running) <= bound
            assert abs(products) <= bound  # the start may come last
        assert running == bias + sum(weight * (x - zero_point) for weight, x in pairs)


@given(small, st.integers(-(10**6), 10**6), zero_points)
def test_the_bound_is_what_the_two_forms_can_reach(pairs, bias, zero_point):
    """Summed up worst first, each form reaches the bound that it is given, to within its start."""
    weights = [weight for weight, _ in pairs]
    total, size = sum(weights), sum(abs(weight) for weight in weights)
    start = bias - zero_point * total
    unsigned, signed = abs(start) + 255 * size, abs(start + 128 * total) + 128 * size
    found = sum_bounds(np.array([weights], np.int8), np.array([bias], np.int32), zero_point)
    assert found.tolist() == [max(unsigned, signed)]


def test_bounds_are_one_a_channel_and_never_overflow_themselves():
    weights = np.full((2, 1024, 3, 3), -127, np.int8)
    weights[1] = 1
    bias = np.array([2**31 - 1, -(2**31)], np.int32)
    first = 2**31 - 1 + 255 * 127 * 9216
    found = sum_bounds(weights, bias, 255).tolist()
    assert found == [first + 255 * 127 * 9216, 2**31 + 255 * 9216 + 255 * 9216]


# Edges -------------------------------------------------------------------------------------------


@given(st.floats(width=32), scales, zero_points)
def test_quantize(x, scale, zero_point):
    y = quantize(np.array([x], np.float32), scale, zero_point)
    assert y.dtype == np.uint8
    if math.isnan(x):
        assert y[0] == zero_point
    elif math.isinf(x):
        assert y[0] == (255 if x > 0 else 0)
    else:
        with np.errstate(over="ignore"):
            steps = float(np.float32(x / scale))  # rounding twice is harmless in a division
        held = min(max(steps, -1000), 1000)
        assert y[0] == min(max(round(held) + zero_point, 0), 255)  # Python: halves to even


def test_halves_go_to_even_at_the_edge_of_the_network_only():
    x = np.array([0.5, 1.5, 2.5, -0.5, -1.5], np.float32)
    assert quantize(x, 1, 10).tolist() == [10, 12, 12, 10, 8]
    of_channel = (np.array([2**30], np.int32),) * 2 + (np.array([31], np.int32),)
    odd = np.array([1, 3, 5, -1, -3]).reshape(1, 1, 1, -1)  # halves of these
    assert requantize(odd, *of_channel, 10).ravel().tolist() == [11, 12, 13, 10, 9]


@given(scales, zero_points)
def test_what_is_dequantized_is_quantized_to_itself(scale, zero_point):
    x = np.arange(256, dtype=np.uint8)
    real = dequantize(x, scale, zero_point)
    assert real.dtype == np.float32
    assert real.tolist() == [float(np.float32((i - zero_point) * scale)) for i in range(256)]
    assert np.array_equal(quantize(real, scale, zero_point), x)
