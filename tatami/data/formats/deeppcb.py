"""Boxes as lines of edges: ``x1 y1 x2 y2 class`` (or with commas), DeepPCB's form.

The lists trainval.txt and test.txt (train.txt, val.txt) have a picture and its labels in each line.
A picture that is listed as ID.jpg may be there as ID_test.jpg, the board that is tested; its
template ID_temp.jpg is no picture of the set. Without lists, the labels ID.txt of a folder NAME_not
belong to the pictures of NAME. Edges are pixels from 0, numbers of classes count from 1: open,
short, mousebite, spur, copper, pin-hole; a list ``classes.txt`` names others.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from pathlib import Path

from tatami.data.formats.entries import Entry, Stated, read_entries, splits_of
from tatami.data.formats.found import files_in
from tatami.data.labels import (
    is_picture_name,
    number,
    read_class_names,
    read_lines,
    stays_inside,
)
from tatami.data.problems import Problem, Reading
from tatami.data.split_names import split_named
from tatami.errors import TatamiError

LOOKED_FOR = "DeepPCB's lists of a picture and its labels a line, or a folder NAME_not of labels"

CLASSES = ("open", "short", "mousebite", "spur", "copper", "pin-hole")
"""Classes by their numbers, from 1."""

_MAX_LIST = 64 * 2**20
_SEARCHED = 3
"""Folders deep that lists are looked for."""


def recognizes(root: Path) -> bool:
    """Tell whether a folder holds such lists or folders."""
    if not root.is_dir():
        return False
    return bool(_lists(root)) or any(True for _ in _unlisted(root))


def splits(root: Path) -> tuple[str, ...]:
    """Name the lists, or ``all``."""
    return splits_of(root, _entries(root, []))


def strays(_root: Path) -> list[Problem]:
    """Find nothing: reading a split reports all that its list names."""
    return []


def read(root: Path, split: str, repairs: Collection[str] = ()) -> Reading:
    """Read one split of the set.

    Args:
        root: The set's folder.
        split: One of ``splits(root)``.
        repairs: Keys of REPAIRS to carry out.

    Raises:
        TatamiError: For a list that cannot be read.
    """
    problems: list[Problem] = []
    entries = [one for one in _entries(root, problems, split, repairs) if one.split == split]
    return read_entries(root, split, entries, problems, repairs, classes=_classes(root))


def _classes(root: Path) -> tuple[str, ...]:
    return read_class_names(root / "classes.txt") if (root / "classes.txt").is_file() else CLASSES


def _lists(root: Path) -> dict[str, Path]:
    """Find the lists by their splits."""
    found: dict[str, Path] = {}
    for path in files_in(root, (".txt",)):
        split = split_named(path.stem)
        deep = len(path.relative_to(root).parts) > _SEARCHED
        if split is None or deep or split in found:
            continue
        try:
            with path.open("rb") as file:
                head = file.readline(4096).decode("utf-8-sig", errors="replace")
        except OSError:
            continue
        if _pair(head) is not None:
            found[split] = path
    return found


def _pair(text: str) -> tuple[str, str] | None:
    """Read a line of a list: a picture and its labels; None for any other line."""
    words = text.replace("\\", "/").split()
    if len(words) != 2 or not is_picture_name(Path(words[0])) or not words[1].endswith(".txt"):
        return None
    return words[0], words[1]


def _unlisted(root: Path) -> Iterator[tuple[Path, Path]]:
    """Find labels in folders NAME_not, each with its picture in NAME."""
    for path in files_in(root, (".txt",)):
        if not path.parent.name.endswith("_not"):
            continue
        beside = path.parent.parent / path.parent.name.removesuffix("_not")
        for name in (f"{path.stem}_test.jpg", f"{path.stem}.jpg", f"{path.stem}.png"):
            if (beside / name).is_file():
                yield beside / name, path
                break


def _entries(
    root: Path,
    problems: list[Problem],
    split: str | None = None,
    repairs: Collection[str] = (),
) -> list[Entry]:
    """Read the lists; of the split that is named, if any, the labels too."""
    names = _classes(root) if split is not None else ()
    lists = _lists(root)
    found: list[Entry] = []
    if not lists:
        for picture, label in _unlisted(root):
            boxes = [] if split is None else _boxes(label, names, problems)
            found.append(Entry(picture.relative_to(root).as_posix(), label, boxes, "all"))
    for name, file in lists.items():
        for line, text in enumerate(read_lines(file, _MAX_LIST), 1):
            pair = _pair(text)
            if not text or split not in (None, name):
                continue
            if pair is None or not all(map(stays_inside, pair)):
                reason, hint = f"{text[:80]!r} is not a picture and its labels", "fix the line"
                problems.append(Problem("bad-label", file, line, reason, hint))
                continue
            picture, label = file.parent / pair[0], file.parent / pair[1]
            tested = picture.with_name(f"{picture.stem}_test{picture.suffix}")
            if tested.is_file():
                picture = tested
            if not label.is_file():
                reason = f"'{pair[0]}' has no label {pair[1]}"
                hint = "add it, or take it off the list"
                done = "background" if "background" in repairs else ""
                problems.append(Problem("missing-label", file, line, reason, hint, done))
                if not done:
                    continue
            boxes = [] if split is None or not label.is_file() else _boxes(label, names, problems)
            place = picture.relative_to(root).as_posix()
            found.append(Entry(place, label, boxes, name))
    return found


def _boxes(file: Path, names: tuple[str, ...], problems: list[Problem]) -> list[Stated]:
    """Read the labels of one picture."""
    try:
        lines = read_lines(file)
    except TatamiError as error:
        problems.append(Problem.of("bad-label", error, file))
        return []
    found = []
    for line, text in enumerate(lines, 1):
        if not text:
            continue
        words = re.split(r"[,\s]+", text.strip(", "))
        try:
            if len(words) != 5:
                raise ValueError("it is not x1, y1, x2, y2, class")
            x1, y1, x2, y2, kind = (number(word) for word in words)
        except ValueError as error:
            problems.append(Problem("bad-label", file, line, str(error), "fix the line"))
            continue
        if kind != int(kind) or not 1 <= kind <= len(names):
            reason, hint = f"class {kind:g} is not in 1 to {len(names)}", "name it in classes.txt"
            problems.append(Problem("class-out-of-range", file, line, reason, hint))
            continue
        found.append(Stated((x1, y1, x2, y2), names[int(kind) - 1], f"line {line}", line))
    return found
