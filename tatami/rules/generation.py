"""Sound drawn sample by sample from what a network says of the next one, in whole numbers.

docs/generation-rule.md is the rule in words, for whoever writes it in another language; this file
is the rule in NumPy. The emitted C (ship/c/kernels/generate.c) draws the same samples for the same
seed, and so does every machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from tatami.ops.exponential import exp
from tatami.rules.mu_law import SILENCE, decode, encode
from tatami.types import Float32, Float64, Forward, GenerationSpec, Samples
from tatami.types.sound import WaveInput

Codes = NDArray[np.uint8]
"""Codes of the mu law, (n,)."""
Moment = Callable[[Float32], Float32]
"""One column (1 + classes, 1, 1) to the logits of the sample that comes next, (256, 1, 1)."""
CHOSEN = 255
"""What the plane of a sound's class holds; the planes of the others hold SILENCE."""
UNHEARD = -1
"""In training, what stands for the code of a sample from which nothing is learned."""
WEIGHT_BITS = 23
_MASK = (1 << 64) - 1


def numbers(seed: int) -> Iterator[int]:
    """Yield whole numbers of 32 bits, all alike, from a seed of 64.

    Source:
        G. Steele, D. Lea and C. Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA
        2014, section 5: SplitMix64, of which the upper half is taken.
    """
    state = seed & _MASK
    while True:
        state = (state + 0x9E3779B97F4A7C15) & _MASK
        mixed = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
        yield (mixed ^ (mixed >> 31)) >> 32


def weights(logits: Float32, sharpness: float = 1.0) -> NDArray[np.uint32]:
    """Compute floor(2^23 exp((x - max) sharpness) + 1/2) of logits x (256,), all in float32.

    What is no number weighs nothing.
    """
    x = np.asarray(logits, np.float32)
    largest = np.float32(-np.inf)
    for one in x:  # as C compares: a NaN is never larger
        if one > largest:
            largest = one
    with np.errstate(invalid="ignore"):
        powers = exp((x - largest) * np.float32(sharpness)) * np.float32(1 << WEIGHT_BITS)
        sound = np.where(powers >= 0, powers, np.float32(0)) + np.float32(0.5)
    return sound.astype(np.uint32)


def choose(logits: Float32, number: int, sharpness: float = 1.0) -> int:
    """Choose a code by a number of 32 bits: the first with which the weights exceed its share.

    Args:
        logits: (256,).
        number: From ``numbers``.
        sharpness: Multiplies the logits: 1 draws as the network says, more draws likelier samples.

    Returns:
        The code; silence where nothing has a weight.
    """
    sums = np.cumsum(weights(logits, sharpness).astype(np.uint64))
    total = int(sums[-1])
    if total == 0:
        return SILENCE
    share = number * total >> 32
    return int(np.searchsorted(sums, np.uint64(share), side="right"))


def planes(before: int, codes: Codes, label: int, wave: WaveInput) -> Float32:
    """Make a network's input of a piece of sound.

    Args:
        before: The code of the sample before the piece; SILENCE at the beginning.
        codes: Of the piece, (n,).
        label: The class.
        wave: Of the network.

    Returns:
        (1 + classes, 1, n), (byte - 128) / 128 each: column t holds sample t - 1, from which, and
        those before, sample t is told.
    """
    found = np.full((1 + wave.classes, 1, len(codes)), SILENCE, np.uint8)
    found[0, 0, 1:] = codes[:-1]
    found[0, 0, :1] = before
    found[1 + label] = CHOSEN
    return as_numbers(found)


def as_numbers(bytes_: NDArray[np.uint8]) -> Float32:
    """Compute (byte - 128) / 128, float32 of the same shape."""
    found: Float32 = (bytes_.astype(np.float32) - np.float32(SILENCE)) / np.float32(SILENCE)
    return found


def drawn(
    moment: Moment, wave: WaveInput, label: int, count: int, seed: int, sharpness: float = 1.0
) -> Iterator[int]:
    """Draw codes one after another, each told from those before.

    Args:
        moment: The network, a column a call, at its beginning.
        wave: Of the network.
        label: The class.
        count: How many.
        seed: Of ``numbers``.
        sharpness: As of ``choose``.

    Yields:
        The codes.
    """
    code = SILENCE
    for number, _ in zip(numbers(seed), range(count), strict=False):
        column = planes(code, np.zeros(1, np.uint8), label, wave)
        code = choose(moment(column).ravel(), number, sharpness)
        yield code


@runtime_checkable
class Streaming(Protocol):
    """A ``Forward`` that may also be given a column a call, from its beginning on."""

    def begun(self) -> Moment:
        """Give the function of one column after another."""
        ...


@dataclass(frozen=True)
class ForwardGenerator:
    """A ``types.Generator`` around any ``forward``: torch, NumPy, ONNX Runtime or compiled C.

    Args:
        spec: What the network is for.
        forward: Inputs (n, 1 + classes, 1, samples) to one output, the logits (n, 256, 1, samples).
    """

    spec: GenerationSpec
    forward: Forward

    def surprise(self, samples: Samples, label: int) -> Float64:
        """Compute -log2 of the probability of every sample, (n,), told from those before."""
        codes = encode(samples)
        found = [
            bits(logits, codes[start : start + logits.shape[1]])
            for start, logits in self._logits(codes, label)
        ]
        return np.concatenate(found)

    def generate(self, label: int, count: int, seed: int = 0, sharpness: float = 1.0) -> Samples:
        """Draw a sound (count,) of a class.

        A forward that takes a column a call is given columns. For any other this is the rule in its
        plainest form, all of the sound anew for every sample: slow.
        """
        forward: object = self.forward
        if isinstance(forward, Streaming):
            begun, wave = forward.begun(), self.spec.input
            drawing = drawn(begun, wave, label, count, seed, sharpness)
            return decode(np.fromiter(drawing, np.uint8, count))
        codes = np.zeros(0, np.uint8)
        for number, _ in zip(numbers(seed), range(count), strict=False):
            longer = np.append(codes, np.uint8(0))
            *_, (_, logits) = self._logits(longer, label)
            codes = np.append(codes, np.uint8(choose(logits[:, -1], number, sharpness)))
        return decode(codes)

    def chosen(self, codes: Codes, label: int, seed: int = 0, sharpness: float = 1.0) -> Codes:
        """Choose every sample anew, each told from the given ones before it.

        What ``generate`` drew for a seed is chosen again.
        """
        found, draws = [], numbers(seed)
        for _, logits in self._logits(codes, label):
            found += [choose(column, next(draws), sharpness) for column in logits.T]
        return np.array(found, np.uint8)

    def _logits(self, codes: Codes, label: int) -> Iterator[tuple[int, Float32]]:
        """Yield where pieces of a sound begin, and their logits (256, n).

        Pieces overlap by what a sample is told from, so that it does not matter how they are cut.
        """
        wave = self.spec.input
        done = 0
        while done < len(codes):
            start = max(0, min(done - (wave.receptive - 1), len(codes) - wave.samples))
            piece = codes[start : start + wave.samples]
            before = int(codes[start - 1]) if start else SILENCE
            image = planes(before, piece, label, wave)
            missing = wave.samples - len(piece)
            image = np.pad(image, ((0, 0), (0, 0), (0, missing)))
            (logits,) = self.forward(image[None])
            yield done, logits[0, :, 0, done - start : len(piece)]
            done = start + len(piece)


def bits(logits: Float32, codes: Codes) -> Float64:
    """Compute -log2 softmax of logits (256, n) at codes (n,), in float64."""
    x = np.asarray(logits, np.float64)
    largest = x.max(axis=0)
    sums = np.log(np.exp(x - largest).sum(axis=0)) + largest
    found: Float64 = (sums - x[codes, np.arange(len(codes))]) / np.log(2)
    return found
