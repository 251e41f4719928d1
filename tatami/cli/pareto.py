"""``tatami pareto``: what networks are worth, against what they cost."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tatami.cli import options

EXAMPLES = {
    "pareto": (
        "tatami pareto RUN1 RUN2 --data DATA --split test",
        "tatami pareto *.onnx --data DATA --no-time --out pareto",
    ),
}


def pareto(
    networks: Annotated[list[Path], typer.Argument(help="Run folders and ONNX files.")],
    data: options.Data = None,
    split: options.Split = None,
    format: options.Format = None,
    hold_out: options.HoldOut = None,
    skip: options.Skip = None,
    pictures: Annotated[
        int | None, typer.Option(min=1, help="Evaluate on the first N pictures of the split only.")
    ] = None,
    every: Annotated[
        bool,
        typer.Option("--all", help="Take every ONNX file of a run folder, not only network.onnx."),
    ] = False,
    metric: Annotated[
        str | None,
        typer.Option(help="What is good: for detection voc07 (mAP), which is usual, or ap50."),
    ] = None,
    no_time: Annotated[
        bool, typer.Option("--no-time", help="Take no time: nothing is compiled.")
    ] = False,
    rounds: Annotated[
        int, typer.Option(min=1, help="Turns that each network has with the timed pictures.")
    ] = 5,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="The folder for pareto.csv and pareto.svg.")
    ] = Path("pareto"),
    as_json: options.AsJson = False,
) -> None:
    """Compare networks' mAP with their multiply-adds, milliseconds and bytes: table and chart.

    Float networks are measured as they are shipped, with their normalization folded. A time is the
    processor's for one picture, by the C program on one thread; the networks take turns.
    """
    from tatami.cli.output import bars, print_lines, print_result
    from tatami.pipeline.compare import CHART, CSV, compare

    with bars() as progress:
        result = compare(
            networks,
            data,
            out=out,
            split=split,
            format=format,
            skip=skip or (),
            hold_out=hold_out,
            pictures=pictures,
            every=every,
            metric=metric,
            time=not no_time,
            rounds=rounds,
            progress=progress,
        )
    print_result(result, as_json)
    if not as_json:
        print_lines(f"wrote {out / name}" for name in (CSV, CHART))
