"""Classification: how often the label is first, or among the first five, and what is mistaken.

The confusion matrix C has C[i, j] pictures of class i that are predicted as class j; precision and
recall of a class are its diagonal over the column's and the row's sum; the receiver operating
characteristic is of one class against the rest, by the class's own probability.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tatami.evaluate.roc import Roc, roc
from tatami.types import Float32, Int64

TOP = 5


@dataclass(frozen=True)
class ClassResult:
    """The metrics of one class; NaN where they would be 0 / 0.

    Args:
        name: The class.
        pictures: Pictures of this class.
        predicted: Pictures predicted as it, rightly or not.
        precision: The part of those predicted that is right.
        recall: The part of the class's pictures that is found.
        f1: Their harmonic mean.
        roc: Of this class against the rest.
    """

    name: str
    pictures: int
    predicted: int
    precision: float
    recall: float
    f1: float
    roc: Roc


@dataclass(frozen=True)
class Classification:
    """The metrics of a classifier on some pictures.

    Args:
        pictures: How many there are.
        top1: The part whose label is first.
        top5: The part whose label is among the five first.
        confusion: (classes, classes) int64, [label, answer].
        classes: The metrics of each class.
    """

    pictures: int
    top1: float
    top5: float
    confusion: Int64
    classes: tuple[ClassResult, ...]

    @property
    def auc(self) -> float:
        """The mean area under the curve of the classes that have one; NaN without any."""
        areas = [one.roc.auc for one in self.classes if not math.isnan(one.roc.auc)]
        return float(np.mean(areas)) if areas else math.nan

    def to_json(self) -> dict[str, Any]:
        """Give plain values; an undefined number is None."""
        return {
            "pictures": self.pictures,
            "top1": self.top1,
            "top5": self.top5,
            "error": 1 - self.top1,
            "auc": _plain(self.auc),
            "confusion": self.confusion.tolist(),
            "classes": [
                {
                    "name": one.name,
                    "pictures": one.pictures,
                    "taken_for": one.predicted,
                    "precision": _plain(one.precision),
                    "recall": _plain(one.recall),
                    "f1": _plain(one.f1),
                    "auc": _plain(one.roc.auc),
                }
                for one in self.classes
            ],
        }


def evaluate(labels: Int64, scores: Float32, classes: Sequence[str]) -> Classification:
    """Measure a classifier's scores; of equal ones, the class that comes first is the answer.

    Args:
        labels: (n,), index into ``classes``.
        scores: (n, classes).
        classes: The names of the classes.

    Raises:
        ValueError: Where shapes differ, a label is out of range, a score is NaN, or n is 0.
    """
    count = len(classes)
    if scores.shape != (len(labels), count) or not len(labels):
        raise ValueError(f"scores {scores.shape} for {len(labels)} labels of {count} classes")
    if labels.min() < 0 or labels.max() >= count:
        raise ValueError("a label is out of range")
    if np.isnan(scores).any():
        raise ValueError("a score is NaN")
    ranked = np.argsort(-scores, axis=1, kind="stable")[:, :TOP]  # (n, 5)
    hit = ranked == labels[:, None]
    confusion = np.zeros((count, count), np.int64)
    np.add.at(confusion, (labels, ranked[:, 0]), 1)
    results = []
    for label, name in enumerate(classes):
        right = int(confusion[label, label])
        own, taken = int(confusion[label].sum()), int(confusion[:, label].sum())
        curve = roc(scores[:, label].astype(np.float64), labels == label)
        ratios = _ratio(right, taken), _ratio(right, own), _ratio(2 * right, own + taken)
        results.append(ClassResult(name, own, taken, *ratios, curve))
    return Classification(
        len(labels),
        float(hit[:, 0].mean()),
        float(hit.any(axis=1).mean()),
        confusion,
        tuple(results),
    )


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else math.nan


def _plain(value: float) -> float | None:
    return None if math.isnan(value) else value
