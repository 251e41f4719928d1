"""Which nodes of a float network become integers, and what belongs together.

A layer with weights takes the activation behind it into its sum. A function of one number
(graph/functions.py) is rounded at its end alone. A sum or a product of two values is integer where
something needs its result as bytes; what only leads to an output stays float.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from tatami.graph.attributes import constant, label
from tatami.graph.functions import SAMPLEWISE, FunctionOfOne, functions_of, slopes_of, varying
from tatami.graph.linear import bias_after
from tatami.graph.network import shape_of
from tatami.graph.operators.row import Role
from tatami.graph.operators.table import OPERATORS
from tatami.program.lower_attention import (
    UNSEEN,
    chooses,
    multiplies,
    norm_after,
    softmax_of,
    takes_rows,
)
from tatami.program.lower_samples import PAIRS

SAME_RANGE: tuple[Role, ...] = ("orders", "moves")
"""They move samples, or take means of them: all of their values share one range."""
CLAMPS = ("Relu", "Clip")
"""Activations that are no more than the bounds of the bytes behind them."""


@dataclass(frozen=True)
class Choice:
    """Say what becomes of each node.

    Args:
        integer: The nodes that become integer, in order.
        sums: Those with weights.
        joined: Those that the sum before takes with it.
        parts: The functions of one number, by their first nodes.
        inside: The nodes of these.
        summed: The sums of a layer and what it is added to that the normalization behind takes with
            it, each with the layer.
    """

    integer: tuple[ir.Node, ...]
    sums: frozenset[ir.Node]
    joined: frozenset[ir.Node]
    parts: Mapping[ir.Node, FunctionOfOne]
    inside: frozenset[ir.Node]
    summed: Mapping[ir.Node, ir.Node]


def role_of(node: ir.Node) -> Role:
    """Give the role of a node's operator in 8 bits."""
    return OPERATORS[node.op_type].role


def choose(graph: ir.Graph, kept: Collection[str] = (), pairs_everywhere: bool = False) -> Choice:
    """Choose the nodes that become integer.

    Args:
        graph: The float network.
        kept: The names of layers that stay float.
        pairs_everywhere: Whether a sum takes only those activations with it that clamp, as every
            reader of QDQ files does; others are rounded to bytes on both sides.
    """
    sums = {node for node in graph if _is_sum(node) and label(node) not in kept}
    biases = {add for node in sums if (add := bias_after(node)) is not None}
    joined = biases | {
        node
        for node in graph
        if _joins(node, sums | biases, slopes=True)
        and (node.op_type in CLAMPS or not pairs_everywhere)
    }
    inside = {node for part in functions_of(graph, joined) for node in part.nodes}
    pairs = {node for node in graph if _is_pair(node) and node not in inside}
    pairs -= biases
    products = {node for node in graph if multiplies(node)}
    joined |= {node for node in graph if _joins(node, pairs | products, slopes=False)}
    parts = functions_of(graph, joined)
    ends = {part.last: part for part in parts}
    inside = {node for part in parts for node in part.nodes}
    outwards = _outwards(graph)
    before_norms = {_maker(norm): node for node in sums if (norm := norm_after(node)) is not None}
    summed: dict[ir.Node, ir.Node] = {}
    chosen: set[ir.Node] = set()
    for node in reversed(list(graph)):
        read = any(use.node in chosen for use in node.outputs[0].uses())
        if node in before_norms and read:
            chosen.add(node)
            summed[node] = before_norms[node]
            continue
        softmax = softmax_of(node)
        if node.op_type == "Softmax":  # any other stays float
            read = any(use.node in products & chosen for use in node.outputs[0].uses())
            read = read and _scored_by(node) in products
        if _needs_reader(node) or node in products:
            if read:
                chosen.add(node)
            continue
        if softmax is not None:
            if softmax in chosen:
                chosen.add(node)
            continue
        if node in outwards or not _is_real(node):
            continue
        if node in inside:
            part = ends.get(node)
            if part is not None and _is_function(part, read):
                chosen.update(part.nodes)
        elif node in joined:
            maker = _maker(node)
            if maker in sums | biases or read or (maker is not None and maker.op_type == "Add"):
                chosen.add(node)
        elif node in sums or (node in pairs and (read or node.op_type == "Add")):  # noqa: SIM114
            chosen.add(node)
        elif (
            role_of(node) in ("orders", "moves", "steps")
            and node.op_type not in SAMPLEWISE
            and not (node.op_type == "Resize" and not node.outputs[0].uses())  # means as they are
        ):
            chosen.add(node)
    return Choice(
        tuple(node for node in graph if node in chosen),
        frozenset(sums & chosen),
        frozenset(joined | set(summed)),
        {part.nodes[0]: part for part in parts if part.last in chosen},
        frozenset(inside),
        summed,
    )


def _is_sum(node: ir.Node) -> bool:
    return role_of(node) == "sum" and constant(node, 1) is not None


def _is_pair(node: ir.Node) -> bool:
    """Tell whether a node may be a step of two values that change, or of one and a constant map."""
    return (
        node.op_type in PAIRS
        and role_of(node) == "steps"
        and len(node.inputs) == 2
        and (len(varying(node)) == 2 or constant_map(node) is not None)
    )


def constant_map(node: ir.Node) -> int | None:
    """Say which input of an Add, Sub or Mul is a constant with as many samples as the result.

    Of a number, or a number a channel, the node is a function of one number; it is no such map.
    """
    result = node.outputs[0]
    if node.op_type not in ("Add", "Mul", "Sub") or len(node.inputs) != 2 or result.shape is None:
        return None
    sides = shape_of(result)
    for index in range(2):
        array = constant(node, index)
        if array is not None and array.dtype == np.float32 and array.size == math.prod(sides):
            if not np.abs(array).max(initial=0) < -UNSEEN:  # a mask
                return None
            return index if array.size > 1 and _is_map(node, array.shape) else None
    return None


def _is_map(node: ir.Node, sides: tuple[int, ...]) -> bool:
    """Tell whether a constant is no number a channel of a node's result."""
    result = shape_of(node.outputs[0])
    full = (1,) * (len(result) - len(sides)) + sides
    return len(result) < 2 or full != (1, result[1], *(1,) * (len(result) - 2))


def shares_range(node: ir.Node) -> bool:
    """Tell whether the values of a node share one range: it moves samples, or takes means."""
    return role_of(node) in SAME_RANGE or chooses(node)


def _scored_by(softmax: ir.Node) -> ir.Node | None:
    """Find the node that makes what a softmax looks at, but for a mask and factors.

    A mask that is added would be in the range of what is looked at, which bytes cannot hold.
    """
    maker = _maker(softmax)
    if maker is not None and softmax_of(maker) is softmax:
        value = maker.inputs[1]
        maker = None if value is None else value.producer()
    while maker is not None and maker.op_type in ("Mul", "Div") and len(varying(maker)) == 1:
        maker = varying(maker)[0].producer()
    return maker


def _needs_reader(node: ir.Node) -> bool:
    """Tell whether a node becomes integer where its result is needed as bytes, and only there."""
    return (
        chooses(node)
        or takes_rows(node)
        or node.op_type == "Softmax"
        or (node.op_type == "LayerNormalization" and constant(node, 1) is not None)
    )


def _is_real(node: ir.Node) -> bool:
    """Tell whether a node makes real numbers of one that changes."""
    ends = (node.inputs[0] if node.inputs else None, node.outputs[0])
    known = all(value is not None and value.dtype in (None, ir.DataType.FLOAT) for value in ends)
    return known and (node.op_type in SAMPLEWISE or constant(node, 0) is None)


def _is_function(part: FunctionOfOne, read: bool) -> bool:
    """Tell whether a function of one number becomes a table.

    One that is arithmetic alone does only where its result is needed as bytes.
    """
    alone = any(
        role_of(node) == "joins" or (role_of(node) == "steps" and len(node.inputs) == 1)
        for node in part.nodes
    )
    return role_of(part.last) in ("steps", "joins") and (alone or read)


def _maker(node: ir.Node) -> ir.Node | None:
    value = node.inputs[0] if node.inputs else None
    return None if value is None else value.producer()


def _joins(node: ir.Node, makers: Collection[ir.Node], *, slopes: bool) -> bool:
    """Tell whether a node is an activation that alone reads one of these nodes.

    Args:
        node: The node.
        makers: The nodes.
        slopes: Whether these can be requantized by another factor below 0.
    """
    if role_of(node) != "joins" or _maker(node) not in makers:
        return False
    value = node.inputs[0]
    assert value is not None
    if len(value.uses()) > 1 or value.is_graph_output():
        return False
    if node.op_type == "Clip" and len(varying(node)) > 1:
        return False
    if node.op_type in ("LeakyRelu", "PRelu"):
        found = slopes_of(node)
        return slopes and found is not None and bool(((found >= 0) & (found <= 1)).all())
    return True


def _outwards(graph: ir.Graph) -> set[ir.Node]:
    """Find the nodes that only reorder samples for an output."""
    found: set[ir.Node] = set()
    for node in reversed(list(graph)):
        readers = [use.node for use in node.outputs[0].uses()]
        if role_of(node) == "orders" and all(reader in found for reader in readers):
            found.add(node)
    return found
