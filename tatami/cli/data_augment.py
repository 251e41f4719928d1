"""``tatami data augment``: every variation of a training picture beside the picture itself."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from PIL import Image

from tatami.data.augment import Augmentation, augmented, augmented_mask, augmented_picture
from tatami.data.open import (
    kind_of,
    labeled_splits,
    mask_splits,
    open_dataset,
    open_labeled,
    open_masks,
    splits,
)
from tatami.data.pictures import read_picture
from tatami.errors import TatamiError
from tatami.files import write_atomically
from tatami.pipeline.plan import OF_CLASSES, OF_MASKS
from tatami.see.contact_sheet import contact_sheet
from tatami.see.overlay import overlay
from tatami.types import Boxes, Picture, Size

COLUMNS = 4
SHARES = (1 / 3, 2 / 3, 1.0)  # of the setting's strength, one a column
# What is shown of a variation that the settings leave out, so that every one can be seen.
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
DRAWS = 8

Draw = Callable[[int, Augmentation, np.random.Generator], tuple[Picture, Boxes]]
"""(number of a picture, settings, random numbers) -> a canvas and its boxes."""


@dataclass(frozen=True)
class Cell:
    """One cell of the sheet: what it says, what is varied, and by which random numbers."""

    caption: str
    options: Augmentation
    picture: int = 0
    seed: int = 0


def augment(
    data: Annotated[Path, typer.Argument(help="Folder, .yaml or .json of a labeled set.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The sheet, as sheet.png.")],
    augment: Annotated[
        list[str] | None,
        typer.Option(help="As for tatami train: rotate=10, scale=0.8,1.25; may be repeated."),
    ] = None,
    split: Annotated[str | None, typer.Option(help="Else trainval, train or the first.")] = None,
    size: Annotated[str, typer.Option(help="Of a picture on the sheet, width x height.")] = (
        "320x240"
    ),
    seed: Annotated[int, typer.Option(help="Of the pictures and of what is drawn.")] = 0,
    format: Annotated[str | None, typer.Option(help="Else recognized.")] = None,
    skip: Annotated[
        list[str] | None, typer.Option(help="Accept this kind of problem; may be repeated.")
    ] = None,
) -> None:
    """Draw a contact sheet of the training variations, a row for each, boxes or masks included.

    Each alone at a third, two thirds and all of its strength, then all together as in training. A
    variation that the settings leave out is shown too, and marked as off.
    """
    if out.suffix.lower() != ".png":
        raise TatamiError("not a name for the sheet", hint="name it sheet.png", file=out)
    if seed < 0:
        raise TatamiError(f"seed {seed}", hint="give a number from 0")
    canvas = Size.parse(size)
    kind = kind_of(data, format)
    draw, count, classes = _opened(data, split, format, skip or (), canvas)
    usual = {"boxes": Augmentation(), "classes": OF_CLASSES, "masks": OF_MASKS}[kind]
    options = usual.with_settings(augment or ())
    other = "elastic" if kind == "boxes" else "mosaic"  # what this kind of set cannot have
    names = [name for name in NAMES if name != other]

    chosen: list[int] = np.random.default_rng(seed).permutation(count).tolist()
    rows = [row for name in names for row in _row(name, options, seed, chosen, draw)]
    together = [Cell("all together", options, number, seed + number) for number in range(COLUMNS)]
    pictures = []
    for cell in [*rows, *together]:
        picture, boxes = _drawn(cell, chosen, draw)
        pictures.append((cell.caption, picture, boxes))
    sheet = contact_sheet(pictures, classes, columns=COLUMNS, cell=canvas)
    content = io.BytesIO()
    Image.fromarray(sheet).save(content, "PNG")
    write_atomically(out, content.getvalue())
    print(f"{out}: {len(names)} variations, and all together")


def _opened(
    data: Path, split: str | None, format: str | None, skip: Sequence[str], canvas: Size
) -> tuple[Draw, int, tuple[str, ...]]:
    """How to draw a picture of a set, how many it has, and its classes."""
    kind = kind_of(data, format)
    if kind == "masks":
        split = split or usual_split(mask_splits(data, format))
        masks = open_masks(data, split=split, format=format, skip=skip).masks

        def laid_over(
            number: int, options: Augmentation, rng: np.random.Generator
        ) -> tuple[Picture, Boxes]:
            picture, mask = augmented_mask(*masks.read(number), canvas, options, rng)
            return overlay(picture, mask, masks.colors), Boxes.of([], [])

        return laid_over, len(masks), masks.classes
    if kind == "classes":
        split = split or usual_split(labeled_splits(data, format))
        pictures = open_labeled(data, split=split, format=format, skip=skip).pictures

        def alone(
            number: int, options: Augmentation, rng: np.random.Generator
        ) -> tuple[Picture, Boxes]:
            return augmented_picture(pictures.read(number), canvas, options, rng), Boxes.of([], [])

        return alone, len(pictures), pictures.classes

    split = split or usual_split(splits(data, format))
    dataset = open_dataset(data, split=split, format=format, skip=skip).dataset

    def boxed(
        number: int, options: Augmentation, rng: np.random.Generator
    ) -> tuple[Picture, Boxes]:
        return augmented(
            dataset, number, canvas, options, rng, lambda sample: read_picture(sample.path)
        )

    return boxed, len(dataset), dataset.classes


def usual_split(there: Sequence[str]) -> str:
    """The split to look at where none is named: trainval, train or the first."""
    return next((name for name in ("trainval", "train") if name in there), there[0])


def _row(name: str, used: Augmentation, seed: int, chosen: Sequence[int], draw: Draw) -> list[Cell]:
    """The four cells of one variation: the picture as it is, then three strengths of it alone."""
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
    if name in (
        "flip",
        "mosaic",
        "expand",
        "crop",
        "quarter",
    ):  # there is no half of these: more pictures in place of strengths
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
        least, most = source.scale
        factors = (least, (least * most) ** 0.5, most)
        alone = [replace(nothing, scale=(factor, factor)) for factor in factors]
        return [
            first,
            *(Cell(f"scale {f:.2f}{mark}", o) for f, o in zip(factors, alone, strict=True)),
        ]
    if name == "occlusion":
        least, most = source.occlusion_size
        sizes = (least, (least + most) / 2, most)
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
    """Of a few draws the one that changes the picture most: a draw near zero would show nothing.

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
