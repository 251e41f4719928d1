"""``tatami train``: a labeled set in, a run folder with a trained network out."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer
from rich.console import Console

from tatami.cli.classification import classify_all, print_classification
from tatami.cli.old_evaluate import evaluate_detector, summary, table
from tatami.cli.segmentation import print_segmentation, segment_all
from tatami.data.augment import Augmentation
from tatami.data.hold_out import HoldOut
from tatami.errors import TatamiError
from tatami.pipeline.artifact import check_model, open_run, read_run
from tatami.pipeline.initial_weights import initial_weights
from tatami.pipeline.plan import (
    OF_CLASSES,
    OF_MASKS,
    Asked,
    Source,
    check_machine,
    console,
    plan,
    plan_classifier,
    plan_segmenter,
    plan_two_stage,
)
from tatami.pipeline.run_data import Data, held_out_of, reopened
from tatami.pipeline.train import refuse_a_second_run, tell_other_versions, train_in
from tatami.rules.classification import ForwardClassifier
from tatami.rules.segmentation import ForwardSegmenter
from tatami.tasks.walk import class_order
from tatami.types import Detector, LabeledMasks, LabeledPictures, Size

if TYPE_CHECKING:
    from tatami.models.detector import Detector as DetectorModel
    from tatami.models.two_stage import TwoStage


def train(
    model: Annotated[str | None, typer.Argument(help="The network, as yolov2-tiny.")] = None,
    data: Annotated[Path | None, typer.Option(help="The labeled set.")] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The run folder.")] = None,
    resume: Annotated[
        Path | None, typer.Option(help="Go on with this run folder; it says all the rest.")
    ] = None,
    size: Annotated[
        str | None, typer.Option(help="Input, width x height; else the paper's.")
    ] = None,
    width: Annotated[float, typer.Option(help="Multiplies every layer's channels.")] = 1.0,
    epochs: Annotated[int, typer.Option(help="Times that every picture is seen.")] = 100,
    batch: Annotated[int, typer.Option(help="Pictures a step, over all processes.")] = 16,
    learning_rate: Annotated[float, typer.Option(help="The highest, after warm-up.")] = 0.01,
    anchors: Annotated[
        str | None, typer.Option(help="How many to find by k-means, or 'w,h w,h ...' in cells.")
    ] = None,
    least_scale: Annotated[
        float | None,
        typer.Option(
            help="Of an SSD: side of the smallest default boxes, as a share of the input's."
        ),
    ] = None,
    nms: Annotated[
        str | None,
        typer.Option(help="Of a detector: boxes suppress those of their class, or agnostic: all."),
    ] = None,
    multi_scale: Annotated[
        float | None,
        typer.Option(help="Share by which the input size varies; else as the network's paper."),
    ] = None,
    label_smoothing: Annotated[
        float, typer.Option(help="Of a classifier: the share of a target that all classes get.")
    ] = 0.0,
    class_weights: Annotated[
        str | None,
        typer.Option(help="Of a segmenter: what a pixel of each class weighs, or median."),
    ] = None,
    source: Annotated[
        Path | None,
        typer.Option(
            "--from", help="Begin from these weights: safetensors, a run folder, or a .pth."
        ),
    ] = None,
    partial: Annotated[
        bool,
        typer.Option(
            "--partial", help="Of --from, another network: take the first layers that fit."
        ),
    ] = False,
    freeze: Annotated[
        list[str] | None, typer.Option(help="Layers that do not learn, as c1; may be repeated.")
    ] = None,
    layer_rate: Annotated[
        float, typer.Option(help="Each layer learns at this factor of the rate of the next.")
    ] = 1.0,
    alternate: Annotated[
        bool,
        typer.Option("--alternate", help="Of Faster R-CNN: its parts in turns, in four trainings."),
    ] = False,
    hold_out: Annotated[
        str | None,
        typer.Option(help="Of a classifier's one split: hold so many out, as 10000 or 10000:SEED."),
    ] = None,
    augment: Annotated[
        list[str] | None,
        typer.Option(help="As flip=0 for digits, mosaic=0, scale=0.8,1.25; may be repeated."),
    ] = None,
    closing_epochs: Annotated[
        int, typer.Option(help="Last epochs, without mosaic and multi-scale.")
    ] = 5,
    precision: Annotated[str, typer.Option(help="auto, float32 or bfloat16.")] = "auto",
    checkpoint_seconds: Annotated[float, typer.Option(help="Save the state this often.")] = 30.0,
    evaluate_every: Annotated[
        int, typer.Option(help="Epochs between evaluations on the test split; 0: at the end only.")
    ] = 0,
    seed: Annotated[int, typer.Option(help="Of weights, order and augmentation.")] = 0,
    threads: Annotated[int, typer.Option(help="Of torch, a process; 0: torch chooses.")] = 0,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    train_split: Annotated[str | None, typer.Option(help="Else trainval, else train.")] = None,
    test_split: Annotated[str | None, typer.Option(help="Else test, else val.")] = None,
    format: Annotated[
        str | None, typer.Option(help="As voc, coco, folders, masks, voc-masks; else recognized.")
    ] = None,
    skip: Annotated[
        list[str] | None, typer.Option(help="Accept this kind of problem; may be repeated.")
    ] = None,
) -> None:
    """Train a network on labeled pictures, evaluate it, and leave it as an ONNX file."""
    typed = locals()
    from tatami.models import CLASSIFIERS, SEGMENTERS, TWO_STAGE
    from tatami.train.distributed import all_or_none, join_team, leave_team
    from tatami.train.recipe import Recipe

    team = join_team()
    console.quiet = not team.leads  # a team speaks with one voice
    try:
        with all_or_none(team):
            dataset: Data
            held_out: Data | None
            initial = None
            if resume is not None:
                refuse_settings_beside_resume(typed)
                run, folder = read_run(resume), resume
                check_machine(run, team)
                tell_other_versions(run)
                dataset = reopened(run)
            elif model is None or data is None:
                raise TatamiError(
                    "no model or no data", hint="tatami train yolov2-tiny --data FOLDER"
                )
            else:
                check_model(model)
                kind = _kind(model)
                usual_scale = 0.0 if kind is None else kind.multi_scale
                if partial and source is None:
                    raise TatamiError(
                        "--partial says what of --from to take", hint="give --from, or leave it out"
                    )
                _refuse_other_settings(
                    model, anchors, least_scale, nms, label_smoothing, class_weights
                )
                recipe = Recipe.from_json(
                    {
                        "size": str(_size(model, size)),
                        "stride": _stride(model),
                        "epochs": epochs,
                        "batch": batch,
                        "learning_rate": learning_rate,
                        "multi_scale": usual_scale if multi_scale is None else multi_scale,
                        "closing_epochs": closing_epochs,
                        "label_smoothing": label_smoothing,
                        "alternating": alternate,
                        "freeze": freeze or [],
                        "layer_rate": layer_rate,
                        "precision": precision,
                        "checkpoint_seconds": checkpoint_seconds,
                        "evaluate_every": evaluate_every,
                        "seed": seed,
                    }
                )
                start = Augmentation()
                if kind is None:
                    start = OF_MASKS if model in SEGMENTERS else OF_CLASSES
                augmentation = start.with_settings(augment or ())
                held = None if hold_out is None else HoldOut.parse(hold_out)
                where = Source(data, train_split, test_split, format, tuple(skip or ()), held)
                folder = out or Path("runs") / f"{model}-{data.resolve().name}"
                refuse_a_second_run(folder)
                asked = Asked(model, width, recipe, augmentation, where, threads, device)
                _check_stages(model, alternate, evaluate_every)
                if model in CLASSIFIERS:
                    run, dataset = plan_classifier(asked, team)
                elif model in SEGMENTERS:
                    run, dataset = plan_segmenter(asked, class_weights, team)
                elif model in TWO_STAGE:
                    run, dataset = plan_two_stage(asked, nms, team)
                else:
                    run, dataset = plan(asked, anchors, least_scale, nms, team)
                initial = None if source is None else initial_weights(run, source, partial=partial)
            held_out = held_out_of(run)
            if held_out:  # now, and not when the training is over
                class_order(run.spec.classes, held_out.classes)
        train_in(folder, run, dataset, held_out, team, new=resume is None, initial=initial)
        if held_out and team.leads:
            _tell(folder, held_out)
        console.print(f"wrote {folder}", markup=False, soft_wrap=True)
    finally:
        leave_team(team)


def _tell(folder: Path, held_out: Data) -> None:
    """What the finished run makes of what was held out."""
    plain = Console(width=80, highlight=False)
    opened = open_run(folder)
    if isinstance(held_out, LabeledPictures):
        assert isinstance(opened, ForwardClassifier)
        print_classification(plain, classify_all(opened, held_out, title="Evaluating").result)
        return
    if isinstance(held_out, LabeledMasks):
        assert isinstance(opened, ForwardSegmenter)
        print_segmentation(plain, segment_all(opened, held_out, title="Evaluating").result)
        return
    result = evaluate_detector(cast(Detector, opened), held_out, title="Evaluating")
    plain.print(table(result))
    for line in summary(result):
        plain.print(line, markup=False)


def _size(model: str, typed: str | None) -> Size:
    """As typed, or the model's own."""
    from tatami.models import CLASSIFIERS, SEGMENTERS, classifier_size

    if typed is not None:
        return Size.parse(typed)
    kind = _kind(model)
    if kind is not None:
        return kind.size
    if model not in CLASSIFIERS:
        return SEGMENTERS[model](1, width=0.1).size
    side = classifier_size(model)
    return Size(side, side)


def _check_stages(model: str, alternate: bool, evaluate_every: int) -> None:
    """Raise TatamiError for what a detector in two stages cannot do while it trains."""
    from tatami.models import TWO_STAGE

    if alternate and not (model in TWO_STAGE and TWO_STAGE[model][0].own_proposals):
        raise TatamiError("--alternate is for Faster R-CNN", hint="leave it out")
    if evaluate_every and (alternate or model == "rcnn"):
        raise TatamiError(
            "the network is whole only when the training is over", hint="leave --evaluate-every out"
        )


def _kind(model: str) -> type[DetectorModel] | type[TwoStage] | None:
    """What a detector's name stands for; None for a classifier's."""
    from tatami.models import DETECTORS, TWO_STAGE

    return TWO_STAGE[model][0] if model in TWO_STAGE else DETECTORS.get(model)


def _stride(model: str) -> int:
    """What the sides of the model's input are multiples of; 1: any."""
    from tatami.models import DETECTORS, SEGMENTERS

    if model in SEGMENTERS:  # which of its forms a name means is known to the model alone
        return SEGMENTERS[model](1, width=0.1).stride
    return DETECTORS[model].stride if model in DETECTORS else 1


def _refuse_other_settings(
    model: str,
    anchors: str | None,
    least_scale: float | None,
    nms: str | None,
    label_smoothing: float,
    class_weights: str | None,
) -> None:
    """Raise TatamiError for a setting that is for another kind of network."""
    from tatami.models import CLASSIFIERS, DETECTORS, SEGMENTERS, TWO_STAGE

    for option, given, kind, models in (
        ("anchors", anchors is not None, "detectors", DETECTORS),
        ("least-scale", least_scale is not None, "detectors", DETECTORS),
        ("nms", nms is not None, "detectors", {*DETECTORS, *TWO_STAGE}),
        ("label-smoothing", label_smoothing != 0, "classifiers", CLASSIFIERS),
        ("class-weights", class_weights is not None, "segmenters", SEGMENTERS),
    ):
        if given and model not in models:
            raise TatamiError(f"--{option} is for {kind}", hint="leave it out")


def refuse_settings_beside_resume(typed: Mapping[str, object]) -> None:
    """Raise TatamiError where a setting was typed that a resumed run would not obey."""
    for name, parameter in inspect.signature(train).parameters.items():
        if name != "resume" and (typed[name] or None) != (parameter.default or None):
            raise TatamiError(
                f"--resume goes on as the run began: it takes no {name.replace('_', '-')}",
                hint="leave it out, or start a new run",
            )
