"""PASCAL VOC segmentation: SegmentationClass/ID.png, JPEGImages/ID.jpg, ImageSets/Segmentation.

A mask is a palette picture whose numbers are the classes, 0 the background, with 255, void, along
the borders of objects; or it shows each class in a color, which is that of VOC's palette unless
``labelmap.txt`` (CVAT's: a line ``name:red,green,blue:parts:actions``) states it. Classes: those of
``labelmap.txt``, or the lines of ``labels.txt``, ``classes.txt`` or ``class_names.txt`` beside the
folders, the background first; else the challenge's own twenty after it. Without lists there is one
split, ``all``. The folders may be called otherwise: SegmentationClassPNG, images; and, beside a
``labelmap.txt``, masks.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable
from pathlib import Path

from tatami.data.formats.found import PICTURE_FOLDERS
from tatami.data.labels import (
    checked_names,
    class_name,
    pictures_in,
    read_class_names,
    read_lines,
)
from tatami.data.masks import Color, Legend, Pair, code, names_listed, reading, usual_colors
from tatami.data.pictures import has_palette, holds_colors
from tatami.data.problems import MaskReading, Problem
from tatami.errors import TatamiError
from tatami.types import VOID

LOOKED_FOR = "SegmentationClass/ and JPEGImages/, or labelmap.txt with masks/ and images/"

CLASSES = (
    *("background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat"),
    *("chair", "cow", "diningtable", "dog", "horse", "motorbike", "person", "pottedplant"),
    *("sheep", "sofa", "train", "tvmonitor"),
)


_MASKS = ("segmentationclass", "segmentationclasspng", "masks", "mask", "segmentation masks")
_NAMES = ("labels.txt", "classes.txt", "class_names.txt")
MAP = "labelmap.txt"
BORDER = (224, 224, 192)
"""The color of void, number 255, in VOC's palette."""


def recognizes(root: Path) -> bool:
    """Tell whether a folder holds masks and pictures as VOC does."""
    return _folders(root) is not None


def _folders(root: Path) -> tuple[Path, Path] | None:
    """Find the folders of masks and of pictures."""
    if (root / "SegmentationClass").is_dir() and (root / "JPEGImages").is_dir():
        return root / "SegmentationClass", root / "JPEGImages"
    if not root.is_dir():
        return None
    inner = {path.name.lower(): path for path in sorted(root.iterdir()) if path.is_dir()}
    mapped = (root / MAP).is_file()
    masks = [inner[name] for name in (_MASKS if mapped else _MASKS[:2]) if name in inner]
    masks = [path for path in masks if pictures_in(path)]
    pictures = [inner[name] for name in PICTURE_FOLDERS if name in inner]
    pictures = [path for path in pictures if pictures_in(path)]
    return (masks[0], pictures[0]) if masks and pictures else None


def splits(root: Path) -> tuple[str, ...]:
    """Name the lists in ImageSets/Segmentation."""
    lists = (root / "ImageSets" / "Segmentation").glob("*.txt")
    return tuple(sorted(path.stem for path in lists)) or ("all",)


def legend_of(root: Path, masks: Iterable[Path]) -> Legend:
    """Say what the masks mean, by the rule above.

    Args:
        root: The set's folder.
        masks: Its masks; the first that can be read tells whether they show numbers or colors.

    Raises:
        TatamiError: For faulty names, and for a map of labels that is not sound.
    """
    form = "numbers"
    for mask in masks:
        with contextlib.suppress(TatamiError):
            form = "colors" if holds_colors(mask) else "palette" if has_palette(mask) else "numbers"
            break
    if (root / MAP).is_file():
        names, colors = _map(root / MAP)
        by_color = form != "numbers"
    else:
        files = (root / name for name in _NAMES)
        listed = next((file for file in files if file.is_file()), None)
        names = CLASSES if listed is None else _names(listed)
        colors = usual_colors(len(names))
        by_color = form == "colors"
    if by_color:
        meaning = {code(BORDER): VOID} | {code(color): at for at, color in enumerate(colors)}
    else:
        meaning = {label: label for label in range(len(names))} | {VOID: VOID}
    return Legend(names, colors, meaning, by_color)


def _names(file: Path) -> tuple[str, ...]:
    """Read class names; LabelMe's ``__ignore__``, the class of no pixel, is none."""
    return tuple(name for name in read_class_names(file) if name != "__ignore__")


def _map(file: Path) -> tuple[tuple[str, ...], tuple[Color, ...]]:
    """Read CVAT's map of labels: names and colors, the background first.

    Raises:
        TatamiError: For a line that is not ``name:red,green,blue`` and what follows, and for a
            color that two classes have.
    """
    found: list[tuple[str, Color]] = []
    for line, text in enumerate(read_lines(file), 1):
        if not text or text.startswith("#"):
            continue
        name, _, rest = text.partition(":")
        match = re.fullmatch(
            r"(\d{1,3})\s*,\s*(\d{1,3})\s*,\s*(\d{1,3})", rest.split(":")[0].strip()
        )
        if match is None or max(int(part) for part in match.groups()) > 255:
            raise TatamiError(
                f"{text[:60]!r} is not name:red,green,blue", hint="fix it", file=file, line=line
            )
        red, green, blue = (int(part) for part in match.groups())
        found.append((class_name(name, file, line), (red, green, blue)))
    found.sort(key=lambda pair: pair[0].lower() not in ("background", "_background_"))
    names = checked_names((name for name, _ in found), file)
    colors = tuple(color for _, color in found)
    twice = next((name for at, (name, color) in enumerate(found) if color in colors[:at]), None)
    if twice is not None:
        raise TatamiError(
            f"'{twice}' has the color of another class", hint="give it its own", file=file
        )
    return names, colors


def read(root: Path, split: str) -> MaskReading:
    """Read one split: every mask is decoded.

    Raises:
        TatamiError: For a list that cannot be read.
    """
    folders = _folders(root)
    if folders is None:
        raise TatamiError("no folders of masks and pictures", hint=LOOKED_FOR, file=root)
    mask_folder, picture_folder = folders
    problems: list[Problem] = []
    pictures = {path.stem: path for path in pictures_in(picture_folder)}
    masks = {path.stem: path for path in pictures_in(mask_folder)}
    legend = legend_of(root, masks.values())
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
            ("missing-label", mask_folder.name)
            if name in pictures
            else ("missing-picture", picture_folder.name)
        )
        reason = f"'{name}' has no file in {folder}"
        problems.append(Problem(kind, where, line, reason, "add it, or take it off the set"))
    return reading(root, split, legend, pairs, problems)
