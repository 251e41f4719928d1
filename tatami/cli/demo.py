"""``tatami demo``: the whole journey on the embedded set, each stage with its own command."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from tatami.cli.fold import fold
from tatami.cli.prove import ledger
from tatami.cli.quantize import quantize
from tatami.cli.report import build_report
from tatami.cli.ship import ship
from tatami.cli.train import train
from tatami.data.digits import write_digits
from tatami.pipeline.ledger import Ledger
from tatami.pipeline.run_data import held_out_of
from tatami.pipeline.stages import open_stage, stages_of
from tatami.pipeline.train import refuse_a_second_run
from tatami.see.report import write_report
from tatami.ship.c.build import compiler
from tatami.train.run import load_run
from tatami.types import Dataset, Size

PICTURES = Size(128, 128)
TRAIN, TEST = 3000, 300
EPOCHS, BATCH, WIDTH, LEARNING_RATE = 16, 8, 0.25, 0.015
EVALUATE_EVERY = 4
AUGMENT = (  # the digits are varied enough in color; mirrored, they would be others
    *("flip=0", "mosaic=0", "scale=0.8,1.25", "aspect=1.1", "translate=0.1"),
    *("hue=0", "saturation=1", "exposure=1"),
)

console = Console(highlight=False)


def demo(
    out: Annotated[Path, typer.Option(help="The folder to write.")] = Path("demo"),
    epochs: Annotated[int, typer.Option(min=1, help="Fewer are quicker and worse.")] = EPOCHS,
    seed: Annotated[int, typer.Option(help="Of the pictures and of the training.")] = 0,
) -> None:
    """Digits in photos: make them, train, fold, quantize, ship as C, prove, write report.html."""
    started = time.monotonic()
    digits, run = out / "digits", out / "run"
    refuse_a_second_run(run)
    compiler()  # better missed now than after the training

    _say(
        f"tatami data digits {digits} --train {TRAIN} --test {TEST} --size {PICTURES} --seed {seed}"
    )
    errors = Console(stderr=True)
    with Progress(console=errors, transient=True, disable=not errors.is_terminal) as progress:
        bar = progress.add_task("Drawing")

        def drawn(done: int, total: int) -> None:
            progress.update(bar, completed=done, total=total)

        write_digits(digits, train=TRAIN, test=TEST, size=PICTURES, seed=seed, progress=drawn)

    augment = " ".join(f"--augment {setting}" for setting in AUGMENT)
    _say(
        f"tatami train yolov2-tiny --data {digits} --size {PICTURES} --width {WIDTH} "
        f"--epochs {epochs} --batch {BATCH} --learning-rate {LEARNING_RATE} --multi-scale 0 "
        f"--closing-epochs 1 --evaluate-every {EVALUATE_EVERY} --threads 1 "
        f"--seed {seed} {augment} --out {run}"
    )
    train(
        "yolov2-tiny",
        digits,
        run,
        size=str(PICTURES),
        width=WIDTH,
        epochs=epochs,
        batch=BATCH,
        learning_rate=LEARNING_RATE,
        multi_scale=0.0,
        closing_epochs=min(1, epochs),
        evaluate_every=EVALUATE_EVERY,
        seed=seed,
        threads=1,  # so small a network is not faster with two; the other core draws batches
        augment=list(AUGMENT),
    )

    network, folded = run / "network.onnx", run / "network-folded.onnx"
    _say(f"tatami fold {network}")
    fold(network)
    integers = run / "network-int8.onnx"
    _say(f"tatami quantize {folded} --data {digits} --split train --output {integers}")
    quantize(folded, digits, integers, split="train")
    _say(f"tatami ship {folded} --to c --output {run / 'c'}")
    ship(folded, run / "c")
    _say(f"tatami ship {integers} --to c --output {run / 'c-int8'}")
    ship(integers, run / "c-int8")

    _say(f"tatami prove {run} --data {digits} --split test")
    settings = load_run(run)
    dataset = held_out_of(settings)
    assert isinstance(dataset, Dataset)
    proof = ledger([open_stage(path) for path in stages_of(run)], dataset, progress=True)
    console.print(proof.table())
    for line in proof.failures():
        console.print(line, markup=False, soft_wrap=True, style="red")
    console.print(_stages(proof))

    page = out / "report.html"
    _say(f"tatami report {run} --output {page}")
    write_report(build_report(run, settings, dataset, proof), page)
    program = next((run / "c-int8").glob("*_detect"))
    console.print(f"{time.monotonic() - started:.0f} seconds in all", markup=False)
    console.print(f"look at  {page}\nand run  {program} PICTURE.ppm", markup=False, soft_wrap=True)
    if not proof.passed:
        raise typer.Exit(1)


def _say(command: str) -> None:
    """Show the command that the next stage stands for."""
    console.print(f"\n$ {command}", markup=False, soft_wrap=True, style="bold")


def _stages(proof: Ledger) -> Table:
    """A row a stage: its mAP, size and time."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title="Stages", title_justify="left")
    for title in ("stage", "mAP@0.5", "bytes", "ms a picture"):
        table.add_column(title, justify="left" if title == "stage" else "right")
    for row in proof.rows:
        if row.mean_ap is not None and row.size is not None and row.milliseconds is not None:
            table.add_row(
                row.stage, f"{row.mean_ap:.4f}", f"{row.size:,}", f"{row.milliseconds:.1f}"
            )
    return table
