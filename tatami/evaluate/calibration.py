"""Whether a score can be read as a probability: Guo et al. 2017, section 2.

Scores are put into bins of equal width; in each, the mean score (confidence) is compared with the
part that is right (accuracy). A detection is right when it finds a truth at the IoU threshold;
those that match a difficult truth do not count.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tatami.evaluate.curve import Curve
from tatami.types import Bool, Float64, Int64

BINS = 15  # as in the paper


@dataclass(frozen=True)
class Reliability:
    """Bins by rising score: ((i - 1) / b, i / b] for i from 1 to b; the first holds 0 too.

    Args:
        counts: (b,) int64, scores in each bin.
        confidence: (b,) float64, their mean, in [0, 1]; NaN for an empty bin.
        accuracy: (b,) float64, the part that is right, in [0, 1]; NaN for an empty bin.
    """

    counts: Int64
    confidence: Float64
    accuracy: Float64

    @property
    def edges(self) -> Float64:
        """The bins' edges, (b + 1,) float64."""
        return _edges(len(self.counts))

    @property
    def expected_error(self) -> float:
        """The expected calibration error, ECE; NaN without any score.

        It is the mean over all scores of their bin's |accuracy - confidence|.
        """
        total = int(self.counts.sum())
        if total == 0:
            return np.nan
        gap = np.nan_to_num(np.abs(self.accuracy - self.confidence))  # an empty bin weighs nothing
        return float((self.counts * gap).sum() / total)


def reliability(scores: Float64, right: Bool, bins: int = BINS) -> Reliability:
    """Put scores into bins.

    Args:
        scores: (n,), in [0, 1].
        right: (n,), whether each is right.
        bins: How many.

    Raises:
        ValueError: Where the two differ in length, a score is not in 0 to 1, or there is no bin.
    """
    if scores.shape != right.shape or scores.ndim != 1:
        raise ValueError(f"scores {scores.shape} and outcomes {right.shape} are not alike (n,)")
    if not ((scores >= 0) & (scores <= 1)).all():
        raise ValueError("a score is not in 0 to 1")
    if bins < 1:
        raise ValueError(f"{bins} bins")
    place = np.maximum(np.searchsorted(_edges(bins), scores, side="left") - 1, 0)
    counts = np.bincount(place, minlength=bins)
    with np.errstate(invalid="ignore"):  # 0 / 0, an empty bin
        confidence = np.bincount(place, scores, bins) / counts
        accuracy = np.bincount(place, right, bins) / counts
    return Reliability(counts, confidence, accuracy)


def curve_reliability(curve: Curve, bins: int = BINS) -> Reliability:
    """Put the detections of a curve into bins.

    Raises:
        ValueError: As for ``reliability``.
    """
    return reliability(curve.scores, np.diff(curve.true_positives, prepend=0) > 0, bins)


def _edges(bins: int) -> Float64:
    return np.linspace(0, 1, bins + 1)
