"""What commands that run a network over a labelled set share: classes in order, and progress."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from tatami.errors import TatamiError
from tatami.types import Int

T = TypeVar("T")

WIDTH = 80
"""Columns of what is printed."""


def class_order(network: Sequence[str], data: Sequence[str]) -> Int:
    """(K,) int64: for each class of the network its place among the data's.

    Raises TatamiError, naming the difference, where they are not the same names.
    """
    unknown = [name for name in network if name not in data]
    missing = [name for name in data if name not in network]
    if unknown or missing:
        parts = []
        if unknown:
            parts.append(f"the network knows {_names(unknown)}, which the data do not have")
        if missing:
            parts.append(f"the data have {_names(missing)}, which the network does not know")
        raise TatamiError(
            "; ".join(parts), mend="evaluate on data with the classes it was trained on"
        )
    return np.array([data.index(name) for name in network], np.int64)


def shown_progress(items: Sequence[T], title: str | None) -> Iterable[T]:
    """The items, with a progress bar on standard error where it is a terminal and has a title."""
    console = Console(stderr=True)
    hidden = title is None or not console.is_terminal
    return track(items, title or "", console=console, transient=True, disable=hidden)


def plain_table(*columns: str, title: str) -> Table:
    """A plain table, numbers to the right."""
    table = Table(
        title=f"\n{title}", title_justify="left", title_style="bold", box=None, pad_edge=False
    )
    for column in columns:
        words = column in ("name", "split", "size", "bar")
        table.add_column(column, justify="left" if words else "right", overflow="fold")
    return table


def check_share(name: str, value: float) -> None:
    """Raise TatamiError unless an option's value lies in 0 to 1."""
    if not 0 <= value <= 1:
        raise TatamiError(f"{name} is {value:g}", mend="give a number from 0 to 1")


def _names(names: Sequence[str]) -> str:
    shown = [f"'{name}'" for name in names[:5]]
    return ", ".join(shown) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
