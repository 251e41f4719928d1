"""``tatami fold``: batch normalization into the convolutions before it."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tatami import graph
from tatami.graph.network import Network, shape_of
from tatami.ops.norm import Epsilon
from tatami.see.text import readable
from tatami.shrink.fold import Folded
from tatami.shrink.fold import fold as fold_network

WIDTH = 80


def fold(
    network: Annotated[Path, typer.Argument(help="The network, an ONNX file.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Where to write; IN-folded.onnx if left out."),
    ] = None,
    epsilon: Annotated[
        str | None,
        typer.Option(
            help="Use this epsilon and not the nodes' own: 1e-5, or darknet:1e-6, which is "
            "added to the square root."
        ),
    ] = None,
    depthwise: Annotated[
        bool | None,
        typer.Option(
            "--depthwise/--no-depthwise",
            help="Make a normalization that no convolution can take up a convolution of its own, "
            "or refuse it; if left out, the first in networks of Tatami's, the second in others.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, no table.")] = False,
) -> None:
    """Fold normalization, scale and bias into the convolutions, and measure what it changed."""
    chosen = None if epsilon is None else Epsilon.parse(epsilon)
    target = output or network.with_name(f"{network.stem}-folded.onnx")
    unfolded = graph.read(network)
    folded, records = fold_network(unfolded, chosen, depthwise)
    alone = [record for record in records if record.alone]
    difference = _difference(unfolded, folded)
    graph.write(folded, target)
    if as_json:
        answer = {
            "output": str(target),
            "folded": [
                {**asdict(record), "epsilon": record.epsilon and str(record.epsilon)}
                for record in records
            ],
            "depthwise": len(alone),
            "operations": sum(record.operations for record in records),
            "worst_relative_difference": difference,
        }
        typer.echo(json.dumps(answer, indent=2, ensure_ascii=False))
    else:
        _print([record for record in records if not record.alone], alone, difference, target)


def _difference(unfolded: Network, folded: Network) -> float:
    """The worst |difference| of the outputs over their largest |value|, on random images."""
    shape = shape_of(unfolded.graph.inputs[0])
    images = np.random.default_rng(0).random(shape, np.float32)
    before, after = graph.values(unfolded, images), graph.values(folded, images)
    worst = 0.0
    for output in unfolded.graph.outputs:
        expected, got = before[str(output.name)], after[str(output.name)]
        scale = float(np.abs(expected).max()) or 1.0
        worst = max(worst, float(np.abs(got - expected).max()) / scale)
    return worst


_WORDS = {
    "BatchNormalization": "normalize",
    "Mul": "scale",
    "Div": "scale",
    "Add": "bias",
    "Sub": "bias",
}


def _print(records: list[Folded], alone: list[Folded], difference: float, target: Path) -> None:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), width=WIDTH)
    table.add_column("layer", overflow="ellipsis", no_wrap=True, ratio=1)
    table.add_column("folded in", no_wrap=True)
    for title in ("epsilon", "largest |scale|", "operations removed"):
        table.add_column(title, justify="right", no_wrap=True)
    for record in records:
        kinds = " => ".join(_WORDS[node.split(" ", 1)[0]] for node in record.nodes)
        table.add_row(
            escape(readable(record.conv)),
            kinds,
            "-" if record.epsilon is None else str(record.epsilon),
            f"{record.largest_scale:.4g}",
            f"{record.operations:,}",
        )
    console = Console(width=WIDTH, highlight=False)
    if records:
        console.print(table)
        total = sum(record.operations for record in records)
        console.print(f"{len(records)} convolutions folded, {total:,} operations a picture removed")
    else:
        console.print("nothing to fold: no convolution is followed by normalization")
    if alone:
        more = f", and {len(alone) - 1} more for such a reason" if len(alone) > 1 else ""
        console.print(
            f"{len(alone)} normalizations became depthwise convolutions of their own: "
            f"{readable(alone[0].alone)}{more}",
            markup=False,
        )
    console.print(f"worst relative difference on random input: {difference:.2e}")
    console.print(f"wrote {target}", markup=False, soft_wrap=True)
