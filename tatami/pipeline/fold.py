"""Fold normalization into the convolutions of an ONNX file, and measure what it changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tatami import graph
from tatami.graph.network import Network, shape_of
from tatami.ops.norm import Epsilon
from tatami.pipeline.artifact import Source, network_file, onnx_of, path_of
from tatami.see.html import result_html
from tatami.see.text import readable
from tatami.shrink.fold import Folded
from tatami.shrink.fold import fold as fold_network
from tatami.train.run import SETTINGS
from tatami.types.table import Table, numbers, words

_WORDS = {
    "BatchNormalization": "normalize",
    "Mul": "scale",
    "Div": "scale",
    "Add": "bias",
    "Sub": "bias",
}
"""What is folded, by its operator in ONNX."""


@dataclass(frozen=True)
class FoldResult:
    """A folded network, and what became of its normalizations.

    Args:
        path: The ONNX file that was written.
        records: One a convolution, or a normalization that became one of its own.
        difference: The worst |difference| of the outputs over their largest |value|, on random
            images.
    """

    path: Path
    records: tuple[Folded, ...]
    difference: float

    @property
    def skipped(self) -> Mapping[str, int]:
        """Nothing: folding looks at no set."""
        return {}

    @property
    def alone(self) -> tuple[Folded, ...]:
        """The normalizations that became depthwise convolutions of their own."""
        return tuple(record for record in self.records if record.alone)

    @property
    def joined(self) -> tuple[Folded, ...]:
        """The convolutions that took something up."""
        return tuple(record for record in self.records if not record.alone)

    def to_json(self) -> dict[str, Any]:
        """Give the result as plain values."""
        return {
            "output": str(self.path),
            "folded": [
                {**asdict(record), "epsilon": record.epsilon and str(record.epsilon)}
                for record in self.records
            ],
            "depthwise": len(self.alone),
            "operations": sum(record.operations for record in self.records),
            "worst_relative_difference": self.difference,
        }

    def tables(self) -> list[Table]:
        """Lay out what was folded into each convolution; nothing where there is none."""
        if not self.joined:
            return []
        columns = (
            words("layer", flexible=True),
            words("folded in"),
            *numbers("epsilon", "largest |scale|", "operations removed"),
        )
        rows = tuple(
            (
                readable(record.conv),
                " => ".join(_WORDS[node.split(" ", 1)[0]] for node in record.nodes),
                "-" if record.epsilon is None else str(record.epsilon),
                f"{record.largest_scale:.4g}",
                f"{record.operations:,}",
            )
            for record in self.joined
        )
        return [Table(columns, rows)]

    def lines(self) -> list[str]:
        """Say how much was folded, what it changed and where it is."""
        joined, alone = self.joined, self.alone
        total = sum(record.operations for record in joined)
        lines = [
            f"{len(joined)} convolutions folded, {total:,} operations a picture removed"
            if joined
            else "nothing to fold: no convolution is followed by normalization"
        ]
        if alone:
            more = f", and {len(alone) - 1} more for such a reason" if len(alone) > 1 else ""
            lines.append(
                f"{len(alone)} normalizations became depthwise convolutions of their own: "
                f"{readable(alone[0].alone)}{more}"
            )
        lines.append(f"worst relative difference on random input: {self.difference:.2e}")
        return [*lines, f"wrote {self.path}"]

    def _repr_html_(self) -> str:
        """Show the tables and lines in a notebook."""
        return result_html(self.tables(), self.lines())


def fold(
    network: Source,
    out: str | Path | None = None,
    *,
    epsilon: Epsilon | str | None = None,
    depthwise: bool | None = None,
) -> FoldResult:
    """Fold normalization, scale and bias into the convolutions before them.

    Args:
        network: An ONNX file, or the run folder that holds it.
        out: The file to write; None: NAME-folded.onnx beside it.
        epsilon: Use this one and not the nodes' own: "1e-5", or "darknet:1e-6", which is added to
            the square root.
        depthwise: Make a normalization that no convolution can take up a convolution of its own,
            or refuse it; None: the first in networks of Tatami's, the second in others.

    Raises:
        TatamiError: For a file that cannot be read, and for what cannot be folded.
    """
    path = path_of(network)
    file = network_file(path) if (path / SETTINGS).is_file() else onnx_of(path)
    chosen = Epsilon.parse(epsilon) if isinstance(epsilon, str) else epsilon
    target = file.with_name(f"{file.stem}-folded.onnx") if out is None else Path(out)
    unfolded = graph.read(file)
    folded, records = fold_network(unfolded, chosen, depthwise)
    difference = _difference(unfolded, folded)
    graph.write(folded, target)
    return FoldResult(target, tuple(records), difference)


def _difference(unfolded: Network, folded: Network) -> float:
    """Measure the worst |difference| of the outputs over their largest |value|, at random."""
    shape = shape_of(unfolded.graph.inputs[0])
    images = np.random.default_rng(0).random(shape, np.float32)
    before, after = graph.values(unfolded, images), graph.values(folded, images)
    worst = 0.0
    for output in unfolded.graph.outputs:
        expected, got = before[str(output.name)], after[str(output.name)]
        scale = float(np.abs(expected).max()) or 1.0
        worst = max(worst, float(np.abs(got - expected).max()) / scale)
    return worst
