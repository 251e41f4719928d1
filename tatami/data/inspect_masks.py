"""Look at a whole set of masks: count the pixels of every class, compare the splits, measure."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tatami.data.class_weights import pixel_counts
from tatami.data.formats.table import MASK_FORMATS
from tatami.data.inspect import readings
from tatami.data.open import chosen_split, mask_format_of
from tatami.data.problems import Problem
from tatami.errors import TatamiError
from tatami.types import VOID, Int64, LabeledMasks, Mask, Size


@dataclass(frozen=True)
class SplitOfMasks:
    """The sound part of a split, and what its masks hold.

    Args:
        masks: The split.
        pixels: (classes,) int64: the pixels of each class.
        pictures: (classes,) int64: the pictures that hold each class.
        void: Pixels without a class.
        sizes: How many pictures have each size.
    """

    masks: LabeledMasks
    pixels: Int64
    pictures: Int64
    void: int
    sizes: Counter[Size]


@dataclass(frozen=True)
class MaskInspection:
    """A set's splits, and everything that is wrong with them.

    Args:
        root: The folder or file of the set.
        format: A key of MASK_FORMATS.
        classes: The names of the classes.
        splits: The splits by name.
        problems: What is wrong, file by file.
        notes: What was understood otherwise than a reader of the files may expect.
    """

    root: Path
    format: str
    classes: tuple[str, ...]
    splits: dict[str, SplitOfMasks]
    problems: tuple[Problem, ...]
    notes: tuple[str, ...] = ()


def inspect_masks(
    root: Path,
    *,
    split: str | None = None,
    format: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> MaskInspection:
    """Decode the pictures and masks of every split, count, and find what is there twice.

    Args:
        root: The folder or file of the set.
        split: The only split to look at; None: all.
        format: A key of MASK_FORMATS; None: whichever recognizes the set.
        progress: Called with (pictures done, pictures in all) after each.

    Raises:
        TatamiError: Only for a set that cannot be recognized, or of which no split can be read.
    """
    name = mask_format_of(root, format)
    reader = MASK_FORMATS[name]
    every = reader.splits(root)
    asked = every if split is None else (chosen_split(root, split, every),)
    problems: list[Problem] = []
    read: dict[str, LabeledMasks] = {}
    notes: list[str] = []
    for wanted, one in readings(reader.read, root, asked, problems):
        read[wanted] = one.masks
        notes += one.notes
    total = sum(len(masks) for masks in read.values())
    done = 0
    seen: dict[bytes, tuple[str, str]] = {}
    found = {}
    for wanted, masks in read.items():
        counted = _Counted(len(masks.classes))
        sound = []
        for index, identity in enumerate(masks.ids):
            done += 1
            try:
                picture, mask = masks.read(index)
            except TatamiError as error:
                problems.append(Problem.of("unreadable-picture", error, root))
            else:
                sound.append(index)
                counted.add(mask)
                digest = hashlib.sha256(picture.tobytes()).digest()
                twin = seen.setdefault(digest, (wanted, identity))
                nested = twin[0] in wanted or wanted in twin[0]  # as VOC's train in trainval
                if twin != (wanted, identity) and not (twin[1] == identity and nested):
                    reason = f"'{identity}' of '{wanted}' is also '{twin[1]}' of '{twin[0]}'"
                    hint = "keep it in one split only, or its figures mean nothing"
                    problems.append(Problem("duplicate-picture", root, None, reason, hint))
            if progress is not None:
                progress(done, total)
        kept = masks.select(np.array(sound, np.int64))
        found[wanted] = SplitOfMasks(
            kept, counted.pixels, counted.pictures, counted.void, counted.sizes
        )
    classes = next(iter(read.values())).classes
    told = tuple(dict.fromkeys(notes))
    return MaskInspection(root, name, classes, found, tuple(problems), told)


class _Counted:
    """Counts over a split's masks."""

    def __init__(self, classes: int) -> None:
        self.pixels: Int64 = np.zeros(classes, np.int64)
        self.pictures: Int64 = np.zeros(classes, np.int64)
        self.void = 0
        self.sizes: Counter[Size] = Counter()

    def add(self, mask: Mask) -> None:
        """Count one mask."""
        counts = pixel_counts(mask, len(self.pixels))
        self.pixels += counts
        self.pictures += counts > 0
        self.void += int((mask == VOID).sum())
        self.sizes[Size(mask.shape[1], mask.shape[0])] += 1
