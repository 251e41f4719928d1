"""Open one split of a labelled set, refusing it for the first problem that was not accepted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tatami.data import coco, voc, yolo
from tatami.data.problems import Problem, Reading, check_kinds
from tatami.errors import TatamiError
from tatami.types import Dataset


class Format(Protocol):
    """What a format's file offers. ``root`` is the folder or file that the user named."""

    @property
    def LOOKED_FOR(self) -> str: ...
    def recognises(self, root: Path, /) -> bool: ...
    def splits(self, root: Path, /) -> tuple[str, ...]: ...
    def read(self, root: Path, split: str, /) -> Reading: ...
    def strays(self, root: Path, /) -> list[Problem]: ...


FORMATS: dict[str, Format] = {"voc": voc, "coco": coco, "yolo": yolo}


@dataclass(frozen=True)
class Opened:
    """A split that is sound, and how many problems of each accepted kind were left out of it."""

    dataset: Dataset
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

    Raises TatamiError for a set that is not recognised or empty, and for the first problem whose
    kind is not in ``skip``. A skipped problem leaves out its box, or its picture.
    """
    check_kinds(skip)
    name = format_of(root, format)
    reading = FORMATS[name].read(root, chosen_split(root, split, FORMATS[name].splits(root)))
    refused = [problem for problem in reading.problems if problem.kind not in skip]
    if refused:
        raise _refusal(root, refused)
    if not reading.dataset.samples:
        raise TatamiError(
            f"split '{reading.dataset.split}' holds no labelled picture",
            mend="check the folder and what was skipped",
            file=root,
        )
    return Opened(reading.dataset, Counter(problem.kind for problem in reading.problems))


def splits(root: Path, format: str | None = None) -> tuple[str, ...]:
    """The names of a set's splits. Raises TatamiError for a set that is not recognised."""
    return FORMATS[format_of(root, format)].splits(root)


def format_of(root: Path, format: str | None = None) -> str:
    """The format's name (a key of FORMATS): the one given, else the only one that recognises it.

    Raises TatamiError for a path that is not there, a format that is not in the table, and a set
    that no format, or more than one, recognises.
    """
    if format is not None and format not in FORMATS:
        raise TatamiError(f"no format '{format}'", mend=f"the formats are {', '.join(FORMATS)}")
    if not root.exists():
        raise TatamiError("no such folder or file", mend="check the path", file=root)
    asked = {format: FORMATS[format]} if format else FORMATS
    found = [name for name, reader in asked.items() if reader.recognises(root)]
    if len(found) > 1:
        raise TatamiError(
            f"looks like {' and '.join(found)}", mend="name one with --format", file=root
        )
    if not found:
        looked = "; ".join(f"{name}: {reader.LOOKED_FOR}" for name, reader in asked.items())
        raise TatamiError(
            "not a labelled set that is recognised", mend=f"looked for {looked}", file=root
        )
    return found[0]


def chosen_split(root: Path, split: str | None, names: tuple[str, ...]) -> str:
    """The split asked for, or the only one. Raises TatamiError, naming them, for anything else."""
    if split is None and len(names) == 1:
        return names[0]
    if split is None or split not in names:
        reason = f"no split '{split}'" if split else "the set has several splits"
        raise TatamiError(reason, mend=f"name one of {', '.join(names)}", file=root)
    return split


def _refusal(root: Path, problems: list[Problem]) -> TatamiError:
    first = problems[0]
    more = Counter(problem.kind for problem in problems[1:])
    mend = first.mend
    if more:
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(more.items()))
        mend += f"; and {more.total()} more: {kinds}"
    mend += f"; `tatami data show {root}` lists all, --skip {first.kind} leaves such out"
    return TatamiError(f"{first.kind}: {first.reason}", mend=mend, file=first.file, line=first.line)
