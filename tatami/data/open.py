"""Open one split of a labeled set, and refuse it for the first problem that was not accepted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from tatami.data.formats import class_folders
from tatami.data.formats.apart import Apart
from tatami.data.formats.found import LABEL_FOLDERS, PICTURE_FOLDERS
from tatami.data.formats.parallel import Directions
from tatami.data.formats.table import (
    BOX_FORMATS,
    CLASS_FORMATS,
    DERIVED,
    FORMATS,
    MASK_FORMATS,
    SERIES_FORMATS,
    SOUND_FORMATS,
    TEXT_FORMATS,
    BoxFormat,
    Format,
    Labels,
)
from tatami.data.problems import (
    LABELS_ALONE,
    REPAIRS,
    Problem,
    TextReading,
    check_kinds,
    repairs_of,
)
from tatami.data.seen import RECORD_ENDINGS, RECORDS, files_seen, labels_seen
from tatami.data.split_names import same_split
from tatami.errors import TatamiError, choose_from
from tatami.types import Dataset, LabeledMasks, LabeledPictures, LabeledSeries, LabeledSounds
from tatami.types.datasets import LabeledTexts, Split


class _HasProblems(Protocol):
    @property
    def problems(self) -> Sequence[Problem]: ...


R = TypeVar("R", bound=_HasProblems)
"""A split as its format reads it."""
D = TypeVar("D", bound=Split)
"""The part of it that is in order."""
NO_CLASS = frozenset({*PICTURE_FOLDERS, *LABEL_FOLDERS})
"""Names of folders, in lower case, that hold pictures or labels of all classes."""


@dataclass(frozen=True)
class Opened:
    """One sound split of a set with boxes.

    Args:
        dataset: The split.
        skipped: How many problems of each accepted kind were left out of it.
        notes: What was mended, and understood otherwise than may be expected.
    """

    dataset: Dataset
    skipped: Counter[str]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class OpenedPictures:
    """One sound split of a set with one class a picture.

    Args:
        pictures: The split.
        skipped: How many problems of each accepted kind were left out of it.
        notes: What was mended, and understood otherwise than may be expected.
    """

    pictures: LabeledPictures
    skipped: Counter[str]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class OpenedMasks:
    """One sound split of a set with a class for every pixel.

    Args:
        masks: The split.
        skipped: How many problems of each accepted kind were left out of it.
        notes: What was mended, and understood otherwise than may be expected.
    """

    masks: LabeledMasks
    skipped: Counter[str]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class OpenedSounds:
    """One split of a set with one class a sound, in order.

    Args:
        sounds: The split.
        skipped: How many problems of each accepted kind were left out of it.
        notes: What was understood otherwise than may be expected.
    """

    sounds: LabeledSounds
    skipped: Counter[str]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class OpenedSeries:
    """One split of a set with one class a series, in order.

    Args:
        series: The split.
        skipped: How many problems of each accepted kind were left out of it.
        notes: What was understood otherwise than may be expected.
    """

    series: LabeledSeries
    skipped: Counter[str]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class OpenedTexts:
    """One split of sentences with their translations, in order.

    Args:
        texts: The split.
        skipped: How many problems of each accepted kind were left out of it.
        notes: What was understood otherwise than may be expected.
    """

    texts: LabeledTexts
    skipped: Counter[str]
    notes: tuple[str, ...] = ()


def open_dataset(
    root: Path,
    *,
    split: str | None = None,
    format: str | None = None,
    skip: Collection[str] = (),
    labels_alone: bool = False,
) -> Opened:
    """Open one split of a set with boxes.

    Every label is read, and compared with the header of its picture. Decoding the pictures and
    comparing the splits with one another is left to ``inspect``.

    Args:
        root: The folder or file of the set.
        split: Which split; None where the set has only one.
        format: A key of BOX_FORMATS; None: whichever recognizes the set.
        skip: Kinds of problems to accept, each leaves out its box, or its picture; and repairs,
            keys of REPAIRS, to carry out.
        labels_alone: Whether pictures need not be there whose labels state their size: nobody will
            look at them.

    Raises:
        TatamiError: For a set that is not recognized or empty, and for the first problem whose kind
            is not in ``skip``.
    """
    check_kinds(skip)
    reader = box_reader(root, format)
    chosen = chosen_split(root, split, reader.splits(root))
    repairs = repairs_of(skip) | ({LABELS_ALONE} if labels_alone else set())
    reading = reader.read(root, chosen, repairs)
    skipped = _accepted(reading.problems, skip)
    dataset = _some(root, reading.dataset, "no labeled picture")
    notes = (*beside(root, format), *reading.notes, *repaired(reading.problems))
    return Opened(dataset, skipped, notes)


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
    reading, skipped = _read(reader, root, split, skip)
    return OpenedPictures(
        _some(root, reading.pictures, "no labeled picture"), skipped, reading.notes
    )


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
    reading, skipped = _read(reader, root, split, skip)
    masks = _some(root, reading.masks, "no picture with a mask")
    return OpenedMasks(masks, skipped, reading.notes)


def open_sounds(
    root: Path,
    *,
    split: str | None = None,
    format: str | None = None,
    skip: Collection[str] = (),
) -> OpenedSounds:
    """Open one split of a set with one class a sound.

    Args:
        root: The folder of the set.
        split: Which split; None where the set has only one.
        format: A key of SOUND_FORMATS; None: whichever recognizes the set.
        skip: Kinds of problems to accept. Each leaves out its sound.

    Raises:
        TatamiError: As for ``open_dataset``.
    """
    check_kinds(skip)
    reader = SOUND_FORMATS[sound_format_of(root, format)]
    reading, skipped = _read(reader, root, split, skip)
    return OpenedSounds(
        _some(root, reading.sounds, "no sound with a class"), skipped, reading.notes
    )


def open_series(
    root: Path,
    *,
    split: str | None = None,
    format: str | None = None,
    skip: Collection[str] = (),
) -> OpenedSeries:
    """Open one split of a set with one class a vector or a series.

    Args:
        root: The folder or file of the set.
        split: Which split; None where the set has only one.
        format: A key of SERIES_FORMATS; None: whichever recognizes the set.
        skip: Kinds of problems to accept. Each leaves out its series.

    Raises:
        TatamiError: As for ``open_dataset``.
    """
    check_kinds(skip)
    reader = SERIES_FORMATS[series_format_of(root, format)]
    reading, skipped = _read(reader, root, split, skip)
    return OpenedSeries(
        _some(root, reading.series, "no series with a class"), skipped, reading.notes
    )


def open_texts(
    root: Path,
    *,
    split: str | None = None,
    format: str | None = None,
    skip: Collection[str] = (),
) -> OpenedTexts:
    """Open one split of sentences with their translations.

    Args:
        root: The folder of the set.
        split: Which split; None where the set has only one.
        format: What is translated into what, as en-de.
        skip: Kinds of problems to accept. Each leaves out its sentence.

    Raises:
        TatamiError: As for ``open_dataset``, and where no direction is named.
    """
    check_kinds(skip)
    reading, skipped = _read(text_reader(root, format), root, split, skip)
    texts = _some(root, reading.texts, "no sentence with a translation")
    return OpenedTexts(texts, skipped, reading.notes)


def kind_of(root: Path, format: str | None = None) -> Labels:
    """Tell what a set labels: boxes, classes, masks, sounds, texts or series.

    Args:
        root: The folder or file of the set.
        format: The name of any format, which decides; None: the first kind in FORMATS of which a
            format recognizes the set.

    Raises:
        TatamiError: For a path that is not there, a format that is in no table, and a set that no
            format recognizes.
    """
    if Apart.parse(format) is not None:
        return "boxes"
    if Directions.parse(format) is not None:
        return "texts"
    if format is None and root.exists():
        for kind, formats in FORMATS.items():
            if any(one.recognizes(root) for one in formats.values()):
                if kind == "classes":
                    _refuse_labels(root, formats)
                return kind
    every = {name: one for formats in FORMATS.values() for name, one in formats.items()}
    name = _format_of(root, format, every)
    return next(kind for kind, formats in FORMATS.items() if name in formats)


def splits(root: Path, format: str | None = None) -> tuple[str, ...]:
    """Name the splits of a set with boxes.

    Raises:
        TatamiError: For a set that is not recognized.
    """
    return box_reader(root, format).splits(root)


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


def sound_splits(root: Path, format: str | None = None) -> tuple[str, ...]:
    """Name the splits of a set with one class a sound.

    Raises:
        TatamiError: For a set that is not recognized.
    """
    return SOUND_FORMATS[sound_format_of(root, format)].splits(root)


def series_splits(root: Path, format: str | None = None) -> tuple[str, ...]:
    """Name the splits of a set with one class a series.

    Raises:
        TatamiError: For a set that is not recognized.
    """
    return SERIES_FORMATS[series_format_of(root, format)].splits(root)


def text_splits(root: Path, format: str | None = None) -> tuple[str, ...]:
    """Name the splits of sentences with their translations.

    Raises:
        TatamiError: For a set that is not recognized.
    """
    return text_reader(root, format).splits(root)


def text_reader(root: Path, format: str | None = None) -> Format[TextReading]:
    """Find what reads sentences with their translations.

    Args:
        root: The folder of the set.
        format: What is translated into what, as en-de; None: the set is recognized.

    Raises:
        TatamiError: As for ``format_of``.
    """
    ways = Directions.parse(format)
    return ways or TEXT_FORMATS[_format_of(root, format, TEXT_FORMATS)]


def box_reader(root: Path, format: str | None = None) -> BoxFormat:
    """Find what reads a set with boxes.

    Args:
        root: The folder or file of the set.
        format: A key of BOX_FORMATS, or ``images=DIR labels=DIR``; None: what recognizes the set.

    Raises:
        TatamiError: As for ``format_of``.
    """
    apart = Apart.parse(format)
    return apart or BOX_FORMATS[format_of(root, format)]


def format_of(root: Path, format: str | None = None) -> str:
    """Find the format of a set with boxes.

    Args:
        root: The folder or file of the set.
        format: A key of BOX_FORMATS; None: the only one that recognizes the set.

    Raises:
        TatamiError: For a path that is not there, a format that is not in the table, and a set that
            no format, or more than one, recognizes.
    """
    return "apart" if Apart.parse(format) else _format_of(root, format, BOX_FORMATS)


def beside(root: Path, format: str | None = None) -> tuple[str, ...]:
    """Say which of two forms of labels is read, where a table of boxes stands beside others."""
    if format is not None:
        return ()
    if not any(BOX_FORMATS[name].recognizes(root) for name in DERIVED if name in BOX_FORMATS):
        return ()
    found = [name for name, reader in BOX_FORMATS.items() if reader.recognizes(root)]
    left = [name for name in found if name in DERIVED and len(found) > 1]
    read = ", ".join(name for name in found if name not in left)
    return tuple(f"labels stand here as {read} and as {name}: {read} is read" for name in left)


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


def sound_format_of(root: Path, format: str | None = None) -> str:
    """Find the format of a set with one class a sound, a key of SOUND_FORMATS.

    Raises:
        TatamiError: As for ``format_of``.
    """
    return _format_of(root, format, SOUND_FORMATS)


def series_format_of(root: Path, format: str | None = None) -> str:
    """Find the format of a set with one class a series, a key of SERIES_FORMATS.

    Raises:
        TatamiError: As for ``format_of``.
    """
    return _format_of(root, format, SERIES_FORMATS)


def _format_of(root: Path, format: str | None, formats: Mapping[str, Format[Any]]) -> str:
    if format is not None and format not in formats:
        hint = choose_from(format, formats, "the formats are")
        raise TatamiError(f"no format '{format}'", hint=hint)
    if not root.exists():
        raise TatamiError("no such folder or file", hint="check the path", file=root)
    asked = {format: formats[format]} if format else formats
    found = [name for name, reader in asked.items() if reader.recognizes(root)]
    found = [name for name in found if name not in DERIVED] or found
    if len(found) > 1:
        raise TatamiError(
            f"looks like {' and '.join(found)}", hint="name one", file=root, setting="format"
        )
    if found and format is None and "folders" in formats:
        _refuse_labels(root, formats)
    if not found:
        there = files_seen(root)
        if there and format is None:
            seen = labels_seen(root)
            what = f"; {' and '.join(seen)} stand here" if seen else ""
            if any(one.startswith(RECORDS) for one in seen):
                raise _of_records(root, seen)
            formats_ = "; ".join(f"{name}: {reader.LOOKED_FOR}" for name, reader in asked.items())
            raise TatamiError(
                f"not a labeled set that is recognized: it holds {there}{what}",
                hint=f"looked for {formats_}",
                file=root,
            )
        if root.suffix.lower() in RECORD_ENDINGS:
            raise _of_records(root, [RECORDS])
        looked = "; ".join(f"{name}: {reader.LOOKED_FOR}" for name, reader in asked.items())
        raise TatamiError(
            "not a labeled set that is recognized", hint=f"looked for {looked}", file=root
        )
    return found[0]


def _refuse_labels(root: Path, formats: Mapping[str, Format[Any]]) -> None:
    """Refuse to take a set that has labels of boxes or of pixels for class folders.

    Raises:
        TatamiError: For such a set; it says what was seen.
    """
    if not formats["folders"].recognizes(root):
        return  # of a format whose files say themselves what they hold
    hint = "name its format, 'folders', if the folders are classes all the same"
    for kind, others in FORMATS.items():
        named = [name for name, one in others.items() if one.recognizes(root)]
        if kind not in ("classes", "series") and named:  # a table may stand beside pictures
            raise TatamiError(
                f"labels {kind}, in the format {named[0]}: its folders are no classes",
                hint=f"train a network for {kind} on it, or {hint}",
                file=root,
                setting="format",
            )
    seen = labels_seen(root)
    if any(one.startswith(RECORDS) for one in seen):
        raise _of_records(root, seen)
    if seen:
        raise TatamiError(
            f"{' and '.join(seen)} stand here: its folders are no classes",
            hint=f"convert the labels to a format that is read, or {hint}",
            file=root,
            setting="format",
        )
    kinds = [name for name in class_folders.names(root) if name.lower() in NO_CLASS]
    if kinds:
        raise TatamiError(
            f"holds {files_seen(root)}: '{kinds[0]}' is the name of a folder of pictures or labels,"
            " and no class",
            hint=f"give each class a folder with its name, or {hint}",
            file=root,
            setting="format",
        )


def _of_records(root: Path, seen: Sequence[str]) -> TatamiError:
    return TatamiError(
        f"{' and '.join(seen)}: pictures and labels packed in one file, which is not read",
        hint="unpack them with TensorFlow (tf.data.TFRecordDataset, tf.train.Example): each"
        " image/encoded as a picture, and image/object/bbox with image/object/class/text as a line"
        " of a .csv with the columns filename, class, xmin, ymin, xmax, ymax; or export the set"
        " again as COCO, VOC or YOLO",
        file=root,
    )


def repaired(problems: Sequence[Problem]) -> tuple[str, ...]:
    """Say how many problems were mended, and how."""
    counts = Counter((one.repair, one.kind) for one in problems if one.repair)
    return tuple(
        f"mended {count} x {kind} ({REPAIRS[repair][1]})"
        for (repair, kind), count in sorted(counts.items())
    )


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
    if split is not None and split not in names:
        split = same_split(split, names) or split
    if split is None or split not in names:
        reason = f"no split '{split}'" if split else "the set has several splits"
        raise TatamiError(reason, hint=f"name one of {', '.join(names)}", file=root)
    return split


def _accepted(problems: Sequence[Problem], skip: Collection[str]) -> Counter[str]:
    """Count the problems of each kind; raise the first whose kind is not in ``skip``."""
    left = [problem for problem in problems if not problem.repair]
    refused = [problem for problem in left if problem.kind not in skip]
    if refused:
        raise _refusal(refused)
    return Counter(problem.kind for problem in left)


def _read(
    reader: Format[R], root: Path, split: str | None, skip: Collection[str]
) -> tuple[R, Counter[str]]:
    """Read the split asked for, and count what was accepted."""
    reading = reader.read(root, chosen_split(root, split, reader.splits(root)))
    return reading, _accepted(reading.problems, skip)


def _some(root: Path, data: D, nothing: str) -> D:
    """Give a split back; raise TatamiError for an empty one, which holds ``nothing``."""
    if not len(data):
        raise TatamiError(
            f"split '{data.split}' holds {nothing}",
            hint="check the folder and what was skipped",
            file=root,
        )
    return data


def _refusal(problems: list[Problem]) -> TatamiError:
    first = problems[0]
    more = Counter(problem.kind for problem in problems[1:])
    hint = first.hint
    if more:
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(more.items()))
        hint += f"; and {more.total()} more: {kinds}"
    hint += f"; inspect the set to list them all, or skip {first.kind} to leave such out"
    mending = [name for name, (kind, _) in REPAIRS.items() if kind == first.kind]
    if mending:
        hint += f", or mend them by {mending[0]}: {REPAIRS[mending[0]][1]}"
    return TatamiError(f"{first.kind}: {first.reason}", hint=hint, file=first.file, line=first.line)
