"""exp in float32 of nothing but + - * and whole numbers: the same bits on every machine.

Libraries differ in the last bits of their exp, and one bit can turn two boxes around. So the
decoding rule has an exp of its own, written in operations that IEEE 754 rounds in one way only; the
emitted C (ship/c/kernels/exponential.c) is the same, line by line.

x = n ln 2 + r with a whole n and |r| <= ln(2) / 2, so exp(x) = 2^n exp(r). ln 2 is taken in two
pieces, the first short enough that n times it is exact (Cody and Waite 1980, chapter 6), and
exp(r) = 1 + r + r^2 p(r), where p is fitted to the least relative error of exp: 0.05 of a unit in
the last place; with all roundings the result is within 1 unit.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from tatami.types import Float32

_LARGEST, _SMALLEST = np.float32(89.0), np.float32(-104.0)  # beyond: infinity, and 0
_LOG2_E = np.float32(1.44269502)
_LN2_HIGH, _LN2_LOW = np.float32(0.693359375), np.float32(-0.000212194442)
_WHOLE = np.float32(12582912.0)  # 1.5 * 2^23: what is added to it is rounded to a whole number
_WHOLE_BITS = np.int32(0x4B400000)
_POLYNOMIAL = tuple(
    np.float32(c) for c in (0.00138145988, 0.00836871658, 0.041668389, 0.166665211, 0.49999994)
)


def exp(x: ArrayLike) -> Float32:
    """Compute e to the power of x, float32 of the same shape.

    Overflows to infinity and underflows through subnormal numbers to 0; a NaN stays one.
    """
    x = np.asarray(x, np.float32)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        held = np.where(x >= _SMALLEST, np.minimum(x, _LARGEST), _SMALLEST)  # a NaN too
        shifted = held * _LOG2_E + _WHOLE
        whole = shifted - _WHOLE
        r = (held - whole * _LN2_HIGH) - whole * _LN2_LOW
        p = np.full_like(r, _POLYNOMIAL[0])
        for coefficient in _POLYNOMIAL[1:]:
            p = p * r + coefficient
        p = (p * (r * r) + r) + np.float32(1)
        n = shifted.view(np.int32) - _WHOLE_BITS
        half = n >> 1  # two factors, for 2^n may be no normal number
        low = ((half + 127) << 23).astype(np.int32).view(np.float32)
        high = ((n - half + 127) << 23).astype(np.int32).view(np.float32)
        result: Float32 = np.where(np.isnan(x), x, (p * low) * high)
    return result


def sigmoid(x: ArrayLike) -> Float32:
    """Compute 1 / (1 + exp(-x)), float32 of the same shape."""
    one = np.float32(1)
    with np.errstate(invalid="ignore"):  # a signalling NaN
        result: Float32 = one / (one + exp(-np.asarray(x, np.float32)))
    return result


def softmax(x: Float32) -> Float32:
    """Compute exp(x - max) / sum of exp(x - max) over axis 1, summed in the order of that axis."""
    with np.errstate(invalid="ignore"):  # infinity - infinity
        exponentials = exp(x - x.max(axis=1, keepdims=True))
        total = exponentials[:, :1].copy()
        for index in range(1, x.shape[1]):
            total += exponentials[:, index : index + 1]
        result: Float32 = exponentials / total
    return result
