"""PASCAL VOC: Annotations/ID.xml, JPEGImages/ID.jpg, ImageSets/Main/SPLIT.txt.

Folders of other names (annotations, annots, labels; images, IMAGES) are found by what lies in
them, and so are annotations beside their pictures, as labelImg and Roboflow leave them, and folders
of splits (train, valid, test), by the rules of formats/found.py.

The challenge's development kit counts pixels from 1 and includes both ends, so a box's edges are
(xmin - 1, ymin - 1, xmax, ymax). Where boxes of a set start at 0, it counts from 0: that is said,
and with the repair "clip" its edges are (xmin, ymin, xmax, ymax). A box whose xmax does not exceed
its xmin is a click and not a box, and is reported as degenerate. Without lists in
ImageSets/Main there is one split, ``all``.

Classes: the lines of ``labels.txt`` or ``classes.txt`` beside Annotations where there is one, else
the names in all annotations of the set, sorted; so the numbers are the same in every split.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from xml.parsers.expat import ExpatError, ParserCreate

import numpy as np

from tatami.data.formats.found import (
    PICTURE_FOLDERS,
    Part,
    files_in,
    matched,
    moved,
    parts,
    unlabeled,
)
from tatami.data.labels import (
    MAX_LABEL_BYTES,
    Row,
    checked_boxes,
    checked_names,
    checked_size,
    class_name,
    degenerate,
    is_picture_name,
    number,
    pictures_in,
    printable,
    read_bytes,
    read_class_names,
    read_lines,
    stays_inside,
)
from tatami.data.problems import LABELS_ALONE, Problem, Reading, in_order
from tatami.data.split_names import split_named
from tatami.errors import TatamiError
from tatami.types import Boxes, Dataset, Sample

LOOKED_FOR = "annotations as .xml, in a folder of their own or beside the pictures"

_MAX_ELEMENTS = 200_000
_SNIFFED = 20
"""XML files that are looked into before a folder is taken for one of another kind."""
_MANY = 0.01
"""Share of boxes at 0 from which a set is said to count from 0."""


@dataclass(slots=True)
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
        for child in self.children:
            if child.name == name:
                return child
        return None

    def needed(self, name: str) -> Element:
        """Find the first child of that name.

        Raises:
            ValueError: Where there is none.
        """
        child = self.first(name)
        if child is None:
            raise ValueError(f"<{self.name}> has no <{name}>")
        return child


@dataclass(frozen=True)
class _Folders:
    """The two folders of a set, and that of its lists."""

    labels: Path
    pictures: Path
    lists: Path


@dataclass(frozen=True)
class _Labeled:
    """A picture and its annotation, as far as they are there.

    Args:
        id: The name of the picture.
        label: Its annotation; None where none is there.
        pictures: The pictures that may be meant.
        where: The list that names it; None where no list does.
        line: The line of the list.
        missing: The file of the annotation that is not there.
    """

    id: str
    label: Path | None
    pictures: list[Path]
    where: Path | None = None
    line: int | None = None
    missing: str = ""


def recognizes(root: Path) -> bool:
    """Tell whether a folder holds annotations in VOC's form."""
    if (root / "Annotations").is_dir() and (root / "JPEGImages").is_dir():
        return True
    seen = files_in(root, (".xml",))
    return any(is_annotation(path) for path in itertools.islice(seen, _SNIFFED))


def is_annotation(path: Path) -> bool:
    """Tell whether an XML file begins as an annotation does."""
    try:
        with path.open("rb") as file:
            head = file.read(4096).replace(b"\0", b"")
    except OSError:
        return False
    return re.search(rb"<annotation[\s>]", head) is not None


def splits(root: Path) -> tuple[str, ...]:
    """Name the splits.

    They are the lists in ImageSets/Main, without the development kit's lists of single classes, or
    the folders that are named as splits, or ``all``.
    """
    folders = _folders(root)
    if folders is None:
        return tuple(parts(root, ".xml"))
    names = {path.stem for path in folders.lists.glob("*.txt")}
    # aeroplane_train.txt says which pictures of train.txt hold an aeroplane: it is not a split
    found = {name for name in names if name.rpartition("_")[2] not in names - {name}}
    return tuple(sorted(found)) or ("all",)


def _folders(root: Path) -> _Folders | None:
    """Find the folders of a set that has one of each kind; None for one that lies otherwise.

    Raises:
        TatamiError: For a folder of several sets, as VOCdevkit is.
    """
    if root.is_dir() and not (root / "Annotations").is_dir():
        inner = [path for path in sorted(root.glob("*/ImageSets")) if path.is_dir()]
        inner += [path for path in sorted(root.glob("*/*/ImageSets")) if path.is_dir()]
        homes = [path.parent for path in inner if (path.parent / "Annotations").is_dir()]
        if len(homes) > 1:
            several = ", ".join(str(path.relative_to(root)) for path in homes)
            raise TatamiError(
                f"holds several sets: {several}", hint="name one of these as the path", file=root
            )
        root = homes[0] if homes else root
    lists = _inner(_inner(root, "imagesets"), "main")
    usually = _Folders(root / "Annotations", root / "JPEGImages", lists)
    if usually.labels.is_dir() and usually.pictures.is_dir():
        return usually
    if not root.is_dir():
        return None
    inner = sorted(path for path in root.iterdir() if path.is_dir())
    labels = [path for path in inner if any(_is_xml(file) for file in path.iterdir())]
    pictures = [path for path in inner if pictures_in(path) and path not in labels]
    if usually.labels in labels and lists.is_dir() and next(_pictures(root), None) is None:
        return usually  # the labels of a development kit without its pictures
    usual = [path for path in pictures if path.name.lower() in PICTURE_FOLDERS]
    chosen = usual if len(usual) == 1 else pictures
    if len(labels) != 1 or len(chosen) != 1:
        return None
    named = [path for path in (*labels, *pictures) if split_named(path.name) is not None]
    loose = any(_is_xml(path) for path in root.iterdir())
    # one folder of annotations and one of pictures, and no picture anywhere deeper
    deep = [path for path in (*labels, *chosen) if any(one.is_dir() for one in path.iterdir())]
    return None if named or loose or deep else _Folders(labels[0], chosen[0], lists)


def _pictures(root: Path) -> Iterator[Path]:
    return (path for path in files_in(root) if is_picture_name(path))


def _is_xml(path: Path) -> bool:
    return path.suffix.lower() == ".xml" and not path.name.startswith(".")


def _inner(folder: Path, name: str) -> Path:
    """Find a folder in another, whatever the case of its name."""
    inner = folder.iterdir() if folder.is_dir() else iter(())
    return next((path for path in sorted(inner) if path.name.lower() == name), folder / name)


def _listed_names(root: Path) -> tuple[str, ...] | None:
    """Read the list of classes beside the annotations; None where there is none."""
    for name in ("labels.txt", "classes.txt"):
        if (root / name).is_file():
            return read_class_names(root / name)
    return None


def classes(root: Path, every: Mapping[str, Part] | None = None) -> tuple[str, ...]:
    """Name the classes, by the rule above.

    Args:
        root: The set's folder.
        every: What lies in each split, where that is known; None: it is found.

    Raises:
        TatamiError: Where there is none; the first annotation that cannot be read is the reason.
    """
    listed = _listed_names(root)
    if listed is not None:
        return listed
    folders = _folders(root) if every is None else None
    found: set[str] = set()
    refused: TatamiError | None = None
    for path in _annotations(root, every, folders):
        try:
            annotation = parse(path)
        except TatamiError as error:
            refused = refused or error
            continue  # reported when its split is read
        found |= _names(annotation)
    if not found and refused is not None:
        raise refused
    return checked_names(sorted(found), root if folders is None else folders.labels)


def _names(annotation: Element) -> set[str]:
    """Give the classes that an annotation names."""
    names = (thing.first("name") for thing in annotation.children if thing.name == "object")
    said = {name.text.strip() for name in names if name is not None}
    return {name for name in said if name and printable(name)}


def _annotations(
    root: Path, every: Mapping[str, Part] | None, folders: _Folders | None
) -> Iterator[Path]:
    """List the annotations of all splits."""
    files: Iterable[Path] = files_in(root)
    if every is not None:
        files = [path for part in every.values() for path in part.labels]
    elif folders is not None:
        files = sorted(folders.labels.iterdir(), key=lambda path: path.name)
    return (path for path in files if _is_xml(path))


def _counts_from_zero(files: Iterable[Path]) -> bool:
    """Tell whether a set counts pixels from 0: so many of its boxes, of all splits, start at 0."""
    boxes = zeros = 0
    for path in files:
        try:
            annotation = parse(path)
        except TatamiError:
            continue  # reported when its split is read
        for thing in annotation.children:
            box = thing.first("bndbox") if thing.name == "object" else None
            try:
                edges = None if box is None else [_value(box, side) for side in ("xmin", "ymin")]
            except ValueError:
                continue
            if edges is not None:
                boxes += 1
                zeros += min(edges) == 0
    return zeros > 0 and zeros >= _MANY * boxes


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
        TatamiError: Where the set has no such list or no classes.
    """
    listed = _listed_names(root)
    numbers = {name: at for at, name in enumerate(listed or ())}
    seen: dict[Path, TatamiError | None] = {}
    problems: list[Problem] = []
    folders = _folders(root) if every is None else None
    if folders is None:
        every = parts(root, ".xml") if every is None else every
        labeled: Iterable[_Labeled] = [
            _Labeled(identity, label, pictures)
            for identity, label, pictures in matched(root, every[split])
        ]
        notes = [*unlabeled(root, every), *moved(root, every[split])]
    else:
        labeled, notes = _listed(folders, root, split, problems), []
    samples = []
    starts: list[bool] = []
    first = 1
    if "clip" in repairs:
        files = _annotations(root, every if folders is None else None, folders)
        first = 0 if _counts_from_zero(files) else 1
    for one in labeled:
        if one.label is None:
            sample = _without_label(one, root, repairs, problems)
            if sample is not None:
                samples.append(sample)
            continue
        try:
            annotation = parse(one.label)
        except TatamiError as error:
            problems.append(Problem.of("bad-label", error, one.label))
            seen[one.label] = error
            continue
        seen[one.label] = None
        if listed is None:
            for name in _names(annotation):
                numbers.setdefault(name, len(numbers))
        picture = _picture(annotation, one.pictures)
        if not one.pictures and LABELS_ALONE in repairs:
            picture = one.label.with_suffix(".jpg")
        if picture is None:
            kind = "missing-picture" if one.where or one.pictures else "orphan-label"
            where = "in JPEGImages" if folders and folders.pictures.name == "JPEGImages" else "here"
            reason = f"'{one.id}' has no picture {where}"
            if one.pictures:
                reason = f"'{one.id}' may be {' or '.join(map(str, one.pictures[:3]))}"
            hint = "add the picture, or take it off the set"
            problems.append(Problem(kind, one.where or one.label, one.line, reason, hint))
            continue
        sample = _sample(
            one.id, picture, annotation, numbers, one.label, problems, repairs, starts, first
        )
        if sample is not None:
            samples.append(sample)
    if listed is None:
        rest = _annotations(root, every if folders is None else None, folders)
        listed = _all_names(rest, numbers, seen, root if folders is None else folders.labels)
        samples = _renumbered(samples, numbers, listed)
    zeros = sum(starts)
    if first == 0:
        notes.append("the set counts pixels from 0, VOC from 1: its boxes are read from 0")
    elif zeros and zeros >= _MANY * len(starts):
        said = (
            f"{zeros} of {len(starts)} boxes start at 0: the set counts pixels from 0, VOC from 1"
        )
        notes.append(said)
        problems = [
            replace(problem, hint=f"{said}; clip the boxes")
            if problem.kind == "box-outside-picture"
            else problem
            for problem in problems
        ]
    return Reading(Dataset(root, split, listed, tuple(samples)), in_order(problems), tuple(notes))


def _all_names(
    files: Iterable[Path],
    known: Collection[str],
    seen: Mapping[Path, TatamiError | None],
    place: Path,
) -> tuple[str, ...]:
    """Name the classes of a set of which some annotations were read: each is read but once.

    Args:
        files: The annotations of all splits.
        known: The classes of those that were read.
        seen: These, and why one could not be read.
        place: The set, for errors.

    Raises:
        TatamiError: As ``classes`` does.
    """
    found = set(known)
    refused = [error for error in seen.values() if error is not None]
    for path in files:
        if path in seen:
            continue
        try:
            found |= _names(parse(path))
        except TatamiError as error:
            refused.append(error)  # reported when its split is read
    if not found and refused:
        raise min(refused, key=lambda error: str(error.file))
    return checked_names(sorted(found), place)


def _renumbered(
    samples: Sequence[Sample], numbers: Mapping[str, int], names: Sequence[str]
) -> list[Sample]:
    """Give the classes their numbers, which are known when all annotations were read."""
    place = {name: at for at, name in enumerate(names)}
    table = np.array([place[name] for name in numbers], np.int64)
    return [
        replace(sample, boxes=replace(sample.boxes, labels=table[sample.boxes.labels]))
        if len(sample.boxes)
        else sample
        for sample in samples
    ]


def _without_label(
    one: _Labeled, root: Path, repairs: Collection[str], problems: list[Problem]
) -> Sample | None:
    """Report a picture without an annotation; take it as background where that is wanted."""
    if not one.pictures:
        reason = f"'{one.id}' has no picture in JPEGImages"
        hint = "add it, or take it off the set"
        problems.append(Problem("missing-picture", one.where or root, one.line, reason, hint))
        return None
    file = one.where or one.pictures[0]
    reason = f"'{one.id}' has no label {one.missing or one.pictures[0].stem + '.xml'}"
    hint = "add it, or take it off the set"
    if "background" not in repairs:
        problems.append(Problem("missing-label", file, one.line, reason, hint))
        return None
    problems.append(Problem("missing-label", file, one.line, reason, hint, "background"))
    size = checked_size(one.pictures[0], None, file, None, problems)
    return None if size is None else Sample(one.id, one.pictures[0], size, Boxes.of([], []))


def _listed(
    folders: _Folders, root: Path, split: str, problems: list[Problem]
) -> Iterable[_Labeled]:
    """List what a split of a set with two folders holds."""
    pictures: dict[str, list[Path]] = {}
    for path in pictures_in(folders.pictures):
        pictures.setdefault(path.stem, []).append(path)
    for identity, list_file, line in _identities(root, folders, split, pictures, problems):
        label = folders.labels / f"{identity}.xml"
        candidates = pictures.get(identity) or _beneath(folders.pictures, identity)
        there = label if label.is_file() else None
        yield _Labeled(identity, there, candidates, list_file, line, label.name)


def strays(root: Path) -> list[Problem]:
    """Find annotations in no split at all whose picture is not there."""
    folders = _folders(root)
    if folders is None or splits(root) == ("all",):
        return []  # the one split reports them
    ignored: list[Problem] = []
    listed = {
        name
        for split in splits(root)
        for name, _, _ in _identities(root, folders, split, {}, ignored)
    }
    pictures = {path.stem for path in pictures_in(folders.pictures)}
    return [
        Problem(
            "orphan-label",
            path,
            None,
            "no split lists it and its picture is not there",
            "delete it",
        )
        for path in sorted(folders.labels.glob("*.xml"))
        if path.stem not in listed and path.stem not in pictures
    ]


class _Doctype(Exception):
    """A document type declaration."""


def parse(path: Path) -> Element:
    """Read the root element of an annotation, with line numbers.

    Raises:
        TatamiError: For malformed XML, with the line, and for any document type declaration: entity
            bombs and external entities need one.
    """
    content = read_bytes(path, MAX_LABEL_BYTES)
    # As defusedxml does it, without the two layers of Python that it has between.
    parser = ParserCreate(namespace_separator="}")
    parser.buffer_text = True
    top = Element("", 0, "", [])
    open_ones = [top]
    texts: list[str] = []  # of the innermost element, since the last tag
    count = 0

    def start(name: str, _attributes: object) -> None:
        nonlocal count
        count += 1
        if count > _MAX_ELEMENTS:
            raise ValueError(f"more than {_MAX_ELEMENTS} elements")
        around = open_ones[-1]
        if texts:
            around.text += "".join(texts)
            texts.clear()
        element = Element(name, parser.CurrentLineNumber, "", [])
        around.children.append(element)
        open_ones.append(element)

    def end(_name: str) -> None:
        element = open_ones.pop()
        if texts:
            element.text += "".join(texts)
            texts.clear()

    def doctype(*_said: object) -> None:
        raise _Doctype

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler, parser.StartDoctypeDeclHandler = texts.append, doctype
    try:
        parser.Parse(content, True)
    except _Doctype as error:
        raise TatamiError(
            "declares a document type or entities (DTDForbidden)",
            hint="delete the DOCTYPE: annotations need none, and hostile files use it",
            file=path,
            line=parser.CurrentLineNumber,
        ) from error
    except ExpatError as error:
        raise TatamiError(
            f"malformed XML: {error}",
            hint="fix or export it again",
            file=path,
            line=error.lineno,
        ) from error
    except (ValueError, LookupError) as error:  # too many elements, an encoding nobody knows
        raise TatamiError(
            f"malformed XML: {error}",
            hint="fix or export it again",
            file=path,
            line=parser.CurrentLineNumber,
        ) from error
    finally:  # they know the parser, and it knows them
        parser.StartElementHandler = parser.EndElementHandler = None
        parser.CharacterDataHandler = parser.StartDoctypeDeclHandler = None
    return top.children[0]


def _identities(
    root: Path,
    folders: _Folders,
    split: str,
    pictures: dict[str, list[Path]],
    problems: list[Problem],
) -> Iterable[tuple[str, Path | None, int | None]]:
    """List each picture's id with the list and line that name it (none in the split ``all``)."""
    list_file = folders.lists / f"{split}.txt"
    if splits(root) == ("all",) and not list_file.is_file():
        labels = {path.stem for path in folders.labels.iterdir() if _is_xml(path)}
        yield from ((identity, None, None) for identity in sorted(labels | set(pictures)))
        return
    first: dict[str, int] = {}
    for line, text in enumerate(read_lines(list_file, 16 * MAX_LABEL_BYTES), 1):
        if not text:
            continue
        text = _listed_id(text, folders)
        if not stays_inside(text):
            reason = f"{text[:80]!r} is not a picture's id"
            problems.append(Problem("bad-label", list_file, line, reason, "write the file's stem"))
        elif text in first:
            reason = f"'{text}' stands in line {first[text]} already"
            problems.append(Problem("duplicate-picture", list_file, line, reason, "delete one"))
        else:
            first[text] = line
            yield text, list_file, line


def _listed_id(text: str, folders: _Folders) -> str:
    """Give the id that a line of a list means: the line, or the stem of the file it names.

    Some tools list ``a.jpg``, ``JPEGImages/a.jpg``, or the picture and its label in one line.
    """
    name = text.split()[0].replace("\\", "/").rpartition("/")[2]
    stems = (name, name.rpartition(".")[0])
    if not stays_inside(text) or (folders.labels / f"{text}.xml").is_file():
        return text
    return next((one for one in stems if one and _labeled(folders, one)), text)


def _labeled(folders: _Folders, identity: str) -> bool:
    return stays_inside(identity) and (folders.labels / f"{identity}.xml").is_file()


def _beneath(folder: Path, identity: str) -> list[Path]:
    """Find pictures of an id that names a folder too, as ``camera1/0001``."""
    if "/" not in identity:
        return []
    inner = folder / identity
    return [path for path in pictures_in(inner.parent) if path.stem == inner.name]


def _picture(annotation: Element, candidates: list[Path]) -> Path | None:
    """Find the picture with the annotation's stem; <filename> only decides between several.

    None where there is none, and where several in different folders may be meant.
    """
    stated = annotation.first("filename")
    name = stated.text.strip().replace("\\", "/").rpartition("/")[2] if stated else ""
    named = [path for path in candidates if path.name == name] or candidates
    one_folder = len({path.parent for path in named}) == 1
    return named[0] if one_folder else None


def _sample(
    identity: str,
    picture: Path,
    annotation: Element,
    numbers: Mapping[str, int],
    label: Path,
    problems: list[Problem],
    repairs: Collection[str],
    starts: list[bool],
    first: int,
) -> Sample | None:
    """Read one annotation.

    Args:
        identity: The picture's name.
        picture: The picture.
        annotation: The annotation's content.
        numbers: Of the classes.
        label: The annotation's file.
        problems: Gets what is wrong.
        repairs: Keys of REPAIRS to carry out.
        starts: Gets for every box whether it starts at 0.
        first: The number of the first pixel.
    """
    stated = annotation.first("size")
    try:
        sides = None if stated is None else (_side(stated, "width"), _side(stated, "height"))
    except ValueError as error:
        line = stated.line if stated else None
        problems.append(Problem("bad-label", label, line, str(error), "fix or leave out <size>"))
        return None
    line = stated.line if stated else None
    size = checked_size(picture, sides, label, line, problems, repairs)
    if size is None:
        return None
    rows = []
    things = [child for child in annotation.children if child.name == "object"]
    for at, thing in enumerate(things, 1):
        row = _row(thing, f"box {at}", numbers, label, problems, first)
        if row is not None:
            rows.append(row)
    starts += [min(row.xyxy[:2]) == -first for row in rows]
    return Sample(identity, picture, size, checked_boxes(rows, size, label, problems, repairs))


def _row(
    thing: Element,
    title: str,
    numbers: Mapping[str, int],
    label: Path,
    problems: list[Problem],
    first: int,
) -> Row | None:
    """Read one <object>; None, with its problem reported, for a faulty one."""
    try:
        name = class_name(thing.needed("name").text, label, thing.line)
        title = f"{title} ({name})"
        polygon = thing.first("polygon") if thing.first("bndbox") is None else None
        box = thing.needed("bndbox") if polygon is None else polygon
        if polygon is None:
            sides = [_value(box, side) for side in ("xmin", "ymin", "xmax", "ymax")]
        else:
            sides = _around(polygon)
        xmin, ymin, xmax, ymax = sides
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
    if name not in numbers:
        reason = f"{title}: its class is not in the set's list"
        hint = f"one of {', '.join(list(numbers)[:20])}"
        problems.append(Problem("unknown-class", label, thing.line, reason, hint))
        return None
    if xmax <= xmin or ymax <= ymin:
        problems.append(degenerate(title, xmax - xmin, ymax - ymin, label, box.line))
        return None
    edges = (xmin - first, ymin - first, xmax, ymax)
    return Row(edges, numbers[name], title, box.line, difficult=difficult == 1.0)


def _around(polygon: Element) -> list[float]:
    """Give the box around a polygon of <x1>, <y1>, <x2>, ... or of <pt> with <x> and <y>.

    Raises:
        ValueError: For one without three corners.
    """
    inner = [each for child in polygon.children for each in (child, *child.children)]
    across = [number(one.text.strip()) for one in inner if re.fullmatch(r"x\d*", one.name)]
    down = [number(one.text.strip()) for one in inner if re.fullmatch(r"y\d*", one.name)]
    if len(across) < 3 or len(across) != len(down):
        raise ValueError("<polygon> has no three corners")
    return [min(across), min(down), max(across), max(down)]


def _side(size: Element, name: str) -> float:
    """Read a side of <size>; 0, unknown, where it is left out or empty."""
    child = size.first(name)
    return _value(size, name) if child is not None and child.text.strip() else 0.0


def _value(element: Element, name: str) -> float:
    child = element.needed(name)
    try:
        return number(child.text.strip())
    except ValueError as error:
        raise ValueError(f"<{name}> in line {child.line}: {error}") from error
