"""The curves of an evaluated detector: three kinds, a table and a plot of each."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from tatami.evaluate.detections import Evaluation
from tatami.files import write_atomically
from tatami.see.plots import (
    Curve,
    ReliabilityCurve,
    RocCurve,
    precision_recall,
    reliability_curves,
    roc_curves,
)
from tatami.types import Float64, Int64


def write_curves(folder: Path, result: Evaluation) -> None:
    """Write precision-recall, roc and reliability, each as .csv and .svg, a line a class.

    Classes without truths are in the tables and are not drawn.

    Args:
        folder: Where to; it is made where it is not there.
        result: Metrics with a diagnosis.

    Raises:
        TatamiError: With nothing written, where matplotlib is missing.
    """
    found = result.diagnostics
    if found is None:
        raise ValueError("curves are made of a diagnosis")
    curves = [one.curve for one in result.classes]
    rocs, bins = found.rocs, found.reliabilities
    names = [one.name for one in result.classes]
    drawn = [label for label, one in enumerate(result.classes) if one.truths]
    texts = {
        "precision-recall.svg": precision_recall(
            [
                Curve(names[k], curves[k].recall, curves[k].precision, result.classes[k].ap_voc07)
                for k in drawn
            ]
        ),
        "roc.svg": roc_curves(
            [
                RocCurve(
                    names[k], rocs[k].false_positive_rate, rocs[k].true_positive_rate, rocs[k].auc
                )
                for k in drawn
            ]
        ),
        "reliability.svg": reliability_curves(
            [
                ReliabilityCurve(
                    names[k], bins[k].confidence, bins[k].accuracy, bins[k].expected_error
                )
                for k in drawn
            ]
        ),
        "precision-recall.csv": _csv(
            ("class", "score", "precision", "recall"),
            names,
            [(one.scores, one.precision, one.recall) for one in curves],
        ),
        "roc.csv": _csv(
            ("class", "threshold", "false_positive_rate", "true_positive_rate"),
            names,
            [(one.thresholds, one.false_positive_rate, one.true_positive_rate) for one in rocs],
        ),
        "reliability.csv": _csv(
            ("class", "above", "to", "count", "confidence", "accuracy"),
            names,
            [(b.edges[:-1], b.edges[1:], b.counts, b.confidence, b.accuracy) for b in bins],
        ),
    }
    for name, text in texts.items():
        write_atomically(folder / name, text)


def _csv(
    header: Sequence[str], names: Iterable[str], columns: Iterable[Sequence[Float64 | Int64]]
) -> str:
    """Write a table whose first column is the class; NaN, what does not exist, is empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    for name, of_class in zip(names, columns, strict=True):
        for row in zip(*(column.tolist() for column in of_class), strict=True):
            writer.writerow([name, *("" if cell != cell else cell for cell in row)])
    return text.getvalue()
