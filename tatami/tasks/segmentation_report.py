"""What a report's page shows of a segmenter."""

from __future__ import annotations

import math
from dataclasses import replace

from tatami.evaluate.segmentation import Segmentation
from tatami.see.plots import Panel
from tatami.see.report import ClassResult, Report, Shown, shown_masks
from tatami.tasks.base import Evaluated
from tatami.tasks.walk import CONFUSED, class_order, in_order, spread
from tatami.types import LabeledMasks, Segmenter

PANELS = (
    Panel("Loss", ("loss",), logarithmic=True),
    Panel("Learning rate", ("learning_rate",)),
    Panel("mIoU", ("mIoU",)),
)


def segmentation_page(
    page: Report, segmenter: Segmenter, data: LabeledMasks, evaluated: Evaluated[Segmentation]
) -> Report:
    """Add the figures, pictures with the classes over them, a row a class, what is mistaken."""
    result = evaluated.result
    return replace(
        page,
        measure="mIoU",
        summary={
            "mIoU": f"{result.mean_iou:.4f}",
            "pixel accuracy": f"{result.pixel_accuracy:.4f}",
            "class accuracy": f"{result.class_accuracy:.4f}",
            "mean Dice": f"{result.mean_dice:.4f}",
            "boundary F1": f"{result.boundary_f1:.4f}",
            **page.summary,
        },
        colors=data.colors,
        pictures=_shown(segmenter, data, evaluated),
        pictures_note=f"{page.pictures_note}; pixels without a class show the picture alone",
        panels=PANELS,
        per_class=[
            ClassResult(
                one.name,
                one.pixels,
                math.nan,
                recall=one.accuracy,
                iou=one.iou,
                dice=one.dice,
                boundary_f1=one.boundary_f1,
            )
            for one in result.classes
        ],
        confusion=result.confusion.tolist() if len(result.classes) <= CONFUSED else (),
    )


def _shown(
    segmenter: Segmenter, data: LabeledMasks, evaluated: Evaluated[Segmentation]
) -> list[Shown]:
    to_data = class_order(segmenter.spec.classes, data.classes)
    shown = []
    for number in spread(len(evaluated.places)):
        place = int(evaluated.places[number])
        picture, labeled = data.read(place)
        found = in_order(segmenter.segment(picture), to_data)
        shown.append(shown_masks(data.ids[place], picture, labeled, found, data.colors))
    return shown
