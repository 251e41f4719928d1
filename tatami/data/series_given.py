"""CSV files as a series classifier is given them: without a class, or with one that is not read.

A network of vectors takes a file's rows as one vector each. A network of series takes a file as one
series, a row a step; with a column ``id``, the rows of one id; and, where it has one channel and
the file no header, a row of several cells as a series, with its class before it or not. Columns
with a header are known by their names.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tatami.data.csv_rows import Row, check_width, checked_header, is_number, numbers_of, read_rows
from tatami.data.formats.series_table import CLASS_COLUMNS, ID_COLUMN
from tatami.errors import TatamiError
from tatami.rules.series import fitted
from tatami.types import Float32, SeriesInput


def read_given(file: Path, rule: SeriesInput) -> Float32:
    """Read the series of a CSV file.

    Args:
        file: The file.
        rule: The network's.

    Returns:
        (n, steps, channels), each fitted to the network's steps.

    Raises:
        TatamiError: For a file that cannot be read, that lacks a channel, and for the first row
            that is not in order.
    """
    rows = read_rows(file)
    first = rows[0].cells
    named = any(cell.lower() in (*CLASS_COLUMNS, ID_COLUMN) for cell in first)
    headed = named or not any(map(is_number, first))
    found = _headed(rows, rule, file) if headed else _bare(rows, rule, file)
    return np.stack([fitted(np.array(one, np.float32), rule) for one in found])


def _headed(rows: list[Row], rule: SeriesInput, file: Path) -> list[list[list[float]]]:
    names = checked_header(rows[0], file)
    missing = [name for name in rule.channels if name not in names]
    if missing:
        raise TatamiError(
            f"no column is named '{missing[0]}'"
            + (f", and {len(missing) - 1} more are missing" if missing[1:] else ""),
            hint="give the columns that the network was trained with",
            file=file,
            line=rows[0].line,
        )
    places = [names.index(name) for name in rule.channels]
    plain = [name.lower() for name in names]
    identity = plain.index(ID_COLUMN) if ID_COLUMN in plain else None
    found: dict[str, list[list[float]]] = {}
    for row in rows[1:]:
        check_width(row, len(names), file)
        own = "" if identity is None else row.cells[identity]
        key = str(row.line) if identity is None and rule.steps == 1 else own
        found.setdefault(key, []).append(numbers_of(row, rule.channels, file, places))
    if not found:
        raise TatamiError("the file has a header alone", hint="add rows", file=file)
    return list(found.values())


def _bare(rows: list[Row], rule: SeriesInput, file: Path) -> list[list[list[float]]]:
    width, count = len(rows[0].cells), len(rule.channels)
    vectors = rule.steps == 1
    lines = count == 1 and width > 1 and not vectors  # a series each
    wanted = rule.steps if lines else count
    labeled = (vectors or lines) and width == wanted + 1
    if not lines and width != wanted + labeled:
        raise TatamiError(
            f"the row has {width} cells, a step of the network {count}",
            hint="give the columns that the network was trained with",
            file=file,
            line=rows[0].line,
        )
    names = tuple(map(str, range(1 + labeled, width + 1)))
    found = []
    for row in rows:
        check_width(row, width, file)
        found.append(numbers_of(row, names, file, range(labeled, width)))
    if lines:
        return [[[value] for value in one] for one in found]
    return [[one] for one in found] if vectors else [found]
