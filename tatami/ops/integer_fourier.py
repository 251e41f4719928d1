"""The Fourier transform of real samples in whole numbers: the same bits in any language.

Every step is exact but the products with sines, each rounded once, halves up. Sines come from a
series in whole numbers, not from a machine's library.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from tatami.types import Int64

TWIDDLE = 30
"""Bits behind the point of a sine in the transform."""
_GUARD = 96


@lru_cache(maxsize=64)
def cosines(count: int, parts: int, bits: int) -> Int64:
    """Compute round(2^bits * cos(2 pi k / parts)) for k = 0 ... count - 1, halves up.

    Args:
        count: How many.
        parts: Of the circle.
        bits: Behind the point.

    Returns:
        (count,), read only.
    """
    found = np.array([_cosine(k % parts, parts, bits) for k in range(count)], np.int64)
    found.setflags(write=False)
    return found


def sines(count: int, parts: int, bits: int) -> Int64:
    """Compute round(2^bits * sin(2 pi k / parts)) for k = 0 ... count - 1, halves up; (count,)."""
    # sin(a) = cos(a - a quarter), in quarters of the parts, so that every angle is a whole number.
    return np.array([_cosine(4 * k - parts, 4 * parts, bits) for k in range(count)], np.int64)


def _cosine(k: int, parts: int, bits: int) -> int:
    """Add up the series of cos, in whole numbers with many bits to spare."""
    k = abs(k) % parts
    k = min(k, parts - k)
    sign = 1
    if 4 * k > parts:  # behind a quarter of the circle
        k, parts, sign = parts - 2 * k, 2 * parts, -1
    angle = 2 * _pi() * k // parts
    square = angle * angle >> _GUARD
    term = total = 1 << _GUARD
    n, way = 0, -1
    while term:
        n += 2
        term = (term * square >> _GUARD) // (n * (n - 1))
        total += way * term
        way = -way
    return (sign * total + (1 << (_GUARD - bits - 1))) >> (_GUARD - bits)


@lru_cache(maxsize=1)
def _pi() -> int:
    """Compute pi by Machin's formula, 16 atan(1/5) - 4 atan(1/239)."""

    def arc(inverse: int) -> int:
        power = total = (1 << (_GUARD + 16)) // inverse
        n = 1
        while power:
            power //= inverse * inverse
            n += 2
            total += power // n if n % 4 == 1 else -(power // n)
        return total

    return (16 * arc(5) - 4 * arc(239)) >> 16


def headroom(size: int) -> int:
    """Say by how many bits a product of a sample and a window's weight is shifted right.

    Samples of 16 bits and weights of 15 become numbers of which ``size`` add up to less than 2^30
    in size: no number of the transform leaves 32 bits.

    Args:
        size: Samples of the transform, a power of two.
    """
    return size.bit_length()


def transform(samples: Int64) -> tuple[Int64, Int64]:
    """Transform real samples: twice their discrete Fourier transform, rounded on the way.

    Samples lie in pairs as complex numbers through a transform of half the size, by Cooley's and
    Tukey's halving; then the two halves are parted.

    Args:
        samples: (n, size), size a power of two of at least 4; the sizes of each row's numbers add
            up to less than 2^30.

    Returns:
        The real and the imaginary parts, each (n, size / 2 + 1).

    Source:
        Cooley and Tukey 1965; Sorensen et al. 1987, "Real-valued fast Fourier transform
        algorithms", section II.
    """
    count, size = samples.shape
    half = size // 2
    order = _reversed(half)
    re, im = samples[:, 0::2][:, order], samples[:, 1::2][:, order]
    cos, sin = cosines(half, size, TWIDDLE), sines(half, size, TWIDDLE)
    span = 1
    while span < half:
        # A butterfly of distance span: turned by the circle's parts of 2 * span.
        step = half // span
        wr, wi = cos[::step], -sin[::step]
        parts = (count, half // (2 * span), 2, span)
        re, im = re.reshape(parts), im.reshape(parts)
        tr, ti = _turned(re[:, :, 1], im[:, :, 1], wr, wi)
        re = np.stack([re[:, :, 0] + tr, re[:, :, 0] - tr], 2).reshape(count, half)
        im = np.stack([im[:, :, 0] + ti, im[:, :, 0] - ti], 2).reshape(count, half)
        span *= 2
    here = np.arange(half + 1) % half
    there = -np.arange(half + 1) % half
    even = re[:, here] + re[:, there], im[:, here] - im[:, there]
    odd = im[:, here] + im[:, there], re[:, there] - re[:, here]
    wr = np.append(cos, -(1 << TWIDDLE))
    wi = np.append(-sin, 0)
    tr, ti = _turned(*odd, wr, wi)
    return even[0] + tr, even[1] + ti


def _turned(re: Int64, im: Int64, wr: Int64, wi: Int64) -> tuple[Int64, Int64]:
    """Multiply complex numbers, and round each part once."""
    first = 1 << (TWIDDLE - 1)
    return (re * wr - im * wi + first) >> TWIDDLE, (re * wi + im * wr + first) >> TWIDDLE


@lru_cache(maxsize=16)
def _reversed(count: int) -> NDArray[np.int64]:
    """Give the numbers below a power of two, the bits of each in reverse."""
    order = np.zeros(1, np.int64)
    while len(order) < count:
        order = np.concatenate([2 * order, 2 * order + 1])
    return order
