"""Pools under a window or of the whole map, along any number of axes, and unpooling."""

from __future__ import annotations

import math

import numpy as np
import onnx_ir as ir

from tatami.graph.attributes import axes_of, integer
from tatami.graph.network import shape_of
from tatami.graph.operators.row import Array, Inputs, Operator, value_at, wrong
from tatami.graph.operators.windows import fitting_axes
from tatami.ops.pool import (
    average_pool,
    average_pool_backward,
    global_average_pool,
    global_average_pool_backward,
    global_max_pool,
    lp_pool,
    max_pool,
    max_pool_backward,
    max_pool_with_indices,
    max_unpool,
    max_unpool_backward,
)
from tatami.ops.window import Axis


def _max_pool(node: ir.Node, inputs: Inputs) -> Array | tuple[Array, Array]:
    if len(node.outputs) > 1:
        return max_pool(inputs[0], axes_of(node)), max_pool_indices(node, inputs)
    return max_pool(inputs[0], axes_of(node))


def max_pool_indices(node: ir.Node, inputs: Inputs) -> Array:
    """Compute the second output of a MaxPool.

    ONNX counts the samples of all maps and pictures together, and tatami.ops those of one map.
    """
    sides = inputs[0].shape[2:]
    _, indices = max_pool_with_indices(inputs[0], axes_of(node))
    if integer(node, "storage_order", 0):  # the last axis is the slowest
        at = np.unravel_index(np.maximum(indices, 0), sides)
        indices = np.ravel_multi_index(at, sides, order="F")
    return np.asarray(indices + maps_before(inputs[0].shape))


def maps_before(shape: tuple[int, ...]) -> Array:
    """Count the samples of (n, c, h, w) in the maps before each: (n, c, 1, 1)."""
    maps, axes = shape[0] * shape[1], len(shape) - 2
    return (np.arange(maps) * math.prod(shape[2:])).reshape(*shape[:2], *[1] * axes)


def unpooled_sides(node: ir.Node) -> tuple[int, ...]:
    """Give the sides of what a MaxUnpool undoes, in which its indices count."""
    return tuple(
        (length - 1) * axis.stride + axis.span - axis.before - axis.after
        for length, axis in zip(shape_of(value_at(node, 0))[2:], axes_of(node), strict=True)
    )


def _max_unpool(node: ir.Node, inputs: Inputs) -> Array:
    x, indices = inputs[:2]
    sides, wanted = unpooled_sides(node), shape_of(node.outputs[0])[2:]
    whole = (*x.shape[:2], *sides)
    y = max_unpool(x, indices - maps_before(whole), whole)
    if wanted != sides:  # zeros at the ends, or the ends cut off
        grown = np.zeros((*x.shape[:2], *wanted), y.dtype)
        shared = tuple(slice(min(ends)) for ends in zip(sides, wanted, strict=True))
        grown[(slice(None), slice(None), *shared)] = y[(slice(None), slice(None), *shared)]
        return grown
    return y


def _average_pool(node: ir.Node, inputs: Inputs) -> Array:
    count_padding = bool(integer(node, "count_include_pad", 0))
    return average_pool(inputs[0], axes_of(node), count_padding)


def _lp_pool(node: ir.Node, inputs: Inputs) -> Array:
    return lp_pool(inputs[0], axes_of(node), integer(node, "p", 2))


def _global_lp_pool(node: ir.Node, inputs: Inputs) -> Array:
    whole = tuple(Axis(length) for length in inputs[0].shape[2:])
    return lp_pool(inputs[0], whole, integer(node, "p", 2))


def _check_pool(node: ir.Node) -> None:
    lengths, places = shape_of(value_at(node, 0))[2:], shape_of(node.outputs[0])[2:]
    for axis, length, count in zip(fitting_axes(node), lengths, places, strict=True):
        last = (count - 1) * axis.stride - axis.before  # ONNX's inference may count one too many
        if last >= length or max(axis.before, axis.after - axis.beyond) >= axis.span:
            raise wrong(node, "pads by its whole window: a place would see nothing")


def _check_max_unpool(node: ir.Node) -> None:
    axes_of(node)
    if shape_of(value_at(node, 0)) != shape_of(value_at(node, 1)):
        raise wrong(node, "has not one index a sample")
    if min(unpooled_sides(node)) < 1:
        raise wrong(node, "undoes a pool of nothing")


def _check_map(node: ir.Node) -> None:
    if len(shape_of(value_at(node, 0))) < 3:
        raise wrong(node, "pools what has no axis beside the channels")


def _max_pool_backward(node: ir.Node, inputs: Inputs, y: Array, dy: Array) -> tuple[Array, ...]:
    _, indices = max_pool_with_indices(inputs[0], axes_of(node))
    return (max_pool_backward(dy, indices, inputs[0].shape),)


def _max_unpool_backward(node: ir.Node, inputs: Inputs, y: Array, dy: Array) -> tuple[Array, ...]:
    if dy.shape[2:] != unpooled_sides(node):
        raise wrong(node, "has no derivative where it is given a shape")
    return (max_unpool_backward(dy, inputs[1] - maps_before(dy.shape)),)


def _global_max_pool_backward(
    node: ir.Node, inputs: Inputs, y: Array, dy: Array
) -> tuple[Array, ...]:
    shape = inputs[0].shape
    flat = inputs[0].reshape(*shape[:2], -1)
    dx = np.zeros_like(flat)
    first = flat.argmax(axis=2, keepdims=True)  # of equal ones, the first
    np.put_along_axis(dx, first, dy.reshape(*shape[:2], 1), axis=2)
    return (dx.reshape(shape),)


def _average_pool_backward(node: ir.Node, inputs: Inputs, y: Array, dy: Array) -> tuple[Array, ...]:
    count_padding = bool(integer(node, "count_include_pad", 0))
    return (average_pool_backward(dy, inputs[0].shape, axes_of(node), count_padding),)


ROWS = (
    Operator("AveragePool", _average_pool, _average_pool_backward, _check_pool, role="steps"),
    Operator(
        "GlobalAveragePool",
        lambda node, x: global_average_pool(x[0]),
        lambda node, x, y, dy: (global_average_pool_backward(dy, x[0].shape),),
        _check_map,
        role="steps",
    ),
    Operator("GlobalLpPool", _global_lp_pool, None, _check_map),
    Operator(
        "GlobalMaxPool",
        lambda node, x: global_max_pool(x[0]),
        _global_max_pool_backward,
        _check_map,
        role="moves",
    ),
    Operator("LpPool", _lp_pool, None, _check_pool),
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
