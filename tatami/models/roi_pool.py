"""RoI max pooling in torch, forward and backward: tatami/ops/roi_pool.py is the specification.

R. Girshick, "Fast R-CNN", ICCV 2015, section 2.1, and equation 4 for the gradient.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from tatami.types import Float64, Int64, Size


def roi_max_pool(x: Tensor, xyxy: Float64, pictures: Int64, bins: Size, scale: float) -> Tensor:
    """Find the largest sample in each bin of each region: (k, c, bins.height, bins.width).

    x: (n, c, h, w).  xyxy: (k, 4), a region's edges in pixels, finite.  pictures: (k,), which of
    the n maps a region lies on.  scale: samples of the map to a pixel. A bin beyond the map gives
    0. No gradient goes to the regions.
    """
    edges = np.floor(xyxy.astype(np.float64) * scale + 0.5).astype(np.int64)
    edges[:, 2:] = np.maximum(edges[:, 2:], edges[:, :2] + 1)
    pooled: Tensor = _RoiMaxPool.apply(x, edges, pictures, (bins.height, bins.width))  # type: ignore[no-untyped-call]
    return pooled


class _RoiMaxPool(torch.autograd.Function):
    """edges: (k, 4) int64, in samples, none empty."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, edges: Int64, pictures: Int64, bins: tuple[int, int]
    ) -> Tensor:
        _, c, h, w = x.shape
        y = x.new_zeros(len(edges), c, *bins)
        at = torch.empty(len(edges), c, *bins, dtype=torch.int64, device=x.device)  # of all of x
        numbers = torch.arange(h * w, device=x.device).view(h, w)
        channels = torch.arange(c, device=x.device).view(c, 1, 1) * (h * w)
        whole = True
        for region, (left, top, right, bottom) in enumerate(edges.tolist()):
            on = int(pictures[region])
            if left >= 0 and top >= 0 and right <= w and bottom <= h:
                # The bins of the rule are those of adaptive pooling.
                part = x[on, :, top:bottom, left:right]
                y[region], places = F.adaptive_max_pool2d(part, bins, return_indices=True)
                places = numbers[top:bottom, left:right].flatten()[places]
                at[region] = places + (channels + on * c * h * w)
            else:
                places = _at_the_border(x[on], (left, top, right, bottom), y[region])
                moved = places + (channels + on * c * h * w)
                at[region] = torch.where(places >= 0, moved, places)
                whole = False
        ctx.save_for_backward(at)
        ctx.shape, ctx.whole = x.shape, whole
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (dy,) = gradients
        (at,) = ctx.saved_tensors
        places, won = at.flatten(), dy.flatten()
        if not ctx.whole:  # bins beyond the map
            places, won = places[places >= 0], won[places >= 0]
        dx = dy.new_zeros(int(np.prod(ctx.shape)))
        dx.index_add_(0, places, won)
        return dx.view(ctx.shape), None, None, None


def _at_the_border(x: Tensor, edges: tuple[int, int, int, int], y: Tensor) -> Tensor:
    """Pool a region that reaches beyond a map (c, h, w), its bins cut off where it ends.

    y: (c, rows, columns), filled.  Returns where each sample lay, row * w + column, or -1.
    """
    _, h, w = x.shape
    places = torch.full(y.shape, -1, dtype=torch.int64, device=x.device)
    left, top, right, bottom = edges
    rows, columns = y.shape[1:]
    for i in range(rows):
        first, end = _cut(top, bottom, i, rows, h)
        for j in range(columns):
            start, stop = _cut(left, right, j, columns, w)
            if first >= end or start >= stop:
                continue
            largest, place = x[:, first:end, start:stop].flatten(1).max(dim=1)
            y[:, i, j] = largest
            down = place.div(stop - start, rounding_mode="floor")
            places[:, i, j] = (first + down) * w + start + place % (stop - start)
    return places


def _cut(first: int, end: int, bin_: int, count: int, length: int) -> tuple[int, int]:
    samples = end - first
    low = first + bin_ * samples // count
    high = first - (-(bin_ + 1) * samples // count)
    return min(max(low, 0), length), min(max(high, 0), length)
