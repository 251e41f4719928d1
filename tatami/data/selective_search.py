"""Selective search: where in a picture anything may be, whatever it is.

J. Uijlings, K. van de Sande, T. Gevers and A. Smeulders, "Selective Search for Object Recognition",
IJCV 2013.

A picture is cut into small segments (P. Felzenszwalb and D. Huttenlocher, "Efficient Graph-Based
Image Segmentation", IJCV 2004, by scikit-image). Then the two neighbors that are most alike become
one region, again and again, until one is left; the box of every region on the way is a proposal.
Doing so in several color spaces, from finer and coarser segments and by several measures of
likeness finds different objects, and all proposals are put together.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tatami.errors import TatamiError
from tatami.types import Float32, Float64, Int64, Picture

ColorSpace = Literal["hsv", "lab", "rgi", "h", "i"]
Measure = Literal["color", "texture", "size", "fill"]

_SIGMA = 0.8  # pixels: the segmentation's smoothing, of the paper's section 5
_COLOR_BINS, _TEXTURE_BINS, _ORIENTATIONS = 25, 10, 8  # a channel, section 3.2


@dataclass(frozen=True)
class Strategies:
    """Which groupings are done: every combination of the three (section 3.2).

    Args:
        spaces: Color spaces.
        measures: Sets of measures of likeness.
        scales: Values of the segmentation's k, which is also the smallest size of a segment, in
            pixels.
    """

    spaces: tuple[ColorSpace, ...]
    measures: tuple[tuple[Measure, ...], ...]
    scales: tuple[float, ...]


FAST = Strategies(
    ("hsv", "lab"),
    (("color", "texture", "size", "fill"), ("texture", "size", "fill")),
    (50, 100),
)
QUALITY = Strategies(
    ("hsv", "lab", "rgi", "h", "i"),
    (("color", "texture", "size", "fill"), ("texture", "size", "fill"), ("fill",), ("size",)),
    (50, 100, 150, 300),
)
"""The paper's two choices (section 5.2, table 5): 8 groupings and 80."""


def selective_search(
    picture: Picture,
    strategies: Strategies = FAST,
    *,
    limit: int = 2000,
    min_side: int = 12,
    max_side: int = 500,
    seed: int = 0,
) -> Float64:
    """Propose boxes of what may be an object; the likelier, very roughly, first.

    The order is section 4.3's. In a grouping the region that is left last comes first and gets a
    number drawn from 0 to 1, the one before it a number up to 2, and so on. All groupings'
    proposals are sorted by their numbers; where boxes are equal only the first is kept. The numbers
    come from ``seed``: a picture has the same proposals whenever it is asked.

    Args:
        picture: (height, width, 3).
        strategies: Which groupings are done.
        limit: The largest number of boxes.
        min_side: Boxes with a side of fewer pixels are left out.
        max_side: A picture with a longer side is first shrunk to it, as Girshick et al. 2014 do;
            the boxes are the picture's all the same.
        seed: Of the order.

    Returns:
        (n, 4), edges in pixels.

    Raises:
        TatamiError: Where scikit-image is not installed.
    """
    height, width = picture.shape[:2]
    shrunk, factor = _shrunk(picture, max_side)
    pixels = shrunk.astype(np.float32) / np.float32(255)
    rng = np.random.default_rng(seed)
    found, ranks = [], []
    for space in strategies.spaces:
        colors = _colors(pixels, space)  # (h, w, channels), 0 to 1
        color_bins, texture_bins = _color_bins(colors), _texture_bins(colors)
        for scale in strategies.scales:
            segments = _segments(colors, scale)
            start = _regions(segments, color_bins, texture_bins)
            pairs = _neighbors(segments)
            for measures in strategies.measures:
                boxes = _grouped(start, pairs, segments.size, measures)[::-1]  # the last is first
                found.append(boxes)
                ranks.append(rng.random(len(boxes)) * np.arange(1, len(boxes) + 1))
    boxes = np.concatenate(found)[np.argsort(np.concatenate(ranks), kind="stable")]
    _, first = np.unique(boxes, axis=0, return_index=True)
    boxes = np.minimum(boxes[np.sort(first)] * factor, (width, height, width, height))
    sides = boxes[:, 2:] - boxes[:, :2]
    return np.asarray(boxes[(sides >= min_side).all(axis=1)][:limit])


def _shrunk(picture: Picture, max_side: int) -> tuple[Picture, Float64]:
    """Shrink a picture so that no side exceeds ``max_side``; give what its boxes grow by (4,)."""
    height, width = picture.shape[:2]
    share = min(1.0, max_side / max(width, height))
    if share == 1:
        return picture, np.ones(4)
    small = Image.fromarray(picture).resize(
        (max(1, round(width * share)), max(1, round(height * share))), Image.Resampling.BILINEAR
    )
    return np.asarray(small), np.array([width / small.width, height / small.height] * 2)


def _colors(pixels: Float32, space: ColorSpace) -> Float32:
    """Convert pixels (h, w, 3), RGB from 0 to 1, to a color space.

    Returns:
        (h, w, channels), from 0 to 1.
    """
    if space in ("hsv", "h", "lab"):
        try:
            from skimage import color
        except ImportError as error:
            raise _not_installed() from error
        if space == "lab":
            lab = color.rgb2lab(pixels)
            return np.asarray(lab / (100, 255, 255) + (0, 0.5, 0.5), np.float32)
        hsv = np.asarray(color.rgb2hsv(pixels), np.float32)
        return hsv if space == "hsv" else hsv[..., :1]
    intensity: Float32 = pixels.mean(axis=2, keepdims=True)
    if space == "i":
        return intensity
    share = pixels[..., :2] / np.maximum(3 * intensity, 1e-6)  # red and green of all light
    return np.concatenate([share, intensity], axis=2, dtype=np.float32)


def _segments(colors: Float32, scale: float) -> Int64:
    """Find the segment of every pixel, (h, w), counted from 0 without gaps."""
    try:
        from skimage.segmentation import felzenszwalb
    except ImportError as error:
        raise _not_installed() from error
    cut = felzenszwalb(
        colors.astype(np.float64), scale=scale, sigma=_SIGMA, min_size=int(scale), channel_axis=-1
    )
    return np.asarray(cut, np.int64)


def _not_installed() -> TatamiError:
    return TatamiError(
        "scikit-image, which segments pictures, is not installed",
        hint="pip install 'tatami-nn[demo]'",
    )


def _color_bins(colors: Float32) -> Int64:
    """Find the bin of each channel of every pixel.

    Returns:
        (channels, h * w), numbered over all channels.
    """
    channels = colors.shape[2]
    bins = np.clip((colors * _COLOR_BINS).astype(np.int64), 0, _COLOR_BINS - 1)
    return (bins + _COLOR_BINS * np.arange(channels)).reshape(-1, channels).T


def _texture_bins(colors: Float32) -> Int64:
    """Find the bins of derivatives in eight directions, each way apart: (channels * 8, h * w).

    Gaussian derivatives of deviation 1, each direction's from 0 to the largest there can be.
    """
    channels = colors.shape[2]
    bins = np.empty((channels * _ORIENTATIONS, colors.shape[0] * colors.shape[1]), np.int64)
    for channel in range(channels):
        across, down = _gaussian_derivatives(colors[..., channel])
        for direction in range(_ORIENTATIONS):
            angle = 2 * np.pi * direction / _ORIENTATIONS
            along = across * np.float32(np.cos(angle)) + down * np.float32(np.sin(angle))
            # 0.4 is a Gaussian derivative's answer to a step from 0 to 1; most are far below it, so
            # the bins are of the square root.
            share = np.sqrt(np.maximum(along, 0) / np.float32(0.4))
            one = np.minimum((share * _TEXTURE_BINS).astype(np.int64), _TEXTURE_BINS - 1)
            row = channel * _ORIENTATIONS + direction
            bins[row] = one.ravel() + _TEXTURE_BINS * row
    return bins


def _gaussian_derivatives(plane: Float32) -> tuple[Float32, Float32]:
    """Derive a plane (h, w) smoothed by a Gaussian of deviation 1, across and down."""
    places = np.arange(-3, 4, dtype=np.float32)
    smooth = np.exp(-places * places / 2)
    smooth /= smooth.sum()
    slope = places * smooth

    def along(values: Float32, taps: Float32, axis: int) -> Float32:
        wide = np.pad(values, [(3, 3) if a == axis else (0, 0) for a in range(2)], mode="edge")
        length = values.shape[axis]
        parts = [
            tap * (wide[i : i + length] if axis == 0 else wide[:, i : i + length])
            for i, tap in enumerate(taps)
        ]
        return np.asarray(sum(parts[1:], parts[0]), np.float32)

    return along(along(plane, smooth, 0), slope, 1), along(along(plane, smooth, 1), slope, 0)


@dataclass(frozen=True)
class _Regions:
    """Regions as grouping needs them; the histograms add up to 1 each.

    Args:
        sizes: (n,) pixels.
        boxes: (n, 4) edges.
        color: (n, bins).
        texture: (n, bins).
    """

    sizes: Float32
    boxes: Float32
    color: Float32
    texture: Float32


def _regions(segments: Int64, color_bins: Int64, texture_bins: Int64) -> _Regions:
    flat = segments.ravel()
    count = int(flat.max()) + 1
    sizes = np.bincount(flat).astype(np.float32)

    def histograms(bins: Int64, each: int) -> Float32:
        every = each * len(bins)
        counted = np.bincount((flat * every + bins).ravel(), minlength=count * every)
        return (counted.reshape(count, every) / (len(bins) * sizes[:, None])).astype(np.float32)

    rows, columns = np.indices(segments.shape).reshape(2, -1)
    boxes = np.empty((count, 4), np.float32)
    boxes[:, :2], boxes[:, 2:] = np.inf, 0
    for side, values in enumerate((columns, rows)):
        np.minimum.at(boxes[:, side], flat, values.astype(np.float32))
        np.maximum.at(boxes[:, side + 2], flat, (values + 1).astype(np.float32))
    color, texture = histograms(color_bins, _COLOR_BINS), histograms(texture_bins, _TEXTURE_BINS)
    return _Regions(sizes, boxes, color, texture)


def _neighbors(segments: Int64) -> list[tuple[int, int]]:
    """List every pair of segments that touch, the lower number first."""
    pairs = [
        np.stack([segments[:, :-1].ravel(), segments[:, 1:].ravel()], axis=1),
        np.stack([segments[:-1].ravel(), segments[1:].ravel()], axis=1),
    ]
    both = np.concatenate(pairs)
    both = both[both[:, 0] != both[:, 1]]
    count = int(segments.max()) + 1
    unlike = np.unique(both.min(axis=1) * count + both.max(axis=1))
    return [divmod(number, count) for number in unlike.tolist()]


def _grouped(
    start: _Regions, pairs: list[tuple[int, int]], pixels: int, measures: tuple[Measure, ...]
) -> NDArray[np.float32]:
    """Group segments by algorithm 1.

    Of equally alike pairs the older goes first.

    Returns:
        The boxes (2 n - 1, 4) of n segments and of every region that they become, in the order of
        their making.
    """
    count = len(start.sizes)
    total = 2 * count - 1

    def room(values: Float32) -> Float32:
        more = np.zeros((total, *values.shape[1:]), np.float32)
        more[:count] = values
        return more

    sizes, boxes = room(start.sizes), room(start.boxes)
    color, texture = room(start.color), room(start.texture)

    def likeness(one: Int64, other: Int64) -> Float32:
        """Sum the measures (equations 1 to 6) of pairs of regions."""
        alike = np.zeros(len(one), np.float32)
        together = sizes[one] + sizes[other]
        if "color" in measures:
            alike += np.minimum(color[one], color[other]).sum(axis=1)
        if "texture" in measures:
            alike += np.minimum(texture[one], texture[other]).sum(axis=1)
        if "size" in measures:
            alike += 1 - together / pixels
        if "fill" in measures:
            sides = np.maximum(boxes[one, 2:], boxes[other, 2:])
            sides -= np.minimum(boxes[one, :2], boxes[other, :2])
            alike += 1 - (sides[:, 0] * sides[:, 1] - together) / pixels
        return alike

    touching: list[set[int]] = [set() for _ in range(total)]
    for a, b in pairs:
        touching[a].add(b)
        touching[b].add(a)
    queue: list[tuple[float, int, int]] = []
    if pairs:
        ends = np.array(pairs)
        queue = [(-s, a, b) for s, (a, b) in zip(likeness(*ends.T).tolist(), pairs, strict=True)]
    heapq.heapify(queue)
    alive = bytearray(b"\1") * total
    made = count
    while made < total:
        _, a, b = heapq.heappop(queue)
        if not (alive[a] and alive[b]):
            continue
        alive[a] = alive[b] = 0
        share = sizes[a] / (sizes[a] + sizes[b])
        sizes[made] = sizes[a] + sizes[b]
        color[made] = share * color[a] + (1 - share) * color[b]
        texture[made] = share * texture[a] + (1 - share) * texture[b]
        np.minimum(boxes[a, :2], boxes[b, :2], out=boxes[made, :2])
        np.maximum(boxes[a, 2:], boxes[b, 2:], out=boxes[made, 2:])
        near = sorted((touching[a] | touching[b]) - {a, b})
        for each in near:
            own = touching[each]
            own.discard(a)
            own.discard(b)
            own.add(made)
        touching[made] = set(near)
        if near:
            alike = likeness(np.full(len(near), made), np.array(near))
            for s, each in zip(alike.tolist(), near, strict=True):
                heapq.heappush(queue, (-s, each, made))
        made += 1
    return boxes
