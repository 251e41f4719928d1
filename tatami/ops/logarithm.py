"""log in float32 of nothing but + - * / and whole numbers: the same bits on every machine.

It is the partner of exponential.py, for rules that compare sums of logarithms; the emitted C
(ship/c/kernels/logarithm.c) is the same, line by line. x = m 2^n with m near 1, s = (m - 1) /
(m + 1) and log(m) = 2 s + s^3 p(s^2), where p is fitted to the least error.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from tatami.types import Float32

_HALF_ROOT_BITS = np.int32(0x3F3504F3)  # of the square root of 1/2
_LN2_HIGH, _LN2_LOW = np.float32(0.693359375), np.float32(-0.000212194442)
_POLYNOMIAL = tuple(np.float32(c) for c in (0.235854045, 0.285371095, 0.400003403, 0.666666627))


def log(x: ArrayLike) -> Float32:
    """Compute the natural logarithm, float32 of the same shape.

    Args:
        x: Normal numbers above 0.

    Returns:
        Within 2 units in the last place.
    """
    x = np.ascontiguousarray(x, np.float32)
    bits = x.view(np.int32)
    n = (bits - _HALF_ROOT_BITS) >> 23
    m = (bits - (n << 23)).astype(np.int32).view(np.float32)
    one = np.float32(1)
    s = (m - one) / (m + one)
    t = s * s
    p = np.full_like(t, _POLYNOMIAL[0])
    for coefficient in _POLYNOMIAL[1:]:
        p = p * t + coefficient
    exponent = n.astype(np.float32)
    rest = (s * np.float32(2) + s * (t * p)) + exponent * _LN2_LOW
    result: Float32 = exponent * _LN2_HIGH + rest
    return result
