"""``tatami report``: what came of a run, on one page that needs no network."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, cast

import typer
from rich.console import Console

from tatami import graph
from tatami.cli.classification import classify_all
from tatami.cli.old_evaluate import SCORE, Found, detect_all
from tatami.cli.prove import ledger
from tatami.cli.see import what_it_sees
from tatami.cli.see_anchors import anchors_seen, with_anchors
from tatami.cli.segmentation import in_order, segment_all
from tatami.data.pictures import read_picture
from tatami.errors import TatamiError
from tatami.evaluate.classification import Classification
from tatami.evaluate.detections import Evaluation, evaluate
from tatami.evaluate.roc import mean_roc
from tatami.graph.costs import costs
from tatami.pipeline.artifact import head_of, is_quantized, read_run
from tatami.pipeline.ledger import Ledger, Stage
from tatami.pipeline.run_data import held_out_of
from tatami.pipeline.stages import open_stage, stages_of
from tatami.see.plots import Curve, Layer, Panel, RocCurve
from tatami.see.report import (
    ClassResult,
    LedgerRow,
    Report,
    Drawing,
    ShownBoxes,
    ShownMasks,
    write_report,
)
from tatami.see.report import Stage as StageRow
from tatami.tasks.walk import class_order
from tatami.train.run import EVALUATIONS, LOG, Run, read_rows
from tatami.types import (
    Boxes,
    Classifier,
    Dataset,
    Detections,
    Detector,
    LabeledMasks,
    LabeledPictures,
    Picture,
    Segmenter,
)

SHOWN = 12
"""Pictures on the page, evenly spread over the split."""
CONFUSED = 40
"""Up to so many classes the confusion matrix is on the page."""
ROCS = 10
"""Of more classes, those with the least areas are drawn."""


def report(
    run: Annotated[Path, typer.Argument(help="A run folder, with what came of it.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The page; RUN/report.html if left out.")
    ] = None,
) -> None:
    """Write report.html: pictures with boxes, curves, the ledger, the layers, the provenance."""
    settings = read_run(run)
    dataset = held_out_of(settings)
    if dataset is None:
        raise TatamiError("the run has no test split", file=run, hint="train with --test-split")
    proof = ledger([open_stage(path) for path in stages_of(run)], dataset, progress=True)
    page = output or run / "report.html"
    if isinstance(dataset, LabeledPictures):
        write_report(classifier_report(run, settings, dataset, proof), page)
    elif isinstance(dataset, LabeledMasks):
        write_report(segmenter_report(run, settings, dataset, proof), page)
    else:
        write_report(build_report(run, settings, dataset, proof), page)
    Console(stderr=True, highlight=False).print(f"wrote {page}", markup=False, soft_wrap=True)


def build_report(folder: Path, run: Run, dataset: Dataset, proof: Ledger) -> Report:
    """The page of a run: its last artifact looked at on the test split, and all before it."""
    paths = stages_of(folder)
    last = open_stage(paths[-1])
    first = next((one for one in dataset.samples if len(one.boxes)), dataset.samples[0])
    page = _page(folder, run, paths, last, proof, first.id, read_picture(first.path))
    detector, anchors = cast(Detector, last.detector), with_anchors(last.spec)
    threshold = detector.spec.decoding.score_threshold
    found = detect_all(detector, dataset, SCORE, title="Looking")
    truths = [sample.boxes for sample in found.samples]
    result = evaluate(truths, found.detections, dataset.classes)
    return replace(
        page,
        lead=f"Trained on {run.data.split}, measured on {dataset.split}: {len(dataset)} pictures.",
        summary={
            "mAP@0.5 (VOC 2007)": f"{result.map_voc07:.4f}",
            "COCO AP": f"{result.coco.ap:.4f}",
            "best F1": f"{result.best.f1:.4f}",
            "pictures a second": f"{found.pictures_per_second or 0.0:.1f}",
            **page.summary,
        },
        classes=dataset.classes,
        pictures=_shown(found, detector),
        pictures_note=f"Found by {last.name}, above a score of {threshold:g}.",
        seen=[*page.seen, *([anchors_seen(anchors, dataset, first)] if anchors else [])],
        panels=(
            Panel(
                "Loss",
                ("loss", "coordinates", "anchors", "objectness", "background", "classes"),
                logarithmic=True,
            ),
            Panel("Learning rate", ("learning_rate",)),
            Panel("mAP@0.5", ("mAP",)),
        ),
        curves=_curves(result),
        per_class=_per_class(result),
    )


def classifier_report(folder: Path, run: Run, pictures: LabeledPictures, proof: Ledger) -> Report:
    """The same of a classifier: a picture's class stands around all of it."""
    paths = stages_of(folder)
    last = open_stage(paths[-1])
    found = classify_all(cast(Classifier, last.detector), pictures, title="Looking")
    result = found.result
    first = int(found.places[0])
    page = _page(folder, run, paths, last, proof, pictures.ids[first], pictures.read(first))
    shown = []
    every = max(1, len(found.places) // SHOWN)
    for place, scores in list(zip(found.places.tolist(), found.scores, strict=True))[::every]:
        picture = pictures.read(place)
        whole = [[0, 0, picture.shape[1], picture.shape[0]]]
        best = int(scores.argmax())
        shown.append(
            ShownBoxes(
                pictures.ids[place],
                picture,
                Boxes.of(whole, [pictures.labels[place]]),
                Detections.of(whole, [scores[best]], [best]),
            )
        )
    return replace(
        page,
        lead=f"Trained on {run.data.split}, measured on {pictures.split}: {len(pictures)} of them.",
        measure="top-1",
        summary={
            "top-1": f"{result.top1:.4f}",
            "top-5": f"{result.top5:.4f}",
            "error": f"{100 * (1 - result.top1):.2f} %",
            "mean AUC": f"{result.auc:.4f}",
            "pictures a second": f"{found.pictures_per_second or 0.0:.1f}",
            **page.summary,
        },
        classes=pictures.classes,
        pictures=shown[:SHOWN],
        pictures_note=f"Named by {last.name}.",
        panels=(
            Panel("Loss", ("loss",), logarithmic=True),
            Panel("Learning rate", ("learning_rate",)),
            Panel("top-1", ("top1",)),
        ),
        per_class=[
            ClassResult(
                one.name,
                one.pictures,
                math.nan,
                one.precision,
                one.recall,
                one.f1,
                one.roc.auc,
            )
            for one in result.classes
        ],
        rocs=rocs_of(result),
        curves_note=f"ROC: the mean of the classes, and the {ROCS} of them with the least areas."
        if len(result.classes) > ROCS
        else "",
        confusion=result.confusion.tolist() if len(result.classes) <= CONFUSED else (),
    )


def segmenter_report(folder: Path, run: Run, masks: LabeledMasks, proof: Ledger) -> Report:
    """The same of a segmenter: the classes of the pixels are laid over the pictures."""
    paths = stages_of(folder)
    last = open_stage(paths[-1])
    segmenter = cast(Segmenter, last.detector)
    found = segment_all(segmenter, masks, title="Looking")
    result = found.result
    first = int(found.places[0])
    page = _page(folder, run, paths, last, proof, masks.ids[first], masks.read(first)[0])
    to_data = class_order(segmenter.spec.classes, masks.classes)
    every = max(1, len(found.places) // SHOWN)
    shown = []
    for place in found.places[::every][:SHOWN].tolist():
        picture, labeled = masks.read(place)
        answer = in_order(segmenter.segment(picture), to_data)
        shown.append(ShownMasks(masks.ids[place], picture, labeled, answer))
    return replace(
        page,
        lead=f"Trained on {run.data.split}, measured on {masks.split}: {len(masks)} pictures.",
        measure="mIoU",
        summary={
            "mIoU": f"{result.mean_iou:.4f}",
            "pixel accuracy": f"{result.pixel_accuracy:.4f}",
            "class accuracy": f"{result.class_accuracy:.4f}",
            "mean Dice": f"{result.mean_dice:.4f}",
            "boundary F1": f"{result.boundary_f1:.4f}",
            "pictures a second": f"{found.pictures_per_second or 0.0:.1f}",
            **page.summary,
        },
        classes=masks.classes,
        colors=masks.colors,
        pictures=shown,
        pictures_note=f"Found by {last.name}; pixels without a class show the picture alone.",
        panels=(
            Panel("Loss", ("loss",), logarithmic=True),
            Panel("Learning rate", ("learning_rate",)),
            Panel("mIoU", ("mIoU",)),
        ),
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


def _page(
    folder: Path,
    run: Run,
    paths: list[Path],
    last: Stage,
    proof: Ledger,
    caption: str,
    picture: Picture,
) -> Report:
    """What is told of any network, with a picture and what the network sees in it."""
    measured = [row for row in proof.rows if row.mean_ap is not None]
    seen, seen_note = _seen(paths, caption, picture)
    return Report(
        title=f"{run.model} on {Path(run.data.root).name}",
        summary={"proof": "passed" if proof.passed else "FAILED"},
        stages=[
            StageRow(row.stage, path.name, row.mean_ap, row.size, row.milliseconds)
            for row, path in zip(measured, paths, strict=True)
        ],
        ledger=_held(proof),
        seen=seen,
        seen_note=seen_note,
        log=[*read_rows(folder / LOG), *read_rows(folder / EVALUATIONS)],
        layers=_layers(paths),
        provenance=_provenance(run, last.spec.provenance),
    )


def _held(proof: Ledger) -> list[LedgerRow]:
    """The ledger's rows; the first stage is held to nothing and is left out."""
    return [
        LedgerRow(
            row.stage,
            row.held_to,
            row.worst or 0.0,
            row.bound or 0.0,
            row.passed,
            "pixels" if row.unit == "px" else "relative",
            row.layer or "",
            row.mean_ap,
            row.size,
            row.milliseconds,
        )
        for row in proof.rows
        if row.held_to is not None
    ]


def _shown(found: Found, detector: Detector) -> list[ShownBoxes]:
    """Some of the pictures, with the truth and what was found in them."""
    every = max(1, len(found.samples) // SHOWN)
    threshold = detector.spec.decoding.score_threshold
    pictures = []
    for sample, all_found in list(zip(found.samples, found.detections, strict=True))[::every]:
        sure = all_found.select(all_found.scores > threshold)
        pictures.append(ShownBoxes(sample.id, read_picture(sample.path), sample.boxes, sure))
    return pictures[:SHOWN]


def _seen(paths: list[Path], caption: str, picture: Picture) -> tuple[list[Drawing], str]:
    """Inside the last network in float32, for a picture; and the words for it."""
    networks = [(path, graph.read(path)) for path in paths if path.suffix == ".onnx"]
    in_float = [(path, network) for path, network in networks if not is_quantized(network)]
    if not in_float:
        return [], ""
    path, network = in_float[-1]
    note = f"Feature maps of {path.name}, each from its least number to its largest."
    return what_it_sees(network, picture, caption, path), note


def _curves(result: Evaluation) -> list[Curve]:
    return [
        Curve(one.name, one.curve.recall, one.curve.precision, one.ap_voc07)
        for one in result.classes
        if one.truths
    ]


def rocs_of(result: Classification) -> list[RocCurve]:
    """The mean of all classes, and the classes themselves, or the worst of many."""
    mean = mean_roc([one.roc for one in result.classes])
    if mean is None:
        return []
    defined = [one for one in result.classes if not math.isnan(one.roc.auc)]
    worst = sorted(defined, key=lambda one: one.roc.auc)[:ROCS]
    shown = defined if len(result.classes) <= ROCS else worst
    return [
        RocCurve(
            "mean of the classes", mean.false_positive_rate, mean.true_positive_rate, mean.auc
        ),
        *(
            RocCurve(one.name, one.roc.false_positive_rate, one.roc.true_positive_rate, one.roc.auc)
            for one in shown
        ),
    ]


def _per_class(result: Evaluation) -> list[ClassResult]:
    return [
        ClassResult(one.name, one.truths, one.ap_voc07, one.at.precision, one.at.recall, one.at.f1)
        for one in result.classes
    ]


def _layers(paths: list[Path]) -> list[Layer]:
    """What the layers of the last ONNX file cost: what is shipped. Of a detector in two stages both
    networks', the head's for one region."""
    files = [path for path in paths if path.suffix == ".onnx"]
    if not files:
        return []
    network = graph.read(files[-1])
    parts = [("", network)]
    head = head_of(network, files[-1])
    if head is not None:
        parts.append(("a region: ", head))
    return [
        Layer(
            prefix + cost.name,
            " ".join(cost.operators),
            cost.shape[1:],
            cost.multiply_adds,
            cost.parameters,
            cost.weight_bytes,
        )
        for prefix, part in parts
        for cost in costs(part)
    ]


def _provenance(run: Run, network: Mapping[str, str]) -> dict[str, str]:
    recipe = {f"recipe {key}": str(value) for key, value in run.recipe.to_json().items()}
    versions = {f"{name}": version for name, version in run.versions.items()}
    return {**network, **recipe, **versions, "threads": str(run.threads)}
