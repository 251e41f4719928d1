"""Folders of class pictures: ROOT/SPLIT/CLASS/*.png, or ROOT/CLASS/*.png of one split, ``all``.

Classes: the lines of ROOT/classes.txt where there is one, else the names of the folders in all
splits, sorted; so the numbers are the same in every split. A picture's id is CLASS/NAME. Folders of
splits are train, trainval, val, valid, validation and test, in any case.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from tatami.data.labels import checked_names, pictures_in, printable, read_class_names
from tatami.data.pictures import picture_size, read_picture
from tatami.data.problems import LabeledReading, Problem, in_order
from tatami.data.split_names import SPLITS
from tatami.errors import TatamiError
from tatami.types import LabeledPictures

LOOKED_FOR = "SPLIT/CLASS/*.png"
ALWAYS = ("train", "trainval", "val", "test")
"""Folders of these names are splits whatever lies in them."""
FilesIn = Callable[[Path], list[Path]]
"""Lists the files directly in a folder that have a class: pictures, or sounds."""
NESTED = 6
"""Folders of a set without classes that a note names at most."""


def recognizes(root: Path) -> bool:
    """Tell whether a folder holds folders of pictures, one a class."""
    return any(pictures_in(folder) for _, folder in class_folders(root))


def splits(root: Path) -> tuple[str, ...]:
    """Name those of the known splits that are there, in any case, or ``all``."""
    return tuple(sorted(split_folders(root))) or ("all",)


def names(root: Path) -> tuple[str, ...]:
    """Name the folders that count as classes and hold pictures."""
    return tuple(sorted({folder.name for _, folder in class_folders(root) if pictures_in(folder)}))


def split_folders(root: Path, files_in: FilesIn = pictures_in) -> dict[str, Path]:
    """Find the folders that are named as splits and hold folders: train, valid, test, ...

    Args:
        root: The set's folder.
        files_in: Lists the files of a folder that have a class.
    """
    found: dict[str, Path] = {}
    for folder in sorted(root.iterdir()) if root.is_dir() else []:
        name = folder.name.lower()
        if not folder.is_dir() or name not in SPLITS:
            continue
        if folder.name in ALWAYS or _may_be_split(folder, files_in):
            found.setdefault(name, folder)
    return found


def _may_be_split(folder: Path, files_in: FilesIn) -> bool:
    """Tell a split from a class of that name ("valid"), which holds files and no folders."""
    return not files_in(folder) or any(path.is_dir() for path in folder.iterdir())


def classes(root: Path) -> tuple[str, ...]:
    """Name the classes, by the rule above.

    Raises:
        TatamiError: Where there is none.
    """
    if (root / "classes.txt").is_file():
        return read_class_names(root / "classes.txt")
    return checked_names(sorted({folder.name for _, folder in class_folders(root)}), root)


def read(root: Path, split: str) -> LabeledReading:
    """Read one split: the header of every picture.

    Raises:
        TatamiError: Where there are no classes.
    """
    names = classes(root)
    there = split_folders(root)
    number = {name: label for label, name in enumerate(names)}
    problems: list[Problem] = []
    paths: list[Path] = []
    labels: list[int] = []
    base = there.get(split, root)
    for stray in pictures_in(base):
        reason = "the picture lies in no class's folder"
        problems.append(Problem("missing-label", stray, None, reason, "move it into one"))
    for where, folder in class_folders(root):
        if where != split:
            continue
        if folder.name not in number:
            reason = f"classes.txt does not name '{folder.name}'"
            problems.append(Problem("unknown-class", folder, None, reason, "add it, or move it"))
            continue
        for path in pictures_in(folder):
            try:
                picture_size(path)
            except TatamiError as error:
                problems.append(Problem.of("unreadable-picture", error, path))
                continue
            paths.append(path)
            labels.append(number[folder.name])
    pictures = LabeledPictures(
        root,
        split,
        names,
        tuple(f"{path.parent.name}/{path.name}" for path in paths),
        np.array(labels, np.int64),
        lambda index: read_picture(paths[index]),
    )
    return LabeledReading(pictures, in_order(problems), _unread(root, there))


def _unread(root: Path, there: dict[str, Path]) -> tuple[str, ...]:
    """Name the folders beside the splits that hold pictures and are no split themselves."""
    if not there:
        return ()
    inner = [path for path in sorted(root.iterdir()) if path.is_dir() and path.name[0] != "."]
    left = [path.name for path in inner if path not in there.values() and _holds_pictures(path)]
    if not left:
        return ()
    more = f" and {len(left) - NESTED} more" if len(left) > NESTED else ""
    return (f"folders beside the splits are not read: {', '.join(left[:NESTED])}{more}",)


def _holds_pictures(folder: Path) -> bool:
    inner = (path for path in folder.iterdir() if path.is_dir())
    return bool(pictures_in(folder)) or any(pictures_in(path) for path in inner)


def class_folders(root: Path, files_in: FilesIn = pictures_in) -> list[tuple[str, Path]]:
    """List every split's name with a class's folder, in order; hidden ones are none.

    Args:
        root: The set's folder.
        files_in: Lists the files of a folder that have a class.
    """
    if not root.is_dir():
        return []
    there = split_folders(root, files_in)
    return [
        (split, folder)
        for split in sorted(there) or ["all"]
        for folder in sorted(there.get(split, root).iterdir())
        if folder.is_dir()
        and not folder.name.startswith((".", "__MACOSX"))
        and printable(folder.name)
    ]
