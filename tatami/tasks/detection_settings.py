"""What may be set of a detector: of its training, and of its evaluation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tatami.errors import TatamiError
from tatami.evaluate.detections import ABSENT, AbsentClasses
from tatami.evaluate.difficult import RULES, Difficult
from tatami.tasks.settings import number
from tatami.tasks.walk import check_share

SCORE = 0.005
"""Detections above this score count for average precision."""
MAX_RESAMPLES = 100_000


@dataclass(frozen=True)
class DetectionSettings:
    """Say what is particular to a detector's training.

    Args:
        anchors: How many to find by k-means, or (width, height) pairs in cells of the raw map, also
            as text "1.08,1.19 3,4"; None: as many as the network's paper has.
        min_scale: For an SSD, the side of the smallest default boxes as a share of the input's;
            None: the paper's.
        nms: Whether a box suppresses those of its "class" alone, or is "agnostic" of classes.
        alternating: For Faster R-CNN: train its two parts in turns, four times through the epochs.
        loss: "paper", the network's own; "aligned", for YOLOv2's kind of network: several places
            answer for an object, those that suit it best, and boxes learn by their overlap; None:
            as the recipe says.

    Source:
        Ren et al. 2015, section 3.2, for ``alternating``; models/task_aligned.py for "aligned".
    """

    anchors: int | str | tuple[tuple[float, float], ...] | None = None
    min_scale: float | None = None
    nms: Literal["class", "agnostic"] = "class"
    alternating: bool = False
    loss: Literal["paper", "aligned"] | None = None

    def __post_init__(self) -> None:
        if isinstance(self.anchors, str):
            object.__setattr__(self, "anchors", _anchors_in(self.anchors))
        elif self.anchors is not None and type(self.anchors) is not int:
            _check_anchors(self.anchors, str(self.anchors))
        if self.min_scale is not None and not number(self.min_scale):
            raise TatamiError(
                f"{self.min_scale!r} is no number", hint="give a share", setting="min_scale"
            )
        if self.nms not in ("class", "agnostic"):
            raise TatamiError(
                f"'{self.nms}' is no way to suppress", hint="give class or agnostic", setting="nms"
            )
        if self.loss not in (None, "paper", "aligned"):
            raise TatamiError(
                f"'{self.loss}' is no loss", hint="give paper or aligned", setting="loss"
            )
        if type(self.alternating) is not bool:
            raise TatamiError(
                f"{self.alternating!r} is not true or false",
                hint="give one of them",
                setting="alternating",
            )


@dataclass(frozen=True)
class DetectionOptions:
    """Say how detections are measured.

    Args:
        score: The detector reports what scores above this.
        at: Precision, recall and F1 are of what scores above this.
        iou: From this IoU on an object is found; COCO has its own.
        difficult: What becomes of VOC's difficult truths: "ignore" as VOC, "drop" as darknet, or
            "count".
        bootstrap: Resamples of the pictures for 95 % intervals of mAP; 0: none.
        diagnose: Whether to find kinds of errors, calibration and ROC, for each class.
        similar: Classes that are alike, as "cat,dog"; none: VOC's, where the classes are VOC's.
        curves: A folder to write precision-recall, ROC and reliability to, as CSV and SVG.
        save: A file to write the detections to, in COCO's results format.
        absent_classes: What becomes in VOC's mAP of classes that have no truth: "skip" leaves them
            out, as the devkits do, and "zero" counts them as 0, as darknet does.

    Raises:
        TatamiError: For a value that is out of range.
    """

    score: float = SCORE
    at: float = 0.25
    iou: float = 0.5
    difficult: Difficult = "ignore"
    bootstrap: int = 0
    diagnose: bool = False
    similar: tuple[str, ...] = ()
    curves: Path | None = None
    save: Path | None = None
    absent_classes: AbsentClasses = "skip"

    def __post_init__(self) -> None:
        for setting in ("score", "at", "iou"):
            check_share(setting, getattr(self, setting))
        if self.iou == 0:
            raise TatamiError("every box matches at 0", hint="give 0.5", setting="iou")
        if self.difficult not in RULES:
            raise TatamiError(
                f"'{self.difficult}' is no rule",
                hint=f"give one of {', '.join(RULES)}",
                setting="difficult",
            )
        if self.absent_classes not in ABSENT:
            raise TatamiError(
                f"'{self.absent_classes}' is no rule",
                hint=f"give one of {', '.join(ABSENT)}",
                setting="absent_classes",
            )
        if not 0 <= self.bootstrap <= MAX_RESAMPLES:
            raise TatamiError(
                f"{self.bootstrap} resamples",
                hint=f"give 1 to {MAX_RESAMPLES:,}",
                setting="bootstrap",
            )
        if self.similar and not self.diagnoses:
            raise TatamiError(
                "similar classes are of use to a diagnosis only",
                hint="ask for a diagnosis, too",
                setting="similar",
            )

    @property
    def diagnoses(self) -> bool:
        """Whether a diagnosis is needed, for itself or for the curves."""
        return self.diagnose or self.curves is not None


def _anchors_in(text: str) -> int | tuple[tuple[float, float], ...]:
    """Read a number of anchors, or (width, height) pairs in cells, as ``1.08,1.19 3,4``."""
    if text.strip().isdecimal():
        return int(text)
    try:
        pairs = tuple(tuple(float(side) for side in pair.split(",")) for pair in text.split())
    except ValueError:
        pairs = ()
    return _check_anchors(pairs, text)


def _check_anchors(pairs: Any, text: str) -> tuple[tuple[float, float], ...]:
    """Check that pairs are anchors in cells, and give them."""
    try:
        checked = tuple((float(width), float(height)) for width, height in pairs)
    except (TypeError, ValueError):
        checked = ()
    if not checked or not all(0 < side < 1000 for pair in checked for side in pair):
        raise TatamiError(
            f"'{text}' are no anchors",
            hint="give a number, or pairs in cells as '1.08,1.19 3,4'",
            setting="anchors",
        )
    return checked
