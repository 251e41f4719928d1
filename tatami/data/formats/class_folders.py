"""Folders of class pictures: ROOT/SPLIT/CLASS/*.png, or ROOT/CLASS/*.png of one split, ``all``.

Classes: the lines of ROOT/classes.txt where there is one, else the names of the folders in all
splits, sorted; so the numbers are the same in every split. A picture's id is CLASS/NAME.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tatami.data.labels import checked_names, pictures_in, printable, read_class_names
from tatami.data.pictures import picture_size, read_picture
from tatami.data.problems import LabeledReading, Problem, in_order
from tatami.errors import TatamiError
from tatami.types import LabeledPictures

LOOKED_FOR = "SPLIT/CLASS/*.png"
SPLITS = ("train", "trainval", "val", "test")
"""Names that folders of splits have; others are classes of a set without splits."""


def recognizes(root: Path) -> bool:
    """Tell whether a folder holds folders of pictures, one a class."""
    return any(pictures_in(folder) for _, folder in _folders(root))


def splits(root: Path) -> tuple[str, ...]:
    """Name those of the known splits that are there, or ``all``."""
    return tuple(sorted(name for name in SPLITS if (root / name).is_dir())) or ("all",)


def classes(root: Path) -> tuple[str, ...]:
    """Name the classes, by the rule above.

    Raises:
        TatamiError: Where there is none.
    """
    if (root / "classes.txt").is_file():
        return read_class_names(root / "classes.txt")
    return checked_names(sorted({folder.name for _, folder in _folders(root)}), root)


def read(root: Path, split: str) -> LabeledReading:
    """Read one split: the header of every picture.

    Raises:
        TatamiError: Where there are no classes.
    """
    names = classes(root)
    number = {name: label for label, name in enumerate(names)}
    problems: list[Problem] = []
    paths: list[Path] = []
    labels: list[int] = []
    base = root if split == "all" else root / split
    for stray in pictures_in(base):
        reason = "the picture lies in no class's folder"
        problems.append(Problem("missing-label", stray, None, reason, "move it into one"))
    for where, folder in _folders(root):
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
    return LabeledReading(pictures, in_order(problems))


def _folders(root: Path) -> list[tuple[str, Path]]:
    """List every split's name with a class's folder, in order; hidden ones are none."""
    if not root.is_dir():
        return []
    return [
        (split, folder)
        for split in splits(root)
        for folder in sorted((root if split == "all" else root / split).iterdir())
        if folder.is_dir() and not folder.name.startswith(".") and printable(folder.name)
    ]
