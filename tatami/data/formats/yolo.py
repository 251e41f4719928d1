"""YOLO text: labels/ID.txt beside images/ID.jpg, with a YAML file or a list of class names.

A label line is ``class x y width height``: the class's number from 0, then the box's center and
sides as fractions of the picture. A longer line is ``class x1 y1 x2 y2 x3 y3 ...``, a polygon, and
gives the box around it. A picture's label file has the same stem; the last folder ``images`` of
its path becomes ``labels``, and where there is none the file stands beside the picture.

With YAML (as Ultralytics reads it): ``names`` is a list or a mapping, ``train``, ``val`` and
``test`` name folders or lists of pictures, relative to ``path`` or to the file. The file, or its
folder, may be named. Where none of those folders exist but images/ holds pictures, there is one
split, ``all``. Without YAML (as darknet's tools write it): classes.txt or obj.names names the
classes, and splits are the lists train.txt, val.txt, valid.txt, test.txt, else the folders of
those names in images/, else one split ``all``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import yaml

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
from tatami.data.problems import Problem, Reading, in_order
from tatami.errors import TatamiError
from tatami.types import Dataset, Sample, Size

LOOKED_FOR = "a .yaml with names, or classes.txt or obj.names with labels"

_SPLITS = ("train", "val", "valid", "test")
_NAME_FILES = ("classes.txt", "obj.names", "labels/classes.txt", "obj_train_data/classes.txt")
_PICTURE_FOLDERS = ("images", "obj_train_data", ".")


@dataclass(frozen=True)
class _Layout:
    """What a set says of itself.

    Args:
        file: The file that says it.
        classes: The names of the classes.
        sources: The folders and lists of each split.
        missing: Splits that are named although nothing of theirs is there, with the entry's text.
    """

    file: Path
    classes: tuple[str, ...]
    sources: dict[str, tuple[Path, ...]]
    missing: dict[str, str]


def recognizes(root: Path) -> bool:
    """Tell whether a folder holds a YOLO set, or a file describes one."""
    if root.is_file():
        return root.suffix.lower() in (".yaml", ".yml")
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


def read(root: Path, split: str) -> Reading:
    """Read one split of the set.

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
            hint = "add it, or take it off the list"
            problems.append(Problem("missing-picture", list_file or picture, line, reason, hint))
        elif not label.is_file():
            reason = f"there is no label file {label.name}"
            hint = "add it: empty if nothing is to be found in the picture"
            problems.append(Problem("missing-label", picture, None, reason, hint))
        else:
            size = checked_size(picture, None, label, None, problems)
            rows = _rows(label, size, layout.classes, problems) if size else None
            if size is not None and rows is not None:
                identity = _identity(picture, identities)
                boxes = checked_boxes(rows, size, label, problems)
                samples.append(Sample(identity, picture, size, boxes))
    problems += _orphans(layout.sources[split], label_of)
    return Reading(Dataset(root, split, layout.classes, tuple(samples)), in_order(problems))


def _layout(root: Path) -> _Layout:
    """Read the YAML file, or find darknet's lists.

    Raises:
        TatamiError: Where there is no split.
    """
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
    flat = file.parent / "images"
    if not sources and flat.is_dir() and any(map(is_picture_name, flat.iterdir())):
        return _Layout(file, classes, {"all": (flat,)}, {})
    if not sources:
        reason = "; ".join(f"{key}: there is no {name}" for key, name in missing.items())
        raise TatamiError(
            reason or "names no train, val or test",
            hint="give folders or lists of pictures, relative to 'path' or to this file",
            file=file,
        )
    return _Layout(file, classes, sources, missing)


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
    candidates = [file.parent / text]
    if isinstance(base, str) and names_a_path(base):
        candidates.insert(0, file.parent / base / text)
    if text.startswith("../"):  # written for a folder that is one level deeper
        candidates.append(file.parent / text.removeprefix("../"))
    return next((path for path in candidates if path.exists()), None)


def _is_darknet(root: Path) -> bool:
    if (root / "obj.names").is_file():
        return True
    named = any((root / name).is_file() for name in _NAME_FILES)
    labeled = (root / "labels").is_dir() or (root / "obj_train_data").is_dir()
    return named and (labeled or any(path.with_suffix(".txt").is_file() for path in _beside(root)))


def _beside(root: Path) -> list[Path]:
    """List pictures that may have their labels beside them."""
    return [
        path
        for folder in (root, root / "images")
        if folder.is_dir()
        for path in folder.iterdir()
        if is_picture_name(path)
    ]


def _darknet_layout(root: Path) -> _Layout:
    file = next((root / name for name in _NAME_FILES if (root / name).is_file()), None)
    if file is None:
        raise TatamiError("no class names", hint=f"looked for {LOOKED_FOR}", file=root)
    classes = read_class_names(file)
    sources: dict[str, tuple[Path, ...]] = {
        split: (root / f"{split}.txt",) for split in _SPLITS if (root / f"{split}.txt").is_file()
    }
    if not sources:
        folders = {split: root / "images" / split for split in _SPLITS}
        sources = {split: (folder,) for split, folder in folders.items() if folder.is_dir()}
    if not sources:
        folder = next(root / name for name in _PICTURE_FOLDERS if (root / name).is_dir())
        sources = {"all": (folder,)}
    return _Layout(file, classes, sources, {})


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
    """Find a listed picture, relative to the list or, as darknet does, to the folder above it."""
    path = Path(text.replace("\\", "/"))
    near, above = list_file.parent / path, list_file.parent.parent / path
    return above if not near.is_file() and above.is_file() else near


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


def _orphans(sources: Iterable[Path], label_of: dict[Path, Path]) -> list[Problem]:
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
                found.append(Problem("orphan-label", path, None, reason, "add it or delete this"))
    return found


def _rows(
    label: Path, size: Size, classes: tuple[str, ...], problems: list[Problem]
) -> list[Row] | None:
    """Read the lines of one label file as boxes in pixels; None where it cannot be read at all."""
    try:
        lines = read_lines(label)
    except TatamiError as error:
        problems.append(Problem.of("bad-label", error, label))
        return None
    rows = []
    for line, text in enumerate(lines, 1):
        if not text:
            continue
        try:
            which, edges = _box(text)
        except ValueError as error:
            hint = "write class x y width height, fractions of the picture"
            problems.append(Problem("bad-label", label, line, str(error), hint))
            continue
        if not 0 <= which < len(classes):
            reason = f"class {which} is not in 0 to {len(classes) - 1}"
            hint = f"correct it, or add its name to {len(classes)} names"
            problems.append(Problem("class-out-of-range", label, line, reason, hint))
            continue
        left, top, right, bottom = edges
        scaled = (left * size.width, top * size.height, right * size.width, bottom * size.height)
        rows.append(Row(scaled, which, f"box in line {line} ({classes[which]})", line))
    return rows


def _box(text: str) -> tuple[int, tuple[float, float, float, float]]:
    """Read class number and edges, as fractions, from one line.

    Raises:
        ValueError: For a faulty line; it says what is wrong.
    """
    words = text.split()
    if len(words) < 5 or (len(words) > 5 and (len(words) < 7 or len(words) % 2 == 0)):
        raise ValueError(f"{len(words)} columns: a box has 5, a polygon 7, 9, 11, ...")
    values = [number(word) for word in words]
    which = int(values[0])
    if which != values[0] or abs(which) > 10**9:
        raise ValueError(f"{words[0][:40]!r} is not a class number")
    if len(words) > 5:
        across, down = values[1::2], values[2::2]
        return which, (min(across), min(down), max(across), max(down))
    x, y, width, height = values[1:]
    return which, (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
