"""Segmentation: the class of every pixel of a picture."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tatami.data.augment import Augmentation
from tatami.data.class_weights import pixel_counts
from tatami.data.fingerprint import mask_fingerprint
from tatami.data.masks import usual_colors
from tatami.data.open import mask_splits, open_masks
from tatami.errors import TatamiError
from tatami.evaluate.segmentation import Segmentation as Figures
from tatami.evaluate.segmentation import Tally
from tatami.rules.segmentation import ForwardSegmenter, over_turns
from tatami.see.overlay import overlay
from tatami.tasks.base import Answer, Difference, Evaluated, Opened, Task
from tatami.tasks.walk import class_order, figure, timed, walk
from tatami.types import (
    Forward,
    Int64,
    LabeledMasks,
    Mask,
    Picture,
    SegmentationSpec,
    Segmenter,
    Size,
)
from tatami.types.progress import Progress, quiet
from tatami.types.table import Table, numbers, words


@dataclass(frozen=True)
class SegmentationOptions:
    """Say how masks are measured: there is nothing to choose."""


class Segmentation(Task[LabeledMasks, Segmenter, Figures]):
    """Name what every pixel shows."""

    name = "segment"
    noun = "segmenter"
    measure = "mIoU"
    specs = (SegmentationSpec,)
    augmentation = replace(Augmentation(), mosaic=0.0, scale=(0.75, 1.5), translate=0.1, aspect=1.1)
    """Much of a picture stays in sight, with its mask."""
    options = SegmentationOptions
    labels = "masks"
    doing = "Segmenting"
    answers_file = "segments.json"

    # Data ----------------------------------------------------------------------------------------

    def splits(self, root: Path, format: str | None) -> tuple[str, ...]:
        return mask_splits(root, format)

    def open(
        self, root: Path, *, split: str | None, format: str | None, skip: Collection[str] = ()
    ) -> Opened[LabeledMasks]:
        opened = open_masks(root, split=split, format=format, skip=skip)
        return Opened(opened.masks, opened.skipped)

    def fingerprint(self, data: LabeledMasks) -> str:
        return mask_fingerprint(data)

    def select(self, data: LabeledMasks, places: Int64) -> LabeledMasks:
        return data.select(places)

    def picture(self, data: LabeledMasks, place: int) -> Picture:
        return data.read(place)[0]

    def identity(self, data: LabeledMasks, place: int) -> str:
        return data.ids[place]

    # Answers -------------------------------------------------------------------------------------

    def predictor(self, spec: Any, forward: Forward, answer: Size | None = None) -> Segmenter:
        return ForwardSegmenter(spec, forward, answer)

    def adapted(self, predictor: Segmenter, tiling: int | None, tta: bool) -> Segmenter:
        if tiling is None and not tta:
            return predictor
        forward = getattr(predictor, "forward", None)
        if forward is None:
            raise TatamiError(
                "this artifact cannot do it",
                hint="leave it out, or give the network's ONNX file",
                setting="tta" if tiling is None else "tiling",
            )
        answer = getattr(predictor, "answer", None)
        forward = over_turns(forward) if tta else forward
        return ForwardSegmenter(predictor.spec, forward, answer, overlap=tiling)

    def answer(self, predictor: Segmenter, picture: Picture, score: float | None = None) -> Answer:
        classes = predictor.spec.classes
        mask, seconds = timed(lambda: predictor.segment(picture))
        shares = pixel_counts(mask, len(classes)) / mask.size
        found = [
            {"class": classes[label], "share": float(shares[label])}
            for label in np.argsort(-shares, kind="stable").tolist()
            if shares[label]
        ]
        content = {
            "size": str(Size(picture.shape[1], picture.shape[0])),
            "seconds": seconds,
            "classes": found,
        }
        line = ", ".join(f"{one['class']} {one['share']:.0%}" for one in found[:4])
        drawn = overlay(picture, mask, usual_colors(len(classes)))
        return Answer(drawn, content, line, seconds, mask)

    # Metrics -------------------------------------------------------------------------------------

    def evaluate(
        self,
        predictor: Segmenter,
        data: LabeledMasks,
        *,
        options: SegmentationOptions | None = None,
        skip: Collection[str] = (),
        progress: Progress = quiet,
        stage: str = "",
    ) -> Evaluated[Figures]:
        to_data = class_order(predictor.spec.classes, data.classes)
        tally = Tally(data.classes)
        places, seconds = [], 0.0
        unreadable: list[int] = []
        labeled: dict[int, Mask] = {}  # of the picture that is answered next

        def read(place: int) -> Picture:
            picture, labeled[place] = data.read(place)
            return picture

        for one in walk(
            predictor.segment,
            range(len(data)),
            read,
            unreadable,
            file=data.root,
            skip=skip,
            stage=stage or self.doing,
            progress=progress,
        ):
            tally.add(labeled.pop(one.item), in_order(one.found, to_data))
            places.append(one.item)
            seconds += one.seconds
        return Evaluated(tally.result(), (), np.array(places, np.int64), len(unreadable), seconds)

    def figure(self, result: Figures) -> float:
        return result.mean_iou

    def row(self, result: Figures) -> dict[str, float]:
        return {"mIoU": round(result.mean_iou, 5), "pixels": round(result.pixel_accuracy, 5)}

    def tables(self, result: Figures) -> list[Table]:
        rows = tuple(
            (
                one.name,
                f"{one.pixels:,}",
                f"{one.taken_for:,}",
                *map(figure, (one.accuracy, one.iou, one.dice, one.boundary_f1)),
            )
            for one in result.classes
        )
        means = (result.class_accuracy, result.mean_iou, result.mean_dice, result.boundary_f1)
        total = ("mean", f"{result.pixels:,}", "", *map(figure, means))
        heads = numbers("pixels", "taken for it", "accuracy", "IoU", "Dice", "boundary F1")
        return [Table((words("class", flexible=True), *heads), rows, total)]

    def lines(self, result: Figures) -> list[str]:
        error = 100 * (1 - result.pixel_accuracy)
        return [
            f"{result.pictures} pictures",
            f"mIoU {figure(result.mean_iou)}   "
            f"frequency weighted {figure(result.frequency_weighted_iou)}   "
            f"mean Dice {figure(result.mean_dice)}",
            f"pixel accuracy {figure(result.pixel_accuracy)} (error {error:.2f} %)   "
            f"class accuracy {figure(result.class_accuracy)}",
            f"boundary F1 {figure(result.boundary_f1)}",
        ]

    def compare(
        self, predictor: Segmenter, reference: Segmenter, pictures: Sequence[Picture]
    ) -> Difference:
        """Compare the classes of the pixels: the largest share of a picture that differs."""
        shares = [
            float((predictor.segment(picture) != reference.segment(picture)).mean())
            for picture in pictures
        ]
        return Difference("labels", max(shares, default=0.0), "", 0.0)


SEGMENTATION = Segmentation()


def in_order(found: Mask, to_data: Int64) -> Mask:
    """Give a network's classes as the data number them.

    Args:
        found: The classes of a picture's pixels, (height, width).
        to_data: For each class of the network its place among the data's, (classes,).
    """
    return to_data.astype(np.uint8)[found]
