"""Fully connected layers made two smaller ones each, by their largest singular values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tatami import graph
from tatami.errors import TatamiError
from tatami.pipeline.artifact import Source, path_of
from tatami.see.text import readable
from tatami.shrink.truncate import Truncated, layers
from tatami.shrink.truncate import truncate as truncate_network
from tatami.types.table import Table, numbers, words


@dataclass(frozen=True)
class TruncateResult:
    """What became of a network's fully connected layers.

    Args:
        path: The new file.
        layers: What became of each.
    """

    path: Path
    layers: tuple[Truncated, ...]

    def to_json(self) -> dict[str, Any]:
        """Give the result as plain values."""
        rows = [asdict(one) | {"before": one.before, "after": one.after} for one in self.layers]
        return {"output": str(self.path), "layers": rows}

    def tables(self) -> list[Table]:
        """Lay the layers out, a row each."""
        columns = (
            words("layer", flexible=True),
            *numbers("kept", "multiply-adds", "before", "weights lost"),
        )
        rows = tuple(
            (
                readable(one.layer),
                *(f"{n:,}" for n in (one.kept, one.after, one.before)),
                f"{one.lost:.1%}",
            )
            for one in self.layers
        )
        return [Table(columns, rows)]

    def lines(self) -> list[str]:
        """Say nothing besides: the table has it all."""
        return []


def truncate(
    network: Source, keep: Mapping[str, int], out: str | Path | None = None
) -> TruncateResult:
    """Make fully connected layers two smaller ones each.

    Args:
        network: The ONNX file, as a run's head.onnx.
        keep: For each layer that is to become smaller how many singular values to keep.
        out: The file to write; None: IN-truncated.onnx beside it.

    Returns:
        Where the new network is, and what became of its layers.

    Raises:
        TatamiError: For a layer that there is not, and a number that its sides do not allow.
    """
    path = path_of(network)
    opened = graph.read(path)
    if not keep:
        known = ", ".join(f"{name} ({v} to {u})" for name, (v, u) in layers(opened).items())
        raise TatamiError(
            "no layer to truncate",
            hint=f"give LAYER=N; the layers are {known or 'none'}",
            setting="keep",
        )
    smaller, records = truncate_network(opened, keep)
    target = path.with_name(f"{path.stem}-truncated.onnx") if out is None else Path(out)
    graph.write(smaller, target)
    return TruncateResult(target, tuple(records))
