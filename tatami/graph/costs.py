"""What every layer of a network costs, as ops/counting.py counts it. Nothing is run.

Values lie in memory as QuantizeLinear and DequantizeLinear say: between the two they are bytes.
"""

from __future__ import annotations

from collections.abc import Iterable

import onnx_ir as ir

from tatami.graph.attributes import integer, label
from tatami.graph.network import Network, shape_of
from tatami.graph.operators.matrix import letters_at
from tatami.ops.counting import KINDS as KINDS
from tatami.ops.counting import PRODUCTS, Node, Value, count
from tatami.ops.counting import Cost as Cost
from tatami.ops.counting import kind_of as kind_of
from tatami.ops.counting import total as total


def costs(network: Network) -> tuple[Cost, ...]:
    """List the layers of a network and their costs, in the order in which they run.

    Args:
        network: Folded, quantized or neither.
    """
    return count(_plain(network.graph))


def _plain(nodes: Iterable[ir.Node]) -> list[Node]:
    """Give the nodes and values as ops/counting.py takes them."""
    values: dict[ir.Value, Value] = {}

    def plain(value: ir.Value) -> Value:
        if value not in values:
            values[value] = Value(
                str(value.name),
                shape_of(value),
                _item(value),
                stored=value.const_value is not None,
                is_input=value.is_graph_input(),
                is_output=value.is_graph_output(),
            )
        return values[value]

    return [
        Node(
            node.op_type,
            tuple(None if value is None else plain(value) for value in node.inputs),
            tuple(plain(value) for value in node.outputs if value.name),
            0 if integer(node, "transA", 0) else 1,
            label(node),
            letters_at(node).products if node.op_type == "Einsum" else 0,
        )
        for node in nodes
    ]


def products_of(node: ir.Node) -> int:
    """Count the products that a node adds up; 0 for one that is no sum of products."""
    found = PRODUCTS.get(node.op_type)
    return 0 if found is None else found(_plain([node])[0])


def _item(value: ir.Value) -> int:
    """Bytes of one sample; where a pool's largest one lay is the number of a tap, a byte."""
    if value.dtype == ir.DataType.INT64:
        return 1
    return 4 if value.dtype is None else max(1, int(value.dtype.itemsize))
