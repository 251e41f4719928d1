"""Products of matrices, of values of any rank."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from tatami.errors import TatamiError
from tatami.graph.attributes import integer, real, text
from tatami.graph.network import shape_of
from tatami.graph.operators.row import Array, Inputs, Operator, to_shape_of, value_at, wrong
from tatami.ops.matrix import Letters, determinant, einsum, letters_of, matmul_backward


def _gemm(node: ir.Node, inputs: Inputs) -> Array:
    a = inputs[0].T if integer(node, "transA", 0) else inputs[0]
    b = inputs[1].T if integer(node, "transB", 0) else inputs[1]
    y = np.float32(real(node, "alpha", 1.0)) * (a @ b)
    if len(inputs) > 2 and inputs[2] is not None:
        y = y + np.float32(real(node, "beta", 1.0)) * inputs[2]
    return np.asarray(y, inputs[0].dtype)


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


def _matmul(node: ir.Node, inputs: Inputs) -> Array:
    return np.asarray(np.matmul(inputs[0], inputs[1]), inputs[0].dtype)


def _matmul_backward(node: ir.Node, inputs: Inputs, y: Array, dy: Array) -> tuple[Array, ...]:
    a, b = inputs
    da, db = matmul_backward(a, b, dy)
    return to_shape_of(a, da), to_shape_of(b, db)


def _integer_matmul(node: ir.Node, inputs: Inputs) -> Array:
    a, b = (each.astype(np.int64) for each in inputs[:2])
    if len(inputs) > 2 and inputs[2] is not None:
        zero = inputs[2].astype(np.int64)
        a = a - (zero[:, None] if zero.ndim == 1 and zero.size > 1 else zero)
    if len(inputs) > 3 and inputs[3] is not None:
        b = b - inputs[3].astype(np.int64)
    return np.asarray(a @ b, np.int32)


def letters_at(node: ir.Node) -> Letters:
    """Read the equation of an Einsum."""
    shapes = [shape_of(value_at(node, index)) for index in range(len(node.inputs))]
    return letters_of(text(node, "equation", ""), shapes)


def _einsum(node: ir.Node, inputs: Inputs) -> Array:
    return einsum(letters_at(node), inputs)


def _check_einsum(node: ir.Node) -> None:
    try:
        letters_at(node)
    except TatamiError as error:
        raise wrong(node, f"cannot be read: {error.reason}") from None


ROWS = (
    Operator("Det", lambda node, x: determinant(x[0])),
    Operator("Einsum", _einsum, None, _check_einsum),
    Operator("Gemm", _gemm, _gemm_backward, role="sum"),
    Operator("MatMul", _matmul, _matmul_backward, role="sum"),
    Operator("MatMulInteger", _integer_matmul),
)
