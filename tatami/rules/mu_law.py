"""The mu law: samples of 16 bits to 256 levels that lie close where it is quiet, and back.

docs/generation-rule.md, section 1, is the rule in words. Both directions are tables of whole
numbers, computed with 40 digits: the same on every machine.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_HALF_EVEN, Decimal, localcontext
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tatami.types import Samples

LEVELS = 256
"""Codes: 0 is the lowest sample, 255 the highest."""
SILENCE = 128
"""The code of a sample of 0."""
_MU = LEVELS - 1
_FULL = 1 << 15


@lru_cache(maxsize=1)
def thresholds() -> NDArray[np.int16]:
    """Give the lowest sample of every code, int16 (256,), rising; that of code 0 is -32,768.

    With f(x) = sign(x) ln(1 + 255 |x|) / ln 256 of x = sample / 2^15, a code is
    floor(255 (f + 1) / 2 + 1/2).

    Source:
        A. van den Oord et al., "WaveNet", 2016, section 2.2; ITU-T G.711.
    """
    found = [-_FULL]
    with localcontext() as context:
        context.prec = 40
        for code in range(1, LEVELS):
            real = _expanded(Decimal(2 * code - 1) / _MU - 1)
            found.append(int(real.to_integral_value(ROUND_CEILING)))
    return np.array(found, np.int16)


@lru_cache(maxsize=1)
def levels() -> NDArray[np.int16]:
    """Give the sample that every code stands for, int16 (256,): where f is 2 code / 255 - 1."""
    with localcontext() as context:
        context.prec = 40
        found = [
            int(_expanded(Decimal(2 * code) / _MU - 1).to_integral_value(ROUND_HALF_EVEN))
            for code in range(LEVELS)
        ]
    return np.array(found).clip(-_FULL, _FULL - 1).astype(np.int16)


def _expanded(y: Decimal) -> Decimal:
    """Compute 2^15 sign(y) (256^|y| - 1) / 255."""
    size = (abs(y) * Decimal(LEVELS).ln()).exp() - 1
    return size.copy_sign(y) * _FULL / _MU


def encode(samples: Samples) -> NDArray[np.uint8]:
    """Turn samples, int16 of any shape, into codes: how many thresholds lie at or below each."""
    found = np.searchsorted(thresholds()[1:], np.asarray(samples, np.int16), side="right")
    return found.astype(np.uint8)


def decode(codes: NDArray[Any]) -> Samples:
    """Turn codes, 0 to 255 of any shape, into samples of 16 bits."""
    found: Samples = levels()[codes]
    return found
