"""The integer operations of a Transformer: docs/integer-arithmetic.md, sections 8, 11 and 12.

Products of two values that both change, softmax under a mask, and layer normalization with an
integer square root.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tatami.errors import TatamiError
from tatami.ops.fixed_point import (
    MAX_SUM,
    Int32,
    UInt8,
    round_half_up,
    rounding_shift,
)
from tatami.ops.quantized import MAX_RATIO, MAX_SOFTMAX, exact_type
from tatami.types import Float32, Float64, Int64

MAX_PRODUCTS = MAX_SUM // 255**2
"""Products that a sum of two values may have: 33,025."""
NORMAL_BITS = 16
"""Fraction bits of a normalized sample."""
MAX_LINE = 2**15
"""Samples that share a mean and a variance, at most."""

SUM_BITS = 8
"""Fraction bits of a byte's step, in which a byte and a sum are added before a normalization."""
MAX_TOTAL = 2**19 - 1
"""Such a total is held within it."""
MAX_SUMMED = 2**10
"""Totals that share a mean and a variance, at most."""

Bool = NDArray[np.bool_]


def multiply_matrices(
    a: UInt8,
    b: UInt8,
    multiplier: int,
    shift: int,
    zero_points: tuple[int, int, int],
    low: int = 0,
    high: int = 255,
) -> UInt8:
    """Multiply matrices of bytes; section 11.

    Args:
        a: (..., m, k), with k of at most MAX_PRODUCTS.
        b: (..., k, n); the axes in front are repeated as in NumPy.
        multiplier: Of section 3, for the factor scale of a * scale of b / scale of the result.
        shift: Its shift.
        zero_points: (za, zb, z).
        low: The smallest result.
        high: The largest result.

    Returns:
        (..., m, n).
    """
    za, zb, z = zero_points
    assert a.shape[-1] <= MAX_PRODUCTS
    exact = exact_type(a.shape[-1] * 255**2)
    first: NDArray[Any] = a.astype(exact)
    second: NDArray[Any] = b.astype(exact)
    first -= exact(za)
    second -= exact(zb)
    sums = np.matmul(first, second).astype(np.int64)
    return np.clip(rounding_shift(sums * multiplier, shift) + z, low, high).astype(np.uint8)


def masked_softmax(
    x: UInt8,
    mask: Bool,
    exponentials: NDArray[np.uint32],
    ratio: int,
    zero_point: int,
    axis: int,
) -> UInt8:
    """Compute softmax over what a mask lets see; section 8.

    Args:
        x: At most 2^26 samples lie along the axis.
        mask: True where a sample is seen; it is repeated to x as in NumPy.
        exponentials: From ``softmax_table``.
        ratio: From ``softmax_ratio``.
        zero_point: Of the result.
        axis: Along which the results sum to 1, or are 0 where none is seen.
    """
    assert x.shape[axis] <= MAX_SOFTMAX
    assert ratio <= MAX_RATIO
    wide = np.where(mask, x.astype(np.int64), -1)
    largest = wide.max(axis=axis, keepdims=True)
    below = np.where(wide < 0, 0, largest - wide)
    e = np.where(wide < 0, 0, exponentials.astype(np.int64)[below])
    total = e.sum(axis=axis, keepdims=True)
    y = (e * ratio + (total << 15)) // np.maximum(total << 16, 1) + zero_point
    return np.asarray(np.clip(y, 0, 255), np.uint8)


@dataclass(frozen=True, eq=False)
class Normalization:
    """Hold the constants of a layer normalization in integers; section 12.

    Args:
        multiplier: int32 (n,), m.
        addend: int64 (n,), b.
        shift: s, of all of them.
        epsilon: E.
    """

    multiplier: Int32
    addend: Int64
    shift: int
    epsilon: int


def normalization_of(
    gamma: Float32, beta: Float32, epsilon: float, scale: float, result_scale: float
) -> Normalization:
    """Make the constants of a layer normalization; section 12.

    Args:
        gamma: (n,).
        beta: (n,).
        epsilon: Added to the variance.
        scale: Of x.
        result_scale: Of the result.

    Raises:
        TatamiError: For lines that are too long, and for numbers that integers cannot hold.
    """
    count = len(gamma)
    to = np.float64(np.float32(result_scale))
    factors, shifts = gamma.astype(np.float64) / to, beta.astype(np.float64) / to
    added = count**2 * float(np.float32(epsilon)) / float(np.float32(scale)) ** 2
    largest = max(float(np.abs(factors).max(initial=0)) / 2**NORMAL_BITS, 2.0**-40)
    farthest = float(np.abs(shifts).max(initial=0))
    if count > MAX_LINE or not added < 2**59 or not (largest < 2**29 and farthest < 2**58):
        raise TatamiError(
            f"a normalization of {count} samples cannot be held in integers",
            hint="keep it in float32, or calibrate again",
        )
    shift = min(62, 31 - math.frexp(largest)[1], 61 - math.frexp(max(farthest, 1.0))[1])
    while True:
        multiplier = round_half_up(np.ldexp(factors, shift - NORMAL_BITS))
        if np.abs(multiplier).max(initial=0) < 2**31:
            break
        shift -= 1
    addend = np.array([_exact_round(float(each), shift) for each in shifts], np.int64)
    return Normalization(
        multiplier.astype(np.int32), addend, shift, max(1, math.floor(added + 0.5))
    )


def _exact_round(value: float, shift: int) -> int:
    """Compute round(value * 2^shift), halves up, in whole numbers."""
    numerator, denominator = value.as_integer_ratio()
    return int((2 * numerator * 2**shift + denominator) // (2 * denominator))


def layer_normalize(x: UInt8, constants: Normalization, zero_point: int, axis: int) -> UInt8:
    """Normalize lines of bytes by their mean and variance; section 12.

    Args:
        x: Any shape, n samples along the axis.
        constants: From ``normalization_of``.
        zero_point: Of the result.
        axis: Along which samples share a mean and a variance.
    """
    y = _normalized(np.moveaxis(x, axis, -1).astype(np.int64), constants, zero_point)
    return np.ascontiguousarray(np.moveaxis(y, -1, axis))


def _normalized(lines: Int64, constants: Normalization, zero_point: int) -> UInt8:
    """Normalize lines of whole numbers along the last axis."""
    count = lines.shape[-1]
    total = lines.sum(axis=-1, keepdims=True)
    off = count * lines - total
    spread = count * (lines * lines).sum(axis=-1, keepdims=True) - total**2 + constants.epsilon
    places = _fourths(spread)
    root = integer_root(spread << (2 * places))
    inverse = np.int64(2**61) // root
    normal = rounding_shift(off * inverse, 61 - NORMAL_BITS - places)
    sums = normal * constants.multiplier.astype(np.int64) + constants.addend
    y = np.clip(rounding_shift(sums, constants.shift) + zero_point, 0, 255)
    return np.asarray(y, np.uint8)


@dataclass(frozen=True, eq=False)
class Sum:
    """Hold how a byte and a sum are added before they are normalized; section 12.

    Args:
        first: Multiplies the byte less its zero point.
        second: int32 (n,), multiplies the sums.
        shift: Of both.
    """

    first: int
    second: Int32
    shift: int


def sum_of(scale: float, factors: Float64) -> Sum:
    """Make the constants of a sum in steps of 2^-8 of the byte's; section 12.

    Args:
        scale: Of the byte.
        factors: Of a sum, to a real number, (n,).

    Raises:
        TatamiError: For factors that integers cannot hold.
    """
    second = factors / np.float64(np.float32(scale)) * 2**SUM_BITS
    largest = max(float(2**SUM_BITS), float(second.max(initial=0)))
    if not largest < 2**28 or len(factors) > MAX_SUMMED:
        raise TatamiError(
            f"a sum of {len(factors)} samples with steps of {scale:g} cannot be held in integers",
            hint="calibrate again",
        )
    shift = 30 - math.frexp(largest)[1]
    return Sum(
        1 << (shift + SUM_BITS), round_half_up(np.ldexp(second, shift)).astype(np.int32), shift
    )


def add_and_normalize(
    x: UInt8, sums: Float32, how: Sum, constants: Normalization, zero_points: tuple[int, int],
    axis: int,
) -> UInt8:  # fmt: skip
    """Add bytes and the sums of a layer, and normalize the lines; section 12.

    Args:
        x: Any shape, n samples along the axis.
        sums: Whole numbers, of the same shape.
        how: From ``sum_of``.
        constants: From ``normalization_of``, for the scale of x divided by 2^8.
        zero_points: Of x and of the result.
        axis: Along which samples share a mean and a variance.
    """
    wide = np.moveaxis(sums, axis, -1).astype(np.int64) * how.second.astype(np.int64)
    wide = wide + (np.moveaxis(x, axis, -1).astype(np.int64) - zero_points[0]) * how.first
    lines = np.clip(rounding_shift(wide, how.shift), -MAX_TOTAL, MAX_TOTAL)
    y = _normalized(lines, constants, zero_points[1])
    return np.ascontiguousarray(np.moveaxis(y, -1, axis))


def _fourths(x: Int64) -> Int64:
    """Find j such that 2^60 <= x * 4^j < 2^62, for 1 <= x < 2^62."""
    j = np.zeros_like(x)
    for step in (16, 8, 4, 2, 1):
        small = x << (2 * j) < np.int64(1) << np.int64(62 - 2 * step)
        j = np.where(small, j + step, j)
    return j


def integer_root(x: Int64) -> Int64:
    """Compute floor(sqrt(x)) for 0 <= x < 2^62."""
    root: Int64 = np.sqrt(x.astype(np.float64)).astype(np.int64)  # at most 1 off
    root = np.where(root * root > x, root - 1, root)
    return np.where((root + 1) * (root + 1) <= x, root + 1, root)
