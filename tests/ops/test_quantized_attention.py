"""The integers of a Transformer against Python's own whole numbers and real arithmetic."""

import math
from fractions import Fraction

import numpy as np
import pytest

from tatami.errors import TatamiError
from tatami.ops.logarithm import log
from tatami.ops.quantized import softmax, softmax_ratio, softmax_table
from tatami.ops.quantized_attention import (
    add_and_normalize,
    layer_normalize,
    masked_softmax,
    multiply_matrices,
    normalization_of,
    sum_of,
)

RNG = np.random.default_rng(0)
SCALE, TO = 0.031, 0.024


@pytest.mark.parametrize("count", [1, 5, 256])
def test_a_line_is_normalized_as_the_page_says(count):
    """Section 12 step by step in whole numbers of any size; within a step of real arithmetic."""
    x = RNG.integers(40, 220, (20, count)).astype(np.uint8)
    x[0], x[1], x[1, 0] = 77, 0, 255
    gamma, beta = (RNG.normal(1, 0.4, count).astype(np.float32) for _ in range(2))
    constants = normalization_of(gamma, beta, 1e-5, SCALE, TO)
    found = layer_normalize(x, constants, 120, 1)
    for line, result in zip(x.tolist(), found.tolist(), strict=True):
        total = sum(line)
        spread = count * sum(v * v for v in line) - total**2 + constants.epsilon
        j = next(j for j in range(31) if 2**60 <= spread * 4**j < 2**62)
        q = 2**61 // math.isqrt(spread * 4**j)
        for at, value in enumerate(line):
            t = ((count * value - total) * q + 2 ** (44 - j)) >> (45 - j)
            product = t * int(constants.multiplier[at]) + int(constants.addend[at])
            y = 120 + ((product + 2 ** (constants.shift - 1)) >> constants.shift)
            assert result[at] == min(255, max(0, y))
    real = x * np.float64(np.float32(SCALE))
    off = real - real.mean(axis=1, keepdims=True)
    normal = off / np.sqrt((off**2).mean(axis=1, keepdims=True) + np.float32(1e-5))
    steps = np.clip((normal * gamma + beta) / np.float64(np.float32(TO)) + 120, 0, 255)
    assert np.abs(found - steps).max() < 0.51


def test_a_byte_and_a_sum_are_added_finely():
    """As the page says, and within a step of the real sum's normalization."""
    x = RNG.integers(0, 256, (9, 64)).astype(np.uint8)
    sums = RNG.integers(-40_000, 40_000, (9, 64)).astype(np.float32)
    factors = RNG.uniform(1e-5, 1e-4, 64)
    gamma, beta = (RNG.normal(1, 0.4, 64).astype(np.float32) for _ in range(2))
    how = sum_of(SCALE, factors)
    constants = normalization_of(gamma, beta, 1e-5, float(np.float32(SCALE)) / 2**8, TO)
    found = add_and_normalize(x, sums, how, constants, (99, 120), 1)
    whole = (x.astype(object) - 99) * how.first + sums.astype(np.int64) * how.second.astype(object)
    totals = np.array([[(v + 2 ** (how.shift - 1)) >> how.shift for v in line] for line in whole])
    real = (x - 99.0) * np.float64(np.float32(SCALE)) + sums * factors
    assert np.abs(totals * (np.float64(np.float32(SCALE)) / 2**8) - real).max() < SCALE / 2**8
    off = real - real.mean(axis=1, keepdims=True)
    normal = off / np.sqrt((off**2).mean(axis=1, keepdims=True) + np.float32(1e-5))
    steps = np.clip((normal * gamma + beta) / np.float64(np.float32(TO)) + 120, 0, 255)
    assert np.abs(found - steps).max() < 0.8
    with pytest.raises(TatamiError, match="a sum of 2000 samples"):
        sum_of(SCALE, np.ones(2000))


def test_constants_that_do_not_fit_are_refused():
    one = np.ones(4, np.float32)
    for gamma, beta, scale, to in ((one, one, 1e-12, 1), (one * 1e30, one, 1, 1e-5)):
        with pytest.raises(TatamiError, match="normalization of 4"):
            normalization_of(gamma, beta, 1e-5, scale, to)
    with pytest.raises(TatamiError, match="normalization of 40000"):
        normalization_of(*np.ones((2, 40000), np.float32), 1e-5, 1, 1)


def test_matrices_are_multiplied_exactly():
    a, b = (RNG.integers(0, 256, s).astype(np.uint8) for s in ((3, 1, 4, 33), (3, 1, 33, 5)))
    multiplier, shift = 1_200_000_000, 41
    found = multiply_matrices(a, b, multiplier, shift, (9, 200, 128), 3, 250)
    for index in np.ndindex(found.shape):
        front, (m, n) = index[:-2], index[-2:]
        pairs = zip(a[front][m].tolist(), b[front][:, n].tolist(), strict=True)
        total = sum((u - 9) * (v - 200) for u, v in pairs)
        rounded = math.floor(Fraction(total * multiplier, 2**shift) + Fraction(1, 2))
        assert found[index] == min(250, max(3, 128 + rounded))


def test_what_a_mask_hides_is_not_there():
    """The seen samples are as if there were no others; a line that sees nothing is 0."""
    x = RNG.integers(0, 256, (6, 9)).astype(np.uint8)
    mask = RNG.random((6, 9)) < 0.6
    mask[0], mask[1] = True, False
    table, ratio = softmax_table(0.05), softmax_ratio(1 / 256)
    found = masked_softmax(x, mask, table, ratio, 7, 1)
    for line, seen, result in zip(x, mask, found, strict=True):
        assert (result[~seen] == 7).all()
        if seen.any():
            alone = softmax(line[seen][None], table, ratio, 7, 1)[0]
            assert (result[seen] == alone).all()


def test_log_is_within_two_units():
    x = np.concatenate((RNG.uniform(0.5, 2, 20_000), 2 ** RNG.uniform(-60, 60, 20_000)))
    x = x.astype(np.float32)
    right = np.log(x.astype(np.float64))
    units = np.abs(log(x) - right) / np.spacing(np.abs(right).astype(np.float32))
    assert units.max() < 2
    assert log(np.float32(1)) == 0
