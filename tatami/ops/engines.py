"""How other engines round: LiteRT with XNNPACK, and with its reference kernels.

docs/integer-arithmetic.md, section 13. Bytes are uint8 here as everywhere, 128 above the int8 of
the engines; sums, scales and what becomes of them are the engines' own.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tatami.errors import TatamiError
from tatami.ops.fixed_point import Int32, UInt8, multiplier_of, rounding_shift
from tatami.ops.im2col import pad_map, taps
from tatami.ops.window import Window
from tatami.types import Float32, Int64

UInt32 = NDArray[np.uint32]

MIDDLE = 128
"""The byte that an engine's int8 of 0 is."""
ADD_BITS = 20
"""Fraction bits of what the reference kernels add."""
INTEGER_BITS = 5
"""Of the reference softmax: exponents between -32 and 0 are told apart."""
SUM_BITS = 12
"""Integer bits of the reference softmax's sum of exponentials."""
MAX_SOFTMAX = 2**SUM_BITS - 1
"""Samples whose exponentials it holds."""
_ONE = 2**31 - 1
"""What stands for 1 in 31 bits of fraction."""


# Two ways to round -------------------------------------------------------------------------------


def away_shift(x: Int64, shift: ArrayLike) -> Int64:
    """Compute x / 2^shift rounded to the nearest whole number, halves away from zero; shift >= 0.

    Args:
        x: |x| + 2^(shift - 1) < 2^63.
        shift: Of each x, or of all.
    """
    by = np.asarray(shift, np.int64)
    half = np.left_shift(np.int64(1), by) >> 1
    result: Int64 = (x + half - ((x < 0) & (by > 0))) >> by
    return result


def twice(x: Int64, multiplier: ArrayLike, shift: ArrayLike) -> Int64:
    """Compute x * multiplier / 2^shift in the two roundings of gemmlowp.

    First to the high half of the doubled product, halves up, then by what is left of the shift,
    halves away from zero. A shift below 31 moves x to the left first.

    Args:
        x: Within int32, also when it is moved to the left.
        multiplier: Below 2^31, not negative.
        shift: 1 to 62.
    """
    by = np.asarray(shift, np.int64)
    raised = np.left_shift(x, np.maximum(31 - by, 0))
    high = rounding_shift(raised * np.asarray(multiplier, np.int64), 31)
    return away_shift(high, np.maximum(by - 31, 0))


def once(x: Int64, multiplier: ArrayLike, shift: ArrayLike) -> Int64:
    """Compute x * multiplier / 2^shift in one rounding, halves away from zero.

    Args:
        x: Within int32.
        multiplier: Below 2^31, not negative.
        shift: 1 to 62.
    """
    return away_shift(x * np.asarray(multiplier, np.int64), shift)


# From sums to bytes ------------------------------------------------------------------------------


def requantize_in_float(
    sums: Int64 | Int32, factor: Float32, zero_point: int, low: int = 0, high: int = 255
) -> UInt8:
    """Turn sums into uint8 as XNNPACK does: a product in float32, rounded to even.

    Args:
        sums: (n, c, h, w), within int32.
        factor: (c,).
        zero_point: Of the result.
        low: The smallest result.
        high: The largest result.

    Returns:
        (n, c, h, w).
    """
    real = sums.astype(np.int32).astype(np.float32) * factor.reshape(-1, 1, 1)
    held = np.clip(real, np.float32(low - zero_point), np.float32(high - zero_point))
    return np.asarray(np.rint(held) + np.float32(zero_point), np.uint8)


def requantize_as_reference(
    sums: Int64 | Int32,
    multiplier: Int32,
    shift: Int32,
    zero_point: int,
    low: int = 0,
    high: int = 255,
    *,
    one_rounding: bool,
) -> UInt8:
    """Turn sums into uint8 as the reference kernels do.

    Args:
        sums: (n, c, h, w), within int32.
        multiplier: (c,).
        shift: (c,).
        zero_point: Of the result.
        low: The smallest result.
        high: The largest result.
        one_rounding: As in a fully connected layer; else two, as in a convolution.

    Returns:
        (n, c, h, w).
    """
    rounded = once if one_rounding else twice
    y = rounded(sums.astype(np.int64), multiplier.reshape(-1, 1, 1), shift.reshape(-1, 1, 1))
    return np.asarray(np.clip(y + zero_point, low, high), np.uint8)


# Addition ----------------------------------------------------------------------------------------


def add_multipliers_in_float(
    factors: tuple[np.floating[Any], np.floating[Any]],
) -> tuple[tuple[int, int], int]:
    """Write two factors of float32 as integers with one shift, as XNNPACK does.

    The larger is in [2^20, 2^21]; halves go to even.

    Raises:
        ValueError: For factors that XNNPACK does not add with.
    """
    largest = max(factors)
    if not all(2.0**-10 <= factor < 2.0**8 for factor in factors):
        raise ValueError(f"factors {factors} of an addition are out of range")
    _, exponent = math.frexp(largest)  # 2^(exponent - 1) <= largest < 2^exponent
    shift = 21 - exponent
    first, second = (int(np.rint(np.ldexp(factor, shift))) for factor in factors)
    return (first, second), shift


def add_as_reference(
    a: UInt8,
    b: UInt8,
    multipliers: tuple[int, int, int],
    shifts: tuple[int, int, int],
    zero_points: tuple[int, int, int],
    low: int = 0,
    high: int = 255,
) -> UInt8:
    """Add two values as the reference kernels do.

    Args:
        a: Of any shape.
        b: Of the same shape, or of one that NumPy repeats to it.
        multipliers: Of a, of b and of their sum.
        shifts: Likewise.
        zero_points: Of a, of b and of the result.
        low: The smallest result.
        high: The largest result.
    """
    raised = [
        twice((x.astype(np.int64) - zero) << ADD_BITS, multiplier, shift)
        for x, zero, multiplier, shift in zip(
            (a, b), zero_points[:2], multipliers[:2], shifts[:2], strict=True
        )
    ]
    y = twice(raised[0] + raised[1], multipliers[2], shifts[2]) + zero_points[2]
    return np.asarray(np.clip(y, low, high), np.uint8)


def add_multipliers_as_reference(
    scales: tuple[float, float, float],
) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """Compute the three multipliers of the reference addition, and their shifts.

    Args:
        scales: Of a, of b and of the result.

    Raises:
        ValueError: Where the sum would have to be moved to the left.
    """
    a, b, to = (np.float64(np.float32(scale)) for scale in scales)
    most = 2 * max(a, b)
    multiplier, shift = multiplier_of([a / most, b / most, most / (2**ADD_BITS * to)])
    if shift[2] < 31:
        raise ValueError(f"scales {scales} of an addition are out of range")
    return _three(multiplier), _three(shift)


def _three(numbers: Int32) -> tuple[int, int, int]:
    first, second, third = numbers.tolist()
    return first, second, third


# Average pool ------------------------------------------------------------------------------------


def average_pool_whole(x: UInt8, window: Window, low: int = 0, high: int = 255) -> UInt8:
    """Average int8 samples under each place of the window, halves away from zero.

    Padding does not count. No place lies wholly in the padding.

    Args:
        x: (n, c, h, w).
        window: Where it lies.
        low: The smallest result.
        high: The largest result.
    """
    samples = x.astype(np.int64) - MIDDLE
    out_h, out_w = window.rows.output(x.shape[2]), window.columns.output(x.shape[3])
    sums = taps(pad_map(samples, window, 0), window).sum(axis=(2, 3))
    ones = np.ones((1, 1, *x.shape[2:]), np.int64)
    count = taps(pad_map(ones, window, 0), window).sum(axis=(2, 3))
    mean = np.sign(sums) * ((np.abs(sums) + count // 2) // count)
    assert mean.shape[2:] == (out_h, out_w)
    return np.asarray(np.clip(mean + MIDDLE, low, high), np.uint8)


# Softmax -----------------------------------------------------------------------------------------


def softmax_table_in_float(scale: float) -> Float32:
    """Compute exp(-scale * d) in float32 for d = 0 ... 255, the exponent being rounded first."""
    exponents = -np.float32(scale) * np.arange(256, dtype=np.float32)
    return np.exp(exponents.astype(np.float64)).astype(np.float32)


def softmax_in_float(x: UInt8, exponentials: Float32, scale: float, axis: int) -> UInt8:
    """Compute softmax as LiteRT does beside XNNPACK: float32, samples added one after another.

    Args:
        x: Bytes.
        exponentials: From ``softmax_table_in_float``.
        scale: Of the result, whose zero point is 0.
        axis: Along which the results sum to 1.
    """
    e = exponentials[x.max(axis=axis, keepdims=True).astype(np.int64) - x]
    total = np.add.accumulate(e, axis=axis, dtype=np.float32).take([-1], axis=axis)
    share = np.float32(1) / (total * np.float32(scale))
    return np.asarray(np.minimum(np.rint(e * share), np.float32(255)), np.uint8)


def softmax_table_as_reference(scale: float) -> UInt32:
    """Compute the reference kernels' exp(-scale * d) for d = 0 ... 255, in steps of 2^-31.

    Beyond what their fixed point holds it is 0.
    """
    real = min(float(np.float32(scale)) * 2.0 ** (31 - INTEGER_BITS), _ONE)
    if real < 1:
        raise TatamiError(
            f"a softmax of steps of {scale:g} is too fine for the reference kernels",
            hint="take Tatami's own rounding",
        )
    multiplier, shift = (int(each) for each in multiplier_of(np.float64(real) / 2.0**31))
    left = 62 - shift  # multiplier / 2^31 * 2^left is the factor
    reach = math.floor((2**INTEGER_BITS - 1) * 2.0 ** (31 - INTEGER_BITS) / 2.0**left)
    d = np.arange(256, dtype=np.int64)
    held = np.minimum(d, reach)  # what lies beyond would not fit 32 bits, and counts as 0
    exponents = _product(-held << left, multiplier)
    return np.where(d <= reach, _exponential(exponents), 0).astype(np.uint32)


def softmax_as_reference(x: UInt8, exponentials: UInt32, axis: int) -> UInt8:
    """Compute softmax as the reference kernels do; the result's scale is 1/256, its zero point 0.

    Args:
        x: Bytes.
        exponentials: From ``softmax_table_as_reference``.
        axis: Along which the results sum to 1.
    """
    e = exponentials.astype(np.int64)[x.max(axis=axis, keepdims=True).astype(np.int64) - x]
    total = rounding_shift(e, SUM_BITS).sum(axis=axis, keepdims=True)
    share, bits = _reciprocal(total)
    y = away_shift(_product(share, e), bits + 23)
    return np.asarray(np.minimum(y, 255), np.uint8)


def _product(a: ArrayLike, b: ArrayLike) -> Int64:
    """Compute a * b / 2^31, halves up."""
    product: Int64 = np.asarray(a, np.int64) * np.asarray(b, np.int64)
    return rounding_shift(product, 31)


def _raised(x: Int64, bits: int) -> Int64:
    """Compute x * 2^bits, held within int32."""
    raised: Int64 = np.clip(x << bits, -(2**31), _ONE)
    return raised


def _exponential(x: Int64) -> Int64:
    """Compute exp of x <= 0, in steps of 2^-26, in steps of 2^-31: gemmlowp's fixed point."""
    quarter = np.int64(1) << 24
    part = (x & (quarter - 1)) - quarter  # in [-1/4, 0)
    y = _exponential_near(_raised(part, INTEGER_BITS))
    left = part - x  # whole quarters
    for bit, factor in enumerate(_EXPONENTIALS, start=24):
        y = np.where(left >> bit & 1, _product(y, factor), y)
    return np.where(x == 0, _ONE, y)


_EXPONENTIALS = (
    *(1672461947, 1302514674, 790015084, 290630308),
    *(39332535, 720401, 242),
)
"""exp(-1/4), exp(-1/2), exp(-1), ... exp(-16) in steps of 2^-31."""
_EIGHTH = 1895147668
"""exp(-1/8) likewise."""


def _exponential_near(x: Int64) -> Int64:
    """Compute exp of x in [-1/4, 0), both in steps of 2^-31: a polynomial around -1/8."""
    a = x + (1 << 28)
    square = _product(a, a)
    cube, fourth = _product(square, a), _product(square, square)
    third = round(2**31 / 3)
    rest = away_shift(_product(away_shift(fourth, 2) + cube, third) + square, 1)
    return _EIGHTH + _product(_EIGHTH, a + rest)


def _reciprocal(total: Int64) -> tuple[Int64, Int64]:
    """Compute 1 / total of numbers with 12 integer bits: a number of 31 bits, and a shift."""
    width = np.frompyfunc(lambda number: int(number).bit_length(), 1, 1)(total).astype(np.int64)
    over = (total << (32 - width)) - (np.int64(1) << 31)  # the sum is 1 + over, scaled
    half = away_shift(over + _ONE, 1)
    x = 1515870810 + _product(half, -1010580540)  # 48/17 - 32/17 * half, in steps of 2^-29
    for _ in range(3):  # Newton's
        x = x + _raised(_product(x, (1 << 29) - _product(half, x)), 2)
    return _raised(x, 1), width - (32 - SUM_BITS)
