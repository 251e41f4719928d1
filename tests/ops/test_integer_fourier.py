"""The transform in whole numbers against NumPy's in float64."""

import numpy as np
import pytest

from tatami.ops.integer_fourier import cosines, headroom, sines, transform


@pytest.mark.parametrize("parts", [4, 7, 12, 331, 4096])
def test_cosines_and_sines_are_rounded_once(parts):
    turns = 2 * np.pi * np.arange(parts) / parts
    assert np.abs(cosines(parts, parts, 30) - 2.0**30 * np.cos(turns)).max() < 0.500001
    assert np.abs(sines(parts, parts, 30) - 2.0**30 * np.sin(turns)).max() < 0.500001


@pytest.mark.parametrize("size", [4, 8, 64, 1024, 4096])
def test_twice_the_transform(size):
    rng = np.random.default_rng(size)
    largest = (1 << 30) >> headroom(size)
    samples = rng.integers(-largest, largest, (5, size))
    samples[0] = largest - 1
    samples[1] = np.where(np.arange(size) % 2, 1 - largest, largest - 1)
    expected = 2 * np.fft.rfft(samples)
    for found, part in zip(transform(samples), (expected.real, expected.imag), strict=True):
        assert np.abs(found).max() < 2**31
        assert (
            np.abs(found - part).max() < 2 * size**0.5 + 1
        )  # errors of a unit, halving by halving
