"""What every label format shares: bounded reading, numbers, and the checks of pictures and boxes.

The checks append what they find to a list of problems and leave the faulty thing out.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from tatami.data.pictures import SUFFIXES, picture_size
from tatami.data.problems import LABELS_ALONE, Problem
from tatami.errors import TatamiError
from tatami.rules.picture import MAX_SIDE
from tatami.types import Boxes, Size, names
from tatami.types.names import as_class_name

TOLERANCE = 0.02
"""Pixels by which a box may reach over the edge and is then clipped: what rounding to two decimals
of a pixel (as COCO's files do) or to six decimals of a side (as YOLO's do) can add up to."""

MAX_LABEL_BYTES = 4 * 2**20
"""Size of one picture's label file, or of a list of pictures times sixteen."""

_FEW = 2**16
"""Bytes that hold most label files."""

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,4})?", re.ASCII)


@dataclass(frozen=True)
class Row:
    """One labeled box as a file states it.

    Args:
        xyxy: The edges in pixels.
        label: Index into the class names.
        name: What a message calls it ("box 3", "annotation 17").
        line: Its line in the file, from 1.
        difficult: VOC's mark.
        crowd: COCO's ``iscrowd``.
        area: In square pixels; None: the box's own.
    """

    xyxy: tuple[float, float, float, float]
    label: int
    name: str
    line: int | None = None
    difficult: bool = False
    crowd: bool = False
    area: float | None = None


def read_bytes(path: Path, limit: int) -> bytes:
    """Read a whole file of at most ``limit`` bytes.

    Raises:
        TatamiError: For a larger or an unreadable one.
    """
    try:
        with path.open("rb") as file:
            content = file.read(min(limit, _FEW) + 1)  # memory for the limit is not taken in vain
            if len(content) > _FEW:
                content += file.read(limit + 1 - len(content))
    except OSError as error:
        raise TatamiError(
            f"cannot be read: {error.strerror or error}", hint="check the file", file=path
        ) from error
    if len(content) > limit:
        raise TatamiError(
            f"larger than {limit} bytes, the bound for a file of its kind",
            hint="check that it is what its name says, or split it",
            file=path,
        )
    return content


def read_lines(path: Path, limit: int = MAX_LABEL_BYTES) -> list[str]:
    """Read the lines of a UTF-8 file, without blanks at their ends.

    A byte order mark and Windows line ends are fine, and UTF-16 with such a mark.

    Raises:
        TatamiError: For a file that is too large, unreadable or not UTF-8.
    """
    content = read_bytes(path, limit)
    wide = content[:2] in (b"\xff\xfe", b"\xfe\xff")  # as Windows' editor saves "Unicode"
    try:
        text = content.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise TatamiError("not UTF-8 text", hint="save it as UTF-8", file=path) from error
    return [line.strip() for line in text.split("\n")]


def number(text: str) -> float:
    """Read a finite decimal number without digit separators.

    Raises:
        ValueError: For anything else, NaN and infinity included.
    """
    value = math.nan if _NUMBER.fullmatch(text) is None else float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:40]!r} is not a finite number")
    return value


def class_name(text: str, file: Path, line: int | None = None) -> str:
    """Check and trim a class name.

    Raises:
        TatamiError: For an empty or unprintable one.
    """
    name = as_class_name(text)
    if name is None:
        raise TatamiError(
            f"{text.strip()[:40]!r} is not a class name",
            hint="write a printable name",
            file=file,
            line=line,
        )
    return name


def read_class_names(path: Path) -> tuple[str, ...]:
    """Read a list of class names, one a line; blank lines at the end are fine.

    Raises:
        TatamiError: For an empty list, a blank name or one that appears twice.
    """
    lines = read_lines(path)
    while lines and not lines[-1]:
        lines.pop()
    return checked_names([class_name(text, path, at) for at, text in enumerate(lines, 1)], path)


def checked_names(names: Iterable[str], file: Path) -> tuple[str, ...]:
    """Check class names.

    Raises:
        TatamiError: Where there is none, or one appears twice.
    """
    found = tuple(names)
    if not found:
        raise TatamiError("no class names", hint="name at least one class", file=file)
    twice = next((name for name, count in Counter(found).items() if count > 1), None)
    if twice is not None:
        raise TatamiError(
            f"class '{twice}' appears twice", hint="give every class its own name", file=file
        )
    return found


def printable(text: str) -> bool:
    """Tell whether a text holds no control characters, line separators or halves of characters."""
    return names.printable(text)


def names_a_path(text: str) -> bool:
    """Tell whether a text from a label can be a path at all: printable, and not too long."""
    if not text or not printable(text) or len(text) > 2000:
        return False
    return all(len(part.encode()) <= 255 for part in text.split("/"))


def stays_inside(text: str) -> bool:
    """Tell whether a text is a relative path that does not climb out of its folder."""
    path = text.replace("\\", "/")
    return names_a_path(text) and path[:1] != "/" and ".." not in path.split("/")


def pictures_in(folder: Path) -> list[Path]:
    """List the picture files directly in a folder, sorted by name; none without a folder."""
    if not folder.is_dir():
        return []
    found = (path for path in folder.iterdir() if is_picture_name(path))
    return sorted(found, key=lambda path: path.name)  # comparing whole paths takes longer


def is_picture_name(path: Path) -> bool:
    """Tell whether a file's name ends as a picture's does."""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def checked_size(
    picture: Path,
    stated: tuple[float, float] | None,
    label: Path,
    line: int | None,
    problems: list[Problem],
    repairs: Collection[str] = (),
) -> Size | None:
    """Read the picture's size from its header, and compare it with the size that its label states.

    Args:
        picture: The picture's file.
        stated: (width, height) as the label has them; None: it says nothing.
        label: The label's file.
        line: The line that states the size.
        problems: Gets what is wrong.
        repairs: With LABELS_ALONE among them, the size that the label states is enough.

    Returns:
        The size; None where the picture is left out.
    """
    if LABELS_ALONE in repairs and not picture.is_file():
        return _stated_size(stated, picture, label, line, problems)
    if not picture.is_file():
        problems.append(
            Problem("missing-picture", picture, None, "no such picture", f"named by {label.name}")
        )
        return None
    try:
        size = picture_size(picture)
    except TatamiError as error:
        problems.append(Problem.of("unreadable-picture", error, picture))
        return None
    if stated is None:
        return size
    width, height = stated
    if width <= 0 or height <= 0 or (width == size.width and height == size.height):
        return size  # a side of 0 is how tools write a size that they do not know
    reason = f"the label states {width:g}x{height:g}, the picture is {size}"
    if width == size.height and height == size.width:
        reason += " as shown: was it labeled before its EXIF rotation?"
    problems.append(Problem("size-mismatch", label, line, reason, "label the picture as it is now"))
    return None


def _stated_size(
    stated: tuple[float, float] | None,
    picture: Path,
    label: Path,
    line: int | None,
    problems: list[Problem],
) -> Size | None:
    """Take the size of a picture that is not there from its label."""
    sides = stated or (0.0, 0.0)
    if all(1 <= side <= MAX_SIDE and side == int(side) for side in sides):
        return Size(int(sides[0]), int(sides[1]))
    said = f"states {sides[0]:g}x{sides[1]:g}" if any(sides) else "does not state its size"
    reason = f"{picture.name} is not there and its label {said}"
    hint = "write the size in the label, or add the picture"
    problems.append(Problem("missing-picture", label, line, reason, hint))
    return None


def checked_boxes(
    rows: Iterable[Row],
    size: Size,
    label: Path,
    problems: list[Problem],
    repairs: Collection[str] = (),
) -> Boxes:
    """Keep the sound boxes of one picture, clipped where they exceed it by no more than rounding.

    Args:
        rows: The boxes as the file states them.
        size: The picture's size.
        label: The label's file.
        problems: Gets what is wrong with the others.
        repairs: With "clip" among them, boxes are clipped however far they reach over the edge, as
            long as a part of them lies in the picture.
    """
    seen: dict[tuple[object, ...], Row] = {}
    for row in rows:
        x1, y1, x2, y2 = row.xyxy
        clipped = (max(x1, 0.0), max(y1, 0.0), min(x2, size.width), min(y2, size.height))
        over = max(abs(a - b) for a, b in zip(row.xyxy, clipped, strict=True))
        gone = clipped[2] <= clipped[0] or clipped[3] <= clipped[1]
        key = (row.label, row.xyxy)
        if x2 <= x1 or y2 <= y1:
            problems.append(degenerate(row.name, x2 - x1, y2 - y1, label, row.line))
        elif gone or (over > TOLERANCE and "clip" not in repairs):
            problems.append(_outside(row, over, size, label))
        elif key in seen:
            reason = f"{row.name} repeats {seen[key].name}"
            problems.append(Problem("duplicate-box", label, row.line, reason, "delete one"))
        else:
            if over > TOLERANCE:
                problems.append(_outside(row, over, size, label, "clip"))
            seen[key] = Row(
                clipped, row.label, row.name, row.line, row.difficult, row.crowd, row.area
            )
    sound = list(seen.values())
    return Boxes.of(
        [row.xyxy for row in sound],
        [row.label for row in sound],
        difficult=[row.difficult for row in sound],
        crowd=[row.crowd for row in sound],
        areas=[
            (row.xyxy[2] - row.xyxy[0]) * (row.xyxy[3] - row.xyxy[1])
            if row.area is None
            else row.area
            for row in sound
        ],
    )


def _outside(row: Row, over: float, size: Size, label: Path, repair: str = "") -> Problem:
    edges = ", ".join(f"{value:g}" for value in row.xyxy)
    reason = f"{row.name} ({edges}) reaches {over:.3g} px over the {size} picture's edge"
    hint = "clip or redraw the box"
    return Problem("box-outside-picture", label, row.line, reason, hint, repair)


def degenerate(name: str, width: float, height: float, label: Path, line: int | None) -> Problem:
    """Report a box without width or height."""
    reason = f"{name} is {width:g} wide and {height:g} high"
    return Problem("degenerate-box", label, line, reason, "delete or redraw the box")
