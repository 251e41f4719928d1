"""Folders of pictures and of masks with the same names, and a file that says what the masks mean.

``masks.json`` (or any ``NAME.masks.json``, which may lie elsewhere) says all of it. Without one,
ROOT/classes.csv names the classes; ROOT/images and ROOT/masks, or in both a folder a split, hold
the pictures and the masks. docs/mask-sets.md has both ways in full.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tatami.data.labels import (
    MAX_LABEL_BYTES,
    checked_names,
    class_name,
    names_a_path,
    pictures_in,
    read_bytes,
    read_lines,
    stays_inside,
)
from tatami.data.masks import Color, Legend, Pair, code, names_listed, reading, usual_colors
from tatami.data.problems import MaskReading, Problem
from tatami.errors import TatamiError
from tatami.files import parse_json
from tatami.types import VOID

COLOR = ("color", "colour")
"""A key, in either spelling."""
LOOKED_FOR = "masks.json, NAME.masks.json, or classes.csv beside images/ and masks/"
SETTINGS, TABLE = "masks.json", "classes.csv"

_COLUMNS = {
    "name": "name",
    "value": "value",
    **{letter: letter for letter in "rgb"},
    **{"red": "r", "green": "g", "blue": "b"},
}


@dataclass(frozen=True)
class _Split:
    """The files of one split.

    Args:
        pictures: The folder of the pictures.
        masks: The folder of the masks.
        ending: What a mask's name has after the picture's.
        names: The pictures that count, or a file that lists them; None: all that are there.
    """

    pictures: Path
    masks: Path
    ending: str = ""
    names: tuple[str, ...] | Path | None = None


@dataclass(frozen=True)
class _Layout:
    """What the describing file says.

    Args:
        file: That file.
        legend: What the masks mean.
        splits: The splits by name.
    """

    file: Path
    legend: Legend
    splits: Mapping[str, _Split]


@dataclass(frozen=True)
class _Class:
    """One class as a file states it; the first color is the one that it is drawn in."""

    name: str
    values: tuple[int, ...] = ()
    colors: tuple[Color, ...] = ()


def recognizes(root: Path) -> bool:
    """Tell whether a folder holds pictures, masks and what they mean, or a file describes them."""
    if root.is_file():
        return is_settings(root)
    table = (root / TABLE).is_file() and (root / "images").is_dir() and (root / "masks").is_dir()
    return bool(_settings_in(root)) or table


def is_settings(file: Path) -> bool:
    """Tell whether a file's name is that of a description of masks."""
    return file.name == SETTINGS or file.name.endswith("." + SETTINGS)


def splits(root: Path) -> tuple[str, ...]:
    """Name the splits: those of the description, or the folders in images/, or ``all``."""
    return tuple(sorted(_layout(root).splits))


def read(root: Path, split: str) -> MaskReading:
    """Read one split: every mask is decoded.

    Raises:
        TatamiError: For a description that is not sound.
    """
    layout = _layout(root)
    where = layout.splits[split]
    problems: list[Problem] = []
    pictures = {path.stem: path for path in pictures_in(where.pictures)}
    masks = {path.stem: path for path in pictures_in(where.masks)}
    pairs = []
    for name, file, line in _names(where, layout.file, pictures, problems):
        picture, mask = pictures.get(name), masks.get(name + where.ending)
        if picture is None:
            reason = f"there is no picture '{name}' in {where.pictures.name}"
            hint = "add it, or take it off the list"
            problems.append(Problem("missing-picture", file, line, reason, hint))
        elif mask is None:
            reason = f"there is no mask {name}{where.ending}.png in {where.masks}"
            hint = "add it: void all over where nothing is known"
            problems.append(Problem("missing-label", picture, None, reason, hint))
        else:
            pairs.append(Pair(name, picture, mask))
    if where.names is None:
        for stem, mask in masks.items():
            if stem.removesuffix(where.ending) not in pictures or not stem.endswith(where.ending):
                reason = f"there is no picture of this mask in {where.pictures}"
                problems.append(
                    Problem("orphan-label", mask, None, reason, "add the picture or delete it")
                )
    return reading(root, split, layout.legend, pairs, problems)


def _names(
    split: _Split, settings: Path, pictures: Mapping[str, Path], problems: list[Problem]
) -> list[tuple[str, Path, int | None]]:
    """List the names of a split's pictures, and where each is stated."""
    if split.names is None:
        return [(name, split.pictures, None) for name in pictures]
    if isinstance(split.names, Path):
        file = split.names
        return [(name, file, line) for name, line in names_listed(file, problems)]
    return [(name, settings, None) for name in split.names]


def _layout(root: Path) -> _Layout:
    """Read the description of a set.

    Raises:
        TatamiError: For one that is not sound.
    """
    if root.is_file():
        return _of_settings(root)
    files = _settings_in(root)
    if len(files) > 1:
        several = ", ".join(path.name for path in files)
        raise TatamiError(
            f"holds several sets: {several}", hint="name one of these files as the path", file=root
        )
    if files:
        return _of_settings(files[0])
    images, masks = root / "images", root / "masks"
    inside = sorted(path.name for path in images.iterdir() if path.is_dir())
    named = [name for name in inside if not name.startswith(".")]
    found = {name: _Split(images / name, masks / name) for name in named}
    file = root / TABLE
    classes, void, by_color = _csv(file)
    legend = _legend(classes, void, by_color, file)
    return _Layout(file, legend, found or {"all": _Split(images, masks)})


def _settings_in(root: Path) -> list[Path]:
    if not root.is_dir():
        return []
    return sorted(path for path in root.glob(f"*{SETTINGS}") if is_settings(path))


def _of_settings(file: Path) -> _Layout:
    content = _object(parse_json(read_bytes(file, MAX_LABEL_BYTES), file), "the file", file)
    _check_keys(content, ("folder", "by", "classes", "void", "splits"), "the file", file)
    folder = content.get("folder", ".")
    if not isinstance(folder, str) or not names_a_path(folder):
        raise _bad(file, "'folder' is not a path", "name the folder that holds the set")
    by = content.get("by", "value")
    if by not in ("value", *COLOR):
        raise _bad(file, f"'by' is {by!r:.40}", "give value or color")
    by_color = by in COLOR
    void: list[_Class] = []
    listed = content.get("classes")
    if isinstance(listed, str):
        table = file.parent / folder / _inside(listed, "classes", file)
        classes, void, _ = _csv(table)
    elif isinstance(listed, list):
        classes = [_class(entry, at, file) for at, entry in enumerate(listed)]
    else:
        raise _bad(file, "has no list 'classes'", "list the classes")
    entries = content.get("void", [])
    if not isinstance(entries, list):
        raise _bad(file, "'void' is not a list", "list the values or the colors that are void")
    for entry in entries:
        if by_color:
            void.append(_Class("void", (), _colors(entry, "void", file)))
        else:
            void.append(_Class("void", _values(entry, "void", file)))
    base = file.parent / folder
    named = _object(content.get("splits"), "'splits'", file)
    found = {name: _split(name, entry, base, file) for name, entry in named.items()}
    if not found:
        raise _bad(file, "names no split", "name one, with its folders of pictures and masks")
    return _Layout(file, _legend(classes, void, by_color, file), found)


def _split(name: str, entry: object, base: Path, file: Path) -> _Split:
    title = f"split '{name[:40]}'"
    class_name(name, file)
    members = _object(entry, title, file)
    _check_keys(members, ("pictures", "masks", "ending", "names"), title, file)
    folders = {}
    for key in ("pictures", "masks"):
        folders[key] = base / _inside(members.get(key), f"{title}: {key}", file)
        if not folders[key].is_dir():
            raise _bad(file, f"{title}: there is no folder {folders[key]}", f"name its {key}")
    ending = members.get("ending", "")
    if not isinstance(ending, str) or (ending and not stays_inside(ending)):
        raise _bad(file, f"{title}: 'ending' is not part of a name", "give text, as _mask")
    names: object = members.get("names")
    listed: tuple[str, ...] | Path | None = None
    if isinstance(names, str):
        listed = base / _inside(names, f"{title}: names", file)
    elif names is not None:
        if not isinstance(names, list) or not all(isinstance(one, str) for one in names):
            raise _bad(file, f"{title}: 'names' is not a list of names", "list the pictures' stems")
        twice = next((one for one, count in Counter(names).items() if count > 1), None)
        if twice is not None:
            raise _bad(file, f"{title}: '{twice[:40]}' appears twice", "delete one")
        listed = tuple(names)
    return _Split(folders["pictures"], folders["masks"], ending, listed)


def _class(entry: object, place: int, file: Path) -> _Class:
    """Read one entry of the list of classes: a name alone has the value of its place."""
    title = f"classes[{place}]"
    if isinstance(entry, str):
        entry = {"name": entry}
    members = _object(entry, title, file)
    _check_keys(members, ("name", "value", *COLOR), title, file)
    name = members.get("name")
    if not isinstance(name, str):
        raise _bad(file, f"{title} has no 'name'", "name the class")
    values = _values(members.get("value", place), title, file)
    given = next((members[key] for key in COLOR if key in members), None)
    colors = () if given is None else _colors(given, title, file)
    return _Class(class_name(name, file), values, colors)


def _csv(file: Path) -> tuple[list[_Class], list[_Class], bool]:
    """Read the classes of a table, what is void, and whether pixels are known by color.

    They are where the table has no column of values.

    Raises:
        TatamiError: For a faulty table; it names the line.
    """
    lines = read_lines(file)
    try:
        rows = list(csv.reader(lines))
    except csv.Error as error:
        raise _bad(file, f"malformed CSV: {error}", "export it again") from error
    columns = [_COLUMNS.get(title.strip().lower(), "") for title in rows[0]] if rows else []
    if "name" not in columns or not ({"value"} <= {*columns} or {*"rgb"} <= {*columns}):
        raise TatamiError(
            f"the first line is {lines[0][:60] if lines else ''!r}",
            hint="name the columns: name, and value, or red, green and blue, or all",
            file=file,
            line=1,
        )
    classes: list[_Class] = []
    void: list[_Class] = []
    for line, row in enumerate(rows[1:], 2):
        if not any(cell.strip() for cell in row):
            continue
        if len(row) != len(columns):
            raise _bad(file, f"has {len(row)} cells, not {len(columns)}", "fix it", line)
        cells = {column: cell.strip() for column, cell in zip(columns, row, strict=True)}
        kinds = [column for column in columns if column in ("value", *"rgb")]
        numbers = {column: _byte(cells[column], file, line) for column in kinds}
        values = (numbers["value"],) if "value" in numbers else ()
        colored = {*"rgb"} <= {*numbers}
        color = ((numbers["r"], numbers["g"], numbers["b"]),) if colored else ()
        name = class_name(cells["name"], file, line)
        (void if name.lower() == "void" else classes).append(_Class(name, values, color))
    return classes, void, "value" not in columns


def _legend(
    classes: Sequence[_Class], void: Sequence[_Class], by_color: bool, file: Path
) -> Legend:
    """Put the classes together.

    Raises:
        TatamiError: For a value or a color that is stated twice.
    """
    names = checked_names([one.name for one in classes], file)
    meaning: dict[int, int] = {}
    for label, one in [*enumerate(classes), *((VOID, one) for one in void)]:
        keys = tuple(map(code, one.colors)) if by_color else one.values
        if not keys:
            what = "color" if by_color else "value"
            raise _bad(file, f"class '{one.name}' has no {what}", "give it")
        for key in keys:
            if meaning.get(key, label) != label:
                what = f"({key >> 16}, {key >> 8 & 255}, {key & 255})" if by_color else str(key)
                raise _bad(file, f"{what} is both {names[meaning[key]]} and {one.name}", "fix one")
            meaning[key] = label
    if not by_color:
        meaning.setdefault(VOID, VOID)
    usual = usual_colors(len(names))
    colors = tuple(
        one.colors[0] if one.colors else usual[label] for label, one in enumerate(classes)
    )
    try:
        return Legend(names, colors, meaning, by_color)
    except TatamiError as error:
        raise TatamiError(error.reason, hint=error.hint, file=file) from None


def _object(value: object, title: str, file: Path) -> dict[str, object]:
    if not isinstance(value, dict):
        raise _bad(file, f"{title} is not a JSON object", "see docs/mask-sets.md")
    return value


def _check_keys(
    members: Mapping[str, object], known: Sequence[str], title: str, file: Path
) -> None:
    unknown = next((key for key in members if key not in known), None)
    if unknown is not None:
        raise _bad(file, f"{title} has the key '{unknown[:40]}'", f"known are {', '.join(known)}")


def _inside(value: object, title: str, file: Path) -> str:
    """Read a path inside the set's folder."""
    if not isinstance(value, str) or not stays_inside(value):
        raise _bad(
            file, f"{title} is not a path inside the set's folder", "name it relative to that"
        )
    return value


def _values(value: object, title: str, file: Path) -> tuple[int, ...]:
    """Read a number from 0 to 255, or a list of them."""
    found = value if isinstance(value, list) else [value]
    for one in found:
        if not isinstance(one, int) or isinstance(one, bool) or not 0 <= one <= 255:
            raise _bad(file, f"{title} has the value {one!r:.40}", "give numbers from 0 to 255")
    return tuple(found)


def _colors(value: object, title: str, file: Path) -> tuple[Color, ...]:
    """Read [red, green, blue], or a list of such."""
    several = isinstance(value, list) and bool(value) and all(isinstance(v, list) for v in value)
    found = []
    for one in value if isinstance(value, list) and several else [value]:
        if not isinstance(one, list) or len(one) != 3:
            raise _bad(file, f"{title} has the color {one!r:.40}", "give [red, green, blue]")
        red, green, blue = _values(one, title, file)
        found.append((red, green, blue))
    return tuple(found)


def _byte(text: str, file: Path, line: int) -> int:
    if not text.isascii() or not text.isdecimal() or len(text) > 3 or int(text) > 255:
        raise _bad(file, f"'{text[:20]}' is not a number from 0 to 255", "fix it", line)
    return int(text)


def _bad(file: Path, reason: str, hint: str, line: int | None = None) -> TatamiError:
    return TatamiError(reason, hint=hint, file=file, line=line)
