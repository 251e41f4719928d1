"""Classes of pixels as colours, by themselves or laid over the picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tatami.see.draw import Colour
from tatami.types import VOID, Mask, Picture

OPACITY = 128
"""Of 256: how much of an overlay is the class's colour; the rest is the picture."""
VOID_COLOUR: Colour = (224, 224, 192)
"""PASCAL VOC's, for pixels without a class."""


def coloured(mask: Mask, colours: Sequence[Colour]) -> Picture:
    """The colour of every pixel's class: (height, width, 3)."""
    return _table(colours)[mask]


def overlay(picture: Picture, mask: Mask, colours: Sequence[Colour]) -> Picture:
    """The picture (height, width, 3) with the colours of its mask laid over it; VOID shows the
    picture as it is. Raises ValueError for a mask of another size."""
    if mask.shape != picture.shape[:2]:
        raise ValueError(f"a mask {mask.shape} over a picture {picture.shape}")
    over = coloured(mask, colours).astype(np.uint16)
    mixed = (picture.astype(np.uint16) * (256 - OPACITY) + over * OPACITY + 128) >> 8
    return np.where((mask == VOID)[..., None], picture, mixed.astype(np.uint8))


def palette(colours: Sequence[Colour]) -> list[int]:
    """The colours as a palette of 256 for a picture of places in it."""
    numbers: list[int] = _table(colours).ravel().tolist()
    return numbers


def _table(colours: Sequence[Colour]) -> Picture:
    table: Picture = np.zeros((256, 3), np.uint8)
    table[: len(colours)] = np.array(colours, np.uint8).reshape(-1, 3)
    table[VOID] = VOID_COLOUR
    return table
