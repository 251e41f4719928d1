"""What ``tatami evaluate --diagnose`` asks and prints: a row a class, and one for all."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from rich import box
from rich.markup import escape
from rich.table import Table

from tatami.errors import TatamiError
from tatami.evaluate.detections import Evaluation
from tatami.evaluate.diagnosis import KINDS, similar_classes
from tatami.evaluate.diagnostics import Diagnostics
from tatami.types import Bool, Detections

WIDTH = 80


def asked_similar(classes: Sequence[str], groups: Sequence[str]) -> Bool:
    """(K, K): the classes that are alike, of groups as ``cat,dog``; VOC's own where none is given.

    Raises TatamiError for a name that is no class.
    """
    try:
        return similar_classes(classes, [g.split(",") for g in groups] if groups else None)
    except ValueError as error:
        raise TatamiError(
            f"--similar: {error}", hint="give names of the data's classes, as cat,dog"
        ) from error


def check_scores(detections: Iterable[Detections]) -> None:
    """Raise TatamiError where a score is not in 0 to 1, and so has no calibration."""
    for found in detections:
        wrong = found.scores[(found.scores < 0) | (found.scores > 1)]
        if len(wrong):
            raise TatamiError(
                f"a score of {wrong[0]:g} is no probability",
                hint="leave out --diagnose and --curves, or scale the scores to 0 to 1",
            )


def diagnostics_table(result: Evaluation, found: Diagnostics) -> Table:
    """At most 80 columns wide."""
    table = Table(box=box.SIMPLE, pad_edge=False, padding=(0, 1, 0, 0), width=WIDTH)
    table.add_column("class", overflow="ellipsis", no_wrap=True, ratio=1)
    shown = {"localization": "localiz.", "background": "backgr."}
    for name in (*(shown.get(kind, kind) for kind in KINDS), "of", "ECE", "ROC AUC"):
        table.add_column(name, justify="right", no_wrap=True)
    counts = found.diagnosis.counts.sum(axis=1).tolist()
    for label, one in enumerate(result.classes):
        table.add_row(
            escape(one.name),
            *map(_percent, found.diagnosis.fractions[label].tolist()),
            str(counts[label]),
            _figure(found.reliabilities[label].expected_error),
            _figure(found.rocs[label].auc),
        )
    table.add_section()
    table.add_row(
        "all",
        *map(_percent, found.diagnosis.mean.tolist()),
        str(sum(counts)),
        _figure(found.reliability.expected_error),
        _figure(found.mean_auc),
    )
    table.caption = (
        "the best detections, as many as there are truths, by kind (Hoiem 2012); "
        "kinds and AUC of all: means over classes; "
        f"ECE at IoU {result.iou_threshold:g}; ROC of pictures (VOC 2006)"
    )
    return table


def _percent(part: float) -> str:
    return "-" if math.isnan(part) else f"{100 * part:.1f} %"


def _figure(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.4f}"
