"""An evaluated detector as tables and lines."""

from __future__ import annotations

from tatami.evaluate.bootstrap import Interval
from tatami.evaluate.detections import Evaluation
from tatami.evaluate.diagnosis import KINDS
from tatami.evaluate.diagnostics import Diagnostics
from tatami.tasks.walk import figure, percent
from tatami.types.table import Table, numbers, words


def figures_table(result: Evaluation) -> Table:
    """Give a row a class and one for all."""
    rows = [
        (
            c.name,
            *map(figure, (c.ap_voc07, c.ap_voc10, c.ap50_coco)),
            *map(figure, (c.at.precision, c.at.recall, c.at.f1)),
            str(c.truths),
            str(c.detections),
        )
        for c in result.classes
    ]
    total = (
        "all",
        *map(figure, (result.map_voc07, result.map_voc10, result.coco.ap50)),
        *map(figure, (result.at.precision, result.at.recall, result.at.f1)),
        str(sum(c.truths for c in result.classes)),
        str(sum(c.detections for c in result.classes)),
    )
    return Table(
        (
            words("class", flexible=True),
            *numbers("VOC07", "VOC10", "AP50", "prec.", "recall", "F1", "truths", "found"),
        ),
        tuple(rows),
        total,
        caption=f"VOC, precision, recall, F1 at IoU {result.iou_threshold:g}; "
        f"the last three of scores above {result.at.threshold:g}",
    )


def diagnostics_table(result: Evaluation, found: Diagnostics) -> Table:
    """Give the kinds of errors, calibration and ROC: a row a class, and one for all."""
    shown = {"localization": "localiz.", "background": "backgr."}
    kinds = (shown.get(kind, kind) for kind in KINDS)
    counts = found.diagnosis.counts.sum(axis=1).tolist()
    rows = [
        (
            one.name,
            *map(percent, found.diagnosis.fractions[label].tolist()),
            str(counts[label]),
            figure(found.reliabilities[label].expected_error),
            figure(found.rocs[label].auc),
        )
        for label, one in enumerate(result.classes)
    ]
    total = (
        "all",
        *map(percent, found.diagnosis.mean.tolist()),
        str(sum(counts)),
        figure(found.reliability.expected_error),
        figure(found.mean_auc),
    )
    return Table(
        (words("class", flexible=True), *numbers(*kinds, "of", "ECE", "ROC AUC")),
        tuple(rows),
        total,
        caption="the best detections, as many as there are truths, by kind (Hoiem 2012); "
        "kinds and AUC of all: means over classes; "
        f"ECE at IoU {result.iou_threshold:g}; ROC of pictures (VOC 2006)",
    )


def figures_lines(result: Evaluation) -> list[str]:
    """Say the figures over all classes, a line each."""
    coco, best, ends = result.coco, result.best, result.intervals
    voc07, voc10, ap50 = (
        ("", "", "")
        if ends is None
        else map(_interval, (ends.map_voc07, ends.map_voc10, ends.ap50))
    )
    lines = [
        f"{result.pictures} pictures",
        f"mAP  VOC 2007 {figure(result.map_voc07)}{voc07}   "
        f"VOC 2010 {figure(result.map_voc10)}{voc10}",
        f"COCO AP {figure(coco.ap)}   AP50 {figure(coco.ap50)}{ap50}   AP75 {figure(coco.ap75)}",
        f"COCO AR 1, 10, 100 detections {_figures(coco.ar1, coco.ar10, coco.ar100)}",
        "COCO small, medium, large "
        f"AP {_figures(coco.ap_small, coco.ap_medium, coco.ap_large)}   "
        f"AR {_figures(coco.ar_small, coco.ar_medium, coco.ar_large)}",
    ]
    if best.true_positives:
        lines.append(
            f"best F1 {figure(best.f1)} at a score above {best.threshold:.3f}: "
            f"precision {figure(best.precision)}, recall {figure(best.recall)}"
        )
    if result.absent and len(result.absent) < len(result.classes):
        done = "counted as 0 in" if result.absent_classes == "zero" else "left out of"
        count = f"{len(result.absent)} of {len(result.classes)}"
        lines.append(f"classes without truths: {count}, {done} VOC's mAP")
    if ends is not None:
        lines.append(
            f"in brackets: the middle {ends.confidence:.0%} of {ends.resamples} resamples "
            "of the pictures"
        )
    return lines


def _interval(interval: Interval) -> str:
    return f" [{figure(interval.low)} {figure(interval.high)}]"


def _figures(*values: float) -> str:
    return " ".join(figure(value) for value in values)
