"""Bootstrap intervals: how far a mAP may move by the luck of which pictures were drawn.

As many pictures as the set has are drawn with replacement, again and again, and the middle 95 % of
the mAPs are the interval (Efron and Tibshirani 1993, section 13.3, the percentile interval).

Which truth a detection takes is settled within its picture, so it is settled once: a draw only
gives each picture a weight. Copies of a picture lie side by side, so among equal scores of a class
the order is by picture, then as detected, then by copy.

Average precision takes the best of what follows, which fewer distinct pictures make rougher: the
mAPs of draws lie a little above the set's own where classes have few truths, and so may the
interval. It is not corrected for that.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from tatami.evaluate.coco import RECALLS, outcome50
from tatami.evaluate.curve import hits_needed
from tatami.evaluate.outcome import Outcome
from tatami.evaluate.pool import Pool
from tatami.evaluate.voc import outcome
from tatami.types import Float64, Int64

CONFIDENCE = 0.95
RECALLS07 = np.arange(11, dtype=np.float64) * 0.1
_BLOCK = 1 << 22  # weights looked up at a time, so that memory stays bounded
_EPSILON = float(np.spacing(1))  # pycocotools adds it to the detections


@dataclass(frozen=True)
class Interval:
    """Both ends of an interval; NaN where there is nothing to find.

    Args:
        low: The lower end.
        high: The upper end.
    """

    low: float
    high: float


@dataclass(frozen=True)
class Intervals:
    """The middle part of the mAPs of all resamples.

    Args:
        resamples: How many there were.
        seed: They were drawn with.
        confidence: Which part, in [0, 1].
        map_voc07: VOC 2007's mAP at the IoU threshold asked for.
        map_voc10: VOC 2010's mAP at the IoU threshold asked for.
        ap50: COCO's AP50.
    """

    resamples: int
    seed: int
    confidence: float
    map_voc07: Interval
    map_voc10: Interval
    ap50: Interval


def bootstrap(
    pool: Pool,
    iou_threshold: float = 0.5,
    *,
    resamples: int = 1000,
    seed: int = 0,
    absent_are_zero: bool = False,
) -> Intervals:
    """Compute the intervals; resamples without any truth have no mAP and are left out.

    Args:
        pool: Truths and detections.
        iou_threshold: Of VOC's mAPs, in (0, 1].
        resamples: How many bootstrap resamples, at least 1.
        seed: They are drawn with.
        absent_are_zero: Whether a class without truths counts as 0 in VOC's mAPs.

    Raises:
        ValueError: For an impossible number of resamples or threshold.
    """
    if resamples < 1:
        raise ValueError(f"{resamples} resamples")
    rng = np.random.default_rng(seed)
    by_voc, by_coco = outcome(pool, iou_threshold), outcome50(pool)
    step = max(1, _BLOCK // max(1, pool.pictures, *_class_sizes(pool)))
    blocks = [
        _maps(pool, by_voc, by_coco, _weights(rng, pool.pictures, stop - start), absent_are_zero)
        for start, stop in pairwise([*range(0, resamples, step), resamples])
    ]
    ends = [_interval(column) for column in np.concatenate(blocks).T]
    return Intervals(resamples, seed, CONFIDENCE, *ends)


def resampled_maps(pool: Pool, weights: Int64, iou_threshold: float = 0.5) -> Float64:
    """Compute VOC 2007's and VOC 2010's mAP and COCO's AP50 of weighted pictures.

    Args:
        pool: Truths and detections.
        weights: (B, pictures) int64, how often each resample has each picture.
        iou_threshold: Of VOC's mAPs.

    Returns:
        (B, 3) float64; NaN without truths.
    """
    return _maps(pool, outcome(pool, iou_threshold), outcome50(pool), weights)


def _weights(rng: np.random.Generator, pictures: int, resamples: int) -> Int64:
    """Draw how often each resample has each picture: (resamples, pictures).

    Each row sums to ``pictures``.
    """
    if pictures == 0:
        return np.zeros((resamples, 0), np.int64)
    drawn = rng.integers(0, pictures, (resamples, pictures))
    drawn += np.arange(resamples)[:, None] * pictures
    counts = np.bincount(drawn.ravel(), minlength=resamples * pictures)
    return counts.reshape(resamples, pictures)


def _maps(
    pool: Pool,
    by_voc: Outcome,
    by_coco: Outcome,
    weights: Int64,
    absent_are_zero: bool = False,
) -> Float64:
    """Compute the means over the classes with truths, VOC's perhaps over all, (B, 3)."""
    voc = list(_classes(pool, by_voc, weights))
    columns = (
        [one.at_recalls(RECALLS07, 0.0) for one in voc],
        [one.area() for one in voc],
        [one.at_recalls(RECALLS, _EPSILON) for one in _classes(pool, by_coco, weights)],
    )
    over_all = (absent_are_zero, absent_are_zero, False)
    means = [
        _mean(np.array(column), len(weights), every)
        for column, every in zip(columns, over_all, strict=True)
    ]
    return np.stack(means, axis=1)


@dataclass(frozen=True)
class _Weighted:
    """The h hits of one class, best first, in each of B resamples.

    Precision is at its best at the last copy of a hit, and recall rises at hits only, so no other
    detection needs to be looked at; a hit that is not there is as good as the one before it at
    best, and at no higher recall.

    Args:
        gains: (h, B) int64, how often each hit is there.
        ranks: (h, B) int64, how many detections count up to it.
        truths: (B,) int64.
    """

    gains: Int64
    ranks: Int64
    truths: Int64

    def best(self, epsilon: float) -> Float64:
        """Compute the best precision at each hit or after it, (h, B)."""
        hits = np.cumsum(self.gains, axis=0)
        precision = hits / np.maximum(self.ranks + epsilon, _EPSILON)  # 0 / 0 is 0 here
        best: Float64 = np.maximum.accumulate(precision[::-1], axis=0)[::-1]
        return best

    def area(self) -> Float64:
        """Compute VOC 2010's average precision, (B,); NaN without truths."""
        return self._or_nan((self.gains * self.best(0)).sum(axis=0) / np.maximum(self.truths, 1))

    def at_recalls(self, recalls: Float64, epsilon: float) -> Float64:
        """Average the best precision from each recall (r,) on, (B,); NaN without truths."""
        count = len(self.truths)
        hits = np.cumsum(self.gains, axis=0).T  # (B, h)
        # One search for all resamples: a stride apart, they are one rising sequence.
        stride = max(int(self.truths.max(initial=0)), 1) + 1
        offset = np.arange(count)[:, None] * stride
        needed = hits_needed(self.truths, recalls) + offset
        place = np.searchsorted((hits + offset).ravel(), needed.ravel()).reshape(needed.shape)
        place -= np.arange(count)[:, None] * hits.shape[1]
        beyond = np.zeros((1, count))  # after the last hit, nothing
        best = np.concatenate([self.best(epsilon), beyond])
        return self._or_nan(best[place, np.arange(count)[:, None]].mean(axis=1))

    def _or_nan(self, values: Float64) -> Float64:
        return np.where(self.truths > 0, values, np.nan)


def _classes(pool: Pool, outcome: Outcome, weights: Int64) -> Iterator[_Weighted]:
    by_picture = np.ascontiguousarray(weights.T)  # (pictures, B)
    truth_picture = pool.truth_picture[outcome.to_find]
    truth_label = pool.truths.labels[outcome.to_find]
    for label in range(pool.classes):
        rows = np.arange(len(outcome.hit))[pool.detections_of(label)]
        rows = rows[outcome.counted[rows]]
        hits = np.flatnonzero(outcome.hit[rows])
        picture = pool.detection_picture[rows]
        # From one hit to the next: what lies between, and it.
        up_to_last = picture[: hits[-1] + 1] if len(hits) else picture[:0]
        starts = np.append(0, hits[:-1] + 1) if len(hits) else hits
        between = np.add.reduceat(by_picture[up_to_last], starts, axis=0)
        truths = np.bincount(truth_picture[truth_label == label], minlength=pool.pictures)
        yield _Weighted(
            by_picture[picture[hits]],
            np.cumsum(between, axis=0),
            weights @ truths,
        )


def _class_sizes(pool: Pool) -> list[int]:
    return [int(n) for n in np.bincount(pool.detections.labels, minlength=pool.classes)]


def _mean(values: Float64, count: int, over_all: bool = False) -> Float64:
    """Average over the classes (K, B) that are not NaN, or over all; (B,); NaN where all are."""
    values = values.reshape(-1, count)
    present = ~np.isnan(values)
    total, number = np.where(present, values, 0).sum(axis=0), present.sum(axis=0)
    divisor = np.full_like(number, len(values)) if over_all else number
    return np.where(number > 0, total / np.maximum(divisor, 1), np.nan)


def _interval(values: Float64) -> Interval:
    values = values[~np.isnan(values)]
    if len(values) == 0:
        return Interval(np.nan, np.nan)
    low, high = np.quantile(values, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Interval(float(low), float(high))
