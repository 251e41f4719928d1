"""Elastic deformation: a picture as if drawn on rubber, and its mask with it.

Ronneberger, Fischer and Brox 2015, "U-Net: convolutional networks for biomedical image
segmentation", section 3.1: random displacements, normally distributed, at the nodes of a coarse
grid of 3 by 3, and between them bicubic interpolation, so that the deformation is smooth. What
would come from beyond the edge comes from its mirror image, as in the same paper.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from tatami.types import Float32, Mask, Picture, Size

NODES = 3  # a side of the grid; they lie in the middles of the thirds of the canvas


@dataclass(frozen=True)
class Elastic:
    """Where the center of every pixel of a canvas comes from.

    Args:
        x: (height, width), in pixels of the same canvas, of which the first has its center at 0.5.
        y: (height, width), the same.
    """

    x: Float32
    y: Float32

    @staticmethod
    def random(size: Size, deviation: float, rng: np.random.Generator) -> Elastic:
        """Draw random displacements.

        Args:
            size: The canvas's size.
            deviation: The standard deviation of a node's displacement, either way, as a share of
                the shorter side.
            rng: What is drawn comes from it.
        """
        nodes = rng.standard_normal((2, NODES, NODES), np.float32)
        nodes *= np.float32(deviation * min(size.width, size.height))
        whole = (size.width, size.height)
        across, down = (
            np.asarray(Image.fromarray(of).resize(whole, Image.Resampling.BICUBIC)) for of in nodes
        )
        x = np.arange(size.width, dtype=np.float32)[None, :] + np.float32(0.5) + across
        y = np.arange(size.height, dtype=np.float32)[:, None] + np.float32(0.5) + down
        return Elastic(_mirrored(x, size.width), _mirrored(y, size.height))

    def pixels(self, picture: Picture) -> Picture:
        """Deform a picture (height, width, 3), bilinear between its pixels: uint8."""
        height, width = picture.shape[:2]
        x = np.clip(self.x - np.float32(0.5), 0, width - 1)
        y = np.clip(self.y - np.float32(0.5), 0, height - 1)
        left, top = x.astype(np.intp), y.astype(np.intp)
        right, bottom = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
        across, down = (x - left)[..., None], (y - top)[..., None]
        upper = picture[top, left] * (1 - across) + picture[top, right] * across
        lower = picture[bottom, left] * (1 - across) + picture[bottom, right] * across
        return np.asarray(np.rint(upper * (1 - down) + lower * down), np.uint8)

    def mask(self, mask: Mask) -> Mask:
        """Deform a mask (height, width), by nearest neighbor."""
        height, width = mask.shape
        row, column = self.y.astype(np.intp), self.x.astype(np.intp)
        nearest: Mask = mask[np.minimum(row, height - 1), np.minimum(column, width - 1)]
        return nearest


def _mirrored(places: Float32, side: int) -> Float32:
    """Mirror places along a side, those beyond its ends, into 0 to ``side``."""
    inside = np.abs(places) % (2 * side)
    return np.asarray(np.minimum(inside, 2 * side - inside), np.float32)
