"""Samples of a map between its points, in boxes of any place and size."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def interpolated(x: Array, rows: Array, columns: Array, *, beyond: float) -> list[Array]:
    """Take the four neighbors of places in a map, each times its part.

    Args:
        x: (c, h, w).
        rows: Where, of any shape.
        columns: Likewise.
        beyond: How far outside of the first and last sample a place may lie; farther is 0. A place
            outside takes the nearest sample where ``beyond`` is 1, and none for its part outside
            where it is 0.

    Returns:
        Four arrays (c, ...), whose sum is the map at these places.
    """
    height, width = x.shape[1:]
    parts = [_neighbors(at, side, beyond) for at, side in ((rows, height), (columns, width))]
    (row_taps, row_in), (column_taps, column_in) = parts
    inside = row_in & column_in
    return [
        np.asarray(x[:, r, c] * np.where(inside, weight_r * weight_c, 0).astype(x.dtype))
        for r, weight_r in row_taps
        for c, weight_c in column_taps
    ]


def _neighbors(at: Array, side: int, beyond: float) -> tuple[list[tuple[Array, Array]], Array]:
    """Find the two samples of an axis beside a place, their parts, and which places count."""
    if beyond:
        inside = (at >= -beyond) & (at <= side - 1 + beyond)
        at = np.clip(at, 0, side - 1)
    else:
        inside = (at > -1) & (at < side)
    first = np.floor(at)
    part = (at - first).astype(at.dtype)
    taps = []
    for step, weight in ((0, 1 - part), (1, part)):
        place = first + step
        known = (place >= 0) & (place < side)
        held = np.clip(np.where(inside, place, 0), 0, side - 1).astype(np.int64)
        taps.append((held, np.where(known, weight, 0).astype(at.dtype)))
    return taps, inside


def roi_align(
    x: Array,
    boxes: Array,
    batch: Array,
    size: tuple[int, int],
    *,
    scale: float = 1.0,
    samples: int = 0,
    half_pixel: bool = True,
    largest: bool = False,
) -> Array:
    """Give what a map holds in each box, as a grid of means or of largest samples. ONNX RoiAlign.

    A box is cut into bins without rounding, and a bin's samples are interpolated.

    Args:
        x: (n, c, h, w).
        boxes: (boxes, 4): left, top, right, bottom, in pixels of the picture.
        batch: (boxes,), which of the maps each box is of.
        size: (rows, columns) of the grid.
        scale: Of the map to the picture.
        samples: Along each axis of a bin; 0: as many as the bin has rows and columns, rounded up.
        half_pixel: Whether a pixel's middle lies at half its side. Where not, a box is at least 1
            wide and high.
        largest: Whether a bin gives the largest of what its samples are made of, instead of a mean.

    Returns:
        (boxes, c, rows, columns).

    Source:
        K. He et al., "Mask R-CNN", ICCV 2017, section 3.
    """
    rows, columns = size
    y = np.zeros((len(boxes), x.shape[1], rows, columns), x.dtype)
    one = x.dtype.type
    shift = one(0.5 if half_pixel else 0.0)
    for number, (box, of) in enumerate(zip(boxes.astype(x.dtype), batch, strict=True)):
        left, top, right, bottom = (side * one(scale) - shift for side in box)
        width, height = right - left, bottom - top
        if not half_pixel:
            width, height = max(width, one(1)), max(height, one(1))
        down = _places(top, height, rows, samples)
        across = _places(left, width, columns, samples)
        if not down.shape[1] or not across.shape[1]:
            continue
        rows_of, columns_of = np.broadcast_arrays(down[:, None, :, None], across[None, :, None, :])
        found = interpolated(x[int(of)], rows_of, columns_of, beyond=1.0)
        if largest:
            y[number] = np.maximum.reduce(found).max(axis=(3, 4))
        else:
            count = one(down.shape[1] * across.shape[1])
            y[number] = sum(found[1:], found[0]).sum(axis=(3, 4)) / count
    return y


def _places(first: Any, length: Any, bins: int, samples: int) -> Array:
    """Say where the samples of each bin lie along an axis: (bins, samples)."""
    bin_side = length / bins
    count = samples if samples > 0 else max(0, math.ceil(bin_side))
    steps = (np.arange(count) + 0.5).astype(np.asarray(first).dtype)
    within = steps * bin_side / np.asarray(first).dtype.type(max(1, count))
    starts = first + np.arange(bins).astype(within.dtype) * bin_side
    return np.asarray(starts[:, None] + within)
