"""A product with a constant matrix, and the Add behind it that is its bias: one layer."""

from __future__ import annotations

import onnx_ir as ir

from tatami.graph.attributes import weight
from tatami.graph.network import shape_of


def bias_after(node: ir.Node) -> ir.Node | None:
    """Find the Add that alone reads a product with a constant matrix, and adds a constant row.

    Args:
        node: Any node.

    Returns:
        The Add; None where there is none, or where it adds anything but a number a column.
    """
    if node.op_type != "MatMul":
        return None
    matrix, value = weight(node, 1), node.outputs[0]
    uses = list(value.uses())
    if matrix is None or matrix.ndim != 2 or len(uses) != 1 or value.is_graph_output():
        return None
    add = uses[0].node
    if add.op_type != "Add" or len(add.inputs) != 2 or value.shape is None:
        return None
    row = weight(add, bias_place(add, node))
    columns, rank = matrix.shape[1], len(shape_of(value))
    if row is None or row.size != columns or row.shape[-1:] != (columns,) or row.ndim > rank:
        return None
    return add


def bias_place(add: ir.Node, product: ir.Node) -> int:
    """Say which input of an Add is the bias of a product."""
    return 1 if add.inputs[0] is product.outputs[0] else 0
