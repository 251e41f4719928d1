"""CSV files: rows of cells, and rows of numbers, bounded before memory is taken.

The cells of a row are parted by the one of comma, semicolon and tab that the first line has most
of. Cells may be quoted; a byte order mark, UTF-16 and Windows line ends are fine. Empty lines are
passed over.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tatami.data.labels import read_bytes
from tatami.errors import TatamiError
from tatami.rules.series import LARGEST
from tatami.types.names import as_class_name

MAX_BYTES = 512 * 2**20
"""The largest file that is read."""
MAX_CELL = 2**17
"""Letters of the longest cell."""
DELIMITERS = ",;\t"
SUFFIXES = (".csv", ".tsv")


@dataclass(frozen=True)
class Row:
    """A line of a CSV file.

    Args:
        line: Its number, from 1: where it begins, if a quoted cell reaches over several.
        cells: What stands in it, without blanks at their ends.
    """

    line: int
    cells: tuple[str, ...]


def is_csv_name(path: Path) -> bool:
    """Tell whether a file's name ends as a CSV file's does."""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def csv_files_in(folder: Path) -> list[Path]:
    """List the CSV files directly in a folder, sorted by name; none without a folder."""
    return sorted(filter(is_csv_name, folder.iterdir())) if folder.is_dir() else []


def read_rows(path: Path, most: int | None = None) -> list[Row]:
    """Read the rows of a CSV file that are not empty.

    Args:
        path: The file.
        most: How many to read; None: all.

    Raises:
        TatamiError: For a file that is too large, unreadable, not text, or without a row.
    """
    content = read_bytes(path, MAX_BYTES)
    wide = content[:2] in (b"\xff\xfe", b"\xfe\xff")
    try:
        text = content.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise TatamiError("not UTF-8 text", hint="save it as UTF-8", file=path) from error
    first = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = max(DELIMITERS, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows: list[Row] = []
    line = 0
    try:
        for cells in reader:
            begins, line = line + 1, reader.line_num
            if any(map(str.strip, cells)):
                rows.append(Row(begins, tuple(map(str.strip, cells))))
            if len(rows) == most:
                break
    except csv.Error as error:
        raise TatamiError(
            f"not a CSV file: {error}",
            hint="close every quoted cell, and write each row in one line",
            file=path,
            line=reader.line_num,
        ) from None
    if not rows:
        raise TatamiError(
            "the file is empty", hint="write rows of numbers, or remove it", file=path
        )
    return rows


def below_header(path: Path) -> tuple[str, ...]:
    """Give the cells by which a file is known: its second row's, or the only one's.

    Returns:
        No cells of a file that is no CSV file.
    """
    try:
        return read_rows(path, 2)[-1].cells
    except TatamiError:
        return ()


class BadRow(TatamiError):
    """Refuse a row.

    Args:
        kind: A key of KINDS.
        row: The row.
        reason: What is wrong.
        hint: What to do about it.
        file: The file.
    """

    def __init__(self, kind: str, row: Row, reason: str, hint: str, file: Path) -> None:
        super().__init__(reason, hint=hint, file=file, line=row.line)
        self.kind = kind


def check_width(row: Row, width: int, file: Path) -> None:
    """Raise BadRow unless a row has this many cells."""
    if len(row.cells) != width:
        reason = f"the row has {len(row.cells)} cells, the first one {width}"
        raise BadRow("ragged-row", row, reason, "give every row as many cells", file)


def numbers_of(
    row: Row, names: Sequence[str], file: Path, places: Sequence[int] | None = None
) -> list[float]:
    """Read cells of a row as numbers.

    Args:
        row: The row.
        names: What each cell stands under.
        file: The file.
        places: The cells; None: all.

    Raises:
        BadRow: For the first that is no finite number of at most LARGEST; it names the column.
    """
    cells = row.cells if places is None else [row.cells[at] for at in places]
    try:
        found = list(map(float, cells))
    except ValueError:
        found = []
    together = "".join(cells)
    plain = together.isascii() and "_" not in together  # float() takes 1_000 and other digits
    if found and plain and all(abs(value) <= LARGEST for value in found):  # NaN is not
        return found
    for name, cell in zip(names, cells, strict=True):
        told, hint = _fault(cell)
        if told:
            raise BadRow("bad-number", row, f"column {name}: {told}", hint, file)
    return found


def _fault(cell: str) -> tuple[str, str]:
    """Say what is wrong with a cell, and what to do about it; "" where it is a number."""
    if not cell:
        return "the cell is empty", "fill it in, or take the row out"
    try:
        value = float(cell) if cell.isascii() and "_" not in cell else None
    except ValueError:
        value = None
    if value is None:
        return f"{cell[:40]!r} is not a number", "write numbers as 1.5 or 1e-3, with a point"
    if not math.isfinite(value):
        return f"{cell[:40]!r} is not a finite number", "fill it in, or take the row out"
    if abs(value) > LARGEST:
        return f"{cell[:40]!r} is larger than {LARGEST:g}", "scale the column"
    return "", ""


def is_number(cell: str) -> bool:
    """Tell whether a cell is a number, be it NaN or infinite."""
    try:
        float(cell)
    except ValueError:
        return False
    return True


def checked_header(row: Row, file: Path) -> tuple[str, ...]:
    """Check the names of columns.

    Raises:
        TatamiError: For one that is empty, unprintable or there twice.
    """
    names = []
    for at, cell in enumerate(row.cells, 1):
        name = as_class_name(cell)
        if name is None or name in names:
            said = "has no printable name" if name is None else f"is named '{name}', as another is"
            raise TatamiError(
                f"column {at} {said}", hint="give every column its own name", file=file,
                line=row.line,
            )  # fmt: skip
        names.append(name)
    return tuple(names)
