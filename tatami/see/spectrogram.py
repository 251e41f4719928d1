"""Sound as a picture: time across, pitch up, light where it is loud."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tatami.rules.sound import features_of
from tatami.types import Picture, Samples
from tatami.types.sound import SoundInput

RANGE = 12 * 256
"""Features from black to white: 12 octaves of energy, 36 dB."""
LEAST = 160
"""Pixels of the shorter side, at least."""
_COLORS = np.array(
    [(0, 0, 4), (66, 10, 104), (147, 38, 103), (221, 81, 58), (252, 165, 10), (252, 255, 164)]
)


def spectrogram(samples: Samples, sound: SoundInput) -> Picture:
    """Draw the bands of a sound over time, each frame a column, the lowest band at the bottom.

    Args:
        samples: (n,).
        sound: The rule's parameters; its gain and its coefficients are left out.

    Returns:
        (height, width, 3), enlarged by a whole number where it is small.
    """
    plain = replace(sound, coefficients=0, gain=None)
    missing = sound.window - len(samples)
    if missing > 0:
        samples = np.pad(samples, (0, missing))
    found = features_of(samples, plain).astype(np.float64)  # (frames, bands)
    light = np.clip(1 + (found - found.max()) / RANGE, 0, 1).T[::-1]
    at = np.arange(len(_COLORS)) / (len(_COLORS) - 1)
    colors = np.stack([np.interp(light, at, channel) for channel in _COLORS.T], axis=-1)
    picture = np.floor(colors + 0.5).astype(np.uint8)
    factor = -(-LEAST // min(picture.shape[:2]))
    return np.ascontiguousarray(picture.repeat(factor, axis=0).repeat(factor, axis=1))
