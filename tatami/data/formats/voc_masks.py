"""PASCAL VOC segmentation: SegmentationClass/ID.png, JPEGImages/ID.jpg, ImageSets/Segmentation.

A mask is a palette picture whose numbers are the classes, 0 the background, with 255, void, along
the borders of objects. Classes: the lines of ``labels.txt`` or ``classes.txt`` beside the folders,
the background first; else the challenge's own twenty after it. Without lists there is one split,
``all``.
"""

from __future__ import annotations

from pathlib import Path

from tatami.data.labels import pictures_in, read_class_names
from tatami.data.masks import Legend, Pair, names_listed, reading, usual_colors
from tatami.data.problems import MaskReading, Problem
from tatami.types import VOID

LOOKED_FOR = "SegmentationClass/ and JPEGImages/"

CLASSES = (
    *("background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat"),
    *("chair", "cow", "diningtable", "dog", "horse", "motorbike", "person", "pottedplant"),
    *("sheep", "sofa", "train", "tvmonitor"),
)


def recognizes(root: Path) -> bool:
    """Tell whether a folder holds masks and pictures as VOC does."""
    return (root / "SegmentationClass").is_dir() and (root / "JPEGImages").is_dir()


def splits(root: Path) -> tuple[str, ...]:
    """Name the lists in ImageSets/Segmentation."""
    lists = (root / "ImageSets" / "Segmentation").glob("*.txt")
    return tuple(sorted(path.stem for path in lists)) or ("all",)


def read(root: Path, split: str) -> MaskReading:
    """Read one split: every mask is decoded.

    Raises:
        TatamiError: For a list that cannot be read.
    """
    files = (root / name for name in ("labels.txt", "classes.txt"))
    listed = next((file for file in files if file.is_file()), None)
    names = CLASSES if listed is None else read_class_names(listed)
    meaning = {label: label for label in range(len(names))} | {VOID: VOID}
    legend = Legend(names, usual_colors(len(names)), meaning)
    problems: list[Problem] = []
    pictures = {path.stem: path for path in pictures_in(root / "JPEGImages")}
    masks = {path.stem: path for path in pictures_in(root / "SegmentationClass")}
    file = root / "ImageSets" / "Segmentation" / f"{split}.txt"
    wanted: list[tuple[str, Path, int | None]]
    if file.is_file():
        wanted = [(name, file, line) for name, line in names_listed(file, problems)]
    else:  # most pictures of the challenge have boxes and no mask
        wanted = [(name, path, None) for name, path in masks.items()]
    pairs = []
    for name, where, line in wanted:
        if name in pictures and name in masks:
            pairs.append(Pair(name, pictures[name], masks[name]))
            continue
        kind, folder = (
            ("missing-label", "SegmentationClass")
            if name in pictures
            else ("missing-picture", "JPEGImages")
        )
        reason = f"'{name}' has no file in {folder}"
        problems.append(Problem(kind, where, line, reason, "add it, or take it off the set"))
    return reading(root, split, legend, pairs, problems)
