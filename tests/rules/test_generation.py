"""The generation rule: the mu law, random numbers and the choice of a sample."""

from itertools import islice

import numpy as np
import pytest

from tatami.errors import TatamiError
from tatami.rules.generation import (
    CHOSEN,
    ForwardGenerator,
    choose,
    drawn,
    numbers,
    planes,
    weights,
)
from tatami.rules.mu_law import SILENCE, decode, encode, levels, thresholds
from tatami.types import GenerationSpec, WaveInput

EVERY = np.arange(-(2**15), 2**15)


def test_the_mu_law_is_its_formula_for_every_sample():
    x = EVERY / 2**15
    curve = np.sign(x) * np.log1p(255 * np.abs(x)) / np.log(256)
    np.testing.assert_array_equal(
        encode(EVERY.astype(np.int16)), np.floor(127.5 * (curve + 1) + 0.5)
    )
    y = 2 * np.arange(256) / 255 - 1
    back = np.sign(y) * (256 ** np.abs(y) - 1) / 255 * 2**15
    np.testing.assert_array_equal(levels(), np.clip(np.round(back), -(2**15), 2**15 - 1))
    assert encode(np.zeros(1, np.int16)) == SILENCE
    np.testing.assert_array_equal(encode(decode(np.arange(256))), np.arange(256))
    assert (np.diff(thresholds().astype(int)) > 0).all()


def test_numbers_are_splitmix64():
    # The generator's first values for the seed 0, as its authors' program prints them.
    assert list(islice(numbers(0), 3)) == [0xE220A839, 0x6E789E6A, 0x06C45D18]
    assert list(islice(numbers(2**64), 3)) == list(islice(numbers(0), 3))


def test_a_choice_follows_the_softmax():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, 256).astype(np.float32)
    share = np.exp(logits.astype(np.float64))
    share /= share.sum()
    found = weights(logits)
    np.testing.assert_allclose(found / found.sum(), share, atol=1e-6)
    every = (np.arange(3000) * (2**32 / 3000)).astype(np.uint64)
    counted = np.bincount([choose(logits, int(one)) for one in every], minlength=256) / 3000
    assert np.abs(counted - share).max() < 1 / 3000
    assert choose(logits, 0) == 0
    assert choose(logits, 2**32 - 1) == 255
    assert choose(logits, 2**31, sharpness=1000.0) == int(logits.argmax())


def test_what_is_no_number_is_never_chosen():
    logits = np.full(256, np.nan, np.float32)
    assert choose(logits, 12345) == SILENCE
    logits[7] = -3
    assert {choose(logits, number) for number in (0, 2**31, 2**32 - 1)} == {7}


def linear(seed):
    """A network of a line over four samples, and of its column alone."""
    rng = np.random.default_rng(seed)
    line = (3 * rng.normal(0, 1, (256, 4))).astype(np.float32)

    def forward(images):
        sound = np.pad(images[:, 0, 0], ((0, 0), (3, 0)))
        seen = np.lib.stride_tricks.sliding_window_view(sound, 4, axis=1)
        logits = np.einsum("kt,nct->nkc", line, seen) + images[:, 2] * line[None, :, :1]
        return (logits[:, :, None].astype(np.float32),)

    return forward


def test_a_sound_is_drawn_again_however_it_is_cut():
    wave = WaveInput(8000, 9, 2, receptive=4)
    generator = ForwardGenerator(GenerationSpec(("a", "b"), wave), linear(1))
    sound = generator.generate(1, 40, seed=3)
    codes = encode(sound)
    np.testing.assert_array_equal(generator.chosen(codes, 1, 3), codes)
    assert (generator.chosen(codes, 1, 4) != codes).any()
    assert (generator.generate(0, 40, seed=3) != sound).any()
    whole = ForwardGenerator(
        GenerationSpec(("a", "b"), WaveInput(8000, 40, 2, receptive=4)), linear(1)
    )
    np.testing.assert_allclose(generator.surprise(sound, 1), whole.surprise(sound, 1), atol=1e-5)
    (logits,) = linear(1)(planes(SILENCE, codes, 1, wave)[None])
    shares = np.exp(logits[0, :, 0].astype(np.float64))
    shares /= shares.sum(axis=0)
    expected = -np.log2(shares[codes, np.arange(40)])
    np.testing.assert_allclose(whole.surprise(sound, 1), expected, atol=1e-5)


def test_the_planes_of_a_piece():
    wave = WaveInput(8000, 3, 2)
    found = planes(130, np.array([1, 2, 3], np.uint8), 1, wave) * 128 + 128
    np.testing.assert_array_equal(found[:, 0], [[130, 1, 2], [SILENCE] * 3, [CHOSEN] * 3])
    seen = []
    list(drawn(lambda x: seen.append(x) or np.zeros(256, np.float32), wave, 0, 2, seed=0))
    assert seen[0][0, 0, 0] == 0


def test_a_spec_that_does_not_fit():
    content = GenerationSpec(("a",), WaveInput()).to_json()
    assert GenerationSpec.from_json(content) == GenerationSpec(("a",), WaveInput())
    with pytest.raises(TatamiError, match="names 2 classes, its input has 1"):
        GenerationSpec.from_json({**content, "classes": ["a", "b"]})
    with pytest.raises(TatamiError, match="a choice of 256 for each of 4096 samples"):
        GenerationSpec(("a",), WaveInput()).check_outputs([(1, 256, 1, 8)])
