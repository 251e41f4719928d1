"""Functions of single samples, and two values sample by sample."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx_ir as ir

from tatami.graph.attributes import constant, real, text
from tatami.graph.operators.row import (
    Array,
    Inputs,
    Operator,
    Role,
    check_constants,
    same_backward,
    to_shape_of,
    wrong,
)
from tatami.ops.activation import clip_backward
from tatami.ops.elementwise import FUNCTIONS, Function


def _divide(node: ir.Node, inputs: Inputs) -> Array:
    """Divide; whole numbers are cut towards zero, as C and ONNX do."""
    a, b = inputs
    if np.issubdtype(a.dtype, np.floating):
        return np.asarray(np.divide(a, b))
    if np.issubdtype(a.dtype, np.unsignedinteger):
        return np.asarray(a // b, a.dtype)
    return np.asarray(np.sign(a) * np.sign(b) * (np.abs(a) // np.abs(b)), a.dtype)


def _bounds(inputs: Inputs) -> tuple[Array | None, Array | None]:
    """Give the bounds of a Clip; None where there is none."""
    low, high = (inputs[i] if i < len(inputs) else None for i in (1, 2))
    return low, high


def _clip(node: ir.Node, inputs: Inputs) -> Array:
    """Clip; where the bounds cross, the upper one holds."""
    x = inputs[0]
    low, high = _bounds(inputs)
    held = x if low is None else np.maximum(x, low.reshape(()))
    return np.asarray(held if high is None else np.minimum(held, high.reshape(())), x.dtype)


def _add_backward(node: ir.Node, inputs: Inputs, y: Array, dy: Array) -> tuple[Array, ...]:
    return to_shape_of(inputs[0], dy), to_shape_of(inputs[1], dy)


def _subtract_backward(node: ir.Node, inputs: Inputs, y: Array, dy: Array) -> tuple[Array, ...]:
    return to_shape_of(inputs[0], dy), to_shape_of(inputs[1], -dy)


def _multiply_backward(node: ir.Node, inputs: Inputs, y: Array, dy: Array) -> tuple[Array, ...]:
    a, b = inputs
    return to_shape_of(a, dy * b), to_shape_of(b, dy * a)


def _divide_backward(node: ir.Node, inputs: Inputs, y: Array, dy: Array) -> tuple[Array, ...]:
    a, b = inputs
    return to_shape_of(a, dy / b), to_shape_of(b, -dy * y / b)


def _clip_backward(node: ir.Node, inputs: Inputs, y: Array, dy: Array) -> tuple[Array, ...]:
    low, high = _bounds(inputs)
    least = -np.inf if low is None else float(low.reshape(()))
    most = np.inf if high is None else float(high.reshape(()))
    return (clip_backward(inputs[0], dy, least, most),)


def _dropout(node: ir.Node, inputs: Inputs) -> Array | tuple[Array, Array]:
    """Give the input; and where it is asked for, what is kept: all of it."""
    x = np.asarray(inputs[0])
    return x if len(node.outputs) == 1 else (x, np.ones(x.shape, np.bool_))


def _check_dropout(node: ir.Node) -> None:
    check_constants(node)
    training, ratio = constant(node, 2), constant(node, 1)
    if training is not None and training.any() and (ratio is None or ratio.any()):
        raise wrong(node, "is in training mode", "export the network in inference mode")


# Functions of one number: a row each of ops/elementwise.py ----------------------------------------


def _row(function: Function) -> Operator:
    """Make the row of a function."""

    def evaluate(node: ir.Node, inputs: Inputs) -> Array:
        return np.asarray(function.of(inputs[0], **parameters_of(node, function)), inputs[0].dtype)

    def backward(node: ir.Node, inputs: Inputs, y: Array, dy: Array) -> tuple[Array, ...]:
        assert function.slope is not None
        slope = function.slope(inputs[0], y, **parameters_of(node, function))
        return (np.asarray(dy * slope, dy.dtype),)

    return Operator(
        function.name,
        evaluate,
        None if function.slope is None else backward,
        role=_ROLES.get(function.name, "steps"),
    )


def parameters_of(node: ir.Node, function: Function) -> dict[str, float]:
    """Read the parameters of a function from its node; Gelu's, a word, as 1 for tanh."""
    if function.name == "Gelu":
        return {"approximate": float(text(node, "approximate", "none") == "tanh")}
    return {name: real(node, name, value) for name, value in function.parameters.items()}


_ROLES: Mapping[str, Role] = {"Relu": "joins", "LeakyRelu": "joins", "Exp": "float"}
"""Of the functions that are no table of bytes: an exponential has no range that bytes hold."""

SAMPLEWISE = True
"""Each place by itself: graph/functions.py looks for functions of one number here."""

ROWS = (
    Operator("Add", lambda node, x: np.add(x[0], x[1]), _add_backward, role="steps"),
    Operator("Clip", _clip, _clip_backward, role="joins", settings=True),
    Operator("Div", _divide, _divide_backward, role="steps"),
    Operator(
        "Dropout",
        _dropout,
        same_backward,
        _check_dropout,
        role="name",
        settings=True,
        outputs=2,
    ),
    Operator("Identity", lambda node, x: np.asarray(x[0]), same_backward, role="name"),
    Operator("Mul", lambda node, x: np.multiply(x[0], x[1]), _multiply_backward, role="steps"),
    Operator("Sub", lambda node, x: np.subtract(x[0], x[1]), _subtract_backward, role="steps"),
    *(_row(function) for function in FUNCTIONS.values()),
)
