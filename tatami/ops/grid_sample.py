"""Samples of a map at places that a grid says."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

CUBIC = -0.75
"""The cubic's slope at the neighbors."""


def grid_sample(x: Array, grid: Array, mode: str, padding: str, align_corners: bool) -> Array:
    """Sample a map where a grid says. ONNX GridSample.

    -1 and 1 are a map's ends: the middles of its first and last sample, or with align_corners false
    their outer edges.

    Args:
        x: (n, c, h, w), or with any number of axes after the channels.
        grid: (n, out_h, out_w, 2): across, then down.
        mode: "nearest", "linear" or "cubic".
        padding: What lies outside: "zeros", "border" or "reflection".
        align_corners: Where -1 and 1 are.

    Returns:
        (n, c, out_h, out_w).

    Source:
        M. Jaderberg et al., "Spatial Transformer Networks", NeurIPS 2015, section 3.3.
    """
    sides = x.shape[2:]
    taps = [
        taps_of(grid[..., len(sides) - 1 - axis], length, mode, padding, align_corners)
        for axis, length in enumerate(sides)
    ]
    batch = np.arange(len(x)).reshape(-1, *[1] * len(sides))
    channels_last = np.moveaxis(x, 1, -1)
    y = np.zeros((*grid.shape[:-1], x.shape[1]), x.dtype)
    for chosen in product(*(range(len(each)) for each in taps)):
        places, factor = [], np.ones(grid.shape[:-1], x.dtype)
        inside = np.ones(grid.shape[:-1], bool)
        for each, tap in zip(taps, chosen, strict=True):
            at, weight = each[tap]
            places.append(np.maximum(at, 0))
            factor, inside = factor * weight, inside & (at >= 0)
        y += np.where(inside, factor, 0)[..., None] * channels_last[(batch, *places)]
    return np.moveaxis(y, -1, 1)


def affine_grid(theta: Array, sides: tuple[int, ...], align_corners: bool) -> Array:
    """Make the grid of an affine map, which ``grid_sample`` takes. ONNX AffineGrid.

    Args:
        theta: (n, 2, 3), or (n, 3, 4): takes a place of the result, across first, and a 1.
        sides: Of the result, (h, w) or (d, h, w).
        align_corners: Whether -1 and 1 are the middles of the first and last sample, or their outer
            edges.

    Returns:
        (n, h, w, 2) or (n, d, h, w, 3).

    Source:
        M. Jaderberg et al., "Spatial Transformer Networks", NeurIPS 2015, equation 1.
    """
    places = np.meshgrid(
        *(affine_places(side, align_corners).astype(theta.dtype) for side in sides), indexing="ij"
    )
    whole = np.stack([*reversed(places), np.ones(sides, theta.dtype)], axis=-1)
    return np.asarray(np.einsum("...k,njk->n...j", whole, theta), theta.dtype)


def affine_places(side: int, align_corners: bool) -> NDArray[np.float64]:
    """Say where the samples of an axis lie, its ends at -1 and 1."""
    if align_corners:
        return np.linspace(-1.0, 1.0, side)
    return (2 * np.arange(side) + 1) / side - 1


def taps_of(
    grid: Array, length: int, mode: str, padding: str, align_corners: bool
) -> list[tuple[Array, Array]]:
    """Find the samples of one axis that a place takes part of, and the parts.

    Returns:
        A tap each: where it lies, -1 where that is outside; and its weight.
    """
    one, half = grid.dtype.type(1), grid.dtype.type(0.5)
    low, high = (0.0, length - 1.0) if align_corners else (-0.5, length - 0.5)
    if align_corners:
        at = (grid + one) * half * grid.dtype.type(length - 1)
    else:
        at = ((grid + one) * grid.dtype.type(length) - one) * half
    if mode == "nearest":
        at = np.rint(at)
    if padding == "border":
        outside = (at < low) | (at > high)
        at = np.where(outside, np.clip(at, 0, length - 1), at)
    elif padding == "reflection":
        at = _reflected(at, low, high)
    first = np.floor(at)
    part = (at - first).astype(grid.dtype)
    if mode == "nearest":
        weights = [np.ones_like(at)]
    elif mode == "linear":
        weights = [one - part, part]
    else:
        first = first - 1
        weights = [_far(part + one), _near(part), _near(one - part), _far(one - part + one)]
    found = []
    for tap, weight in enumerate(weights):
        place = first + tap
        inside = (place >= 0) & (place < length)
        if padding == "border":
            place, inside = np.clip(place, 0, length - 1), np.ones_like(inside)
        elif padding == "reflection":
            place = np.trunc(_reflected(place, low, high))
            inside = (place >= 0) & (place < length)
        found.append((np.where(inside, place, -1).astype(np.int64), weight.astype(grid.dtype)))
    return found


def _reflected(at: Array, low: float, high: float) -> Array:
    """Fold what lies outside back in, as between two mirrors."""
    span = high - low
    if span == 0:
        return np.full_like(at, low)
    away = np.where(at < low, low - at, np.where(at > high, at - high, 0))
    turns = np.trunc(away / span)
    rest = away - turns * span
    even = turns % 2 == 0
    from_low = np.where(even, low + rest, high - rest)
    from_high = np.where(even, high - rest, low + rest)
    folded = np.where(at < low, from_low, np.where(at > high, from_high, at))
    return np.asarray(folded, at.dtype)


def _near(x: Array) -> Array:
    a = x.dtype.type(CUBIC)
    return np.asarray(((a + 2) * x - (a + 3)) * x * x + 1)


def _far(x: Array) -> Array:
    a = x.dtype.type(CUBIC)
    return np.asarray(((a * x - 5 * a) * x + 8 * a) * x - 4 * a)
