"""``tatami data augment``: every variation of a training picture beside the picture itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tatami.cli.options import Format, Skip

EXAMPLES = {
    "augment": (
        "tatami data augment DATA --out sheet.png",
        "tatami data augment DATA --augment rotate=10 --augment flip=0 --out sheet.png",
    ),
}


def augment(
    data: Annotated[
        Path, typer.Argument(help="A labeled set: its folder, or the file that describes it.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The sheet to write, as sheet.png.")],
    augment: Annotated[
        list[str] | None,
        typer.Option(help="A setting as of `tatami train`, as rotate=10; may be repeated."),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(help="The split to draw; trainval, train or the first if left out."),
    ] = None,
    size: Annotated[
        str, typer.Option(help="The size of a picture on the sheet, width x height.")
    ] = "320x240",
    seed: Annotated[
        int, typer.Option(help="Seed of the choice of pictures and of what is drawn at random.")
    ] = 0,
    format: Format = None,
    skip: Skip = None,
) -> None:
    """Draw a contact sheet of the training variations, a row for each.

    Each is drawn alone at a third, two thirds and all of its strength, then all together as in
    training, with boxes or masks. A variation that the settings leave out is shown too, and marked
    as off.
    """
    from tatami.cli.output import print_lines
    from tatami.pipeline.augment import augment as draw
    from tatami.types import Size

    sheet = draw(
        data,
        augment=augment or (),
        split=split,
        size=Size.parse(size),
        seed=seed,
        format=format,
        skip=skip or (),
        out=out,
    )
    print_lines(sheet.lines())
