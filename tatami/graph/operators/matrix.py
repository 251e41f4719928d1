"""Products of matrices."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from tatami.graph.attributes import integer, real
from tatami.graph.network import shape_of
from tatami.graph.operators.row import Array, Inputs, Operator, to_shape_of, value_at, wrong


def _gemm(node: ir.Node, inputs: Inputs) -> Array:
    a = inputs[0].T if integer(node, "transA", 0) else inputs[0]
    b = inputs[1].T if integer(node, "transB", 0) else inputs[1]
    y = np.float32(real(node, "alpha", 1.0)) * (a @ b)
    if len(inputs) > 2 and inputs[2] is not None:
        y = y + np.float32(real(node, "beta", 1.0)) * inputs[2]
    return np.asarray(y, np.float32)


def _check_product(node: ir.Node) -> None:
    ranks = [len(shape_of(value_at(node, index))) for index in (0, 1)]
    if min(ranks) < 2:
        raise wrong(node, "multiplies by a vector", "export it with matrices")


def _gemm_backward(node: ir.Node, inputs: Inputs, y: Array, dy: Array) -> tuple[Array, ...]:
    """Differentiate y = alpha a b + beta c: dy/da is dy b^T and dy/db is a^T dy, times alpha."""
    alpha, beta = np.float32(real(node, "alpha", 1.0)), np.float32(real(node, "beta", 1.0))
    turned_a, turned_b = integer(node, "transA", 0), integer(node, "transB", 0)
    a = inputs[0].T if turned_a else inputs[0]
    b = inputs[1].T if turned_b else inputs[1]
    da, db = alpha * (dy @ b.T), alpha * (a.T @ dy)
    found = (da.T if turned_a else da, db.T if turned_b else db)
    if len(inputs) > 2 and inputs[2] is not None:
        return (*found, to_shape_of(inputs[2], beta * dy))
    return found


def _matmul_backward(node: ir.Node, inputs: Inputs, y: Array, dy: Array) -> tuple[Array, ...]:
    a, b = inputs
    da, db = dy @ np.swapaxes(b, -1, -2), np.swapaxes(a, -1, -2) @ dy
    return to_shape_of(a, da), to_shape_of(b, db)


ROWS = (
    Operator("Gemm", _gemm, _gemm_backward, role="sum"),
    Operator(
        "MatMul",
        lambda node, x: np.asarray(x[0] @ x[1], np.float32),
        _matmul_backward,
        _check_product,
        role="sum",
    ),
)
