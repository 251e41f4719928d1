"""The boxes and detections of all pictures in one table, and which of them overlap.

Every metric family here asks the same first question: which detections could have found which
truths, and how well do they fit? ``pool`` answers it once, for all pictures together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from tatami.rules.boxes import area_xyxy
from tatami.types import Boxes, Detections, Float64, Int64

T = TypeVar("T", bound=np.generic)

_BLOCK = 1 << 16  # detections paired at a time, so that memory stays bounded


@dataclass(frozen=True)
class Pairs:
    """Every detection with every truth of its picture and class that it shares a pixel with.

    Args:
        detection: (p,) int64, rows of the pool, in their order.
        truth: (p,) int64, rows of the pool, in their order for each detection.
        iou: (p,) float64.
        cover: (p,) float64, the part of the detection's area inside the truth: what COCO takes in
            place of IoU for a crowd.
    """

    detection: Int64
    truth: Int64
    iou: Float64
    cover: Float64


@dataclass(frozen=True)
class Pool:
    """Truths (n) and detections (m) of all pictures.

    Truths are in the order of the pictures. Detections are in the order of the classes, best first
    within a class, ties in the order of their file: docs/metrics-rule.md says which devkit has
    which order.

    Args:
        pictures: How many there are, empty ones too.
        classes: How many there are.
        truths: The labeled boxes.
        truth_picture: (n,) int64, the picture of each.
        detections: What was found.
        detection_picture: (m,) int64, the picture of each.
        pairs: Which of them overlap.
    """

    pictures: int
    classes: int
    truths: Boxes
    truth_picture: Int64
    detections: Detections
    detection_picture: Int64
    pairs: Pairs

    def detections_of(self, label: int) -> slice:
        """Give the rows of one class."""
        first, stop = np.searchsorted(self.detections.labels, [label, label + 1])
        return slice(int(first), int(stop))


def pool(
    truths: Sequence[Boxes],
    detections: Sequence[Detections],
    classes: int,
    ranks: Sequence[Int64] | None = None,
) -> Pool:
    """Put the truths and detections of pictures into one table.

    Args:
        truths: What is labeled in each picture.
        detections: What was found in each, in the same order.
        classes: How many classes there are.
        ranks: The place of each picture's detections in one file: of equal scores the earlier comes
            first. None: the file goes through the pictures in their order, and through the
            detections of each as given.

    Raises:
        ValueError: Where they differ in length, a label is not below ``classes``, or a number is
            NaN or infinite.
    """
    if len(truths) != len(detections):
        raise ValueError(f"{len(truths)} pictures have truths but {len(detections)} detections")
    all_truths = Boxes(
        _joined([t.xyxy for t in truths], np.empty((0, 4))),
        _joined([t.labels for t in truths], np.empty(0, np.int64)),
        _joined([t.difficult for t in truths], np.empty(0, np.bool_)),
        _joined([t.crowd for t in truths], np.empty(0, np.bool_)),
        _joined([t.areas for t in truths], np.empty(0)),
    )
    found = Detections(
        _joined([d.xyxy for d in detections], np.empty((0, 4))),
        _joined([d.scores for d in detections], np.empty(0)),
        _joined([d.labels for d in detections], np.empty(0, np.int64)),
    )
    for labels in (all_truths.labels, found.labels):
        if len(labels) and not 0 <= labels.min() <= labels.max() < classes:
            raise ValueError(f"labels {labels.min()} to {labels.max()} in {classes} classes")
    for numbers in (all_truths.xyxy, all_truths.areas, found.xyxy, found.scores):
        if not np.isfinite(numbers).all():
            raise ValueError("a box or a score is NaN or infinite")

    place = np.arange(len(found))
    if ranks is not None:
        place = _joined(list(ranks), np.empty(0, np.int64))
        if [len(one) for one in ranks] != [len(one) for one in detections]:
            raise ValueError("not every detection has a rank")
    order = np.lexsort((place, -found.scores, found.labels))
    found = Detections(  # take is several times faster than indexing
        np.take(found.xyxy, order, axis=0), found.scores[order], found.labels[order]
    )
    truth_picture = _picture_numbers([len(t) for t in truths])
    detection_picture = _picture_numbers([len(d) for d in detections])[order]
    pairs = overlaps(
        all_truths.xyxy,
        truth_picture * classes + all_truths.labels,
        found.xyxy,
        detection_picture * classes + found.labels,
    )
    return Pool(len(truths), classes, all_truths, truth_picture, found, detection_picture, pairs)


def _joined(arrays: list[NDArray[T]], none: NDArray[T]) -> NDArray[T]:
    return np.concatenate([none, *arrays])


def _picture_numbers(counts: list[int]) -> Int64:
    return np.repeat(np.arange(len(counts), dtype=np.int64), np.array(counts, np.int64))


def overlaps(
    truths: Float64, truth_groups: Int64, detections: Float64, detection_groups: Int64
) -> Pairs:
    """Find the pairs of boxes that overlap within a group, as a picture.

    Args:
        truths: (n, 4), edges.
        truth_groups: (n,) int64.
        detections: (m, 4), edges.
        detection_groups: (m,) int64.
    """
    order = np.argsort(truth_groups, kind="stable")
    groups, firsts, sizes = np.unique(truth_groups[order], return_index=True, return_counts=True)
    place = np.searchsorted(groups, detection_groups)
    there = np.append(groups, -1)[place] == detection_groups
    first, count = np.append(firsts, 0)[place], np.where(there, np.append(sizes, 0)[place], 0)
    truth_areas, detection_areas = area_xyxy(truths), area_xyxy(detections)

    blocks = []
    for start in range(0, len(detections), _BLOCK):
        counts = count[start : start + _BLOCK]
        detection = np.repeat(np.arange(start, start + len(counts)), counts)
        within = np.arange(len(detection)) - np.repeat(np.cumsum(counts) - counts, counts)
        truth = order[first[detection] + within]
        a, b = detections[detection], truths[truth]
        sides = np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2])
        overlap = np.flatnonzero((sides > 0).all(axis=1))
        detection, truth = detection[overlap], truth[overlap]
        shared = sides[overlap, 0] * sides[overlap, 1]
        union = detection_areas[detection] + truth_areas[truth] - shared
        blocks.append((detection, truth, shared / union, shared / detection_areas[detection]))
    if not blocks:
        return Pairs(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0), np.empty(0))
    return Pairs(*(np.concatenate(column) for column in zip(*blocks, strict=True)))
