"""``tatami evaluate``: a detector, or detections in a file, held against labeled pictures."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tatami.cli.classification import Classified, classify_all, print_classification
from tatami.cli.diagnostics import asked_similar, check_scores, diagnostics_table
from tatami.cli.labeled import open_part
from tatami.cli.segmentation import Segmented, print_segmentation, segment_all
from tatami.data.formats.coco import category_ids
from tatami.data.open import format_of, open_dataset, open_masks
from tatami.data.pictures import read_picture
from tatami.errors import TatamiError
from tatami.evaluate.bootstrap import Interval
from tatami.evaluate.detections import Evaluation
from tatami.evaluate.detections import evaluate as evaluate_detections
from tatami.evaluate.difficult import RULES, Difficult, treat_difficult
from tatami.evaluate.results import read_results, write_results
from tatami.pipeline.artifact import check_seen, is_classifier, is_segmenter, open_artifact, seen
from tatami.tasks.detection_curves import write_curves
from tatami.tasks.walk import WIDTH, answers, check_share, class_order
from tatami.types import (
    Dataset,
    Detections,
    Detector,
    LabeledMasks,
    LabeledPictures,
    Sample,
)

SCORE = 0.005
"""Detections above this score count for average precision."""
MAX_RESAMPLES = 100_000


def evaluate(
    artifact: Annotated[
        Path | None,
        typer.Argument(help="A run folder, an ONNX file or a shipped C folder."),
    ] = None,
    data: Annotated[Path | None, typer.Option(help="The labeled set.")] = None,
    detections: Annotated[
        Path | None, typer.Option(help="In place of an artifact: COCO's results format.")
    ] = None,
    split: Annotated[str | None, typer.Option(help="The set's split, as test.")] = None,
    format: Annotated[
        str | None, typer.Option(help="As voc, coco, folders, masks, voc-masks; else recognized.")
    ] = None,
    hold_out: Annotated[
        str | None, typer.Option(help="Of a classifier's one split: those held out, as 10000.")
    ] = None,
    skip: Annotated[
        list[str] | None, typer.Option(help="Accept this kind of problem; may be repeated.")
    ] = None,
    score: Annotated[
        float, typer.Option(help="The artifact reports what scores above this.")
    ] = SCORE,
    at: Annotated[
        float, typer.Option(help="Precision, recall and F1 are of what scores above this.")
    ] = 0.25,
    iou: Annotated[float, typer.Option(help="From this IoU on a box is found (not COCO).")] = 0.5,
    difficult: Annotated[
        str, typer.Option(help="VOC's difficult truths: ignore (VOC), drop (darknet) or count.")
    ] = "ignore",
    bootstrap: Annotated[
        int, typer.Option(help="95 % intervals of mAP, from so many resamples, as 1000.")
    ] = 0,
    diagnose: Annotated[
        bool, typer.Option("--diagnose", help="Kinds of error, calibration, ROC, a class each.")
    ] = False,
    similar: Annotated[
        list[str] | None,
        typer.Option(help="Classes that are alike, as cat,dog; may be repeated; VOC's are known."),
    ] = None,
    overlap: Annotated[
        int | None,
        typer.Option(help="Of a segmenter: in tiles at the pictures' own size, so many pixels."),
    ] = None,
    turned: Annotated[
        bool, typer.Option("--turned", help="Of a segmenter: the mean of every turn of a picture.")
    ] = False,
    curves: Annotated[
        Path | None, typer.Option(help="Write precision-recall, ROC and reliability here.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, no tables.")] = False,
    save: Annotated[
        Path | None, typer.Option(help="Write the detections, in COCO's results format.")
    ] = None,
) -> None:
    """Average precision (VOC 2007, VOC 2010, COCO), precision, recall, F1, pictures a second.

    Of a classifier: top-1 and top-5, what is taken for what, precision, recall and AUC a class.
    Of a segmenter: IoU, Dice and accuracy of the pixels, the F1 of the boundaries.
    """
    if data is None:
        raise TatamiError("no labeled set given", hint="name it with --data")
    if (artifact is None) == (detections is None):
        raise TatamiError(
            "one thing is evaluated at a time", hint="give an artifact or --detections FILE"
        )
    check_share("score", score)
    check_share("at", at)
    check_share("iou", iou)
    if iou == 0:
        raise TatamiError("--iou is 0, which every box reaches", hint="give 0.5")
    if artifact is not None and at < score:
        raise TatamiError(
            "--at is below --score, where nothing is reported", hint="lower --score or raise --at"
        )
    if not 0 <= bootstrap <= MAX_RESAMPLES:
        raise TatamiError(f"--bootstrap is {bootstrap}", hint=f"give 1 to {MAX_RESAMPLES:,}")
    rule = _difficult(difficult)
    if similar and not (diagnose or curves):
        raise TatamiError("--similar is for --diagnose", hint="give both")
    kinds = skip or []

    opened_artifact = None if artifact is None else open_artifact(artifact)
    segments = opened_artifact is not None and is_segmenter(opened_artifact)
    check_seen(opened_artifact, overlap, turned=turned)
    if segments or (opened_artifact is not None and is_classifier(opened_artifact)):
        for option, given in (
            *(("bootstrap", bootstrap), ("diagnose", diagnose), ("similar", similar)),
            *(("curves", curves), ("save", save)),
        ):
            if given:
                raise TatamiError(f"--{option} is for detectors", hint="leave it out")
    if opened_artifact is not None and is_classifier(opened_artifact):
        part = open_part(data, split, format, kinds, hold_out)
        named = classify_all(opened_artifact, part.pictures, skip=kinds, title="Classifying")

        def show_classes(console: Console) -> None:
            print_classification(console, named.result)

        _tell(artifact, part.pictures, part.skipped, named, show_classes, as_json)
        return
    if hold_out is not None:
        raise TatamiError("--hold-out is for classifiers", hint="leave it out")
    if opened_artifact is not None and is_segmenter(opened_artifact):
        masks = open_masks(data, split=split, format=format, skip=kinds)
        segmenter = seen(opened_artifact, overlap, turned=turned)
        segmented = segment_all(segmenter, masks.masks, skip=kinds, title="Segmenting")

        def show_pixels(console: Console) -> None:
            print_segmentation(console, segmented.result)

        _tell(artifact, masks.masks, masks.skipped, segmented, show_pixels, as_json)
        return
    detector = cast(Detector | None, opened_artifact)
    opened = open_dataset(data, split=split, format=format, skip=kinds)
    dataset, skipped = opened.dataset, Counter(opened.skipped)
    categories = _categories(data, format, dataset)
    alike = asked_similar(dataset.classes, similar or []) if diagnose or curves else None
    if detector is not None:
        found = detect_all(detector, dataset, score, skip=kinds, title="Detecting")
        skipped["unreadable-picture"] += found.unreadable
    else:
        assert detections is not None
        ids = [sample.id for sample in dataset.samples]
        found = Found(dataset.samples, read_results(detections, ids, categories), 0, 0.0)
    if alike is not None:
        check_scores(found.detections)
    result = evaluate_detections(
        [treat_difficult(sample.boxes, rule) for sample in found.samples],
        found.detections,
        dataset.classes,
        iou_threshold=iou,
        at=at,
        resamples=bootstrap,
        similar=alike,
    )
    if curves is not None and result.diagnostics is not None:
        write_curves(curves, result)
    if save is not None:
        write_results(save, [s.id for s in found.samples], found.detections, categories)

    counts = {kind: count for kind, count in sorted(skipped.items()) if count}
    if as_json:
        answer: dict[str, Any] = {
            "evaluated": str(artifact or detections),
            "data": str(data),
            "split": dataset.split,
            "difficult": rule,
            "skipped": counts,
            "pictures_per_second": found.pictures_per_second,
            **result.to_json(),
        }
        print(json.dumps(answer, indent=2, allow_nan=False))
        return
    console = Console(width=WIDTH, highlight=False)
    console.print(table(result))
    for line in summary(result):
        console.print(line, markup=False)
    if diagnose and result.diagnostics is not None:
        console.print(diagnostics_table(result, result.diagnostics))
    speed = found.pictures_per_second
    if speed is not None:
        console.print(f"{speed:.1f} pictures a second, from pixels to boxes", markup=False)
    for kind, count in counts.items():
        console.print(f"skipped {count} x {kind}", markup=False)
    for written in (save, curves):
        if written is not None:
            console.print(f"wrote {written}", markup=False, soft_wrap=True)


def _tell(
    artifact: Path | None,
    data: LabeledPictures | LabeledMasks,
    accepted: Counter[str],
    found: Classified | Segmented,
    show: Callable[[Console], None],
    as_json: bool,
) -> None:
    """What a classifier or a segmenter made of a split.

    accepted: problems that the set was opened with.  show: prints the tables.
    """
    skipped = accepted + Counter({"unreadable-picture": found.unreadable})
    counts = {kind: count for kind, count in sorted(skipped.items()) if count}
    speed = found.pictures_per_second
    if as_json:
        answer = {
            "evaluated": str(artifact),
            "data": str(data.root),
            "split": data.split,
            "skipped": counts,
            "pictures_per_second": speed,
            **found.result.to_json(),
        }
        print(json.dumps(answer, indent=2, allow_nan=False))
        return
    console = Console(width=WIDTH, highlight=False)
    show(console)
    if speed is not None:
        console.print(f"{speed:.1f} pictures a second, from pixels to classes", markup=False)
    for kind, count in counts.items():
        console.print(f"skipped {count} x {kind}", markup=False)


@dataclass(frozen=True)
class Found:
    """What a detector found: its detections in the classes of the data, a picture each.

    samples: those that could be read.  unreadable: how many could not.  seconds: in the detector
    alone, from decoded pixels to boxes.
    """

    samples: tuple[Sample, ...]
    detections: tuple[Detections, ...]
    unreadable: int
    seconds: float

    @property
    def pictures_per_second(self) -> float | None:
        """None where nothing was run."""
        return len(self.samples) / self.seconds if self.seconds > 0 else None


def detect_all(
    detector: Detector,
    dataset: Dataset,
    score: float,
    *,
    skip: Collection[str] = (),
    title: str | None = None,
) -> Found:
    """Run a detector over a split, with a progress bar where a title is given.

    Raises TatamiError where the classes differ, and for the first picture that cannot be read,
    unless ``skip`` holds unreadable-picture.
    """
    to_data = class_order(detector.spec.classes, dataset.classes)
    samples, detections, seconds = [], [], 0.0
    unreadable: list[Sample] = []
    for answer in answers(
        lambda picture: detector.detect(picture, score),
        dataset.samples,
        lambda sample: read_picture(sample.path),
        unreadable,
        file=dataset.root,
        skip=skip,
        title=title,
    ):
        samples.append(answer.item)
        detections.append(replace(answer.found, labels=to_data[answer.found.labels]))
        seconds += answer.seconds
    return Found(tuple(samples), tuple(detections), len(unreadable), seconds)


def evaluate_detector(
    detector: Detector,
    dataset: Dataset,
    *,
    score: float = SCORE,
    at: float = 0.25,
    iou: float = 0.5,
    title: str | None = None,
) -> Evaluation:
    """Run a detector over a split and hold what it finds against the labels."""
    found = detect_all(detector, dataset, score, title=title)
    truths = [sample.boxes for sample in found.samples]
    return evaluate_detections(truths, found.detections, dataset.classes, iou_threshold=iou, at=at)


def table(result: Evaluation) -> Table:
    """A row a class and one for all, at most 80 columns wide."""
    table = Table(box=box.SIMPLE, pad_edge=False, padding=(0, 1, 0, 0), width=WIDTH)
    table.add_column("class", overflow="ellipsis", no_wrap=True, ratio=1)
    for name in ("VOC07", "VOC10", "AP50", "prec.", "recall", "F1", "truths", "found"):
        table.add_column(name, justify="right", no_wrap=True)
    for c in result.classes:
        table.add_row(
            escape(c.name),
            *map(_figure, (c.ap_voc07, c.ap_voc10, c.ap50_coco)),
            *map(_figure, (c.at.precision, c.at.recall, c.at.f1)),
            str(c.truths),
            str(c.detections),
        )
    table.add_section()
    table.add_row(
        "all",
        *map(_figure, (result.map_voc07, result.map_voc10, result.coco.ap50)),
        *map(_figure, (result.at.precision, result.at.recall, result.at.f1)),
        str(sum(c.truths for c in result.classes)),
        str(sum(c.detections for c in result.classes)),
    )
    table.caption = (
        f"VOC, precision, recall, F1 at IoU {result.iou_threshold:g}; "
        f"the last three of scores above {result.at.threshold:g}"
    )
    return table


def summary(result: Evaluation) -> list[str]:
    """The figures over all classes, a line each."""
    coco, best, ends = result.coco, result.best, result.intervals
    voc07, voc10, ap50 = (
        ("", "", "")
        if ends is None
        else map(_interval, (ends.map_voc07, ends.map_voc10, ends.ap50))
    )
    lines = [
        f"{result.pictures} pictures",
        f"mAP  VOC 2007 {_figure(result.map_voc07)}{voc07}   "
        f"VOC 2010 {_figure(result.map_voc10)}{voc10}",
        f"COCO AP {_figure(coco.ap)}   AP50 {_figure(coco.ap50)}{ap50}   AP75 {_figure(coco.ap75)}",
        f"COCO AR 1, 10, 100 detections {_figures(coco.ar1, coco.ar10, coco.ar100)}",
        "COCO small, medium, large "
        f"AP {_figures(coco.ap_small, coco.ap_medium, coco.ap_large)}   "
        f"AR {_figures(coco.ar_small, coco.ar_medium, coco.ar_large)}",
    ]
    if best.true_positives:
        lines.append(
            f"best F1 {_figure(best.f1)} at a score above {best.threshold:.3f}: "
            f"precision {_figure(best.precision)}, recall {_figure(best.recall)}"
        )
    if ends is not None:
        lines.append(
            f"in brackets: the middle {ends.confidence:.0%} of {ends.resamples} resamples "
            "of the pictures"
        )
    return lines


def _figure(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.4f}"


def _interval(interval: Interval) -> str:
    return f" [{_figure(interval.low)} {_figure(interval.high)}]"


def _difficult(rule: str) -> Difficult:
    for known in RULES:
        if rule == known:
            return known
    raise TatamiError(f"--difficult is '{rule}'", hint=f"give one of {', '.join(RULES)}")


def _figures(*values: float) -> str:
    return " ".join(_figure(value) for value in values)


def _categories(data: Path, format: str | None, dataset: Dataset) -> Sequence[int]:
    """The category id of each class: a COCO set's own, otherwise counted from 1."""
    if format_of(data, format) == "coco":
        return category_ids(data, dataset.split)
    return range(1, len(dataset.classes) + 1)
