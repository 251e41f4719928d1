"""``tatami shrink truncate``: fully connected layers by their largest singular values."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tatami import graph
from tatami.errors import TatamiError
from tatami.see.text import readable
from tatami.shrink.truncate import Truncated, layers
from tatami.shrink.truncate import truncate as truncate_network

WIDTH = 80


def truncate(
    network: Annotated[Path, typer.Argument(help="The network, an ONNX file, as head.onnx.")],
    keep: Annotated[
        list[str] | None,
        typer.Option(help="LAYER=N, so many singular values; may be repeated."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Where to write; IN-truncated.onnx if left out."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, no table.")] = False,
) -> None:
    """Make fully connected layers two smaller ones each, and tell what that saves."""
    opened = graph.read(network)
    if not keep:
        known = ", ".join(f"{name} ({v} to {u})" for name, (v, u) in layers(opened).items())
        raise TatamiError(
            "no layer to truncate", hint=f"give --keep LAYER=N; the layers are {known or 'none'}"
        )
    smaller, records = truncate_network(opened, dict(map(_kept, keep)))
    target = output or network.with_name(f"{network.stem}-truncated.onnx")
    graph.write(smaller, target)
    if as_json:
        rows = [asdict(one) | {"before": one.before, "after": one.after} for one in records]
        typer.echo(json.dumps({"output": str(target), "layers": rows}, indent=2))
    else:
        _print(records, target)


def _kept(text: str) -> tuple[str, int]:
    name, _, number = text.rpartition("=")
    if not name or not number.isdecimal():
        raise TatamiError(f"--keep {text} is not understood", hint="give LAYER=N")
    return name, int(number)


def _print(records: list[Truncated], target: Path) -> None:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), width=WIDTH)
    table.add_column("layer", overflow="ellipsis", no_wrap=True, ratio=1)
    for title in ("kept", "multiply-adds", "before", "weights lost"):
        table.add_column(title, justify="right", no_wrap=True)
    for one in records:
        table.add_row(
            escape(readable(one.layer)),
            f"{one.kept:,}",
            f"{one.after:,}",
            f"{one.before:,}",
            f"{one.lost:.1%}",
        )
    console = Console(width=WIDTH, highlight=False)
    console.print(table)
    console.print(f"wrote {target}", markup=False, soft_wrap=True)
