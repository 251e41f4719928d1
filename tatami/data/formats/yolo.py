"""YOLO text: labels/ID.txt beside images/ID.jpg, with a YAML file or a list of class names.

A label line is ``class x y width height``: the class's number from 0, then the box's center and
sides as fractions of the picture. A longer line is ``class x1 y1 x2 y2 x3 y3 ...``, a polygon, and
gives the box around it. A picture's label file has the same stem; the last folder ``images`` of
its path becomes ``labels``, and where there is none the file stands beside the picture.

Where the YAML has ``kpt_shape``, the numbers after the box are key points, and are left out.

With YAML (as Ultralytics reads it): ``names`` is a list or a mapping, ``train``, ``val`` and
``test`` name folders or lists of pictures, relative to ``path`` or to the file. The file, or its
folder, may be named. Where none of those folders exist but images/ holds pictures, there is one
split, ``all``. Without YAML (as darknet's tools write it): obj.data, or classes.txt or obj.names
names the classes (without either they are called by their numbers), and splits are the lists that
obj.data names, or train.txt, val.txt, valid.txt, test.txt, else the folders of those names in
images/ or above it, else one split ``all``. A list may name pictures by a path whose first folders
are another machine's, as CVAT's data/obj_train_data/a.jpg.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from tatami.data.formats.found import PICTURE_FOLDERS, Part, files_in, matched
from tatami.data.labels import (
    MAX_LABEL_BYTES,
    Row,
    checked_boxes,
    checked_names,
    checked_size,
    class_name,
    is_picture_name,
    names_a_path,
    number,
    read_bytes,
    read_class_names,
    read_lines,
)
from tatami.data.problems import LABELS_ALONE, Problem, Reading, in_order
from tatami.data.split_names import SPLITS, split_named
from tatami.errors import TatamiError
from tatami.types import Boxes, Dataset, Sample, Size

LOOKED_FOR = "a .yaml with names, obj.data, classes.txt or obj.names, or labels/*.txt of boxes"

_SPLITS = ("train", "val", "valid", "validation", "test")
_NAME_FILES = (
    *("classes.txt", "obj.names", "labels/classes.txt", "obj_train_data/classes.txt"),
    *("_darknet.labels", "train/_darknet.labels", "images/classes.txt", "predefined_classes.txt"),
    *("labels.txt", "train/classes.txt", "train/labels/classes.txt", "data/obj.names"),
)
_SNIFFED = 20
"""Label files that are looked into before a folder is taken for one of another kind."""
_PIXELS = 4.0
"""A fraction of the picture above which a label is one of pixels."""
_MAX_NUMBERED = 10_000
"""Classes that may be called by their numbers."""
_ADD = "add it or delete this"
_SIZES = (
    "boxes are fractions of the picture here, so its size is needed: add it, or convert the set to "
    "COCO or VOC, which state sizes, where the pictures are"
)
"""What to do without pictures."""
_PICTURE_FOLDERS = ("images", "obj_train_data", ".")


@dataclass(frozen=True)
class _Layout:
    """What a set says of itself.

    Args:
        file: The file that says it.
        classes: The names of the classes.
        sources: The folders and lists of each split.
        missing: Splits that are named although nothing of theirs is there, with the entry's text.
        points: How many numbers of key points follow a box; 0: none.
        notes: What was understood otherwise than a reader of the files may expect.
    """

    file: Path
    classes: tuple[str, ...]
    sources: dict[str, tuple[Path, ...]]
    missing: dict[str, str]
    points: int = 0
    notes: tuple[str, ...] = ()


def recognizes(root: Path) -> bool:
    """Tell whether a folder holds a YOLO set, or a file describes one."""
    if root.is_file():
        return root.suffix.lower() in (".yaml", ".yml", ".data")
    return bool(_yaml_files(root)) or _is_darknet(root)


def splits(root: Path) -> tuple[str, ...]:
    """Name the splits that are there, in the order train, val, test.

    Raises:
        TatamiError: As for ``read``.
    """
    return tuple(_layout(root).sources)


def strays(root: Path) -> list[Problem]:
    """Find the splits that the YAML file names and that are not there."""
    layout = _layout(root)
    hint = "correct the entry, or take it out"
    return [
        Problem("missing-split", layout.file, None, f"{split}: there is no {entry}", hint)
        for split, entry in layout.missing.items()
    ]


def read(root: Path, split: str, repairs: Collection[str] = ()) -> Reading:
    """Read one split of the set.

    Args:
        root: The set's folder, or its file.
        split: One of ``splits(root)``.
        repairs: Keys of REPAIRS to carry out.

    Raises:
        TatamiError: For malformed YAML, faulty class names, and splits that are not there.
    """
    layout = _layout(root)
    problems: list[Problem] = []
    samples = []
    label_of: dict[Path, Path] = {}
    identities: set[str] = set()
    for picture, list_file, line in _pictures(layout.sources[split], problems):
        label = _label_path(picture)
        if label in label_of:
            same = label_of[label] == picture
            other = "appears twice" if same else f"has the label file of {label_of[label].name}"
            where = list_file or picture
            reason = f"{picture.name} {other}"
            problems.append(Problem("duplicate-picture", where, line, reason, "delete one"))
            continue
        label_of[label] = picture
        if not picture.is_file():
            reason = f"there is no {picture}"
            hint = _SIZES if LABELS_ALONE in repairs else "add it, or take it off the list"
            problems.append(Problem("missing-picture", list_file or picture, line, reason, hint))
        elif not label.is_file():
            reason = f"there is no label file {label.name}"
            hint = (
                "add it, empty if nothing is to be found in the picture, or take such as background"
            )
            done = "background" if "background" in repairs else ""
            problems.append(Problem("missing-label", picture, None, reason, hint, done))
            size = checked_size(picture, None, label, None, problems) if done else None
            if size is not None:
                identity = _identity(picture, identities)
                samples.append(Sample(identity, picture, size, Boxes.of([], [])))
        else:
            size = checked_size(picture, None, label, None, problems)
            rows = _rows(label, size, layout, problems) if size else None
            if size is not None and rows is not None:
                identity = _identity(picture, identities)
                boxes = checked_boxes(rows, size, label, problems, repairs)
                samples.append(Sample(identity, picture, size, boxes))
    alone = LABELS_ALONE in repairs
    problems += _orphans(layout.sources[split], label_of, _SIZES if alone else _ADD)
    dataset = Dataset(root, split, layout.classes, tuple(samples))
    return Reading(dataset, in_order(problems), layout.notes)


def read_apart(
    root: Path, split: str, repairs: Collection[str], every: Mapping[str, Part]
) -> Reading:
    """Read one split whose pictures and labels lie wherever they do.

    Args:
        root: The set's folder.
        split: A key of ``every``.
        repairs: Keys of REPAIRS to carry out.
        every: What lies in each split.

    Raises:
        TatamiError: For faulty class names.
    """
    files = _yaml_files(root)
    named = [root / name for name in _NAME_FILES]
    named += [label.parent / "classes.txt" for part in every.values() for label in part.labels[:1]]
    listed = next((path for path in named if path.is_file()), None)
    notes: tuple[str, ...] = ()
    points = 0
    if len(files) == 1:
        content = _yaml(files[0])
        classes = _names(content.get("names"), files[0])
        points = _key_points(content.get("kpt_shape"), files[0])
    elif listed is not None:
        classes = read_class_names(listed)
    else:
        classes = _numbered(label for part in every.values() for label in part.labels)
        notes = (f"no file names the classes: they are called 0 to {len(classes) - 1}",)
    layout = _Layout(root, classes, {}, {}, points, notes)
    problems: list[Problem] = []
    samples = []
    for identity, label, pictures in matched(root, every[split]):
        if len(pictures) != 1:
            reason = f"its picture may be {' or '.join(map(str, pictures[:3]))}"
            reason = reason if pictures else "no picture has this label file"
            where = label or pictures[0]
            problems.append(Problem("orphan-label", where, None, reason, "add it or delete this"))
            continue
        if label is None:
            reason, hint = "there is no label file", "add it, or take such as background"
            done = "background" if "background" in repairs else ""
            problems.append(Problem("missing-label", pictures[0], None, reason, hint, done))
            if not done:
                continue
        size = checked_size(pictures[0], None, label or pictures[0], None, problems)
        rows = [] if label is None else _rows(label, size, layout, problems) if size else None
        if size is not None and rows is not None:
            boxes = checked_boxes(rows, size, label or pictures[0], problems, repairs)
            samples.append(Sample(identity, pictures[0], size, boxes))
    return Reading(Dataset(root, split, classes, tuple(samples)), in_order(problems), notes)


def _layout(root: Path) -> _Layout:
    """Read the YAML file, or find darknet's lists.

    Raises:
        TatamiError: Where there is no split.
    """
    if root.is_file() and root.suffix.lower() == ".data":
        return _darknet_layout(root.parent, root)
    if root.is_dir() and not (files := _yaml_files(root)):
        return _darknet_layout(root)
    if root.is_dir() and len(files) > 1:
        several = ", ".join(path.name for path in files)
        raise TatamiError(
            f"holds several sets: {several}", hint="name one of these files as the path", file=root
        )
    file = files[0] if root.is_dir() else root
    content = _yaml(file)
    names = content.get("names")
    if names is None:
        raise TatamiError("has no 'names'", hint="list the class names", file=file)
    classes = _names(names, file)
    count = content.get("nc")
    if count is not None and count != len(classes):
        raise TatamiError(
            f"nc is {count!r:.20} and names has {len(classes)}", hint="correct one", file=file
        )
    sources: dict[str, tuple[Path, ...]] = {}
    missing: dict[str, str] = {}
    for split in _SPLITS:
        entry = content.get(split)
        texts: list[object] = entry if isinstance(entry, list) else [entry] if entry else []
        found = [(text, _entry(file, content.get("path"), text)) for text in texts]
        absent = [f"{text!r:.80}" for text, path in found if path is None]
        if absent:
            missing[split] = ", ".join(absent)
        elif found:
            sources[split] = tuple(path for _, path in found if path is not None)
    points = _key_points(content.get("kpt_shape"), file)
    notes = (f"the {points} numbers of key points behind each box are left out",) if points else ()
    flat = file.parent / "images"
    if not sources and flat.is_dir() and any(map(is_picture_name, flat.iterdir())):
        return _Layout(file, classes, {"all": (flat,)}, {}, points, notes)
    if not sources:
        reason = "; ".join(f"{key}: there is no {name}" for key, name in missing.items())
        raise TatamiError(
            reason or "names no train, val or test",
            hint="give folders or lists of pictures, relative to 'path' or to this file",
            file=file,
        )
    return _Layout(file, classes, sources, missing, points, notes)


def _key_points(shape: object, file: Path) -> int:
    """Count the numbers of key points that follow a box by the YAML's ``kpt_shape``.

    Raises:
        TatamiError: For anything but [points, 2] and [points, 3].
    """
    if shape is None:
        return 0
    sound = isinstance(shape, list) and len(shape) == 2 and all(type(one) is int for one in shape)
    if (
        not isinstance(shape, list)
        or not sound
        or not 1 <= shape[0] <= 1000
        or shape[1] not in (2, 3)
    ):
        raise TatamiError(
            f"kpt_shape is {shape!r:.40}", hint="give [points, 2] or [points, 3]", file=file
        )
    return int(shape[0] * shape[1])


def _yaml_files(root: Path) -> list[Path]:
    """List the YAML files in a folder that describe a set: those with class names.

    One that cannot be read counts only where it is alone, so that its fault is reported.
    """
    files = sorted({*root.glob("*.yaml"), *root.glob("*.yml")})
    described = []
    for file in files:
        try:
            if "names" in _yaml(file):
                described.append(file)
        except TatamiError:
            if len(files) == 1:
                return files
    return described


def _yaml(file: Path) -> dict[str, object]:
    """Read a YAML mapping through the safe loader.

    Raises:
        TatamiError: For anything else; it names the line.
    """
    try:
        content = yaml.load(read_bytes(file, MAX_LABEL_BYTES), _Loader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise TatamiError(
            f"malformed YAML: {error.problem}", hint="fix the line", file=file, line=line
        ) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise TatamiError(f"malformed YAML: {error}", hint="fix the file", file=file) from error
    if not isinstance(content, dict):
        raise TatamiError(
            "is not a mapping of keys to values", hint="give names, train, val", file=file
        )
    return content


class _Loader(yaml.SafeLoader):
    """The safe loader without aliases: nested ones grow a few lines into all the memory."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Refuse aliases."""
        if self.check_event(yaml.AliasEvent):
            raise yaml.composer.ComposerError(None, None, "holds an alias (*name)")
        return super().compose_node(parent, index)


def _names(value: object, file: Path) -> tuple[str, ...]:
    """Read class names from a list, or from a mapping of the numbers 0, 1, ... to names."""
    if isinstance(value, dict):
        if set(value) != set(range(len(value))) or any(isinstance(key, bool) for key in value):
            raise TatamiError(
                f"names does not number its {len(value)} classes from 0",
                hint="number them 0, 1, 2, ... without a gap",
                file=file,
            )
        value = [value[at] for at in range(len(value))]
    if not isinstance(value, list):
        raise TatamiError("names is neither a list nor a mapping", hint="list the names", file=file)
    for at, name in enumerate(value):
        # YAML reads an unquoted no as False; a number is a fair name for a digit
        if isinstance(name, bool) or not isinstance(name, str | int):
            raise TatamiError(
                f"the name of class {at} reads as {name!r:.40}", hint="put it in quotes", file=file
            )
    return checked_names((class_name(str(name), file) for name in value), file)


def _entry(file: Path, base: object, text: object) -> Path | None:
    """Find the folder or list that an entry names; None where it is not there."""
    if not isinstance(text, str) or not names_a_path(text):
        return None
    text = text.replace("\\", "/")
    candidates = [file.parent / text]
    if isinstance(base, str) and names_a_path(base):
        candidates.insert(0, file.parent / base / text)
    if text.startswith("../"):  # written for a folder that is one level deeper
        candidates.append(file.parent / text.removeprefix("../"))
    parts = Path(text).parts
    if Path(text).is_absolute() or ".." in parts:  # as the set lay on another machine
        candidates += [file.parent / Path(*parts[at:]) for at in range(1, len(parts))]
    return next((path for path in candidates if path.exists()), None)


def _is_darknet(root: Path) -> bool:
    if not root.is_dir():
        return False
    if (root / "obj.names").is_file() or _data_file(root) is not None:
        return True
    named = any((root / name).is_file() for name in _NAME_FILES[:4])
    labeled = (root / "labels").is_dir() or (root / "obj_train_data").is_dir()
    if named and (labeled or any(path.with_suffix(".txt").is_file() for path in _beside(root))):
        return not (labeled and _holds_annotations(root / "labels"))
    return _holds_boxes(root)


def _holds_annotations(folder: Path) -> bool:
    """Tell whether a folder holds labels as XML or JSON and none as text."""
    names = {path.suffix.lower() for path in folder.iterdir()} if folder.is_dir() else set()
    return ".txt" not in names and bool(names & {".xml", ".json"})


def _holds_boxes(root: Path) -> bool:
    """Tell whether pictures have label files of YOLO's lines, in labels/ or beside them."""
    seen = 0
    for picture in files_in(root):
        label = _label_path(picture) if is_picture_name(picture) else picture
        if label == picture or not label.is_file():
            continue
        state = is_label(label)
        if state is not None:
            return state
        seen += 1
        if seen == _SNIFFED:
            break
    return False


def is_label(file: Path) -> bool | None:
    """Tell whether a text file holds YOLO's lines; None for an empty one."""
    try:
        lines = [text for text in read_lines(file) if text]
        for text in lines[:10]:
            _, edges = _box(text)
            if not -1 < min(edges) <= max(edges) < 2:
                return False
    except (TatamiError, ValueError):
        return False
    return True if lines else None


def _data_file(root: Path) -> Path | None:
    """Find darknet's file of a set: NAME.data with a line ``names = ...``."""
    found = []
    for folder in (root, root / "data"):
        for path in sorted(folder.glob("*.data")):
            with contextlib.suppress(TatamiError):
                if "names" in _settings(path):
                    found.append(path)
    return found[0] if len(found) == 1 else None


def _settings(file: Path) -> dict[str, str]:
    """Read lines of ``key = value``.

    Raises:
        TatamiError: For a file that cannot be read.
    """
    pairs = (text.partition("=") for text in read_lines(file) if "=" in text)
    return {key.strip(): value.strip() for key, _, value in pairs}


def _beside(root: Path) -> list[Path]:
    """List pictures that may have their labels beside them."""
    return [
        path
        for folder in (root, root / "images")
        if folder.is_dir()
        for path in folder.iterdir()
        if is_picture_name(path)
    ]


def _darknet_layout(root: Path, data: Path | None = None) -> _Layout:
    data = _data_file(root) if data is None else data
    stated = {} if data is None else _settings(data)
    named = root / "nowhere" if data is None else _listed(data, stated.get("names", "nowhere"))
    files = [named, *(root / name for name in _NAME_FILES)]
    file = next((path for path in files if path.is_file()), None)
    notes: tuple[str, ...] = ()
    if file is None:
        file, classes = root, _numbered(_label_files(root))
        notes = (f"no file names the classes: they are called 0 to {len(classes) - 1}",)
    else:
        classes = read_class_names(file)
    sources: dict[str, tuple[Path, ...]] = {}
    missing: dict[str, str] = {}
    for split in _SPLITS:
        text = stated.get(split)
        if data is None or not text or not names_a_path(text):
            continue
        path = _listed(data, text)
        if path.exists():
            sources[split] = (path,)
        elif split != "valid" or text != stated.get("train"):
            missing[split] = text
    if not sources:
        for split in _SPLITS:
            if (root / f"{split}.txt").is_file():
                sources[split] = (root / f"{split}.txt",)
    if not sources:
        folders = {split: root / "images" / split for split in _SPLITS}
        sources = {split: (folder,) for split, folder in folders.items() if folder.is_dir()}
    sources = sources or _folders_of_splits(root)
    if not sources:
        folder = next(root / name for name in _PICTURE_FOLDERS if (root / name).is_dir())
        sources = {"all": (folder,)}
    return _Layout(file, classes, sources, missing, notes=notes)


def _folders_of_splits(root: Path) -> dict[str, tuple[Path, ...]]:
    """Find folders of splits in any case: SPLIT/images, SPLIT, images/SPLIT."""
    found: dict[str, tuple[Path, ...]] = {}
    for base in (root, *(one for one in _inner(root) if one.name.lower() in PICTURE_FOLDERS)):
        for folder in _inner(base):
            split = split_named(folder.name)
            if split is None or split in found:
                continue
            inner = [one for one in _inner(folder) if one.name.lower() in PICTURE_FOLDERS]
            source = inner[0] if len(inner) == 1 else folder
            if any(is_picture_name(path) for path in files_in(source)):
                found[split] = (source,)
    order = {name: at for at, name in enumerate(SPLITS)}
    return dict(sorted(found.items(), key=lambda pair: order[pair[0]]))


def _inner(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []


def _label_files(root: Path) -> Iterable[Path]:
    """List the label files of all pictures in a folder."""
    for picture in files_in(root):
        label = _label_path(picture) if is_picture_name(picture) else picture
        if label != picture and label.is_file():
            yield label


def _numbered(labels: Iterable[Path]) -> tuple[str, ...]:
    """Name classes by their numbers: as many as the labels have.

    Raises:
        TatamiError: Where no label has one.
    """
    highest = -1
    last: Path | None = None
    for label in labels:
        last = label
        with contextlib.suppress(TatamiError, ValueError):
            for text in read_lines(label):
                if text:
                    highest = max(highest, _box(text)[0])
    if not 0 <= highest < _MAX_NUMBERED:
        raise TatamiError("no class names", hint=f"looked for {LOOKED_FOR}", file=last)
    return tuple(str(number) for number in range(highest + 1))


def _pictures(
    sources: Iterable[Path], problems: list[Problem]
) -> Iterable[tuple[Path, Path | None, int | None]]:
    """List each picture of a split with the list and line that name it (none for a folder's)."""
    for source in sources:
        if source.is_dir():
            found = sorted(path for path in source.rglob("*") if is_picture_name(path))
            yield from ((path, None, None) for path in found)
            continue
        for line, text in enumerate(read_lines(source, 16 * MAX_LABEL_BYTES), 1):
            if names_a_path(text):
                yield _listed(source, text), source, line
            elif text:
                reason, hint = f"{text[:80]!r} is not a path", "write one path a line"
                problems.append(Problem("bad-label", source, line, reason, hint))


def _listed(list_file: Path, text: str) -> Path:
    """Find what a list or a file of darknet's names.

    It is relative to that file or, as darknet has it, to the folder above; where it is in neither,
    the first folders of the path are left out one after the other.
    """
    path = Path(text.replace("\\", "/"))
    near, above = list_file.parent / path, list_file.parent.parent / path
    if near.exists() or not above.exists():
        parts = path.parts
        shorter = (list_file.parent / Path(*parts[at:]) for at in range(1, len(parts)))
        return near if near.exists() else next((one for one in shorter if one.exists()), near)
    return above


def _label_path(picture: Path) -> Path:
    """Find the picture's label file: in labels/ for images/, or else beside the picture."""
    beside = picture.with_suffix(".txt")
    parts = list(beside.parts)
    if "images" not in parts[:-1]:
        return beside
    at = len(parts) - 2 - parts[-2::-1].index("images")
    apart = Path(*parts[:at], "labels", *parts[at + 1 :])
    return beside if beside.is_file() and not apart.is_file() else apart


def _identity(picture: Path, taken: set[str]) -> str:
    """Name a picture by its stem; with its folder where another picture has that stem."""
    identity, folder = picture.stem, picture.parent
    while identity in taken and folder.name:
        identity, folder = f"{folder.name}/{identity}", folder.parent
    taken.add(identity)
    return identity


def _orphans(sources: Iterable[Path], label_of: dict[Path, Path], hint: str) -> list[Problem]:
    """Find label files without a picture, in the label folders of the split's picture folders."""
    found = []
    for source in sources:
        if not source.is_dir():
            continue  # a list's label folder may serve other splits too
        folder = _label_path(source / "x").parent
        for path in sorted(folder.rglob("*.txt")) if folder.is_dir() else []:
            lists = {"classes.txt", *(f"{split}.txt" for split in _SPLITS)}
            if path not in label_of and path.name not in lists:
                reason = "no picture has this label file"
                found.append(Problem("orphan-label", path, None, reason, hint))
    return found


def _rows(label: Path, size: Size, layout: _Layout, problems: list[Problem]) -> list[Row] | None:
    """Read the lines of one label file as boxes in pixels; None where it cannot be read at all."""
    try:
        lines = read_lines(label)
    except TatamiError as error:
        problems.append(Problem.of("bad-label", error, label))
        return None
    classes = layout.classes
    rows = []
    pose = not layout.points and _looks_like_points(lines)
    for line, text in enumerate(lines, 1):
        if not text:
            continue
        try:
            if pose:
                raise ValueError("a box with key points, as it seems, and no kpt_shape in a .yaml")
            which, edges = _box(text, layout.points)
        except ValueError as error:
            hint = "write class x y width height, fractions of the picture"
            problems.append(Problem("bad-label", label, line, str(error), hint))
            continue
        if not 0 <= which < len(classes):
            reason = f"class {which} is not in 0 to {len(classes) - 1}"
            hint = f"correct it, or add its name to {len(classes)} names"
            problems.append(Problem("class-out-of-range", label, line, reason, hint))
            continue
        if max(edges) > _PIXELS:
            reason = f"{text[:60]!r} are pixels, as it seems, and no fractions of the picture"
            hint = "divide by the picture's width and height"
            problems.append(Problem("bad-label", label, line, reason, hint))
            continue
        left, top, right, bottom = edges
        scaled = (left * size.width, top * size.height, right * size.width, bottom * size.height)
        rows.append(Row(scaled, which, f"box in line {line} ({classes[which]})", line))
    return rows


def _looks_like_points(lines: Sequence[str]) -> bool:
    """Tell whether every line is a box and points (x, y, visible), which could pass for a polygon.

    An odd number of numbers, the first four a box that lies in the picture, and every third one
    after them 0, 1 or 2 exactly.
    """
    found = [words for words in (text.split() for text in lines) if words]
    for words in found:
        if len(words) < 11 or (len(words) - 5) % 3 or len(words) % 2 == 0:
            return False
        try:
            values = [number(word) for word in words]
        except ValueError:
            return False
        if any(value not in (0.0, 1.0, 2.0) for value in values[7::3]):
            return False
    return bool(found)


def _box(text: str, points: int = 0) -> tuple[int, tuple[float, float, float, float]]:
    """Read class number and edges, as fractions, from one line.

    Args:
        text: The line.
        points: How many numbers of key points follow the box; 0: it is a box or a polygon.

    Raises:
        ValueError: For a faulty line; it says what is wrong.
    """
    words = text.split()
    if points and len(words) not in (5, 5 + points):
        raise ValueError(f"{len(words)} columns: a box with its key points has {5 + points}")
    if not points and (
        len(words) < 5 or (len(words) > 5 and (len(words) < 7 or len(words) % 2 == 0))
    ):
        raise ValueError(f"{len(words)} columns: a box has 5, a polygon 7, 9, 11, ...")
    values = [number(word) for word in words]
    which = int(values[0])
    if which != values[0] or abs(which) > 10**9:
        raise ValueError(f"{words[0][:40]!r} is not a class number")
    if len(words) > 5 and not points:
        across, down = values[1::2], values[2::2]
        return which, (min(across), min(down), max(across), max(down))
    x, y, width, height = values[1:5]
    return which, (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
