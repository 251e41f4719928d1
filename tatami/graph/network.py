"""The network that passes between stages: a standard ONNX model and what is needed to use it."""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from tatami.errors import TatamiError
from tatami.types import Spec


@dataclass(frozen=True)
class Network:
    """A standard ONNX model and what is needed to use it.

    After graph.read it has one float32 input, static shapes everywhere, only operators of the table
    in graph/operators.py, weights that are finite and fit, and constants held as initializers. A
    stage that changes a network works on ``model.clone()`` and gives a new Network.

    Args:
        model: ONNX as onnx_ir holds it.
        spec: What the network is for; None for a file that another program wrote.
    """

    model: ir.Model
    spec: Spec | None

    @property
    def graph(self) -> ir.Graph:
        """The model's graph."""
        return self.model.graph


def shape_of(value: ir.Value) -> tuple[int, ...]:
    """Give a value's static shape; graph.read has made sure that it has one.

    Raises:
        TatamiError: Where it has none, while graph.read makes sure.
    """
    if value.shape is None or not value.shape.is_static():
        raise TatamiError(
            f"value '{value.name}' has no fixed shape ({value.shape})",
            hint="export the network for one input size and a batch of 1",
        )
    return tuple(int(side) for side in value.shape.numpy())
