"""VIA's (VGG Image Annotator's) JSON and CSV, of versions 1 and 2: the regions of every picture.

A rectangle gives its box, a circle, an ellipse and a polygon the box around it; points and lines
are left out, which is said. The class is the region's only attribute, else the one that is named
class, label, name, type, category or object; without attributes all are ``object``. A set of
choices is the one that is chosen. Splits: a file each (via_train.json, train/...), else ``all``.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path

from tatami.data.formats.entries import Edges, Entry, Stated, named, read_entries, splits_of
from tatami.data.formats.found import files_in
from tatami.data.labels import read_bytes, read_lines
from tatami.data.problems import Problem, Reading
from tatami.data.split_names import SPLITS
from tatami.errors import TatamiError
from tatami.files import parse_json

LOOKED_FOR = "VIA's .json or .csv of regions"

_MAX_BYTES = 256 * 2**20
_NAMES = ("class", "label", "name", "type", "category", "object")
_FLAT = ("point", "polyline", "line")

_Region = tuple[str, int, dict[str, object], dict[str, object], int | None]
"""The picture, the region's number, its shape, its attributes, and its line."""


def recognizes(root: Path) -> bool:
    """Tell whether a folder holds VIA's files, or a file is one."""
    return next(_files(root), None) is not None


def is_file(path: Path) -> bool:
    """Tell whether a JSON or CSV file begins as VIA's does."""
    try:
        with path.open("rb") as file:
            head = file.read(2**16)
    except OSError:
        return False
    if path.suffix.lower() == ".csv":
        return b"region_shape_attributes" in head.split(b"\n")[0]
    marks = (b'"shape_attributes"', b'"_via_img_metadata"')
    return any(mark in head for mark in marks) or (b'"regions"' in head and b'"filename"' in head)


def splits(root: Path) -> tuple[str, ...]:
    """Name the splits, by the rule above."""
    return splits_of(root, [entry for file in _files(root) for entry in _read(file, [], [])])


def strays(_root: Path) -> list[Problem]:
    """Find nothing: the file lists its pictures, and reading it reports the rest."""
    return []


def read(root: Path, split: str, repairs: Collection[str] = ()) -> Reading:
    """Read one split of the set.

    Args:
        root: The set's folder, or its file.
        split: One of ``splits(root)``.
        repairs: Keys of REPAIRS to carry out.

    Raises:
        TatamiError: For a file that cannot be read, and where there are no classes.
    """
    problems: list[Problem] = []
    left: list[str] = []
    entries = [entry for file in _files(root) for entry in _read(file, problems, left)]
    notes = []
    if left:
        kinds = ", ".join(sorted({*left}))
        notes.append(f"{len(left)} regions without an area are left out: {kinds}")
    return read_entries(root, split, entries, problems, repairs, notes=notes)


def _files(root: Path) -> Iterator[Path]:
    if root.is_file():
        yield from [root] if root.suffix.lower() in (".json", ".csv") and is_file(root) else []
        return
    seen = files_in(root, (".json", ".csv"))
    yield from (path for path in seen if is_file(path))


def _read(file: Path, problems: list[Problem], left: list[str]) -> list[Entry]:
    """Read one file: its pictures; the lists get its faults and the regions left out."""
    words = [word for word in re.split(r"[-_. ]", file.stem.lower()) if word in SPLITS]
    split = words[0] if len(words) == 1 else None
    pictures: dict[str, Entry] = {}
    regions: list[_Region] = []
    source = _of_csv(file) if file.suffix.lower() == ".csv" else _of_json(file)
    for name, line, region in source:
        pictures.setdefault(name, Entry(name, file, split=split, line=line))
        if region is not None:
            regions.append(region)
    key = _key(file, [region[3] for region in regions])
    for name, at, shape, attributes, line in regions:
        kind = str(shape.get("name", ""))
        if kind in _FLAT:
            left.append(kind)
            continue
        try:
            label = "object" if key is None else named(_chosen(attributes.get(key)), file)
            edges = _edges(kind, shape)
            pictures[name].boxes.append(Stated(edges, label, f"region {at}", line))
        except ValueError as error:
            reason = f"region {at} of {name!r:.80}: {error}"
            problems.append(Problem("bad-label", file, line, reason, "fix the region"))
    return list(pictures.values())


def _of_json(file: Path) -> Iterator[tuple[str, int | None, _Region | None]]:
    content = parse_json(read_bytes(file, _MAX_BYTES), file)
    if isinstance(content, dict) and isinstance(content.get("_via_img_metadata"), dict):
        content = content["_via_img_metadata"]
    for one in content.values() if isinstance(content, dict) else []:
        if not isinstance(one, dict) or not isinstance(one.get("filename"), str):
            raise TatamiError("a picture has no 'filename'", hint="export it again", file=file)
        name, regions = one["filename"], one.get("regions") or []
        yield name, None, None
        listed = regions.values() if isinstance(regions, dict) else regions
        for at, region in enumerate(listed if isinstance(regions, dict | list) else [], 1):
            own = region if isinstance(region, dict) else {}
            shape, attributes = own.get("shape_attributes"), own.get("region_attributes")
            yield name, None, (name, at, _dict(shape), _dict(attributes), None)


def _of_csv(file: Path) -> Iterator[tuple[str, int | None, _Region | None]]:
    rows = csv.DictReader(io.StringIO("\n".join(read_lines(file, _MAX_BYTES))))
    try:
        for row in rows:
            name = row.get("filename") or row.get("#filename") or ""
            shape = _cell(row.get("region_shape_attributes"))
            line = rows.line_num
            if not shape:
                yield name, line, None
                continue
            at = (row.get("region_id") or "0").strip()
            number = int(at) + 1 if at.isascii() and at.isdecimal() and len(at) < 10 else 0
            attributes = _cell(row.get("region_attributes"))
            yield name, line, (name, number, shape, attributes, line)
    except csv.Error as error:
        raise TatamiError(
            f"not a table: {error}", hint="export it again", file=file, line=rows.line_num
        ) from error


def _dict(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}


def _cell(text: str | None) -> dict[str, object]:
    try:
        return _dict(json.loads(text or "{}"))
    except (ValueError, RecursionError):
        return {"name": "a shape that is no JSON"}


def _key(file: Path, attributes: list[dict[str, object]]) -> str | None:
    """Find the attribute that is the class; None where there are no attributes.

    Raises:
        TatamiError: Where several may be meant.
    """
    counts = Counter(key for own in attributes for key, value in own.items() if value)
    if len(counts) <= 1:
        return next(iter(counts), None)
    for name in _NAMES:
        for key in counts:
            if key.lower() == name:
                return key
    listed = ", ".join(sorted(counts)[:10])
    raise TatamiError(
        f"its regions have several attributes, and none is named as a class: {listed}",
        hint=f"name the one that is the class as one of {', '.join(_NAMES)}",
        file=file,
    )


def _chosen(value: object) -> object:
    """Give the one choice of a set of choices that is chosen, or the value itself."""
    if isinstance(value, dict):
        chosen = [key for key, on in value.items() if on]
        return chosen[0] if len(chosen) == 1 else None
    return value


def _edges(kind: str, shape: dict[str, object]) -> Edges:
    """Give the box of a region, or the one around it.

    Raises:
        ValueError: For one whose numbers are none or too few.
    """
    if kind == "rect":
        x, y, width, height = (_number(shape.get(key)) for key in ("x", "y", "width", "height"))
        return x, y, x + width, y + height
    if kind in ("circle", "ellipse"):
        x, y = _number(shape.get("cx")), _number(shape.get("cy"))
        rx, ry = (_number(shape.get("r" if kind == "circle" else one)) for one in ("rx", "ry"))
        turn = _number(shape.get("theta", 0))
        over = math.hypot(rx * math.cos(turn), ry * math.sin(turn))
        down = math.hypot(rx * math.sin(turn), ry * math.cos(turn))
        return x - over, y - down, x + over, y + down
    if kind == "polygon":
        sides = [shape.get("all_points_x"), shape.get("all_points_y")]
        across, across_down = (
            [_number(one) for one in side] if isinstance(side, list) else [] for side in sides
        )
        if len(across) < 3 or len(across) != len(across_down):
            raise ValueError("the polygon has no three corners")
        return min(across), min(across_down), max(across), max(across_down)
    raise ValueError(f"{kind[:40]!r} is not a shape that is known")


def _number(value: object) -> float:
    if type(value) not in (int, float) or not abs(value) < 1e9:  # type: ignore[arg-type]
        raise ValueError("a number is left out, or is none")
    return float(value)  # type: ignore[arg-type]
