"""RoI max pooling in torch, forward and backward: tatami/ops/roi_pool.py is the specification.

R. Girshick, "Fast R-CNN", ICCV 2015, section 2.1, and equation 4 for the gradient.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from tatami.types import Bool, Float, Int, Size


def roi_max_pool(x: Tensor, xyxy: Float, pictures: Int, bins: Size, scale: float) -> Tensor:
    """The largest sample in each bin of each region: (k, c, bins.height, bins.width).

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
    def forward(ctx: Any, x: Tensor, edges: Int, pictures: Int, bins: tuple[int, int]) -> Tensor:
        _, c, h, w = x.shape
        k = len(edges)
        y = x.new_zeros(k, c, *bins)
        places = torch.full((k, c, *bins), -1, dtype=torch.int64, device=x.device)
        low, high = edges[:, :2].min(axis=1), edges[:, 2:] - (w, h)
        inside: Bool = (low >= 0) & (high.max(axis=1) <= 0)
        for region, (left, top, right, bottom) in enumerate(edges.tolist()):
            on = x[int(pictures[region])]
            if inside[region]:  # the bins of the rule are those of adaptive pooling
                part = on[:, top:bottom, left:right]
                largest, place = F.adaptive_max_pool2d(part, bins, return_indices=True)
                y[region], places[region] = largest, place
            else:
                _at_the_border(on, (left, top, right, bottom), y[region], places[region])
        # A place counted within its region becomes one in the whole map.
        wide = torch.from_numpy(edges[:, 2] - edges[:, 0]).to(x.device)[:, None, None, None]
        corner = torch.from_numpy(edges[:, 1] * w + edges[:, 0]).to(x.device)[:, None, None, None]
        whole = places.div(wide, rounding_mode="floor") * w + places % wide + corner
        within = torch.from_numpy(inside).to(x.device)[:, None, None, None]
        places = torch.where(within, whole, places)
        maps = torch.from_numpy(np.asarray(pictures, np.int64)).to(x.device)[:, None] * c
        maps = maps + torch.arange(c, device=x.device)  # (k, c)
        at = torch.where(places >= 0, places + maps[:, :, None, None] * (h * w), places)
        ctx.save_for_backward(at)
        ctx.shape = x.shape
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (dy,) = gradients
        (at,) = ctx.saved_tensors
        won = at >= 0
        dx = dy.new_zeros(int(np.prod(ctx.shape)))
        dx.index_add_(0, at[won], dy[won])
        return dx.view(ctx.shape), None, None, None


def _at_the_border(x: Tensor, edges: tuple[int, int, int, int], y: Tensor, places: Tensor) -> None:
    """A region that reaches beyond a map (c, h, w): its bins are cut off where the map ends."""
    _, h, w = x.shape
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


def _cut(first: int, end: int, bin_: int, count: int, length: int) -> tuple[int, int]:
    samples = end - first
    low = first + bin_ * samples // count
    high = first - (-(bin_ + 1) * samples // count)
    return min(max(low, 0), length), min(max(high, 0), length)
