"""The decoding rule: a network's raw map to boxes in the picture's pixels.

This is YOLO9000 (Redmon and Farhadi 2017), section 2, "Direct location prediction", in float32,
with every order, every tie and exp itself (ops/exponential.py) fixed, so that the emitted C program
follows it step by step to the same bits:

1. Channel ``a * (5 + K) + k`` of the map is for anchor a: tx, ty, tw, th, to, then K class scores.
2. In cell (row, col) of stride s, with the anchor (pw, ph) in cells:
   ``cx = (sigmoid(tx) + col) * s``, ``cy = (sigmoid(ty) + row) * s``,
   ``w = pw * exp(min(tw, 8)) * s``, ``h = ph * exp(min(th, 8)) * s``,
   ``score_k = sigmoid(to) * softmax(class scores)_k``, the largest subtracted before the softmax.
3. Each (anchor, row, col, k) in that order is a candidate if ``score_k`` exceeds the threshold and
   none of its numbers is NaN. Best first, ties by that order, at most ``max_candidates``.
4. The boxes go to the picture's pixels, ``(x - left) * (picture width / placed width)`` in float64
   rounded once to float32, and are clipped to it; one left without area is dropped.
5. Greedy NMS within each class, IoU in float32; the ``max_detections`` best are the answer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tatami.boxes import clip_xyxy, cxcywh_to_xyxy, nms_per_class
from tatami.errors import TatamiError
from tatami.ops.exponential import exp, sigmoid, softmax
from tatami.picture import Placement
from tatami.types import Decoding, Detections, Float32, Int, NetworkSpec, Size

LARGEST_LOG_SIDE = 8.0
"""tw and th are cut here: exp(8) is 2981 anchors, and no float32 overflows on the way."""


@dataclass(frozen=True)
class Candidates:
    """Boxes before suppression, best first.

    xyxy: (n, 4) float32, pixels of the network's input.  scores: (n,) float32.  labels: (n,) int64.
    """

    xyxy: Float32
    scores: Float32
    labels: Int


def decode_yolov2(
    raw: Float32, decoding: Decoding, score_threshold: float, classes: int
) -> Candidates:
    """Steps 1 to 3 of the rule: a raw map (A * (5 + K), rows, cols) to candidates, K = ``classes``.

    Raises TatamiError where the map's channels are not A * (5 + K).
    """
    anchors = np.array(decoding.anchors, np.float32).reshape(-1, 2)
    if raw.ndim != 3 or len(raw) != len(anchors) * (5 + classes):
        raise TatamiError(
            f"the network's map has shape {raw.shape}, where {len(anchors)} anchors and {classes} "
            f"classes need {len(anchors) * (5 + classes)} channels",
            mend="correct the anchors or the class names in the network's metadata",
        )
    _, rows, columns = raw.shape
    # (A, 5 + K, rows, cols)
    maps = raw.astype(np.float32, copy=False).reshape(len(anchors), 5 + classes, rows, columns)

    with np.errstate(over="ignore", invalid="ignore"):  # infinities and NaN are sorted out below
        scores = sigmoid(maps[:, 4:5]) * softmax(maps[:, 5:])  # (A, K, rows, cols)
        anchor, row, column, label = np.nonzero(
            scores.transpose(0, 2, 3, 1) > np.float32(score_threshold)
        )
        score = scores[anchor, label, row, column]
        tx, ty, tw, th = maps[anchor, :4, row, column].T
        stride = np.float32(decoding.stride)
        cxcywh = np.stack(
            [
                (sigmoid(tx) + column.astype(np.float32)) * stride,
                (sigmoid(ty) + row.astype(np.float32)) * stride,
                anchors[anchor, 0] * exp(np.minimum(tw, np.float32(LARGEST_LOG_SIDE))) * stride,
                anchors[anchor, 1] * exp(np.minimum(th, np.float32(LARGEST_LOG_SIDE))) * stride,
            ],
            axis=1,
        )
    sound = np.flatnonzero(~np.isnan(cxcywh).any(axis=1))
    best = sound[np.argsort(-score[sound], kind="stable")][: decoding.max_candidates]
    return Candidates(cxcywh_to_xyxy(cxcywh[best]), score[best], label[best].astype(np.int64))


def detections(
    raw: Float32,
    spec: NetworkSpec,
    placement: Placement,
    picture_size: Size,
    score_threshold: float,
) -> Detections:
    """The whole rule: a raw map (A * (5 + K), rows, cols) to detections in the picture's pixels.

    placement: where ``tatami.picture.prepare`` laid the picture on the network's input.
    Raises TatamiError where the map's shape is not that of the spec.
    """
    decoding = spec.decoding
    candidates = decode_yolov2(raw, decoding, score_threshold, len(spec.classes))
    mapped = placement.to_picture(candidates.xyxy.astype(np.float64), picture_size)
    xyxy = clip_xyxy(mapped.astype(np.float32), picture_size)
    solid = np.flatnonzero((xyxy[:, 2] > xyxy[:, 0]) & (xyxy[:, 3] > xyxy[:, 1]))
    xyxy, scores, labels = xyxy[solid], candidates.scores[solid], candidates.labels[solid]
    kept = nms_per_class(xyxy, scores, labels, decoding.iou_threshold)[: decoding.max_detections]
    return Detections.of(xyxy[kept], scores[kept], labels[kept])
