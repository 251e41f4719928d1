"""A table of boxes: a CSV file with a line a box, as tutorials and cloud services write them.

With a header the columns are known by their names, in any order: the picture (filename, image_id,
path), the class (class, label, name; without one all are ``object``), the edges (xmin, ymin, xmax,
ymax, or x1, y1, x2, y2), or x, y, width and height in a column ``bbox``, and the size (width,
height). Without one two forms are known: ``SET,PATH,LABEL,XMIN,YMIN,,,XMAX,YMAX,,`` of AutoML and
``path,x1,y1,x2,y2,class``. Edges are pixels from 0, or fractions of the picture where all of a file
lie in 0 to 1. A line without a box is a picture without objects. Splits: the column of sets, else a
file each (train_labels.csv, train/_annotations.csv), else ``all``. Classes: the names in all files,
sorted.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from tatami.data.formats.found import files_in, split_of
from tatami.data.labels import (
    Row,
    checked_boxes,
    checked_names,
    checked_size,
    class_name,
    is_picture_name,
    number,
    read_lines,
    stays_inside,
)
from tatami.data.problems import LABELS_ALONE, Problem, Reading, in_order
from tatami.data.split_names import SPLITS, split_named
from tatami.errors import TatamiError
from tatami.types import Dataset, Sample

LOOKED_FOR = "a .csv of boxes: filename, class, xmin, ymin, xmax, ymax"

_MAX_BYTES = 512 * 2**20
_COLUMNS = {
    **dict.fromkeys(
        ("filename", "file_name", "image", "image_id", "imageid", "path", "image_path", "file"),
        "picture",
    ),
    **dict.fromkeys(("img", "image_name", "imagename", "img_path"), "picture"),
    **dict.fromkeys(("class", "label", "labelname", "name", "class_name", "category"), "class"),
    **dict.fromkeys(("xmin", "x_min", "x1", "left"), "x1"),
    **dict.fromkeys(("ymin", "y_min", "y1", "top"), "y1"),
    **dict.fromkeys(("xmax", "x_max", "x2", "right"), "x2"),
    **dict.fromkeys(("ymax", "y_max", "y2", "bottom"), "y2"),
    **dict.fromkeys(("set", "split", "ml_use"), "set"),
    **{"width": "width", "height": "height", "bbox": "bbox"},
}
_EDGES = ("x1", "y1", "x2", "y2")
_SETS = {"training": "train", "validate": "validation", "unassigned": "train"}


@dataclass(frozen=True)
class _Line:
    """One line of a table: the cells by what they mean."""

    file: Path
    line: int
    cells: dict[str, str]


def recognizes(root: Path) -> bool:
    """Tell whether a folder holds tables of boxes, or a file is one."""
    return bool(_tables(root))


def is_table(file: Path) -> bool:
    """Tell whether a CSV file is a table of boxes, by its first line."""
    try:
        with file.open("rb") as content:
            head = content.read(2**14)
    except OSError:
        return False
    text = head.decode("utf-8-sig", errors="replace").split("\n")[0]
    return _columns(_cells(text)) is not None


def splits(root: Path) -> tuple[str, ...]:
    """Name the splits, by the rule above."""
    found = {_split_of(root, file, line.cells) for file in _tables(root) for line in _lines(file)}
    order = {name: at for at, name in enumerate(SPLITS)}
    return tuple(sorted(found, key=lambda name: (order.get(name, len(order)), name))) or ("all",)


def strays(_root: Path) -> list[Problem]:
    """Find nothing: each table lists its pictures, and reading it reports the rest."""
    return []


def read(root: Path, split: str, repairs: Collection[str] = ()) -> Reading:
    """Read one split of the set.

    Args:
        root: The set's folder, or its file.
        split: One of ``splits(root)``.
        repairs: Keys of REPAIRS to carry out.

    Raises:
        TatamiError: Where there are no classes.
    """
    lines = [line for file in _tables(root) for line in _lines(file)]
    stated = {line.cells.get("class", "").strip() for line in lines} - {""}
    unnamed = bool(lines) and not any("class" in line.cells for line in lines)
    names = checked_names(sorted({"object"} if unnamed else stated), root)
    problems: list[Problem] = []
    top = root.parent if root.is_file() else root
    pictures: dict[str, list[Path]] = {}
    for path in files_in(top):
        if is_picture_name(path):
            pictures.setdefault(path.name, []).append(path)
            pictures.setdefault(path.stem, []).append(path)
    boxes: dict[Path, list[_Line]] = {}
    for line in lines:
        if _split_of(root, line.file, line.cells) != split:
            continue
        found = _picture(line, pictures, top, split)
        name = line.cells["picture"]
        last = name.strip().replace("\\", "/").rpartition("/")[2]
        if not found and LABELS_ALONE in repairs and stays_inside(last):
            found = [line.file.parent / last]
        if len(found) == 1:
            boxes.setdefault(found[0], []).append(line)
            continue
        reason = f"there is no picture {name!r:.80}"
        if found:
            reason = f"{name!r:.80} may be {' or '.join(map(str, found[:3]))}"
        hint = "add it, or take its lines out"
        problems.append(Problem("missing-picture", line.file, line.line, reason, hint))
    shares = {file for file in _tables(root) if _is_of_shares(file)}
    samples = []
    taken: set[str] = set()
    for picture, own in sorted(boxes.items()):
        file = own[0].file
        try:
            sides = [own[0].cells.get(key, "").strip() for key in ("width", "height")]
            known = (number(sides[0]), number(sides[1])) if all(sides) else None
        except ValueError as error:
            problems.append(Problem("bad-label", file, own[0].line, str(error), "fix the size"))
            continue
        size = checked_size(picture, known, file, own[0].line, problems, repairs)
        if size is None:
            continue
        rows = []
        for line in own:
            row = _row(line, names, problems)
            if row is not None and line.file in shares:
                x1, y1, x2, y2 = row.xyxy
                scaled = (x1 * size.width, y1 * size.height, x2 * size.width, y2 * size.height)
                row = Row(scaled, row.label, row.name, row.line)
            if row is not None:
                rows.append(row)
        identity = picture.stem
        if identity in taken:
            identity = picture.relative_to(top).with_suffix("").as_posix()
        taken.add(identity)
        samples.append(
            Sample(identity, picture, size, checked_boxes(rows, size, file, problems, repairs))
        )
    return Reading(Dataset(root, split, names, tuple(samples)), in_order(problems))


def _tables(root: Path) -> list[Path]:
    if root.is_file():
        return [root] if root.suffix.lower() == ".csv" and is_table(root) else []
    files = list(files_in(root, (".csv",)))
    return [path for path in files if is_table(path)]


def _cells(text: str) -> list[str]:
    try:
        return next(csv.reader([text]), [])
    except csv.Error:
        return []


def _columns(cells: list[str]) -> list[str] | None:
    """Tell what each column is by the first line; None where it is no table of boxes."""
    named = [_COLUMNS.get(cell.strip().lower(), "") for cell in cells]
    if "picture" in named and ({*_EDGES} <= {*named} or "bbox" in named):
        return named
    if len(cells) >= 9 and split_named(_set(cells[0])) and is_picture_name(Path(cells[1].strip())):
        return ["set", "picture", "class", "x1", "y1", "", "", "x2", "y2"]
    numbers = len(cells) == 6 and is_picture_name(Path(cells[0].strip()))
    if numbers and all(not cell.strip() or _is_number(cell) for cell in cells[1:5]):
        return ["picture", "x1", "y1", "x2", "y2", "class"]
    return None


def _is_number(text: str) -> bool:
    try:
        number(text.strip())
    except ValueError:
        return False
    return True


def _set(text: str) -> str:
    name = text.strip().lower()
    return _SETS.get(name, name)


def _lines(file: Path) -> list[_Line]:
    """Read the lines of a table.

    Raises:
        TatamiError: For a table that cannot be read.
    """
    texts = read_lines(file, _MAX_BYTES)
    columns = _columns(_cells(texts[0])) if texts else None
    if columns is None:
        return []
    headed = "picture" in [_COLUMNS.get(cell.strip().lower()) for cell in _cells(texts[0])]
    found = []
    for line, text in enumerate(texts, 1):
        if not text or (line == 1 and headed):
            continue
        cells = dict(zip(columns, _cells(text), strict=False))
        found.append(_Line(file, line, {"picture": "", **cells}))
    return found


def _split_of(root: Path, file: Path, cells: dict[str, str]) -> str:
    stated = split_named(_set(cells.get("set", "")))
    if stated is not None:
        return stated
    words = [word for word in re.split(r"[-_. ]", file.stem.lower()) if word in SPLITS]
    if len(words) == 1:
        return words[0]
    return (None if root.is_file() else split_of(root, file)) or "all"


def _picture(line: _Line, pictures: dict[str, list[Path]], top: Path, split: str) -> list[Path]:
    """Find the pictures that a line may mean: by its path's end, then by its split."""
    name = line.cells["picture"].strip().replace("\\", "/")
    found = list(dict.fromkeys(pictures.get(name.rpartition("/")[2], [])))
    if len(found) > 1 and "/" in name:
        found = [one for one in found if one.as_posix().endswith("/" + name)] or found
    if len(found) > 1:
        near = [one for one in found if one.parent == line.file.parent]
        found = near or [one for one in found if split_of(top, one) == split] or found
    return found


def _is_of_shares(file: Path) -> bool:
    """Tell whether the edges of a table are fractions of the pictures: all lie in 0 to 1."""
    values = []
    for line in _lines(file):
        for key in _EDGES:
            text = line.cells.get(key, "").strip()
            if _is_number(text):
                values.append(number(text))
    return bool(values) and min(values) >= 0 and max(values) <= 1


def _row(line: _Line, names: tuple[str, ...], problems: list[Problem]) -> Row | None:
    """Read one line's box; None for a line without one, and for a faulty one, which is reported."""
    cells = line.cells
    texts = [cells.get(key, "").strip() for key in _EDGES]
    if "bbox" in cells:
        texts = re.split(r"[,\s]+", cells["bbox"].strip(" []()"))
    if not any(texts):
        return None
    title = f"the box in line {line.line}"
    try:
        if len(texts) != 4:
            raise ValueError("bbox is not x, y, width, height")
        x1, y1, x2, y2 = (number(text) for text in texts)
        if "bbox" in cells:
            x2, y2 = x1 + x2, y1 + y2
        name = class_name(cells["class"], line.file, line.line) if "class" in cells else names[0]
    except (ValueError, TatamiError) as error:
        reason = error.reason if isinstance(error, TatamiError) else str(error)
        problems.append(Problem("bad-label", line.file, line.line, reason, "fix the line"))
        return None
    return Row((x1, y1, x2, y2), names.index(name), f"{title} ({name})", line.line)
