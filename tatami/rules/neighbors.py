"""Points that lie near one another, found without looking at every pair of them."""

from __future__ import annotations

import numpy as np

from tatami.types import Float64, Int64


def neighbors(points: Float64, reach: Float64, others: Float64) -> tuple[Int64, Int64]:
    """Find every pair (index of a point, index of another) that lies within the point's reach.

    The others are sorted into strips of y, and by x within a strip, so that a point looks at a run
    of each strip that its reach touches.

    Args:
        points: (n, 2), finite.
        reach: (n, 2): how far from the point another may lie, in x and in y.
        others: (m, 2), finite.

    Returns:
        The pairs, in no stated order.
    """
    if not len(points) or not len(others):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    low = others.min(axis=0)
    width, height = others.max(axis=0) - low
    # As high as a usual reach; and no more strips than others, however small that is.
    strip = max(float(np.median(reach[:, 1])), float(height) / len(others), 1e-300)
    strip_of = np.floor((others[:, 1] - low[1]) / strip)
    length = float(width) + 1  # of a strip in the row of all: longer than any x
    row = strip_of * length + (others[:, 0] - low[0])
    order = np.argsort(row)
    row = row[order]

    slack = 8 * np.spacing(max(row[-1], np.abs(points).max(), np.abs(low).max()))  # of rounding
    from_, to = points - low - (reach + slack), points - low + (reach + slack)
    first = np.floor(from_[:, 1] / strip).clip(0, strip_of.max() + 1)
    last = np.floor(to[:, 1] / strip).clip(-1, strip_of.max())
    point, strips = _runs(first.astype(np.int64), last.astype(np.int64) + 1)
    # Cut to where the strip's own others lie, half a step around.
    left, right = (edge[point, 0].clip(-0.5, float(width) + 0.5) for edge in (from_, to))
    begin = np.searchsorted(row, strips * length + left)
    end = np.searchsorted(row, strips * length + right, side="right")
    run, place = _runs(begin, end)
    point, other = point[run], order[place]
    near = (np.abs(points[point] - others[other]) <= reach[point]).all(axis=1)
    return point[near], other[near]


def _runs(begin: Int64, end: Int64) -> tuple[Int64, Int64]:
    """Count from begin[i] to end[i] - 1 for every i, and give that i: all after one another."""
    counts = np.maximum(end - begin, 0)
    which = np.repeat(np.arange(len(counts)), counts)
    before = np.cumsum(counts) - counts
    return which, np.arange(len(which)) - before[which] + begin[which]
