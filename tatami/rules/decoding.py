"""The decoding rule: a network's raw maps to boxes in the picture's pixels.

In float32, with every order, every tie and exp itself (ops/exponential.py) fixed, so that the
emitted C program follows it step by step to the same bits:

1. Each grid has A anchors (pw, ph) at every (row, col), a cell being (sx, sy) input pixels wide and
   high, and K classes. What the rule calls the score of a class number is, by ``scores``, the
   softmax over all of them, the sigmoid of each, or with ``linear`` the number clipped to 0..1.

   YOLO (Redmon et al. 2016, section 2): channel ``5 * a + k`` of its map holds tx, ty, tw, th, to,
   channel ``5 * A + k`` the class numbers, which a cell has once; each (pw, ph) is the size of the
   input, of whose sides tw and th are the square roots.
   ``cx = (col + tx) * sx``, cy alike, ``w = pw * min(tw * tw, 64)``, h alike,
   ``score_k = to * score of class number k``, ``to`` clipped to 0..1.

   YOLO9000 (Redmon and Farhadi 2017, section 2, "Direct location prediction") and YOLOv3 (2018,
   section 2.1): channel ``a * (5 + K) + k`` of its map holds tx, ty, tw, th, to, K class numbers.
   ``cx = (sigmoid(tx) * e - (e - 1) / 2 + col) * sx``, cy alike, where e is ``xy_scale``,
   ``w = pw * exp(min(tw, 8))``, ``h = ph * exp(min(th, 8))``,
   ``score_k = sigmoid(to) * score of class number k``.

   SSD (Liu et al. 2016, section 2.2): channel ``4 * a + k`` of the first map holds tx, ty, tw, th,
   channel ``(K + 1) * a + k`` of the second the class numbers, the background's first.
   ``cx = (col + 0.5) * sx + tx * v * pw``, cy alike, ``w = pw * exp(min(tw * u, 8))``, h alike,
   (v, u) being ``variances``; ``score_k`` the score of the k-th number, of all K + 1.

   YOLOv5: as YOLOv3, but ``w = pw * (2 * sigmoid(tw)) ** 2``, h alike; its e is 2.

   Distances (FCOS, Tian et al. 2019, section 3.1; with B > 1 bins, Generalized Focal Loss, Li et
   al. 2020, section 3, as YOLOv8, NanoDet and their kin have them): channels ``(4 * a + s) * B`` on
   of the first map say how far side s of the box (left, top, right, bottom) is, in cells, from the
   point ``px = (col + o) * sx``, py alike, o being ``center``: with B = 1 the number itself, else
   the sum of ``j * p_j`` in the order of j, p the softmax of the B numbers; cut to +-65536. With l,
   t, r, b those distances times sx or sy, ``cx = px + (r - l) / 2``, ``w = l + r``, cy and h alike;
   channel ``K * a + k`` of the second map holds the class numbers.

   Heat maps (CenterNet, Zhou et al. 2019, section 4): channel k of the first map holds the heat of
   class k, the second w and h in cells, the third x and y in the cell, each cut to +-65536.
   ``cx = (col + x) * sx``, ``w = tw * sx``, cy and h alike; ``score_k`` is the score of the heat
   where none of the eight cells around is hotter, else 0.
2. The candidates are numbered by (grid, anchor, row, col, k).
3. One is dropped unless ``score_k`` exceeds the threshold and none of its numbers is NaN. Best
   first, ties by that order, at most ``max_candidates``.
4. The boxes go to the picture's pixels, ``(x - left) * (picture width / placed width)`` in float64,
   clipped to +-2^20 and rounded once to float32.
5. Greedy NMS within each class, or where the rule is ``agnostic`` among all, in float32 and before
   any clipping, as the networks were trained: a box at the picture's edge is as large as the
   network says. A box is dropped where its IoU with a kept one exceeds the threshold t, and not
   where it is t (docs/box-rule.md); where
   ``nms`` is ``diou`` (Zheng et al. 2020, equation 7, with darknet's exponent) where
   ``IoU - (d / c) ** 0.6 > t``, d and c being the squares of the distance of the centers and of the
   diagonal of the two boxes' hull, in shares of the picture's sides. The ``max_detections`` best
   stay.
6. They are clipped to the picture; one left without area is dropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tatami.errors import TatamiError
from tatami.ops.exponential import exp, sigmoid, softmax
from tatami.rules.boxes import clip_xyxy, cxcywh_to_xyxy, nms_per_class
from tatami.rules.picture import Placement
from tatami.types import (
    AnchorGrid,
    Decoding,
    Detections,
    DetectionSpec,
    Float32,
    Int64,
    RegionDecoding,
    Size,
)

MAX_COORDINATE = float(1 << 20)
"""Pixels from a picture's corner to which boxes are clipped: areas stay finite in float32."""
MAX_LOG_SIDE = 8.0
"""The logarithms of the sides are clipped here: exp(8) is 2981 anchors, which cannot overflow."""
MAX_CELLS = 65536.0
"""Distances and sides of boxes without anchors are cut here, in cells."""
MAX_RELATIVE_SIDE = 64.0
"""The squares of YOLO's roots of the sides are clipped here, in shares of the input."""


@dataclass(frozen=True)
class Candidates:
    """Boxes before suppression, best first.

    Args:
        xyxy: (n, 4) float32, pixels of the network's input.
        scores: (n,) float32.
        labels: (n,) int64.
    """

    xyxy: Float32
    scores: Float32
    labels: Int64


def candidates(
    maps: Sequence[Float32], decoding: Decoding, score_threshold: float, classes: int
) -> Candidates:
    """Follow steps 1 to 3 of the rule: from the raw maps of one picture to candidates.

    Args:
        maps: The raw maps, (channels, rows, cols) each.
        decoding: How they are read.
        score_threshold: Candidates must score above it.
        classes: How many classes there are, K.

    Raises:
        TatamiError: Where a map's channels are not those of its grid and K.
    """
    expected = decoding.maps(classes)
    _check_maps([one.shape for one in maps], expected, classes)
    each = len(expected) // len(decoding.grids)
    found = []
    for index, grid in enumerate(decoding.grids):
        of_grid = [one.astype(np.float32, copy=False) for one in maps[each * index :][:each]]
        with np.errstate(over="ignore", invalid="ignore"):  # infinities and NaN: sorted out below
            scores = scores_of(of_grid, grid, decoding)  # (A, K, rows, cols)
            above = scores.transpose(0, 2, 3, 1) > np.float32(score_threshold)
            anchor, row, column, label = np.nonzero(above)
            boxes = _boxes(of_grid, grid, decoding, anchor, row, column)
        found.append((boxes, scores[anchor, label, row, column], label))
    cxcywh = np.concatenate([boxes for boxes, _, _ in found])
    score = np.concatenate([scores for _, scores, _ in found])
    label = np.concatenate([labels for _, _, labels in found])
    sound = np.flatnonzero(~np.isnan(cxcywh).any(axis=1))
    best = sound[np.argsort(-score[sound], kind="stable")][: decoding.max_candidates]
    return Candidates(cxcywh_to_xyxy(cxcywh[best]), score[best], label[best].astype(np.int64))


def _check_maps(
    shapes: Sequence[tuple[int, ...]], expected: Sequence[tuple[AnchorGrid, int]], classes: int
) -> None:
    if len(shapes) != len(expected):
        raise TatamiError(
            f"the network makes {len(shapes)} maps, its decoding asks for {len(expected)}",
            hint="correct the grids in the network's metadata",
        )
    for shape, (grid, channels) in zip(shapes, expected, strict=True):
        if len(shape) != 3 or shape[0] != channels:
            raise TatamiError(
                f"the network's map has shape {shape}, where {len(grid.anchors)} anchors and "
                f"{classes} classes need {channels} channels",
                hint="correct the anchors or the class names in the network's metadata",
            )


def scores_of(maps: Sequence[Float32], grid: AnchorGrid, decoding: Decoding) -> Float32:
    """Compute the scores of step 1, (A, K, rows, cols), of one grid.

    Args:
        maps: The grid's raw map, or pair of raw maps, (channels, rows, cols) each.
        grid: Its anchors.
        decoding: How the maps are read.
    """
    anchors = len(grid.anchors)
    _, rows, columns = maps[0].shape
    if decoding.kind == "ssd":
        return _probabilities(maps[1].reshape(anchors, -1, rows, columns), decoding)[:, 1:]
    if decoding.kind == "distance":
        return _probabilities(maps[1].reshape(anchors, -1, rows, columns), decoding)
    if decoding.kind == "heatmap":
        hot = maps[0] >= _hottest_around(maps[0])
        return np.where(hot, _probabilities(maps[0][None], decoding), np.float32(0))
    if decoding.kind == "yolov1":
        boxes = maps[0][: 5 * anchors].reshape(anchors, 5, rows, columns)
        return _clip01(boxes[:, 4:]) * _probabilities(maps[0][None, 5 * anchors :], decoding)
    each = maps[0].reshape(anchors, -1, rows, columns)
    return sigmoid(each[:, 4:5]) * _probabilities(each[:, 5:], decoding)


def _probabilities(numbers: Float32, decoding: Decoding) -> Float32:
    """Turn class numbers (n, numbers, rows, cols) into scores."""
    by = {"softmax": softmax, "sigmoid": sigmoid, "linear": _clip01}
    return by[decoding.scores](numbers)


def _hottest_around(heat: Float32) -> Float32:
    """Find the largest of the cells around each, itself not counted; NaN counts as nothing."""
    padded = np.pad(heat, ((0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    _, rows, columns = heat.shape
    hottest = np.full_like(heat, -np.inf)
    for down in range(3):
        for across in range(3):
            if (down, across) != (1, 1):
                moved = padded[:, down : down + rows, across : across + columns]
                hottest = np.fmax(hottest, moved)
    return hottest


def _bounded(cells: Float32) -> Float32:
    """Cut to what no box needs more of; NaN stays."""
    limit = np.float32(MAX_CELLS)
    return np.minimum(np.maximum(cells, -limit), limit)


def _clip01(numbers: Float32) -> Float32:
    """Clip to 0..1; NaN stays."""
    return np.minimum(np.maximum(numbers, np.float32(0)), np.float32(1))


def _boxes(
    maps: Sequence[Float32],
    grid: AnchorGrid,
    decoding: Decoding,
    anchor: Int64,
    row: Int64,
    column: Int64,
) -> Float32:
    """Compute the boxes of step 1, centers and sides (n, 4), of anchors and cells, (n,) each."""
    _, rows, columns = maps[0].shape
    if decoding.kind == "distance":
        return _of_distances(maps[0], grid, decoding, anchor, row, column)
    if decoding.kind == "heatmap":
        x, y = column.astype(np.float32), row.astype(np.float32)
        stride_x, stride_y = np.array(grid.stride, np.float32)
        (tw, th), (tx, ty) = (_bounded(one[:, row, column]) for one in maps[1:])
        boxes = [(x + tx) * stride_x, (y + ty) * stride_y, tw * stride_x, th * stride_y]
        return np.stack(boxes, axis=1)
    count = 5 * len(grid.anchors) if decoding.kind == "yolov1" else len(maps[0])
    numbers = maps[0][:count].reshape(len(grid.anchors), -1, rows, columns)
    tx, ty, tw, th = numbers[anchor, :4, row, column].T
    width, height = np.array(grid.anchors, np.float32)[anchor].T
    stride_x, stride_y = np.array(grid.stride, np.float32)
    x, y = column.astype(np.float32), row.astype(np.float32)
    limit = np.float32(MAX_LOG_SIDE)
    if decoding.kind == "yolov1":
        largest = np.float32(MAX_RELATIVE_SIDE)
        cx, cy = (x + tx) * stride_x, (y + ty) * stride_y
        w, h = width * np.minimum(tw * tw, largest), height * np.minimum(th * th, largest)
    elif decoding.kind == "ssd":
        half = np.float32(0.5)
        default = np.stack([(x + half) * stride_x, (y + half) * stride_y, width, height], axis=1)
        return apply_offsets(default, numbers[anchor, :4, row, column], decoding.variances)
    else:
        scale, shift = np.float32(grid.xy_scale), np.float32((grid.xy_scale - 1) / 2)
        cx = (sigmoid(tx) * scale - shift + x) * stride_x
        cy = (sigmoid(ty) * scale - shift + y) * stride_y
        if decoding.kind == "yolov5":
            two = np.float32(2)
            roots = two * sigmoid(tw), two * sigmoid(th)
            return np.stack(
                [cx, cy, width * (roots[0] * roots[0]), height * (roots[1] * roots[1])], axis=1
            )
        w, h = width * exp(np.minimum(tw, limit)), height * exp(np.minimum(th, limit))
    return np.stack([cx, cy, w, h], axis=1)


def _of_distances(
    numbers: Float32,
    grid: AnchorGrid,
    decoding: Decoding,
    anchor: Int64,
    row: Int64,
    column: Int64,
) -> Float32:
    """Compute boxes (n, 4) of the distances of their sides from points of cells."""
    bins = decoding.bins
    _, rows, columns = numbers.shape
    sides = numbers.reshape(len(grid.anchors), 4, bins, rows, columns)
    chosen = sides[anchor, :, :, row, column]  # (n, 4, bins)
    if bins > 1:
        share = softmax(chosen.reshape(-1, bins)).reshape(chosen.shape)
        far = np.zeros(chosen.shape[:2], np.float32)
        for place in range(bins):
            far = far + share[:, :, place] * np.float32(place)
    else:
        far = chosen[:, :, 0]
    far = _bounded(far)
    stride_x, stride_y = np.array(grid.stride, np.float32)
    center, two = np.float32(decoding.center), np.float32(2)
    left, top, right, bottom = (
        far[:, side] * stride for side, stride in enumerate((stride_x, stride_y) * 2)
    )
    x = (column.astype(np.float32) + center) * stride_x
    y = (row.astype(np.float32) + center) * stride_y
    return np.stack(
        [x + (right - left) / two, y + (bottom - top) / two, left + right, top + bottom], axis=1
    )


def apply_offsets(cxcywh: Float32, offsets: Float32, variances: tuple[float, float]) -> Float32:
    """Move and grow boxes by an SSD's offsets, as step 1 says.

    Args:
        cxcywh: Boxes (n, 4), centers and sides.
        offsets: tx, ty, tw, th of each (n, 4).
        variances: What the offsets of centers and of sides are multiplied by.
    """
    x, y, width, height = cxcywh.T
    tx, ty, tw, th = offsets.T
    center, side = np.array(variances, np.float32)
    limit = np.float32(MAX_LOG_SIDE)
    boxes = [
        x + tx * center * width,
        y + ty * center * height,
        width * exp(np.minimum(tw * side, limit)),
        height * exp(np.minimum(th * side, limit)),
    ]
    return np.stack(boxes, axis=1)


def detections(
    maps: Sequence[Float32],
    spec: DetectionSpec,
    placement: Placement,
    picture_size: Size,
    score_threshold: float,
) -> Detections:
    """Follow the whole rule: from the raw maps of one picture to its detections.

    Args:
        maps: The raw maps, (channels, rows, cols) each.
        spec: What the network is for.
        placement: Where ``tatami.rules.picture.prepare`` laid the picture on the network's input.
        picture_size: The picture's size.
        score_threshold: Detections score above it.

    Raises:
        TatamiError: Where a map's shape is not that of the spec.
    """
    best = candidates(maps, spec.decoding, score_threshold, len(spec.classes))
    return suppress(best, spec.decoding, placement, picture_size)


def suppress(
    best: Candidates, decoding: Decoding | RegionDecoding, placement: Placement, picture_size: Size
) -> Detections:
    """Follow steps 4 to 6 of the rule: from the candidates of one picture to its detections.

    Args:
        best: The candidates, best first.
        decoding: How many may stay, and how much they may overlap.
        placement: Where the picture lies on what the candidates are measured in.
        picture_size: The picture's size.
    """
    mapped = placement.to_picture(best.xyxy.astype(np.float64), picture_size)
    xyxy = np.clip(mapped, -MAX_COORDINATE, MAX_COORDINATE).astype(np.float32)
    hull = picture_size if decoding.nms == "diou" else None
    labels = np.zeros_like(best.labels) if decoding.agnostic else best.labels
    kept = nms_per_class(xyxy, best.scores, labels, decoding.iou_threshold, hull)
    kept = kept[: decoding.max_detections]
    inside = clip_xyxy(xyxy[kept], picture_size)
    solid = (inside[:, 2] > inside[:, 0]) & (inside[:, 3] > inside[:, 1])
    return Detections.of(inside[solid], best.scores[kept][solid], best.labels[kept][solid])
