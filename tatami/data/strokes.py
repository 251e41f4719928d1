"""Letters as lines without width, so that any pen can draw them again.

A printed glyph and a line drawn by hand differ most in their width. Both are thinned to lines one
pixel wide (Zhang and Suen 1984, "A fast parallel algorithm for thinning digital patterns"), and a
pen of a chosen width draws the lines.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tatami.types import Bool, Float64, Int64, Size


def thinned(ink: Bool) -> Bool:
    """Thin ink (height, width) bool to lines in its middle, one pixel wide.

    Connected ink stays connected. Zhang and Suen's two half-steps are repeated until neither
    removes a pixel; the neighbors are P2 (above) to P9, clockwise, as in their figure 1.
    """
    left: Bool = np.pad(ink, 1)
    while True:
        before = int(left.sum())
        for first in (True, False):
            around = [
                np.roll(left, (-y, -x), (0, 1))
                for y, x in ((-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1))
            ]
            count = np.sum(around, axis=0)
            turns = np.sum(
                [~a & b for a, b in zip(around, around[1:] + around[:1], strict=True)], 0
            )
            north, _, east, _, south, _, west, _ = around
            if first:
                free = ~(north & east & south) & ~(east & south & west)
            else:
                free = ~(north & east & west) & ~(north & south & west)
            left = left & ~((count >= 2) & (count <= 6) & (turns == 1) & free)
        if int(left.sum()) == before:
            return left[1:-1, 1:-1]


def parts(line: Bool) -> Int64:
    """Find the connected parts of a line (height, width), and number their pixels from 1.

    Pixels that touch at a corner are connected. Every pixel takes the largest number around it
    until nothing changes; the numbers are then counted up from 1. Where there is no ink there is 0.
    """
    names = np.where(line, np.arange(1, line.size + 1).reshape(line.shape), 0)
    while True:
        wide = np.pad(names, 1)
        height, width = line.shape
        largest = np.max(
            [wide[y : y + height, x : x + width] for y in range(3) for x in range(3)], axis=0
        )
        largest = np.where(line, largest, 0)
        if (largest == names).all():
            break
        names = largest
    found = np.unique(names[line])
    return np.where(line, np.searchsorted(found, names) + 1, 0).astype(np.int64)


def drawn(points: Float64, radius: float, size: Size) -> NDArray[np.uint8]:
    """Set a round pen down at each point, and give its ink, 0 or 255.

    Args:
        points: (n, 2) x and y in pixel edges, so close together that the pen leaves no gap. What
            falls outside is left out.
        radius: The pen's, in pixels.
        size: The picture's size.

    Returns:
        (size.height, size.width).
    """
    reach = int(np.ceil(radius))
    canvas = np.zeros((size.height + 2 * reach, size.width + 2 * reach), np.uint8)
    columns, rows = np.floor(points).astype(np.int64).T
    inside = (columns >= 0) & (columns < size.width) & (rows >= 0) & (rows < size.height)
    columns, rows = columns[inside] + reach, rows[inside] + reach
    for y in range(-reach, reach + 1):
        for x in range(-reach, reach + 1):
            if x * x + y * y <= radius * radius:
                canvas[rows + y, columns + x] = 255
    return canvas[reach : reach + size.height, reach : reach + size.width]
