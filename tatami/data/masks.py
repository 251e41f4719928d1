"""What every format of masks shares: mask files to classes, checked against pictures and legend.

A mask file has a number for every pixel, which is a level of gray or a place in a palette, or a
color for every pixel. A ``Legend`` says what each means. Every mask is decoded when a set is
opened, one at a time, since only its pixels can show whether it holds what the legend knows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tatami.data.labels import MAX_LABEL_BYTES, read_lines, stays_inside
from tatami.data.pictures import picture_size, read_colors, read_numbers, read_picture
from tatami.data.problems import MaskReading, Problem, in_order
from tatami.errors import TatamiError
from tatami.types import LabeledMasks, Mask, Picture, Size

Color = tuple[int, int, int]

MAX_CLASSES = 254
"""A mask's byte holds so many, VOID, and one number for what a mask should not hold."""
_UNKNOWN = MAX_CLASSES
_LISTED = 5  # unknown numbers or colors that a reason names


@dataclass(frozen=True)
class Legend:
    """What the mask files of a set mean.

    Args:
        classes: The names of the classes.
        colors: The color in which each class is drawn.
        meaning: The class, or VOID, of a number from 0 to 255, or of a color as ``code`` has it.
        by_color: Whether a pixel's color says its class, and not its number.

    Raises:
        TatamiError: For too many classes.
    """

    classes: tuple[str, ...]
    colors: tuple[Color, ...]
    meaning: Mapping[int, int]
    by_color: bool = False

    def __post_init__(self) -> None:
        if not 1 <= len(self.classes) <= MAX_CLASSES:
            raise TatamiError(
                f"{len(self.classes)} classes of pixels",
                hint=f"give 1 to {MAX_CLASSES}",
            )

    def read(self, file: Path) -> Mask:
        """Read the mask (height, width) of a file.

        Raises:
            TatamiError: For one that cannot be read, or that holds a value without meaning.
        """
        return self.classes_of(self.codes(file), file)

    def codes(self, file: Path) -> NDArray[np.integer]:
        """Read the number, or the color's code, of every pixel of a file: (height, width).

        Raises:
            TatamiError: For a file that cannot be read as such.
        """
        if not self.by_color:
            return read_numbers(file)
        red, green, blue = np.moveaxis(read_colors(file).astype(np.int32), 2, 0)
        return np.asarray(red << 16 | green << 8 | blue, np.int32)

    def classes_of(self, codes: NDArray[np.integer], file: Path) -> Mask:
        """Translate codes (height, width) into a mask.

        Args:
            codes: What ``codes`` gave.
            file: The mask's file, which an error names.

        Raises:
            TatamiError: For a code without meaning.
        """
        mask: Mask = self._table[codes]
        unknown = mask == _UNKNOWN
        if unknown.any():
            found = np.unique(codes[unknown]).tolist()
            what = "color" if self.by_color else "value"
            listed = ", ".join(self._written(code) for code in found[:_LISTED])
            more = f" and {len(found) - _LISTED} more" if len(found) > _LISTED else ""
            raise TatamiError(
                f"{int(unknown.sum())} pixels have the {what} {listed}{more}, which no class has",
                hint=f"name it in the set's classes, or state that it is void: {what}s known are "
                + ", ".join(self._written(code) for code in sorted(self.meaning)[:20]),
                file=file,
            )
        return mask

    def _written(self, code: int) -> str:
        if not self.by_color:
            return str(code)
        return f"({code >> 16}, {code >> 8 & 255}, {code & 255})"

    @cached_property
    def _table(self) -> Mask:
        """The class of every code that there can be."""
        table: Mask = np.full(2**24 if self.by_color else 256, _UNKNOWN, np.uint8)
        for code, label in self.meaning.items():
            table[code] = label
        return table


def code(color: Color) -> int:
    """Write a color as one number, red in the highest byte."""
    red, green, blue = color
    return red << 16 | green << 8 | blue


def usual_colors(count: int) -> tuple[Color, ...]:
    """Give PASCAL VOC's colors of classes 0, 1, and so on; class 0 is black.

    The bits of the number, three at a time, are the high bits of red, green and blue (the
    development kit's VOClabelcolormap).
    """
    found = []
    for label in range(count):
        color = [0, 0, 0]
        for bit in range(8):
            color[bit % 3] |= (label >> bit & 1) << (7 - bit // 3)
        found.append((color[0], color[1], color[2]))
    return tuple(found)


@dataclass(frozen=True)
class Pair:
    """A picture's file and its mask's.

    Args:
        id: The name of the pair, unique within the split.
        picture: The picture's file.
        mask: The mask's file.
    """

    id: str
    picture: Path
    mask: Path


def names_listed(file: Path, problems: list[Problem]) -> Iterable[tuple[str, int]]:
    """Read a list of pictures' names, one a line.

    Args:
        file: The list.
        problems: Gets what is no name, or appears twice.

    Returns:
        Each name with its line.

    Raises:
        TatamiError: For a list that cannot be read.
    """
    first: dict[str, int] = {}
    for line, text in enumerate(read_lines(file, 16 * MAX_LABEL_BYTES), 1):
        if not text:
            continue
        if not stays_inside(text):
            reason = f"{text[:80]!r} is not a picture's name"
            problems.append(Problem("bad-label", file, line, reason, "write the file's stem"))
        elif text in first:
            reason = f"'{text}' stands in line {first[text]} already"
            problems.append(Problem("duplicate-picture", file, line, reason, "delete one"))
        else:
            first[text] = line
            yield text, line


def reading(
    root: Path, split: str, legend: Legend, pairs: Sequence[Pair], problems: list[Problem]
) -> MaskReading:
    """Keep those pairs of a split that are sound.

    Args:
        root: The folder or file of the set.
        split: The split's name.
        legend: What the masks mean.
        pairs: The split's files.
        problems: What was found before; what is wrong with the pairs comes after it.
    """
    sound = [pair for pair in pairs if _is_sound(pair, legend, problems)]

    def read(index: int) -> tuple[Picture, Mask]:
        pair = sound[index]
        picture, mask = read_picture(pair.picture), legend.read(pair.mask)
        if mask.shape != picture.shape[:2]:
            height, width = picture.shape[:2]
            raise _other_size(pair, Size(width, height), mask.shape)
        return picture, mask

    ids = tuple(pair.id for pair in sound)
    masks = LabeledMasks(root, split, legend.classes, legend.colors, ids, read)
    return MaskReading(masks, in_order(problems))


def _is_sound(pair: Pair, legend: Legend, problems: list[Problem]) -> bool:
    try:
        size = picture_size(pair.picture)
    except TatamiError as error:
        problems.append(Problem.of("unreadable-picture", error, pair.picture))
        return False
    kind = "bad-label"
    try:
        codes = legend.codes(pair.mask)
        kind = "size-mismatch"
        if codes.shape != (size.height, size.width):
            raise _other_size(pair, size, codes.shape)
        kind = "unknown-value"
        legend.classes_of(codes, pair.mask)
    except TatamiError as error:
        problems.append(Problem.of(kind, error, pair.mask))
        return False
    return True


def _other_size(pair: Pair, size: Size, shape: tuple[int, ...]) -> TatamiError:
    return TatamiError(
        f"the mask is {shape[1]}x{shape[0]}, its picture {size}",
        hint="resize the mask by nearest neighbor, or find the right picture",
        file=pair.mask,
    )
