"""``tatami evaluate``: what a network, or detections in a file, are worth on labeled pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tatami.cli import options

EXAMPLES = {
    "evaluate": (
        "tatami evaluate RUN",
        "tatami evaluate RUN/c-int8 --data DATA --split test --json",
        "tatami evaluate --detections found.json --data DATA --diagnose",
    ),
}
OF_TASK = (
    *("score", "at", "iou", "difficult", "bootstrap", "diagnose", "similar", "curves", "save"),
    *("absent_classes", "beam", "penalty"),
)
"""Options that go on by their names to the task, as far as they are typed."""


def evaluate(
    artifact: Annotated[
        Path | None,
        typer.Argument(help="A run folder, an ONNX file or a shipped C folder."),
    ] = None,
    data: options.Data = None,
    detections: Annotated[
        Path | None,
        typer.Option(
            help="Evaluate detections in COCO's results format, not an artifact. Pictures need not "
            "be there where labels state their sizes."
        ),
    ] = None,
    split: options.Split = None,
    format: options.Format = None,
    hold_out: options.HoldOut = None,
    skip: options.Skip = None,
    score: Annotated[
        float | None, typer.Option(help="Detection: evaluate what scores above this; else 0.005.")
    ] = None,
    at: Annotated[
        float | None,
        typer.Option(help="Detection: precision, recall, F1 of what scores above this; else 0.25."),
    ] = None,
    iou: Annotated[
        float | None,
        typer.Option(help="Detection: an object is found from this IoU on (not COCO); else 0.5."),
    ] = None,
    difficult: Annotated[
        str | None,
        typer.Option(
            help="Detection: ignore VOC's difficult truths (VOC), drop (darknet) or count them; "
            "else ignore."
        ),
    ] = None,
    absent_classes: Annotated[
        str | None,
        typer.Option(
            help="Detection: skip classes without truths in VOC's mAP, or count them as zero "
            "(darknet); else skip."
        ),
    ] = None,
    bootstrap: Annotated[
        int | None,
        typer.Option(
            help="Detection: number of bootstrap resamples for 95 % intervals of mAP, as 1000."
        ),
    ] = None,
    diagnose: Annotated[
        bool,
        typer.Option(
            "--diagnose", help="Detection: add kinds of errors, calibration and ROC of each class."
        ),
    ] = False,
    similar: Annotated[
        list[str] | None,
        typer.Option(
            help="Detection: classes that --diagnose takes as similar, as cat,dog; may be repeated."
        ),
    ] = None,
    tiling: options.Tiling = None,
    tta: options.Tta = False,
    beam: options.Beam = None,
    penalty: options.Penalty = None,
    curves: Annotated[
        Path | None,
        typer.Option(help="Detection: write precision-recall, ROC and reliability curves here."),
    ] = None,
    trust: options.Trust = False,
    as_json: options.AsJson = False,
    save: Annotated[
        Path | None,
        typer.Option(help="Detection: write the detections, in COCO's results format."),
    ] = None,
) -> None:
    """Measure a network on labeled pictures: mAP, accuracy or mIoU, and pictures a second.

    For detection: average precision (VOC 2007, VOC 2010, COCO), precision, recall and F1.
    For classification: top-1 and top-5, the confusion matrix, precision, recall and AUC of each
    class. For segmentation: IoU, Dice and accuracy of the pixels, the F1 of the boundaries.
    """
    typed = locals()
    from tatami.cli.output import bars, print_lines, print_result
    from tatami.pipeline.evaluate import evaluate as evaluate_artifact

    given = {name: typed[name] for name in OF_TASK}
    asked = {name: one for name, one in given.items() if one is not None and one is not False}
    with bars() as progress:
        result = evaluate_artifact(
            artifact,
            data,
            detections=detections,
            split=split,
            format=format,
            skip=skip or (),
            hold_out=hold_out,
            tiling=tiling,
            tta=tta,
            options=asked | ({"similar": tuple(similar)} if similar else {}),
            trust=trust,
            progress=progress,
        )
    print_result(result, as_json)
    if not as_json:
        print_lines(f"wrote {file}" for file in result.files)
