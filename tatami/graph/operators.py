"""The table of operators: what Tatami reads, and how tatami.ops runs each.

A function here takes a node and its inputs' arrays (None for an input left out) and gives its
first output; what else a MaxPool gives is ``max_pool_indices``. To support another operator, write
it in tatami/ops, add a line here and, where its weights can fail to fit, a rule in graph/check.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from tatami.graph.attributes import (
    integer,
    integers,
    pad_widths,
    real,
    reduced_axes,
    resize_taps_of,
    slices_of,
    text,
    transposed_window_of,
    window_of,
)
from tatami.graph.network import shape_of
from tatami.ops.activation import clip, exp, leaky_relu, relu, sigmoid, softmax, tanh
from tatami.ops.conv import convolve
from tatami.ops.conv_transpose import convolve_transposed
from tatami.ops.norm import batch_normalize, l2_norm
from tatami.ops.pad import PadMode, pad
from tatami.ops.pool import (
    average_pool,
    global_average_pool,
    global_max_pool,
    max_pool,
    max_pool_with_indices,
    max_unpool,
)
from tatami.ops.resize import resize
from tatami.ops.space_to_depth import space_to_depth

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


def max_pool_indices(node: ir.Node, inputs: Inputs) -> Array:
    """Compute the second output of a MaxPool, the only node that makes two values.

    ONNX counts the samples of all maps and pictures together, and tatami.ops those of one map.
    """
    _, indices = max_pool_with_indices(inputs[0], window_of(node))
    return indices + maps_before(inputs[0].shape)


def maps_before(shape: tuple[int, ...]) -> Array:
    """Count the samples of (n, c, h, w) in the maps before each: (n, c, 1, 1)."""
    n, c, h, w = shape
    return (np.arange(n * c) * (h * w)).reshape(n, c, 1, 1)


def _max_unpool(node: ir.Node, inputs: Inputs) -> Array:
    x, indices = inputs
    _, channels, height, width = shape_of(node.outputs[0])
    shape = (len(x), channels, height, width)
    return max_unpool(x, indices - maps_before(shape), shape)


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
    """Shape a scale or zero point, whole or of each slice along the node's axis, to fit x."""
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
    return np.asarray(np.clip(steps, limits.min, limits.max), zero.dtype)


def _dequantize_linear(node: ir.Node, inputs: Inputs) -> Array:
    x, scale = inputs[:2]
    wide = x.astype(np.int64)
    if len(inputs) > 2 and inputs[2] is not None:
        wide = wide - _along(node, x, inputs[2]).astype(np.int64)
    return np.asarray(wide.astype(np.float32) * _along(node, x, scale), np.float32)


def _conv_transpose(node: ir.Node, inputs: Inputs) -> Array:
    bias = inputs[2] if len(inputs) > 2 else None
    _, _, out_h, out_w = shape_of(node.outputs[0])
    window, groups = transposed_window_of(node), integer(node, "group", 1)
    return convolve_transposed(inputs[0], inputs[1], bias, window, (out_h, out_w), groups)


def _gemm(node: ir.Node, inputs: Inputs) -> Array:
    a = inputs[0].T if integer(node, "transA", 0) else inputs[0]
    b = inputs[1].T if integer(node, "transB", 0) else inputs[1]
    y = np.float32(real(node, "alpha", 1.0)) * (a @ b)
    if len(inputs) > 2 and inputs[2] is not None:
        y = y + np.float32(real(node, "beta", 1.0)) * inputs[2]
    return np.asarray(y, np.float32)


def _transpose(node: ir.Node, inputs: Inputs) -> Array:
    x = inputs[0]
    return cast("Array", x.transpose(integers(node, "perm", tuple(reversed(range(x.ndim))))))


def _to_known_shape(node: ir.Node, inputs: Inputs) -> Array:
    """Do what Squeeze and Unsqueeze do, the result's shape being known."""
    return cast("Array", inputs[0].reshape(shape_of(node.outputs[0])))


def _reduce_l2(node: ir.Node, inputs: Inputs) -> Array:
    return l2_norm(inputs[0], reduced_axes(node)).reshape(shape_of(node.outputs[0]))


def _resize(node: ir.Node, inputs: Inputs) -> Array:
    return resize(inputs[0], *resize_taps_of(node))


OPERATORS: dict[str, Evaluate] = {
    "Add": lambda node, inputs: cast("Array", inputs[0] + inputs[1]),
    "AveragePool": _average_pool,
    "BatchNormalization": _batch_normalization,
    "Clip": _clip,
    "Concat": lambda node, inputs: np.concatenate(inputs, axis=integer(node, "axis", 0)),
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "DequantizeLinear": _dequantize_linear,
    "Div": lambda node, inputs: cast("Array", inputs[0] / inputs[1]),
    "Dropout": lambda node, inputs: cast("Array", inputs[0]),
    "Exp": lambda node, inputs: exp(inputs[0]),
    "Flatten": _flatten,
    "Gemm": _gemm,
    "GlobalAveragePool": lambda node, inputs: global_average_pool(inputs[0]),
    "GlobalMaxPool": lambda node, inputs: global_max_pool(inputs[0]),
    "Identity": lambda node, inputs: cast("Array", inputs[0]),
    "LeakyRelu": _leaky_relu,
    "MatMul": lambda node, inputs: np.asarray(inputs[0] @ inputs[1], np.float32),
    "MaxPool": _max_pool,
    "MaxUnpool": _max_unpool,
    "Mul": lambda node, inputs: cast("Array", inputs[0] * inputs[1]),
    "Pad": _pad,
    "QuantizeLinear": _quantize_linear,
    "ReduceL2": _reduce_l2,
    "Relu": lambda node, inputs: relu(inputs[0]),
    "Reshape": _reshape,
    "Resize": _resize,
    "Sigmoid": lambda node, inputs: sigmoid(inputs[0]),
    "Slice": lambda node, inputs: cast("Array", inputs[0][tuple(slices_of(node))]),
    "Softmax": lambda node, inputs: softmax(inputs[0], integer(node, "axis", -1)),
    "SpaceToDepth": lambda node, inputs: space_to_depth(inputs[0], integer(node, "blocksize", 1)),
    "Squeeze": _to_known_shape,
    "Sub": lambda node, inputs: cast("Array", inputs[0] - inputs[1]),
    "Tanh": lambda node, inputs: tanh(inputs[0]),
    "Transpose": _transpose,
    "Unsqueeze": _to_known_shape,
}
"""The closed set. Constant is read too: graph.read turns it into an initializer."""
