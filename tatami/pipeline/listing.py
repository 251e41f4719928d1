"""What there is to choose from: the rows of the visible tables, as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tatami.data.formats.table import FORMATS
from tatami.data.problems import KINDS, REPAIRS
from tatami.types.table import Table, words


@dataclass(frozen=True)
class Listing:
    """The rows of a table.

    Args:
        columns: What a row says, its name first.
        rows: The rows, a text for each column.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def to_json(self) -> dict[str, Any]:
        """Give each row by its name."""
        return {name: dict(zip(self.columns[1:], rest, strict=True)) for name, *rest in self.rows}

    def tables(self) -> list[Table]:
        """Lay the rows out; what does not fit in the last column is cut."""
        *first, last = self.columns
        return [Table((*map(words, first), words(last, flexible=True)), self.rows)]

    def lines(self) -> list[str]:
        """Say a row a line, whole."""
        return [f"{name} ({', '.join(rest[:-1])}): {rest[-1]}" for name, *rest in self.rows]


def formats() -> Listing:
    """List the formats of labeled sets, with what makes a folder one of each."""
    rows = (
        (name, labels, reader.LOOKED_FOR)
        for labels, readers in FORMATS.items()
        for name, reader in readers.items()
    )
    return Listing(("format", "labels", "looked_for"), tuple(rows))


def targets() -> Listing:
    """List the machines that C is compiled for."""
    from tatami.ship.c.targets import TARGETS

    return Listing(("target", "what"), tuple((name, one.what) for name, one in TARGETS.items()))


def problems() -> Listing:
    """List the kinds of problems that a labeled set may have and that can be accepted."""
    mended = tuple((name, f"mend {kind}: {what}") for name, (kind, what) in REPAIRS.items())
    return Listing(("problem", "what"), (*KINDS.items(), *mended))
