"""The network that passes between stages: a standard ONNX model and what is needed to use it."""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from tatami.types import Spec


@dataclass(frozen=True)
class Network:
    """model: ONNX as onnx_ir holds it.  spec: None for a file that another program wrote.

    After graph.read: one float32 input, static shapes everywhere, only operators of the table in
    graph/operators.py, weights finite and fitting, constants held as initializers.
    A stage that changes a network works on ``model.clone()`` and gives a new Network.
    """

    model: ir.Model
    spec: Spec | None

    @property
    def graph(self) -> ir.Graph:
        return self.model.graph


def shape_of(value: ir.Value) -> tuple[int, ...]:
    """A value's static shape; graph.read has made sure that it has one."""
    assert value.shape is not None, f"{value.name} has no shape"
    return tuple(int(side) for side in value.shape.numpy())
