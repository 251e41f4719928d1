"""Look at a whole labeled set: decode every picture, compare the splits, count and measure."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np

from tatami.data.fingerprint import file_digest
from tatami.data.formats.table import CLASS_FORMATS, BoxFormat
from tatami.data.open import beside, box_reader, chosen_split, format_of, labeled_format_of
from tatami.data.pictures import read_picture
from tatami.data.problems import MaskReading, Problem, Reading, SeriesReading, SoundReading
from tatami.errors import TatamiError
from tatami.types import Dataset, Float64, Int64, LabeledPictures, Picture, Sample, Size

SIZE_EDGES = (0.0, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.0)
"""Bins of a box's size: the square root of its share of the picture's area."""

ASPECT_EDGES = (0.0, 1 / 4, 1 / 2, 2 / 3, 4 / 5, 5 / 4, 3 / 2, 2.0, 4.0, float("inf"))
"""Bins of a box's width over its height."""


@dataclass(frozen=True)
class Inspection:
    """The sound part of a set with boxes, and everything that is wrong with it.

    Args:
        root: The folder or file of the set.
        format: A key of BOX_FORMATS.
        classes: The names of the classes.
        datasets: The splits by name.
        problems: What is wrong, file by file.
        notes: What was understood otherwise than a reader of the files may expect.
    """

    root: Path
    format: str
    classes: tuple[str, ...]
    datasets: dict[str, Dataset]
    problems: tuple[Problem, ...]
    notes: tuple[str, ...] = ()


def inspect(
    root: Path,
    *,
    split: str | None = None,
    format: str | None = None,
    repairs: Collection[str] = (),
    progress: Callable[[int, int], None] | None = None,
) -> Inspection:
    """Decode the pictures of every split, and find what is wrong and what is there twice.

    Args:
        root: The folder or file of the set.
        split: The only split to look at; None: all.
        format: A key of BOX_FORMATS; None: whichever recognizes the set.
        repairs: Keys of REPAIRS to carry out.
        progress: Called with (pictures done, pictures in all) after each.

    Raises:
        TatamiError: Only for a set that cannot be recognized, or of which no split can be read.
    """
    name = format_of(root, format)
    reader = box_reader(root, format)
    every = reader.splits(root)
    asked = every if split is None else (chosen_split(root, split, every),)
    problems: list[Problem] = []
    datasets: dict[str, Dataset] = {}
    notes = list(beside(root, format))
    read = partial(_mended, reader, repairs)
    for wanted, reading in readings(read, root, asked, problems):
        notes += reading.notes
        datasets[wanted] = reading.dataset
        if not reading.dataset.samples and not reading.problems:
            reason, hint = f"split '{wanted}' holds no picture", "add them, or take the split out"
            problems.append(Problem("missing-split", root, None, reason, hint))
    classes = next(iter(datasets.values())).classes
    for other, dataset in datasets.items():
        if dataset.classes != classes:
            reason = f"split '{other}' declares other classes than '{next(iter(datasets))}'"
            hint = "give all splits one class list, or their numbers differ"
            problems.append(Problem("unknown-class", root, None, reason, hint))
    if split is None:
        problems += reader.strays(root)

    damaged, digests = _decoded(datasets, problems, progress)
    problems += _twice(datasets, digests)
    sound = {
        key: replace(dataset, samples=tuple(s for s in dataset.samples if s.path not in damaged))
        for key, dataset in datasets.items()
    }
    # train and trainval report the same file twice
    once, told = tuple(dict.fromkeys(problems)), tuple(dict.fromkeys(notes))
    return Inspection(root, name, classes, sound, once, told)


def _mended(reader: BoxFormat, repairs: Collection[str], root: Path, split: str) -> Reading:
    """Read a split with repairs."""
    return reader.read(root, split, repairs)


Read = TypeVar("Read", Reading, MaskReading, SeriesReading, SoundReading)


def readings(
    read: Callable[[Path, str], Read], root: Path, asked: Sequence[str], problems: list[Problem]
) -> Iterator[tuple[str, Read]]:
    """Read the splits that can be read, one after the other.

    Args:
        read: Reads one split.
        root: The folder or file of the set.
        asked: The splits to read.
        problems: Gets what is wrong with them, and one problem for each split that cannot be read.

    Yields:
        The name of each split and what was read.

    Raises:
        TatamiError: Where no split can be read.
    """
    refused: TatamiError | None = None
    none_read = True
    for wanted in asked:
        try:
            reading = read(root, wanted)
        except TatamiError as error:
            refused = refused or error
            problems.append(Problem.of("bad-label", error, root))
            continue
        none_read = False
        problems += reading.problems
        yield wanted, reading
    if refused is not None and none_read:
        raise refused


@dataclass(frozen=True)
class LabeledInspection:
    """The sound part of a set with one class a picture, and everything that is wrong with it.

    Args:
        root: The folder or file of the set.
        format: A key of CLASS_FORMATS.
        classes: The names of the classes.
        splits: The splits by name.
        sizes: The sizes of the pictures of all splits, each split's in their order.
        problems: What is wrong, file by file.
        notes: What was understood otherwise than a reader of the files may expect.
    """

    root: Path
    format: str
    classes: tuple[str, ...]
    splits: dict[str, LabeledPictures]
    sizes: tuple[Size, ...]
    problems: tuple[Problem, ...]
    notes: tuple[str, ...] = ()


def inspect_labeled(
    root: Path,
    *,
    split: str | None = None,
    format: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> LabeledInspection:
    """Decode the pictures of every split, and find what is wrong and what is there twice.

    Args:
        root: The folder or file of the set.
        split: The only split to look at; None: all.
        format: A key of CLASS_FORMATS; None: whichever recognizes the set.
        progress: Called with (pictures done, pictures in all) after each.

    Raises:
        TatamiError: For a set that cannot be recognized, and for a split that cannot be read.
    """
    name = labeled_format_of(root, format)
    reader = CLASS_FORMATS[name]
    every = reader.splits(root)
    asked = every if split is None else (chosen_split(root, split, every),)
    readings = {wanted: reader.read(root, wanted) for wanted in asked}
    problems = [problem for reading in readings.values() for problem in reading.problems]
    total = sum(len(reading.pictures) for reading in readings.values())
    done = 0
    sizes: list[Size] = []
    sound: dict[str, LabeledPictures] = {}
    seen: dict[bytes, str] = {}
    for wanted, reading in readings.items():
        pictures = reading.pictures
        kept: list[int] = []
        for index, own in enumerate(pictures.ids):
            done += 1
            if progress is not None:
                progress(done, total)
            try:
                picture = pictures.read(index)
            except TatamiError as error:
                problems.append(Problem.of("unreadable-picture", error, root))
                continue
            kept.append(index)
            sizes.append(Size(picture.shape[1], picture.shape[0]))
            twin = seen.setdefault(_digest(picture), f"'{own}' of split '{wanted}'")
            if twin != f"'{own}' of split '{wanted}'":
                reason = f"picture '{own}' of split '{wanted}' is also {twin}"
                hint = "keep it in one split only, or its figures mean nothing"
                problems.append(Problem("duplicate-picture", root, None, reason, hint))
        if not len(pictures) and not reading.problems:
            reason, hint = f"split '{wanted}' holds no picture", "add them, or take the split out"
            problems.append(Problem("missing-split", root, None, reason, hint))
        sound[wanted] = pictures.select(np.array(kept, np.int64), wanted)
    classes = next(iter(sound.values())).classes
    notes = tuple(dict.fromkeys(note for reading in readings.values() for note in reading.notes))
    return LabeledInspection(root, name, classes, sound, tuple(sizes), tuple(problems), notes)


def _digest(picture: Picture) -> bytes:
    """Hash the content of a picture, whatever file it came from."""
    content = hashlib.sha256(repr(picture.shape).encode())
    content.update(picture.tobytes())
    return content.digest()


def unique_samples(datasets: Iterable[Dataset]) -> tuple[Sample, ...]:
    """List each picture once, though VOC's trainval repeats train and val."""
    return tuple({s.path: s for dataset in datasets for s in dataset.samples}.values())


def box_counts(samples: Sequence[Sample], classes: int) -> tuple[Int64, Int64]:
    """Count the boxes of each class, and the pictures that hold one: both (classes,) int64."""
    boxes = np.zeros(classes, np.int64)
    pictures = np.zeros(classes, np.int64)
    for sample in samples:
        found = np.bincount(sample.boxes.labels, minlength=classes)
        boxes += found
        pictures += found > 0
    return boxes, pictures


def relative_sizes(samples: Sequence[Sample]) -> Float64:
    """Compute the square root of each box's share of its picture's area, (n,) in (0, 1]."""
    found = [np.zeros(0)]
    for sample in samples:
        width, height = _sides(sample)
        found.append(np.sqrt(width * height / (sample.size.width * sample.size.height)))
    return np.concatenate(found)


def aspect_ratios(samples: Sequence[Sample]) -> Float64:
    """Compute width over height of each box, (n,)."""
    found = [np.zeros(0)]
    for sample in samples:
        width, height = _sides(sample)
        found.append(width / height)
    return np.concatenate(found)


def histogram(values: Float64, edges: Sequence[float]) -> list[int]:
    """Count the values in each bin [edge, next edge), the last one closed."""
    bins = np.searchsorted(np.asarray(edges[1:-1]), values, side="right")
    return [int(count) for count in np.bincount(bins, minlength=len(edges) - 1)]


def _sides(sample: Sample) -> tuple[Float64, Float64]:
    xyxy = sample.boxes.xyxy
    return xyxy[:, 2] - xyxy[:, 0], xyxy[:, 3] - xyxy[:, 1]


def _decoded(
    datasets: dict[str, Dataset],
    problems: list[Problem],
    progress: Callable[[int, int], None] | None,
) -> tuple[set[Path], dict[Path, bytes]]:
    """Decode each picture once.

    Returns:
        The damaged ones, and the digests of the others' files.
    """
    paths = list(dict.fromkeys(s.path for data in datasets.values() for s in data.samples))
    damaged: set[Path] = set()
    digests: dict[Path, bytes] = {}
    for done, path in enumerate(paths, 1):
        try:
            read_picture(path)
            digests[path] = file_digest(path)
        except TatamiError as error:
            damaged.add(path)
            problems.append(Problem.of("unreadable-picture", error, path))
        if progress is not None:
            progress(done, len(paths))
    return damaged, digests


def _twice(datasets: dict[str, Dataset], digests: dict[Path, bytes]) -> list[Problem]:
    """Find pictures that are there twice in a split, or in two splits.

    A split may be part of another by its name, as train and val are of VOC's trainval.
    """
    seen: dict[bytes, list[tuple[str, Path]]] = {}
    reported: set[frozenset[Path]] = set()
    problems = []
    for split, dataset in datasets.items():
        for path in (sample.path for sample in dataset.samples if sample.path in digests):
            earlier = seen.setdefault(digests[path], [])
            for other, twin in earlier:
                nested = split in other or other in split
                if frozenset((path, twin)) in reported or (path == twin and nested):
                    continue
                reported.add(frozenset((path, twin)))
                where = f"split '{other}'" if path == twin else f"{twin} (split '{other}')"
                reason = f"the picture of split '{split}' is also that of {where}"
                hint = "keep it in one split only, or its figures mean nothing"
                problems.append(Problem("duplicate-picture", path, None, reason, hint))
                break
            earlier.append((split, path))
    return problems
