"""What happens as the score threshold falls: counts, precision and recall, one detection a step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tatami.types import Bool, Float64, Int64


@dataclass(frozen=True)
class Curve:
    """Detections that count, best first; those matched to a difficult truth are left out.

    Args:
        scores: (n,) float64, falling.
        true_positives: (n,) int64, how many of the first 1, 2, ... n found a truth.
        truths: How many there are to find.
    """

    scores: Float64
    true_positives: Int64
    truths: int

    def __len__(self) -> int:
        return len(self.scores)

    @property
    def precision(self) -> Float64:
        """The part of the first 1, 2, ... n detections that is right, (n,) float64."""
        return self.true_positives / np.arange(1, len(self) + 1)

    @property
    def recall(self) -> Float64:
        """The part of the truths that the first 1, 2, ... n find, (n,) float64; NaN without any."""
        if self.truths == 0:
            return np.full(len(self), np.nan)
        return self.true_positives / self.truths


def curve(scores: Float64, hits: Bool, truths: int) -> Curve:
    """Make a curve of detections.

    Args:
        scores: (n,), best first.
        hits: (n,), whether each found a truth.
        truths: How many there are to find.
    """
    return Curve(scores, np.cumsum(hits, dtype=np.int64), truths)


def merged(curves: Sequence[Curve]) -> Curve:
    """Merge curves into one over all classes: every detection counts alike (the micro average)."""
    scores = np.concatenate([np.empty(0), *(c.scores for c in curves)])
    hits = np.concatenate(
        [np.empty(0, np.int64), *(np.diff(c.true_positives, prepend=0) for c in curves)]
    )
    order = np.argsort(-scores, kind="stable")
    return curve(scores[order], hits[order] == 1, sum(c.truths for c in curves))


def hits_needed(truths: Int64, recalls: Float64) -> Int64:
    """Compute how many hits, at least 1, reach each recall.

    Args:
        truths: (k,), how many there are to find.
        recalls: (r,), in [0, 1].

    Returns:
        (k, r) int64.
    """
    count = np.maximum(truths, 1)[:, None]
    needed = np.ceil(recalls * count).astype(np.int64)
    # As recall is compared, in floats: the quotient may fall on either side of the recall.
    needed -= (needed - 1) / count >= recalls
    needed += needed / count < recalls
    return np.maximum(needed, 1)
