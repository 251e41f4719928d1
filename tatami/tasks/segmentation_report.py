"""What a report's page shows of a segmenter."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tatami.evaluate.segmentation import Segmentation
from tatami.see.plots import Panel
from tatami.see.report import Report, Shown, shown_masks
from tatami.see.rows import ClassResult
from tatami.tasks.base import Evaluated
from tatami.tasks.walk import CONFUSED, SHOWN, class_order, in_order, spread
from tatami.types import VOID, LabeledMasks, Mask, Segmenter

LOOKED = 48
"""Pictures that are segmented once more for the page, spread over all; the worst are shown."""
PANELS = (
    Panel("Loss", ("loss",), logarithmic=True),
    Panel("Learning rate", ("learning_rate",)),
    Panel("mIoU", ("mIoU",)),
)


def segmentation_page(
    page: Report, segmenter: Segmenter, data: LabeledMasks, evaluated: Evaluated[Segmentation]
) -> Report:
    """Add the figures, the worst pictures with their classes, a row a class, what is mistaken."""
    result = evaluated.result
    places = [int(evaluated.places[number]) for number in spread(len(evaluated.places), LOOKED)]
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
        pictures=_shown(segmenter, data, places),
        pictures_note=f"{page.pictures_note}; of the {len(places)} pictures looked at those with "
        "the fewest pixels right come first; pixels without a class show the picture alone",
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


def _shown(segmenter: Segmenter, data: LabeledMasks, places: Sequence[int]) -> list[Shown]:
    """Lay the classes over the pictures in which the fewest pixels are right."""
    to_data = class_order(segmenter.spec.classes, data.classes)
    looked = []
    for place in places:
        picture, labeled = data.read(place)
        found = in_order(segmenter.segment(picture), to_data)
        known = labeled != VOID
        right = float((labeled == found)[known].mean()) if known.any() else 1.0
        looked.append((right, place, found))
    looked.sort(key=lambda one: one[:2])
    shown = []
    for _, place, found in looked[:SHOWN]:
        picture, labeled = data.read(place)
        said = _mostly(labeled, found, data.classes)
        shown.append(shown_masks(data.ids[place], picture, labeled, found, data.colors, said))
    return shown


def _mostly(labeled: Mask, found: Mask, classes: Sequence[str]) -> str:
    """Say which class is most often taken for which in a picture; nothing where all is right."""
    wrong = (labeled != VOID) & (labeled != found)
    if not wrong.any():
        return ""
    pairs = labeled[wrong].astype(int) * len(classes) + found[wrong]
    own, other = divmod(int(np.bincount(pairs).argmax()), len(classes))
    return f"mostly {classes[own]} taken for {classes[other]}"
