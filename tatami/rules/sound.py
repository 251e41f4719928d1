"""The sound rule: how samples become a network's input, frame by frame, in whole numbers.

docs/sound-rule.md is the rule in words, for whoever writes it in another language; this file is the
rule in NumPy. Both the C that Tatami writes and this file give the same numbers, however a sound is
cut into pieces.
"""

from __future__ import annotations

from decimal import Decimal, localcontext
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from tatami.errors import TatamiError
from tatami.ops.integer_fourier import cosines, headroom, transform
from tatami.types import Float32, Int64, Samples
from tatami.types.sound import SoundInput

Features = NDArray[np.int16]
"""Features of frames: int16 (frames, features)."""
WINDOW_BITS = 15
ENERGY_SHIFT = 8
WEIGHT_BITS = 12
COSINE_BITS = 14
LOG_BITS = 16
FEATURE_BITS = 8
TABLE = 7
"""Binary digits of a mantissa by which the table of logarithms is entered."""
_BLOCK = 256
"""Frames that are transformed at once."""


@lru_cache(maxsize=16)
def window(length: int) -> Int64:
    """Compute Hann's window: round(2^15 sin^2(pi (i + 1/2) / length)), int64 (length,)."""
    # sin^2(a) = (1 - cos(2a)) / 2, of whole parts of the circle: (2i + 1) of 2 * length.
    turns = cosines(2 * length, 2 * length, 30)[1::2]
    return ((1 << 30) - turns + (1 << 15)) >> 16


def mel(hertz: Decimal) -> Decimal:
    """Give a frequency's place on the mel scale, 2595 log10(1 + f / 700).

    Source:
        O'Shaughnessy 1987, "Speech Communication: Human and Machine", p. 150.
    """
    return 2595 * (1 + hertz / 700).log10()


@lru_cache(maxsize=16)
def bands(sound: SoundInput) -> tuple[tuple[int, Int64], ...]:
    """Weigh the places of the spectrum for every band: a triangle on the mel scale.

    The weight of a place at mel m under the triangle that rises from a to b and falls to c is
    round(2^12 * min((m - a) / (b - a), (c - m) / (c - b))), where it is above 0.

    Returns:
        For each band its first place, and the weights from there on.

    Raises:
        TatamiError: For a band so narrow that no place lies in it.
    """
    with localcontext() as context:  # 40 digits: the same on every machine
        context.prec = 40
        low, high = mel(Decimal(sound.low)), mel(Decimal(sound.high))
        pitch = (high - low) / (sound.bands + 1)
        places = [
            (mel(Decimal(k * sound.rate) / sound.transform) - low) / pitch
            for k in range(sound.transform // 2 + 1)
        ]
        found = []
        for band in range(sound.bands):
            weights = [
                int(((1 << WEIGHT_BITS) * (1 - abs(at - band - 1)) + Decimal("0.5")) // 1)
                if abs(at - band - 1) < 1
                else 0
                for at in places
            ]
            inside = [place for place, weight in enumerate(weights) if weight]
            if not inside:
                raise TatamiError(
                    f"band {band} of {sound.bands} lies between two places of the spectrum",
                    hint="give fewer bands, a longer window or a higher beginning",
                )
            first, last = inside[0], inside[-1]
            found.append((first, np.array(weights[first : last + 1], np.int64)))
    return tuple(found)


@lru_cache(maxsize=1)
def logarithms() -> Int64:
    """Compute round(2^16 log2(1 + i / 128)), i = 0 ... 128."""
    with localcontext() as context:
        context.prec = 40
        two = Decimal(2).ln()
        one = 1 << TABLE
        return np.array(
            [
                int(((Decimal(one + i) / one).ln() / two * (1 << LOG_BITS) + Decimal("0.5")) // 1)
                for i in range(one + 1)
            ],
            np.int64,
        )


def logarithm(energies: NDArray[np.uint64]) -> Int64:
    """Compute 256 log2(v) of whole numbers v from 1 to 2^64 - 1, by a table and straight lines.

    The result is within 0.51 of the true one: half by rounding, the rest by the lines.
    """
    v = np.asarray(energies, np.uint64)
    exponent = np.zeros(v.shape, np.uint64)
    rest = v.copy()
    for bits in (32, 16, 8, 4, 2, 1):
        many = rest >= np.uint64(1 << bits)
        exponent[many] += np.uint64(bits)
        rest[many] >>= np.uint64(bits)
    mantissa = v << (np.uint64(63) - exponent)  # the leading digit is bit 63
    place = ((mantissa >> np.uint64(63 - TABLE)) & np.uint64((1 << TABLE) - 1)).astype(np.int64)
    beyond = ((mantissa >> np.uint64(32)) & np.uint64((1 << (31 - TABLE)) - 1)).astype(np.int64)
    table = logarithms()
    slope = table[place + 1] - table[place]
    line = table[place] + ((slope * beyond + (1 << (30 - TABLE))) >> (31 - TABLE))
    whole = (exponent.astype(np.int64) << LOG_BITS) + line
    return (whole + (1 << (LOG_BITS - FEATURE_BITS - 1))) >> (LOG_BITS - FEATURE_BITS)


@lru_cache(maxsize=16)
def cosine_table(coefficients: int, count: int) -> Int64:
    """Compute round(2^14 d cos(pi j (2b + 1) / (2 bands)) / bands), d = 1 for j = 0, else 2.

    Returns:
        (coefficients, count), count being the bands. It is a cosine transform of which
        coefficient 0 is the mean.
    """
    turns = cosines(4 * count, 4 * count, 30)
    j, b = np.meshgrid(np.arange(coefficients), np.arange(count), indexing="ij")
    found = turns[j * (2 * b + 1) % (4 * count)] * np.where(j > 0, 2, 1)
    share = count << (30 - COSINE_BITS)
    rounded: Int64 = (2 * found + share) // (2 * share)
    return rounded


def energies(frames: Int64, sound: SoundInput) -> NDArray[np.uint64]:
    """Measure the energy of every band of frames, before its logarithm.

    Args:
        frames: Samples, (n, window).
        sound: The rule's parameters.

    Returns:
        (n, bands).
    """
    size = sound.transform
    shift = headroom(size)
    weighed = (frames * window(sound.window) + (1 << (shift - 1))) >> shift
    found = np.empty((len(frames), sound.bands), np.uint64)
    filters = bands(sound)
    for start in range(0, len(frames), _BLOCK):
        block = weighed[start : start + _BLOCK]
        padded = np.zeros((len(block), size), np.int64)
        padded[:, : sound.window] = block
        re, im = transform(padded)
        power = ((re * re + im * im) >> ENERGY_SHIFT).astype(np.uint64)
        for band, (first, weights) in enumerate(filters):
            part = power[:, first : first + len(weights)]
            found[start : start + len(block), band] = part @ weights.astype(np.uint64)
    return found


class Listener:
    """Sound in, features out: pieces of any length give what the whole would give.

    Args:
        sound: The rule's parameters.
    """

    def __init__(self, sound: SoundInput) -> None:
        self.sound = sound
        self.reset()

    def reset(self) -> None:
        """Forget all that was heard."""
        self._held: Int64 = np.zeros(0, np.int64)
        self._smooth: NDArray[np.uint64] | None = None

    def listen(self, samples: Samples) -> Features:
        """Take up samples, and give the features of every frame that they complete.

        Args:
            samples: int16 (n,), any number of them.

        Returns:
            int16 (frames, features), as many as there are new frames.
        """
        sound = self.sound
        held = np.concatenate([self._held, np.asarray(samples, np.int64)])
        count = max(0, (len(held) - sound.window) // sound.step + 1)
        self._held = held[count * sound.step :]
        if not count:
            return np.zeros((0, sound.features), np.int16)
        frames = np.lib.stride_tricks.sliding_window_view(held, sound.window)[:: sound.step]
        energy = energies(frames[:count], sound)
        features = logarithm(energy + np.uint64(1)) - self._taken_off(energy)
        if sound.coefficients:
            table = cosine_table(sound.coefficients, sound.bands)
            features = (features @ table.T + (1 << (COSINE_BITS - 1))) >> COSINE_BITS
        return features.astype(np.int16)

    def _taken_off(self, energy: NDArray[np.uint64]) -> Int64 | int:
        """Smooth the energies over time, and say what that takes off their logarithms."""
        gain = self.sound.gain
        if gain is None:
            return 0
        smooth = np.empty_like(energy)
        state = energy[0] if self._smooth is None else self._smooth
        for frame, new in enumerate(energy):
            state = (state.view(np.int64) + ((new - state).view(np.int64) >> gain.smoothing)).view(
                np.uint64
            )
            smooth[frame] = state
        self._smooth = state
        return (gain.strength * logarithm(smooth + np.uint64(1)) + 128) >> 8


def features_of(samples: Samples, sound: SoundInput) -> Features:
    """Compute the features of every frame of a sound: int16 (frames, features)."""
    return Listener(sound).listen(samples)


def fitted(samples: Samples, sound: SoundInput) -> Samples:
    """Bring a sound to the length that the network looks at, around its middle.

    A shorter one gets zeros before and behind it, a longer one loses its ends; where the difference
    is odd, one sample more at the end.
    """
    missing = sound.samples - len(samples)
    if missing >= 0:
        return np.pad(samples, (missing // 2, missing - missing // 2))
    start = -missing // 2
    return samples[start : start + sound.samples]


def normalize(features: Features, sound: SoundInput) -> Float32:
    """Compute (feature - mean) * scale in float32, of any shape."""
    found: Float32 = features.astype(np.float32)
    found -= np.float32(sound.mean)
    found *= np.float32(sound.scale)
    return found


def prepare(samples: Samples, sound: SoundInput) -> Float32:
    """Follow the whole rule: samples (n,) to an input, float32 (1, frames, features)."""
    return normalize(features_of(fitted(samples, sound), sound), sound)[None]
