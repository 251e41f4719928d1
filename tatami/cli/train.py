"""``tatami train``: a labelled set in, a run folder with a trained network out."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from tatami.cli.artefact import open_run, read_run
from tatami.cli.evaluate import class_order, evaluate_detector, summary, table
from tatami.cli.training import (
    Source,
    check_machine,
    console,
    plan,
    refuse_a_second_run,
    reopen_data,
    tell_other_versions,
    test_data,
    train_in,
)
from tatami.data.augment import Augmentation
from tatami.errors import TatamiError
from tatami.types import Size


def train(
    model: Annotated[str | None, typer.Argument(help="The network, as yolov2-tiny.")] = None,
    data: Annotated[Path | None, typer.Option(help="The labelled set.")] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The run folder.")] = None,
    resume: Annotated[
        Path | None, typer.Option(help="Go on with this run folder; it says all the rest.")
    ] = None,
    size: Annotated[str, typer.Option(help="Input, width x height, multiples of 32.")] = "416x416",
    width: Annotated[float, typer.Option(help="Multiplies every layer's channels.")] = 1.0,
    epochs: Annotated[int, typer.Option(help="Times that every picture is seen.")] = 100,
    batch: Annotated[int, typer.Option(help="Pictures a step, over all processes.")] = 16,
    learning_rate: Annotated[float, typer.Option(help="The highest, after warm-up.")] = 0.01,
    anchors: Annotated[
        str, typer.Option(help="How many to find by k-means, or 'w,h w,h ...' in cells.")
    ] = "5",
    multi_scale: Annotated[
        float, typer.Option(help="Share by which the input size varies; 0: not.")
    ] = 0.25,
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
    format: Annotated[str | None, typer.Option(help="voc, coco or yolo; else recognised.")] = None,
    skip: Annotated[
        list[str] | None, typer.Option(help="Accept this kind of problem; may be repeated.")
    ] = None,
) -> None:
    """Train a network on labelled pictures, evaluate it, and leave it as an ONNX file."""
    typed = locals()
    from tatami.train.distributed import all_or_none, join_team, leave_team
    from tatami.train.recipe import Recipe

    team = join_team()
    console.quiet = not team.leads  # a team speaks with one voice
    try:
        with all_or_none(team):
            if resume is not None:
                refuse_settings_beside_resume(typed)
                run, folder = read_run(resume), resume
                check_machine(run, team)
                tell_other_versions(run)
                dataset = reopen_data(run)
            elif model is None or data is None:
                raise TatamiError(
                    "no model or no data", mend="tatami train yolov2-tiny --data FOLDER"
                )
            else:
                recipe = Recipe.from_json(
                    {
                        "size": str(Size.parse(size)),
                        "epochs": epochs,
                        "batch": batch,
                        "learning_rate": learning_rate,
                        "multi_scale": multi_scale,
                        "closing_epochs": closing_epochs,
                        "precision": precision,
                        "checkpoint_seconds": checkpoint_seconds,
                        "evaluate_every": evaluate_every,
                        "seed": seed,
                    }
                )
                augmentation = Augmentation().with_settings(augment or ())
                source = Source(data, train_split, test_split, format, tuple(skip or ()))
                folder = out or Path("runs") / f"{model}-{data.resolve().name}"
                refuse_a_second_run(folder)
                run, dataset = plan(
                    model, width, anchors, recipe, augmentation, source, threads, device, team
                )
            held_out = test_data(run)
            if held_out:  # now, and not when the training is over
                class_order(run.spec.classes, held_out.classes)
        train_in(folder, run, dataset, held_out, team, new=resume is None)
        if held_out and team.leads:
            result = evaluate_detector(open_run(folder), held_out, title="Evaluating")
            plain = Console(width=80, highlight=False)
            plain.print(table(result))
            for line in summary(result):
                plain.print(line, markup=False)
        console.print(f"wrote {folder}", markup=False, soft_wrap=True)
    finally:
        leave_team(team)


def refuse_settings_beside_resume(typed: Mapping[str, object]) -> None:
    """Raise TatamiError where a setting was typed that a resumed run would not obey."""
    for name, parameter in inspect.signature(train).parameters.items():
        if name != "resume" and (typed[name] or None) != (parameter.default or None):
            raise TatamiError(
                f"--resume goes on as the run began: it takes no {name.replace('_', '-')}",
                mend="leave it out, or start a new run",
            )
