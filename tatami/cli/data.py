"""``tatami data``: look at a labeled set before training on it, or make one."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from tatami.cli.options import AsJson, Format, Skip
from tatami.errors import TatamiError

Out = Annotated[Path, typer.Argument(help="The folder to write.")]

EXAMPLES = {
    "show": (
        "tatami data show DATA",
        "tatami data show DATA --split train --json",
        "tatami data show DATA --fix --out REPAIRED",
    ),
    "formats": (
        "tatami data formats",
        "tatami data formats --json",
    ),
    "digits": (
        "tatami data digits digits",
        "tatami data digits digits --train 3000 --test 300 --size 128x128",
    ),
    "katakana": (
        "tatami data katakana katakana",
        "tatami data katakana katakana --seed 1",
    ),
}


def show(
    data: Annotated[
        Path, typer.Argument(help="A labeled set: its folder, or the file that describes it.")
    ],
    split: Annotated[str | None, typer.Option(help="One split; all of them if left out.")] = None,
    format: Format = None,
    skip: Skip = None,
    draw: Annotated[
        Path | None, typer.Option(help="Write a contact sheet here, as sheet.png.")
    ] = None,
    fix: Annotated[
        bool,
        typer.Option(
            "--fix", help="List what can be repaired; with --out, write a repaired copy there."
        ),
    ] = False,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The new folder for --fix to write.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print classes, counts, sizes and everything wrong; exit with 2 if anything is."""
    from tatami.cli.output import bars, print_json, print_lines, print_table
    from tatami.data.problems import REPAIRS
    from tatami.pipeline.inspect import check_drawing, inspect

    if out is not None and not fix:
        raise TatamiError("writes a repaired copy", hint="give --fix with it", setting="out")
    if fix:
        if draw is not None:
            raise TatamiError("--fix draws nothing", hint="leave it out", setting="draw")
        _fix(data, out, split, format, skip, as_json)
        return
    if draw is not None:
        check_drawing(draw)
    with bars() as progress:
        found = inspect(data, split=split, format=format, skip=skip or (), progress=progress)
    if as_json:
        print_json(found.to_json())
    else:
        print_lines([found.heading()])
        for table in found.tables():
            print_table(table)
        print_lines(["", *found.lines()])
    if draw is not None:
        typer.echo(f"{draw}: {found.draw(draw)} pictures drawn", err=True)
    refused = len(found.refused)
    if refused:
        text = "1 problem" if refused == 1 else f"{refused} problems"
        kinds = {one.kind for one in found.refused}
        mends = [f"--{name}" for name, (kind, _) in REPAIRS.items() if kind in kinds]
        ways = ", ".join(["fix the set", *(f"mend it with {one}" for one in mends)])
        verdict = TatamiError(text, hint=f"{ways}, or accept kinds with --skip", file=data)
        sys.stdout.flush()  # a full disk is reported in place of the verdict, not after it
        typer.echo(f"tatami: {verdict}", err=True)  # the list itself is what was asked for
        raise typer.Exit(2)


def _fix(
    data: Path,
    out: Path | None,
    split: str | None,
    format: str | None,
    skip: list[str] | None,
    as_json: bool,
) -> None:
    from tatami.cli.output import bars, print_json, print_lines
    from tatami.pipeline.fix import fix

    with bars() as progress:
        found = fix(data, out, split=split, format=format, skip=skip or (), progress=progress)
    if as_json:
        print_json(found.to_json())
        return
    print_lines(found.lines())
    if out is None:
        short = {"clip": "--clip", "background": "--background"}
        kinds = " ".join(short.get(kind, f"--skip {kind}") for kind in found.kinds)
        print_lines(
            [
                "nothing was written: give --out for a repaired copy, or use the set as it is with",
                kinds,
            ]
        )


def formats(as_json: AsJson = False) -> None:
    """Print the formats of labeled sets and what each looks like."""
    from tatami.cli.output import print_json, print_lines
    from tatami.pipeline.listing import formats as rows

    known = rows()
    if as_json:
        print_json(known.to_json())
    else:
        print_lines(known.lines())


def digits(
    out: Out,
    train: Annotated[int, typer.Option(help="Number of pictures to train on.")] = 3000,
    test: Annotated[int, typer.Option(help="Number of pictures to test on.")] = 300,
    size: Annotated[str, typer.Option(help="The size of every picture, width x height.")] = (
        "128x128"
    ),
    seed: Annotated[int, typer.Option(help="The same seed writes the same bytes.")] = 0,
) -> None:
    """Write the embedded set: real handwritten digits drawn onto real photos.

    It is in PASCAL VOC's layout.
    """
    from tatami.cli.output import bars
    from tatami.data.digits import write_digits
    from tatami.types import Size

    wanted = Size.parse(size)
    with bars() as progress:
        drawn = partial(progress, "Drawing")
        write_digits(out, train=train, test=test, size=wanted, seed=seed, progress=drawn)
    typer.echo(f"{out}: {train} pictures to train on, {test} to test on")


def katakana(
    out: Out,
    per_class: Annotated[
        int, typer.Option(help="Pictures of each class to train on; a fifth more to test.")
    ] = 500,
    fonts: Annotated[
        list[Path] | None,
        typer.Option(help="A font or a folder of them; may be repeated."),
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, help="The same seed and fonts write the same bytes.")
    ] = 0,
) -> None:
    """Render fifteen katakana, ア to ソ, from Japanese fonts.

    Pictures are 28x28, with one class each, in the folders train/CLASS and test/CLASS.
    """
    from tatami.cli.output import bars
    from tatami.data.katakana import CLASSES, write_katakana

    with bars() as progress:
        rendered = partial(progress, "Rendering")
        used = write_katakana(
            out, per_class=per_class, fonts=fonts or [], seed=seed, progress=rendered
        )
    names = ", ".join(path.name for path in used)
    typer.echo(f"{out}: {per_class} pictures of each of {len(CLASSES)} classes, from {names}")
