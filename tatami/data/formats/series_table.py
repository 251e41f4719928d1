"""A CSV file whose rows have a class each: vectors, or series.

- With a header, a column ``class`` (or ``label``, ``target``) and columns of numbers: a row is a
  vector, and its columns are known by their names, in any order.
- With a column ``id`` besides: the rows of one id are the steps of one series, in their order, and
  the columns of numbers its channels.
- Without a header, as in the UCR archive: the class, then the steps of a series of one channel.

Splits: the files of a folder that are named so, train.csv and test.csv or NAME_TRAIN.tsv and
NAME_TEST.tsv; the only file of a folder, or a file itself, is one split, ``all``. Classes: the
lines of ROOT/classes.txt where there is one, else the names in all splits, sorted.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tatami.data.csv_rows import (
    BadRow,
    Row,
    below_header,
    check_width,
    checked_header,
    csv_files_in,
    is_csv_name,
    is_number,
    numbers_of,
    read_rows,
)
from tatami.data.formats import boxes_csv
from tatami.data.labels import checked_names, read_class_names
from tatami.data.problems import Problem, SeriesReading
from tatami.data.split_names import SPLITS
from tatami.errors import TatamiError, printable
from tatami.types import LabeledSeries
from tatami.types.names import as_class_name

LOOKED_FOR = "a .csv with a column class, and id for series; or rows of a class and numbers"
CLASS_COLUMNS = ("class", "label", "target")
ID_COLUMN = "id"
ONE_CHANNEL = "value"
"""What the channel of a table without a header is called."""
_SPLIT = re.compile(rf"(?:.*[-_. ])?({'|'.join(SPLITS)})", re.IGNORECASE)


@dataclass(frozen=True)
class Columns:
    """What the columns of a table are.

    Args:
        names: Of all of them, in the file's order; empty: there is no header.
        label: The place of the class.
        id: The place of the id; None: there is none.
        numbers: The places of the numbers.
    """

    names: tuple[str, ...]
    label: int
    id: int | None
    numbers: tuple[int, ...]

    @property
    def channels(self) -> tuple[str, ...]:
        """The names of the numbers of a step."""
        return tuple(self.names[at] for at in self.numbers) if self.names else (ONE_CHANNEL,)


@dataclass
class _Series:
    """A series while its rows are read: where it begins, its class, its steps."""

    line: int
    label: str
    steps: list[list[float]] = field(default_factory=list)


def recognizes(root: Path) -> bool:
    """Tell whether a path is such a table, or a folder that holds some."""
    if root.is_file():
        return is_csv_name(root) and not boxes_csv.is_table(root)
    return any(map(_is_of_numbers, _files(root).values()))


def splits(root: Path) -> tuple[str, ...]:
    """Name the splits, by the rule above."""
    return tuple(_files(root))


def read(root: Path, split: str) -> SeriesReading:
    """Read one split.

    Raises:
        TatamiError: For a file that cannot be read, and for a header without a class.
    """
    every = {name: read_rows(file) for name, file in _files(root).items()}
    read_ = {name: _columns(rows, _files(root)[name]) for name, rows in every.items()}
    names = _classes(root, every, read_)
    first = next(iter(read_.values()))
    file, rows, columns = _files(root)[split], every[split], read_[split]
    columns = _as_in(columns, first, file)
    problems: list[Problem] = []
    found = _found(rows[1:] if columns.names else rows, columns, file, problems)
    kept, labels = [], []
    for identity, one in found.items():
        if one.label in names:
            kept.append((identity, one))
            labels.append(names.index(one.label))
        else:
            reason = f"classes.txt does not name '{one.label[:40]}'"
            problems.append(Problem("unknown-class", file, one.line, reason, "add it"))
    series = LabeledSeries(
        root,
        split,
        names,
        columns.channels,
        tuple(identity for identity, _ in kept),
        tuple((file, one.line) for _, one in kept),
        np.array(labels, np.int64),
        tuple(np.array(one.steps, np.float32) for _, one in kept),
    )
    return SeriesReading(series, tuple(sorted(problems, key=lambda one: one.line or 0)))


def columns_of(row: Row, file: Path) -> Columns | None:
    """Read the first row of a table as its header; None where it is a row of numbers.

    Raises:
        TatamiError: For a header without a column of numbers, or with several classes.
    """
    plain = [cell.lower() for cell in row.cells]
    named = [at for at, name in enumerate(plain) if name in CLASS_COLUMNS]
    if not named and all(map(is_number, row.cells[1:])) and len(row.cells) > 1:
        return None
    names = checked_header(row, file)
    if len(named) != 1:
        raise TatamiError(
            f"{len(named)} columns are named {', '.join(CLASS_COLUMNS[:2])} or {CLASS_COLUMNS[2]}"
            if named
            else f"no column is named {', '.join(CLASS_COLUMNS[:2])} or {CLASS_COLUMNS[2]}",
            hint="name the column of the class so, and no other; without a header, begin each row "
            "with its class",
            file=file,
            line=row.line,
        )
    identity = plain.index(ID_COLUMN) if ID_COLUMN in plain else None
    rest = tuple(at for at in range(len(names)) if at not in (named[0], identity))
    if not rest:
        raise TatamiError(
            "the table has no column of numbers", hint="add them", file=file, line=row.line
        )
    return Columns(names, named[0], identity, rest)


def _columns(rows: list[Row], file: Path) -> Columns:
    found = columns_of(rows[0], file)
    return found or Columns((), 0, None, tuple(range(1, len(rows[0].cells))))


def _as_in(columns: Columns, first: Columns, file: Path) -> Columns:
    """Put a split's columns in the order of the set's first split.

    Raises:
        TatamiError: Where they are others.
    """
    if sorted(columns.channels) != sorted(first.channels):
        apart = sorted({*columns.channels} ^ {*first.channels})
        shown = ", ".join(f"'{printable(name)}'" for name in apart[:5])
        raise TatamiError(
            f"its columns are not those of the other split: {shown}",
            hint="give both the same columns",
            file=file,
            line=1,
        )
    if not columns.names:
        return columns
    places = {columns.names[at]: at for at in columns.numbers}
    return Columns(
        columns.names, columns.label, columns.id, tuple(places[name] for name in first.channels)
    )


def _found(
    rows: list[Row], columns: Columns, file: Path, problems: list[Problem]
) -> dict[str, _Series]:
    """Read the series of a table by their ids, those in order: ``problems`` gets the others."""
    width = len(columns.names) or len(rows[0].cells)
    names = tuple(columns.names[at] if columns.names else str(at + 1) for at in columns.numbers)
    found: dict[str, _Series] = {}
    bad: set[str] = set()
    for row in rows:
        identity = f"{file.name}:{row.line}"
        try:
            if columns.id is not None and columns.id < len(row.cells):
                identity = row.cells[columns.id]  # of a short row, too: its series lacks a step
            check_width(row, width, file)
            label = _label(row, columns, identity, file)
            one = found.setdefault(identity, _Series(row.line, label))
            if one.label != label:
                reason = f"'{identity[:40]}' was of class '{one.label[:40]}', now of '{label[:40]}'"
                raise BadRow("bad-label", row, reason, "give all its rows one class", file)
            numbers = numbers_of(row, names, file, columns.numbers)
        except BadRow as error:
            problems.append(Problem.of(error.kind, error, file))
            bad.add(identity)
            continue
        one.steps += [numbers] if columns.names else [[value] for value in numbers]
    return {identity: one for identity, one in found.items() if identity not in bad}


def _label(row: Row, columns: Columns, identity: str, file: Path) -> str:
    label = as_class_name(row.cells[columns.label])
    if label is None or not identity:
        reason = "the row has no class" if label is None else "the row has no id"
        raise BadRow("missing-class", row, reason, "write it, or take the row out", file)
    return label


def _classes(
    root: Path, every: dict[str, list[Row]], columns: dict[str, Columns]
) -> tuple[str, ...]:
    if (root / "classes.txt").is_file():
        return read_class_names(root / "classes.txt")
    stated = {
        as_class_name(row.cells[columns[name].label])
        for name, rows in every.items()
        for row in (rows[1:] if columns[name].names else rows)
        if len(row.cells) > columns[name].label
    }
    return checked_names(sorted(name for name in stated if name is not None), root)


def _files(root: Path) -> dict[str, Path]:
    """Find the table of each split, that to learn from first."""
    if root.is_file():
        return {"all": root}
    files = [file for file in csv_files_in(root) if not boxes_csv.is_table(file)]
    named: dict[str, Path] = {}
    for file in files:
        match = _SPLIT.fullmatch(file.stem)
        if match is not None:
            named.setdefault(match[1].lower(), file)
    if named:
        return {name: named[name] for name in SPLITS if name in named}
    return {"all": files[0]} if len(files) == 1 else {}


def _is_of_numbers(file: Path) -> bool:
    """Tell whether a file's last of two rows holds numbers, and two other cells at most."""
    cells = below_header(file)
    others = sum(not is_number(cell) for cell in cells)
    return others <= 2 and len(cells) > others
