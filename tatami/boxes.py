"""Boxes as arrays: pure functions, the box format in every name.

xyxy is (left, top, right, bottom) edges, cxcywh is (centre x, centre y, width, height), both in
pixels and of shape (n, 4). Every function computes in the precision it is given: float32 boxes are
compared in float32, as the C program compares them, and float64 boxes in float64.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from tatami.types import Int, Size

Real = TypeVar("Real", np.float32, np.float64)


def xyxy_to_cxcywh(xyxy: NDArray[Real]) -> NDArray[Real]:
    """Edges (n, 4) to centre and sides (n, 4)."""
    sides = xyxy[:, 2:] - xyxy[:, :2]
    return np.concatenate([xyxy[:, :2] + sides / 2, sides], axis=1)


def cxcywh_to_xyxy(cxcywh: NDArray[Real]) -> NDArray[Real]:
    """Centre and sides (n, 4) to edges (n, 4)."""
    centres, halves = cxcywh[:, :2], cxcywh[:, 2:] / 2
    return np.concatenate([centres - halves, centres + halves], axis=1)


def area_xyxy(xyxy: NDArray[Real]) -> NDArray[Real]:
    """Areas (n,) in square pixels; 0 for a box whose edges are crossed."""
    sides = np.maximum(xyxy[:, 2:] - xyxy[:, :2], 0)
    areas: NDArray[Real] = sides[:, 0] * sides[:, 1]
    return areas


def intersection_xyxy(a: NDArray[Real], b: NDArray[Real]) -> NDArray[Real]:
    """Areas (n, m) in square pixels that each of a (n, 4) shares with each of b (m, 4)."""
    # One axis after the other, which needs a third of the memory of (n, m, 4) arrays.
    width = np.minimum(a[:, None, 2], b[None, :, 2]) - np.maximum(a[:, None, 0], b[None, :, 0])
    height = np.minimum(a[:, None, 3], b[None, :, 3]) - np.maximum(a[:, None, 1], b[None, :, 1])
    shared: NDArray[Real] = np.maximum(width, 0) * np.maximum(height, 0)
    return shared


def iou_xyxy(a: NDArray[Real], b: NDArray[Real]) -> NDArray[Real]:
    """Intersection over union (n, m), in [0, 1], of each of a (n, 4) with each of b (m, 4).

    Two boxes without area have the IoU 0.
    """
    shared = intersection_xyxy(a, b)
    union = area_xyxy(a)[:, None] + area_xyxy(b)[None, :] - shared
    iou: NDArray[Real] = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return iou


def clip_xyxy(xyxy: NDArray[Real], size: Size) -> NDArray[Real]:
    """The part of each box (n, 4) inside a picture of that size; one outside it loses its area."""
    edges = np.array([size.width, size.height, size.width, size.height], xyxy.dtype)
    return np.minimum(np.maximum(xyxy, 0), edges)


def centre_distance_xyxy(a: NDArray[Real], b: NDArray[Real], size: Size) -> NDArray[Real]:
    """How far the centres of a (n, 4) lie from those of b (m, 4), (n, m), in [0, 1]: the square of
    their distance over that of the diagonal of the hull of both boxes (Zheng et al. 2020, equation
    7), in shares of the sides of a picture of that size. 0 for two boxes that are one point.
    """
    sides = np.array([size.width, size.height], a.dtype)
    first, second = a[:, None], b[None, :]
    centres = ((first[..., :2] + first[..., 2:]) - (second[..., :2] + second[..., 2:])) / 2 / sides
    hull = np.maximum(first[..., 2:], second[..., 2:]) - np.minimum(first[..., :2], second[..., :2])
    hull = hull / sides
    distance = centres[..., 0] * centres[..., 0] + centres[..., 1] * centres[..., 1]
    diagonal = hull[..., 0] * hull[..., 0] + hull[..., 1] * hull[..., 1]
    zero = np.zeros_like(distance)
    share: NDArray[Real] = np.divide(distance, diagonal, out=zero, where=diagonal > 0)
    return share


def nms_xyxy(
    xyxy: NDArray[Real],
    scores: NDArray[Real],
    iou_threshold: float,
    diou_size: Size | None = None,
) -> Int:
    """Greedy non-maximum suppression of boxes (n, 4), scores (n,): the kept indices, best first.

    The best box left is kept, every box whose IoU with it exceeds the threshold goes, and so on.
    Of equal scores the lower index is the better.  diou_size: the picture's, where the IoU is first
    lessened by ``centre_distance_xyxy ** 0.6``, as darknet's greedynms does.
    """
    left = np.argsort(-scores, kind="stable")
    kept = []
    while len(left):
        best, left = left[0], left[1:]
        kept.append(best)
        one, others = xyxy[best][None], xyxy[left]
        excess = iou_xyxy(one, others)[0] - xyxy.dtype.type(iou_threshold)
        gone = excess > 0
        if diou_size is not None:
            # x > y ** 0.6 where x ** 5 > y ** 3, which needs no pow and is the same bits in C.
            away = centre_distance_xyxy(one, others, diou_size)[0]
            square = excess * excess
            gone &= square * square * excess > away * away * away
        left = left[~gone]
    return np.array(kept, np.int64)


def nms_per_class(
    xyxy: NDArray[Real],
    scores: NDArray[Real],
    labels: Int,
    iou_threshold: float,
    diou_size: Size | None = None,
) -> Int:
    """``nms_xyxy`` within each class of labels (n,): the kept indices of all, best first."""
    kept = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        of_class = np.flatnonzero(labels == label)
        best = nms_xyxy(xyxy[of_class], scores[of_class], iou_threshold, diou_size)
        kept[of_class[best]] = True
    indices = np.flatnonzero(kept)
    return indices[np.argsort(-scores[indices], kind="stable")].astype(np.int64)
