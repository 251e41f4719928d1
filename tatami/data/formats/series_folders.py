"""CSV files of a series each, with one class a folder: ROOT/SPLIT/CLASS/*.csv.

A row is a step in time, a column a channel. A header names the channels, in any order; without one
they are 0, 1, 2 and so on. ROOT/CLASS/*.csv is one split, ``all``. Classes: the lines of
ROOT/classes.txt where there is one, else the names of the folders in all splits, sorted. A series'
id is CLASS/NAME. All series of a set have the channels of most of them.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from pathlib import Path

import numpy as np

from tatami.data.csv_rows import (
    BadRow,
    Row,
    below_header,
    check_width,
    checked_header,
    csv_files_in,
    is_number,
    numbers_of,
    read_rows,
)
from tatami.data.formats.class_folders import class_folders, split_folders
from tatami.data.labels import checked_names, read_class_names
from tatami.data.problems import Problem, SeriesReading, in_order
from tatami.errors import TatamiError, printable
from tatami.types import Float32, LabeledSeries

LOOKED_FOR = "SPLIT/CLASS/*.csv, a row a step"


def recognizes(root: Path) -> bool:
    """Tell whether a folder holds folders of CSV files of numbers, one a class."""
    folders = class_folders(root, csv_files_in)
    return any(_is_of_numbers(file) for _, folder in folders for file in csv_files_in(folder))


def splits(root: Path) -> tuple[str, ...]:
    """Name those of the known splits that are there, or ``all``."""
    return tuple(sorted(split_folders(root, csv_files_in))) or ("all",)


def read(root: Path, split: str) -> SeriesReading:
    """Read one split.

    Raises:
        TatamiError: Where there are no classes, or no series that can be read.
    """
    folders = class_folders(root, csv_files_in)
    if (root / "classes.txt").is_file():
        names = read_class_names(root / "classes.txt")
    else:
        names = checked_names(sorted({folder.name for _, folder in folders}), root)
    heads = _heads([path for _, folder in folders for path in csv_files_in(folder)])
    if not heads:
        read_series(next(path for _, folder in folders for path in csv_files_in(folder)))
    usual = Counter(tuple(sorted(head)) for head in heads).most_common(1)[0][0]
    channels = next(head for head in heads if tuple(sorted(head)) == usual)
    problems: list[Problem] = []
    kept: list[tuple[Path, int, Float32]] = []
    for path in (path for where, one in folders if where == split for path in csv_files_in(one)):
        name = path.parent.name
        if name not in names:
            reason = f"classes.txt does not name '{name}'"
            problems.append(Problem("unknown-class", path, None, reason, "add it, or move it"))
            continue
        try:
            own, series = read_series(path)
        except TatamiError as error:
            kind = error.kind if isinstance(error, BadRow) else "unreadable-series"
            problems.append(Problem.of(kind, error, path))
            continue
        if tuple(sorted(own)) != usual:
            apart = ", ".join(printable(one) for one in sorted({*own} ^ {*usual})[:5])
            reason = f"{len(own)} channels, where most of the set has {len(usual)}: {apart}"
            hint = "give every series the same channels"
            problems.append(Problem("other-channels", path, 1, reason, hint))
            continue
        in_order_ = series[:, [own.index(one) for one in channels]]
        kept.append((path, names.index(name), np.ascontiguousarray(in_order_)))
    found = LabeledSeries(
        root,
        split,
        names,
        channels,
        tuple(f"{path.parent.name}/{path.name}" for path, *_ in kept),
        tuple((path, None) for path, *_ in kept),
        np.array([label for _, label, _ in kept], np.int64),
        tuple(series for *_, series in kept),
    )
    return SeriesReading(found, in_order(problems))


def read_series(path: Path) -> tuple[tuple[str, ...], Float32]:
    """Read a file of one series: the names of its channels, and its numbers (steps, channels).

    Raises:
        TatamiError: For a file that cannot be read, and for the first row that is not in order.
    """
    rows = read_rows(path)
    names, headed = _head(rows[0], path)
    steps = []
    for row in rows[headed:]:
        check_width(row, len(names), path)
        steps.append(numbers_of(row, names, path))
    if not steps:
        raise TatamiError("the file has a header alone", hint="add its steps", file=path)
    return names, np.array(steps, np.float32)


def _head(row: Row, path: Path) -> tuple[tuple[str, ...], bool]:
    """Name the channels by the first row, and say whether it is a header."""
    if any(map(is_number, row.cells)):
        return tuple(map(str, range(len(row.cells)))), False
    return checked_header(row, path), True


def _heads(paths: list[Path]) -> list[tuple[str, ...]]:
    """Name the channels of every file that has any."""
    found = []
    for path in paths:
        with contextlib.suppress(TatamiError):
            found.append(_head(read_rows(path, 1)[0], path)[0])
    return found


def _is_of_numbers(file: Path) -> bool:
    """Tell whether a file's last of two rows is numbers alone."""
    cells = below_header(file)
    return bool(cells) and all(map(is_number, cells))
