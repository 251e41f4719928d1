"""What can be wrong with a labeled set: a fixed table of kinds, and one value for one finding.

Reading a set never repairs and never raises for a finding: it leaves out what the finding touches
(the box, or the whole picture) and reports it. Whoever opens the set then decides: refuse or, where
the user accepted that kind, go on and report the count.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from tatami.errors import TatamiError, choose_from, printable
from tatami.types import Dataset, LabeledMasks, LabeledPictures, LabeledSeries, LabeledSounds
from tatami.types.datasets import LabeledTexts

KINDS: dict[str, str] = {
    # findings that leave out one box
    "degenerate-box": "a box without width or height",
    "box-outside-picture": "a box that reaches over the picture's edge by more than rounding",
    "duplicate-box": "the same box with the same class twice in one picture",
    "class-out-of-range": "a class number that the set's class list does not reach",
    "unknown-class": "a class name or category that the set does not declare",
    # findings that leave out one picture, or the one label or line that cannot be understood
    "bad-label": "a label that cannot be understood: malformed, not a number, or hostile",
    "missing-label": "a picture without a label file (a picture without objects has an empty one)",
    "missing-picture": "a picture that the set lists but does not hold",
    "unreadable-picture": "a picture that cannot be decoded, is truncated, or is too large",
    "size-mismatch": "a label that states another size than its picture has",
    "unknown-value": "a mask with a value or a color that no class has",
    "duplicate-picture": "the same picture in two splits, or twice in one",
    # findings that leave out one sound
    "unreadable-sound": "a sound that cannot be read, is cut short, is empty, or is too large",
    "other-rate": "a sound of another number of samples a second than most of its set",
    "duplicate-sound": "the same sound in two splits, or twice in one",
    # findings that leave out one series, be it a row of a table, several, or a file
    "ragged-row": "a row with more or fewer cells than the first of its file",
    "bad-number": "a cell that is empty, not a number, NaN, infinite, or larger than 1e30",
    "missing-class": "a row whose class or id is empty",
    "unreadable-series": "a file of a series that cannot be read, is empty, or is too large",
    "other-channels": "a series whose channels are not those of most of its set",
    "duplicate-series": "the same numbers in two splits, or twice in one",
    # findings that leave out one sentence
    "empty-text": "a sentence that is empty in one of its languages",
    "duplicate-text": "the same sentence in two splits, in all languages",
    # findings that touch no picture of the split
    "orphan-label": "a label whose picture is not there",
    "missing-split": "a split that the set names but does not hold",
}


REPAIRS: dict[str, tuple[str, str]] = {
    "clip": ("box-outside-picture", "cut boxes at the picture's edge that reach over it"),
    "background": ("missing-label", "take pictures without a label as pictures without objects"),
}
"""What may be mended while a set is read: the kind of problem, and what is done about it. Names of
repairs stand among the kinds that are accepted, in every function and in run.json."""


LABELS_ALONE = "labels-alone"
"""Stands among the repairs where pictures are not looked at, for figures of boxes that are there
already: a picture need not be there where its label states its size. It is not among the accepted
kinds, since nearly everything else needs the pictures."""


def repairs_of(accepted: Collection[str]) -> frozenset[str]:
    """Pick the repairs among what is accepted."""
    return frozenset(accepted) & REPAIRS.keys()


@dataclass(frozen=True)
class Problem:
    """One finding: what is wrong, where, and how to fix it.

    Args:
        kind: A key of KINDS.
        file: Where it is.
        line: The line of the file, from 1.
        reason: What is wrong.
        hint: What to do about it.
        repair: The repair, a key of REPAIRS, that was carried out; empty: what it touches is left
            out.
    """

    kind: str
    file: Path
    line: int | None
    reason: str
    hint: str
    repair: str = ""

    def __str__(self) -> str:
        where = printable(self.file) + (":" if self.line is None else f":{self.line}:")
        text = " ".join(f"{self.kind}: {self.reason} ({self.hint})".split())
        return f"{where} {printable(text)}"

    @staticmethod
    def of(kind: str, error: TatamiError, file: Path) -> Problem:
        """Make a finding of the refusal of one file of a set.

        Args:
            kind: A key of KINDS.
            error: The refusal.
            file: The file, where the error names none.
        """
        return Problem(kind, error.file or file, error.line, error.reason, error.hint)


@dataclass(frozen=True)
class Reading:
    """One split of boxes as its format reads it: what is sound, and what was left out and why.

    Args:
        dataset: The sound part.
        problems: What is wrong.
        notes: What was understood otherwise than a reader of the files may expect.
    """

    dataset: Dataset
    problems: tuple[Problem, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class LabeledReading:
    """One split with one class a picture as its format reads it.

    Args:
        pictures: The sound part.
        problems: What is wrong.
        notes: What was understood otherwise than a reader of the files may expect.
    """

    pictures: LabeledPictures
    problems: tuple[Problem, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class MaskReading:
    """One split with a class for every pixel as its format reads it.

    Args:
        masks: The sound part.
        problems: What is wrong.
        notes: What was understood otherwise than a reader of the files may expect.
    """

    masks: LabeledMasks
    problems: tuple[Problem, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class SoundReading:
    """One split with one class a sound as its format reads it.

    Args:
        sounds: The part that is in order.
        problems: What is wrong.
        notes: What was understood otherwise than a reader of the files may expect.
    """

    sounds: LabeledSounds
    problems: tuple[Problem, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class SeriesReading:
    """One split with one class a series as its format reads it.

    Args:
        series: The part that is in order.
        problems: What is wrong.
        notes: What was understood otherwise than a reader of the files may expect.
    """

    series: LabeledSeries
    problems: tuple[Problem, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class TextReading:
    """One split of sentences with their translations as its format reads it.

    Args:
        texts: The part that is in order.
        problems: What is wrong.
        notes: What was understood otherwise than a reader of the files may expect.
    """

    texts: LabeledTexts
    problems: tuple[Problem, ...]
    notes: tuple[str, ...] = ()


def in_order(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Sort problems file by file, as the files first came up, and each file's by line."""
    found = list(problems)
    first = {problem.file: at for at, problem in reversed(list(enumerate(found)))}
    return tuple(sorted(found, key=lambda problem: (first[problem.file], problem.line or 0)))


def check_kinds(kinds: Collection[str]) -> None:
    """Check that kinds of problems are in the table.

    Raises:
        TatamiError: For one that is not.
    """
    for kind in kinds:
        if kind not in KINDS and kind not in REPAIRS:
            raise TatamiError(
                f"'{kind}' is not a kind of problem", hint=choose_from(kind, KINDS, "the kinds are")
            )
