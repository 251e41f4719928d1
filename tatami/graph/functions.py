"""Parts of a network that are a function of one number: x * sigmoid(x) as nodes, and their like.

A node of a family of samples (graph/operators/elementwise.py and its kin) looks at each place of
its inputs by itself. Where several of them in a row see one value that changes and constants of one
number beside it, or of one number a channel, all of them together are a function of one number:
SiLU is Sigmoid and Mul, Mish is Softplus, Tanh and Mul, a hard swish is Add, Clip, Mul and Div. In
8 bits such a part is one table, and nothing is rounded inside.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from tatami.graph.attributes import real, weight
from tatami.graph.network import shape_of
from tatami.graph.operators.row import Array
from tatami.graph.operators.table import FAMILIES, OPERATORS
from tatami.types import Float64

SAMPLEWISE = frozenset(
    row.name for family in FAMILIES if getattr(family, "SAMPLEWISE", False) for row in family.ROWS
)
"""Operators that look at each place of their inputs by itself: those of families that say so."""


@dataclass(frozen=True)
class FunctionOfOne:
    """Hold a part of a network that is a function of one number.

    Args:
        source: The value that changes.
        nodes: What is computed, in order; the last one makes the result.
        channels: How many functions there are: 1, or one a channel where constants differ.
    """

    source: ir.Value
    nodes: tuple[ir.Node, ...]
    channels: int

    @property
    def last(self) -> ir.Node:
        """The node that makes the result."""
        return self.nodes[-1]

    @property
    def result(self) -> ir.Value:
        """The result."""
        return self.last.outputs[0]

    def of(self, x: Float64) -> Float64:
        """Compute the function of numbers, in float64, by the rows of its nodes.

        Args:
            x: (n,).

        Returns:
            (channels, n).
        """
        wide = np.repeat(np.asarray(x, np.float64)[:, None], self.channels, axis=1)
        known: dict[ir.Value, Array] = {self.source: wide}
        for node in self.nodes:
            given = [_given(node, place, known) for place in range(len(node.inputs))]
            with np.errstate(all="ignore"):  # what is infinite or no number is the table's affair
                found = OPERATORS[node.op_type].evaluate(node, given)
            known[node.outputs[0]] = found[0] if isinstance(found, tuple) else found
        y = np.broadcast_to(known[self.result], wide.shape)
        return np.ascontiguousarray(y.T, np.float64)


def _given(node: ir.Node, place: int, known: dict[ir.Value, Array]) -> Array | None:
    """Give an input of a node: what is known, or a constant, a number a channel at most."""
    value = node.inputs[place]
    if value is None or not value.name:
        return None
    if value in known:
        return known[value]
    array = weight(node, place)
    assert array is not None
    flat = array.reshape(() if array.size == 1 else -1)
    return flat.astype(np.float64) if np.issubdtype(flat.dtype, np.floating) else flat


def functions_of(graph: ir.Graph, apart: Collection[ir.Node] = ()) -> list[FunctionOfOne]:
    """Find the parts of a graph that are a function of one number, each as large as it can be.

    No value inside one is read by anything outside, and none is in two.

    Args:
        graph: The graph.
        apart: Nodes that are no part of any: the sum before takes them with it.

    Returns:
        In the order of their last nodes.
    """
    nodes = [
        node
        for node in graph
        if node.op_type in SAMPLEWISE and node not in apart and len(node.outputs) == 1
    ]
    ends: set[ir.Value] = set()  # results that others read as a value of its own
    while True:
        sources = _sources(nodes, ends)
        found = [
            _part(value, sources, ends, nodes)
            for value in sources
            if value in ends or not any(_inside(value, sources))
        ]
        count: dict[ir.Node, int] = {}
        for part in found:
            for node in part:
                count[node] = count.get(node, 0) + 1
        new = {
            value
            for value in sources
            if value not in ends and any(_inside(value, sources)) and not _closed(value, sources)
        }
        new |= {node.outputs[0] for node, times in count.items() if times > 1}
        if not new - ends:
            break
        ends |= new
    parts = [
        FunctionOfOne(sources[part[-1].outputs[0]], part, max(map(_channels, part)))
        for part in found
    ]
    return [part for part in parts if _real(part.source) and _real(part.result)]


def slopes_of(node: ir.Node) -> Array | None:
    """Read by what a leaky ReLU multiplies below 0: (1,), or (channels,) of a PRelu.

    Returns:
        None for anything else.
    """
    if node.op_type == "LeakyRelu":
        return np.array([real(node, "alpha", 0.01)], np.float32)
    if node.op_type != "PRelu" or _channels(node) == 0:
        return None
    array = weight(node, 1)
    return None if array is None else np.asarray(array, np.float32).reshape(-1)


def varying(node: ir.Node) -> list[ir.Value]:
    """List the inputs of a node that are no constants."""
    return [
        value
        for place, value in enumerate(node.inputs)
        if value is not None and value.name and weight(node, place) is None
    ]


def _sources(nodes: list[ir.Node], ends: Collection[ir.Value]) -> dict[ir.Value, ir.Value]:
    """Find of which single value each result is a function."""
    sources: dict[ir.Value, ir.Value] = {}
    for node in nodes:
        values, output = varying(node), node.outputs[0]
        seen = {value if value in ends else sources.get(value, value) for value in values}
        same = all(_sides(value) == _sides(output) is not None for value in values)
        if len(seen) == 1 and same and _channels(node):
            sources[output] = seen.pop()
    return sources


def _inside(value: ir.Value, sources: dict[ir.Value, ir.Value]) -> Iterator[bool]:
    """Say of each reader whether it is a function of the same value."""
    for use in value.uses():
        yield sources.get(use.node.outputs[0]) in (sources[value], value)


def _closed(value: ir.Value, sources: dict[ir.Value, ir.Value]) -> bool:
    """Tell whether only functions of the same value read it."""
    return not value.is_graph_output() and all(_inside(value, sources))


def _part(
    result: ir.Value,
    sources: dict[ir.Value, ir.Value],
    ends: Collection[ir.Value],
    nodes: list[ir.Node],
) -> tuple[ir.Node, ...]:
    """Collect the nodes between a result and its source."""
    wanted, seen = [result], set()
    while wanted:
        node = wanted.pop().producer()
        assert node is not None
        if node in seen:
            continue
        seen.add(node)
        source = sources[result]
        wanted += [value for value in varying(node) if value is not source and value not in ends]
    return tuple(node for node in nodes if node in seen)


def _channels(node: ir.Node) -> int:
    """Count the numbers that a node's constants have: 1, one a channel, or 0 for anything else."""
    sides = _sides(node.outputs[0])
    found = 1
    for place in range(len(node.inputs)):
        array = weight(node, place)
        if array is None or array.size == 1:
            continue
        if sides is None or len(sides) < 2 or sides[0] != 1 or array.ndim > len(sides):
            return 0
        full = (1,) * (len(sides) - array.ndim) + array.shape
        if full != (1, sides[1], *(1,) * (len(sides) - 2)):
            return 0
        found = sides[1]
    return found


def _sides(value: ir.Value) -> tuple[int, ...] | None:
    return None if value.shape is None else shape_of(value)


def _real(value: ir.Value) -> bool:
    return value.dtype in (None, ir.DataType.FLOAT)
