"""What the best detections of each class are: figure 4 of YOLO (Redmon et al. 2016, section 4.2).

After Hoiem et al. 2012, "Diagnosing Error in Object Detectors", section 2. For a class with N
truths to find, each of the N best detections is one of:

- correct: of the right class, IoU > 0.5;
- localization: of the right class, 0.1 < IoU <= 0.5, or a duplicate, as Hoiem has it;
- similar: IoU > 0.1 with a truth of a similar class;
- other: IoU > 0.1 with a truth of another class;
- background: none of these.

The first that fits is taken. As in VOC's average precision a detection goes to the truth that it
overlaps best, and one that goes to a difficult truth is not among the N. Difficult truths do count
where the class or the place is wrong: what was mistaken for something else is there.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from tatami.evaluate.pool import Pool, overlaps
from tatami.evaluate.voc import outcome
from tatami.types import Bool, Float64, Int64

KINDS = ("correct", "localization", "similar", "other", "background")
CORRECT, LOCALIZATION, SIMILAR, OTHER, BACKGROUND = range(5)
RIGHT_IOU, NEAR_IOU = 0.5, 0.1  # both to be exceeded

VOC_SIMILAR = (
    ("aeroplane", "bicycle", "boat", "bus", "car", "motorbike", "train"),
    ("bird", "cat", "cow", "dog", "horse", "person", "sheep"),
    ("chair", "diningtable", "sofa"),
    ("aeroplane", "bird"),
)
"""Hoiem et al. 2012, section 2; bottle, pottedplant and tvmonitor are like nothing else."""
VOC_ALONE = ("bottle", "pottedplant", "tvmonitor")


@dataclass(frozen=True)
class Diagnosis:
    """What the best detections of each class are.

    Args:
        counts: (K, 5) int64, in the order of KINDS. A row sums to N, or less where less was found.
    """

    counts: Int64

    @property
    def fractions(self) -> Float64:
        """Each row as shares, (K, 5) float64; NaN for a class without a detection to look at."""
        total = self.counts.sum(axis=1, keepdims=True)
        fractions = np.full(self.counts.shape, np.nan)
        np.divide(self.counts, total, out=fractions, where=total > 0)
        return fractions

    @property
    def mean(self) -> Float64:
        """The mean over the classes, (5,) float64, as in the paper's figure; NaN if there is none.

        Classes without a detection to look at are left out.
        """
        present = self.fractions[self.counts.any(axis=1)]
        return present.mean(axis=0) if len(present) else np.full(len(KINDS), np.nan)


def similar_classes(
    classes: Sequence[str], groups: Sequence[Collection[str]] | None = None
) -> Bool:
    """Tell which classes are similar: two different ones of one group.

    Args:
        classes: The names of the classes, K.
        groups: Names that are similar; None: Hoiem's where every class is one of VOC's, otherwise
            none.

    Returns:
        (K, K) bool.

    Raises:
        ValueError: For a name that is no class.
    """
    if groups is None:
        known = {*VOC_ALONE, *(name for group in VOC_SIMILAR for name in group)}
        # A set may have some of VOC's classes only.
        groups = [[*set(group) & set(classes)] for group in VOC_SIMILAR]
        groups = groups if known.issuperset(classes) else []
    similar = np.zeros((len(classes), len(classes)), bool)
    for group in groups:
        unknown = [name for name in group if name not in classes]
        if unknown:
            raise ValueError(f"'{unknown[0]}' is not a class")
        members = [classes.index(name) for name in group]
        similar[np.ix_(members, members)] = True
    np.fill_diagonal(similar, False)
    return similar


def diagnose(pool: Pool, similar: Bool) -> Diagnosis:
    """Look at the best detections of each class.

    Args:
        pool: Truths and detections.
        similar: (K, K), from ``similar_classes``.
    """
    result = outcome(pool, float(np.nextafter(RIGHT_IOU, 1)))  # "above" as "from here on"
    truths = np.bincount(pool.truths.labels[result.to_find], minlength=pool.classes)
    best = [
        np.flatnonzero(result.counted[rows])[: truths[label]] + rows.start
        for label in range(pool.classes)
        for rows in [pool.detections_of(label)]
    ]
    looked_at = np.concatenate([np.empty(0, np.int64), *best])
    labels = pool.detections.labels[looked_at]

    pairs = overlaps(
        pool.truths.xyxy,
        pool.truth_picture,
        pool.detections.xyxy[looked_at],
        pool.detection_picture[looked_at],
    )
    near = pairs.iou > NEAR_IOU
    detection, truth = pairs.detection[near], pairs.truth[near]
    mine, its = labels[detection], pool.truths.labels[truth]
    what = np.where(mine == its, LOCALIZATION, np.where(similar[mine, its], SIMILAR, OTHER))
    kind = np.full(len(looked_at), BACKGROUND)
    np.minimum.at(kind, detection, what)
    kind[result.hit[looked_at]] = CORRECT
    counts = np.bincount(labels * len(KINDS) + kind, minlength=pool.classes * len(KINDS))
    return Diagnosis(counts.reshape(pool.classes, len(KINDS)))
