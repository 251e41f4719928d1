"""``tatami shrink resize``: a trained detector at another input size, fine-tuned there.

A convolution's operations go with its pixels. How much accuracy goes with them, and how much of it
a short training brings back, is measured and not guessed.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from tatami import graph
from tatami.cli.old_evaluate import evaluate_detector
from tatami.cli.truncating import truncate
from tatami.data.open import open_dataset
from tatami.errors import TatamiError
from tatami.graph.costs import costs, total
from tatami.graph.network import Network
from tatami.pipeline.artifact import open_detector, read_run
from tatami.shrink.resize import resize as resize_network
from tatami.types import ClassificationSpec, Dataset, SegmentationSpec, Size

WIDTH = 80
LOWERED = "lowered.onnx"
GENTLER = 5
"""Fine-tuning begins with the training's learning rate divided by this."""

shrink_app = typer.Typer(
    name="shrink", help="Smaller networks, and what each costs.", no_args_is_help=True
)


@dataclass(frozen=True)
class Stage:
    """One row of the answer. multiply_adds: of one picture."""

    stage: str
    size: str
    multiply_adds: int
    map_voc07: float
    map_voc10: float
    ap50: float
    file: str


@shrink_app.callback()
def _shrink() -> None: ...


shrink_app.command("truncate")(truncate)


@shrink_app.command("resize")
def resize(
    network: Annotated[
        Path, typer.Argument(help="A run folder; or an ONNX file, which is not fine-tuned.")
    ],
    size: Annotated[
        str | None, typer.Option(help="The new input, width x height, as 352x288.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="The new run folder, or file; IN-352x288 and the like if left out."
        ),
    ] = None,
    epochs: Annotated[
        int, typer.Option(min=0, help="Of fine-tuning, on the run's own data; 0: none.")
    ] = 20,
    learning_rate: Annotated[
        float | None, typer.Option(help="Of fine-tuning; a fifth of the run's if left out.")
    ] = None,
    threads: Annotated[
        int | None, typer.Option(help="Of torch; those of the run if left out.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="The set to measure on; a run knows its own.")
    ] = None,
    split: Annotated[str | None, typer.Option(help="Its split, as test.")] = None,
    format: Annotated[str | None, typer.Option(help="voc, coco or yolo; else recognized.")] = None,
    skip: Annotated[
        list[str] | None, typer.Option(help="Accept this kind of problem; may be repeated.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, no table.")] = False,
) -> None:
    """Lower (or raise) the input size, and measure operations and mAP before and after it."""
    if size is None:
        raise TatamiError("no new input size", hint="give --size, as 352x288")
    wanted = Size.parse(size)
    if network.is_dir():
        for option, value in (("data", data), ("split", split), ("format", format), ("skip", skip)):
            if value:
                raise TatamiError(f"a run knows its own data: no --{option}", hint="leave it out")
        target = out or network.with_name(f"{network.resolve().name}-{wanted}")
        stages = _of_run(network, wanted, target, epochs, learning_rate, threads)
    else:
        if data is None:
            raise TatamiError("no pictures to measure on", hint="name a set with --data")
        target = out or network.with_name(f"{network.stem}-{wanted}.onnx")
        held_out = open_dataset(data, split=split, format=format, skip=skip or ()).dataset
        stages = _of_file(network, wanted, target, held_out)
    if as_json:
        answer = {"output": str(target), "stages": [asdict(stage) for stage in stages]}
        print(json.dumps(answer, indent=2, ensure_ascii=False))
    else:
        _print(stages, target)


def _of_file(file: Path, size: Size, target: Path, held_out: Dataset) -> list[Stage]:
    lowered = _lowered(file, size)
    if target.resolve() == file.resolve():
        raise TatamiError("the output would replace its source", hint="name another with -o")
    before = _measured("before", file, held_out)
    graph.write(lowered, target)
    return [before, _measured("lowered", target, held_out)]


def _of_run(
    folder: Path,
    size: Size,
    target: Path,
    epochs: int,
    learning_rate: float | None,
    threads: int | None,
) -> list[Stage]:
    """A run's network lowered, and fine-tuned as a new run that begins with the old weights."""
    from tatami.pipeline.run_data import held_out_of, reopened
    from tatami.pipeline.train import refuse_a_second_run, train_in
    from tatami.train.distributed import Team
    from tatami.train.run import NETWORK, WEIGHTS

    run = read_run(folder)
    for name in (NETWORK, WEIGHTS):
        if not (folder / name).is_file():
            raise TatamiError(
                f"the run is not over: it has no {name} yet",
                file=folder,
                hint=f"go on with `tatami train --resume {folder}`",
            )
    if isinstance(run.spec, ClassificationSpec | SegmentationSpec):
        raise TatamiError("the run's network finds no boxes", hint="give a detector's", file=folder)
    held_out = held_out_of(run)
    if held_out is None:
        raise TatamiError(
            "the run's data have no split to measure on",
            file=folder,
            hint=f"give {folder / NETWORK}, and --data and --split",
        )
    recipe = replace(
        run.recipe,
        size=size,
        epochs=max(1, epochs),
        learning_rate=learning_rate or run.recipe.learning_rate / GENTLER,
        warmup_epochs=min(run.recipe.warmup_epochs, epochs / 10),
        closing_epochs=epochs,  # whole pictures at the exact size: that is what is to be learnt
        evaluate_every=0,
    )
    lowered = _lowered(folder / NETWORK, size)
    refuse_a_second_run(target)
    dataset = reopened(run)
    assert isinstance(held_out, Dataset)
    before = _measured("before", folder / NETWORK, held_out)
    target.mkdir(parents=True, exist_ok=True)
    graph.write(lowered, target / LOWERED)
    stages = [before, _measured("lowered", target / LOWERED, held_out)]
    if epochs:
        assert lowered.spec is not None
        tuned = replace(
            run, spec=lowered.spec, recipe=recipe, processes=1, threads=threads or run.threads
        )
        train_in(
            target,
            tuned,
            dataset,
            held_out,
            Team(),
            new=True,
            initial=(folder / WEIGHTS).read_bytes(),
        )
        stages.append(_measured("fine-tuned", target / NETWORK, held_out))
    return stages


def _lowered(file: Path, size: Size) -> Network:
    network = graph.read(file)
    try:
        return resize_network(network, size)
    except TatamiError as error:
        raise TatamiError(error.reason, hint=error.hint, file=file) from error


def _measured(stage: str, file: Path, held_out: Dataset) -> Stage:
    detector = open_detector(file)
    result = evaluate_detector(detector, held_out, title=f"Evaluating, {stage}")
    return Stage(
        stage,
        str(detector.spec.input.size),
        total(costs(graph.read(file))).multiply_adds,
        result.map_voc07,
        result.map_voc10,
        result.coco.ap50,
        str(file),
    )


def _print(stages: list[Stage], target: Path) -> None:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    table.add_column("")
    for title in ("input", "G multiply-adds", "VOC 2007", "VOC 2010", "AP50"):
        table.add_column(title, justify="right", no_wrap=True)
    for stage in stages:
        scores = (stage.map_voc07, stage.map_voc10, stage.ap50)
        table.add_row(
            stage.stage,
            stage.size,
            f"{stage.multiply_adds / 1e9:.4g}",
            *(f"{score:.4f}" for score in scores),
        )
    console = Console(width=WIDTH, highlight=False)
    console.print(table)
    first, last = stages[0], stages[-1]
    console.print(
        f"{last.multiply_adds / first.multiply_adds:.0%} of the operations, "
        f"{100 * (last.map_voc07 - first.map_voc07):+.2f} points of mAP",
        markup=False,
    )
    console.print(f"wrote {target}", markup=False, soft_wrap=True)
