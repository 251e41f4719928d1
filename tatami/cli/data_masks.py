"""``tatami data show`` of a set with a class for every pixel."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from rich.console import Console
from rich.markup import escape

from tatami.data.inspect_masks import MaskInspection
from tatami.see.overlay import overlay
from tatami.tasks.walk import plain_table
from tatami.types import Boxes, Int64, LabeledMasks, Picture, Size


def print_masks(console: Console, found: MaskInspection) -> None:
    """Classes with the share of the pixels, splits and sizes."""
    pixels, void = _total(found)
    count = sum(len(split.masks) for split in found.splits.values())
    console.print(
        f"{escape(str(found.root))}: {found.format}, {count} pictures, "
        f"{len(found.classes)} classes of {int(pixels.sum()):,} pixels",
        soft_wrap=True,
    )
    table = plain_table("class", "name", "pixels", "share", "pictures", title="Classes")
    pictures = _pictures(found)
    stated = max(1, int(pixels.sum()))
    for at, name in enumerate(found.classes):
        table.add_row(
            str(at),
            escape(name),
            f"{pixels[at]:,}",
            f"{pixels[at] / stated:.2%}",
            str(pictures[at]),
        )
    table.add_row("", "void", f"{void:,}", "", "")
    console.print(table)
    table = plain_table("split", "pictures", "pixels with a class", "void", title="Splits")
    for name, split in found.splits.items():
        own = int(split.pixels.sum())
        share = f"{split.void / max(1, own + split.void):.2%}"
        table.add_row(escape(name), str(len(split.masks)), f"{own:,}", share)
    console.print(table)
    table = plain_table("size", "pictures", title="Picture sizes")
    for size, number in _sizes(found).most_common(10):
        table.add_row(str(size), str(number))
    console.print(table)


def masks_as_json(found: MaskInspection) -> dict[str, Any]:
    """The same as plain values."""
    pixels, void = _total(found)
    return {
        "root": str(found.root),
        "format": found.format,
        "classes": list(found.classes),
        "pictures": sum(len(split.masks) for split in found.splits.values()),
        "pixels": pixels.tolist(),
        "void": void,
        "splits": {
            name: {
                "pictures": len(split.masks),
                "void": split.void,
                "classes": {
                    each: {"pixels": int(split.pixels[at]), "pictures": int(split.pictures[at])}
                    for at, each in enumerate(found.classes)
                },
            }
            for name, split in found.splits.items()
        },
        "picture_sizes": {str(size): n for size, n in _sizes(found).most_common()},
    }


def mask_cell(masks: LabeledMasks, index: int) -> tuple[str, Picture, Boxes]:
    """A cell of a contact sheet: the picture's id, the picture with its mask over it, no boxes."""
    picture, mask = masks.read(index)
    return masks.ids[index], overlay(picture, mask, masks.colors), Boxes.of([], [])


def _total(found: MaskInspection) -> tuple[Int64, int]:
    """The pixels of each class, and those of none."""
    splits = found.splits.values()
    return np.sum([split.pixels for split in splits], axis=0), sum(split.void for split in splits)


def _pictures(found: MaskInspection) -> Int64:
    """How many pictures hold each class."""
    counts: Int64 = np.sum([split.pictures for split in found.splits.values()], axis=0)
    return counts


def _sizes(found: MaskInspection) -> Counter[Size]:
    return sum((split.sizes for split in found.splits.values()), Counter[Size]())
