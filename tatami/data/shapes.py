"""COCO's shapes to pixels: polygons and run lengths, as COCO's own tools understand them.

Run lengths go down the columns, from the left one to the right, and begin with pixels that are not
part of the shape.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tatami.types import Bool, Float64, Int64, Size

FINE = 5
"""A polygon's corners are rounded to such parts of a pixel."""


def polygon_pixels(corners: Float64, size: Size) -> Bool:
    """Find the pixels of a picture that a polygon covers, by COCO's rule.

    The outline is drawn on a grid FINE times as fine, an edge of it stepping along its longer side
    and rounding halves up along the other; where it passes the middle of a column of pixels, the
    first pixel whose center lies at or under it begins or ends what is covered.

    Args:
        corners: (n, 2) of x, y, within a few of the picture's sides: the work grows with the edges'
            lengths.
        size: The picture's size.

    Returns:
        (height, width).
    """
    width, height = size.width, size.height
    turns = np.zeros(width * height + 1, np.int64)  # column after column, where inside and out turn
    fine = np.trunc(FINE * np.asarray(corners, np.float64) + 0.5).astype(np.int64)
    for start, end in zip(fine, np.roll(fine, -1, axis=0), strict=True):
        across, down = _edge(start, end)
        # Between two steps of the grid across: a column's middle is the step from 5c + 2 to 5c + 3.
        left = np.minimum(across[1:], across[:-1])
        passes = (across[1:] != across[:-1]) & (left % FINE == FINE // 2)
        column = (left - FINE // 2) // FINE
        passes &= (column >= 0) & (column < width)
        upper = np.minimum(down[1:], down[:-1])[passes]
        row = np.ceil(np.clip((upper + 0.5) / FINE - 0.5, 0, height)).astype(np.int64)
        np.add.at(turns, column[passes] * height + row, 1)
    inside: Bool = np.cumsum(turns[:-1]) % 2 == 1
    return inside.reshape(width, height).T


def _edge(one: Int64, other: Int64) -> tuple[Int64, Int64]:
    """List the points of the fine grid along an edge, both ends among them: x (n,), y (n,)."""
    longer = 0 if abs(other[0] - one[0]) >= abs(other[1] - one[1]) else 1
    start, end = (one, other) if one[longer] <= other[longer] else (other, one)
    length = int(end[longer] - start[longer])
    steps = np.arange(length + 1)
    slope = (end[1 - longer] - start[1 - longer]) / max(1, length)
    along = start[longer] + steps
    beside = np.trunc(start[1 - longer] + slope * steps + 0.5).astype(np.int64)
    return (along, beside) if longer == 0 else (beside, along)


def run_pixels(runs: Sequence[int], size: Size) -> Bool:
    """Expand run lengths to the pixels of a picture, (height, width).

    Raises:
        ValueError: Where they do not add up to the picture, or one is negative.
    """
    lengths = np.array(runs, np.int64)
    area = size.width * size.height
    if (lengths < 0).any() or (lengths > area).any() or int(lengths.sum()) != area:
        raise ValueError(f"the runs do not add up to the {area} pixels of {size}")
    shape = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)
    return shape.reshape(size.width, size.height).T


def runs_of(text: str) -> list[int]:
    """Decode the run lengths of COCO's compressed form.

    A number is its bits, five at a time and the lowest first, in letters from ``0`` on; the sixth
    bit of a letter says that more follow, the fifth of the last is the sign. From the fourth number
    on it is the difference to the one two places before it.

    Raises:
        ValueError: For a text that is not of this form.
    """
    runs: list[int] = []
    value, shift = 0, 0
    for letter in text:
        bits = ord(letter) - 48
        if not 0 <= bits < 64 or shift > 35:
            raise ValueError(f"{letter!r} is out of place in compressed run lengths")
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value, shift = 0, 0
    if shift:
        raise ValueError("compressed run lengths end within a number")
    return runs
