"""What each box of a picture is at a score threshold: right, or which kind of mistake.

``diagnosis`` follows a paper and looks at as many detections as there are truths; this looks at
what a user sees, the detections above a threshold, picture by picture. Detections are taken by
falling score. One is, the first that fits:

- right: IoU >= 0.5 with a truth of its class that has no box yet, the one it overlaps best;
- duplicate: the same, but a better box has the truth already;
- wrong class: IoU >= 0.5 with a truth of another class;
- badly placed: 0.1 <= IoU < 0.5 with a truth of its class;
- false: none of these.

A truth is missed where no box is right, of a wrong class or badly placed at it. What lies
on a difficult truth or a crowd counts neither way.

Source: Bolya et al. 2020, "TIDE: A General Toolbox for Identifying Object Detection Errors",
section 2.2, with its error of both class and place among the false ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tatami.evaluate.pool import overlaps
from tatami.types import Bool, Boxes, Detections, Float64, Int64

KINDS = ("missed", "false", "wrong class", "badly placed", "duplicate")
MISSED, FALSE, WRONG_CLASS, BADLY_PLACED, DUPLICATE = KINDS
RIGHT, UNCOUNTED = "right", ""
RIGHT_IOU, NEAR_IOU = 0.5, 0.1


@dataclass(frozen=True)
class Judged:
    """What the boxes of one picture are.

    Args:
        kinds: Of each detection: "right", one of KINDS, or "" where it does not count.
        truth: (m,) int64, the truth that each detection is taken for; -1 for none.
        missed: (n,) bool, which truths are missed.
        unfound: (n,) bool, which truths no detection is taken for: the missed ones, and those that
            have a badly placed box only.
    """

    kinds: tuple[str, ...]
    truth: Int64
    missed: Bool
    unfound: Bool

    @property
    def counts(self) -> dict[str, int]:
        """Count the mistakes of each kind, in the order of KINDS; 0 where there is none."""
        return {
            kind: int(self.missed.sum()) if kind == MISSED else self.kinds.count(kind)
            for kind in KINDS
        }


def judge(truths: Boxes, found: Detections) -> Judged:
    """Say what each box of a picture is.

    Args:
        truths: What is labeled, n boxes.
        found: What was found above the threshold, m boxes.
    """
    iou = _iou(truths, found)
    same = found.labels[:, None] == truths.labels[None]
    ignored = truths.difficult | truths.crowd
    taken = np.zeros(len(truths), bool)
    near = np.zeros(len(truths), bool)
    kinds = [FALSE] * len(found)
    truth = np.full(len(found), -1)
    by_score = np.argsort(-found.scores, kind="stable").tolist() if len(truths) else []
    left = []
    for row in by_score:
        best = _best(iou[row], same[row])
        if iou[row, best] < RIGHT_IOU or not same[row, best]:
            left.append(row)
        elif ignored[best]:
            kinds[row] = UNCOUNTED
        elif taken[best]:
            kinds[row] = DUPLICATE
        else:
            kinds[row], truth[row], taken[best] = RIGHT, best, True
    for row in left:  # only when each right box has its truth
        other = ~same[row]
        free, best = _best(iou[row], other & ~taken & ~ignored), _best(iou[row], other)
        own = _best(iou[row], same[row])
        if iou[row, free] >= RIGHT_IOU and other[free] and not (taken | ignored)[free]:
            kinds[row], truth[row], taken[free] = WRONG_CLASS, free, True
        elif iou[row, best] >= RIGHT_IOU and other[best]:
            kinds[row] = UNCOUNTED if ignored[best] else WRONG_CLASS
        elif iou[row, own] >= NEAR_IOU and same[row, own]:
            kinds[row] = UNCOUNTED if ignored[own] else BADLY_PLACED
            near[own] = True
    unfound = ~taken & ~ignored
    return Judged(tuple(kinds), truth, unfound & ~near, unfound)


def confusion(
    truths: Sequence[Boxes],
    found: Sequence[Detections],
    judged: Sequence[Judged],
    classes: int,
) -> Int64:
    """Count how often boxes of a class are found as a class.

    Args:
        truths: What is labeled in each picture.
        found: What was found above the threshold in each.
        judged: What ``judge`` says of each.
        classes: How many there are, K.

    Returns:
        (K + 1, K + 1): a row for each labeled class, a column for each found one. The last row is
        the background, boxes found where no truth was left to find; the last column is what no box
        was found for.
    """
    counts = np.zeros((classes + 1, classes + 1), np.int64)
    for labeled, boxes, one in zip(truths, found, judged, strict=True):
        counted = np.array([kind != UNCOUNTED for kind in one.kinds], bool)
        rows = np.append(labeled.labels, classes)[one.truth]  # -1 is the background
        np.add.at(counts, (rows[counted], boxes.labels[counted]), 1)
        lost = labeled.labels[one.unfound]
        np.add.at(counts, (lost, np.full(len(lost), classes)), 1)
    return counts


def _iou(truths: Boxes, found: Detections) -> Float64:
    """Compute the IoU of every detection with every truth of a picture, (m, n)."""
    iou = np.zeros((len(found), len(truths)))
    one = (np.zeros(len(truths), np.int64), np.zeros(len(found), np.int64))
    pairs = overlaps(truths.xyxy, one[0], found.xyxy, one[1])
    iou[pairs.detection, pairs.truth] = pairs.iou
    return iou


def _best(iou: Float64, among: Bool) -> int:
    """Find the truth of the largest IoU among some, the first of equals."""
    return int(np.where(among, iou, -1.0).argmax())
