"""Detections compared with the truth by every metric at once: ``evaluate``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np

from tatami.evaluate.bootstrap import Interval, Intervals, bootstrap
from tatami.evaluate.coco import Coco, coco
from tatami.evaluate.curve import Curve, merged
from tatami.evaluate.diagnosis import KINDS
from tatami.evaluate.diagnostics import Diagnostics, diagnostics
from tatami.evaluate.pool import pool
from tatami.evaluate.threshold import OperatingPoint, at_threshold, best_f1
from tatami.evaluate.voc import all_point, curves, eleven_point, outcome
from tatami.types import Bool, Boxes, Detections, Int64

AbsentClasses = Literal["skip", "zero"]
"""skip: a class without a truth to find is left out of mAP, as VOC's and COCO's devkits do and the
default.  zero: its average precision counts as 0, as in the mAP that darknet prints."""
ABSENT: tuple[AbsentClasses, ...] = ("skip", "zero")


@dataclass(frozen=True)
class ClassEvaluation:
    """The metrics of one class. Average precisions are NaN where it has no truth to find.

    Args:
        name: The class.
        truths: Those to find.
        difficult: VOC's difficult ones and COCO's crowds, which need not be found.
        detections: How many there are.
        ap_voc07: VOC 2007's average precision.
        ap_voc10: VOC 2010's average precision.
        ap_coco: COCO's mean over IoU 0.5 to 0.95.
        ap50_coco: COCO's at IoU 0.5.
        at: Precision, recall and F1 at the score threshold asked for.
        best: The same where F1 is best.
        curve: Counts as the threshold falls.
    """

    name: str
    truths: int
    difficult: int
    detections: int
    ap_voc07: float
    ap_voc10: float
    ap_coco: float
    ap50_coco: float
    at: OperatingPoint
    best: OperatingPoint
    curve: Curve


@dataclass(frozen=True)
class Evaluation:
    """What a detector is worth on some pictures.

    Args:
        pictures: How many there are.
        iou_threshold: Of everything but COCO's numbers.
        classes: The metrics of each class.
        map_voc07: The mean over the classes with truths, or over all; NaN if none has a truth.
        map_voc10: The same of VOC 2010's average precision.
        coco: COCO's twelve numbers, which leave out classes without truths.
        at: Precision, recall and F1 at the score threshold asked for, over the detections of all
            classes alike.
        best: The same where F1 is best.
        curve: Counts as the threshold falls, over the detections of all classes alike.
        intervals: Bootstrap intervals, where they were asked for.
        diagnostics: What lies behind the figures, where it was asked for.
        absent_classes: What becomes of the classes without truths in VOC's means.
    """

    pictures: int
    iou_threshold: float
    classes: tuple[ClassEvaluation, ...]
    map_voc07: float
    map_voc10: float
    coco: Coco
    at: OperatingPoint
    best: OperatingPoint
    curve: Curve
    intervals: Intervals | None = None
    diagnostics: Diagnostics | None = None
    absent_classes: AbsentClasses = "skip"

    @property
    def absent(self) -> tuple[str, ...]:
        """The classes that have no truth to find."""
        return tuple(one.name for one in self.classes if not one.truths)

    def to_json(self, *, with_curves: bool = False) -> dict[str, Any]:
        """Give a tree that json.dumps takes: NaN, for what does not exist, becomes None.

        Args:
            with_curves: Whether to write the curves, too.
        """
        numbers = [f.name for f in fields(Coco) if f.name != "class_ap"]
        classes = [_class(c, with_curves) for c in self.classes]
        further: dict[str, Any] = {}
        if self.intervals is not None:
            further["intervals"] = _intervals(self.intervals)
        if self.diagnostics is not None:
            further["diagnostics"] = _diagnostics(self.diagnostics)
            for label, one in enumerate(classes):
                one |= _class_diagnostics(self.diagnostics, label)
        return {
            "pictures": self.pictures,
            "iou_threshold": self.iou_threshold,
            "map_voc07": _number(self.map_voc07),
            "map_voc10": _number(self.map_voc10),
            "coco": {name: _number(getattr(self.coco, name)) for name in numbers},
            "at": _point(self.at),
            "best": _point(self.best),
            "classes": classes,
            **further,
            **({"curve": _curve(self.curve)} if with_curves else {}),
        }


def evaluate(
    truths: Sequence[Boxes],
    detections: Sequence[Detections],
    classes: Sequence[str],
    *,
    iou_threshold: float = 0.5,
    at: float = 0.25,
    resamples: int = 0,
    similar: Bool | None = None,
    image_ids: Sequence[int] | Sequence[str] | None = None,
    ranks: Sequence[Int64] | None = None,
    absent_classes: AbsentClasses = "skip",
) -> Evaluation:
    """Compute all metrics of the detections of some pictures.

    Args:
        truths: What is labeled in each picture.
        detections: What was found in each, in the same order.
        classes: The names of the classes.
        iou_threshold: For VOC's numbers and for precision, recall and F1.
        at: The score that detections must exceed to enter precision, recall and F1.
        resamples: How many bootstrap resamples; 0: no intervals.
        similar: (K, K), from ``similar_classes``; where it is given, the diagnostics are made too.
        image_ids: The pictures' ids in a COCO set. pycocotools goes through the pictures by their
            ids, so of detections with equal scores the one with the lower id comes first in its
            numbers. None: the pictures are in that order.
        ranks: The place of each picture's detections in the file that they were read from, which
            settles ties everywhere but in COCO's numbers. None: as the pictures are given, and the
            detections of each.
        absent_classes: What becomes of classes without a truth to find in VOC's mAP.

    Raises:
        ValueError: Where lengths, labels or numbers make no sense.
    """
    table = pool(truths, detections, len(classes), ranks)
    by_class = curves(table, outcome(table, iou_threshold))
    everything = merged(by_class)
    order = range(len(truths)) if image_ids is None else np.argsort(image_ids, kind="stable")
    by_id = table
    if ranks is not None or any(place != index for index, place in enumerate(order)):
        by_id = pool([truths[i] for i in order], [detections[i] for i in order], len(classes))
    coco_numbers = coco(by_id)
    ignored = table.truths.difficult | table.truths.crowd
    difficult = np.bincount(table.truths.labels[ignored], minlength=len(classes))
    found = np.bincount(table.detections.labels, minlength=len(classes))
    evaluations = tuple(
        ClassEvaluation(
            name=name,
            truths=curve.truths,
            difficult=int(difficult[label]),
            detections=int(found[label]),
            ap_voc07=eleven_point(curve),
            ap_voc10=all_point(curve),
            ap_coco=float(coco_numbers.class_ap[label].mean()),
            ap50_coco=float(coco_numbers.class_ap[label, 0]),
            at=at_threshold(curve, at),
            best=best_f1(curve),
            curve=curve,
        )
        for label, (name, curve) in enumerate(zip(classes, by_class, strict=True))
    )
    return Evaluation(
        pictures=len(truths),
        iou_threshold=iou_threshold,
        classes=evaluations,
        map_voc07=_mean([c.ap_voc07 for c in evaluations], absent_classes),
        map_voc10=_mean([c.ap_voc10 for c in evaluations], absent_classes),
        coco=coco_numbers,
        at=at_threshold(everything, at),
        best=best_f1(everything),
        curve=everything,
        intervals=bootstrap(
            table, iou_threshold, resamples=resamples, absent_are_zero=absent_classes == "zero"
        )
        if resamples
        else None,
        diagnostics=None if similar is None else diagnostics(table, by_class, similar),
        absent_classes=absent_classes,
    )


def _mean(values: list[float], absent_classes: AbsentClasses) -> float:
    present = [value for value in values if not math.isnan(value)]
    count = len(values) if absent_classes == "zero" else len(present)
    return sum(present) / count if present else math.nan


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value


def _point(point: OperatingPoint) -> dict[str, Any]:
    return {
        "threshold": point.threshold,
        "precision": _number(point.precision),
        "recall": _number(point.recall),
        "f1": _number(point.f1),
        "true_positives": point.true_positives,
        "false_positives": point.false_positives,
        "truths": point.truths,
    }


def _class(result: ClassEvaluation, with_curves: bool) -> dict[str, Any]:
    return {
        "name": result.name,
        "truths": result.truths,
        "difficult": result.difficult,
        "detections": result.detections,
        "ap_voc07": _number(result.ap_voc07),
        "ap_voc10": _number(result.ap_voc10),
        "ap_coco": _number(result.ap_coco),
        "ap50_coco": _number(result.ap50_coco),
        "at": _point(result.at),
        "best": _point(result.best),
        **({"curve": _curve(result.curve)} if with_curves else {}),
    }


def _intervals(found: Intervals) -> dict[str, Any]:
    def ends(interval: Interval) -> list[float | None]:
        return [_number(interval.low), _number(interval.high)]

    return {
        "resamples": found.resamples,
        "seed": found.seed,
        "confidence": found.confidence,
        "map_voc07": ends(found.map_voc07),
        "map_voc10": ends(found.map_voc10),
        "ap50": ends(found.ap50),
    }


def _diagnostics(found: Diagnostics) -> dict[str, Any]:
    mean = found.diagnosis.mean.tolist()
    return {
        "kinds": {kind: _number(part) for kind, part in zip(KINDS, mean, strict=True)},
        "ece": _number(found.reliability.expected_error),
        "roc_auc": _number(found.mean_auc),
    }


def _class_diagnostics(found: Diagnostics, label: int) -> dict[str, Any]:
    counts: Int64 = found.diagnosis.counts[label]
    return {
        "kinds": dict(zip(KINDS, counts.tolist(), strict=True)),
        "ece": _number(found.reliabilities[label].expected_error),
        "roc_auc": _number(found.rocs[label].auc),
    }


def _curve(curve: Curve) -> dict[str, Any]:
    return {
        "scores": curve.scores.tolist(),
        "true_positives": curve.true_positives.tolist(),
        "truths": curve.truths,
    }
