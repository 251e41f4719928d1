"""PASCAL VOC's average precision: Everingham et al. 2010, section 4.2, and the later devkits.

A detection goes to the truth of its class that it overlaps best, of equals the first, and to no
other. Where their IoU reaches the threshold it is right, unless a better-scored detection had that
truth already: a duplicate is wrong. One that goes to a difficult truth counts neither way, however
often that happens, and difficult truths are not among those to be found. (A crowd, which VOC does
not have, is treated as a difficult truth.)
"""

from __future__ import annotations

import numpy as np

from tatami.evaluate.curve import Curve, curve
from tatami.evaluate.outcome import Outcome
from tatami.evaluate.pool import Pool


def outcome(pool: Pool, iou_threshold: float = 0.5) -> Outcome:
    """Judge the detections of a pool by the rule above.

    Args:
        pool: Truths and detections.
        iou_threshold: In (0, 1].

    Raises:
        ValueError: For another threshold.
    """
    if not 0 < iou_threshold <= 1:
        raise ValueError(f"an IoU threshold is above 0 and at most 1, not {iou_threshold}")
    pairs = pool.pairs
    ignored_truth = pool.truths.difficult | pool.truths.crowd

    # The best truth of each detection comes first, of equals the first one.
    order = np.lexsort((pairs.truth, -pairs.iou, pairs.detection))
    detection, best = np.unique(pairs.detection[order], return_index=True)
    truth, iou = pairs.truth[order][best], pairs.iou[order][best]
    reached = iou >= iou_threshold
    detection, truth = detection[reached], truth[reached]

    # Detections are best first, so the first one at a truth is the one that gets it.
    _, first = np.unique(truth, return_index=True)
    hit = np.zeros(len(pool.detections), bool)
    hit[detection[first]] = True
    counted = np.ones(len(pool.detections), bool)
    counted[detection[ignored_truth[truth]]] = False
    return Outcome(hit & counted, counted, ~ignored_truth)


def curves(pool: Pool, outcome: Outcome) -> tuple[Curve, ...]:
    """Compute the curve of each class.

    Args:
        pool: Truths and detections.
        outcome: How the detections were judged.
    """
    truths = np.bincount(pool.truths.labels[outcome.to_find], minlength=pool.classes)
    result = []
    for label in range(pool.classes):
        rows = pool.detections_of(label)
        counted = outcome.counted[rows]
        scores = pool.detections.scores[rows][counted]
        result.append(curve(scores, outcome.hit[rows][counted], int(truths[label])))
    return tuple(result)


def eleven_point(curve: Curve) -> float:
    """Compute VOC 2007's average precision; NaN where there is nothing to find.

    It is the mean over recall 0, 0.1, ... 1 of the best precision at that recall or beyond.
    """
    if curve.truths == 0:
        return np.nan
    best = np.append(_best_from_here_on(curve), 0)  # beyond the last detection, nothing
    # In floats, as every evaluator that we are compared with: 9 of 15 truths, a recall of 0.6, do
    # not reach 6 * 0.1, which is a last bit more. That can cost a few hundredths on small sets.
    steps = np.searchsorted(curve.recall, np.arange(11) * 0.1, side="left")
    return float(best[steps].mean())


def all_point(curve: Curve) -> float:
    """Compute VOC 2010's average precision; NaN where there is nothing to find.

    It is the area under the curve, precision made falling from the right.
    """
    if curve.truths == 0:
        return np.nan
    gains = np.diff(curve.true_positives, prepend=0) / curve.truths
    return float((gains * _best_from_here_on(curve)).sum())


def _best_from_here_on(curve: Curve) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Compute the best precision at each recall or a higher one, (n,)."""
    return np.maximum.accumulate(curve.precision[::-1])[::-1]
