"""A segmenter run over labeled pictures, and how it did: for every command that tells it."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tatami.evaluate.segmentation import Segmentation, Tally
from tatami.tasks.walk import WIDTH, answers, class_order
from tatami.types import Int64, LabeledMasks, Mask, Picture, Segmenter


@dataclass(frozen=True)
class Segmented:
    """places: of the pictures that could be read.

    seconds: in the segmenter alone, from decoded pixels to classes.
    """

    result: Segmentation
    places: Int64
    unreadable: int
    seconds: float

    @property
    def pictures_per_second(self) -> float | None:
        return len(self.places) / self.seconds if self.seconds > 0 else None


def segment_all(
    segmenter: Segmenter,
    masks: LabeledMasks,
    *,
    skip: Collection[str] = (),
    title: str | None = None,
) -> Segmented:
    """Run a segmenter over a split, with a progress bar where a title is given.

    Raises TatamiError where the classes differ, and for the first picture that cannot be read,
    unless ``skip`` holds unreadable-picture.
    """
    to_data = class_order(segmenter.spec.classes, masks.classes)
    tally = Tally(masks.classes)
    places, seconds = [], 0.0
    unreadable: list[int] = []
    labeled: dict[int, Mask] = {}  # of the picture that is answered next

    def read(place: int) -> Picture:
        picture, labeled[place] = masks.read(place)
        return picture

    for answer in answers(
        segmenter.segment,
        range(len(masks)),
        read,
        unreadable,
        file=masks.root,
        skip=skip,
        title=title,
    ):
        tally.add(labeled.pop(answer.item), in_order(answer.found, to_data))
        places.append(answer.item)
        seconds += answer.seconds
    return Segmented(tally.result(), np.array(places, np.int64), len(unreadable), seconds)


def in_order(found: Mask, to_data: Int64) -> Mask:
    """A network's classes as the data number them; to_data: as ``class_order`` gives it."""
    return to_data.astype(np.uint8)[found]


def print_segmentation(console: Console, result: Segmentation) -> None:
    """A row a class, and the figures over all."""
    table = Table(box=box.SIMPLE, pad_edge=False, padding=(0, 1, 0, 0), width=WIDTH)
    table.add_column("class", overflow="ellipsis", no_wrap=True, ratio=1)
    for name in ("pixels", "taken for it", "accuracy", "IoU", "Dice", "boundary F1"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in result.classes:
        figures = (one.accuracy, one.iou, one.dice, one.boundary_f1)
        counts = (f"{one.pixels:,}", f"{one.taken_for:,}")
        table.add_row(escape(one.name), *counts, *map(_figure, figures))
    table.add_section()
    means = (result.class_accuracy, result.mean_iou, result.mean_dice, result.boundary_f1)
    table.add_row("mean", f"{result.pixels:,}", "", *map(_figure, means))
    console.print(table)
    for line in summary(result):
        console.print(line, markup=False)


def summary(result: Segmentation) -> list[str]:
    """The figures over all classes, a line each."""
    error = 100 * (1 - result.pixel_accuracy)
    return [
        f"{result.pictures} pictures",
        f"mIoU {_figure(result.mean_iou)}   "
        f"frequency weighted {_figure(result.frequency_weighted_iou)}   "
        f"mean Dice {_figure(result.mean_dice)}",
        f"pixel accuracy {_figure(result.pixel_accuracy)} (error {error:.2f} %)   "
        f"class accuracy {_figure(result.class_accuracy)}",
        f"boundary F1 {_figure(result.boundary_f1)}",
    ]


def _figure(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.4f}"
