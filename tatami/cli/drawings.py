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
    """Raise TatamiError if replacing the folder would lose anything but what Tatami drew before.

    lists: the JSON files that such a folder may hold, by name, each with what gives the names of
    the other files that it lists.  ours: what those are called.
    """
    if not out.exists():
        return
    if not out.is_dir():
        raise TatamiError("is a file", hint="name a folder with --out", file=out)
    known: set[str] = set()
    for name, listed in lists.items():
        # One that was not written by us lists nothing, and nothing in the folder is ours.
        with suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
            known |= {name, *map(str, listed(json.loads((out / name).read_bytes())))}
    others = {path.name for path in out.iterdir()} - known
    if others:
        raise TatamiError(
            f"the folder holds '{printable(min(others))}', which is no {ours}",
            hint="name a new folder with --out",
            file=out,
        )


def free_name(stem: str, taken: set[str]) -> str:
    """STEM.png, numbered where it is taken; ``taken``, in lower case, has it from now on."""
    name, number = f"{stem}.png", 1
    while name.lower() in taken:  # some file systems do not tell upper case from lower
        number += 1
        name = f"{stem}-{number}.png"
    taken.add(name.lower())
    return name


def save_picture(
    drawn: Picture | Mask, file: Path, out: Path, palette: Sequence[int] | None = None
) -> None:
    """Write a PNG, of a mask (height, width) with the colors of its numbers as a palette of 256.

    Raises OSError, which names ``out``, the folder that the user knows.
    """
    image = Image.fromarray(drawn)
    if palette is not None:
        image.putpalette(palette)
    try:
        image.save(file, "PNG", compress_level=1)
    except OSError as error:
        error.filename = str(out)
        raise
