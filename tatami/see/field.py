"""What a place of a layer sees of a picture, drawn on it."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from tatami.graph.receptive import Field
from tatami.types import Float32, Picture

SIDE = 480
"""Pixels of the longer side of the drawing, at least."""
DIM = 0.35
"""How bright a pixel is that counts for nothing."""


def draw_field(canvas: Picture, field: Field, weight: Float32) -> Picture:
    """Frame a field on a picture, whose pixels are the brighter the more they count.

    Args:
        canvas: The network's input as a picture, (height, width, 3).
        field: What can be seen.
        weight: How much each pixel counts, (height, width), at least 0; all zeros: it is not known.

    Returns:
        The drawing, enlarged by a whole number.
    """
    most = float(weight.max())
    light = np.ones_like(weight) if most == 0 else DIM + (1 - DIM) * np.sqrt(weight / most)
    lit = (canvas * light[..., None]).round().astype(np.uint8)
    scale = max(1, -(-SIDE // max(canvas.shape[:2])))
    drawn = Image.fromarray(lit.repeat(scale, axis=0).repeat(scale, axis=1))
    ink = ImageDraw.Draw(drawn)
    box = [one * scale for one in (field.left, field.top, field.right, field.bottom)]
    box[2:] = box[2] - 1, box[3] - 1
    ink.rectangle(tuple(box), outline=(0, 0, 0), width=4)
    ink.rectangle(tuple(box), outline=(255, 255, 255), width=2)
    return np.asarray(drawn)
