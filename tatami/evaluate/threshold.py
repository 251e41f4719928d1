"""Precision, recall and F1 of a detector that is run at one score threshold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tatami.evaluate.curve import Curve


@dataclass(frozen=True)
class OperatingPoint:
    """What the detections with a score above ``threshold`` get right.

    Precision is NaN where there is no detection, recall NaN where there is no truth, F1 where there
    is neither.

    Args:
        threshold: The score that detections exceed.
        true_positives: How many found a truth.
        false_positives: How many did not.
        truths: How many there are to find.
    """

    threshold: float
    true_positives: int
    false_positives: int
    truths: int

    @property
    def precision(self) -> float:
        """The part of the detections that is right."""
        return _ratio(self.true_positives, self.true_positives + self.false_positives)

    @property
    def recall(self) -> float:
        """The part of the truths that is found."""
        return _ratio(self.true_positives, self.truths)

    @property
    def f1(self) -> float:
        """The harmonic mean of the two, 2 TP / (detections + truths)."""
        return _ratio(
            2 * self.true_positives, self.true_positives + self.false_positives + self.truths
        )


def at_threshold(curve: Curve, threshold: float) -> OperatingPoint:
    """Find the point of the detections whose score exceeds the threshold, as in decoding."""
    count = int(np.searchsorted(-curve.scores, -threshold, side="left"))
    hits = int(curve.true_positives[count - 1]) if count else 0
    return OperatingPoint(threshold, hits, count - hits, curve.truths)


def best_f1(curve: Curve) -> OperatingPoint:
    """Find the point with the best F1; of equal ones, that with the highest threshold.

    The threshold is half-way between the last score above it and the next one below, so that
    rounding it for print does not move a detection across. It is 1 where no detection is right.
    """
    if not len(curve) or curve.true_positives[-1] == 0:
        return at_threshold(curve, 1.0)
    following = np.append(curve.scores[1:], 0.0)
    f1 = 2 * curve.true_positives / (np.arange(1, len(curve) + 1) + curve.truths)
    f1[curve.scores == following] = -1  # no threshold parts equal scores
    last = int(np.argmax(f1))
    return at_threshold(curve, float((curve.scores[last] + following[last]) / 2))


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else np.nan
