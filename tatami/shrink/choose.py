"""Which nodes of a float network become integers, and what belongs together.

A layer with weights takes the activation behind it into its sum. A function of one number
(graph/functions.py) is rounded at its end alone. A sum or a product of two values is integer where
something needs its result as bytes; what only leads to an output stays float.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import onnx_ir as ir

from tatami.graph.attributes import constant, label
from tatami.graph.functions import SAMPLEWISE, FunctionOfOne, functions_of, slopes_of, varying
from tatami.graph.operators.row import Role
from tatami.graph.operators.table import OPERATORS
from tatami.program.lower_samples import PAIRS


@dataclass(frozen=True)
class Choice:
    """Say what becomes of each node.

    Args:
        integer: The nodes that become integer, in order.
        sums: Those with weights.
        joined: Those that the sum before takes with it.
        parts: The functions of one number, by their first nodes.
        inside: The nodes of these.
    """

    integer: tuple[ir.Node, ...]
    sums: frozenset[ir.Node]
    joined: frozenset[ir.Node]
    parts: Mapping[ir.Node, FunctionOfOne]
    inside: frozenset[ir.Node]


def role_of(node: ir.Node) -> Role:
    """Give the role of a node's operator in 8 bits."""
    return OPERATORS[node.op_type].role


def choose(graph: ir.Graph, kept: Collection[str] = ()) -> Choice:
    """Choose the nodes that become integer.

    Args:
        graph: The float network.
        kept: The names of layers that stay float.
    """
    sums = {node for node in graph if _is_sum(node) and label(node) not in kept}
    joined = {node for node in graph if _joins(node, sums, slopes=True)}
    inside = {node for part in functions_of(graph, joined) for node in part.nodes}
    pairs = {node for node in graph if _is_pair(node) and node not in inside}
    joined |= {node for node in graph if _joins(node, pairs, slopes=False)}
    parts = functions_of(graph, joined)
    ends = {part.last: part for part in parts}
    inside = {node for part in parts for node in part.nodes}
    outwards = _outwards(graph)
    chosen: set[ir.Node] = set()
    for node in reversed(list(graph)):
        read = any(use.node in chosen for use in node.outputs[0].uses())
        if node in outwards or not _is_real(node):
            continue
        if node in inside:
            part = ends.get(node)
            if part is not None and _is_function(part, read):
                chosen.update(part.nodes)
        elif node in joined:
            maker = _maker(node)
            if maker in sums or read or (maker is not None and maker.op_type == "Add"):
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
        frozenset(joined),
        {part.nodes[0]: part for part in parts if part.last in chosen},
        frozenset(inside),
    )


def _is_sum(node: ir.Node) -> bool:
    return role_of(node) == "sum" and constant(node, 1) is not None


def _is_pair(node: ir.Node) -> bool:
    """Tell whether a node may be a step of two values that change."""
    return (
        node.op_type in PAIRS
        and role_of(node) == "steps"
        and len(varying(node)) == len(node.inputs) == 2
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
