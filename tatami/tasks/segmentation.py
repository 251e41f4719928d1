"""Segmentation: the class of every pixel of a picture."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from tatami.data.augment import Augmentation, augmented_mask
from tatami.data.class_weights import median_frequency, pixel_counts
from tatami.data.fingerprint import mask_fingerprint
from tatami.data.hold_out import rarest
from tatami.data.inspect_masks import inspect_masks
from tatami.data.masks import usual_colors
from tatami.data.open import mask_splits, open_masks
from tatami.errors import TatamiError
from tatami.evaluate.segmentation import Segmentation as Figures
from tatami.evaluate.segmentation import Tally
from tatami.models.table import Model
from tatami.rules.segmentation import ForwardSegmenter, average_over_symmetries
from tatami.see.class_activation import Target, target_in_pixels
from tatami.see.overlay import overlay
from tatami.see.report import Report, Shown
from tatami.ship.c.tasks.segmentation import SEGMENTATION_IN_C
from tatami.tasks.base import Answer, Difference, Evaluated, Merit, Opened, Task
from tatami.tasks.inside import Inside
from tatami.tasks.inspected import Inspected, InspectedMasks
from tatami.tasks.segmentation_report import Segmented, segmentation_page, shown_segments
from tatami.tasks.settings import check_size, read_settings
from tatami.tasks.walk import class_order, figure, in_order, timed, walk
from tatami.types import (
    VOID,
    Boxes,
    Float64,
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

if TYPE_CHECKING:  # torch is heavy: it is imported where training really starts
    from torch import nn

    from tatami.models.segmenter import Segmenter as Module
    from tatami.train.batches import Examples
    from tatami.train.recipe import Recipe
    from tatami.train.run import Run

MEDIAN = "median"
"""Asks for weights of the classes by their frequencies."""


@dataclass(frozen=True)
class SegmentationSettings:
    """Say what is particular to a segmenter's training.

    Args:
        class_weights: What a pixel of each class weighs in the loss: a number a class, also as text
            "1,0.5,2"; "median", by the classes' frequencies; or none, all alike.
        loss: What is lowered: the name of a loss of ``models.pixel_losses``, as "lovasz".

    Source:
        Eigen and Fergus 2015, section 4.3.2, for "median".
    """

    class_weights: str | tuple[float, ...] = ()
    loss: str = "cross-entropy"

    def __post_init__(self) -> None:
        weights = self.class_weights
        if weights == MEDIAN:
            return
        try:
            given = weights.split(",") if isinstance(weights, str) else weights
            numbers = tuple(float(weight) for weight in given)
        except (TypeError, ValueError) as error:
            raise TatamiError(
                f"'{weights}' are no weights of classes",
                hint="give median, or a number a class, as 1,0.5,2",
                setting="class_weights",
            ) from error
        if not all(0 <= weight < math.inf for weight in numbers):
            raise TatamiError(
                "a weight is below 0, or is no number",
                hint="give a number a class",
                setting="class_weights",
            )
        object.__setattr__(self, "class_weights", numbers)


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
    settings = SegmentationSettings
    options = SegmentationOptions
    c = SEGMENTATION_IN_C
    labels = "masks"
    judged_by = "agreement"
    doing = "Segmenting"
    finds = "classes"
    merits = (
        Merit("miou", "mean_iou", "mIoU", "mIoU", lambda result: result.mean_iou),
        Merit(
            "pixels",
            "pixel_accuracy",
            "pixel accuracy",
            "pixels",
            lambda result: result.pixel_accuracy,
        ),
    )
    answers_file = "segments.json"
    unvaried = ("mosaic",)

    # Data ----------------------------------------------------------------------------------------

    def splits(self, root: Path, format: str | None) -> tuple[str, ...]:
        """Name the splits of a set with masks."""
        return mask_splits(root, format)

    def open(
        self, root: Path, *, split: str | None, format: str | None, skip: Collection[str] = ()
    ) -> Opened[LabeledMasks]:
        """Open one split of a set with masks."""
        opened = open_masks(root, split=split, format=format, skip=skip)
        return Opened(opened.masks, opened.skipped, opened.notes)

    def fingerprint(self, data: LabeledMasks) -> str:
        """Give one number for the names, the pictures and the masks of a split."""
        return mask_fingerprint(data)

    def select(self, data: LabeledMasks, places: Int64) -> LabeledMasks:
        """Give the pictures at these places as a split."""
        return data.select(places)

    def strata(self, data: LabeledMasks) -> Sequence[int]:
        """Give each picture the rarest class in it: its mask is read."""
        classes = (np.unique(data.read(place)[1]) for place in range(len(data)))
        return rarest([[one for one in found.tolist() if one != VOID] for found in classes])

    def picture(self, data: LabeledMasks, place: int) -> Picture:
        """Read the picture at a place."""
        return data.read(place)[0]

    def identity(self, data: LabeledMasks, place: int) -> str:
        """Name the picture at a place."""
        return data.ids[place]

    def inspect(
        self,
        root: Path,
        *,
        split: str | None,
        format: str | None,
        repairs: Collection[str] = (),
        progress: Progress = quiet,
    ) -> Inspected:
        """Read all of a set with masks, and find everything that is wrong with it."""
        told = partial(progress, "Checking")
        return InspectedMasks(inspect_masks(root, split=split, format=format, progress=told))

    def varied(
        self,
        data: LabeledMasks,
        place: int,
        canvas: Size,
        options: Augmentation,
        rng: np.random.Generator,
    ) -> tuple[Picture, Boxes]:
        """Draw a picture as training would vary it."""
        picture, mask = augmented_mask(*data.read(place), canvas, options, rng)
        return overlay(picture, mask, data.colors), Boxes.of([], [])

    # Training ------------------------------------------------------------------------------------

    def check_training(
        self,
        model: Model[Any],
        recipe: Recipe,
        settings: SegmentationSettings,
        augmentation: Augmentation,
    ) -> None:
        """Refuse variations and settings that such networks have no use for."""
        from tatami.models.pixel_losses import loss_named

        loss_named(settings.loss)
        if augmentation.mosaic:
            raise TatamiError(
                "a mosaic is for detectors", hint="leave out mosaic", setting="augment"
            )
        if recipe.size is not None:
            check_size(recipe.size, model.stride)

    def plan(
        self,
        model: Model[Any],
        data: LabeledMasks,
        recipe: Recipe,
        settings: SegmentationSettings,
        progress: Progress = quiet,
    ) -> tuple[SegmentationSpec, SegmentationSettings]:
        """Make the spec, and find the weights of the classes where they are the median's."""
        weights = settings.class_weights
        if weights == MEDIAN:
            weights = median_frequency(data)
            each = ", ".join(f"{n} {w:.3g}" for n, w in zip(data.classes, weights, strict=True))
            progress(f"classes weigh {each}", 0, 0)
        if weights and len(weights) != len(data.classes):
            raise TatamiError(
                f"{len(weights)} are no weights of {len(data.classes)} classes",
                hint="give median, or a number a class, as 1,0.5,2",
                setting="class_weights",
            )
        spec: SegmentationSpec = model.spec(data.classes, recipe.size)
        return spec, replace(settings, class_weights=weights)

    def examples(self, data: LabeledMasks, run: Run) -> Examples:
        """Draw a picture, which teaches the classes of its pixels."""
        from tatami.train.batches import Examples, stacked

        varied = Augmentation(**run.augmentation)

        def draw(index: int, size: Size, _: bool, rng: np.random.Generator) -> tuple[Picture, Mask]:
            return augmented_mask(*data.read(index), size, varied, rng)

        return Examples(len(data), draw, stacked)

    def prepare_model(self, model: nn.Module, run: Run) -> None:
        """Let the loss be the one asked for, and weigh the classes."""
        settings: SegmentationSettings = read_settings(self.settings, run.settings)
        assert not isinstance(settings.class_weights, str)
        segmenter = cast("Module", model)
        segmenter.class_weights, segmenter.criterion = settings.class_weights, settings.loss

    def check_model(self, model: nn.Module, run: Run) -> None:
        """Run it once: some take only some sizes, and say so."""
        import torch

        size = run.spec.input.size
        with torch.inference_mode():
            model.eval()(torch.zeros(1, 3, size.height, size.width))

    # Answers -------------------------------------------------------------------------------------

    def predictor(self, spec: Any, forward: Forward, answer: Size | None = None) -> Segmenter:
        """Put the written rule around a function from images to raw maps."""
        return ForwardSegmenter(spec, forward, answer)

    def adapted(self, predictor: Segmenter, tiling: int | None, tta: bool) -> Segmenter:
        """Let a segmenter look in tiles at full resolution, or in every turn."""
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
        forward = average_over_symmetries(forward) if tta else forward
        return ForwardSegmenter(predictor.spec, forward, answer, overlap=tiling)

    def look(self, predictor: Segmenter, picture: Picture) -> Mask:
        """Find the masks of a picture."""
        return predictor.segment(picture)

    def answer(self, predictor: Segmenter, picture: Picture, score: float | None = None) -> Answer:
        """Draw the masks that are found in a picture, and say what they are."""
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

    def heading(self, spec: Any, score: float | None = None) -> dict[str, Any]:
        """Give the classes, and what the answers are read with."""
        colors = [list(color) for color in usual_colors(len(spec.classes))]
        return {**super().heading(spec), "colours": colors}

    # Looking inside ------------------------------------------------------------------------------

    def explained(self, inside: Inside, label: str | None) -> Target:
        """Choose what a class activation explains."""
        spec = inside.network.spec
        assert isinstance(spec, SegmentationSpec)
        return target_in_pixels(inside.network, inside.computed, spec.classes, label)

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
        """Run a predictor over a split and measure its masks."""
        to_data = class_order(predictor.spec.classes, data.classes)
        tally = Tally(data.classes)
        answers: list[Segmented] = []
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
            found = in_order(one.found, to_data)
            answers.append(Segmented.of(found, tally.add(labeled.pop(one.item), found)))
            places.append(one.item)
            seconds += one.seconds
        chosen = np.array(places, np.int64)
        return Evaluated(tally.result(), answers, chosen, len(unreadable), seconds)

    def figure(self, result: Figures) -> float:
        """Give the mean IoU."""
        return result.mean_iou

    def row(self, result: Figures) -> dict[str, float]:
        """Give the mean IoU for evaluations.jsonl."""
        return {"mIoU": round(result.mean_iou, 5), "pixels": round(result.pixel_accuracy, 5)}

    def tables(self, result: Figures) -> list[Table]:
        """Lay out a row a class, and what else there is."""
        rows = tuple(
            (
                one.name,
                f"{one.pixels:,}",
                f"{one.predicted:,}",
                *map(figure, (one.accuracy, one.iou, one.dice, one.boundary_f1)),
            )
            for one in result.classes
        )
        means = (result.class_accuracy, result.mean_iou, result.mean_dice, result.boundary_f1)
        total = ("mean", f"{result.pixels:,}", "", *map(figure, means))
        heads = numbers("pixels", "predicted", "accuracy", "IoU", "Dice", "boundary F1")
        return [Table((words("class", flexible=True), *heads), rows, total)]

    def lines(self, result: Figures) -> list[str]:
        """Say the figures over all classes."""
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

    def agreement(self, data: LabeledMasks, evaluated: Evaluated[Figures]) -> Float64:
        """Give the IoU of each class in each picture."""
        rows = [one.iou for one in evaluated.answers]
        return np.array(rows, np.float64).reshape(-1, len(data.classes))

    def confusion(self, data: LabeledMasks, evaluated: Evaluated[Figures], score: float) -> Int64:
        """Count pixels, which have no score."""
        return evaluated.result.confusion

    def shown(
        self, data: LabeledMasks, evaluated: Evaluated[Figures], number: int, score: float
    ) -> Shown:
        """Draw the labeled and the found classes, and where they differ."""
        return shown_segments(data, int(evaluated.places[number]), evaluated.answers[number])

    def page(
        self, page: Report, predictor: Segmenter, data: LabeledMasks, evaluated: Evaluated[Figures]
    ) -> Report:
        """Add the figures, the pictures and the classes to a report's page."""
        return segmentation_page(page, data, evaluated)

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
