"""RoI max pooling: the same few numbers from every region of interest, whatever its size.

R. Girshick, "Fast R-CNN", ICCV 2015, section 2.1: "the special case of the spatial pyramid pooling
layer in which there is only one pyramid level".
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tatami.errors import TatamiError
from tatami.ops.spatial_pyramid import Bins, bins, max_of_bins
from tatami.types import Float64, Int64, Real


def roi_max_pool(
    x: NDArray[Real], xyxy: Float64, pictures: Int64, output: tuple[int, int], scale: float = 1.0
) -> tuple[NDArray[Real], Int64]:
    """Find the largest sample in each of out_h x out_w bins of each region, and where it lay.

    The edges go to the nearest edges of samples, halves up, at least one sample apart. (The paper's
    corners are samples, both counted: its x2 is our edge less one sample.) A bin that lies wholly
    beyond the map gives 0 and the index -1.

    Args:
        x: (n, c, h, w).
        xyxy: (k, 4), a region's edges in pixels.
        pictures: (k,), which of the n maps a region lies on.
        output: (out_h, out_w).
        scale: Samples of the map to a pixel, as 1 / 16.

    Returns:
        y and indices, both (k, c, out_h, out_w); an index is row * w + column.

    Raises:
        TatamiError: For a region of no picture, or with an edge that is not finite.
    """
    n, c, h, w = x.shape
    if len(pictures) and (pictures.min() < 0 or pictures.max() >= n):
        raise TatamiError(
            f"a region names a picture outside the {n} given", hint="count the pictures from 0"
        )
    if not np.isfinite(xyxy).all():
        raise TatamiError("a region has an edge that is not finite", hint="leave it out")
    y = np.empty((len(xyxy), c, *output), x.dtype)
    indices = np.empty(y.shape, np.int64)
    edges = np.floor(xyxy * scale + 0.5)
    for region, (left, top, right, bottom) in enumerate(edges):
        rows, columns = _within(top, bottom, output[0], h), _within(left, right, output[1], w)
        on = int(pictures[region])
        largest, places = max_of_bins(x[on : on + 1], rows, columns)
        y[region], indices[region] = largest[0], places[0]
    return y, indices


def roi_max_pool_backward(
    dy: NDArray[Real], indices: Int64, pictures: Int64, shape: tuple[int, int, int, int]
) -> NDArray[Real]:
    """Compute the gradient of ``roi_max_pool``: a sample gets dy of every bin it won.

    Args:
        dy: (k, c, out_h, out_w).
        indices: (k, c, out_h, out_w), as the pool gave them.
        pictures: (k,), which of the n maps a region lies on.
        shape: (n, c, h, w), of the map.

    Returns:
        (n, c, h, w).

    Source:
        The paper's equation 4.
    """
    n, c, h, w = shape
    maps = pictures[:, None] * c + np.arange(c)  # (k, c)
    won = indices >= 0
    at = (indices + maps[:, :, None, None] * (h * w))[won]
    return np.bincount(at, dy[won], n * c * h * w).astype(dy.dtype).reshape(shape)


def _within(first: float, end: float, count: int, length: int) -> Bins:
    """Give the bins of a region along one side, cut off where the map ends."""
    start = int(first)
    samples = max(int(end) - start, 1)
    return [
        (min(max(start + low, 0), length), min(max(start + high, 0), length))
        for low, high in bins(samples, count)
    ]
