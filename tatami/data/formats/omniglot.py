"""Omniglot: ROOT/SPLIT/ALPHABET/CHARACTER/NUMBER_DRAWER.png, a person being a drawer.

Splits: images_background is ``train`` and images_evaluation ``test``; folders of those names do as
well. A class is ALPHABET/CHARACTER, so that a class tells its alphabet, and the classes are those
of all splits, sorted. A picture's id is ALPHABET/CHARACTER/NAME; data/drawings.py reads the drawer
from it.

Source:
    Lake, Salakhutdinov and Tenenbaum 2015, "Human-level concept learning through probabilistic
    program induction".
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tatami.data.drawings import drawer_of
from tatami.data.labels import checked_names, pictures_in, printable
from tatami.data.pictures import picture_size, read_picture
from tatami.data.problems import LabeledReading, Problem, in_order
from tatami.errors import TatamiError
from tatami.types import LabeledPictures

LOOKED_FOR = "images_background/ALPHABET/CHARACTER/*.png"
FOLDERS = {
    "images_background": "train",
    "train": "train",
    "images_evaluation": "test",
    "test": "test",
}
"""The split that each folder holds."""


def recognizes(root: Path) -> bool:
    """Tell whether a folder holds a split whose pictures, two folders down, are named by drawer."""
    for folder in split_folders(root).values():
        for character in _characters(folder):
            pictures = pictures_in(character)
            if pictures:
                return all(drawer_of(path.stem) for path in pictures)
    return False


def splits(root: Path) -> tuple[str, ...]:
    """Name the splits that are there."""
    return tuple(sorted(split_folders(root)))


def split_folders(root: Path) -> dict[str, Path]:
    """Find the folders of the splits, by the names of the splits."""
    found: dict[str, Path] = {}
    for name, split in FOLDERS.items():
        if (root / name).is_dir():
            found.setdefault(split, root / name)
    return found


def read(root: Path, split: str) -> LabeledReading:
    """Read one split: the header of every picture.

    Raises:
        TatamiError: Where there are no characters.
    """
    there = split_folders(root)
    characters = {one: _characters(folder) for one, folder in there.items()}
    names = {_class(path) for folders in characters.values() for path in folders}
    classes = checked_names(sorted(names), root)
    number = {name: label for label, name in enumerate(classes)}
    problems: list[Problem] = []
    paths: list[Path] = []
    for folder in characters[split]:
        for path in pictures_in(folder):
            try:
                picture_size(path)
            except TatamiError as error:
                problems.append(Problem.of("unreadable-picture", error, path))
            else:
                paths.append(path)
    pictures = LabeledPictures(
        root,
        split,
        classes,
        tuple(f"{_class(path.parent)}/{path.name}" for path in paths),
        np.array([number[_class(path.parent)] for path in paths], np.int64),
        lambda index: read_picture(paths[index]),
    )
    return LabeledReading(pictures, in_order(problems))


def _characters(folder: Path) -> list[Path]:
    """List the folders of a split's characters, in order."""
    return [
        path
        for path in sorted(folder.glob("*/*"))
        if path.is_dir() and printable(_class(path)) and "/." not in f"/{_class(path)}"
    ]


def _class(folder: Path) -> str:
    return f"{folder.parent.name}/{folder.name}"
