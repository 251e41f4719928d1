"""CVAT's own XML, "CVAT for images 1.1": one file with every picture's shapes.

A box gives its edges, a polygon and an ellipse the box around it, a turned box the box around it;
points, lines and masks are left out, which is said. Splits: the attribute ``subset`` of a picture,
else a folder named as a split, else ``all``. Classes: the labels of the task in their order, else
the labels of all shapes, sorted.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from tatami.data.formats.entries import Edges, Entry, Stated, named, read_entries, splits_of
from tatami.data.formats.found import files_in
from tatami.data.labels import number, read_bytes
from tatami.data.problems import Problem, Reading
from tatami.data.split_names import split_named
from tatami.errors import TatamiError

LOOKED_FOR = "CVAT's .xml of <annotations> with <image>"

_MAX_BYTES = 256 * 2**20
_SHAPES = ("box", "polygon", "ellipse")
_FLAT = ("points", "polyline", "mask", "cuboid", "skeleton")


def recognizes(root: Path) -> bool:
    """Tell whether a folder holds CVAT's files, or a file is one."""
    return next(_files(root), None) is not None


def is_file(path: Path) -> bool:
    """Tell whether an XML file begins as CVAT's does."""
    try:
        with path.open("rb") as file:
            head = file.read(2**16)
    except OSError:
        return False
    return b"<annotations" in head and (b"<image " in head or b"<task>" in head)


def splits(root: Path) -> tuple[str, ...]:
    """Name the splits, by the rule above."""
    entries: list[Entry] = []
    for file in _files(root):
        entries += _read(file, [], [], [])
    return splits_of(root, entries)


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
    entries: list[Entry] = []
    problems: list[Problem] = []
    classes: list[str] = []
    left: list[str] = []
    for file in _files(root):
        entries += _read(file, classes, problems, left)
    notes = []
    if left:
        kinds = ", ".join(sorted({*left}))
        notes.append(f"{len(left)} shapes that are no boxes are left out: {kinds}")
    order = list(dict.fromkeys(classes))
    return read_entries(root, split, entries, problems, repairs, classes=order, notes=notes)


def _files(root: Path) -> Iterator[Path]:
    if root.is_file():
        yield from [root] if root.suffix.lower() == ".xml" and is_file(root) else []
        return
    seen = files_in(root, (".xml",))
    yield from (path for path in seen if is_file(path))


def _read(file: Path, classes: list[str], problems: list[Problem], left: list[str]) -> list[Entry]:
    """Read one file: its pictures; the lists get its classes, faults and shapes left out."""
    try:
        top: Any = fromstring(read_bytes(file, _MAX_BYTES), forbid_dtd=True)
    except ParseError as error:
        reason, hint = f"malformed XML: {error}", "export it again"
        raise TatamiError(reason, hint=hint, file=file, line=error.position[0]) from error
    except DefusedXmlException as error:
        reason = f"declares a document type or entities ({type(error).__name__})"
        raise TatamiError(reason, hint="delete the DOCTYPE", file=file) from error
    except (ValueError, LookupError) as error:
        raise TatamiError(f"malformed XML: {error}", hint="export it again", file=file) from error
    for label in top.iterfind("meta//labels/label/name"):
        try:
            classes.append(named(label.text, file))
        except ValueError as error:
            raise TatamiError(str(error), hint="name the label", file=file) from error
    entries = []
    for image in top.iterfind("image"):
        name = image.get("name", "")
        boxes = []
        for at, shape in enumerate(image, 1):
            if shape.tag in _FLAT:
                left.append(shape.tag)
            if shape.tag not in _SHAPES:
                continue
            try:
                label = named(shape.get("label"), file)
                boxes.append(Stated(_edges(shape), label, f"shape {at}"))
            except ValueError as error:
                reason = f"shape {at} of {name!r:.80}: {error}"
                problems.append(Problem("bad-label", file, None, reason, "fix the shape"))
        try:
            size = (_value(image, "width"), _value(image, "height"))
        except ValueError:
            size = None
        entries.append(Entry(name, file, boxes, split_named(image.get("subset", "")), size))
    return entries


def _value(element: Element, key: str) -> float:
    text = element.get(key)
    if text is None:
        raise ValueError(f"it has no '{key}'")
    return number(text)


def _edges(shape: Element) -> Edges:
    """Give the box of a shape, or the one around it.

    Raises:
        ValueError: For one whose numbers are none, or too few.
    """
    if shape.tag == "polygon":
        pairs = [text.split(",") for text in shape.get("points", "").split(";")]
        if len(pairs) < 3 or any(len(pair) != 2 for pair in pairs):
            raise ValueError("its points are not three pairs x,y or more")
        across, down = ([number(pair[at]) for pair in pairs] for at in (0, 1))
        return min(across), min(down), max(across), max(down)
    turn = math.radians(number(shape.get("rotation") or "0"))
    if shape.tag == "ellipse":
        x, y = _value(shape, "cx"), _value(shape, "cy")
        one, other = _value(shape, "rx"), _value(shape, "ry")
        over = math.hypot(one * math.cos(turn), other * math.sin(turn))
        down_ = math.hypot(one * math.sin(turn), other * math.cos(turn))
        return x - over, y - down_, x + over, y + down_
    x1, y1, x2, y2 = (_value(shape, key) for key in ("xtl", "ytl", "xbr", "ybr"))
    if turn == 0 or x2 <= x1 or y2 <= y1:
        return x1, y1, x2, y2
    cos, sin = abs(math.cos(turn)), abs(math.sin(turn))
    over, down_ = ((x2 - x1) * cos + (y2 - y1) * sin) / 2, ((x2 - x1) * sin + (y2 - y1) * cos) / 2
    x, y = (x1 + x2) / 2, (y1 + y2) / 2
    return x - over, y - down_, x + over, y + down_
