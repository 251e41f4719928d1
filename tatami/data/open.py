"""Open one split of a labeled set, and refuse it for the first problem that was not accepted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tatami.data.formats.table import (
    BOX_FORMATS,
    CLASS_FORMATS,
    FORMATS,
    MASK_FORMATS,
    Format,
    Labels,
)
from tatami.data.problems import Problem, check_kinds
from tatami.errors import TatamiError
from tatami.types import Dataset, LabeledMasks, LabeledPictures


@dataclass(frozen=True)
class Opened:
    """One sound split of a set with boxes.

    Args:
        dataset: The split.
        skipped: How many problems of each accepted kind were left out of it.
    """

    dataset: Dataset
    skipped: Counter[str]


@dataclass(frozen=True)
class OpenedPictures:
    """One sound split of a set with one class a picture.

    Args:
        pictures: The split.
        skipped: How many problems of each accepted kind were left out of it.
    """

    pictures: LabeledPictures
    skipped: Counter[str]


@dataclass(frozen=True)
class OpenedMasks:
    """One sound split of a set with a class for every pixel.

    Args:
        masks: The split.
        skipped: How many problems of each accepted kind were left out of it.
    """

    masks: LabeledMasks
    skipped: Counter[str]


def open_dataset(
    root: Path,
    *,
    split: str | None = None,
    format: str | None = None,
    skip: Collection[str] = (),
) -> Opened:
    """Open one split of a set with boxes.

    Every label is read, and compared with the header of its picture. Decoding the pictures and
    comparing the splits with one another is left to ``inspect``.

    Args:
        root: The folder or file of the set.
        split: Which split; None where the set has only one.
        format: A key of BOX_FORMATS; None: whichever recognizes the set.
        skip: Kinds of problems to accept. Each leaves out its box, or its picture.

    Raises:
        TatamiError: For a set that is not recognized or empty, and for the first problem whose kind
            is not in ``skip``.
    """
    check_kinds(skip)
    reader = BOX_FORMATS[format_of(root, format)]
    reading = reader.read(root, chosen_split(root, split, reader.splits(root)))
    skipped = _accepted(reading.problems, skip)
    if not len(reading.dataset):
        raise _empty(root, reading.dataset.split, "no labeled picture")
    return Opened(reading.dataset, skipped)


def open_labeled(
    root: Path,
    *,
    split: str | None = None,
    format: str | None = None,
    skip: Collection[str] = (),
) -> OpenedPictures:
    """Open one split of a set with one class a picture.

    Args:
        root: The folder or file of the set.
        split: Which split; None where the set has only one.
        format: A key of CLASS_FORMATS; None: whichever recognizes the set.
        skip: Kinds of problems to accept. Each leaves out its picture.

    Raises:
        TatamiError: As for ``open_dataset``.
    """
    check_kinds(skip)
    reader = CLASS_FORMATS[labeled_format_of(root, format)]
    reading = reader.read(root, chosen_split(root, split, reader.splits(root)))
    skipped = _accepted(reading.problems, skip)
    if not len(reading.pictures):
        raise _empty(root, reading.pictures.split, "no labeled picture")
    return OpenedPictures(reading.pictures, skipped)


def open_masks(
    root: Path,
    *,
    split: str | None = None,
    format: str | None = None,
    skip: Collection[str] = (),
) -> OpenedMasks:
    """Open one split of a set with a class for every pixel.

    Args:
        root: The folder or file of the set.
        split: Which split; None where the set has only one.
        format: A key of MASK_FORMATS; None: whichever recognizes the set.
        skip: Kinds of problems to accept. Each leaves out its picture.

    Raises:
        TatamiError: As for ``open_dataset``.
    """
    check_kinds(skip)
    reader = MASK_FORMATS[mask_format_of(root, format)]
    reading = reader.read(root, chosen_split(root, split, reader.splits(root)))
    skipped = _accepted(reading.problems, skip)
    if not len(reading.masks):
        raise _empty(root, reading.masks.split, "no picture with a mask")
    return OpenedMasks(reading.masks, skipped)


def kind_of(root: Path, format: str | None = None) -> Labels:
    """Tell what a set labels: boxes, classes, or masks.

    Args:
        root: The folder or file of the set.
        format: The name of any format, which decides; None: the first kind in FORMATS of which a
            format recognizes the set.

    Raises:
        TatamiError: For a path that is not there, a format that is in no table, and a set that no
            format recognizes.
    """
    if format is None and root.exists():
        for kind, formats in FORMATS.items():
            if any(one.recognizes(root) for one in formats.values()):
                return kind
    every = {name: one for formats in FORMATS.values() for name, one in formats.items()}
    name = _format_of(root, format, every)
    return next(kind for kind, formats in FORMATS.items() if name in formats)


def splits(root: Path, format: str | None = None) -> tuple[str, ...]:
    """Name the splits of a set with boxes.

    Raises:
        TatamiError: For a set that is not recognized.
    """
    return BOX_FORMATS[format_of(root, format)].splits(root)


def labeled_splits(root: Path, format: str | None = None) -> tuple[str, ...]:
    """Name the splits of a set with one class a picture.

    Raises:
        TatamiError: For a set that is not recognized.
    """
    return CLASS_FORMATS[labeled_format_of(root, format)].splits(root)


def mask_splits(root: Path, format: str | None = None) -> tuple[str, ...]:
    """Name the splits of a set with a class for every pixel.

    Raises:
        TatamiError: For a set that is not recognized.
    """
    return MASK_FORMATS[mask_format_of(root, format)].splits(root)


def format_of(root: Path, format: str | None = None) -> str:
    """Find the format of a set with boxes.

    Args:
        root: The folder or file of the set.
        format: A key of BOX_FORMATS; None: the only one that recognizes the set.

    Raises:
        TatamiError: For a path that is not there, a format that is not in the table, and a set that
            no format, or more than one, recognizes.
    """
    return _format_of(root, format, BOX_FORMATS)


def labeled_format_of(root: Path, format: str | None = None) -> str:
    """Find the format of a set with one class a picture, a key of CLASS_FORMATS.

    Raises:
        TatamiError: As for ``format_of``.
    """
    return _format_of(root, format, CLASS_FORMATS)


def mask_format_of(root: Path, format: str | None = None) -> str:
    """Find the format of a set with a class for every pixel, a key of MASK_FORMATS.

    Raises:
        TatamiError: As for ``format_of``.
    """
    return _format_of(root, format, MASK_FORMATS)


def _format_of(root: Path, format: str | None, formats: Mapping[str, Format[Any]]) -> str:
    if format is not None and format not in formats:
        raise TatamiError(f"no format '{format}'", hint=f"the formats are {', '.join(formats)}")
    if not root.exists():
        raise TatamiError("no such folder or file", hint="check the path", file=root)
    asked = {format: formats[format]} if format else formats
    found = [name for name, reader in asked.items() if reader.recognizes(root)]
    if len(found) > 1:
        raise TatamiError(
            f"looks like {' and '.join(found)}", hint="name one", file=root, setting="format"
        )
    if not found:
        looked = "; ".join(f"{name}: {reader.LOOKED_FOR}" for name, reader in asked.items())
        raise TatamiError(
            "not a labeled set that is recognized", hint=f"looked for {looked}", file=root
        )
    return found[0]


def chosen_split(root: Path, split: str | None, names: tuple[str, ...]) -> str:
    """Choose the split asked for, or the only one.

    Args:
        root: The folder or file of the set, which an error names.
        split: The split asked for; None: the only one.
        names: The splits of the set.

    Raises:
        TatamiError: Where there is no such split, or more than one; it names them.
    """
    if split is None and len(names) == 1:
        return names[0]
    if split is None or split not in names:
        reason = f"no split '{split}'" if split else "the set has several splits"
        raise TatamiError(reason, hint=f"name one of {', '.join(names)}", file=root)
    return split


def _accepted(problems: Sequence[Problem], skip: Collection[str]) -> Counter[str]:
    """Count the problems of each kind; raise the first whose kind is not in ``skip``."""
    refused = [problem for problem in problems if problem.kind not in skip]
    if refused:
        raise _refusal(refused)
    return Counter(problem.kind for problem in problems)


def _empty(root: Path, split: str, holds: str) -> TatamiError:
    return TatamiError(
        f"split '{split}' holds {holds}", hint="check the folder and what was skipped", file=root
    )


def _refusal(problems: list[Problem]) -> TatamiError:
    first = problems[0]
    more = Counter(problem.kind for problem in problems[1:])
    hint = first.hint
    if more:
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(more.items()))
        hint += f"; and {more.total()} more: {kinds}"
    hint += f"; inspect the set to list them all, or skip {first.kind} to leave such out"
    return TatamiError(f"{first.kind}: {first.reason}", hint=hint, file=first.file, line=first.line)
