"""Folders of drawn pictures and a JSON that lists them, replaced by their like only."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from PIL import Image

from tatami.errors import TatamiError, printable
from tatami.types import Mask, Picture


def check_replaceable(
    out: Path, lists: Mapping[str, Callable[[Any], Iterable[str]]], ours: str
) -> None:
    """Refuse to replace a folder that holds anything but what Tatami drew before.

    Args:
        out: The folder.
        lists: The JSON files that such a folder may hold, by name, each with what gives the names
            of the other files that it lists.
        ours: What those are called.

    Raises:
        TatamiError: Where something else would be lost.
    """
    if not out.exists():
        return
    if not out.is_dir():
        raise TatamiError("is a file", hint="name a folder", file=out, setting="out")
    known: set[str] = set()
    for name, listed in lists.items():
        # One that was not written by us lists nothing, and nothing in the folder is ours.
        with suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
            known |= {name, *map(str, listed(json.loads((out / name).read_bytes())))}
    others = {path.name for path in out.iterdir()} - known
    if others:
        raise TatamiError(
            f"the folder holds '{printable(min(others))}', which is no {ours}",
            hint="name a new folder",
            file=out,
            setting="out",
        )


def free_name(stem: str, taken: set[str]) -> str:
    """Name a PNG file STEM.png, numbered where that is taken.

    Args:
        stem: The name without its ending.
        taken: Names in lower case; the new one is added.
    """
    name, number = f"{stem}.png", 1
    while name.lower() in taken:  # some file systems do not tell upper case from lower
        number += 1
        name = f"{stem}-{number}.png"
    taken.add(name.lower())
    return name


def save_picture(
    drawn: Picture | Mask, file: Path, out: Path, palette: Sequence[int] | None = None
) -> None:
    """Write a picture (height, width, 3) or a mask (height, width) as PNG.

    Args:
        drawn: The picture, or the mask.
        file: Where to.
        out: The folder that the user knows, which an error names.
        palette: For a mask the colors of its numbers, 3 x 256.

    Raises:
        OSError: Where it cannot be written.
    """
    image = Image.fromarray(drawn)
    if palette is not None:
        image.putpalette(palette)
    try:
        image.save(file, "PNG", compress_level=1)
    except OSError as error:
        error.filename = str(out)
        raise
