"""``tatami train``: a labeled set in, a run folder with a trained network out."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from tatami.cli.options import Data, Format, HoldOut, Skip
from tatami.errors import TatamiError

EXAMPLES = {
    "train": (
        "tatami train yolov2-tiny --data DATA --out RUN",
        "tatami train mobilenet-v1 --data DATA --width 0.25 --size 160x160 --epochs 30 --out RUN",
        "tatami train --resume RUN",
    ),
}
PANELS = {
    "Data": ("data", "format", "skip", "train_split", "test_split", "hold_out", "validate",
             "clip", "background"),
    "Network": ("size", "width", "anchors", "min_scale", "nms", "initial", "partial",
                "freeze"),
    "Training": ("recipe", "epochs", "batch", "learning_rate", "optimizer", "layer_rate",
                 "multi_scale", "alternating", "label_smoothing", "class_weights", "loss",
                 "hearing", "closing_epochs", "patience", "seed"),
    "Augmentation": ("augment",),
    "Run": ("out", "resume", "checkpoint_seconds", "evaluate_every", "tensorboard"),
    "Machine": ("device", "threads", "precision"),
}  # fmt: skip
"""Where --help shows which option."""
OF_TASK = ("anchors", "min_scale", "nms", "label_smoothing", "class_weights", "loss")
OF_RECIPE = (
    *("size", "epochs", "batch", "learning_rate", "optimizer", "multi_scale", "layer_rate"),
    *("seed", "closing_epochs", "precision", "checkpoint_seconds", "evaluate_every", "patience"),
)
"""Options that go on as they are: to the task's settings, and to the recipe."""


def train(
    model: Annotated[str | None, typer.Argument(help="The network, as yolov2-tiny.")] = None,
    data: Data = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The run folder.")] = None,
    resume: Annotated[
        Path | None, typer.Option(help="Go on with this run folder; it says all the rest.")
    ] = None,
    size: Annotated[
        str | None, typer.Option(help="Input, width x height; the paper's if left out.")
    ] = None,
    width: Annotated[float, typer.Option(help="Multiply every layer's channels by this.")] = 1.0,
    epochs: Annotated[
        int | None,
        typer.Option(
            help="Times that every picture is shown; else by the set's size. May lengthen --resume."
        ),
    ] = None,
    recipe: Annotated[str | None, typer.Option(help="paper, or modern where there is.")] = None,
    batch: Annotated[int | None, typer.Option(help="Pictures a step; usually 16.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Usually 0.01 at most.")] = None,
    optimizer: Annotated[str | None, typer.Option(help="sgd or adamw, else the recipe's.")] = None,
    anchors: Annotated[
        str | None,
        typer.Option(help="For YOLO: how many to find by k-means, or 'w,h w,h ...' in cells."),
    ] = None,
    min_scale: Annotated[
        float | None,
        typer.Option(help="For an SSD: side of the smallest default boxes, as a share of input's."),
    ] = None,
    nms: Annotated[
        str | None,
        typer.Option(help="For detectors: suppress boxes within their class, or agnostic of it."),
    ] = None,
    multi_scale: Annotated[
        float | None,
        typer.Option(help="Vary the input size by this share; as in the paper if left out."),
    ] = None,
    label_smoothing: Annotated[
        float | None, typer.Option(help="For classifiers: spread this share over all classes.")
    ] = None,
    class_weights: Annotated[
        str | None,
        typer.Option(help="For segmenters: weights of the classes, as 1,0.5,2, or median."),
    ] = None,
    loss: Annotated[str | None, typer.Option(help="As lovasz, or aligned for YOLOv2.")] = None,
    initial: Annotated[
        Path | None,
        typer.Option(
            "--from", help="Begin from these weights: safetensors, a run folder, or a .pth."
        ),
    ] = None,
    partial: Annotated[
        bool, typer.Option("--partial", help="Take only the first layers of --from that fit.")
    ] = False,
    freeze: Annotated[
        list[str] | None, typer.Option(help="Layers that do not learn, as c1; may be repeated.")
    ] = None,
    layer_rate: Annotated[
        float, typer.Option(help="Each layer learns at this factor of the rate of the next.")
    ] = 1.0,
    alternating: Annotated[
        bool,
        typer.Option("--alternate", help="For Faster R-CNN: its parts in turns, in 4 trainings."),
    ] = False,
    hold_out: HoldOut = None,
    augment: Annotated[
        list[str] | None,
        typer.Option(help="As flip=0 for digits, mosaic=0, scale=0.8,1.25; may be repeated."),
    ] = None,
    hearing: Annotated[
        list[str] | None,
        typer.Option(help="For sounds: window=40, step=20 (ms), gain=1, masks=2; may be repeated."),
    ] = None,
    closing_epochs: Annotated[
        int | None, typer.Option(help="Last epochs, without mosaic and multi-scale; else 5.")
    ] = None,
    precision: Annotated[str, typer.Option(help="auto, float32 or bfloat16.")] = "auto",
    checkpoint_seconds: Annotated[float, typer.Option(help="Save the state this often.")] = 30.0,
    evaluate_every: Annotated[
        int, typer.Option(help="Epochs between evaluations on the test split; 0: at the end only.")
    ] = 0,
    validate: Annotated[
        str | None,
        typer.Option(
            help="Keep the weights that are best on these images: a split as val, or a part of the "
            "one to train on as 0.1 or 0.1:SEED."
        ),
    ] = None,
    patience: Annotated[
        int,
        typer.Option(help="End after this many evaluations without a better figure; 0: never."),
    ] = 0,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write losses and figures for TensorBoard, too.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Seed of weights, order and augmentation.")] = 0,
    threads: Annotated[
        int, typer.Option(help="Threads of torch in a process; 0: torch chooses.")
    ] = 0,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    train_split: Annotated[str | None, typer.Option(help="Else trainval, else train.")] = None,
    test_split: Annotated[str | None, typer.Option(help="Else test, else val.")] = None,
    format: Format = None,
    skip: Skip = None,
) -> None:
    """Train a network on labeled pictures, evaluate it, and leave it as an ONNX file."""
    typed = locals()
    from tatami.cli.output import bars, print_lines, print_table
    from tatami.pipeline import train as pipeline
    from tatami.pipeline.plan import settings_for

    if resume is not None:
        refuse_settings_beside_resume(typed)
        with bars() as progress:
            result = pipeline.resume(
                resume, epochs=epochs, tensorboard=tensorboard, progress=progress
            )
    elif model is None or data is None:
        raise TatamiError("no model or no data", hint="tatami train yolov2-tiny --data FOLDER")
    else:
        asked = {name: typed[name] for name in OF_TASK}
        settings = settings_for(model, {**asked, "alternating": alternating or None}, hearing or ())
        changes = {name: typed[name] for name in OF_RECIPE if typed[name] is not None}
        with bars() as progress:
            result = pipeline.train(
                model,
                data,
                out,
                width=width,
                recipe=recipe,
                changes={**changes, "freeze": freeze or []},
                settings=settings,
                augment=augment or (),
                initial=initial,
                partial=partial,
                train_split=train_split,
                test_split=test_split,
                hold_out=hold_out,
                validate=validate,
                tensorboard=tensorboard,
                format=format,
                skip=skip or (),
                threads=threads,
                device=device,
                progress=progress,
            )
    for table in result.tables():
        print_table(table)
    print_lines(result.lines())


def refuse_settings_beside_resume(typed: Mapping[str, object]) -> None:
    """Raise TatamiError where a setting was typed that a resumed run would not obey."""
    for name, parameter in inspect.signature(train).parameters.items():
        beside = name in ("resume", "epochs", "tensorboard")
        if not beside and (typed[name] or None) != (parameter.default or None):
            raise TatamiError(
                f"--resume goes on as the run began: it takes no {name.replace('_', '-')}",
                hint="leave it out, or start a new run",
            )
