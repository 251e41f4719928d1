"""The operations of an integer network: docs/integer-arithmetic.md, sections 2 and 4 to 8.

Arrays are (n, c, h, w): uint8 samples with a zero point, int8 weights, int64 sums that are known to
fit int32. Where a matrix product in floating point is exact, it is used, for it is far faster: a
sum of integers is exact in any order, with or without fused operations, as long as no partial sum
leaves the integers that the format holds, 2^24 in float32 and 2^53 in float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tatami.errors import TatamiError
from tatami.ops.fixed_point import (
    MAX_SUM,
    Int8,
    Int32,
    UInt8,
    multiplier_of,
    round_half_up,
    rounding_shift,
)
from tatami.ops.im2col import pad_map, shifted, taps
from tatami.ops.window import Window
from tatami.types import Float64, Int64

EXPONENT_BITS = 20
"""Fraction bits of the table of exponentials in softmax."""
WEIGHT_BITS = 11
"""Fraction bits of a weight of bilinear resizing."""
MAX_RATIO = 2**42
"""Of softmax: e * ratio <= 2^62."""
MAX_SOFTMAX = 2**26
"""Samples that one softmax adds up: their sum * 2^16 <= 2^62."""


def convolve(
    x: UInt8, weights: Int8, bias: Int32, zero_point: int, window: Window, groups: int = 1
) -> Int64:
    """Compute sums: bias + weights * (x - zero_point), padding being x = zero_point; section 2.

    A fully connected layer is the convolution whose kernel is the whole map, or on a value of 1 x 1
    the one with a kernel of 1 x 1.

    Args:
        x: (n, c, h, w).
        weights: (o, c / groups, kernel_h, kernel_w).
        bias: (o,).
        zero_point: Of x.
        window: Where the kernel lies.
        groups: How many parts the channels are divided into.

    Returns:
        (n, o, out_h, out_w).
    """
    size = np.abs(weights.astype(np.int64)).sum(axis=(1, 2, 3))
    exact = exact_type(int(size.max(initial=0)) * _reach(zero_point))
    n, _, h, w = x.shape
    o, per_group, kernel_h, kernel_w = weights.shape
    out_h, out_w = window.rows.output(h), window.columns.output(w)
    depth = per_group * kernel_h * kernel_w
    kernels = weights.reshape(groups, o // groups, depth).astype(exact)
    sums = np.empty((n, o, out_h, out_w), np.int64)
    for picture in range(n):
        centered: NDArray[Any] = x[picture : picture + 1].astype(exact)
        centered -= exact(zero_point)
        seen = taps(pad_map(centered, window, 0.0), window)
        columns = seen.reshape(groups, depth, out_h * out_w)
        sums[picture] = np.matmul(kernels, columns).reshape(o, out_h, out_w)
    sums += bias[:, None, None]
    return sums


def convolve_transposed(
    x: UInt8,
    weights: Int8,
    bias: Int32,
    zero_point: int,
    window: Window,
    output: tuple[int, int],
    groups: int = 1,
) -> Int64:
    """Compute the sums of a transposed convolution: what the samples spread over the output.

    Sample (i, j), tap (u, v) reaches the output at (i * stride + u * dilation - before, ...); what
    falls outside is lost.

    Args:
        x: (n, c, h, w).
        weights: (c, o / groups, kernel_h, kernel_w).
        bias: (o,).
        zero_point: Of x.
        window: Where the kernel lies.
        output: (out_h, out_w).
        groups: How many parts the channels are divided into.

    Returns:
        (n, o, out_h, out_w).
    """
    n, c, h, w = x.shape
    _, per_group, kernel_h, kernel_w = weights.shape
    rows, columns = window.rows, window.columns
    by_group = weights.reshape(groups, c // groups, per_group, kernel_h, kernel_w)
    size = np.abs(by_group.astype(np.int64)).sum(axis=1)  # of one tap: taps are added in int64
    exact = exact_type(int(size.max(initial=0)) * _reach(zero_point))
    kernels = by_group.astype(exact)
    centered: NDArray[Any] = x.astype(exact)
    centered -= exact(zero_point)
    centered = centered.reshape(n, groups, c // groups, h * w)
    whole = np.zeros(
        (
            n,
            groups * per_group,
            max((h - 1) * rows.stride + rows.span, rows.before + output[0]),
            max((w - 1) * columns.stride + columns.span, columns.before + output[1]),
        ),
        np.int64,
    )
    for u in range(kernel_h):
        for v in range(kernel_w):
            spread = np.matmul(kernels[..., u, v].transpose(0, 2, 1), centered)
            top, left = u * rows.dilation, v * columns.dilation
            whole[
                :,
                :,
                top : top + (h - 1) * rows.stride + 1 : rows.stride,
                left : left + (w - 1) * columns.stride + 1 : columns.stride,
            ] += spread.reshape(n, groups * per_group, h, w).astype(np.int64)
    cut = whole[
        :,
        :,
        rows.before : rows.before + output[0],
        columns.before : columns.before + output[1],
    ]
    sums: Int64 = cut + bias.astype(np.int64)[:, None, None]
    return sums


def exact_type(bound: int) -> type[np.float32] | type[np.float64]:
    """Find the faster float in which a sum of integers is exact.

    float32 holds every integer up to 2^24, float64 up to 2^53: more than 2^37 products of bytes.

    Args:
        bound: Of |any part of the sum|.
    """
    assert bound <= 2**53
    return np.float32 if bound <= 2**24 else np.float64


def _reach(zero_point: int) -> int:
    """Compute the largest |x - zero_point|."""
    return max(zero_point, 255 - zero_point)


def max_pool(x: UInt8, window: Window) -> UInt8:
    """Find the largest sample under each place of the window; section 5.

    Padding is 0, which never wins over a sample; a place wholly in the padding gives 0.
    """
    out_h, out_w = window.rows.output(x.shape[2]), window.columns.output(x.shape[3])
    y = np.zeros((*x.shape[:2], out_h, out_w), np.uint8)
    for tap in shifted(pad_map(x, window, 0), window, out_h, out_w):
        np.maximum(y, tap, out=y)
    return y


def average_pool(
    x: UInt8,
    window: Window,
    count_padding: bool,
    multiplier: Int32,
    shift: int,
    input_zero_point: int,
    zero_point: int,
) -> UInt8:
    """Average under each place of the window; section 5.

    clamp(z + ((sum * multiplier[n] + 2^(shift-1)) >> shift)), sum of x - input_zero_point. A place
    wholly in the padding gives the zero point.

    Args:
        x: (n, c, h, w).
        window: Where it lies.
        count_padding: Whether padding counts as samples.
        multiplier: (kernel area + 1,), by the count n of samples that are averaged, from
            ``average_multipliers``.
        shift: Of all of them.
        input_zero_point: Of x.
        zero_point: Of the result, z.
    """
    rows, columns = window.rows, window.columns
    out_h, out_w = rows.output(x.shape[2]), columns.output(x.shape[3])
    centered = x.astype(np.int64) - input_zero_point
    sums = taps(pad_map(centered, window, 0), window).sum(axis=(2, 3))
    if count_padding:
        count = np.full((out_h, out_w), rows.kernel * columns.kernel)
    else:
        ones = np.ones((1, 1, *x.shape[2:]), np.int64)
        count = taps(pad_map(ones, window, 0), window).sum(axis=(2, 3))[0, 0]
    y = rounding_shift(sums * multiplier.astype(np.int64)[count], shift) + zero_point
    return np.asarray(np.clip(y, 0, 255), np.uint8)


def average_multipliers(factor: float, area: int) -> tuple[Int32, int]:
    """Compute the multipliers of an average pool by how many samples count, and their shift.

    One shift for all counts: that of one sample, whose multiplier is the largest. Entry 0 is 0.

    Args:
        factor: The input's scale over the result's.
        area: Samples of the kernel.

    Returns:
        (area + 1,) and the shift.

    Raises:
        TatamiError: Where sums could leave int32, and for a factor that integers cannot hold.
    """
    if 255 * area > MAX_SUM:
        raise TatamiError(
            f"the sums of an average over {area} samples could leave 32 bits",
            hint="keep it in float32, or average in two steps",
        )
    factors = np.float64(factor) / np.arange(1, area + 1)
    _, shift = multiplier_of(factors[0])
    multiplier = np.zeros(area + 1, np.int32)
    multiplier[1:] = round_half_up(np.ldexp(factors, shift))
    return multiplier, int(shift)


def add(
    a: UInt8,
    b: UInt8,
    multipliers: tuple[int, int],
    shift: int,
    zero_points: tuple[int, int, int],
    low: int = 0,
    high: int = 255,
) -> UInt8:
    """Add two values; section 6.

    clamp(z + (((a - za) * ma + (b - zb) * mb + 2^(shift - 1)) >> shift), low, high)

    Args:
        a: Of any shape.
        b: Of the same shape, or of one that NumPy repeats to it.
        multipliers: (ma, mb); mb is below 0 where b is subtracted.
        shift: Of both.
        zero_points: (za, zb, z).
        low: The smallest result.
        high: The largest result.
    """
    za, zb, z = zero_points
    sums = (a.astype(np.int64) - za) * multipliers[0] + (b.astype(np.int64) - zb) * multipliers[1]
    return np.clip(rounding_shift(sums, shift) + z, low, high).astype(np.uint8)


def add_multipliers(factors: tuple[float, float]) -> tuple[tuple[int, int], int]:
    """Write two real factors as integers with one shift, the larger in [2^20, 2^21]; section 6.

    2 <= shift <= 30: factors that are both below 2^-10 have smaller integers.

    Raises:
        ValueError: For a factor of 2^19 or more, below 0, or not a number, and for two that are 0.
    """
    if not (all(0 <= factor < 2.0**19 for factor in factors) and any(factors)):
        raise ValueError(f"factors {factors} of an addition are out of range")
    _, exponent = math.frexp(max(factors))  # 2^(exponent - 1) <= largest < 2^exponent
    shift = min(30, 21 - exponent)
    first, second = round_half_up(np.ldexp(np.array(factors, np.float64), shift))
    return (int(first), int(second)), shift


def multiply(
    a: UInt8,
    b: UInt8,
    multiplier: int,
    shift: int,
    zero_points: tuple[int, int, int],
    low: int = 0,
    high: int = 255,
) -> UInt8:
    """Multiply two values; section 6.

    clamp(z + (((a - za) * (b - zb) * multiplier + 2^(shift - 1)) >> shift), low, high)

    Args:
        a: Of any shape.
        b: Of the same shape, or of one that NumPy repeats to it.
        multiplier: Of section 3, for the factor scale of a * scale of b / scale of the result.
        shift: Its shift.
        zero_points: (za, zb, z).
        low: The smallest result.
        high: The largest result.
    """
    za, zb, z = zero_points
    products = (a.astype(np.int64) - za) * (b.astype(np.int64) - zb) * multiplier
    return np.clip(rounding_shift(products, shift) + z, low, high).astype(np.uint8)


def table(
    function: Callable[[Float64], Float64],
    scale: float,
    zero_point: int,
    result_scale: float,
    result_zero_point: int,
) -> UInt8:
    """Make the table (256,) of any function of one real number; section 4.

    table[x] = clamp(floor(function(scale * (x - zero_point)) / result_scale + 1/2) + z), in
    float64; NaN gives z. With the identity this takes one quantization to another.

    Args:
        function: Of an array, element by element.
        scale: Of x.
        zero_point: Of x.
        result_scale: Of the result.
        result_zero_point: Of the result, z.
    """
    real = np.float64(np.float32(scale)) * (np.arange(256) - zero_point)
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):  # infinities are clamped
        steps = round_half_up(function(real) / np.float64(np.float32(result_scale)))
    steps = np.where(np.isnan(steps), 0, steps)
    return np.asarray(np.clip(steps + result_zero_point, 0, 255), np.uint8)


def resize(
    x: UInt8, rows: tuple[Int32, Int32, Int32], columns: tuple[Int32, Int32, Int32]
) -> UInt8:
    """Compute (sum of row weight * column weight * x + 2^21) >> 22; section 7.

    Args:
        x: (n, c, h, w).
        rows: (first, second, weight of the second in 2^-11), each (length,).
        columns: The same.
    """
    one = np.int64(1 << WEIGHT_BITS)
    wide: Int64 = x.astype(np.int64)
    first, second, weight = rows
    down: Int64 = weight.astype(np.int64)[:, None]
    lines: Int64 = wide[:, :, first] * (one - down) + wide[:, :, second] * down
    first, second, weight = columns
    across: Int64 = weight.astype(np.int64)
    sums: Int64 = lines[..., first] * (one - across) + lines[..., second] * across
    return np.asarray(rounding_shift(sums, 2 * WEIGHT_BITS), np.uint8)


def softmax_table(scale: float) -> NDArray[np.uint32]:
    """Compute round(2^20 * exp(-scale * d)) for d = 0 ... 255; section 8."""
    real = np.exp(-np.float64(np.float32(scale)) * np.arange(256))
    return round_half_up(np.ldexp(real, EXPONENT_BITS)).astype(np.uint32)


def softmax_ratio(scale: float) -> int:
    """Compute round(2^16 / scale of the result); section 8.

    Raises:
        TatamiError: For a scale below 2^-26: a result of bytes is at most 1, so that there is none.
    """
    ratio = math.floor(2**16 / float(np.float32(scale)) + 0.5)
    if ratio > MAX_RATIO:
        raise TatamiError(
            f"a step of {scale:g} is too small for what a softmax gives",
            hint="calibrate again: 1/256 is the usual step",
        )
    return ratio


def softmax(
    x: UInt8, exponentials: NDArray[np.uint32], ratio: int, zero_point: int, axis: int
) -> UInt8:
    """Compute clamp(z + (e * ratio + sum * 2^15) // (sum * 2^16)); section 8.

    e = exponentials[max - x], and sum is that of e along the axis.

    Args:
        x: At most 2^26 samples lie along the axis.
        exponentials: From ``softmax_table``.
        ratio: From ``softmax_ratio``.
        zero_point: Of the result, z.
        axis: Along which the results sum to 1.
    """
    assert x.shape[axis] <= MAX_SOFTMAX
    assert ratio <= MAX_RATIO
    e = exponentials.astype(np.int64)[x.max(axis=axis, keepdims=True).astype(np.int64) - x]
    total = e.sum(axis=axis, keepdims=True)
    y = (e * ratio + (total << 15)) // (total << 16) + zero_point
    return np.asarray(np.clip(y, 0, 255), np.uint8)
