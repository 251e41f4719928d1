"""``tatami see anchors``: which anchor answers for which truth, and which truths no anchor fits."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tatami.cli.options import AsJson, Format, Skip

EXAMPLES = {
    "anchors": (
        "tatami see anchors RUN --data DATA",
        "tatami see anchors RUN --data DATA --split test --pictures 20 --out anchors",
    ),
}


def anchors(
    network: Annotated[
        Path, typer.Argument(help="A detector: a run folder, an ONNX file or a shipped C folder.")
    ],
    data: Annotated[
        Path, typer.Option(help="A labeled set: its folder, or the file that describes it.")
    ],
    split: Annotated[
        str | None,
        typer.Option(help="The split to look at; trainval, train or the first if left out."),
    ] = None,
    pictures: Annotated[
        int, typer.Option(help="Draw this many pictures, those with most misfits first.")
    ] = 8,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="The folder to write the pictures to.")
    ] = Path("anchors"),
    format: Format = None,
    skip: Skip = None,
    as_json: AsJson = False,
) -> None:
    """Compare the boxes of a set with a detector's anchors.

    A YOLO's anchor is compared by its shape, an SSD's default box where it stands. A truth is out
    of reach where no anchor has an IoU of 0.5 with it, and crowded out where an earlier one of its
    picture has the same anchor at the same cell.
    """
    from tatami.cli.output import print_json, print_lines, print_table
    from tatami.pipeline.anchors import anchors as compare

    found = compare(
        network, data, split=split, pictures=pictures, out=out, format=format, skip=skip or ()
    )
    if as_json:
        print_json(found.to_json())
        return
    figures, *written = found.lines()
    print_lines([figures])
    for table in found.tables():
        print_table(table)
    print_lines(written)
