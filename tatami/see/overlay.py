"""Classes of pixels as colors, by themselves or laid over the picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tatami.see.draw import Color
from tatami.types import VOID, Mask, Picture

OPACITY = 128
"""Of 256: how much of an overlay is the class's color; the rest is the picture."""
VOID_COLOR: Color = (224, 224, 192)
"""PASCAL VOC's, for pixels without a class."""


def colored(mask: Mask, colors: Sequence[Color]) -> Picture:
    """The color of every pixel's class: (height, width, 3)."""
    return _table(colors)[mask]


def overlay(picture: Picture, mask: Mask, colors: Sequence[Color]) -> Picture:
    """The picture (height, width, 3) with the colors of its mask laid over it; VOID shows the
    picture as it is. Raises ValueError for a mask of another size."""
    if mask.shape != picture.shape[:2]:
        raise ValueError(f"a mask {mask.shape} over a picture {picture.shape}")
    over = colored(mask, colors).astype(np.uint16)
    mixed = (picture.astype(np.uint16) * (256 - OPACITY) + over * OPACITY + 128) >> 8
    return np.where((mask == VOID)[..., None], picture, mixed.astype(np.uint8))


def palette(colors: Sequence[Color]) -> list[int]:
    """The colors as a palette of 256 for a picture of places in it."""
    numbers: list[int] = _table(colors).ravel().tolist()
    return numbers


def _table(colors: Sequence[Color]) -> Picture:
    table: Picture = np.zeros((256, 3), np.uint8)
    table[: len(colors)] = np.array(colors, np.uint8).reshape(-1, 3)
    table[VOID] = VOID_COLOR
    return table
