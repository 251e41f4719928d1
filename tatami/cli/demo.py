"""``tatami demo``: the whole journey on the embedded set, each stage with its own command."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from tatami.pipeline.prove import Proof
    from tatami.types.table import Table

EXAMPLES = {
    "demo": (
        "tatami demo",
        "tatami demo --out demo --epochs 4 --seed 1",
    ),
}

SIZE = "128x128"
TRAIN, TEST = 3000, 300
EPOCHS, BATCH, WIDTH, LEARNING_RATE = 16, 8, 0.25, 0.015
EVALUATE_EVERY = 4
AUGMENT = (  # the digits are varied enough in color; mirrored, they would be others
    *("flip=0", "mosaic=0", "scale=0.8,1.25", "aspect=1.1", "translate=0.1"),
    *("hue=0", "saturation=1", "exposure=1"),
)


def demo(
    out: Annotated[Path, typer.Option(help="The folder to write.")] = Path("demo"),
    epochs: Annotated[int, typer.Option(min=1, help="Fewer are quicker and worse.")] = EPOCHS,
    seed: Annotated[int, typer.Option(help="Of the pictures and of the training.")] = 0,
) -> None:
    """Digits in photos: make them, train, fold, quantize, ship as C, prove, write report.html."""
    from tatami.cli.fold import fold
    from tatami.cli.output import bars, print_lines, print_result, print_table
    from tatami.cli.quantize import quantize
    from tatami.cli.ship import ship
    from tatami.cli.train import train
    from tatami.data.digits import write_digits
    from tatami.pipeline.prove import prove
    from tatami.pipeline.report import report
    from tatami.pipeline.train import refuse_a_second_run
    from tatami.ship.c.build import compiler
    from tatami.types import Size

    started = time.monotonic()
    digits, run = out / "digits", out / "run"
    refuse_a_second_run(run)
    compiler()  # better missed now than after the training

    _say(f"tatami data digits {digits} --train {TRAIN} --test {TEST} --size {SIZE} --seed {seed}")
    with bars() as progress:
        write_digits(
            digits,
            train=TRAIN,
            test=TEST,
            size=Size.parse(SIZE),
            seed=seed,
            progress=lambda done, total: progress("Drawing", done, total),
        )

    augment = " ".join(f"--augment {setting}" for setting in AUGMENT)
    _say(
        f"tatami train yolov2-tiny --data {digits} --size {SIZE} --width {WIDTH} "
        f"--epochs {epochs} --batch {BATCH} --learning-rate {LEARNING_RATE} --multi-scale 0 "
        f"--closing-epochs 1 --evaluate-every {EVALUATE_EVERY} --threads 1 "
        f"--seed {seed} {augment} --out {run}"
    )
    train(
        "yolov2-tiny",
        digits,
        run,
        size=SIZE,
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
    _say(f"tatami quantize {folded} --data {digits} --split train --out {integers}")
    quantize(folded, digits, integers, split="train")
    _say(f"tatami ship {folded} --to c --out {run / 'c'}")
    ship(folded, run / "c")
    _say(f"tatami ship {integers} --to c --out {run / 'c-int8'}")
    ship(integers, run / "c-int8")

    _say(f"tatami prove {run} --data {digits} --split test")
    with bars() as progress:
        proof = prove(run, digits, split="test", progress=progress)
    print_result(proof)
    print_lines(proof.failures(), style="red")
    print_table(_stages(proof))

    page = out / "report.html"
    _say(f"tatami report {run} --out {page}")
    with bars() as progress:
        report(run, page, proof=proof.ledger, progress=progress)
    program = next((run / "c-int8").glob("*_detect"))
    print_lines(
        [
            f"{time.monotonic() - started:.0f} seconds in all",
            f"look at  {page}",
            f"and run  {program} PICTURE.ppm",
        ]
    )
    if not proof.passed:
        raise typer.Exit(1)


def _say(command: str) -> None:
    """Show the command that the next stage stands for."""
    from tatami.cli.output import print_lines

    print_lines([f"\n$ {command}"], style="bold")


def _stages(proof: Proof) -> Table:
    """Lay out the stages: a row each with its mAP, size and time."""
    from tatami.types.table import Table, numbers, words

    rows = tuple(
        (row.stage, f"{row.figure:.4f}", f"{row.size:,}", f"{row.milliseconds:.1f}")
        for row in proof.ledger.rows
        if row.figure is not None and row.size is not None and row.milliseconds is not None
    )
    columns = (words("stage"), *numbers("mAP@0.5", "bytes", "ms a picture"))
    return Table(columns, rows, title="Stages")
