"""The decoding rule: a network's raw maps to boxes in the picture's pixels.

In float32, with every order, every tie and exp itself (ops/exponential.py) fixed, so that the
emitted C program follows it step by step to the same bits:

1. Each grid has A anchors (pw, ph) at every (row, col), a cell being (sx, sy) input pixels wide and
   high, and K classes:

   YOLO9000 (Redmon and Farhadi 2017, section 2, "Direct location prediction") and YOLOv3 (2018,
   section 2.1): channel ``a * (5 + K) + k`` of its map holds tx, ty, tw, th, to, K class numbers.
   ``cx = (sigmoid(tx) * e - (e - 1) / 2 + col) * sx``, cy alike, where e is ``xy_scale``,
   ``w = pw * exp(min(tw, 8))``, ``h = ph * exp(min(th, 8))``,
   ``score_k = sigmoid(to) * softmax(class numbers)_k``, or ``sigmoid(class number k)``.

   SSD (Liu et al. 2016, section 2.2): channel ``4 * a + k`` of the first map holds tx, ty, tw, th,
   channel ``(K + 1) * a + k`` of the second the class numbers, the background's first.
   ``cx = (col + 0.5) * sx + tx * v * pw``, cy alike, ``w = pw * exp(min(tw * u, 8))``, h alike,
   (v, u) being ``variances``; ``score_k`` the softmax over all K + 1, or the sigmoid, of the k-th.
2. The candidates are numbered by (grid, anchor, row, col, k).
3. One is dropped unless ``score_k`` exceeds the threshold and none of its numbers is NaN. Best
   first, ties by that order, at most ``max_candidates``.
4. The boxes go to the picture's pixels, ``(x - left) * (picture width / placed width)`` in float64,
   cut to +-2^20 and rounded once to float32.
5. Greedy NMS within each class, in float32 and before any clipping, as the networks were trained: a
   box at the picture's edge is as large as the network says. A box goes where its IoU with a kept
   one exceeds the threshold t; where ``nms`` is ``diou`` (Zheng et al. 2020, equation 7, with
   darknet's exponent) where ``IoU - (d / c) ** 0.6 > t``, d and c being the squares of the distance
   of the centres and of the diagonal of the two boxes' hull, in shares of the picture's sides. The
   ``max_detections`` best stay.
6. They are clipped to the picture; one left without area is dropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tatami.boxes import clip_xyxy, cxcywh_to_xyxy, nms_per_class
from tatami.errors import TatamiError
from tatami.ops.exponential import exp, sigmoid, softmax
from tatami.picture import Placement
from tatami.types import (
    AnchorGrid,
    Decoding,
    Detections,
    Float32,
    Int,
    NetworkSpec,
    RegionDecoding,
    Size,
)

FARTHEST = float(1 << 20)
"""Pixels from a picture's corner, where boxes are cut: their areas stay finite in float32."""
LARGEST_LOG_SIDE = 8.0
"""The logarithms of the sides are cut here: exp(8) is 2981 anchors, which overflows nothing."""


@dataclass(frozen=True)
class Candidates:
    """Boxes before suppression, best first.

    xyxy: (n, 4) float32, pixels of the network's input.  scores: (n,) float32.  labels: (n,) int64.
    """

    xyxy: Float32
    scores: Float32
    labels: Int


def candidates(
    maps: Sequence[Float32], decoding: Decoding, score_threshold: float, classes: int
) -> Candidates:
    """Steps 1 to 3 of the rule: the raw maps of one picture, (channels, rows, cols) each.

    Raises TatamiError where a map's channels are not those of its grid and K = ``classes``.
    """
    expected = decoding.maps(classes)
    _check_maps([one.shape for one in maps], expected, classes)
    each = len(expected) // len(decoding.grids)
    found = []
    for index, grid in enumerate(decoding.grids):
        of_grid = [one.astype(np.float32, copy=False) for one in maps[each * index :][:each]]
        with np.errstate(over="ignore", invalid="ignore"):  # infinities and NaN: sorted out below
            if decoding.kind == "ssd":
                found.append(_of_ssd(of_grid[0], of_grid[1], grid, decoding, score_threshold))
            else:
                found.append(_of_yolo(of_grid[0], grid, decoding, score_threshold))
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
            mend="correct the grids in the network's metadata",
        )
    for shape, (grid, channels) in zip(shapes, expected, strict=True):
        if len(shape) != 3 or shape[0] != channels:
            raise TatamiError(
                f"the network's map has shape {shape}, where {len(grid.anchors)} anchors and "
                f"{classes} classes need {channels} channels",
                mend="correct the anchors or the class names in the network's metadata",
            )


_Found = tuple[Float32, Float32, Int]
"""(n, 4) centres and sides, (n,) scores, (n,) labels, in the order of step 2."""


def _of_yolo(raw: Float32, grid: AnchorGrid, decoding: Decoding, threshold: float) -> _Found:
    anchors = np.array(grid.anchors, np.float32)  # (A, 2)
    _, rows, columns = raw.shape
    maps = raw.reshape(len(anchors), -1, rows, columns)  # (A, 5 + K, rows, cols)
    probabilities = softmax(maps[:, 5:]) if decoding.scores == "softmax" else sigmoid(maps[:, 5:])
    scores = sigmoid(maps[:, 4:5]) * probabilities  # (A, K, rows, cols)
    anchor, row, column, label = np.nonzero(scores.transpose(0, 2, 3, 1) > np.float32(threshold))
    tx, ty, tw, th = maps[anchor, :4, row, column].T
    scale, shift = np.float32(grid.xy_scale), np.float32((grid.xy_scale - 1) / 2)
    stride_x, stride_y = np.array(grid.stride, np.float32)
    cxcywh = np.stack(
        [
            (sigmoid(tx) * scale - shift + column.astype(np.float32)) * stride_x,
            (sigmoid(ty) * scale - shift + row.astype(np.float32)) * stride_y,
            anchors[anchor, 0] * exp(np.minimum(tw, np.float32(LARGEST_LOG_SIDE))),
            anchors[anchor, 1] * exp(np.minimum(th, np.float32(LARGEST_LOG_SIDE))),
        ],
        axis=1,
    )
    return cxcywh, scores[anchor, label, row, column], label


def _of_ssd(
    boxes: Float32, raw: Float32, grid: AnchorGrid, decoding: Decoding, threshold: float
) -> _Found:
    anchors = np.array(grid.anchors, np.float32)  # (A, 2)
    _, rows, columns = boxes.shape
    offsets = boxes.reshape(len(anchors), 4, rows, columns)
    maps = raw.reshape(len(anchors), -1, rows, columns)  # (A, K + 1, rows, cols)
    scores = (softmax(maps) if decoding.scores == "softmax" else sigmoid(maps))[:, 1:]
    anchor, row, column, label = np.nonzero(scores.transpose(0, 2, 3, 1) > np.float32(threshold))
    tx, ty, tw, th = offsets[anchor, :, row, column].T
    centre, side = np.array(decoding.variances, np.float32)
    stride_x, stride_y = np.array(grid.stride, np.float32)
    half = np.float32(0.5)
    width, height = anchors[anchor].T
    cxcywh = np.stack(
        [
            (column.astype(np.float32) + half) * stride_x + tx * centre * width,
            (row.astype(np.float32) + half) * stride_y + ty * centre * height,
            width * exp(np.minimum(tw * side, np.float32(LARGEST_LOG_SIDE))),
            height * exp(np.minimum(th * side, np.float32(LARGEST_LOG_SIDE))),
        ],
        axis=1,
    )
    return cxcywh, scores[anchor, label, row, column], label


def detections(
    maps: Sequence[Float32],
    spec: NetworkSpec,
    placement: Placement,
    picture_size: Size,
    score_threshold: float,
) -> Detections:
    """The whole rule: the raw maps of one picture, (channels, rows, cols) each, to detections.

    placement: where ``tatami.picture.prepare`` laid the picture on the network's input.
    Raises TatamiError where a map's shape is not that of the spec.
    """
    best = candidates(maps, spec.decoding, score_threshold, len(spec.classes))
    return suppressed(best, spec.decoding, placement, picture_size)


def suppressed(
    best: Candidates, decoding: Decoding | RegionDecoding, placement: Placement, picture_size: Size
) -> Detections:
    """Steps 4 to 6 of the rule: the candidates of one picture to its detections."""
    mapped = placement.to_picture(best.xyxy.astype(np.float64), picture_size)
    xyxy = np.clip(mapped, -FARTHEST, FARTHEST).astype(np.float32)
    hull = picture_size if decoding.nms == "diou" else None
    kept = nms_per_class(xyxy, best.scores, best.labels, decoding.iou_threshold, hull)
    kept = kept[: decoding.max_detections]
    inside = clip_xyxy(xyxy[kept], picture_size)
    solid = (inside[:, 2] > inside[:, 0]) & (inside[:, 3] > inside[:, 1])
    return Detections.of(inside[solid], best.scores[kept][solid], best.labels[kept][solid])
