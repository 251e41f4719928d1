"""Open one split of a labeled set, refusing it for the first problem that was not accepted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from tatami.data import (
    cifar,
    class_folders,
    coco,
    coco_masks,
    mask_folders,
    mnist,
    voc,
    voc_masks,
    yolo,
)
from tatami.data.problems import LabeledReading, MaskReading, Problem, Reading, check_kinds
from tatami.errors import TatamiError
from tatami.types import Dataset, LabeledMasks, LabeledPictures


class AnyFormat(Protocol):
    """What every format's file offers. ``root`` is the folder or file that the user named."""

    @property
    def LOOKED_FOR(self) -> str: ...
    def recognizes(self, root: Path, /) -> bool: ...
    def splits(self, root: Path, /) -> tuple[str, ...]: ...


class Format(AnyFormat, Protocol):
    """Of boxes."""

    def read(self, root: Path, split: str, /) -> Reading: ...
    def strays(self, root: Path, /) -> list[Problem]: ...


class LabeledFormat(AnyFormat, Protocol):
    """Of one class a picture."""

    def read(self, root: Path, split: str, /) -> LabeledReading: ...


class MaskFormat(AnyFormat, Protocol):
    """Of a class for every pixel."""

    def read(self, root: Path, split: str, /) -> MaskReading: ...


FORMATS: dict[str, Format] = {"voc": voc, "coco": coco, "yolo": yolo}
LABELED_FORMATS: dict[str, LabeledFormat] = {
    "folders": class_folders,
    "mnist": mnist,
    "cifar": cifar,
}

MASK_FORMATS: dict[str, MaskFormat] = {
    "masks": mask_folders,
    "voc-masks": voc_masks,
    "coco-masks": coco_masks,
}


@dataclass(frozen=True)
class Opened:
    """A split that is sound, and how many problems of each accepted kind were left out of it."""

    dataset: Dataset
    skipped: Counter[str]


@dataclass(frozen=True)
class OpenedPictures:
    """As Opened, of a set with one class a picture."""

    pictures: LabeledPictures
    skipped: Counter[str]


@dataclass(frozen=True)
class OpenedMasks:
    """As Opened, of a set with a class for every pixel."""

    masks: LabeledMasks
    skipped: Counter[str]


def open_dataset(
    root: Path,
    *,
    split: str | None = None,
    format: str | None = None,
    skip: Collection[str] = (),
) -> Opened:
    """One split of a set; ``split`` may be left out where there is only one.

    Every label is read and every picture's header is held to it; decoding the pictures, and
    comparing the splits with one another, is left to ``inspect``.

    Raises TatamiError for a set that is not recognized or empty, and for the first problem whose
    kind is not in ``skip``. A skipped problem leaves out its box, or its picture.
    """
    check_kinds(skip)
    name = format_of(root, format)
    reading = FORMATS[name].read(root, chosen_split(root, split, FORMATS[name].splits(root)))
    skipped = _accepted(root, reading.problems, skip)
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
    """As ``open_dataset``, one split of a set with one class a picture: its formats are those of
    LABELED_FORMATS. Raises TatamiError as it does; a skipped problem leaves out its picture.
    """
    check_kinds(skip)
    reader = LABELED_FORMATS[_format_of(root, format, LABELED_FORMATS)]
    reading = reader.read(root, chosen_split(root, split, reader.splits(root)))
    skipped = _accepted(root, reading.problems, skip)
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
    """As ``open_dataset``, one split of a set with a class for every pixel: its formats are those
    of MASK_FORMATS. Raises TatamiError as it does; a skipped problem leaves out its picture.
    """
    check_kinds(skip)
    reader = MASK_FORMATS[mask_format_of(root, format)]
    reading = reader.read(root, chosen_split(root, split, reader.splits(root)))
    skipped = _accepted(root, reading.problems, skip)
    if not len(reading.masks):
        raise _empty(root, reading.masks.split, "no picture with a mask")
    return OpenedMasks(reading.masks, skipped)


def mask_splits(root: Path, format: str | None = None) -> tuple[str, ...]:
    """As ``splits``, of a set with a class for every pixel."""
    return MASK_FORMATS[mask_format_of(root, format)].splits(root)


def mask_format_of(root: Path, format: str | None = None) -> str:
    """As ``format_of``, a key of MASK_FORMATS."""
    return _format_of(root, format, MASK_FORMATS)


def kind_of(root: Path, format: str | None = None) -> Literal["boxes", "classes", "masks"]:
    """What a set labels: by its format's name or, where none is given, the first of these of which
    a format recognizes it: boxes (VOC's photos lie in a folder, too), masks, classes.

    Raises TatamiError for a path that is not there, a format that is in no table, and a set that no
    format recognizes.
    """
    tables: tuple[tuple[Literal["boxes", "masks", "classes"], Mapping[str, AnyFormat]], ...] = (
        ("boxes", FORMATS),
        ("masks", MASK_FORMATS),
        ("classes", LABELED_FORMATS),
    )
    if format is None and root.exists():
        for kind, formats in tables:
            if any(one.recognizes(root) for one in formats.values()):
                return kind
    every: dict[str, AnyFormat] = {**FORMATS, **LABELED_FORMATS, **MASK_FORMATS}
    name = _format_of(root, format, every)
    return next(kind for kind, formats in tables if name in formats)


def labeled_format_of(root: Path, format: str | None = None) -> str:
    """As ``format_of``, of a set with one class a picture."""
    return _format_of(root, format, LABELED_FORMATS)


def labeled_splits(root: Path, format: str | None = None) -> tuple[str, ...]:
    """As ``splits``, of a set with one class a picture."""
    return LABELED_FORMATS[_format_of(root, format, LABELED_FORMATS)].splits(root)


def splits(root: Path, format: str | None = None) -> tuple[str, ...]:
    """The names of a set's splits. Raises TatamiError for a set that is not recognized."""
    return FORMATS[format_of(root, format)].splits(root)


def format_of(root: Path, format: str | None = None) -> str:
    """The format's name (a key of FORMATS): the one given, else the only one that recognizes it.

    Raises TatamiError for a path that is not there, a format that is not in the table, and a set
    that no format, or more than one, recognizes.
    """
    return _format_of(root, format, FORMATS)


def _format_of(root: Path, format: str | None, formats: Mapping[str, AnyFormat]) -> str:
    if format is not None and format not in formats:
        raise TatamiError(f"no format '{format}'", hint=f"the formats are {', '.join(formats)}")
    if not root.exists():
        raise TatamiError("no such folder or file", hint="check the path", file=root)
    asked = {format: formats[format]} if format else formats
    found = [name for name, reader in asked.items() if reader.recognizes(root)]
    if len(found) > 1:
        raise TatamiError(
            f"looks like {' and '.join(found)}", hint="name one with --format", file=root
        )
    if not found:
        looked = "; ".join(f"{name}: {reader.LOOKED_FOR}" for name, reader in asked.items())
        raise TatamiError(
            "not a labeled set that is recognized", hint=f"looked for {looked}", file=root
        )
    return found[0]


def chosen_split(root: Path, split: str | None, names: tuple[str, ...]) -> str:
    """The split asked for, or the only one. Raises TatamiError, naming them, for anything else."""
    if split is None and len(names) == 1:
        return names[0]
    if split is None or split not in names:
        reason = f"no split '{split}'" if split else "the set has several splits"
        raise TatamiError(reason, hint=f"name one of {', '.join(names)}", file=root)
    return split


def _accepted(root: Path, problems: Sequence[Problem], skip: Collection[str]) -> Counter[str]:
    """How many problems of each kind there are. Raises TatamiError for the first whose kind is not
    in ``skip``."""
    refused = [problem for problem in problems if problem.kind not in skip]
    if refused:
        raise _refusal(root, refused)
    return Counter(problem.kind for problem in problems)


def _empty(root: Path, split: str, holds: str) -> TatamiError:
    return TatamiError(
        f"split '{split}' holds {holds}", hint="check the folder and what was skipped", file=root
    )


def _refusal(root: Path, problems: list[Problem]) -> TatamiError:
    first = problems[0]
    more = Counter(problem.kind for problem in problems[1:])
    hint = first.hint
    if more:
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(more.items()))
        hint += f"; and {more.total()} more: {kinds}"
    hint += f"; `tatami data show {root}` lists all, --skip {first.kind} leaves such out"
    return TatamiError(f"{first.kind}: {first.reason}", hint=hint, file=first.file, line=first.line)
