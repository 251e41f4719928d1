"""LabelMe's JSON: ID.json with shapes, beside ID.jpg or in a folder of its own.

A rectangle gives its box, a polygon and a circle the box around it; points, lines and strips have
no area and are left out, which is said. Splits are the folders train, valid, test, else there is
one, ``all``. Classes: the lines of ``labels.txt`` or ``classes.txt`` in the set's folder, else the
labels of all shapes, sorted.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from tatami.data.formats.found import Part, files_in, matched, parts, unlabeled
from tatami.data.labels import (
    Row,
    checked_boxes,
    checked_names,
    checked_size,
    class_name,
    degenerate,
    printable,
    read_bytes,
    read_class_names,
)
from tatami.data.problems import LABELS_ALONE, Problem, Reading, in_order
from tatami.errors import TatamiError
from tatami.files import parse_json
from tatami.types import Boxes, Dataset, Sample

LOOKED_FOR = "LabelMe's .json of shapes beside the pictures"

_MAX_BYTES = 256 * 2**20
"""A file may hold the whole picture, too."""
_SNIFFED = 20
_FLAT = ("point", "points", "line", "linestrip")
"""Shapes without an area."""


def recognizes(root: Path) -> bool:
    """Tell whether a folder holds LabelMe's files."""
    seen = files_in(root, (".json",))
    return any(is_label(path) for path in itertools.islice(seen, _SNIFFED))


def is_label(path: Path) -> bool:
    """Tell whether a JSON file is one picture's labels in LabelMe's form."""
    try:
        with path.open("rb") as file:
            head = file.read(2**16)
            file.seek(max(0, path.stat().st_size - 2**12))
            tail = file.read()
    except OSError:
        return False
    return b'"shapes"' in head and b'"images"' not in head and b'"image' in head + tail


def splits(root: Path) -> tuple[str, ...]:
    """Name the folders that are named as splits, or ``all``."""
    return tuple(_parts(root))


def strays(_root: Path) -> list[Problem]:
    """Find nothing: reading a split reports all that lies in it."""
    return []


def read(
    root: Path,
    split: str,
    repairs: Collection[str] = (),
    every: Mapping[str, Part] | None = None,
) -> Reading:
    """Read one split of the set.

    Args:
        root: The set's folder.
        split: One of ``splits(root)``.
        repairs: Keys of REPAIRS to carry out.
        every: What lies in each split, where that is known; None: it is found.

    Raises:
        TatamiError: Where there are no classes.
    """
    every = _parts(root) if every is None else every
    names = _classes(root, every)
    problems: list[Problem] = []
    left: list[str] = []
    samples = []
    for identity, label, pictures in matched(root, every[split]):
        if label is None:
            reason = f"'{identity}' has no label {identity}.json"
            hint = "label it, take it off the set, or take such as background"
            done = "background" if "background" in repairs else ""
            problems.append(Problem("missing-label", pictures[0], None, reason, hint, done))
            size = checked_size(pictures[0], None, pictures[0], None, problems) if done else None
            if size is not None:
                samples.append(Sample(identity, pictures[0], size, Boxes.of([], [])))
            continue
        try:
            content = _content(label)
        except TatamiError as error:
            problems.append(Problem.of("bad-label", error, label))
            continue
        stated = str(content.get("imagePath", "")).replace("\\", "/").rpartition("/")[2]
        named = [path for path in pictures if path.name == stated] or pictures
        if not pictures and LABELS_ALONE in repairs:
            named = [label.with_suffix(".jpg")]
        if len({path.parent for path in named}) != 1:
            reason = "its picture is not there"
            if named:
                reason = f"its picture may be {' or '.join(map(str, named[:3]))}"
            problems.append(
                Problem("orphan-label", label, None, reason, "add the picture, or delete it")
            )
            continue
        sides = [content.get("imageWidth"), content.get("imageHeight")]
        known = all(isinstance(side, int | float) and math.isfinite(side) for side in sides)
        size_stated = (float(str(sides[0])), float(str(sides[1]))) if known else None
        size = checked_size(named[0], size_stated, label, None, problems, repairs)
        if size is None:
            continue
        rows = _rows(content, names, label, problems, left)
        boxes = checked_boxes(rows, size, label, problems, repairs)
        samples.append(Sample(identity, named[0], size, boxes))
    notes = list(unlabeled(root, every))
    if left:
        kinds = ", ".join(sorted({*left}))
        notes.append(f"{len(left)} shapes without an area are left out: {kinds}")
    return Reading(Dataset(root, split, names, tuple(samples)), in_order(problems), tuple(notes))


def _parts(root: Path) -> dict[str, Part]:
    files = list(files_in(root, (".json",)))
    return parts(root, ".json", {path for path in files if is_label(path)})


def _content(file: Path) -> dict[str, object]:
    content = parse_json(read_bytes(file, _MAX_BYTES), file)
    if not isinstance(content, dict) or not isinstance(content.get("shapes"), list):
        raise TatamiError("has no list 'shapes'", hint="save it again", file=file)
    return content


def _classes(root: Path, every: Mapping[str, Part]) -> tuple[str, ...]:
    for name in ("labels.txt", "classes.txt"):
        if (root / name).is_file():
            listed = read_class_names(root / name)
            return tuple(one for one in listed if one not in ("__ignore__", "_background_"))
    found: set[str] = set()
    refused: TatamiError | None = None
    for part in every.values():
        for file in part.labels:
            try:
                shapes = _content(file)["shapes"]
            except TatamiError as error:
                refused = refused or error
                continue
            for shape in shapes if isinstance(shapes, list) else []:
                label: object = shape.get("label") if isinstance(shape, dict) else None
                if isinstance(label, str) and printable(label.strip()):
                    found.add(label.strip())
    if not found - {""} and refused is not None:
        raise refused
    return checked_names(sorted(found - {""}), root)


def _rows(
    content: dict[str, object],
    names: tuple[str, ...],
    label: Path,
    problems: list[Problem],
    left: list[str],
) -> list[Row]:
    """Read the shapes of one file as boxes."""
    rows = []
    shapes = content["shapes"]
    for at, shape in enumerate(shapes if isinstance(shapes, list) else [], 1):
        title = f"shape {at}"
        try:
            if not isinstance(shape, dict) or not isinstance(shape.get("label"), str):
                raise ValueError("it has no 'label'")
            name = class_name(shape["label"], label)
            title = f"{title} ({name})"
            kind = str(shape.get("shape_type") or "polygon")
            if kind in _FLAT:
                left.append(kind)
                continue
            edges = _edges(kind, shape.get("points"))
        except (ValueError, TatamiError) as error:
            reason = error.reason if isinstance(error, TatamiError) else str(error)
            problems.append(
                Problem("bad-label", label, None, f"{title}: {reason}", "fix the shape")
            )
            continue
        if name not in names:
            reason = f"{title}: its class is not in the set's list"
            hint = f"one of {', '.join(names[:20])}"
            problems.append(Problem("unknown-class", label, None, reason, hint))
        elif edges[2] <= edges[0] or edges[3] <= edges[1]:
            width, height = edges[2] - edges[0], edges[3] - edges[1]
            problems.append(degenerate(title, width, height, label, None))
        else:
            rows.append(Row(edges, names.index(name), title))
    return rows


def _edges(kind: str, points: object) -> tuple[float, float, float, float]:
    """Give the box of a shape.

    Raises:
        ValueError: For points that are none, or too few.
    """
    found: list[tuple[float, float]] = []
    for point in points if isinstance(points, list) else []:
        pair: list[Any] = point if isinstance(point, list) and len(point) == 2 else [None]
        if not all(type(one) in (int, float) and math.isfinite(one) for one in pair):
            raise ValueError("a point is not [x, y]")
        found.append((float(pair[0]), float(pair[1])))
    if len(found) < (3 if kind == "polygon" else 2):
        raise ValueError(f"a {kind} has {len(found)} points")
    if kind == "circle":
        (x, y), (over, down) = found[:2]
        radius = math.hypot(over - x, down - y)
        return x - radius, y - radius, x + radius, y + radius
    across, down_ = [x for x, _ in found], [y for _, y in found]
    return min(across), min(down_), max(across), max(down_)
