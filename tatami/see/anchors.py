"""Which anchor is responsible for which truth, and which truths no anchor fits.

A YOLO from version 2 on (Redmon and Farhadi 2017, section 2) moves its boxes about in their cells,
so that the anchor responsible for a truth is the one whose shape fits best, as if both had one
center, at the cell of the truth's center. An SSD (Liu et al. 2016, section 2.2, "Matching
strategy") has default boxes that stand at the middle of their cells; the responsible one is that
which overlaps the truth most where it stands. YOLO itself (Redmon et al. 2016) has no anchors: what
counts is the cell, which is responsible for one truth.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tatami.rules.boxes import iou_xyxy
from tatami.see.draw import draw_boxes, draw_texts, fit, printable_class
from tatami.types import AnchorGrid, Bool, Boxes, Decoding, Float64, Int64, Picture, Size
from tatami.types.colors import class_color

IN_REACH = 0.5
"""An anchor with a smaller IoU than this fits a truth badly: SSD's threshold of a match."""


@dataclass(frozen=True)
class Matches:
    """The anchors responsible for the n truths of one picture, in pixels of the network's input.

    Args:
        iou: (n,), of each truth and its anchor.
        anchor: (n,), numbered over all grids.
        xyxy: (n, 4), the anchor where it stands; a YOLO's around the truth's center.
        crowded: (n,) bool, whether an earlier truth of the picture has the same anchor at the same
            cell: a network can find only one of them.
    """

    iou: Float64
    anchor: Int64
    xyxy: Float64
    crowded: Bool

    @property
    def fits(self) -> Bool:
        """Whether an anchor fits, and is not another truth's: (n,)."""
        return (self.iou >= IN_REACH) & ~self.crowded


def anchor_sizes(decoding: Decoding) -> Float64:
    """List (width, height) of every anchor of every grid, (a, 2).

    They are in the order in which ``Matches.anchor`` counts them.
    """
    return np.array([pair for grid in decoding.grids for pair in grid.anchors], np.float64)


ANY_SIZE = ("yolov1", "distance", "heatmap")
"""Kinds whose boxes have no size to begin with."""


def match(truths: Float64, decoding: Decoding, size: Size) -> Matches:
    """Match the truths of one picture with anchors.

    Args:
        truths: (n, 4), edges in pixels of the network's input.
        decoding: The network's anchors.
        size: Of the network's input.
    """
    if decoding.kind == "ssd":
        return _by_place(truths, decoding, size)
    return _by_shape(truths, decoding, size)


def _by_shape(truths: Float64, decoding: Decoding, size: Size) -> Matches:
    sizes = anchor_sizes(decoding)
    grid_of = np.repeat(np.arange(len(decoding.grids)), [len(g.anchors) for g in decoding.grids])
    sides = truths[:, 2:] - truths[:, :2]
    if decoding.kind in ANY_SIZE:  # boxes of any size: as many anchors as there are grids
        iou = np.ones((len(truths), len(sizes)))
    else:
        iou = iou_xyxy(_centered(sides), _centered(sizes))
    anchor = iou.argmax(axis=1).astype(np.int64)
    centers = (truths[:, :2] + truths[:, 2:]) / 2
    cells = [
        (int(a), *_cell(center, decoding.grids[grid_of[a]], size))
        for a, center in zip(anchor, centers, strict=True)
    ]
    if decoding.kind in ANY_SIZE:
        return Matches(np.ones(len(truths)), anchor, truths, _repeated(cells))
    halves = sizes[anchor] / 2
    around = np.hstack((centers - halves, centers + halves))
    return Matches(iou.max(axis=1, initial=0), anchor, around, _repeated(cells))


def _by_place(truths: Float64, decoding: Decoding, size: Size) -> Matches:
    boxes, anchors = default_boxes(decoding, size)
    iou = iou_xyxy(truths, boxes)
    best = iou.argmax(axis=1)
    return Matches(iou.max(axis=1, initial=0), anchors[best], boxes[best], _repeated(best.tolist()))


def default_boxes(decoding: Decoding, size: Size) -> tuple[Float64, Int64]:
    """List every anchor at the middle of every cell, by grid, anchor, row and column.

    Args:
        decoding: The network's anchors.
        size: Of the network's input.

    Returns:
        Boxes (n, 4), and which anchor each is, (n,).
    """
    found, which, before = [], [], 0
    for grid in decoding.grids:
        columns, rows = _cells(grid, size)
        y, x = np.mgrid[:rows, :columns] + 0.5
        centers = np.stack([x, y], axis=-1).reshape(-1, 2) * grid.stride
        for index, sides in enumerate(grid.anchors):
            half = np.array(sides) / 2
            found.append(np.hstack((centers - half, centers + half)))
            which.append(np.full(len(centers), before + index))
        before += len(grid.anchors)
    return np.vstack(found), np.concatenate(which).astype(np.int64)


def _cells(grid: AnchorGrid, size: Size) -> tuple[int, int]:
    """Count columns and rows, as graph/check.py does."""
    x, y = grid.stride
    return math.ceil(size.width / x - 1e-3), math.ceil(size.height / y - 1e-3)


def _cell(center: Float64, grid: AnchorGrid, size: Size) -> tuple[int, int]:
    """Find column and row of the cell that holds a point."""
    columns, rows = _cells(grid, size)
    x, y = np.floor(center / grid.stride)
    return min(max(int(x), 0), columns - 1), min(max(int(y), 0), rows - 1)


def _centered(sides: Float64) -> Float64:
    return np.hstack((-sides / 2, sides / 2))


def _repeated(keys: Sequence[object]) -> Bool:
    """Tell whether an earlier key is the same, (n,)."""
    seen: set[object] = set()
    repeated = []
    for key in keys:
        repeated.append(key in seen)
        seen.add(key)
    return np.array(repeated, bool)


# Drawing -----------------------------------------------------------------------------------------


def draw_anchors(decoding: Decoding, size: Size, side: int = 640) -> Picture:
    """Draw all anchors in the middle of an empty input, a color a grid; larger ones stick out.

    Args:
        decoding: The network's anchors.
        size: Of the network's input.
        side: Pixels of the drawing's longer side.
    """
    sizes = anchor_sizes(decoding)
    grids = np.repeat(np.arange(len(decoding.grids)), [len(g.anchors) for g in decoding.grids])
    span = np.maximum(sizes.max(axis=0), (size.width, size.height)) * 1.05
    scale = side / span.max()
    width, height = (max(1, int(length)) for length in np.ceil(span * scale))
    middle = np.array([width, height]) / 2
    paper = np.full((height, width, 3), 255, np.uint8)
    own = np.array([size.width, size.height]) * scale / 2
    x1, y1, x2, y2 = np.concatenate((middle - own, middle + own)).round().astype(int)
    paper[y1:y2, x1:x2] = 235
    halves = sizes * scale / 2
    order = np.argsort(-sizes.prod(axis=1))  # the small ones on top
    boxes = Boxes.of(np.hstack((middle - halves, middle + halves))[order], grids[order])
    names = [f"{x:g}x{y:g}" for x, y in (grid.stride for grid in decoding.grids)]
    return draw_boxes(paper, boxes, names, labels=False)


def draw_matches(
    canvas: Picture, truths: Boxes, found: Matches, classes: Sequence[str], side: int = 640
) -> Picture:
    """Draw a network's input with its truths and, dashed, the anchors responsible for them.

    A truth has its class's color. One that no anchor fits is hatched and says its best IoU; one
    whose anchor another truth has says "taken".

    Args:
        canvas: The input, (height, width, 3).
        truths: In pixels of ``canvas``.
        found: Their anchors, in pixels of ``canvas``.
        classes: The names of the classes.
        side: Pixels of the drawing's longer side.
    """
    large, x, y = fit(canvas, Size(side, side))
    scale = np.array([x, y, x, y])
    drawn = np.array(large)
    drawn = _dashed(drawn, found.xyxy * scale)
    for index in np.flatnonzero(~found.fits):
        _hatch(drawn, truths.xyxy[index] * scale, class_color(int(truths.labels[index])))
    texts = [
        f"{printable_class(int(label), classes)} {'taken' if taken else f'{iou:.2f}'}"
        for label, iou, taken in zip(truths.labels, found.iou, found.crowded, strict=True)
    ]
    return draw_texts(drawn, truths.xyxy * scale, truths.labels.tolist(), texts)


def _dashed(picture: Picture, xyxy: Float64) -> Picture:
    """Draw lines of white and black dashes around boxes, one pixel wide."""
    drawn = np.array(picture)
    height, width = drawn.shape[:2]
    for x1, y1, x2, y2 in xyxy.round().astype(int):
        across = np.arange(max(x1, 0), min(x2, width))
        down = np.arange(max(y1, 0), min(y2, height))
        for y in {y1, y2 - 1} & set(range(height)):
            drawn[y, across] = 255 * (across // 4 % 2)[:, None]
        for x in {x1, x2 - 1} & set(range(width)):
            drawn[down, x] = 255 * (down // 4 % 2)[:, None]
    return drawn


def _hatch(picture: Picture, box: Float64, color: tuple[int, int, int]) -> None:
    """Draw slanted lines inside a box, in place."""
    height, width = picture.shape[:2]
    x1, y1, x2, y2 = (int(edge) for edge in box.round())
    y, x = np.mgrid[max(y1, 0) : min(y2, height), max(x1, 0) : min(x2, width)]
    lines = (x + y) % 8 == 0
    picture[y[lines], x[lines]] = color
