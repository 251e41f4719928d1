"""The receiver operating characteristic (ROC): how well scores part positives from negatives.

For a detector it is VOC 2006's measure of image classification (Everingham et al. 2006): a picture
scores for a class what its best detection of that class scores, 0 where there is none. It is
positive if it shows a truth of the class, and is left out if it shows difficult ones only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tatami.evaluate.pool import Pool
from tatami.types import Bool, Float64, Int64

MEAN_STEPS = 500


@dataclass(frozen=True)
class Roc:
    """The points of the curve, by falling threshold, from (0, 0) to (1, 1).

    Args:
        thresholds: (t,) float64, infinity and then each score once: a point counts what scores at
            least that, so that equal scores are never parted.
        true_positives: (t,) int64.
        false_positives: (t,) int64.
    """

    thresholds: Float64
    true_positives: Int64
    false_positives: Int64

    @property
    def positives(self) -> int:
        """How many positives there are."""
        return int(self.true_positives[-1])

    @property
    def negatives(self) -> int:
        """How many negatives there are."""
        return int(self.false_positives[-1])

    @property
    def true_positive_rate(self) -> Float64:
        """The part of the positives that is found, (t,) float64; NaN without any."""
        return _rate(self.true_positives)

    @property
    def false_positive_rate(self) -> Float64:
        """The part of the negatives that is taken for positive, (t,) float64; NaN without any."""
        return _rate(self.false_positives)

    @property
    def auc(self) -> float:
        """The area under the curve by the trapezoid rule; NaN without positives or negatives.

        It is the probability that a positive scores above a negative, ties counted half
        (Mann-Whitney). It is summed in whole numbers, so only the division rounds.
        """
        if self.positives == 0 or self.negatives == 0:
            return np.nan
        steps = np.diff(self.false_positives)
        twice = int((steps * (self.true_positives[1:] + self.true_positives[:-1])).sum())
        return twice / (2 * self.positives * self.negatives)


def roc(scores: Float64, positive: Bool) -> Roc:
    """Compute the curve of some scores.

    Args:
        scores: (n,), a higher one meaning positive.
        positive: (n,), which are positive.

    Raises:
        ValueError: Where the two differ in length or a score is NaN.
    """
    if scores.shape != positive.shape or scores.ndim != 1:
        raise ValueError(f"scores {scores.shape} and labels {positive.shape} are not alike (n,)")
    if np.isnan(scores).any():
        raise ValueError("a score is NaN")
    order = np.argsort(-scores, kind="stable")
    falling = scores[order]
    last = np.flatnonzero(np.append(falling[1:] != falling[:-1], True)[: len(falling)])
    true_positives = np.cumsum(positive[order], dtype=np.int64)[last]
    return Roc(
        np.append(np.inf, falling[last]),
        np.append(0, true_positives),
        np.append(0, last + 1 - true_positives),
    )


@dataclass(frozen=True)
class MeanRoc:
    """The mean of several curves at equal false positive rates, none weighted (macro average).

    At each of MEAN_STEPS + 1 rates, evenly from 0 to 1, it has the mean foot of the curves' steps
    and the mean head.

    Args:
        false_positive_rate: (2 * MEAN_STEPS + 2,) float64.
        true_positive_rate: (2 * MEAN_STEPS + 2,) float64.
        auc: The area under it, which is the mean of theirs.
    """

    false_positive_rate: Float64
    true_positive_rate: Float64
    auc: float


def mean_roc(curves: Sequence[Roc]) -> MeanRoc | None:
    """Average the curves that have positives and negatives; None where none has."""
    defined = [one for one in curves if one.positives and one.negatives]
    if not defined:
        return None
    rates = np.linspace(0, 1, MEAN_STEPS + 1)
    feet, heads = np.zeros(len(rates)), np.zeros(len(rates))
    for one in defined:
        x, y = one.false_positive_rate, one.true_positive_rate
        first = np.searchsorted(x, rates, side="left")  # the first point at or right of a rate
        last = np.searchsorted(x, rates, side="right") - 1  # the last point at or left of it
        width = np.where(first > last, x[first] - x[last], 1)
        between = y[last] + (y[first] - y[last]) * (rates - x[last]) / width
        feet += np.where(first > last, between, y[first])
        heads += np.where(first > last, between, y[last])
    ends = np.stack([feet, heads], axis=1).reshape(-1) / len(defined)
    return MeanRoc(np.repeat(rates, 2), ends, float(np.mean([one.auc for one in defined])))


def class_rocs(pool: Pool) -> tuple[Roc, ...]:
    """Compute the curve of each class over the pictures; a crowd counts as a difficult truth."""
    ignored = pool.truths.difficult | pool.truths.crowd
    result = []
    for label in range(pool.classes):
        rows = pool.detections_of(label)
        scores = np.zeros(pool.pictures)
        np.maximum.at(scores, pool.detection_picture[rows], pool.detections.scores[rows])
        of_class = pool.truths.labels == label
        positive = np.zeros(pool.pictures, bool)
        positive[pool.truth_picture[of_class & ~ignored]] = True
        unsure = np.zeros(pool.pictures, bool)
        unsure[pool.truth_picture[of_class & ignored]] = True
        counted = positive | ~unsure
        result.append(roc(scores[counted], positive[counted]))
    return tuple(result)


def _rate(counts: Int64) -> Float64:
    return counts / counts[-1] if counts[-1] else np.full(len(counts), np.nan)
