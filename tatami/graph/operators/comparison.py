"""Comparisons, logic, bits, and choosing between two values."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx_ir as ir

from tatami.graph.attributes import integer, text
from tatami.graph.operators.row import Array, Inputs, Operator, to_shape_of, wrong


def _pair(name: str, of: Callable[[Array, Array], Array]) -> Operator:
    """Make the row of a function of two values, sample by sample."""
    return Operator(name, lambda node, x: np.asarray(of(x[0], x[1])))


def _shift(node: ir.Node, inputs: Inputs) -> Array:
    """Shift bits; by as many as there are, or by less than none, all of them fall out."""
    x, by = np.broadcast_arrays(*inputs)
    bits = 8 * x.dtype.itemsize
    outside = (by < 0) | (by >= bits)
    held = np.where(outside, 0, by).astype(x.dtype)
    if text(node, "direction", "LEFT") == "RIGHT":
        rest = np.where(x < 0, -1, 0).astype(x.dtype)
        return np.asarray(np.where(outside, rest, x >> held))
    unsigned = np.dtype(f"u{x.dtype.itemsize}")
    shifted = (x.astype(unsigned) << held.astype(unsigned)).astype(x.dtype)
    return np.asarray(np.where(outside, x.dtype.type(0), shifted))


def _check_shift(node: ir.Node) -> None:
    if text(node, "direction", "") not in ("LEFT", "RIGHT"):
        raise wrong(node, "shifts neither LEFT nor RIGHT")


def _is_infinite(node: ir.Node, inputs: Inputs) -> Array:
    x = inputs[0]
    up, down = integer(node, "detect_positive", 1), integer(node, "detect_negative", 1)
    return np.asarray((np.isposinf(x) & bool(up)) | (np.isneginf(x) & bool(down)))


def _where_backward(node: ir.Node, inputs: Inputs, y: Array, dy: Array) -> tuple[Array, ...]:
    condition, a, b = inputs
    nothing = dy.dtype.type(0)
    return (
        np.zeros(condition.shape, dy.dtype),
        to_shape_of(a, np.where(condition, dy, nothing)),
        to_shape_of(b, np.where(condition, nothing, dy)),
    )


SAMPLEWISE = True
"""Each place by itself: graph/functions.py looks for functions of one number here."""

ROWS = (
    _pair("And", np.logical_and),
    Operator("BitShift", _shift, check=_check_shift),
    _pair("BitwiseAnd", np.bitwise_and),
    Operator("BitwiseNot", lambda node, x: np.asarray(np.invert(x[0]))),
    _pair("BitwiseOr", np.bitwise_or),
    _pair("BitwiseXor", np.bitwise_xor),
    _pair("Equal", np.equal),
    _pair("Greater", np.greater),
    _pair("GreaterOrEqual", np.greater_equal),
    Operator("IsInf", _is_infinite),
    Operator("IsNaN", lambda node, x: np.asarray(np.isnan(x[0]))),
    _pair("Less", np.less),
    _pair("LessOrEqual", np.less_equal),
    Operator("Not", lambda node, x: np.asarray(np.logical_not(x[0]))),
    _pair("Or", np.logical_or),
    Operator("Where", lambda node, x: np.where(x[0], x[1], x[2]), _where_backward, role="steps"),
    _pair("Xor", np.logical_xor),
)
