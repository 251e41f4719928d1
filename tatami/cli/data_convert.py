"""``tatami data convert`` and ``tatami data split``: a set with boxes written anew."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tatami.cli.options import AsJson, Format, Skip

EXAMPLES = {
    "convert": (
        "tatami data convert IN --to coco --out OUT",
        "tatami data convert IN --to yolo --format voc --skip degenerate-box --out OUT",
    ),
    "split": ("tatami data split IN --out OUT", "tatami data split IN --hold-out 0.1:7 --out OUT"),
}
Data = Annotated[
    Path, typer.Argument(help="A set with boxes: its folder, or the file that describes it.")
]
Out = Annotated[Path, typer.Option("--out", "-o", help="The folder to write, which is new.")]
To = Annotated[str, typer.Option(help="The form to write, as coco or yolo.")]


def convert(
    data: Data,
    out: Out,
    to: To,
    format: Format = None,
    skip: Skip = None,
    as_json: AsJson = False,
) -> None:
    """Write a set with boxes in another form: what was understood of it."""
    _written(data, out, to, None, format, skip, as_json)


def split(
    data: Data,
    out: Out,
    hold_out: Annotated[
        str, typer.Option(help="What becomes the split val: 0.2 of every class, or 0.2:SEED.")
    ] = "0.2",
    to: To = "yolo",
    format: Format = None,
    skip: Skip = None,
    as_json: AsJson = False,
) -> None:
    """Part a set with boxes in the splits train and val, in a new folder."""
    _written(data, out, to, hold_out, format, skip, as_json)


def _written(
    data: Path,
    out: Path,
    to: str,
    hold_out: str | None,
    format: str | None,
    skip: list[str] | None,
    as_json: bool,
) -> None:
    from tatami.cli.output import bars, print_json, print_lines
    from tatami.pipeline.convert import convert as write

    with bars() as progress:
        result = write(
            data,
            out,
            to=to,
            hold_out=hold_out,
            format=format,
            skip=skip or (),
            progress=progress,
        )
    if as_json:
        print_json(result.to_json())
    else:
        print_lines(result.lines())
