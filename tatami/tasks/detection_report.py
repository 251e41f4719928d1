"""What a report's page shows of a detector."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tatami.data.pictures import read_picture
from tatami.evaluate import mistakes
from tatami.evaluate.detections import Evaluation
from tatami.evaluate.mistakes import KINDS, MISSED, RIGHT, Judged, judge
from tatami.see.plots import Curve, Panel
from tatami.see.report import Mistakes, Report, Shown, shown_boxes
from tatami.see.rows import ClassResult
from tatami.tasks.base import Evaluated
from tatami.tasks.walk import CONFUSED, worst_first
from tatami.types import Boxes, Dataset, Detections, Detector

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
    """Add the figures, the worst pictures, precision-recall curves, a row a class, confusions."""
    result = evaluated.result
    threshold = detector.spec.decoding.score_threshold
    samples = [data.samples[place] for place in evaluated.places.tolist()]
    truths = [sample.boxes for sample in samples]
    sure = [found.select(found.scores > threshold) for found in evaluated.answers]
    judged = [judge(*pair) for pair in zip(truths, sure, strict=True)]
    counts = [one.counts for one in judged]
    confusion = mistakes.confusion(truths, sure, judged, len(data.classes))
    return replace(
        page,
        summary={
            "mAP@0.5 (VOC 2007)": f"{result.map_voc07:.4f}",
            "COCO AP": f"{result.coco.ap:.4f}",
            "best F1": f"{result.best.f1:.4f}",
            **page.summary,
        },
        pictures=[
            _shown(samples[place].id, samples[place].path, truths[place], sure[place], one, data)
            for place in worst_first(counts, [sum(one.values()) for one in counts])
            for one in [judged[place]]
        ],
        pictures_note=f"{page.pictures_note}, above a score of {threshold:g}",
        mistakes=Mistakes(
            len(judged),
            sum(not any(one.values()) for one in counts),
            {kind: sum(one[kind] for one in counts) for kind in KINDS},
        ),
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
        confusion=confusion.tolist() if len(data.classes) <= CONFUSED else (),
    )


def _shown(
    name: str, path: Path, truths: Boxes, found: Detections, judged: Judged, data: Dataset
) -> Shown:
    """Draw a picture's boxes, each mistake with its kind."""
    notes = (
        [MISSED if missed else "" for missed in judged.missed.tolist()],
        ["" if kind == RIGHT else kind for kind in judged.kinds],
    )
    return shown_boxes(
        name, read_picture(path), truths, found, data.classes, notes=notes, mistakes=judged.counts
    )
