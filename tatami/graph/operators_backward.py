"""The table of operators backwards: how each input changes a number that is made of the output.

A function here takes a node, its inputs' arrays, its output y and dy, the derivative of that number
in y, of y's shape. It gives the derivative in each input, of the input's shape, in their order;
inputs at the end that are left out are weights or settings, in which nothing is differentiated. A
network's weights are constants here: training them is the task of train/.

Where an operator has a corner (the largest of two equal samples, ReLU at 0) the derivative is that
of one side, as in torch.
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
from tatami.graph.operators import maps_before
from tatami.ops.activation import (
    clip_backward,
    leaky_relu_backward,
    relu_backward,
    sigmoid_backward,
    softmax_backward,
    tanh_backward,
)
from tatami.ops.conv_transpose import convolve_transposed, convolve_transposed_backward
from tatami.ops.norm import l2_norm_backward
from tatami.ops.pool import (
    average_pool_backward,
    global_average_pool_backward,
    max_pool_backward,
    max_pool_with_indices,
    max_unpool_backward,
)
from tatami.ops.resize import resize_backward
from tatami.ops.space_to_depth import depth_to_space

Array = NDArray[Any]
Inputs = Sequence[Any]  # arrays; Any, so that each function states what it takes
Backward = Callable[[ir.Node, Inputs, Array, Array], tuple[Array, ...]]


def _same(node: ir.Node, inputs: Inputs, y: Array, dy: Array) -> tuple[Array, ...]:
    """Pass dy on where the input was passed on, perhaps under another shape."""
    return (dy.reshape(inputs[0].shape),)


def _to_shape_of(x: Array, dy: Array) -> Array:
    """Sum dy along the axes over which x was repeated to meet another's shape."""
    extra = dy.ndim - x.ndim
    summed = dy.sum(axis=tuple(range(extra))) if extra else dy
    repeated = tuple(
        axis for axis, side in enumerate(x.shape) if side == 1 and summed.shape[axis] > 1
    )
    return np.asarray(summed.sum(axis=repeated, keepdims=True) if repeated else summed)


def _add(node: ir.Node, inputs: Inputs, y: Array, dy: Array) -> tuple[Array, ...]:
    return _to_shape_of(inputs[0], dy), _to_shape_of(inputs[1], dy)


def _subtract(node: ir.Node, inputs: Inputs, y: Array, dy: Array) -> tuple[Array, ...]:
    return _to_shape_of(inputs[0], dy), _to_shape_of(inputs[1], -dy)


def _multiply(node: ir.Node, inputs: Inputs, y: Array, dy: Array) -> tuple[Array, ...]:
    a, b = inputs
    return _to_shape_of(a, dy * b), _to_shape_of(b, dy * a)


def _divide(node: ir.Node, inputs: Inputs, y: Array, dy: Array) -> tuple[Array, ...]:
    a, b = inputs
    return _to_shape_of(a, dy / b), _to_shape_of(b, -dy * y / b)


def _batch_normalization(node: ir.Node, inputs: Inputs, y: Array, dy: Array) -> tuple[Array, ...]:
    scale, variance = inputs[1], inputs[4]
    factor = scale / np.sqrt(variance + np.float32(real(node, "epsilon", 1e-5)))
    return (dy * factor[:, None, None],)


def _clip(node: ir.Node, inputs: Inputs, y: Array, dy: Array) -> tuple[Array, ...]:
    low, high = (inputs[i] if i < len(inputs) else None for i in (1, 2))
    least = -np.inf if low is None else float(low)
    most = np.inf if high is None else float(high)
    return (clip_backward(inputs[0], dy, least, most),)


def _concat(node: ir.Node, inputs: Inputs, y: Array, dy: Array) -> tuple[Array, ...]:
    axis = integer(node, "axis", 0)
    ends = np.cumsum([x.shape[axis] for x in inputs])
    return tuple(np.split(dy, ends[:-1], axis=axis))


def _conv(node: ir.Node, inputs: Inputs, y: Array, dy: Array) -> tuple[Array, ...]:
    """Run the transposed convolution; the gradient of the weights is not needed.

    Source:
        Dumoulin and Visin, section 4.1.
    """
    x, weight = inputs[:2]
    groups = integer(node, "group", 1)
    return (convolve_transposed(dy, weight, None, window_of(node), x.shape[2:], groups),)


def _conv_transpose(node: ir.Node, inputs: Inputs, y: Array, dy: Array) -> tuple[Array, ...]:
    x, weight = inputs[:2]
    window, groups = transposed_window_of(node), integer(node, "group", 1)
    return convolve_transposed_backward(x, weight, dy, window, groups)[:1]


def _gemm(node: ir.Node, inputs: Inputs, y: Array, dy: Array) -> tuple[Array, ...]:
    """Differentiate y = alpha a b + beta c: dy/da is dy b^T and dy/db is a^T dy, times alpha."""
    alpha, beta = np.float32(real(node, "alpha", 1.0)), np.float32(real(node, "beta", 1.0))
    turned_a, turned_b = integer(node, "transA", 0), integer(node, "transB", 0)
    a = inputs[0].T if turned_a else inputs[0]
    b = inputs[1].T if turned_b else inputs[1]
    da, db = alpha * (dy @ b.T), alpha * (a.T @ dy)
    found = (da.T if turned_a else da, db.T if turned_b else db)
    if len(inputs) > 2 and inputs[2] is not None:
        return (*found, _to_shape_of(inputs[2], beta * dy))
    return found


def _matmul(node: ir.Node, inputs: Inputs, y: Array, dy: Array) -> tuple[Array, ...]:
    a, b = inputs
    da, db = dy @ np.swapaxes(b, -1, -2), np.swapaxes(a, -1, -2) @ dy
    return _to_shape_of(a, da), _to_shape_of(b, db)


def _max_pool(node: ir.Node, inputs: Inputs, y: Array, dy: Array) -> tuple[Array, ...]:
    _, indices = max_pool_with_indices(inputs[0], window_of(node))
    return (max_pool_backward(dy, indices, inputs[0].shape),)


def _max_unpool(node: ir.Node, inputs: Inputs, y: Array, dy: Array) -> tuple[Array, ...]:
    return (max_unpool_backward(dy, inputs[1] - maps_before(dy.shape)),)


def _slice(node: ir.Node, inputs: Inputs, y: Array, dy: Array) -> tuple[Array, ...]:
    dx = np.zeros_like(inputs[0])
    dx[tuple(slices_of(node))] = dy
    return (dx,)


def _global_max_pool(node: ir.Node, inputs: Inputs, y: Array, dy: Array) -> tuple[Array, ...]:
    n, c, h, w = inputs[0].shape
    flat = inputs[0].reshape(n, c, h * w)
    dx = np.zeros_like(flat)
    first = flat.argmax(axis=2, keepdims=True)  # of equal ones, the first
    np.put_along_axis(dx, first, dy.reshape(n, c, 1), axis=2)
    return (dx.reshape(n, c, h, w),)


def _average_pool(node: ir.Node, inputs: Inputs, y: Array, dy: Array) -> tuple[Array, ...]:
    count_padding = bool(integer(node, "count_include_pad", 0))
    return (average_pool_backward(dy, inputs[0].shape, window_of(node), count_padding),)


def _pad(node: ir.Node, inputs: Inputs, y: Array, dy: Array) -> tuple[Array, ...]:
    """Give a sample the gradients of all its copies; in the mode constant it has none."""
    x, mode = inputs[0], text(node, "mode", "constant")
    dx = dy
    for axis, (before, after) in enumerate(pad_widths(node)):
        length = x.shape[axis]
        if mode == "constant":
            dx = np.take(dx, range(before, before + length), axis=axis)
        elif before or after:
            places = np.arange(length)
            source = np.pad(places, (before, after), mode=cast("Any", mode))
            copies = np.asarray(source == places[:, None], dy.dtype)  # (length, padded length)
            dx = np.moveaxis(np.tensordot(copies, dx, axes=(1, axis)), 0, axis)
    return (dx,)


def _transpose(node: ir.Node, inputs: Inputs, y: Array, dy: Array) -> tuple[Array, ...]:
    order = integers(node, "perm", tuple(reversed(range(dy.ndim))))
    return (dy.transpose(np.argsort(order)),)


def _reduce_l2(node: ir.Node, inputs: Inputs, y: Array, dy: Array) -> tuple[Array, ...]:
    axes = reduced_axes(node)
    kept = tuple(1 if axis in axes else side for axis, side in enumerate(inputs[0].shape))
    return (l2_norm_backward(inputs[0], y.reshape(kept), dy.reshape(kept)),)


def _resize(node: ir.Node, inputs: Inputs, y: Array, dy: Array) -> tuple[Array, ...]:
    rows, columns = resize_taps_of(node)
    return (resize_backward(dy, inputs[0].shape, rows, columns),)


BACKWARD: dict[str, Backward] = {
    "Add": _add,
    "AveragePool": _average_pool,
    "BatchNormalization": _batch_normalization,
    "Clip": _clip,
    "Concat": _concat,
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "Div": _divide,
    "Dropout": _same,
    "Exp": lambda node, inputs, y, dy: (dy * y,),
    "Flatten": _same,
    "Gemm": _gemm,
    "GlobalAveragePool": lambda node, inputs, y, dy: (
        global_average_pool_backward(dy, inputs[0].shape),
    ),
    "GlobalMaxPool": _global_max_pool,
    "Identity": _same,
    "LeakyRelu": lambda node, inputs, y, dy: (
        leaky_relu_backward(inputs[0], dy, real(node, "alpha", 0.01)),
    ),
    "MatMul": _matmul,
    "MaxPool": _max_pool,
    "MaxUnpool": _max_unpool,
    "Mul": _multiply,
    "Pad": _pad,
    "ReduceL2": _reduce_l2,
    "Relu": lambda node, inputs, y, dy: (relu_backward(inputs[0], dy),),
    "Reshape": _same,
    "Resize": _resize,
    "Sigmoid": lambda node, inputs, y, dy: (sigmoid_backward(y, dy),),
    "Slice": _slice,
    "Softmax": lambda node, inputs, y, dy: (softmax_backward(y, dy, integer(node, "axis", -1)),),
    "SpaceToDepth": lambda node, inputs, y, dy: (
        depth_to_space(dy, integer(node, "blocksize", 1)),
    ),
    "Squeeze": _same,
    "Sub": _subtract,
    "Tanh": lambda node, inputs, y, dy: (tanh_backward(y, dy),),
    "Transpose": _transpose,
    "Unsqueeze": _same,
}
"""All of graph/operators.py but QuantizeLinear and DequantizeLinear: rounding has no derivative."""
