"""Spatial pyramid pooling: the same number of outputs from a map of any size, by dividing it.

K. He, X. Zhang, S. Ren and J. Sun, "Spatial Pyramid Pooling in Deep Convolutional Networks for
Visual Recognition", ECCV 2014, section 2.2; the bins are those of its appendix A.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tatami.errors import TatamiError
from tatami.ops.pool import max_pool_backward
from tatami.types import Int64, Real

Bins = list[tuple[int, int]]


def bins(length: int, count: int) -> Bins:
    """Divide ``length`` samples into ``count`` bins, each a (first, one after the last).

    Where an edge falls between samples, the first is rounded down and the end up, so that bins may
    overlap by a sample, leave none out, and are never empty: with more bins than samples some see
    the same one.
    """
    return [(i * length // count, -(-(i + 1) * length // count)) for i in range(count)]


def max_of_bins(x: NDArray[Real], rows: Bins, columns: Bins) -> tuple[NDArray[Real], Int64]:
    """Find the largest sample of each bin, and where it lay.

    Args:
        x: (n, c, h, w).
        rows: Bins of the rows.
        columns: Bins of the columns.

    Returns:
        Both (n, c, len(rows), len(columns)). An index is row * w + column in the map, of the first
        of equal samples. An empty bin gives 0 and the index -1.
    """
    n, c, _, w = x.shape
    y = np.zeros((n, c, len(rows), len(columns)), x.dtype)
    indices = np.full(y.shape, -1, np.int64)
    for i, (top, bottom) in enumerate(rows):
        for j, (left, right) in enumerate(columns):
            if top >= bottom or left >= right:
                continue
            seen = x[:, :, top:bottom, left:right].reshape(n, c, -1)
            place = seen.argmax(axis=2)
            y[:, :, i, j] = np.take_along_axis(seen, place[..., None], 2)[..., 0]
            down, across = np.divmod(place, right - left)
            indices[:, :, i, j] = (top + down) * w + left + across
    return y, indices


def spatial_pyramid_pool(x: NDArray[Real], levels: Sequence[int]) -> tuple[NDArray[Real], Int64]:
    """Find the largest sample of each bin of each level, as one vector a picture.

    Args:
        x: (n, c, h, w).
        levels: Bins along each side, as (4, 2, 1) for 16 + 4 + 1 bins.

    Returns:
        y and indices, both (n, c * sum of level^2): level after level, in each channel after
        channel, row after row. An index is (channel * h + row) * w + column.

    Raises:
        TatamiError: For a level without bins.
    """
    if not levels or min(levels) < 1:
        raise TatamiError(
            f"a pyramid of levels {tuple(levels)} has no bins", hint="give its levels, as 4, 2, 1"
        )
    n, c, h, w = x.shape
    values, places = [], []
    for level in levels:
        y, indices = max_of_bins(x, bins(h, level), bins(w, level))
        values.append(y.reshape(n, -1))
        places.append((indices + np.arange(c)[:, None, None] * (h * w)).reshape(n, -1))
    return np.concatenate(values, axis=1), np.concatenate(places, axis=1)


def spatial_pyramid_pool_backward(
    dy: NDArray[Real], indices: Int64, shape: tuple[int, int, int, int]
) -> NDArray[Real]:
    """Compute the gradient of ``spatial_pyramid_pool``: a sample gets dy of every bin that it won.

    Args:
        dy: (n, bins).
        indices: (n, bins), as the pool gave them.
        shape: (n, c, h, w), of the map.
    """
    n, c, h, w = shape
    return max_pool_backward(dy[:, None], indices[:, None], (n, 1, 1, c * h * w)).reshape(shape)
