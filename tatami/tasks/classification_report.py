"""What a report's page shows of a classifier."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from tatami.evaluate.classification import Classification
from tatami.evaluate.mistakes import WRONG_CLASS
from tatami.evaluate.roc import mean_roc
from tatami.see.plots import Panel, RocCurve
from tatami.see.report import Mistakes, Report, Shown, shown_boxes
from tatami.see.rows import ClassResult
from tatami.tasks.base import Evaluated
from tatami.tasks.walk import CONFUSED, worst_first
from tatami.types import Boxes, Detections, Float32, LabeledPictures

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
    """Add the figures, the worst pictures, ROC curves, a row a class, what is mistaken."""
    result = evaluated.result
    many = len(result.classes) > ROCS
    wrong = [_mistakes(data, evaluated, number) for number in range(len(evaluated.places))]
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
        pictures=_shown(data, evaluated, wrong),
        mistakes=Mistakes(
            len(wrong),
            sum(not any(one.values()) for one in wrong),
            {WRONG_CLASS: sum(one[WRONG_CLASS] for one in wrong)},
        ),
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


def _mistakes(
    data: LabeledPictures, evaluated: Evaluated[Classification], number: int
) -> dict[str, int]:
    """Say whether another class than a picture's own is the likeliest."""
    label = data.labels[int(evaluated.places[number])]
    return {WRONG_CLASS: int(int(evaluated.answers[number].argmax()) != label)}


def _shown(
    data: LabeledPictures,
    evaluated: Evaluated[Classification],
    wrong: Sequence[Mapping[str, int]],
) -> list[Shown]:
    """Draw a picture's class around all of it; what is most surely wrong comes first.

    Those that are right follow, the least sure first.
    """
    doubt = []
    for scores, place, one in zip(evaluated.answers, evaluated.places, wrong, strict=True):
        best, own = float(scores.max()), float(scores[data.labels[int(place)]])
        doubt.append(best - own if one[WRONG_CLASS] else -best)
    return [
        shown_class(data, int(evaluated.places[number]), evaluated.answers[number], wrong[number])
        for number in worst_first(wrong, doubt)
    ]


def shown_class(
    data: LabeledPictures, place: int, scores: Float32, mistakes: Mapping[str, int]
) -> Shown:
    """Draw the class of a picture around all of it, and the one that was found.

    Args:
        data: The split.
        place: Of the picture in it.
        scores: Of the classes, (classes,).
        mistakes: How many of each kind there are.
    """
    picture = data.read(place)
    whole = [[0, 0, picture.shape[1], picture.shape[0]]]
    best, label = int(scores.argmax()), data.labels[place]
    return shown_boxes(
        data.ids[place],
        picture,
        Boxes.of(whole, [label]),
        Detections.of(whole, [scores[best]], [best]),
        data.classes,
        words=(
            f"labeled: {data.classes[label]}, at {scores[label]:.2f}",
            f"found: {data.classes[best]}, at {scores[best]:.2f}",
        ),
        mistakes=mistakes,
    )


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
