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

from tatami.boxes import area_xyxy
from tatami.evaluate.pool import Pool
from tatami.types import Bool, Float, Int

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

    ap: the mean over IoU 0.5, 0.55, ... 0.95; ap50 and ap75 at one of them; ap_small and so on over
    an area range.  ar1, ar10, ar100: recall with that many detections a picture and class.
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
    class_ap: Float
    """(K, 10) float64: the average precision of each class at each IoU threshold."""


@dataclass(frozen=True)
class _Fits:
    """Pairs of a detection and a truth that reach the lowest threshold: rows of a pool, (p,) each.

    fit: (p,) float64, the IoU, or the part of the detection's area inside a crowd.
    """

    detection: Int
    truth: Int
    fit: Float


@dataclass(frozen=True)
class _Outcome:
    """What became of the detections (m) of a pool in one area range, at each IoU threshold.

    hit: (10, m), took a truth that counts.  miss: (10, m), wrong.  truths: (K,) that count.
    """

    hit: Bool
    miss: Bool
    truths: Int


def coco(pool: Pool) -> Coco:
    """All twelve numbers of the detections in a pool."""
    rank = _ranks(pool)
    fits = _fits(pool, rank)
    outcomes = {name: _match(pool, rank, fits, area) for name, area in AREAS.items()}
    # (K, 10) each
    precision = {name: _average_precision(pool, outcome) for name, outcome in outcomes.items()}
    recall = {name: _recall(pool, outcome) for name, outcome in outcomes.items()}
    return Coco(
        ap=_mean(precision["all"]),
        ap50=_mean(precision["all"][:, 0]),
        ap75=_mean(precision["all"][:, 5]),
        ap_small=_mean(precision["small"]),
        ap_medium=_mean(precision["medium"]),
        ap_large=_mean(precision["large"]),
        ar1=_mean(_recall(pool, outcomes["all"], rank < 1)),
        ar10=_mean(_recall(pool, outcomes["all"], rank < 10)),
        ar100=_mean(recall["all"]),
        ar_small=_mean(recall["small"]),
        ar_medium=_mean(recall["medium"]),
        ar_large=_mean(recall["large"]),
        class_ap=precision["all"],
    )


def _ranks(pool: Pool) -> Int:
    """(m,): the place of each detection among those of its picture and class, from 0."""
    group = pool.detection_picture * pool.classes + pool.detections.labels
    order = np.argsort(group, kind="stable")  # the pool is best first within a class
    _, first, count = np.unique(group[order], return_index=True, return_counts=True)
    rank = np.empty(len(group), np.int64)
    rank[order] = np.arange(len(group)) - np.repeat(first, count)
    return rank


def _fits(pool: Pool, rank: Int) -> _Fits:
    pairs = pool.pairs
    fit = np.where(pool.truths.crowd[pairs.truth], pairs.cover, pairs.iou)
    kept = (fit >= IOU_THRESHOLDS[0]) & (rank[pairs.detection] < MAX_DETECTIONS)
    return _Fits(pairs.detection[kept], pairs.truth[kept], fit[kept])


def _match(pool: Pool, rank: Int, fits: _Fits, area: tuple[float, float]) -> _Outcome:
    truths = pool.truths
    outside = (truths.areas < area[0]) | (truths.areas > area[1])
    ignored = truths.crowd | truths.difficult | outside

    taken = _take(rank, fits, ignored, truths.crowd, len(pool.detections))  # (10, m)
    free = taken < 0
    took_ignored = ~free & np.append(ignored, False)[taken]  # -1, none, is the one appended
    detection_areas = area_xyxy(pool.detections.xyxy)
    too_far = (detection_areas < area[0]) | (detection_areas > area[1])
    considered = rank < MAX_DETECTIONS
    return _Outcome(
        hit=~free & ~took_ignored,
        miss=free & ~too_far & considered,
        truths=np.bincount(truths.labels[~ignored], minlength=pool.classes),
    )


def _take(rank: Int, fits: _Fits, ignored: Bool, crowd: Bool, detections: int) -> Int:
    """The truth that each detection takes at each threshold, or -1: (10, detections).

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
    taken = np.full((detections, len(IOU_THRESHOLDS)), -1, np.int64)

    ends = np.searchsorted(rank[detection], np.arange(MAX_DETECTIONS + 1))
    for start, stop in pairwise(ends.tolist()):
        if start == stop:
            continue
        wanted = truth[start:stop]
        free = reached[start:stop] & ~gone[wanted]
        # The first free pair of each detection at each threshold; `none` if it has no such pair.
        none = stop - start
        takers, segments = np.unique(detection[start:stop], return_index=True)
        place = np.where(free, np.arange(none)[:, None], none)
        first = np.minimum.reduceat(place, segments, axis=0)  # (takers, 10)
        taker, threshold = np.nonzero(first < none)
        chosen = wanted[first[taker, threshold]]
        taken[takers[taker], threshold] = chosen
        gone[chosen, threshold] = ~crowd[chosen]
    return taken.T


def _average_precision(pool: Pool, outcome: _Outcome) -> Float:
    """(K, 10): the mean precision at the 101 recalls; NaN for a class without truths."""
    result = np.full((pool.classes, len(IOU_THRESHOLDS)), np.nan)
    for label in np.flatnonzero(outcome.truths).tolist():
        rows = pool.detections_of(label)
        hits = np.cumsum(outcome.hit[:, rows], axis=1)  # (10, detections of the class)
        misses = np.cumsum(outcome.miss[:, rows], axis=1)
        recall = hits / outcome.truths[label]
        precision = hits / (hits + misses + np.spacing(1))
        precision = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        for i in range(len(IOU_THRESHOLDS)):
            at = np.searchsorted(recall[i], RECALLS, side="left")
            result[label, i] = np.append(precision[i], 0)[at].mean()  # beyond the last, nothing
    return result


def _recall(pool: Pool, outcome: _Outcome, counted: Bool | None = None) -> Float:
    """(K, 10): the part of the truths found, by the detections in ``counted`` (m,) if given."""
    hit = outcome.hit if counted is None else outcome.hit & counted
    result = np.full((pool.classes, len(IOU_THRESHOLDS)), np.nan)
    for label in np.flatnonzero(outcome.truths).tolist():
        found = hit[:, pool.detections_of(label)].sum(axis=1)
        result[label] = found / outcome.truths[label]
    return result


def _mean(values: Float) -> float:
    """Over the classes that have truths; NaN if none has."""
    present = values[~np.isnan(values)]
    return float(present.mean()) if len(present) else np.nan
