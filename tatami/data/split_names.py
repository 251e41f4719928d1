"""The names that splits have, and what each is for."""

from __future__ import annotations

import re
from collections.abc import Sequence

TRAIN = ("trainval", "train", "training")
"""Names of splits to learn from, the likeliest first."""

HELD = ("test", "testing", "val", "valid", "validation", "dev")
"""Names of splits to evaluate on, the likeliest first."""

SPLITS = (*TRAIN, *HELD[2:], *HELD[:2])
"""All of them, in the order in which they are listed."""

_VALIDATION = ("val", "valid", "validation", "dev")
_WRAPPED = re.compile(r"[-_ ]?(zip|set|images|imgs|data)$")


def split_named(folder: str) -> str | None:
    """Give the split that a folder's name means, as ``train`` for Train or train_zip, or None."""
    name = folder.lower()
    for wanted in (name, _WRAPPED.sub("", name)):
        if wanted in SPLITS:
            return wanted
    return None


def same_split(wanted: str, names: Sequence[str]) -> str | None:
    """Find the split that a name means: that name, or another word for validation.

    Args:
        wanted: The name asked for.
        names: The splits that there are.
    """
    if wanted in names:
        return wanted
    found = [name for name in names if wanted in _VALIDATION and name in _VALIDATION]
    return found[0] if len(found) == 1 else None


def training_split(names: Sequence[str]) -> str | None:
    """Choose the split to learn from; None where none is named as such."""
    return _first(TRAIN, names)


def held_split(names: Sequence[str]) -> str | None:
    """Choose the split to evaluate on; None where none is named as such."""
    return _first(HELD, names)


def _first(wanted: Sequence[str], names: Sequence[str]) -> str | None:
    """Find the first of the wanted names, bare or with a year, as train2017."""
    for name in wanted:
        if name in names:
            return name
    for name in wanted:
        dated = [one for one in names if re.fullmatch(name + r"[-_]?\d{4}", one.lower())]
        if len(dated) == 1:
            return dated[0]
    return None
