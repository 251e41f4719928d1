"""A table as plain values: its contents, and not how a terminal or a page shows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Args:
        name: Its heading; a line end breaks it.
        align: Where the text of its cells stands.
        flexible: Its share of the room that the others leave; 0: as wide as its cells.
        wraps: Whether what does not fit goes on in the next line; else it is cut.
    """

    name: str
    align: Literal["left", "right"] = "right"
    flexible: int = 0
    wraps: bool = False


@dataclass(frozen=True)
class Table:
    """Rows of text under headings.

    Args:
        columns: The columns, from the left.
        rows: A text a column, for each row.
        total: A last row, set apart.
        title: What stands above it.
        caption: What stands below it.
        strong: Places of the rows that are to be seen first.
        failed: Places of the rows that tell a failure.
    """

    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    total: tuple[str, ...] | None = None
    title: str = ""
    caption: str = ""
    strong: frozenset[int] = frozenset()
    failed: frozenset[int] = frozenset()


def words(name: str, *, flexible: int = 0, wraps: bool = False) -> Column:
    """Give a column of words, which stand on the left."""
    return Column(name, "left", flexible, wraps)


def numbers(*names: str) -> tuple[Column, ...]:
    """Give columns of numbers, which stand on the right."""
    return tuple(Column(name) for name in names)
