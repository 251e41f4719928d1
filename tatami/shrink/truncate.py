"""Truncated SVD: a fully connected layer as two smaller ones.

R. Girshick, "Fast R-CNN", ICCV 2015, section 3.1: W (u, v) is about U S V^T with the t largest
singular values alone. One layer computes S V^T (t, v), without a bias, the next U (u, t), with the
layer's own: t (u + v) multiply-adds in place of u v. With 1,024 of fc6's and 256 of fc7's, as the
paper keeps, VGG-16's two cost 32.0 M in place of 119.5 M.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from tatami.errors import TatamiError
from tatami.graph.attributes import constant, integer
from tatami.graph.network import Network, shape_of
from tatami.graph.passes.drop_identity import drop_unused
from tatami.types import Float32, Float64


@dataclass(frozen=True)
class Truncated:
    """What became of a fully connected layer.

    Args:
        layer: The name of what it computes.
        inputs: How many inputs it has, v.
        outputs: How many outputs it has, u.
        kept: How many singular values are left, t.
        lost: The share of the weights' Euclidean norm that is gone, in [0, 1].
    """

    layer: str
    inputs: int
    outputs: int
    kept: int
    lost: float

    @property
    def before(self) -> int:
        """Multiply-adds of a sample before."""
        return self.inputs * self.outputs

    @property
    def after(self) -> int:
        """Multiply-adds of a sample now."""
        return self.kept * (self.inputs + self.outputs)


def layers(network: Network) -> dict[str, tuple[int, int]]:
    """List the fully connected layers by the name of what they compute: (inputs, outputs)."""
    return {
        str(node.outputs[0].name): (weight.shape[1], weight.shape[0])
        for node in network.graph
        if node.op_type == "Gemm" and (weight := _weight(node)) is not None
    }


def truncate(network: Network, kept: Mapping[str, int]) -> tuple[Network, list[Truncated]]:
    """Keep only some singular values of fully connected layers.

    Args:
        network: The network, which is left as it is.
        kept: How many to keep, by the names that ``layers`` gives.

    Returns:
        The network, and what became of each layer.

    Raises:
        TatamiError: For a layer that there is not, and a number that its sides do not allow.
    """
    known = layers(network)
    for name, count in kept.items():
        if name not in known:
            raise TatamiError(
                f"no fully connected layer '{name}'", hint=f"there are {', '.join(known)}"
            )
        if not 1 <= count <= min(known[name]):
            raise TatamiError(
                f"'{name}' cannot keep {count} singular values",
                hint=f"give 1 to {min(known[name])}",
            )
    model = network.model.clone()
    records = []
    for node in list(model.graph):
        name = str(node.outputs[0].name)
        if name in kept:
            records.append(_split(model.graph, node, kept[name]))
    drop_unused(model)
    spec = network.spec
    if spec is not None and records:
        note = ", ".join(f"{one.layer} to {one.kept}" for one in records)
        spec = spec.changed(provenance={**spec.provenance, "truncated": note})
    return Network(model, spec), records


def _weight(node: ir.Node) -> Float32 | None:
    """Give the weights (outputs, inputs) of a Gemm that is a plain layer; None of any other."""
    plain = all(
        node.attributes[name].value == 1.0 for name in ("alpha", "beta") if name in node.attributes
    )
    weight = constant(node, 1)
    if weight is None or not plain or integer(node, "transA", 0):
        return None
    return weight if integer(node, "transB", 0) else weight.T


def _split(graph: ir.Graph, node: ir.Node, kept: int) -> Truncated:
    weight = _weight(node)
    assert weight is not None
    u, s, v = np.linalg.svd(weight.astype(np.float64), full_matrices=False)
    name, rows = str(node.outputs[0].name), shape_of(node.outputs[0])[0]
    between = ir.Value(
        name=f"{name}/truncated",
        type=ir.TensorType(ir.DataType.FLOAT),
        shape=ir.Shape((rows, kept)),
    )
    first = ir.Node(
        "",
        "Gemm",
        [node.inputs[0], _new(graph, f"{name}.first", s[:kept, None] * v[:kept])],
        [ir.AttrInt64("transB", 1)],
        outputs=[between],
        name=f"{name}/truncated",
    )
    graph.insert_before(node, first)
    node.replace_input_with(0, between)
    node.replace_input_with(1, _new(graph, f"{name}.second", u[:, :kept]))
    node.attributes["transB"] = ir.AttrInt64("transB", 1)
    lost = float(np.sqrt((s[kept:] ** 2).sum() / max((s**2).sum(), 1e-300)))
    return Truncated(name, weight.shape[1], weight.shape[0], kept, lost)


def _new(graph: ir.Graph, name: str, array: Float64) -> ir.Value:
    tensor = ir.Tensor(np.ascontiguousarray(array, np.float32), name=name)
    value = ir.Value(name=name, const_value=tensor)
    value.dtype, value.shape = tensor.dtype, tensor.shape
    graph.register_initializer(value)
    return value
