"""Arithmetic of two and more values, sample by sample, beside the four operations."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce

import numpy as np
import onnx_ir as ir

from tatami.graph.attributes import integer, real
from tatami.graph.operators.row import Array, Inputs, Operator, to_shape_of
from tatami.ops.activation import sigmoid


def _power(node: ir.Node, inputs: Inputs) -> Array:
    """Raise to a power; the result is of the first's kind, whatever the second is of."""
    x, y = inputs
    if np.issubdtype(x.dtype, np.floating):
        return np.asarray(np.power(x, y.astype(x.dtype)))
    if np.issubdtype(y.dtype, np.integer) and not (y < 0).any():
        return np.asarray(np.power(x, y.astype(x.dtype)), x.dtype)
    return np.asarray(np.power(x.astype(np.float64), y)).astype(x.dtype)


def _power_backward(node: ir.Node, inputs: Inputs, y: Array, dy: Array) -> tuple[Array, ...]:
    x, power = inputs
    power = power.astype(dy.dtype)
    logarithm = np.log(np.where(x > 0, x, 1))  # where x <= 0 the power has no derivative
    return (
        to_shape_of(x, np.asarray(dy * power * np.power(x, power - 1), dy.dtype)),
        to_shape_of(power, np.asarray(dy * y * logarithm, dy.dtype)),
    )


def _remainder(node: ir.Node, inputs: Inputs) -> Array:
    """Divide and keep the rest, of the divisor's sign, or with fmod of the dividend's."""
    of = np.fmod if integer(node, "fmod", 0) else np.mod
    return np.asarray(of(inputs[0], inputs[1]), inputs[0].dtype)


def _several(
    name: str,
    of: Callable[[Array, Array], Array],
    share: Callable[[Inputs, Array, Array], tuple[Array, ...]],
) -> Operator:
    """Make the row of a function of any number of values, taken two by two.

    Args:
        name: The operator.
        of: The function.
        share: Takes the inputs, y and dy; gives what of dy is each input's, of y's shape.
    """

    def backward(node: ir.Node, inputs: Inputs, y: Array, dy: Array) -> tuple[Array, ...]:
        parts = share(inputs, y, dy)
        return tuple(to_shape_of(x, part) for x, part in zip(inputs, parts, strict=True))

    return Operator(name, lambda node, x: np.asarray(reduce(of, x)), backward, role="steps")


def _of_first(inputs: Inputs, y: Array, dy: Array) -> tuple[Array, ...]:
    """Give dy to the first input that is y: the largest or smallest."""
    left = np.ones(y.shape, bool)
    parts = []
    for x in inputs:
        mine = left & (x == y)
        left &= ~mine
        parts.append(np.where(mine, dy, dy.dtype.type(0)))
    return tuple(parts)


def _mean(node: ir.Node, inputs: Inputs) -> Array:
    total = reduce(np.add, inputs)
    return np.asarray(total / total.dtype.type(len(inputs)))


def _mean_backward(node: ir.Node, inputs: Inputs, y: Array, dy: Array) -> tuple[Array, ...]:
    part = np.asarray(dy / dy.dtype.type(len(inputs)))
    return tuple(to_shape_of(x, part) for x in inputs)


def _prelu(node: ir.Node, inputs: Inputs) -> Array:
    x, slope = inputs
    return np.asarray(np.where(x < 0, slope * x, x))


def _prelu_backward(node: ir.Node, inputs: Inputs, y: Array, dy: Array) -> tuple[Array, ...]:
    x, slope = inputs
    return (
        np.where(x > 0, dy, dy * slope),
        to_shape_of(slope, dy * np.minimum(x, x.dtype.type(0))),
    )


def _swiglu(node: ir.Node, inputs: Inputs) -> Array:
    """Gate: N. Shazeer, "GLU Variants Improve Transformer", 2020, equation 6."""
    a, b = inputs
    return np.asarray(a * sigmoid(a.dtype.type(real(node, "alpha", 1.0)) * a) * b, a.dtype)


def _swiglu_backward(node: ir.Node, inputs: Inputs, y: Array, dy: Array) -> tuple[Array, ...]:
    a, b = inputs
    alpha = a.dtype.type(real(node, "alpha", 1.0))
    s = sigmoid(alpha * a)
    return np.asarray(dy * b * s * (1 + alpha * a * (1 - s)), a.dtype), dy * a * s


SAMPLEWISE = True
"""Each place by itself: graph/functions.py looks for functions of one number here."""

ROWS = (
    _several("Max", np.maximum, _of_first),
    Operator("Mean", _mean, _mean_backward, role="steps"),
    _several("Min", np.minimum, _of_first),
    Operator("Mod", _remainder, role="steps"),
    Operator("Pow", _power, _power_backward, role="steps"),
    Operator("PRelu", _prelu, _prelu_backward, role="joins"),
    _several("Sum", np.add, lambda inputs, y, dy: (dy,) * len(inputs)),
    Operator("SwiGLU", _swiglu, _swiglu_backward),
)
