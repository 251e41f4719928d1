"""The operations of an integer network: docs/integer-arithmetic.md, sections 2 and 4 to 8.

Arrays are (n, c, h, w): uint8 samples with a zero point, int8 weights, int64 sums that are known to
fit int32. Where a matrix product in floating point is exact, it is used, for it is far faster: a
sum of integers is exact in any order as long as no partial sum leaves the integers that the format
holds, 2^24 in float32 and 2^53 in float64.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tatami.ops.fixed_point import Int8, Int32, UInt8, rounding_shift, sum_bounds
from tatami.ops.im2col import pad_map, taps
from tatami.ops.window import Window
from tatami.types import Float, Int

EXPONENT_BITS = 20
"""Fraction bits of the table of exponentials in softmax."""
WEIGHT_BITS = 11
"""Fraction bits of a weight of bilinear resizing."""


def convolve(
    x: UInt8, weights: Int8, bias: Int32, zero_point: int, window: Window, groups: int = 1
) -> Int:
    """Sums: bias + weights * (x - zero_point), padding being x = zero_point; section 2.

    x: (n, c, h, w).  weights: (o, c / groups, kernel_h, kernel_w).  Returns (n, o, out_h, out_w).
    A fully connected layer is the convolution whose kernel is the whole map.
    """
    exact = exact_type(int(sum_bounds(weights, bias, zero_point).max(initial=0)))
    n, _, h, w = x.shape
    o, per_group, kernel_h, kernel_w = weights.shape
    out_h, out_w = window.rows.output(h), window.columns.output(w)
    depth = per_group * kernel_h * kernel_w
    kernels = weights.reshape(groups, o // groups, depth).astype(exact)
    sums = np.empty((n, o, out_h, out_w), np.int64)
    for picture in range(n):
        centred = x[picture : picture + 1].astype(exact) - exact(zero_point)
        seen = taps(pad_map(centred, window, 0.0), window)
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
) -> Int:
    """Sums of a transposed convolution: what every sample spreads over the output is added up.

    x: (n, c, h, w).  weights: (c, o / groups, kernel_h, kernel_w).  output: (out_h, out_w).
    Returns (n, o, out_h, out_w). Sample (y, x) reaches (y * stride + u * dilation - before, ...).
    """
    n, c, h, w = x.shape
    _, per_group, kernel_h, kernel_w = weights.shape
    rows, columns = window.rows, window.columns
    bound = int(np.abs(weights.astype(np.int64)).sum() * 255 + np.abs(bias.astype(np.int64)).max())
    exact = exact_type(bound)
    centred = (x.astype(np.int64) - zero_point).astype(exact).reshape(n, groups, c // groups, h * w)
    kernels = weights.astype(exact).reshape(groups, c // groups, per_group, kernel_h, kernel_w)
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
            spread = np.matmul(kernels[..., u, v].transpose(0, 2, 1), centred)
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
    sums: Int = cut + bias.astype(np.int64)[:, None, None]
    return sums


def exact_type(bound: int) -> type[np.float32] | type[np.float64]:
    """The fastest float in which sums of integers up to ``bound`` are exact."""
    assert bound < 2**53
    return np.float32 if bound <= 2**24 else np.float64


def max_pool(x: UInt8, window: Window) -> UInt8:
    """The largest sample under each place of the window; padding, being 0, never wins."""
    seen = taps(_padded(x, window, 0), window)
    y: UInt8 = seen.max(axis=(2, 3))
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
    """clamp(z + ((sum * multiplier[n] + 2^(shift-1)) >> shift)), sum of x - input_zero_point.

    Section 5. multiplier: (kernel area + 1,), by the count n of samples that are averaged.
    """
    rows, columns = window.rows, window.columns
    out_h, out_w = rows.output(x.shape[2]), columns.output(x.shape[3])
    centred = x.astype(np.int64) - input_zero_point
    sums = taps(_padded(centred, window, 0), window).sum(axis=(2, 3))
    if count_padding:
        count = np.full((out_h, out_w), rows.kernel * columns.kernel)
    else:
        ones = np.ones((1, 1, *x.shape[2:]), np.int64)
        count = taps(_padded(ones, window, 0), window).sum(axis=(2, 3))[0, 0]
    y = rounding_shift(sums * multiplier.astype(np.int64)[count], shift) + zero_point
    return np.clip(y, 0, 255).astype(np.uint8)


def add(
    a: UInt8,
    b: UInt8,
    multipliers: tuple[int, int],
    shift: int,
    zero_points: tuple[int, int, int],
    low: int = 0,
    high: int = 255,
) -> UInt8:
    """clamp(z + (((a - za) * ma + (b - zb) * mb + 2^(shift - 1)) >> shift), low, high); section 6.

    zero_points: (za, zb, z).
    """
    za, zb, z = zero_points
    sums = (a.astype(np.int64) - za) * multipliers[0] + (b.astype(np.int64) - zb) * multipliers[1]
    return np.clip(rounding_shift(sums, shift) + z, low, high).astype(np.uint8)


def add_multipliers(factors: tuple[float, float]) -> tuple[tuple[int, int], int]:
    """Two real factors as integers with one shift, the larger in [2^20, 2^21); section 6.

    1 <= shift <= 30: smaller factors lose bits, larger ones do not occur (ValueError).
    """
    largest = max(factors)
    if not 0 < largest < 2.0**19:
        raise ValueError(f"factors {factors} of an addition are out of range")
    shift = min(30, 20 - int(np.floor(np.log2(largest))))
    return tuple_of_two(np.floor(np.ldexp(np.array(factors), shift) + 0.5)), shift


def tuple_of_two(values: Float) -> tuple[int, int]:
    """Two whole numbers."""
    return int(values[0]), int(values[1])


def table(
    function: Callable[[Float], Float],
    scale: float,
    zero_point: int,
    result_scale: float,
    result_zero_point: int,
) -> UInt8:
    """y = table[x] of any function of one real number, (256,); section 4.

    table[x] = clamp(floor(function(scale * (x - zero_point)) / result_scale + 1/2) + z).
    """
    real = np.float64(np.float32(scale)) * (np.arange(256) - zero_point)
    steps = np.floor(function(real) / np.float64(np.float32(result_scale)) + 0.5)
    return np.clip(steps + result_zero_point, 0, 255).astype(np.uint8)


def resize(
    x: UInt8, rows: tuple[Int32, Int32, Int32], columns: tuple[Int32, Int32, Int32]
) -> UInt8:
    """(sum of row weight * column weight * x + 2^21) >> 22; section 7.

    rows, columns: (first, second, weight of the second in 2^-11), each (length,).
    """
    one = 1 << WEIGHT_BITS
    wide = x.astype(np.int64)
    first, second, weight = rows
    down = weight.astype(np.int64)[:, None]
    lines = wide[:, :, first] * (one - down) + wide[:, :, second] * down
    first, second, weight = columns
    across = weight.astype(np.int64)
    sums = lines[..., first] * (one - across) + lines[..., second] * across
    return rounding_shift(sums, 2 * WEIGHT_BITS).astype(np.uint8)


def softmax_table(scale: float) -> NDArray[np.uint32]:
    """round(2^20 * exp(-scale * d)) for d = 0 ... 255; section 8."""
    steps = np.exp(-np.float64(np.float32(scale)) * np.arange(256)) * 2**EXPONENT_BITS
    return np.floor(steps + 0.5).astype(np.uint32)


def softmax(
    x: UInt8, exponentials: NDArray[np.uint32], ratio: int, zero_point: int, axis: int
) -> UInt8:
    """clamp(z + (e * ratio + sum * 2^15) // (sum * 2^16)), e = exponentials[max - x]; section 8.

    ratio: round(2^16 / scale of the result).
    """
    e = exponentials.astype(np.int64)[x.max(axis=axis, keepdims=True).astype(np.int64) - x]
    total = e.sum(axis=axis, keepdims=True)
    y = (e * ratio + (total << 15)) // (total << 16) + zero_point
    return np.clip(y, 0, 255).astype(np.uint8)


def _padded(x: NDArray[np.generic], window: Window, value: int) -> NDArray[np.generic]:
    rows, columns = window.rows, window.columns
    widths = ((0, 0), (0, 0), (rows.before, rows.after), (columns.before, columns.after))
    return np.pad(x, widths, constant_values=value)
