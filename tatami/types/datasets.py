"""Labeled sets, one split each: boxes, one class a picture, a class a pixel, a translation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from tatami.types.arrays import Float32, Int64, Mask, Picture, Samples
from tatami.types.geometry import Boxes, Size


class Split(Protocol):
    """One split of any labeled set: what every task can be asked of its data."""

    @property
    def root(self) -> Path:
        """The folder or file of the set."""
        ...

    @property
    def split(self) -> str:
        """The split's name."""
        ...

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes."""
        ...

    def __len__(self) -> int: ...


@dataclass(frozen=True)
class Sample:
    """One labeled picture, not yet read.

    Args:
        id: Its name, unique within the split, as the stem of VOC's files.
        path: Its file.
        size: Width and height as shown, after EXIF orientation.
        boxes: What is labeled in it.
    """

    id: str
    path: Path
    size: Size
    boxes: Boxes


@dataclass(frozen=True)
class Dataset:
    """One split of a set with labeled boxes.

    Args:
        root: The folder or file of the set.
        split: The split's name.
        classes: The names of the classes, which ``Boxes.labels`` index.
        samples: The pictures.
        own_ids: The category ids of the classes in a COCO set; empty for other formats.
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

    Args:
        root: The folder or file of the set.
        split: The split's name.
        classes: The names of the classes.
        ids: A name for each picture, unique within the split.
        labels: (n,) int64, index into ``classes``.
        read: Gives the picture at a place, (height, width, 3) whatever its file holds. It raises
            TatamiError for one that cannot be read.
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
        """Give the pictures at these places, in that order.

        Args:
            which: Places (m,).
            split: The name of the new split; None: the same name.
        """
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
class LabeledSounds:
    """One split of a set with one class a sound.

    Args:
        root: The folder of the set.
        split: The split's name.
        classes: The names of the classes.
        ids: A name for each sound, unique within the split.
        labels: (n,) int64, index into ``classes``.
        rate: Samples a second, of every sound.
        read: Gives the sound at a place, (samples,). It raises TatamiError for one that cannot be
            read.
    """

    root: Path
    split: str
    classes: tuple[str, ...]
    ids: tuple[str, ...]
    labels: Int64
    rate: int
    read: Callable[[int], Samples]

    def __len__(self) -> int:
        return len(self.ids)

    def select(self, which: Int64, split: str | None = None) -> LabeledSounds:
        """Give the sounds at these places, in that order.

        Args:
            which: Places (m,).
            split: The name of the new split; None: the same name.
        """
        places = [int(place) for place in which]
        return replace(
            self,
            split=self.split if split is None else split,
            ids=tuple(self.ids[place] for place in places),
            labels=self.labels[places],
            read=lambda index: self.read(places[index]),
        )


@dataclass(frozen=True)
class LabeledSeries:
    """One split of a set with one class a series; a vector is a series of one step.

    Args:
        root: The folder or file of the set.
        split: The split's name.
        classes: The names of the classes.
        channels: The names of the numbers of a step.
        ids: A name for each series, unique within the split.
        places: The file of each, and where it begins: a line of it, from 1, or all of the file.
        labels: (n,) int64, index into ``classes``.
        series: Each (steps, channels).
    """

    root: Path
    split: str
    classes: tuple[str, ...]
    channels: tuple[str, ...]
    ids: tuple[str, ...]
    places: tuple[tuple[Path, int | None], ...]
    labels: Int64
    series: tuple[Float32, ...]

    def __len__(self) -> int:
        return len(self.ids)

    def read(self, place: int) -> Float32:
        """Give the series at a place, (steps, channels)."""
        return self.series[place]

    def select(self, which: Int64) -> LabeledSeries:
        """Give the series at these places (m,), in that order."""
        chosen = [int(place) for place in which]
        return replace(
            self,
            ids=tuple(self.ids[place] for place in chosen),
            places=tuple(self.places[place] for place in chosen),
            labels=self.labels[chosen],
            series=tuple(self.series[place] for place in chosen),
        )


@dataclass(frozen=True)
class TextPair:
    """A sentence and its translation.

    Args:
        line: Where both stand in their files, from 1.
        source: The sentence.
        target: Its translation.
        source_language: As en.
        target_language: As de.
    """

    line: int
    source: str
    target: str
    source_language: str
    target_language: str

    @property
    def told_again(self) -> bool:
        """Tell whether it is one sentence twice, to be told again from a corrupted source."""
        return self.source_language == self.target_language != ""


@dataclass(frozen=True)
class LabeledTexts:
    """One split of a set of sentences with their translations.

    Args:
        root: The folder of the set.
        split: The split's name.
        directions: What is translated into what, as en-de.
        pairs: The sentences.
        classes: None: what is written has no classes.
    """

    root: Path
    split: str
    directions: tuple[str, ...]
    pairs: tuple[TextPair, ...]
    classes: tuple[str, ...] = ()

    @property
    def targets(self) -> tuple[str, ...]:
        """The languages that are translated into, each once."""
        return tuple(dict.fromkeys(one.partition("-")[2] for one in self.directions))

    def __len__(self) -> int:
        return len(self.pairs)

    def select(self, which: Int64) -> LabeledTexts:
        """Give the pairs at these places (m,), in that order."""
        return replace(self, pairs=tuple(self.pairs[int(place)] for place in which))


@dataclass(frozen=True)
class LabeledMasks:
    """One split of a set with a class for every pixel.

    Args:
        root: The folder or file of the set.
        split: The split's name.
        classes: The names of the classes.
        colors: The (red, green, blue) in which each class is drawn.
        ids: A name for each picture, unique within the split.
        read: Gives the picture at a place, (height, width, 3), and its mask (height, width). It
            raises TatamiError for a pair that cannot be read.
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
        """Give the pictures at these places (m,), in that order."""
        places = [int(place) for place in which]
        return LabeledMasks(
            self.root,
            self.split,
            self.classes,
            self.colors,
            tuple(self.ids[place] for place in places),
            lambda index: self.read(places[index]),
        )
