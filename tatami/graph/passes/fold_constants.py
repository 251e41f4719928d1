"""Compute what does not depend on the images: the exporter's Shape, Expand and CastLike chains."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from tatami.graph.attributes import constant, integer


def fold_constants(model: ir.Model) -> None:
    """Replace Shape, Expand, CastLike and Cast of constants by initializers.

    torch's exporter gives a convolution without bias a zero bias that the file computes:
    Expand(CastLike(0, x), Shape(weight)). Pre: constants are initializers (lift_constants).
    Post: none of the four is left where its inputs are constant; values have the same names.
    """
    graph = model.graph
    for node in list(graph):
        result = _compute(node)
        if result is None or node.outputs[0].is_graph_output():
            continue
        old = node.outputs[0]
        new = ir.Value(
            name=old.name,
            shape=ir.Shape(result.shape),
            type=ir.TensorType(ir.DataType.from_numpy(result.dtype)),
            const_value=ir.tensor(result, name=old.name),
        )
        old.replace_all_uses_with(new)
        graph.remove(node, safe=True)
        graph.register_initializer(new)


def _compute(node: ir.Node) -> NDArray[Any] | None:
    """The node's output where it is constant, else None."""
    if node.op_type == "Shape":
        value = node.inputs[0]
        if value is None or value.shape is None or not value.shape.is_static():
            return None
        shape = np.array(value.shape.numpy(), np.int64)
        return shape[integer(node, "start", 0) : integer(node, "end", len(shape))]
    given = constant(node, 0)
    if given is None:
        return None
    if node.op_type == "Expand":
        shape_of_result = constant(node, 1)
        if shape_of_result is None:
            return None
        ones = np.ones([int(side) for side in shape_of_result], given.dtype)
        return np.asarray(given * ones)
    if node.op_type == "CastLike":
        like = node.inputs[1]
        if like is None or like.dtype is None:
            return None
        return given.astype(like.dtype.numpy())
    if node.op_type == "Cast":
        return given.astype(ir.DataType(integer(node, "to", 1)).numpy())
    return None
