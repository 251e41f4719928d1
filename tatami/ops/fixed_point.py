"""The rounding rule of the integer networks: docs/integer-arithmetic.md, sections 1 to 3 and 9.

Activations are uint8 with a zero point, weights int8 and symmetric a channel, sums int32. A real
factor is an integer multiplier and a right shift; there is one rounding, halves go up.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tatami.errors import TatamiError
from tatami.types import Float32, Float64, Int64

Int8 = NDArray[np.int8]
Int32 = NDArray[np.int32]
UInt8 = NDArray[np.uint8]

MAX_SHIFT = 62
"""|sum * multiplier| < 2^62 and half of 2^62 is 2^61: what is shifted fits int64 by far."""
MAX_SUM = 2**31 - 1


def round_half_up(x: Float64) -> Float64:
    """Round the real number that x is: floor(x + 1/2).

    x + 0.5 alone would round in float64 first.
    """
    whole = np.floor(x)
    with np.errstate(invalid="ignore"):  # infinity - infinity
        return np.asarray(whole + (x - whole >= 0.5))


def multiplier_of(factors: ArrayLike) -> tuple[Int32, Int32]:
    """Write real factors >= 0 as (multiplier, shift): factor = multiplier / 2^shift, halves up.

    2^30 <= multiplier < 2^31 and 1 <= shift <= 62, or a smaller multiplier where the shift would
    pass 62. Section 3.

    Raises:
        TatamiError: For a factor of 2^29 or more, below 0, or not a number.
    """
    real = np.asarray(factors, np.float64)
    if not ((real >= 0) & (real < 2.0**29)).all():
        raise TatamiError(
            f"a factor of {real.max():g} between two scales cannot be held in integers",
            hint="calibrate again, with pictures that excite every layer",
        )
    _, exponent = np.frexp(real)  # real = mantissa * 2^exponent, 0.5 <= mantissa < 1
    shift = np.minimum(31 - exponent, MAX_SHIFT)
    multiplier = round_half_up(np.ldexp(real, shift)).astype(np.int64)
    over = multiplier == 2**31
    shift, multiplier = np.where(over, shift - 1, shift), np.where(over, 2**30, multiplier)
    return multiplier.astype(np.int32), shift.astype(np.int32)


def negative_multiplier_of(multiplier: Int32, shift: Int32, factors: ArrayLike) -> Int32:
    """Write factors with shifts that are given: for sums below 0 (leaky ReLU).

    Args:
        multiplier: The multipliers for sums above 0.
        shift: Their shifts.
        factors: The real factors for sums below 0.

    Raises:
        TatamiError: Where one does not fit: a slope above 1 that passes 2^31.
    """
    result = round_half_up(np.ldexp(np.asarray(factors, np.float64), shift))
    if not ((result >= 0) & (result < 2.0**31)).all():
        raise TatamiError(
            "a leaky ReLU that is steeper below 0 than above cannot be held in integers",
            hint="keep its layer in float32",
        )
    return result.astype(np.int32)


def requantize(
    sums: NDArray[np.int64] | Int32,
    multiplier: Int32,
    negative_multiplier: Int32,
    shift: Int32,
    zero_point: int,
    low: int = 0,
    high: int = 255,
) -> UInt8:
    """Turn sums into uint8; section 3.

    y = clamp(zero_point + ((sum * m + 2^(shift - 1)) >> shift), low, high)

    Args:
        sums: (n, c, h, w), within int32.
        multiplier: (c,): m where the sum is not below 0.
        negative_multiplier: (c,): m where it is.
        shift: (c,).
        zero_point: Of the result.
        low: The smallest result.
        high: The largest result.

    Returns:
        (n, c, h, w).
    """
    wide = sums.astype(np.int64)
    by_channel = (-1, 1, 1)
    m = np.where(
        wide < 0,
        negative_multiplier.astype(np.int64).reshape(by_channel),
        multiplier.astype(np.int64).reshape(by_channel),
    )
    y = rounding_shift(wide * m, shift.astype(np.int64).reshape(by_channel)) + zero_point
    return np.clip(y, low, high).astype(np.uint8)


def rounding_shift(x: Int64, shift: Int64 | int) -> Int64:
    """Compute floor(x / 2^shift + 1/2) of int64, for shift >= 1 and |x| + 2^(shift - 1) < 2^63."""
    half = np.left_shift(np.int64(1), np.asarray(shift, np.int64) - 1)
    result: Int64 = (x + half) >> np.asarray(shift, np.int64)
    return result


def to_float(sums: NDArray[np.int64] | Int32, scale: Float32) -> Float32:
    """Compute float32(sum) * scale of the channel: sums (n, c, h, w), scale (c,); section 9."""
    y: Float32 = sums.astype(np.int32).astype(np.float32) * scale.reshape(-1, 1, 1)
    return y


def sum_bounds(weights: Int8, bias: Int32, zero_point: int) -> Int64:
    """Bound the |sum| of each output on the way, in any order, in any form a kernel may use.

    Kernels start from bias - zero_point * (sum of weights) and add weight * sample, samples 0 ...
    255; or, signed, from that plus 128 * (sum of weights), samples -128 ... 127. Section 2.

    Args:
        weights: (outputs, ...) int8.
        bias: (outputs,).
        zero_point: Of the input.

    Returns:
        (outputs,) int64.
    """
    flat = weights.reshape(len(weights), -1).astype(np.int64)
    total, size = flat.sum(axis=1), np.abs(flat).sum(axis=1)
    start = bias.astype(np.int64) - zero_point * total
    unsigned = np.abs(start) + 255 * size
    signed = np.abs(start + 128 * total) + 128 * size
    bounds: Int64 = np.maximum(unsigned, signed)
    return bounds


def quantize(x: Float32, scale: float, zero_point: int) -> UInt8:
    """Compute clamp(round half to even(x / scale) + zero_point, 0, 255) in float32.

    NaN gives zero_point. ONNX QuantizeLinear with a uint8 zero point; section 9.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        steps = np.rint(x / np.float32(scale))
    steps = np.where(np.isnan(steps), np.float32(0), steps)
    return np.asarray(np.clip(steps + np.float32(zero_point), 0, 255), np.uint8)


def dequantize(x: UInt8, scale: float, zero_point: int) -> Float32:
    """Compute float32(x - zero_point) * scale. ONNX DequantizeLinear; section 9."""
    y: Float32 = (x.astype(np.int32) - zero_point).astype(np.float32) * np.float32(scale)
    return y
