"""A contact sheet of a set's pictures, each variation of training in a row of its own."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from tatami.data.augment import Augmentation
from tatami.errors import TatamiError
from tatami.files import write_atomically
from tatami.pipeline.inspect import usual_split
from tatami.see.contact_sheet import contact_sheet
from tatami.see.embed import as_html, as_png
from tatami.tasks.table import task_of_data
from tatami.types import Boxes, Picture, Size

COLUMNS = 4
SHARES = (1 / 3, 2 / 3, 1.0)
"""Parts of a setting's strength, one a column."""
SHOWN = Augmentation(
    flip=1.0,
    mosaic=1.0,
    rotate=30.0,
    noise=40.0,
    occlusion=1.0,
    crop=1.0,
    expand=1.0,
    brightness=60,
    quarter=1.0,
    elastic=0.04,
)
"""What is shown of a variation that the settings leave out, so that every one can be seen."""
NAMES = (
    "flip",
    "scale",
    "aspect",
    "translate",
    "expand",
    "crop",
    "quarter",
    "rotate",
    "elastic",
    "hue",
    "saturation",
    "exposure",
    "brightness",
    "noise",
    "occlusion",
    "mosaic",
)
"""The variations, in the order of the sheet."""
DRAWS = 8
"""Draws to choose the one that shows a variation best from."""
ONE_OFF = ("flip", "mosaic", "expand", "crop", "quarter")
"""There is no half of these: they show more pictures in place of strengths."""

Varied = Callable[[int, Size, Augmentation, np.random.Generator], tuple[Picture, Boxes]]
"""(number of a picture, size of the canvas, settings, random numbers) -> a canvas and its boxes."""
Draw = Callable[[int, Augmentation, np.random.Generator], tuple[Picture, Boxes]]
"""The same on a canvas of one size."""


@dataclass(frozen=True)
class Cell:
    """One cell of the sheet: what it says, what is varied, and by which random numbers."""

    caption: str
    options: Augmentation
    picture: int = 0
    seed: int = 0


@dataclass(frozen=True)
class Sheet:
    """A contact sheet of variations.

    Args:
        drawn: The sheet, (height, width, 3).
        variations: How many variations are on it, beside all together.
        path: The file that it was written to.
    """

    drawn: Picture
    variations: int
    path: Path | None = None

    def save(self, out: str | Path) -> None:
        """Write the sheet as a PNG."""
        write_atomically(Path(out), as_png(self.drawn))

    def lines(self) -> list[str]:
        """Say what is on the sheet."""
        where = "" if self.path is None else f"{self.path}: "
        return [f"{where}{self.variations} variations, and all together"]

    def _repr_html_(self) -> str:
        """Show the sheet in a notebook."""
        return as_html([(self.lines()[0], self.drawn)])


def augment(
    data: str | Path,
    *,
    augment: Sequence[str] = (),
    split: str | None = None,
    size: Size = Size(320, 240),
    seed: int = 0,
    format: str | None = None,
    skip: Collection[str] = (),
    out: str | Path | None = None,
) -> Sheet:
    """Draw a contact sheet of the training variations, a row for each, boxes or masks included.

    Each is drawn alone at a third, two thirds and all of its strength, then all together as in
    training. A variation that the settings leave out is shown too, and marked as off.

    Args:
        data: The set's folder, or the file that describes it.
        augment: Settings that differ from the usual ones, as "rotate=10".
        split: The split; None: trainval, train or the first.
        size: Of a picture on the sheet.
        seed: Of the choice of pictures and of what is drawn.
        format: The set's format; None: it is recognized.
        skip: Kinds of problems to leave out.
        out: A PNG to write; None: nothing is written.

    Raises:
        TatamiError: For a setting that there is not, and for another ending.
    """
    if out is not None and Path(out).suffix.lower() != ".png":
        raise TatamiError("not a name for the sheet", hint="name it sheet.png", file=out)
    if seed < 0:
        raise TatamiError(f"{seed} is negative", hint="give a number from 0", setting="seed")
    root = Path(data)
    task = task_of_data(root, format)
    split = split or usual_split(task.splits(root, format))
    opened = task.open(root, split=split, format=format, skip=skip).data
    if "unreadable-picture" in skip:
        opened, _ = task.readable(opened, skip)
    draw = partial(_on_canvas, partial(task.varied, opened), size)
    options = task.augmentation.with_settings(augment)
    names = [name for name in NAMES if name not in task.unvaried]
    chosen: list[int] = np.random.default_rng(seed).permutation(len(opened)).tolist()
    rows = [row for name in names for row in _row(name, options, seed, chosen, draw)]
    together = [Cell("all together", options, number, seed + number) for number in range(COLUMNS)]
    pictures = [(cell.caption, *_drawn(cell, chosen, draw)) for cell in [*rows, *together]]
    drawn = contact_sheet(pictures, opened.classes, columns=COLUMNS, cell=size)
    sheet = Sheet(drawn, len(names), None if out is None else Path(out))
    if out is not None:
        sheet.save(out)
    return sheet


def _row(name: str, used: Augmentation, seed: int, chosen: Sequence[int], draw: Draw) -> list[Cell]:
    """Give the four cells of one variation: the picture, then three strengths of it alone."""
    nothing = replace(
        Augmentation.none(used.pad),
        min_visible=used.min_visible,
        mosaic_scale=used.mosaic_scale,
        expand_most=used.expand_most,
    )
    neutral = getattr(nothing, name) == getattr(used, name)
    source = SHOWN if neutral else used
    mark = " (off)" if neutral else ""
    first = Cell("as it is", nothing)
    if name in ONE_OFF:
        on = nothing.with_settings([f"{name}=1"])
        chance = "" if neutral else f" {getattr(used, name):g} of the time"
        if name != "flip":
            shown = [n if name == "mosaic" else 0 for n in range(3)]
            return [
                first,
                *(Cell(f"{name}{chance}{mark}", on, shown[n], seed + n) for n in range(3)),
            ]
        second = Cell("as it is", nothing, picture=1)
        return [first, Cell(f"flip{chance}{mark}", on), second, Cell(f"flip{mark}", on, picture=1)]
    if name == "scale":
        smallest, largest = source.scale
        factors = (smallest, (smallest * largest) ** 0.5, largest)
        alone = [replace(nothing, scale=(factor, factor)) for factor in factors]
        return [
            first,
            *(Cell(f"scale {f:.2f}{mark}", o) for f, o in zip(factors, alone, strict=True)),
        ]
    if name == "occlusion":
        smallest, largest = source.occlusion_size
        sizes = (smallest, (smallest + largest) / 2, largest)
        alone = [replace(nothing, occlusion=1.0, occlusion_size=(s, s)) for s in sizes]
        captions = [f"occlusion of {s:.0%}{mark}" for s in sizes]
    else:
        value, zero = float(getattr(source, name)), float(getattr(nothing, name))
        strengths = [
            zero + share * (value - zero) if zero == 0 else value**share for share in SHARES
        ]
        alone = [nothing.with_settings([f"{name}={strength}"]) for strength in strengths]
        captions = [f"{name} to {strength:.3g}{mark}" for strength in strengths]
        if name == "noise":
            captions = [f"noise of {strength:.3g}{mark}" for strength in strengths]
    strongest = _telling_seed(alone[-1], nothing, seed, chosen, draw)
    return [
        first,
        *(Cell(c, o, seed=strongest) for c, o in zip(captions, alone, strict=True)),
    ]


def _telling_seed(
    options: Augmentation,
    nothing: Augmentation,
    seed: int,
    chosen: Sequence[int],
    draw: Draw,
) -> int:
    """Choose the one of a few draws that changes the picture most: one near zero shows nothing.

    Its random numbers, at a lower strength, change the picture in the same direction by less.
    """
    plain = draw(chosen[0], nothing, np.random.default_rng(seed))[0].astype(np.int16)
    changes = [
        np.abs(draw(chosen[0], options, np.random.default_rng(seed + at))[0] - plain).mean()
        for at in range(DRAWS)
    ]
    return seed + int(np.argmax(changes))


def _drawn(cell: Cell, chosen: Sequence[int], draw: Draw) -> tuple[Picture, Boxes]:
    number = chosen[cell.picture % len(chosen)]
    return draw(number, cell.options, np.random.default_rng(cell.seed))


def _on_canvas(
    varied: Varied, canvas: Size, number: int, options: Augmentation, rng: np.random.Generator
) -> tuple[Picture, Boxes]:
    return varied(number, canvas, options, rng)
