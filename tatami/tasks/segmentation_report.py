"""What a report's page and the studio show of a segmenter."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tatami.evaluate.segmentation import Segmentation
from tatami.see.plots import Panel
from tatami.see.report import Report, Shown, shown_masks
from tatami.see.rows import ClassResult
from tatami.tasks.base import Evaluated
from tatami.tasks.walk import CONFUSED, SHOWN
from tatami.types import VOID, Float64, LabeledMasks, Mask

PANELS = (
    Panel("Loss", ("loss",), logarithmic=True),
    Panel("Learning rate", ("learning_rate",)),
    Panel("mIoU", ("mIoU",)),
)


@dataclass(frozen=True)
class Segmented:
    """What was found in a picture, small: the masks of a whole split are kept.

    Args:
        iou: Of each class in this picture, (classes,); NaN for one that is not in it.
        shape: Of the mask.
        packed: The mask, deflated.
    """

    iou: Float64
    shape: tuple[int, int]
    packed: bytes

    @classmethod
    def of(cls, mask: Mask, iou: Float64) -> Segmented:
        """Pack a mask (height, width)."""
        height, width = mask.shape
        return cls(iou, (height, width), zlib.compress(mask.tobytes(), 1))

    @property
    def mask(self) -> Mask:
        """The class of each pixel, (height, width)."""
        return np.frombuffer(zlib.decompress(self.packed), np.uint8).reshape(self.shape)

    @property
    def mean_iou(self) -> float:
        """The mean over the classes that are in the picture; NaN for one without any label."""
        known = self.iou[~np.isnan(self.iou)]
        return float(known.mean()) if known.size else math.nan


def segmentation_page(
    page: Report, data: LabeledMasks, evaluated: Evaluated[Segmentation]
) -> Report:
    """Add the figures, the worst pictures with their classes, a row a class, what is mistaken."""
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
        pictures=_worst(data, evaluated),
        pictures_note=f"{page.pictures_note}; those of the lowest mean IoU come first; pixels "
        "without a class show the picture alone",
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


def _worst(data: LabeledMasks, evaluated: Evaluated[Segmentation]) -> list[Shown]:
    """Draw the pictures of the lowest mean IoU; those without any label come last."""
    order = np.argsort([one.mean_iou for one in evaluated.answers], kind="stable")[:SHOWN]
    return [
        shown_segments(data, int(evaluated.places[number]), evaluated.answers[number])
        for number in order.tolist()
    ]


def shown_segments(data: LabeledMasks, place: int, answer: Segmented) -> Shown:
    """Draw the labeled and the found classes of a picture, and where they differ.

    Args:
        data: The split.
        place: Of the picture in it.
        answer: What was found in it.
    """
    picture, labeled = data.read(place)
    found = answer.mask
    iou = "" if math.isnan(answer.mean_iou) else f"mean IoU {answer.mean_iou:.3f}"
    said = "; ".join(each for each in (iou, _mostly(labeled, found, data.classes)) if each)
    return shown_masks(data.ids[place], picture, labeled, found, data.colors, said)


def _mostly(labeled: Mask, found: Mask, classes: Sequence[str]) -> str:
    """Say which class is most often taken for which in a picture; nothing where all is right."""
    wrong = (labeled != VOID) & (labeled != found)
    if not wrong.any():
        return ""
    pairs = labeled[wrong].astype(int) * len(classes) + found[wrong]
    own, other = divmod(int(np.bincount(pairs).argmax()), len(classes))
    return f"mostly {classes[own]} taken for {classes[other]}"
