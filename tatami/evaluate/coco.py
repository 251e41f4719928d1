"""COCO's average precision and recall: the twelve numbers of its "Detection Evaluation" page.

The rule, separately for each IoU threshold, area range, class and picture:

- The ``100`` best detections, best first, each take the free truth that they fit best, of equals
  the last. A truth that counts goes before an ignored one.
- A truth is ignored if it is a crowd, difficult (VOC's mark, which COCO does not have) or outside
  the area range. A crowd is never used up, and a detection fits it by the part of its own area
  inside it. A detection that takes an ignored truth, or takes none and is itself outside the area
  range, counts neither way.
- Average precision is the mean over 101 recalls of the precision there or beyond; recall is that
  of all the detections. Classes without a truth that counts are left out of every mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from tatami.evaluate.curve import hits_needed
from tatami.evaluate.outcome import Outcome
from tatami.evaluate.pool import Pool
from tatami.rules.boxes import area_xyxy
from tatami.types import Bool, Float64, Int64

IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0, 1, 101)
MAX_DETECTIONS = 100
AREAS = {
    "all": (0.0, 1e10),
    "small": (0.0, 32.0**2),
    "medium": (32.0**2, 96.0**2),
    "large": (96.0**2, 1e10),
}
"""Square pixels, both ends included."""


@dataclass(frozen=True)
class Coco:
    """COCO's twelve numbers; NaN, where COCO prints -1, if there is no truth to find.

    Args:
        ap: The mean over IoU 0.5, 0.55, ... 0.95.
        ap50: Average precision at IoU 0.5.
        ap75: Average precision at IoU 0.75.
        ap_small: ``ap`` of small objects.
        ap_medium: ``ap`` of medium objects.
        ap_large: ``ap`` of large objects.
        ar1: Recall with one detection a picture and class.
        ar10: Recall with ten.
        ar100: Recall with a hundred.
        ar_small: ``ar100`` of small objects.
        ar_medium: ``ar100`` of medium objects.
        ar_large: ``ar100`` of large objects.
        class_ap: (K, 10) float64: average precision of each class at each IoU.
    """

    ap: float
    ap50: float
    ap75: float
    ap_small: float
    ap_medium: float
    ap_large: float
    ar1: float
    ar10: float
    ar100: float
    ar_small: float
    ar_medium: float
    ar_large: float
    class_ap: Float64
    """(K, 10) float64: the average precision of each class at each IoU threshold."""


@dataclass(frozen=True)
class _Fits:
    """Pairs of a detection and a truth that reach the lowest threshold.

    Args:
        detection: (p,) int64, rows of a pool.
        truth: (p,) int64, rows of a pool.
        fit: (p,) float64, the IoU, or the part of the detection's area inside a crowd.
    """

    detection: Int64
    truth: Int64
    fit: Float64


@dataclass(frozen=True)
class _Hits:
    """The hits (h) in one area range: detections that took a truth that counts.

    They are by IoU threshold, then by class, best first. Precision is at its best where a detection
    hits, so those that are wrong need only be counted.

    Args:
        threshold: (h,) int64, which of the ten.
        label: (h,) int64, of the detection.
        rank: (h,) int64, of the detection.
        misses: (h,) int64, how many of the class were wrong before it.
        truths: (K,) int64, those that count.
    """

    threshold: Int64
    label: Int64
    rank: Int64
    misses: Int64
    truths: Int64


def coco(pool: Pool) -> Coco:
    """Compute all twelve numbers of the detections in a pool."""
    rank = _ranks(pool)
    fits = _fits(pool, rank)
    areas = area_xyxy(pool.detections.xyxy)
    hits = {
        name: _hits(pool, rank, _match(pool, rank, fits, areas, *ends))
        for name, ends in AREAS.items()
    }
    # (K, 10) each
    precision = {name: _average_precision(one) for name, one in hits.items()}
    recall = {name: _recall(one, MAX_DETECTIONS) for name, one in hits.items()}
    return Coco(
        ap=_mean(precision["all"]),
        ap50=_mean(precision["all"][:, 0]),
        ap75=_mean(precision["all"][:, 5]),
        ap_small=_mean(precision["small"]),
        ap_medium=_mean(precision["medium"]),
        ap_large=_mean(precision["large"]),
        ar1=_mean(_recall(hits["all"], 1)),
        ar10=_mean(_recall(hits["all"], 10)),
        ar100=_mean(recall["all"]),
        ar_small=_mean(recall["small"]),
        ar_medium=_mean(recall["medium"]),
        ar_large=_mean(recall["large"]),
        class_ap=precision["all"],
    )


def _ranks(pool: Pool) -> Int64:
    """Find the place of each detection among those of its picture and class, from 0: (m,)."""
    group = pool.detection_picture * pool.classes + pool.detections.labels
    order = np.argsort(group, kind="stable")  # the pool is best first within a class
    group = group[order]
    first = np.flatnonzero(np.diff(group, prepend=-1))
    rank = np.empty(len(group), np.int64)
    rank[order] = np.arange(len(group)) - np.repeat(first, np.diff(first, append=len(group)))
    return rank


def _fits(pool: Pool, rank: Int64) -> _Fits:
    pairs = pool.pairs
    fit = np.where(pool.truths.crowd[pairs.truth], pairs.cover, pairs.iou)
    kept = np.flatnonzero((fit >= IOU_THRESHOLDS[0]) & (rank[pairs.detection] < MAX_DETECTIONS))
    return _Fits(pairs.detection[kept], pairs.truth[kept], fit[kept])


@dataclass(frozen=True)
class _Taken:
    """Which truth of the pool (n truths, m detections) each detection takes in one area range.

    Args:
        rows: (q,) int64, the detections that fit some truth at all.
        truth: (10, q) int64, what they take at each IoU threshold, -1 for nothing.
        ignored: (n,) bool, truths that do not count.
        counted: (m,) bool, the detections that are wrong if they take nothing.
    """

    rows: Int64
    truth: Int64
    ignored: Bool
    counted: Bool

    @property
    def hit(self) -> Bool:
        """Which took a truth that counts, (10, q)."""
        hit: Bool = (self.truth >= 0) & ~np.append(self.ignored, False)[self.truth]
        return hit


def outcome50(pool: Pool) -> Outcome:
    """Judge each detection as COCO's AP50 does."""
    rank = _ranks(pool)
    areas = area_xyxy(pool.detections.xyxy)
    taken = _match(pool, rank, _fits(pool, rank), areas, *AREAS["all"])
    hit = np.zeros(len(pool.detections), bool)
    hit[taken.rows] = taken.hit[0]
    counted = taken.counted.copy()
    counted[taken.rows[taken.truth[0] >= 0]] = False
    return Outcome(hit, counted | hit, ~taken.ignored)


def _match(
    pool: Pool, rank: Int64, fits: _Fits, areas: Float64, smallest: float, largest: float
) -> _Taken:
    """Match the detections, of areas (m,), in one area range."""
    truths = pool.truths
    outside = (truths.areas < smallest) | (truths.areas > largest)
    ignored = truths.crowd | truths.difficult | outside
    counted = (areas >= smallest) & (areas <= largest) & (rank < MAX_DETECTIONS)
    rows = np.flatnonzero(np.bincount(fits.detection, minlength=len(pool.detections)))
    return _Taken(rows, _take(rank, fits, ignored, truths.crowd, rows), ignored, counted)


def _hits(pool: Pool, rank: Int64, taken: _Taken) -> _Hits:
    rows, classes = taken.rows, np.arange(pool.classes)
    labels = pool.detections.labels[rows]
    threshold, hit = np.nonzero(taken.hit)
    # How many of a class count before one of ``rows``, less those of them that took something.
    before = np.append(0, np.cumsum(taken.counted))
    before = before[rows] - before[np.searchsorted(pool.detections.labels, classes)][labels]
    took = np.zeros((len(taken.truth), len(rows) + 1), np.int64)
    np.cumsum((taken.truth >= 0) & taken.counted[rows], axis=1, out=took[:, 1:])
    first = np.searchsorted(labels, classes)[labels]
    return _Hits(
        threshold=threshold,
        label=labels[hit],
        rank=rank[rows[hit]],
        misses=before[hit] - (took[threshold, hit] - took[threshold, first[hit]]),
        truths=np.bincount(pool.truths.labels[~taken.ignored], minlength=pool.classes),
    )


def _take(rank: Int64, fits: _Fits, ignored: Bool, crowd: Bool, rows: Int64) -> Int64:
    """Find the truth that each detection in ``rows`` (q,) takes at each threshold, or -1: (10, q).

    Taking is one after the other within a picture and class only. So all detections that are best
    in theirs take together, then all that are second, and so on.
    """
    # By rank, then by detection, then in the order in which the detection would have the truths.
    order = np.lexsort(
        (-fits.truth, -fits.fit, ignored[fits.truth], fits.detection, rank[fits.detection])
    )
    detection, truth, fit = fits.detection[order], fits.truth[order], fits.fit[order]
    reached = fit[:, None] >= IOU_THRESHOLDS  # (p, 10)
    gone = np.zeros((len(ignored), len(IOU_THRESHOLDS)), bool)
    taken = np.full((len(rows), len(IOU_THRESHOLDS)), -1, np.int64)
    place_of = np.searchsorted(rows, detection)

    ends = np.searchsorted(rank[detection], np.arange(MAX_DETECTIONS + 1))
    for start, stop in pairwise(ends.tolist()):
        if start == stop:
            continue
        wanted = truth[start:stop]
        free = reached[start:stop] & ~gone[wanted]
        # The first free pair of each detection at each threshold; `none` if it has no such pair.
        none = stop - start
        takers, segments = np.unique(place_of[start:stop], return_index=True)
        place = np.where(free, np.arange(none)[:, None], none)
        first = np.minimum.reduceat(place, segments, axis=0)  # (takers, 10)
        taker, threshold = np.nonzero(first < none)
        chosen = wanted[first[taker, threshold]]
        taken[takers[taker], threshold] = chosen
        gone[chosen, threshold] = ~crowd[chosen]
    return taken.T


def _average_precision(found: _Hits) -> Float64:
    """Average the precision at the 101 recalls, (K, 10); NaN for a class without truths.

    The n-th hit of a class is where recall n / truths is reached first, so precision at a recall is
    the best of that hit and all after it.
    """
    classes, thresholds = len(found.truths), len(IOU_THRESHOLDS)
    group = found.threshold * classes + found.label  # rising
    hits = np.bincount(group, minlength=thresholds * classes)  # of each group
    start = np.cumsum(hits) - hits
    nth = np.arange(1, len(group) + 1) - start[group]
    precision = nth / (nth + found.misses + np.spacing(1))

    needed = np.tile(hits_needed(found.truths, RECALLS), (thresholds, 1))  # (10 K, 101)
    from_here = start[:, None] + np.minimum(needed - 1, hits[:, None])
    # The best up to the next recall; then, from the right, the best from here on.
    best = np.maximum.reduceat(np.append(precision, 0), from_here.ravel()).reshape(needed.shape)
    best[needed > hits[:, None]] = 0  # beyond the last, nothing
    best = np.maximum.accumulate(best[:, ::-1], axis=1)[:, ::-1]
    result: Float64 = best.mean(axis=1).reshape(thresholds, classes).T
    result[found.truths == 0] = np.nan
    return result


def _recall(found: _Hits, limit: int) -> Float64:
    """Compute the part of the truths found by ``limit`` detections a picture and class, (K, 10)."""
    classes, thresholds = len(found.truths), len(IOU_THRESHOLDS)
    group = (found.threshold * classes + found.label)[found.rank < limit]
    counts = np.bincount(group, minlength=thresholds * classes).reshape(thresholds, classes).T
    result = np.full((classes, thresholds), np.nan)
    np.divide(counts, found.truths[:, None], out=result, where=found.truths[:, None] > 0)
    return result


def _mean(values: Float64) -> float:
    """Average over the classes that have truths; NaN if none has."""
    present = values[~np.isnan(values)]
    return float(present.mean()) if len(present) else np.nan
