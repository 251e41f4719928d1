"""Open the part of a set with one class a picture that a command is to see."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from tatami.data.hold_out import HoldOut, hold_out
from tatami.data.open import OpenedPictures, open_labeled


def open_part(
    root: Path,
    split: str | None,
    format: str | None,
    skip: Collection[str],
    held: str | None,
    *,
    rest: bool = False,
) -> OpenedPictures:
    """A split, or of it what ``--hold-out`` holds out (``rest``: what that leaves).

    Raises TatamiError as ``open_labeled`` and ``hold_out`` do.
    """
    opened = open_labeled(root, split=split, format=format, skip=skip)
    if held is None:
        return opened
    parts = hold_out(opened.pictures, HoldOut.parse(held))
    return replace(opened, pictures=parts[0 if rest else 1])
