"""What a report's page shows of a detector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from tatami.data.pictures import read_picture
from tatami.evaluate import mistakes
from tatami.evaluate.detections import Evaluation
from tatami.evaluate.mistakes import KINDS, MISSED, RIGHT, Judged, judge
from tatami.see.plots import Curve, Panel
from tatami.see.report import Mistakes, Report, Shown, shown_boxes
from tatami.see.rows import ClassResult
from tatami.tasks.base import Evaluated
from tatami.tasks.mistake import Mistake
from tatami.tasks.walk import CONFUSED, worst_first
from tatami.types import Boxes, Dataset, Detections, Detector, Float64, Int64

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


def box_confusion(truths: Sequence[Boxes], found: Sequence[Detections], classes: int) -> Int64:
    """Count how often boxes of a class are found as a class, the last being the background.

    Args:
        truths: What is labeled in each picture.
        found: What was found above the threshold in each.
        classes: How many there are, K.

    Returns:
        (K + 1, K + 1), as ``evaluate.mistakes.confusion``.
    """
    judged = [judge(*pair) for pair in zip(truths, found, strict=True)]
    return mistakes.confusion(truths, found, judged, classes)


def box_mistakes(truths: Boxes, found: Detections) -> list[Mistake]:
    """List what is wrong in a picture, what is missed last."""
    judged = judge(truths, found)
    columns = judged.kinds, found.labels.tolist(), _sides(found.xyxy), found.scores.tolist()
    lost = truths.select(judged.missed)
    return [
        *(Mistake(*row) for row in zip(*columns, strict=True) if row[0] in KINDS),
        *(
            Mistake(MISSED, label, side, 1.0)
            for label, side in zip(lost.labels.tolist(), _sides(lost.xyxy), strict=True)
        ),
    ]


def shown_sample(data: Dataset, place: int, found: Detections) -> Shown:
    """Draw what is labeled in a picture, and what was found, each mistake with its kind."""
    sample = data.samples[place]
    judged = judge(sample.boxes, found)
    return _shown(sample.id, sample.path, sample.boxes, found, judged, data)


def _sides(xyxy: Float64) -> list[float]:
    """Give the square roots of the areas of boxes, in pixels."""
    sides: list[float] = np.sqrt((xyxy[:, 2:] - xyxy[:, :2]).clip(0).prod(axis=1)).tolist()
    return sides


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
