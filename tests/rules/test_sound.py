"""The sound rule against itself in float64, and against its own promises."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from tatami.errors import TatamiError
from tatami.rules.sound import (
    Listener,
    bands,
    cosine_table,
    features_of,
    fitted,
    logarithm,
    prepare,
    window,
)
from tatami.types.sound import Gain, SoundInput

TELEPHONE = SoundInput(rate=8000, window=200, step=80, frames=98, bands=30, low=100, high=4000)


def mel(hertz):
    return 2595 * np.log10(1 + hertz / 700)


def in_floats(samples, sound):
    """The rule as a textbook has it: bands of the power spectrum, their logarithms, an MFCC."""
    samples = np.asarray(samples, np.float64)
    frames = np.lib.stride_tricks.sliding_window_view(samples, sound.window)[:: sound.step]
    hann = np.sin(np.pi * (np.arange(sound.window) + 0.5) / sound.window) ** 2
    power = np.abs(np.fft.rfft(frames * hann, sound.transform)) ** 2
    places = np.linspace(mel(sound.low), mel(sound.high), sound.bands + 2)
    at = mel(np.arange(sound.transform // 2 + 1) * sound.rate / sound.transform)
    weights = [np.interp(at, places[i : i + 3], (0, 1, 0)) for i in range(sound.bands)]
    # What the rule leaves in its whole numbers: 2^(15 - shift) twice, 2^2, 2^-8, 2^12.
    shift = sound.transform.bit_length()
    found = 256 * (np.log2(power @ np.transpose(weights)) + 2 * (15 - shift) + 6)
    if sound.gain is not None:
        smooth = found.copy()
        energy = 2 ** (found / 256)
        state = energy[0]
        for frame, new in enumerate(energy):
            state = state + (new - state) / 2**sound.gain.smoothing
            smooth[frame] = 256 * np.log2(state)
        found -= sound.gain.strength / 256 * smooth
    if sound.coefficients:
        table = cosine_table(sound.coefficients, sound.bands) / 2**14
        found = found @ table.T
    return found


@pytest.mark.parametrize(
    "changes", [{}, {"coefficients": 13}, {"gain": Gain()}, {"gain": Gain(128, 0), "bands": 20}]
)
def test_close_to_the_textbook(changes):
    sound, rng = replace(TELEPHONE, **changes), np.random.default_rng(0)
    samples = rng.integers(-9000, 9000, 8000).astype(np.int16)
    found = features_of(samples, sound)
    assert found.shape == (98, sound.features)
    assert np.abs(found - in_floats(samples, sound)).max() < 2  # 256 is twice the energy


def test_a_pure_tone_is_loudest_in_its_band():
    for hertz in (300, 1000, 3000):
        tone = (10000 * np.sin(2 * np.pi * hertz * np.arange(8000) / 8000)).astype(np.int16)
        found = features_of(tone, TELEPHONE)
        places = np.linspace(mel(100), mel(4000), 32)[1:-1]
        assert abs(int(found.mean(0).argmax()) - int(abs(places - mel(hertz)).argmin())) <= 1


@pytest.mark.parametrize("gain", [None, Gain()])
def test_a_stream_gives_what_the_whole_gives(gain):
    sound, rng = replace(TELEPHONE, gain=gain), np.random.default_rng(2)
    samples = rng.integers(-32768, 32768, 4000).astype(np.int16)
    whole, listener = features_of(samples, sound), Listener(sound)
    for longest in (1, 100, 1000):
        listener.reset()
        cuts = np.sort(rng.integers(0, 4001, 8000 // longest))
        found = [listener.listen(piece) for piece in np.split(samples, cuts)]
        assert np.array_equal(np.concatenate(found), whole)


def test_logarithms_are_within_their_bound():
    rng = np.random.default_rng(0)
    many = rng.integers(1, 2**63, 20000, np.uint64) >> rng.integers(0, 62, 20000).astype(np.uint64)
    values = np.append(np.maximum(many, 1), np.array([1, 2, 3, 2**64 - 1], np.uint64))
    true = np.array([256 * math.log2(int(value)) for value in values])
    assert np.abs(logarithm(values) - true).max() < 0.51
    assert logarithm(2 ** np.arange(64, dtype=np.uint64)).tolist() == list(range(0, 64 * 256, 256))


def test_tables():
    turns = np.sin(np.pi * (np.arange(640) + 0.5) / 640) ** 2
    assert np.abs(window(640) - 2**15 * turns).max() <= 0.51
    for first, weights in bands(TELEPHONE):
        assert weights.min() > 0
        assert weights.max() <= 4096
        assert first + len(weights) <= 129
    table = cosine_table(30, 30) / 2**14
    assert np.allclose(table[0], 1 / 30, atol=1e-4)
    assert np.allclose(table @ np.ones(30), np.eye(30)[0], atol=1e-3)


def test_a_sound_is_fitted_around_its_middle():
    sound = replace(TELEPHONE, frames=2)  # 280 samples
    samples = np.arange(1, 301).astype(np.int16)
    assert fitted(samples, sound).tolist() == list(range(11, 291))
    assert fitted(samples[:299], sound).tolist() == list(range(10, 290))
    short = fitted(samples[:5], sound)
    assert short[137:142].tolist() == [1, 2, 3, 4, 5]
    assert np.count_nonzero(short) == 5
    assert prepare(samples, sound).shape == (1, 2, 30)


def test_written_and_read_back():
    for sound in (TELEPHONE, replace(TELEPHONE, gain=Gain(1, 2), mean=3.5)):
        assert SoundInput.from_json(json.loads(json.dumps(sound.to_json()))) == sound


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"step": 201}, "a step of 201"),
        ({"high": 4001}, "a high of 4001"),
        ({"coefficients": 31}, "a coefficients of 31"),
        ({"gain": Gain(257, 1)}, "a gain of 257"),
    ],
)
def test_what_cannot_be_is_refused(changes, said):
    with pytest.raises(TatamiError, match=said):
        replace(TELEPHONE, **changes)


def test_a_band_without_a_place_is_refused():
    with pytest.raises(TatamiError, match="band 0 of 128 lies between"):
        bands(replace(TELEPHONE, bands=128))
