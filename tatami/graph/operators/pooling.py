"""Pools under a window or of the whole map, and unpooling."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from tatami.graph.attributes import integer, window_of
from tatami.graph.network import shape_of
from tatami.graph.operators.row import Array, Inputs, Operator, value_at, wrong
from tatami.graph.operators.windows import fitting_window
from tatami.ops.pool import (
    average_pool,
    average_pool_backward,
    global_average_pool,
    global_average_pool_backward,
    global_max_pool,
    max_pool,
    max_pool_backward,
    max_pool_with_indices,
    max_unpool,
    max_unpool_backward,
)


def _max_pool(node: ir.Node, inputs: Inputs) -> Array | tuple[Array, Array]:
    if len(node.outputs) > 1:
        return max_pool(inputs[0], window_of(node)), max_pool_indices(node, inputs)
    return max_pool(inputs[0], window_of(node))


def max_pool_indices(node: ir.Node, inputs: Inputs) -> Array:
    """Compute the second output of a MaxPool.

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


def _check_pool(node: ir.Node) -> None:
    if integer(node, "ceil_mode", 0) or integer(node, "storage_order", 0):
        raise wrong(node, "uses ceil_mode or storage_order", "export it with ceil_mode=False")
    window = fitting_window(node)
    for axis in (window.rows, window.columns):
        if max(axis.before, axis.after) >= axis.span:
            raise wrong(node, "pads by its whole window: a place would see nothing")


def _check_max_unpool(node: ir.Node) -> None:
    window_of(node)
    if len(node.inputs) > 2 and node.inputs[2] is not None:
        raise wrong(node, "asks for a shape of its own", "unpool to the shape that was pooled")
    if shape_of(value_at(node, 0)) != shape_of(value_at(node, 1)):
        raise wrong(node, "has not one index a sample")


def _max_pool_backward(node: ir.Node, inputs: Inputs, y: Array, dy: Array) -> tuple[Array, ...]:
    _, indices = max_pool_with_indices(inputs[0], window_of(node))
    return (max_pool_backward(dy, indices, inputs[0].shape),)


def _max_unpool_backward(node: ir.Node, inputs: Inputs, y: Array, dy: Array) -> tuple[Array, ...]:
    return (max_unpool_backward(dy, inputs[1] - maps_before(dy.shape)),)


def _global_max_pool_backward(
    node: ir.Node, inputs: Inputs, y: Array, dy: Array
) -> tuple[Array, ...]:
    n, c, h, w = inputs[0].shape
    flat = inputs[0].reshape(n, c, h * w)
    dx = np.zeros_like(flat)
    first = flat.argmax(axis=2, keepdims=True)  # of equal ones, the first
    np.put_along_axis(dx, first, dy.reshape(n, c, 1), axis=2)
    return (dx.reshape(n, c, h, w),)


def _average_pool_backward(node: ir.Node, inputs: Inputs, y: Array, dy: Array) -> tuple[Array, ...]:
    count_padding = bool(integer(node, "count_include_pad", 0))
    return (average_pool_backward(dy, inputs[0].shape, window_of(node), count_padding),)


ROWS = (
    Operator("AveragePool", _average_pool, _average_pool_backward, _check_pool, role="steps"),
    Operator(
        "GlobalAveragePool",
        lambda node, x: global_average_pool(x[0]),
        lambda node, x, y, dy: (global_average_pool_backward(dy, x[0].shape),),
        role="steps",
    ),
    Operator(
        "GlobalMaxPool",
        lambda node, x: global_max_pool(x[0]),
        _global_max_pool_backward,
        role="moves",
    ),
    Operator("MaxPool", _max_pool, _max_pool_backward, _check_pool, role="moves", outputs=2),
    Operator(
        "MaxUnpool",
        _max_unpool,
        _max_unpool_backward,
        _check_max_unpool,
        role="moves",
        settings=True,
    ),
)
