"""Random variations of a sound for training."""

from __future__ import annotations

from math import log

import numpy as np

from tatami.data.augment.augmentation import Augmentation
from tatami.rules.sound import fitted
from tatami.types import Samples
from tatami.types.sound import SoundInput

USED = ("scale", "translate", "exposure", "noise")
"""The variations of Augmentation that sounds have: speed, time, loudness and noise."""
LOUDNESS = 256
"""What ``noise`` is multiplied with: gray levels, of which 256 are the range of samples."""


def varied_sound(
    samples: Samples, sound: SoundInput, options: Augmentation, rng: np.random.Generator
) -> Samples:
    """Vary a sound, and bring it to the length that the network looks at.

    ``scale`` is the smallest and largest factor on its length, by which speed and pitch change;
    ``translate`` the largest shift, as a share of the network's time; ``exposure`` the largest
    factor on its loudness, or its inverse; ``noise`` the standard deviation of what is added to
    each sample, in 256ths of the range of 16 bits.

    Args:
        samples: (n,).
        sound: The rule's parameters.
        options: How far it is varied; what sounds do not have is not looked at.
        rng: What is random is drawn from it.

    Returns:
        (sound.samples,).
    """
    found = samples.astype(np.float64)
    if options.scale != (1.0, 1.0):
        factor = np.exp(rng.uniform(log(options.scale[0]), log(options.scale[1])))
        length = max(2, round(len(found) * factor))
        found = np.interp(np.linspace(0, len(found) - 1, length), np.arange(len(found)), found)
    if options.exposure != 1:
        found *= np.exp(rng.uniform(-log(options.exposure), log(options.exposure)))
    if options.noise:
        found += rng.normal(0, options.noise * LOUDNESS, len(found))
    whole = np.clip(np.floor(found + 0.5), -32768, 32767).astype(np.int16)
    placed = fitted(whole, sound)
    if options.translate:
        most = int(options.translate * sound.samples)
        placed = _shifted(whole, placed, int(rng.integers(-most, most + 1)))
    return placed


def _shifted(whole: Samples, placed: Samples, shift: int) -> Samples:
    """Move a sound that lies in the middle of a stretch of time; what leaves it is gone."""
    start = (len(placed) - len(whole)) // 2 + shift
    found = np.zeros_like(placed)
    first, last = max(0, start), min(len(placed), start + len(whole))
    if first < last:
        found[first:last] = whole[first - start : last - start]
    return found
