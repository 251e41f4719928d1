"""What a command prints: tables that fit a terminal, lines, JSON, and bars while it works."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from rich import box
from rich.cells import cell_len, chop_cells
from rich.console import Console, ConsoleOptions
from rich.markup import escape
from rich.measure import Measurement
from rich.progress import (
    BarColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import (
    Progress as RichProgress,
)
from rich.table import Table as RichTable
from rich.text import Text

from tatami.cli.lines import Lines
from tatami.cli.volume import VOLUME, Timed
from tatami.errors import hidden, printable_lines
from tatami.types.progress import Progress, quiet
from tatami.types.table import Table

WIDTH = 80
"""Columns of what is printed."""


def print_table(table: Table, *, error: bool = False) -> None:
    """Print a table, at most WIDTH columns wide.

    Args:
        table: What is printed.
        error: Whether it goes to standard error.
    """
    flexible = any(column.flexible for column in table.columns)
    rich = RichTable(
        title=_cell(table.title) or None,
        title_justify="left",
        caption=_cell(table.caption) or None,
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
        width=WIDTH if flexible else None,
    )
    for column in table.columns:
        rich.add_column(
            _cell(column.name),
            justify=column.align,
            overflow="fold" if column.wraps else "ellipsis",
            no_wrap=not column.wraps,
            ratio=int(column.flexible) or None,
        )
    for place, row in enumerate(table.rows):
        style = "bold red" if place in table.failed else "bold" if place in table.strong else None
        cells = zip(table.columns, row, strict=True)
        shown = (_Wrapped(text) if column.wraps else _cell(text) for column, text in cells)
        rich.add_row(*shown, style=style)
    if table.total is not None:
        rich.add_section()
        rich.add_row(*map(_cell, table.total))
    Console(stderr=error, width=WIDTH, highlight=False).print(rich)


@dataclass(frozen=True)
class _Wrapped:
    """A cell that goes on in the next line after a blank or a mark of a long name, where it can."""

    text: str

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        """Give the lines that fit the column, which Rich calls for."""
        lines: list[str] = []
        for line in printable_lines(self.text).split("\n"):
            lines.append("")
            for piece in re.findall(r"[^\s._/-]*[\s._/-]|[^\s._/-]+", line):
                for part in chop_cells(piece, options.max_width):
                    if cell_len(lines[-1] + part.rstrip()) > options.max_width:
                        lines.append("")
                    lines[-1] += part
        yield Text("\n".join(line.rstrip() for line in lines))

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        """Say how wide it can be."""
        return Measurement(1, min(cell_len(printable_lines(self.text)), options.max_width))


def _cell(text: str) -> str:
    """Give a text as Rich shows it letter for letter, whatever a foreign name in it holds."""
    return escape(printable_lines(text))


def print_lines(lines: Iterable[str], *, style: str | None = None) -> None:
    """Print lines as they are; long ones are left to the terminal."""
    console = Console(width=WIDTH, highlight=False)
    for line in lines:
        console.print(printable_lines(line), markup=False, soft_wrap=True, style=style)


def print_json(content: Mapping[str, Any]) -> None:
    """Print JSON for machines. Numbers that do not exist must be None already."""
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    # The same JSON, in which no name turns the terminal: the text's own line ends are no names.
    shown = (json.dumps(a)[1:-1] if hidden(a) and a != "\n" else a for a in text)
    print(text if text.isascii() and "\x7f" not in text else "".join(shown))


class Result(Protocol):
    """A result of the pipeline; it may have ``tables``, and ``skipped`` problems by their kind."""

    def to_json(self) -> Mapping[str, Any]:
        """Give the result as plain values."""
        ...

    def lines(self) -> list[str]:
        """Say the rest, a line each."""
        ...


def print_result(result: Result, as_json: bool = False) -> None:
    """Print a result: its tables, its lines, and what was skipped; or all of it as JSON."""
    if as_json:
        print_json(result.to_json())
        return
    for table in getattr(result, "tables", list)():
        print_table(table)
    print_skipped(getattr(result, "skipped", {}))
    print_lines(result.lines())


def print_skipped(skipped: Mapping[str, int]) -> None:
    """Print how many problems of each accepted kind were left out."""
    print_lines(f"skipped {count} x {kind}" for kind, count in sorted(skipped.items()) if count)


@contextmanager
def bars(*, hidden: bool = False) -> Iterator[Progress]:
    """Give a Progress that draws a bar for each stage on standard error, where it is a terminal.

    Elsewhere a line every 10 seconds says how far the work is. A remark is printed as a line, on a
    terminal or not.

    Args:
        hidden: Whether to show nothing at all.
    """
    if hidden or VOLUME.quiet:
        yield quiet
        return
    console = Console(stderr=True, highlight=False)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}  {task.fields[note]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with RichProgress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as shown:
        stages: dict[str, TaskID] = {}

        def tell(line: str) -> None:
            console.print(printable_lines(line), markup=False, soft_wrap=True)

        lines = Lines(tell)

        def progress(stage: str, done: int, total: int, note: str = "") -> None:
            if not total:
                tell(stage)
                return
            if not console.is_terminal:
                lines(stage, done, total, note)
                return
            if stage not in stages:
                stages[stage] = shown.add_task(_cell(stage), total=total, note="")
            shown.update(stages[stage], completed=done, total=total, note=_cell(note))

        if not VOLUME.verbose:
            yield progress
            return
        timed = Timed(progress)
        yield timed
        for line in timed.lines():
            console.print(printable_lines(line), markup=False, soft_wrap=True)
