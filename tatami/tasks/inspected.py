"""What is in a labeled set, as tables, as plain values and as pictures: one class for each kind."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tatami.data.inspect import (
    ASPECT_EDGES,
    SIZE_EDGES,
    Inspection,
    LabeledInspection,
    aspect_ratios,
    box_counts,
    histogram,
    relative_sizes,
    unique_samples,
)
from tatami.data.inspect_masks import MaskInspection
from tatami.data.pictures import read_picture
from tatami.data.problems import Problem
from tatami.see.overlay import overlay
from tatami.types import Boxes, Int64, LabeledMasks, LabeledPictures, Picture, Sample, Size
from tatami.types.table import Table, numbers, words

SIZES = 10
"""Rows of picture sizes, the commonest first."""
BAR = 44
"""Letters of the longest bar of a histogram."""

Cell = Callable[[], tuple[str, Picture, Boxes]]
"""Reads a picture for a contact sheet: its id, itself, what is drawn on it."""


class Inspected(ABC):
    """What is in a labeled set, and what is wrong with it. Abstract."""

    root: Path
    format: str
    classes: tuple[str, ...]
    problems: tuple[Problem, ...]
    notes: tuple[str, ...] = ()

    @abstractmethod
    def heading(self) -> str:
        """Say in one line what the set is."""

    @abstractmethod
    def tables(self) -> list[Table]:
        """Count classes, splits and sizes."""

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """Give the same as plain values."""

    @abstractmethod
    def cells(self) -> list[Cell]:
        """Give every picture, to be drawn with its labels."""


class InspectedBoxes(Inspected):
    """What is in a set with boxes."""

    def __init__(self, found: Inspection) -> None:
        self.found = found
        self.root, self.format, self.classes = found.root, found.format, found.classes
        self.problems = found.problems
        self.notes = found.notes
        self.samples = unique_samples(found.datasets.values())

    def heading(self) -> str:
        """Say how many pictures, boxes and classes there are."""
        boxes = sum(len(sample.boxes) for sample in self.samples)
        return (
            f"{self.root}: {self.format}, {len(self.samples)} pictures, {boxes} boxes, "
            f"{len(self.classes)} classes"
        )

    def tables(self) -> list[Table]:
        """Count classes and splits, and show sizes and shapes of boxes as histograms."""
        boxes, pictures = box_counts(self.samples, len(self.classes))
        classes = tuple(
            (str(at), name, str(boxes[at]), str(pictures[at]))
            for at, name in enumerate(self.classes)
        )
        splits = tuple(
            (
                split,
                str(len(dataset.samples)),
                str(sum(len(sample.boxes) == 0 for sample in dataset.samples)),
                str(sum(len(sample.boxes) for sample in dataset.samples)),
                str(sum(int(sample.boxes.difficult.sum()) for sample in dataset.samples)),
                str(sum(int(sample.boxes.crowd.sum()) for sample in dataset.samples)),
            )
            for split, dataset in self.found.datasets.items()
        )
        shares = [f"{low:.0%} to {high:.0%}" for low, high in itertools.pairwise(SIZE_EDGES)]
        ratios = [f"{low:.2f} to {high:.2f}" for low, high in itertools.pairwise(ASPECT_EDGES)]
        ratios[-1] = f"{ASPECT_EDGES[-2]:.2f} and more"
        return [
            _classes(("boxes", "pictures"), classes),
            Table(
                (
                    words("split"),
                    *numbers("pictures", "without boxes", "boxes", "difficult", "crowd"),
                ),
                splits,
                title="Splits",
            ),
            _sizes(_picture_sizes(sample.size for sample in self.samples)),
            _histogram(
                "Box size: square root of its share of the picture",
                shares,
                histogram(relative_sizes(self.samples), SIZE_EDGES),
            ),
            _histogram(
                "Box aspect: width over height",
                ratios,
                histogram(aspect_ratios(self.samples), ASPECT_EDGES),
            ),
        ]

    def to_json(self) -> dict[str, Any]:
        """Give the counts of the set and of each split."""
        shares, ratios = relative_sizes(self.samples), aspect_ratios(self.samples)
        return {
            "root": str(self.root),
            "format": self.format,
            "classes": list(self.classes),
            "pictures": len(self.samples),
            "boxes": sum(len(sample.boxes) for sample in self.samples),
            "splits": {
                split: {
                    "pictures": len(dataset),
                    "boxes": sum(len(sample.boxes) for sample in dataset.samples),
                    "classes": {
                        name: {"boxes": int(boxes), "pictures": int(pictures)}
                        for name, boxes, pictures in zip(
                            dataset.classes,
                            *box_counts(dataset.samples, len(dataset.classes)),
                            strict=True,
                        )
                    },
                }
                for split, dataset in self.found.datasets.items()
            },
            "picture_sizes": _picture_sizes(sample.size for sample in self.samples),
            "box_size": {"edges": SIZE_EDGES, "counts": histogram(shares, SIZE_EDGES)},
            "box_aspect": {
                "edges": [*ASPECT_EDGES[:-1], None],
                "counts": histogram(ratios, ASPECT_EDGES),
            },
        }

    def cells(self) -> list[Cell]:
        """Give every picture with its boxes."""
        return [partial(_boxed, sample) for sample in self.samples]


class InspectedClasses(Inspected):
    """What is in a set with one class a picture."""

    def __init__(self, found: LabeledInspection) -> None:
        self.found = found
        self.root, self.format, self.classes = found.root, found.format, found.classes
        self.problems = found.problems
        self.notes = found.notes

    def heading(self) -> str:
        """Say how many pictures and classes there are."""
        return (
            f"{self.root}: {self.format}, {len(self.found.sizes)} pictures, "
            f"{len(self.classes)} classes"
        )

    def tables(self) -> list[Table]:
        """Count the pictures of each class in each split."""
        counts = [_class_counts(pictures) for pictures in self.found.splits.values()]
        rows = tuple(
            (str(at), name, *(str(split[at]) for split in counts))
            for at, name in enumerate(self.classes)
        )
        total = ("", "all", *(str(sum(split)) for split in counts))
        return [
            _classes(tuple(self.found.splits), rows, total),
            _sizes(_picture_sizes(self.found.sizes)),
        ]

    def to_json(self) -> dict[str, Any]:
        """Give the counts of each split."""
        return {
            "root": str(self.root),
            "format": self.format,
            "classes": list(self.classes),
            "pictures": len(self.found.sizes),
            "splits": {
                split: {
                    "pictures": len(pictures),
                    "classes": dict(zip(self.classes, _class_counts(pictures), strict=True)),
                }
                for split, pictures in self.found.splits.items()
            },
            "picture_sizes": _picture_sizes(self.found.sizes),
        }

    def cells(self) -> list[Cell]:
        """Give every picture with its class around all of it."""
        return [
            partial(_labeled, pictures, place)
            for pictures in self.found.splits.values()
            for place in range(len(pictures))
        ]


class InspectedMasks(Inspected):
    """What is in a set with a class for every pixel."""

    def __init__(self, found: MaskInspection) -> None:
        self.found = found
        self.root, self.format, self.classes = found.root, found.format, found.classes
        self.problems = found.problems
        self.notes = found.notes
        splits = found.splits.values()
        self.pixels: Int64 = np.sum([split.pixels for split in splits], axis=0)
        self.void = sum(split.void for split in splits)
        self.count = sum(len(split.masks) for split in splits)
        self.sizes = sum((split.sizes for split in splits), Counter[Size]())

    def heading(self) -> str:
        """Say how many pictures, classes and pixels there are."""
        return (
            f"{self.root}: {self.format}, {self.count} pictures, {len(self.classes)} classes of "
            f"{int(self.pixels.sum()):,} pixels"
        )

    def tables(self) -> list[Table]:
        """Count the pixels of each class, with their share, and of each split."""
        splits = self.found.splits
        pictures = np.sum([split.pictures for split in splits.values()], axis=0)
        stated = max(1, int(self.pixels.sum()))
        rows = [
            (
                str(at),
                name,
                f"{self.pixels[at]:,}",
                f"{self.pixels[at] / stated:.2%}",
                str(pictures[at]),
            )
            for at, name in enumerate(self.classes)
        ]
        rows.append(("", "void", f"{self.void:,}", "", ""))
        parts = tuple(
            (
                name,
                str(len(split.masks)),
                f"{int(split.pixels.sum()):,}",
                f"{split.void / max(1, int(split.pixels.sum()) + split.void):.2%}",
            )
            for name, split in splits.items()
        )
        return [
            _classes(("pixels", "share", "pictures"), tuple(rows)),
            Table(
                (words("split"), *numbers("pictures", "pixels with a class", "void")),
                parts,
                title="Splits",
            ),
            _sizes({str(size): count for size, count in self.sizes.most_common()}),
        ]

    def to_json(self) -> dict[str, Any]:
        """Give the pixels of the set and of each split."""
        return {
            "root": str(self.root),
            "format": self.format,
            "classes": list(self.classes),
            "pictures": self.count,
            "pixels": self.pixels.tolist(),
            "void": self.void,
            "splits": {
                name: {
                    "pictures": len(split.masks),
                    "void": split.void,
                    "classes": {
                        each: {"pixels": int(split.pixels[at]), "pictures": int(split.pictures[at])}
                        for at, each in enumerate(self.classes)
                    },
                }
                for name, split in self.found.splits.items()
            },
            "picture_sizes": {str(size): count for size, count in self.sizes.most_common()},
        }

    def cells(self) -> list[Cell]:
        """Give every picture with its mask over it."""
        return [
            partial(_masked, split.masks, place)
            for split in self.found.splits.values()
            for place in range(len(split.masks))
        ]


def _classes(
    columns: tuple[str, ...],
    rows: tuple[tuple[str, ...], ...],
    total: tuple[str, ...] | None = None,
) -> Table:
    heads = (*numbers("class"), words("name"), *numbers(*columns))
    return Table(heads, rows, total, title="Classes")


def _sizes(sizes: dict[str, int]) -> Table:
    rows = [(size, str(count)) for size, count in list(sizes.items())[:SIZES]]
    if len(sizes) > SIZES:
        rest = sum(list(sizes.values())[SIZES:])
        rows.append((f"and {len(sizes) - SIZES} more", str(rest)))
    return Table((words("size"), *numbers("pictures")), tuple(rows), title="Picture sizes")


def _histogram(title: str, names: Sequence[str], counts: Sequence[int]) -> Table:
    longest = max(*counts, 1)
    rows = tuple(  # a bin that holds anything shows a bar
        (name, str(count), "#" * -(-count * BAR // longest))
        for name, count in zip(names, counts, strict=True)
    )
    return Table((words("from"), *numbers("boxes"), words("")), rows, title=title)


def _picture_sizes(sizes: Iterable[Size]) -> dict[str, int]:
    """Count the pictures of each size, the commonest first."""
    return dict(Counter(map(str, sizes)).most_common())


def _class_counts(pictures: LabeledPictures) -> list[int]:
    counts: list[int] = np.bincount(pictures.labels, minlength=len(pictures.classes)).tolist()
    return counts


def _boxed(sample: Sample) -> tuple[str, Picture, Boxes]:
    return sample.id, read_picture(sample.path), sample.boxes


def _labeled(pictures: LabeledPictures, place: int) -> tuple[str, Picture, Boxes]:
    picture = pictures.read(place)
    whole = [[0, 0, picture.shape[1], picture.shape[0]]]
    return pictures.ids[place], picture, Boxes.of(whole, [pictures.labels[place]])


def _masked(masks: LabeledMasks, place: int) -> tuple[str, Picture, Boxes]:
    picture, mask = masks.read(place)
    return masks.ids[place], overlay(picture, mask, masks.colors), Boxes.of([], [])
