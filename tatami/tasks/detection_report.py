"""What a report's page shows of a detector."""

from __future__ import annotations

from dataclasses import replace

from tatami.data.pictures import read_picture
from tatami.evaluate.detections import Evaluation
from tatami.see.plots import Curve, Panel
from tatami.see.report import ClassResult, Report, Shown, shown_boxes
from tatami.tasks.base import Evaluated
from tatami.tasks.walk import spread
from tatami.types import Dataset, Detector

PANELS = (
    Panel(
        "Loss",
        ("loss", "coordinates", "anchors", "objectness", "background", "classes"),
        logarithmic=True,
    ),
    Panel("Learning rate", ("learning_rate",)),
    Panel("mAP@0.5", ("mAP",)),
)


def detection_page(
    page: Report, detector: Detector, data: Dataset, evaluated: Evaluated[Evaluation]
) -> Report:
    """Add the figures, pictures with boxes, precision-recall curves, and a row a class."""
    result = evaluated.result
    return replace(
        page,
        summary={
            "mAP@0.5 (VOC 2007)": f"{result.map_voc07:.4f}",
            "COCO AP": f"{result.coco.ap:.4f}",
            "best F1": f"{result.best.f1:.4f}",
            **page.summary,
        },
        pictures=_shown(detector, data, evaluated),
        pictures_note=f"{page.pictures_note}, above a score of "
        f"{detector.spec.decoding.score_threshold:g}",
        panels=PANELS,
        curves=[
            Curve(one.name, one.curve.recall, one.curve.precision, one.ap_voc07)
            for one in result.classes
            if one.truths
        ],
        per_class=[
            ClassResult(
                one.name, one.truths, one.ap_voc07, one.at.precision, one.at.recall, one.at.f1
            )
            for one in result.classes
        ],
    )


def _shown(detector: Detector, data: Dataset, evaluated: Evaluated[Evaluation]) -> list[Shown]:
    threshold = detector.spec.decoding.score_threshold
    shown = []
    for place in spread(len(evaluated.places)):
        sample = data.samples[int(evaluated.places[place])]
        found = evaluated.answers[place]
        sure = found.select(found.scores > threshold)
        picture = read_picture(sample.path)
        shown.append(shown_boxes(sample.id, picture, sample.boxes, sure, data.classes))
    return shown
