"""Segmentation: how pixels are classified, how much the areas agree, and their boundaries.

The confusion matrix C has C[i, j] pixels of class i that are predicted as class j; pixels whose
class is not stated (VOID) are not counted. With t the row's sum and f the column's, of a class:

    accuracy = C[i, i] / t      IoU = C[i, i] / (t + f - C[i, i])      Dice = 2 C[i, i] / (t + f)

(Long, Shelhamer and Darrell 2015, section 5; Dice 1945). The means are over the classes that have
such a number: a class that is neither labeled nor found anywhere has none.

The boundary measure F1 is of Csurka, Larlus and Perronnin 2013, "What is a good evaluation measure
for semantic segmentation?", section 3.3: of every picture and class, the share of the found
boundary's pixels that lie within a distance of the labeled boundary, and the other way round.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tatami.types import VOID, Bool, Float64, Int64, Mask

TOLERANCE = 0.0075
"""Of the picture's diagonal: two boundaries that are nearer than this agree."""


@dataclass(frozen=True)
class ClassResult:
    """The metrics of one class; NaN where a number would be 0 / 0.

    Args:
        name: The class.
        pixels: Pixels labeled as it.
        predicted: Pixels predicted as it, rightly or not, among those with a label.
        accuracy: The part of its pixels that is found.
        iou: Intersection over union.
        dice: Dice coefficient.
        boundary_f1: The mean over the pictures in which the class is labeled or found.
    """

    name: str
    pixels: int
    predicted: int
    accuracy: float
    iou: float
    dice: float
    boundary_f1: float


@dataclass(frozen=True)
class Segmentation:
    """The metrics of a segmenter on some pictures.

    Args:
        pictures: How many there are.
        confusion: (classes, classes) int64, [label, answer], in pixels.
        boundary_f1: The mean, over the pictures, of the mean over the classes of the picture.
        classes: The metrics of each class.
    """

    pictures: int
    confusion: Int64
    boundary_f1: float
    classes: tuple[ClassResult, ...]

    @property
    def pixels(self) -> int:
        """Pixels that have a class."""
        return int(self.confusion.sum())

    @property
    def pixel_accuracy(self) -> float:
        """The share of the pixels whose class is found."""
        return _ratio(int(np.trace(self.confusion)), self.pixels)

    @property
    def class_accuracy(self) -> float:
        """The mean accuracy of the classes."""
        return _mean([one.accuracy for one in self.classes])

    @property
    def mean_iou(self) -> float:
        """The mean IoU of the classes."""
        return _mean([one.iou for one in self.classes])

    @property
    def frequency_weighted_iou(self) -> float:
        """The mean IoU, a class weighing as many pixels as it has."""
        if not self.pixels:
            return math.nan
        return sum(one.pixels / self.pixels * one.iou for one in self.classes if one.pixels)

    @property
    def mean_dice(self) -> float:
        """The mean Dice coefficient of the classes."""
        return _mean([one.dice for one in self.classes])

    def to_json(self) -> dict[str, Any]:
        """Give plain values; an undefined number is None."""
        return {
            "pictures": self.pictures,
            "pixels": self.pixels,
            "pixel_accuracy": _plain(self.pixel_accuracy),
            "class_accuracy": _plain(self.class_accuracy),
            "mean_iou": _plain(self.mean_iou),
            "frequency_weighted_iou": _plain(self.frequency_weighted_iou),
            "mean_dice": _plain(self.mean_dice),
            "boundary_f1": _plain(self.boundary_f1),
            "confusion": self.confusion.tolist(),
            "classes": [
                {
                    "name": one.name,
                    "pixels": one.pixels,
                    "taken_for": one.predicted,
                    "accuracy": _plain(one.accuracy),
                    "iou": _plain(one.iou),
                    "dice": _plain(one.dice),
                    "boundary_f1": _plain(one.boundary_f1),
                }
                for one in self.classes
            ],
        }


class Tally:
    """Counts picture after picture, so that no masks need be kept.

    Args:
        classes: The names of the classes.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        count = len(classes)
        self._names = tuple(classes)
        self._confusion: Int64 = np.zeros((count, count), np.int64)
        self._boundaries: list[Float64] = []  # (classes,) F1 of each picture, NaN for none

    def add(self, labeled: Mask, found: Mask) -> Float64:
        """Count one picture's labels and answers.

        Args:
            labeled: (height, width).
            found: (height, width); it may be VOID only where the label is.

        Returns:
            The IoU of each class in this picture alone, (classes,); NaN for one that is neither
            labeled nor found in it.

        Raises:
            ValueError: For shapes that differ and for a class that there is not.
        """
        count = len(self._names)
        if labeled.shape != found.shape or labeled.ndim != 2:
            raise ValueError(f"labels {labeled.shape} and answers {found.shape}")
        stated = labeled != VOID
        label, answer = labeled[stated].astype(np.int64), found[stated].astype(np.int64)
        if label.size and (label.max() >= count or answer.max() >= count):
            raise ValueError("a class is out of range")
        pairs = np.bincount(label * count + answer, minlength=count * count).reshape(count, count)
        self._confusion += pairs
        self._boundaries.append(boundary_f1(labeled, found, count))
        right = np.diag(pairs)
        either = pairs.sum(0) + pairs.sum(1) - right
        agreed: Float64 = np.full(count, math.nan)
        np.divide(right, either, out=agreed, where=either > 0)
        return agreed

    def result(self) -> Segmentation:
        """Compute the metrics of all pictures so far."""
        confusion = self._confusion
        of_pictures = np.array(self._boundaries).reshape(-1, len(self._names))
        results = []
        for label, name in enumerate(self._names):
            right = int(confusion[label, label])
            own, taken = int(confusion[label].sum()), int(confusion[:, label].sum())
            results.append(
                ClassResult(
                    name,
                    own,
                    taken,
                    _ratio(right, own),
                    _ratio(right, own + taken - right),
                    _ratio(2 * right, own + taken),
                    _mean(of_pictures[:, label].tolist()),
                )
            )
        boundary = _mean([_mean(row) for row in of_pictures.tolist()])
        return Segmentation(len(of_pictures), confusion.copy(), boundary, tuple(results))


def boundary_f1(labeled: Mask, found: Mask, classes: int, tolerance: float = TOLERANCE) -> Float64:
    """Compute the F1 of the boundaries in one picture; NaN where a class has none in either mask.

    A class's boundary are its pixels with a neighbor, of the four, of another class. Where the
    label is VOID neither mask has a class, and such pixels are no neighbors. Pixels nearer than
    ``tolerance`` of the picture's diagonal to the other boundary, between centers, agree with it.

    Args:
        labeled: (height, width).
        found: (height, width).
        classes: How many classes there are.
        tolerance: A share of the picture's diagonal.

    Returns:
        (classes,).
    """
    height, width = labeled.shape
    reach = tolerance * math.hypot(width, height)
    answer = np.where(labeled == VOID, VOID, found)
    edges = [_has_other_neighbor(mask) for mask in (labeled, answer)]
    result: Float64 = np.full(classes, math.nan)
    for label in np.union1d(np.unique(labeled), np.unique(answer)).tolist():
        if label >= classes:
            continue
        truth, guess = (
            edge & (mask == label) for edge, mask in zip(edges, (labeled, answer), strict=True)
        )
        if not (truth.any() or guess.any()):
            continue
        precision, recall = _share_near(guess, truth, reach), _share_near(truth, guess, reach)
        both = precision + recall
        result[label] = 2 * precision * recall / both if both else 0.0
    return result


def _has_other_neighbor(mask: Mask) -> Bool:
    """Find the pixels with one of the four beside them of another class, neither of them VOID."""
    edge: Bool = np.zeros(mask.shape, np.bool_)
    for one, other in (
        ((slice(None, -1), slice(None)), (slice(1, None), slice(None))),
        ((slice(None), slice(None, -1)), (slice(None), slice(1, None))),
    ):
        differ = (mask[one] != mask[other]) & (mask[one] != VOID) & (mask[other] != VOID)
        edge[one] |= differ
        edge[other] |= differ
    return edge


def _share_near(pixels: Bool, others: Bool, reach: float) -> float:
    """Compute the share of some pixels that lie nearer than ``reach`` to one of the others.

    Columns first: how far up or down the next of the others is; then, only at the pixels, the
    nearest by Pythagoras among the columns that are near enough. It is 0 of no pixels.
    """
    if not pixels.any() or not others.any():
        return 0.0
    width = others.shape[1]
    down = _vertical_distance(others)
    y, x = np.nonzero(pixels)
    near = np.zeros(len(x), np.bool_)
    for shift in range(-min(width - 1, math.ceil(reach)), min(width - 1, math.ceil(reach)) + 1):
        column = x + shift
        inside = (column >= 0) & (column < width)
        vertical = down[y, np.where(inside, column, 0)]
        near |= inside & (shift * shift + vertical * vertical < reach * reach)
    return float(near.mean())


def _vertical_distance(marked: Bool) -> Float64:
    """Measure to the next marked pixel in the same column, up or down; infinite without one."""
    height = marked.shape[0]
    row = np.arange(height, dtype=np.float64)[:, None]
    above = np.maximum.accumulate(np.where(marked, row, -math.inf), axis=0)
    below = np.minimum.accumulate(np.where(marked, row, math.inf)[::-1], axis=0)[::-1]
    return np.minimum(row - above, below - row)


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else math.nan


def _mean(values: Sequence[float]) -> float:
    """Average those that are numbers; NaN without any."""
    known = [value for value in values if not math.isnan(value)]
    return float(np.mean(known)) if known else math.nan


def _plain(value: float) -> float | None:
    return None if math.isnan(value) else value
