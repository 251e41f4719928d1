"""Detection: the boxes of the objects in a picture, with their classes."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tatami.data.augment import Augmentation
from tatami.data.fingerprint import fingerprint
from tatami.data.open import open_dataset, splits
from tatami.data.pictures import read_picture
from tatami.errors import TatamiError
from tatami.evaluate.detections import Evaluation, evaluate
from tatami.evaluate.diagnosis import similar_classes
from tatami.evaluate.difficult import RULES, Difficult, treat_difficult
from tatami.evaluate.results import read_results, write_results
from tatami.rules.detection import ForwardDetector
from tatami.see.draw import draw_detections
from tatami.tasks.base import Answer, Difference, Evaluated, Opened, Task
from tatami.tasks.detection_curves import write_curves
from tatami.tasks.detection_tables import diagnostics_table, figures_lines, figures_table
from tatami.tasks.structure import Structure
from tatami.tasks.two_stage import TwoStages
from tatami.tasks.walk import check_share, class_order, timed, walk
from tatami.types import (
    Bool,
    Dataset,
    Detections,
    DetectionSpec,
    Detector,
    Forward,
    Int64,
    Picture,
    Size,
    TwoStageSpec,
    detector_spec,
)
from tatami.types.progress import Progress, quiet
from tatami.types.table import Table

SCORE = 0.005
"""Detections above this score count for average precision."""
MAX_RESAMPLES = 100_000
BOX_BOUND = 0.0
"""Largest difference of an edge, in pixels: the decoding rule is the same operations everywhere."""


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

    def __post_init__(self) -> None:
        for setting in ("score", "at", "iou"):
            check_share(setting, getattr(self, setting))
        if self.iou == 0:
            raise TatamiError("every box reaches 0", hint="give 0.5", setting="iou")
        if self.difficult not in RULES:
            raise TatamiError(
                f"'{self.difficult}' is no rule",
                hint=f"give one of {', '.join(RULES)}",
                setting="difficult",
            )
        if not 0 <= self.bootstrap <= MAX_RESAMPLES:
            raise TatamiError(
                f"{self.bootstrap} resamples",
                hint=f"give 1 to {MAX_RESAMPLES:,}",
                setting="bootstrap",
            )
        if self.similar and not self.diagnoses:
            raise TatamiError(
                "classes are alike for a diagnosis only", hint="diagnose, too", setting="similar"
            )

    @property
    def diagnoses(self) -> bool:
        """Whether a diagnosis is needed, for itself or for the curves."""
        return self.diagnose or self.curves is not None


class Detection(Task[Dataset, Detector, Evaluation]):
    """Find the boxes of objects. Detectors in two stages are a structure of it."""

    name = "detect"
    noun = "detector"
    measure = "mAP"
    specs = (DetectionSpec, TwoStageSpec)
    augmentation = Augmentation()
    options = DetectionOptions
    labels = "boxes"
    doing = "Detecting"
    answers_file = "detections.json"

    # Data ----------------------------------------------------------------------------------------

    def splits(self, root: Path, format: str | None) -> tuple[str, ...]:
        return splits(root, format)

    def open(
        self, root: Path, *, split: str | None, format: str | None, skip: Collection[str] = ()
    ) -> Opened[Dataset]:
        opened = open_dataset(root, split=split, format=format, skip=skip)
        return Opened(opened.dataset, opened.skipped)

    def fingerprint(self, data: Dataset) -> str:
        return fingerprint(data)

    def select(self, data: Dataset, places: Int64) -> Dataset:
        return replace(data, samples=tuple(data.samples[place] for place in places.tolist()))

    def picture(self, data: Dataset, place: int) -> Picture:
        return read_picture(data.samples[place].path)

    def identity(self, data: Dataset, place: int) -> str:
        return data.samples[place].id

    # Answers -------------------------------------------------------------------------------------

    def predictor(self, spec: Any, forward: Forward, answer: Size | None = None) -> Detector:
        return ForwardDetector(detector_spec(spec), forward)

    def structure(self, spec: Any) -> Structure:
        return TwoStages() if isinstance(spec, TwoStageSpec) else super().structure(spec)

    def answer(self, predictor: Detector, picture: Picture, score: float | None = None) -> Answer:
        classes = predictor.spec.classes
        threshold = predictor.spec.decoding.score_threshold if score is None else score
        found, seconds = timed(lambda: predictor.detect(picture, threshold))
        counts = Counter(classes[label] for label in found.labels.tolist())
        boxes = zip(found.xyxy.tolist(), found.scores.tolist(), found.labels.tolist(), strict=True)
        content = {
            "size": str(Size(picture.shape[1], picture.shape[0])),
            "detections": [
                {"class": classes[label], "score": confidence, "box": xyxy}
                for xyxy, confidence, label in boxes
            ],
        }
        line = ", ".join(f"{count} {name}" for name, count in counts.most_common()) or "nothing"
        return Answer(draw_detections(picture, found, classes), content, line, seconds)

    # Metrics -------------------------------------------------------------------------------------

    def evaluate(
        self,
        predictor: Detector,
        data: Dataset,
        *,
        options: DetectionOptions | None = None,
        skip: Collection[str] = (),
        progress: Progress = quiet,
        stage: str = "",
    ) -> Evaluated[Evaluation]:
        options = options or DetectionOptions()
        if options.at < options.score:
            raise TatamiError(
                f"nothing is reported from {options.at:g} to {options.score:g}",
                hint="lower the score, or raise it",
                setting="at",
            )
        to_data = class_order(predictor.spec.classes, data.classes)
        alike = _similar(data, options)
        places, found, seconds = [], [], 0.0
        unreadable: list[int] = []
        for one in walk(
            lambda picture: predictor.detect(picture, options.score),
            range(len(data)),
            lambda place: self.picture(data, place),
            unreadable,
            file=data.root,
            skip=skip,
            stage=stage or self.doing,
            progress=progress,
        ):
            places.append(one.item)
            found.append(replace(one.found, labels=to_data[one.found.labels]))
            seconds += one.seconds
        chosen = np.array(places, np.int64)
        result = _measure(self.select(data, chosen), found, options, alike)
        return Evaluated(result, found, chosen, len(unreadable), seconds)

    def evaluate_file(
        self, file: Path, data: Dataset, options: DetectionOptions | None = None
    ) -> Evaluated[Evaluation]:
        options = options or DetectionOptions()
        alike = _similar(data, options)
        ids = [sample.id for sample in data.samples]
        found = read_results(file, ids, data.category_ids)
        result = _measure(data, found, options, alike)
        return Evaluated(result, found, np.arange(len(data)), 0, 0.0)

    def write(
        self, data: Dataset, evaluated: Evaluated[Evaluation], options: DetectionOptions
    ) -> list[Path]:
        if options.curves is not None:
            write_curves(options.curves, evaluated.result)
        if options.save is not None:
            ids = [self.identity(data, place) for place in evaluated.places.tolist()]
            write_results(options.save, ids, evaluated.answers, data.category_ids)
        return [path for path in (options.save, options.curves) if path is not None]

    def facts(self, options: DetectionOptions) -> dict[str, Any]:
        return {"difficult": options.difficult}

    def figure(self, result: Evaluation) -> float:
        return result.map_voc07

    def row(self, result: Evaluation) -> dict[str, float]:
        return {"mAP": round(result.map_voc07, 5)}

    def tables(self, result: Evaluation) -> list[Table]:
        found = result.diagnostics
        diagnosis = [] if found is None else [diagnostics_table(result, found)]
        return [figures_table(result), *diagnosis]

    def lines(self, result: Evaluation) -> list[str]:
        return figures_lines(result)

    def compare(
        self, predictor: Detector, reference: Detector, pictures: Sequence[Picture]
    ) -> Difference:
        threshold = reference.spec.decoding.score_threshold
        worst = 0.0
        for picture in pictures:
            found = predictor.detect(picture, threshold)
            apart = box_difference(found, reference.detect(picture, threshold))
            worst = apart if math.isnan(apart) else max(worst, apart)
        return Difference("boxes", worst, "px", BOX_BOUND)


DETECTION = Detection()


def box_difference(found: Detections, expected: Detections) -> float:
    """Give the largest difference of an edge in pixels; infinite unless the labels are the same."""
    if len(found) != len(expected) or not np.array_equal(found.labels, expected.labels):
        return math.inf
    return float(np.abs(found.xyxy - expected.xyxy).max()) if len(found) else 0.0


def _measure(
    data: Dataset, found: Sequence[Detections], options: DetectionOptions, similar: Bool | None
) -> Evaluation:
    if similar is not None:
        _check_scores(found)
    return evaluate(
        [treat_difficult(sample.boxes, options.difficult) for sample in data.samples],
        found,
        data.classes,
        iou_threshold=options.iou,
        at=options.at,
        resamples=options.bootstrap,
        similar=similar,
    )


def _similar(data: Dataset, options: DetectionOptions) -> Bool | None:
    """Give the classes that are alike (classes, classes), where a diagnosis asks for them.

    Raises:
        TatamiError: For a name that is no class.
    """
    if not options.diagnoses:
        return None
    groups = [group.split(",") for group in options.similar]
    try:
        return similar_classes(data.classes, groups or None)
    except ValueError as error:
        raise TatamiError(
            str(error), hint="give names of the data's classes, as cat,dog", setting="similar"
        ) from error


def _check_scores(found: Sequence[Detections]) -> None:
    """Raise TatamiError where a score is not in 0 to 1, and so has no calibration."""
    for one in found:
        wrong = one.scores[(one.scores < 0) | (one.scores > 1)]
        if len(wrong):
            raise TatamiError(
                f"a score of {wrong[0]:g} is no probability",
                hint="leave out the diagnosis and the curves, or scale the scores to 0 to 1",
            )
