"""Classes of pixels as colors, by themselves or laid over the picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tatami.types import VOID, Mask, Picture
from tatami.types.colors import Color

OPACITY = 128
"""Of 256: how much of an overlay is the class's color; the rest is the picture."""
VOID_COLOR: Color = (224, 224, 192)
"""PASCAL VOC's, for pixels without a class."""

WRONG_COLOR: Color = (213, 94, 0)
"""Of Okabe and Ito's palette the vermilion, dark on the pale picture for any kind of eyes."""


def colored(mask: Mask, colors: Sequence[Color]) -> Picture:
    """Color every pixel by its class: (height, width, 3)."""
    return _table(colors)[mask]


def overlay(picture: Picture, mask: Mask, colors: Sequence[Color]) -> Picture:
    """Lay the colors of a mask over a picture; VOID shows the picture as it is.

    Args:
        picture: (height, width, 3).
        mask: (height, width).
        colors: Of the classes.

    Raises:
        ValueError: For a mask of another size.
    """
    if mask.shape != picture.shape[:2]:
        raise ValueError(f"a mask {mask.shape} over a picture {picture.shape}")
    over = colored(mask, colors).astype(np.uint16)
    mixed = (picture.astype(np.uint16) * (256 - OPACITY) + over * OPACITY + 128) >> 8
    return np.where((mask == VOID)[..., None], picture, mixed.astype(np.uint8))


def wrong_pixels(picture: Picture, truth: Mask, found: Mask) -> Picture:
    """Show where two masks differ: those pixels in one strong color, the others in pale gray.

    Args:
        picture: (height, width, 3).
        truth: (height, width); where it is VOID nothing differs.
        found: (height, width).

    Raises:
        ValueError: For masks of another size.
    """
    if not truth.shape == found.shape == picture.shape[:2]:
        raise ValueError(f"masks {truth.shape} and {found.shape} of a picture {picture.shape}")
    gray = picture.mean(axis=2, dtype=np.float32)[..., None]
    pale = np.repeat((128 + gray / 2).astype(np.uint8), 3, axis=2)
    wrong = (truth != VOID) & (truth != found)
    return np.where(wrong[..., None], np.array(WRONG_COLOR, np.uint8), pale)


def palette(colors: Sequence[Color]) -> list[int]:
    """Make of the colors a palette of 256 for an index picture."""
    numbers: list[int] = _table(colors).ravel().tolist()
    return numbers


def _table(colors: Sequence[Color]) -> Picture:
    table: Picture = np.zeros((256, 3), np.uint8)
    table[: len(colors)] = np.array(colors, np.uint8).reshape(-1, 3)
    table[VOID] = VOID_COLOR
    return table
