"""Compute what does not depend on the images: the exporter's chains, and weights made of others."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from tatami.graph.attributes import constant, integer


def fold_constants(model: ir.Model) -> None:
    """Replace Shape, Expand, CastLike, Cast, Concat, MatMul and Reshape of constants.

    torch's exporter gives a convolution without bias a zero bias that the file computes:
    Expand(CastLike(0, x), Shape(weight)), and writes the shape of a Reshape as a Concat of its
    sides. LeNet-5 puts its kernels in their places by a product.
    Pre: constants are initializers (lift_constants).
    Post: they are initializers, none of the seven is left where its inputs are constant, and values
    have the same names.
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
    """Compute the node's output where it is constant; None where it is not."""
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
    if node.op_type == "Concat":
        parts = [constant(node, index) for index in range(len(node.inputs))]
        known = [part for part in parts if part is not None]
        return np.concatenate(known, integer(node, "axis", 0)) if len(known) == len(parts) else None
    if node.op_type in ("MatMul", "Reshape"):
        other = constant(node, 1)
        if other is None:
            return None
        if node.op_type == "MatMul":
            return np.asarray(given @ other)
        if integer(node, "allowzero", 0) == 0:
            other = np.where(other == 0, [*given.shape, *other][: len(other)], other)
        return given.reshape([int(side) for side in other])
    if node.op_type == "Cast":
        return given.astype(ir.DataType(integer(node, "to", 1)).numpy())
    return None
