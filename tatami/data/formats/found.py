"""Pictures and labels found by what lies in the folders of a set, whatever the folders' names.

A label belongs to the picture with its stem: beside it, else in the same place of another folder
(annotations/a/1.xml and images/a/1.jpg), else the only one of that stem in its split. A folder
named as a split, at any depth, is one; without such folders there is one split, ``all``.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tatami.data.labels import is_picture_name
from tatami.data.split_names import SPLITS, split_named
from tatami.errors import printable

PICTURE_FOLDERS = ("jpegimages", "images", "image", "imgs", "img", "pictures", "photos", "pics")
"""Usual names of folders with pictures, in lower case."""
LABEL_FOLDERS = (
    *("annotations", "annotation", "annots", "annot", "labels", "label", "xmls", "xml", "bboxes"),
    *("jsons", "json", "txts", "txt", "anns", "ann", "masks", "mask", "imagesets"),
    *("segmentationclass", "segmentationobject", "segmentationclasspng", "groundtruth", "gt"),
)
"""Usual names of folders with labels, in lower case: none of them is a class."""

MAX_DEPTH = 6
"""Folders within folders that are looked into."""
REST = "rest"
"""The split of what lies in no split's folder, where others do."""


@dataclass
class Part:
    """What lies in one split.

    Args:
        pictures: Every picture, sorted.
        labels: Every label file, sorted.
        moved: Of the labels those that lie in another split's folder.
    """

    pictures: list[Path] = field(default_factory=list)
    labels: list[Path] = field(default_factory=list)
    moved: list[Path] = field(default_factory=list)


def files_in(root: Path, suffixes: tuple[str, ...] = ()) -> Iterator[Path]:
    """List the files in a folder and in its folders, sorted, without hidden ones.

    Args:
        root: The folder.
        suffixes: What their names end with, in lower case, as (".xml",); none: whatever.
    """
    if not root.is_dir():
        return
    base = len(root.parts)
    seen: set[str] = set()
    for folder, inner, names in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:  # a link to a folder above it
            inner[:] = []
            continue
        seen.add(real)
        here = Path(folder)
        deep = len(here.parts) - base >= MAX_DEPTH
        inner[:] = [] if deep else sorted(n for n in inner if n[0] != "." and n != "__MACOSX")
        for name in sorted(names):
            if name[0] != "." and (not suffixes or name.lower().endswith(suffixes)):
                yield here / name


def parts(root: Path, suffix: str, is_label: Collection[Path] | None = None) -> dict[str, Part]:
    """Find the splits of a set, and what lies in each.

    Args:
        root: The set's folder.
        suffix: What the names of labels end with, as ".xml".
        is_label: Of the files with that ending those that are labels; None: all of them.
    """
    found: dict[str, Part] = {}
    for path in files_in(root):
        label = path.suffix.lower() == suffix and (is_label is None or path in is_label)
        if not label and not is_picture_name(path):
            continue
        part = found.setdefault(split_of(root, path) or "", Part())
        (part.labels if label else part.pictures).append(path)
    rest = found.pop("", Part())
    if not found:
        return {"all": rest}
    order = {name: at for at, name in enumerate(SPLITS)}
    named = dict(sorted(found.items(), key=lambda pair: order[pair[0]]))
    if rest.labels and not any(part.labels for part in named.values()):
        # images/train and images/test, and the labels of both in one folder
        for part in named.values():
            stems = {path.stem for path in part.pictures}
            part.labels = [path for path in rest.labels if path.stem in stems]
        taken = {path for part in named.values() for path in part.labels}
        rest.labels = [path for path in rest.labels if path not in taken]
    if rest.pictures and not any(part.pictures for part in named.values()):
        for part in named.values():
            stems = {path.stem for path in part.labels}
            part.pictures = [path for path in rest.pictures if path.stem in stems]
    if rest.labels:
        named[REST] = rest
    _move(named)
    return {name: part for name, part in named.items() if part.labels} or {"all": Part()}


def _move(named: dict[str, Part]) -> None:
    """Give labels that lie in the wrong split's folder to the split of their picture.

    A label without a picture in its split belongs to the only picture of that stem, where that one
    has no label: NEU-DET has such a pair.
    """
    homes: dict[str, list[str]] = {}
    for split, part in named.items():
        for picture in part.pictures:
            homes.setdefault(picture.stem, []).append(split)
    labeled = {split: {path.stem for path in part.labels} for split, part in named.items()}
    for part in named.values():
        own = {path.stem for path in part.pictures}
        for label in [path for path in part.labels if path.stem not in own]:
            home = homes.get(label.stem, [])
            if len(home) == 1 and label.stem not in labeled[home[0]]:
                part.labels.remove(label)
                labeled[home[0]].add(label.stem)
                named[home[0]].labels.append(label)
                named[home[0]].moved.append(label)


def moved(root: Path, part: Part) -> tuple[str, ...]:
    """Say which labels of a split lie in another split's folder."""
    return tuple(
        f"{printable(path.relative_to(root))} lies in another split's folder than its picture:"
        " it belongs to the picture"
        for path in part.moved
    )


def unlabeled(root: Path, splits: Collection[str]) -> tuple[str, ...]:
    """Say which folders are named as splits and hold pictures, but no label of the format.

    Args:
        root: The set's folder.
        splits: The splits that have labels.
    """
    there = {split_of(root, path) for path in files_in(root) if is_picture_name(path)}
    left = sorted(name for name in there if name is not None and name not in splits)
    return tuple(f"split '{name}' has pictures and no label: it is left out" for name in left)


def split_of(root: Path, path: Path) -> str | None:
    """Give the split of a file by the folders between the set's and its own; the innermost counts.

    None where none of them is named as a split.
    """
    for name in reversed(path.relative_to(root).parts[:-1]):
        split = split_named(name)
        if split is not None:
            return split
    return None


def place(root: Path, path: Path) -> str:
    """Name a file by its place in the set, without the folders that splits and kinds have."""
    usual = {*PICTURE_FOLDERS, *LABEL_FOLDERS}
    kept = [
        name
        for name in path.relative_to(root).parts[:-1]
        if name.lower() not in usual and split_named(name) is None
    ]
    return "/".join([*kept, path.stem])


def matched(root: Path, part: Part) -> list[tuple[str, Path | None, list[Path]]]:
    """Put together what belongs together in a split.

    Returns:
        A name that is unique, the label or None, and the pictures that may be its: none, one, or
        several of which nothing says which.
    """
    beside: dict[Path, list[Path]] = {}
    placed: dict[str, list[Path]] = {}
    stems: dict[str, list[Path]] = {}
    for picture in part.pictures:
        beside.setdefault(picture.with_suffix(""), []).append(picture)
        placed.setdefault(place(root, picture), []).append(picture)
        stems.setdefault(picture.stem, []).append(picture)
    pairs: list[tuple[Path | None, list[Path]]] = []
    taken: set[Path] = set()
    for label in part.labels:
        own = (
            beside.get(label.with_suffix(""))
            or placed.get(place(root, label))
            or stems.get(label.stem, [])
        )
        taken.update(own)
        pairs.append((label, own))
    pairs += [(None, [picture]) for picture in part.pictures if picture not in taken]
    named: dict[str, list[tuple[Path | None, list[Path]]]] = {}
    for pair in pairs:
        named.setdefault((pair[0] or pair[1][0]).stem, []).append(pair)
    found = []
    for stem, several in named.items():
        for its, own in several:
            path = its or own[0]
            one = place(root, path) if len(several) > 1 else stem
            found.append((one, its, own))
    names = [one for one, _, _ in found]
    if len({*names}) < len(names):  # the same place in two kinds of folders: the whole path
        found = [
            ((its or own[0]).relative_to(root).with_suffix("").as_posix(), its, own)
            for _, its, own in found
        ]
    return sorted(found, key=lambda each: each[0])
