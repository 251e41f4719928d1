"""``tatami search``: many trainings, each judged on pictures held out, and the best of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tatami.cli.options import AsJson, Data, Format, Skip

EXAMPLES = {
    "search": (
        "tatami search mobilenet-v1 --data DATA --vary learning_rate=1e-3..1e-1 --out STUDY",
        "tatami search --data DATA --vary model=yolov2-tiny,tatami-nano --vary width=0.25,0.5 "
        "--cost ram --fit cortex-m7 --ram 512K --flash 2M",
        "tatami search --study postgresql://HOST/BASE --data DATA --out HERE",
    ),
}


def search(
    model: Annotated[
        str | None, typer.Argument(help="The network, as yolov2-tiny; not to join a study.")
    ] = None,
    data: Data = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="The folder for run folders and front.html.")
    ] = Path("search"),
    vary: Annotated[
        list[str] | None,
        typer.Option(
            help="As learning_rate=1e-4..1e-1, width=0.25,0.5 or model=A,B; may be repeated."
        ),
    ] = None,
    fixed: Annotated[
        list[str] | None,
        typer.Option("--set", help="For every trial, as epochs=8, flip=0; may be repeated."),
    ] = None,
    costs: Annotated[
        list[str] | None,
        typer.Option(
            "--cost", help="What is to be low: multiply_adds, ram, flash, milliseconds; repeated."
        ),
    ] = None,
    trials: Annotated[
        int | None, typer.Option(min=1, help="Trainings in all, by all workers; else 20.")
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(min=0, help="Begin no training later than this.")
    ] = None,
    target: Annotated[
        str | None, typer.Option("--fit", help="The machine, as cortex-m7, for RAM and flash.")
    ] = None,
    ram: Annotated[str | None, typer.Option(help="Train nothing that needs more, as 512K.")] = None,
    flash: Annotated[str | None, typer.Option(help="Train nothing that needs more, as 2M.")] = None,
    study: Annotated[
        str | None, typer.Option(help="Its URL, as postgresql://HOST/BASE; else a file in --out.")
    ] = None,
    validate: Annotated[
        str | None, typer.Option(help="What judges: a split, or a part to learn from; else 0.2.")
    ] = None,
    sampler: Annotated[str | None, typer.Option(help="tpe, cmaes, nsga2 or random.")] = None,
    pruner: Annotated[
        str | None, typer.Option(help="halving, hyperband, median or none: what ends early.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of the search, and of every training.")] = None,
    threads: Annotated[int, typer.Option(help="Of torch; 0: torch chooses.")] = 0,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    train_split: Annotated[str | None, typer.Option(help="Else trainval, else train.")] = None,
    format: Format = None,
    skip: Skip = None,
    as_json: AsJson = False,
) -> None:
    """Search for good trainings: vary what they depend on, judge each on images held out.

    The same command, started again anywhere, is one more worker of the study, or goes on with it.
    """
    from tatami.cli.output import bars, print_result
    from tatami.errors import TatamiError
    from tatami.pipeline import search as pipeline

    if data is None:
        raise TatamiError("no data", hint="tatami search yolov2-tiny --data FOLDER")
    with bars() as progress:
        result = pipeline.search(
            model,
            data,
            out,
            vary=vary or (),
            fixed=fixed or (),
            costs=[name.replace("-", "_") for name in costs or ()],
            trials=trials,
            minutes=minutes,
            target=target,
            ram=ram,
            flash=flash,
            study=study,
            validate=validate,
            sampler=sampler,
            pruner=pruner,
            seed=seed,
            train_split=train_split,
            format=format,
            skip=skip or (),
            threads=threads,
            device=device,
            progress=progress,
        )
    print_result(result, as_json)
