"""The table of operators: what Tatami reads, and how tatami.ops runs each.

A function here takes a node and its inputs' arrays (None for an input left out) and gives its one
output. To support another operator, write it in tatami/ops, add a line here and, where its weights
can fail to fit, a rule in graph/check.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from tatami.graph.attributes import integer, pad_widths, real, text, window_of
from tatami.ops.activation import clip, leaky_relu, relu, sigmoid
from tatami.ops.conv import convolve
from tatami.ops.norm import batch_normalize
from tatami.ops.pad import PadMode, pad
from tatami.ops.pool import average_pool, max_pool

Array = NDArray[Any]
Inputs = Sequence[Any]  # arrays; Any, so that each function states what it takes
Evaluate = Callable[[ir.Node, Inputs], Array]


def _conv(node: ir.Node, inputs: Inputs) -> Array:
    bias = inputs[2] if len(inputs) > 2 else None
    return convolve(inputs[0], inputs[1], bias, window_of(node), integer(node, "group", 1))


def _batch_normalization(node: ir.Node, inputs: Inputs) -> Array:
    x, scale, bias, mean, variance = inputs
    return batch_normalize(x, scale, bias, mean, variance, real(node, "epsilon", 1e-5))


def _max_pool(node: ir.Node, inputs: Inputs) -> Array:
    return max_pool(inputs[0], window_of(node))


def _average_pool(node: ir.Node, inputs: Inputs) -> Array:
    count_padding = bool(integer(node, "count_include_pad", 0))
    return average_pool(inputs[0], window_of(node), count_padding)


def _leaky_relu(node: ir.Node, inputs: Inputs) -> Array:
    return leaky_relu(inputs[0], real(node, "alpha", 0.01))


def _clip(node: ir.Node, inputs: Inputs) -> Array:
    low, high = (inputs[i] if i < len(inputs) else None for i in (1, 2))
    return clip(
        inputs[0],
        -np.inf if low is None else float(low),
        np.inf if high is None else float(high),
    )


def _pad(node: ir.Node, inputs: Inputs) -> Array:
    value = inputs[2] if len(inputs) > 2 else None
    mode = cast("PadMode", text(node, "mode", "constant"))
    return pad(inputs[0], pad_widths(node), mode, 0.0 if value is None else float(value))


def _reshape(node: ir.Node, inputs: Inputs) -> Array:
    x, target = inputs
    keep_zero = integer(node, "allowzero", 0)
    shape = [
        x.shape[axis] if side == 0 and not keep_zero else int(side)
        for axis, side in enumerate(target)
    ]
    return cast("Array", x.reshape(shape))


def _flatten(node: ir.Node, inputs: Inputs) -> Array:
    x = inputs[0]
    axis = integer(node, "axis", 1)
    return cast("Array", x.reshape(int(np.prod(x.shape[:axis], dtype=np.int64)), -1))


def _along(node: ir.Node, x: Array, of_channels: Array) -> Array:
    """A scale or a zero point, of the whole or of each slice along the node's axis, beside x."""
    if of_channels.size == 1:
        return of_channels.reshape(())
    axis = integer(node, "axis", 1) % x.ndim
    return of_channels.reshape([-1 if i == axis else 1 for i in range(x.ndim)])


def _quantize_linear(node: ir.Node, inputs: Inputs) -> Array:
    x, scale = inputs[:2]
    zero = inputs[2] if len(inputs) > 2 and inputs[2] is not None else np.zeros(1, np.uint8)
    limits = np.iinfo(zero.dtype)
    steps = np.rint(x / _along(node, x, scale))
    steps = np.where(np.isnan(steps), np.float32(0), steps) + _along(node, x, zero)
    return np.clip(steps, limits.min, limits.max).astype(zero.dtype)


def _dequantize_linear(node: ir.Node, inputs: Inputs) -> Array:
    x, scale = inputs[:2]
    wide = x.astype(np.int64)
    if len(inputs) > 2 and inputs[2] is not None:
        wide = wide - _along(node, x, inputs[2]).astype(np.int64)
    return np.asarray(wide.astype(np.float32) * _along(node, x, scale), np.float32)


OPERATORS: dict[str, Evaluate] = {
    "Add": lambda node, inputs: cast("Array", inputs[0] + inputs[1]),
    "AveragePool": _average_pool,
    "BatchNormalization": _batch_normalization,
    "Clip": _clip,
    "Concat": lambda node, inputs: np.concatenate(inputs, axis=integer(node, "axis", 0)),
    "Conv": _conv,
    "DequantizeLinear": _dequantize_linear,
    "Div": lambda node, inputs: cast("Array", inputs[0] / inputs[1]),
    "Flatten": _flatten,
    "Identity": lambda node, inputs: cast("Array", inputs[0]),
    "LeakyRelu": _leaky_relu,
    "MaxPool": _max_pool,
    "Mul": lambda node, inputs: cast("Array", inputs[0] * inputs[1]),
    "Pad": _pad,
    "QuantizeLinear": _quantize_linear,
    "Relu": lambda node, inputs: relu(inputs[0]),
    "Reshape": _reshape,
    "Sigmoid": lambda node, inputs: sigmoid(inputs[0]),
    "Sub": lambda node, inputs: cast("Array", inputs[0] - inputs[1]),
}
"""The closed set. Constant is read too: graph.read turns it into an initializer."""
