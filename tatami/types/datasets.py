"""Labeled sets, one split each: boxes, one class a picture, or a class a pixel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tatami.types.arrays import Int64, Mask, Picture
from tatami.types.geometry import Boxes, Size


class Split(Protocol):
    """One split of any labeled set: what every task can be asked of its data."""

    @property
    def root(self) -> Path: ...

    @property
    def split(self) -> str: ...

    @property
    def classes(self) -> tuple[str, ...]: ...

    def __len__(self) -> int: ...


@dataclass(frozen=True)
class Sample:
    """One labeled picture, not yet read: id is unique within its split (VOC's file stem)."""

    id: str
    path: Path
    size: Size
    boxes: Boxes


@dataclass(frozen=True)
class Dataset:
    """One split of a labeled set.

    own_ids: what a COCO set calls its classes; none of another set's.
    """

    root: Path
    split: str
    classes: tuple[str, ...]
    samples: tuple[Sample, ...]
    own_ids: tuple[int, ...] = ()

    @property
    def category_ids(self) -> tuple[int, ...]:
        """The category of each class in COCO's results format: its own, or counted from 1."""
        return self.own_ids or tuple(range(1, len(self.classes) + 1))

    def __len__(self) -> int:
        return len(self.samples)


@dataclass(frozen=True)
class LabeledPictures:
    """One split of a set with one class a picture.

    ids: unique within the split.  labels: (n,) int64, index into ``classes``.
    read: the picture at a place, (height, width, 3) whatever its file holds; it raises TatamiError
    for one that cannot be read.
    """

    root: Path
    split: str
    classes: tuple[str, ...]
    ids: tuple[str, ...]
    labels: Int64
    read: Callable[[int], Picture]

    def __len__(self) -> int:
        return len(self.ids)

    def select(self, which: Int64, split: str | None = None) -> LabeledPictures:
        """The pictures at these places, in that order, as a split of its own name."""
        places = [int(place) for place in which]
        return LabeledPictures(
            self.root,
            self.split if split is None else split,
            self.classes,
            tuple(self.ids[place] for place in places),
            self.labels[places],
            lambda index: self.read(places[index]),
        )


@dataclass(frozen=True)
class LabeledMasks:
    """One split of a set with a class for every pixel.

    colors: (red, green, blue) of each class, as it is drawn.  ids: unique within the split.
    read: the picture at a place and its mask, of one size; it raises TatamiError for a pair that
    cannot be read.
    """

    root: Path
    split: str
    classes: tuple[str, ...]
    colors: tuple[tuple[int, int, int], ...]
    ids: tuple[str, ...]
    read: Callable[[int], tuple[Picture, Mask]]

    def __len__(self) -> int:
        return len(self.ids)

    def select(self, which: Int64) -> LabeledMasks:
        """The pictures at these places, in that order."""
        places = [int(place) for place in which]
        return LabeledMasks(
            self.root,
            self.split,
            self.classes,
            self.colors,
            tuple(self.ids[place] for place in places),
            lambda index: self.read(places[index]),
        )
