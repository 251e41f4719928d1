"""PASCAL VOC: Annotations/ID.xml, JPEGImages/ID.jpg, ImageSets/Main/SPLIT.txt.

The challenge's development kit counts pixels from 1 and includes both ends, so a box's edges are
(xmin - 1, ymin - 1, xmax, ymax). A box whose xmax does not exceed its xmin is a click and not a
box, and is reported as degenerate. Without lists in ImageSets/Main there is one split, ``all``.

Classes: the lines of ``labels.txt`` or ``classes.txt`` beside Annotations where there is one, else
the names in all annotations of the set, sorted; so the numbers are the same in every split.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from tatami.data.labels import (
    MAX_LABEL_BYTES,
    Row,
    checked_boxes,
    checked_names,
    checked_size,
    class_name,
    degenerate,
    number,
    pictures_in,
    printable,
    read_bytes,
    read_class_names,
    read_lines,
    stays_inside,
)
from tatami.data.problems import Problem, Reading, in_order
from tatami.errors import TatamiError
from tatami.types import Dataset, Sample

LOOKED_FOR = "Annotations/ and JPEGImages/"

_MAX_ELEMENTS = 200_000


@dataclass
class Element:
    """One XML element.

    Args:
        name: Its tag.
        line: The line where it starts.
        text: Its text.
        children: The elements in it.
    """

    name: str
    line: int
    text: str = ""
    children: list[Element] = field(default_factory=list)

    def first(self, name: str) -> Element | None:
        """Find the first child of that name; None where there is none."""
        return next((child for child in self.children if child.name == name), None)

    def needed(self, name: str) -> Element:
        """Find the first child of that name.

        Raises:
            ValueError: Where there is none.
        """
        child = self.first(name)
        if child is None:
            raise ValueError(f"<{self.name}> has no <{name}>")
        return child


def recognizes(root: Path) -> bool:
    """Tell whether a folder holds annotations and pictures as VOC does."""
    return (root / "Annotations").is_dir() and (root / "JPEGImages").is_dir()


def splits(root: Path) -> tuple[str, ...]:
    """Name the lists in ImageSets/Main, without the development kit's lists of single classes."""
    names = {path.stem for path in (root / "ImageSets" / "Main").glob("*.txt")}
    # aeroplane_train.txt says which pictures of train.txt hold an aeroplane: it is not a split
    found = {name for name in names if name.rpartition("_")[2] not in names - {name}}
    return tuple(sorted(found)) or ("all",)


def classes(root: Path) -> tuple[str, ...]:
    """Name the classes, by the rule above.

    Raises:
        TatamiError: Where there is none.
    """
    for name in ("labels.txt", "classes.txt"):
        if (root / name).is_file():
            return read_class_names(root / name)
    found: set[str] = set()
    for path in sorted((root / "Annotations").glob("*.xml")):
        try:
            annotation = parse(path)
        except TatamiError:
            continue  # reported when its split is read
        for thing in annotation.children:
            named = thing.first("name") if thing.name == "object" else None
            if named is not None and printable(named.text.strip()):
                found.add(named.text.strip())
    return checked_names(sorted(found - {""}), root / "Annotations")


def read(root: Path, split: str) -> Reading:
    """Read one split of the set.

    Raises:
        TatamiError: Where the set has no such list or no classes.
    """
    names = classes(root)
    problems: list[Problem] = []
    pictures: dict[str, list[Path]] = {}
    for path in pictures_in(root / "JPEGImages"):
        pictures.setdefault(path.stem, []).append(path)
    samples = []
    for identity, list_file, line in _identities(root, split, pictures, problems):
        label = root / "Annotations" / f"{identity}.xml"
        candidates = pictures.get(identity) or _beneath(root / "JPEGImages", identity)
        if not label.is_file():
            kind, what = (
                ("missing-label", "label") if candidates else ("missing-picture", "picture")
            )
            reason = f"'{identity}' has no {what} {label.name if candidates else 'in JPEGImages'}"
            file = list_file or candidates[0]
            problems.append(Problem(kind, file, line, reason, "add it, or take it off the set"))
            continue
        try:
            annotation = parse(label)
        except TatamiError as error:
            problems.append(Problem.of("bad-label", error, label))
            continue
        picture = _picture(annotation, candidates)
        if picture is None:
            kind = "missing-picture" if list_file else "orphan-label"
            reason = f"'{identity}' has no picture in JPEGImages"
            hint = "add the picture, or take it off the set"
            problems.append(Problem(kind, list_file or label, line, reason, hint))
            continue
        sample = _sample(identity, picture, annotation, names, label, problems)
        if sample is not None:
            samples.append(sample)
    return Reading(Dataset(root, split, names, tuple(samples)), in_order(problems))


def strays(root: Path) -> list[Problem]:
    """Find annotations in no split at all whose picture is not there."""
    if splits(root) == ("all",):
        return []  # the one split reports them
    ignored: list[Problem] = []
    listed = {
        name for split in splits(root) for name, _, _ in _identities(root, split, {}, ignored)
    }
    pictures = {path.stem for path in pictures_in(root / "JPEGImages")}
    return [
        Problem(
            "orphan-label",
            path,
            None,
            "no split lists it and its picture is not there",
            "delete it",
        )
        for path in sorted((root / "Annotations").glob("*.xml"))
        if path.stem not in listed and path.stem not in pictures
    ]


def parse(path: Path) -> Element:
    """Read the root element of an annotation, with line numbers.

    Raises:
        TatamiError: For malformed XML, with the line, and for any document type declaration: entity
            bombs and external entities need one.
    """
    target = _Target()
    parser = DefusedXMLParser(target=target, forbid_dtd=True)
    target.parser = parser.parser
    try:
        parser.feed(read_bytes(path, MAX_LABEL_BYTES))
        parser.close()
    except DefusedXmlException as error:
        raise TatamiError(
            f"declares a document type or entities ({type(error).__name__})",
            hint="delete the DOCTYPE: annotations need none, and hostile files use it",
            file=path,
            line=target.parser.CurrentLineNumber,
        ) from error
    except ParseError as error:
        raise TatamiError(
            f"malformed XML: {error}",
            hint="fix or export it again",
            file=path,
            line=error.position[0],
        ) from error
    except (ValueError, LookupError) as error:  # too many elements, an encoding nobody knows
        raise TatamiError(
            f"malformed XML: {error}",
            hint="fix or export it again",
            file=path,
            line=target.parser.CurrentLineNumber,
        ) from error
    return target.stack[0].children[0]


class _Target:
    """Builds Elements from the parser's events (the target interface of XMLParser)."""

    def __init__(self) -> None:
        self.stack = [Element("", 0)]
        self.count = 0
        self.parser: Any = None  # the expat parser beneath, which knows the line

    def start(self, name: str, _attributes: dict[str, str]) -> None:
        """Begin an element."""
        self.count += 1
        if self.count > _MAX_ELEMENTS:
            raise ValueError(f"more than {_MAX_ELEMENTS} elements")
        element = Element(name, self.parser.CurrentLineNumber)
        self.stack[-1].children.append(element)
        self.stack.append(element)

    def data(self, text: str) -> None:
        """Add text to the element that is open."""
        self.stack[-1].text += text

    def end(self, _name: str) -> None:
        """End the element that is open."""
        self.stack.pop()

    def close(self) -> None:
        """Give the root."""
        ...


def _identities(
    root: Path, split: str, pictures: dict[str, list[Path]], problems: list[Problem]
) -> Iterable[tuple[str, Path | None, int | None]]:
    """List each picture's id with the list and line that name it (none in the split ``all``)."""
    list_file = root / "ImageSets" / "Main" / f"{split}.txt"
    if splits(root) == ("all",) and not list_file.is_file():
        labels = {path.stem for path in (root / "Annotations").glob("*.xml")}
        yield from ((identity, None, None) for identity in sorted(labels | set(pictures)))
        return
    first: dict[str, int] = {}
    for line, text in enumerate(read_lines(list_file, 16 * MAX_LABEL_BYTES), 1):
        if not text:
            continue
        if not stays_inside(text):
            reason = f"{text[:80]!r} is no picture's id"
            problems.append(Problem("bad-label", list_file, line, reason, "write the file's stem"))
        elif text in first:
            reason = f"'{text}' stands in line {first[text]} already"
            problems.append(Problem("duplicate-picture", list_file, line, reason, "delete one"))
        else:
            first[text] = line
            yield text, list_file, line


def _beneath(folder: Path, identity: str) -> list[Path]:
    """Find pictures of an id that names a folder too, as ``camera1/0001``."""
    if "/" not in identity:
        return []
    inner = folder / identity
    return [path for path in pictures_in(inner.parent) if path.stem == inner.name]


def _picture(annotation: Element, candidates: list[Path]) -> Path | None:
    """Find the picture with the annotation's stem; <filename> only decides between several."""
    stated = annotation.first("filename")
    name = stated.text.strip() if stated else ""
    return next((path for path in candidates if path.name == name), next(iter(candidates), None))


def _sample(
    identity: str,
    picture: Path,
    annotation: Element,
    names: tuple[str, ...],
    label: Path,
    problems: list[Problem],
) -> Sample | None:
    stated = annotation.first("size")
    try:
        sides = None if stated is None else (_value(stated, "width"), _value(stated, "height"))
    except ValueError as error:
        line = stated.line if stated else None
        problems.append(Problem("bad-label", label, line, str(error), "fix or leave out <size>"))
        return None
    size = checked_size(picture, sides, label, stated.line if stated else None, problems)
    if size is None:
        return None
    rows = []
    things = [child for child in annotation.children if child.name == "object"]
    for at, thing in enumerate(things, 1):
        row = _row(thing, f"box {at}", names, label, problems)
        if row is not None:
            rows.append(row)
    return Sample(identity, picture, size, checked_boxes(rows, size, label, problems))


def _row(
    thing: Element, title: str, names: tuple[str, ...], label: Path, problems: list[Problem]
) -> Row | None:
    """Read one <object>; None, with its problem reported, for a faulty one."""
    try:
        name = class_name(thing.needed("name").text, label, thing.line)
        title = f"{title} ({name})"
        box = thing.needed("bndbox")
        xmin, ymin, xmax, ymax = (_value(box, side) for side in ("xmin", "ymin", "xmax", "ymax"))
        mark = thing.first("difficult")
        difficult = number(mark.text.strip()) if mark and mark.text.strip() else 0.0
        if difficult not in (0.0, 1.0):
            raise ValueError(f"<difficult> is {difficult:g}, not 0 or 1")
    except (ValueError, TatamiError) as error:
        reason = error.reason if isinstance(error, TatamiError) else str(error)
        problems.append(
            Problem("bad-label", label, thing.line, f"{title}: {reason}", "fix the object")
        )
        return None
    if name not in names:
        reason = f"{title}: its class is not in the set's list"
        problems.append(
            Problem("unknown-class", label, thing.line, reason, f"one of {', '.join(names[:20])}")
        )
        return None
    if xmax <= xmin or ymax <= ymin:
        problems.append(degenerate(title, xmax - xmin, ymax - ymin, label, box.line))
        return None
    edges = (xmin - 1, ymin - 1, xmax, ymax)
    return Row(edges, names.index(name), title, box.line, difficult=difficult == 1.0)


def _value(element: Element, name: str) -> float:
    child = element.needed(name)
    try:
        return number(child.text.strip())
    except ValueError as error:
        raise ValueError(f"<{name}> in line {child.line}: {error}") from error
