"""What a report's page shows of a classifier."""

from __future__ import annotations

import math
from dataclasses import replace

from tatami.evaluate.classification import Classification
from tatami.evaluate.roc import mean_roc
from tatami.see.plots import Panel, RocCurve
from tatami.see.report import ClassResult, Report, Shown, shown_boxes
from tatami.tasks.base import Evaluated
from tatami.tasks.walk import CONFUSED, spread
from tatami.types import Boxes, Detections, LabeledPictures

ROCS = 10
"""Classes whose curves are drawn; of more, those with the least areas."""
PANELS = (
    Panel("Loss", ("loss",), logarithmic=True),
    Panel("Learning rate", ("learning_rate",)),
    Panel("top-1", ("top1",)),
)


def classification_page(
    page: Report, data: LabeledPictures, evaluated: Evaluated[Classification]
) -> Report:
    """Add the figures, pictures with their classes, ROC curves, a row a class, what is mistaken."""
    result = evaluated.result
    many = len(result.classes) > ROCS
    return replace(
        page,
        measure="top-1",
        summary={
            "top-1": f"{result.top1:.4f}",
            "top-5": f"{result.top5:.4f}",
            "error": f"{100 * (1 - result.top1):.2f} %",
            "mean AUC": f"{result.auc:.4f}",
            **page.summary,
        },
        pictures=_shown(data, evaluated),
        panels=PANELS,
        per_class=[
            ClassResult(
                one.name,
                one.pictures,
                math.nan,
                one.precision,
                one.recall,
                one.f1,
                one.roc.auc,
            )
            for one in result.classes
        ],
        rocs=rocs_of(result),
        curves_note=f"ROC: the mean of the classes, and the {ROCS} of them with the least areas."
        if many
        else "",
        confusion=result.confusion.tolist() if len(result.classes) <= CONFUSED else (),
    )


def _shown(data: LabeledPictures, evaluated: Evaluated[Classification]) -> list[Shown]:
    """Draw a picture's class around all of it."""
    shown = []
    for number in spread(len(evaluated.places)):
        place, scores = int(evaluated.places[number]), evaluated.answers[number]
        picture = data.read(place)
        whole = [[0, 0, picture.shape[1], picture.shape[0]]]
        best = int(scores.argmax())
        truth = Boxes.of(whole, [data.labels[place]])
        found = Detections.of(whole, [scores[best]], [best])
        shown.append(shown_boxes(data.ids[place], picture, truth, found, data.classes))
    return shown


def rocs_of(result: Classification) -> list[RocCurve]:
    """Give the mean curve of all classes, and the classes' own, or the worst of many."""
    mean = mean_roc([one.roc for one in result.classes])
    if mean is None:
        return []
    defined = [one for one in result.classes if not math.isnan(one.roc.auc)]
    worst = sorted(defined, key=lambda one: one.roc.auc)[:ROCS]
    shown = defined if len(result.classes) <= ROCS else worst
    return [
        RocCurve(
            "mean of the classes", mean.false_positive_rate, mean.true_positive_rate, mean.auc
        ),
        *(
            RocCurve(one.name, one.roc.false_positive_rate, one.roc.true_positive_rate, one.roc.auc)
            for one in shown
        ),
    ]
