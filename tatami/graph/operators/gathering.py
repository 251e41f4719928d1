"""Operators that take samples by their places, repeat them, or put them at places."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir

from tatami.graph.attributes import constant, integer, text
from tatami.graph.network import shape_of
from tatami.graph.operators.row import (
    Array,
    Inputs,
    Operator,
    to_shape_of,
    value_at,
    wrong,
)
from tatami.ops.space_to_depth import depth_to_space, space_to_depth


def split_lengths(node: ir.Node) -> list[int]:
    """Read how many samples each output of a Split takes along its axis."""
    axis = integer(node, "axis", 0)
    return [shape_of(value)[axis] for value in node.outputs]


def _split(node: ir.Node, inputs: Inputs) -> tuple[Array, ...]:
    ends = np.cumsum(split_lengths(node))[:-1]
    return tuple(np.split(inputs[0], ends, axis=integer(node, "axis", 0)))


def _check_split(node: ir.Node) -> None:
    for value in node.outputs:
        if not value.name or value.shape is None or not value.shape.is_static():
            raise wrong(node, "has parts whose sizes are not known", "export it with fixed sizes")
    axis, side = integer(node, "axis", 0), shape_of(value_at(node, 0))
    if sum(split_lengths(node)) != side[axis]:
        raise wrong(node, f"splits {side[axis]} samples into {split_lengths(node)}")


def _gather(node: ir.Node, inputs: Inputs) -> Array:
    return np.take(inputs[0], np.asarray(inputs[1], np.int64), axis=integer(node, "axis", 0))


def _gather_backward(node: ir.Node, inputs: Inputs, y: Array, dy: Array) -> tuple[Array, ...]:
    """Add up what each sample was taken for."""
    x, places = inputs[0], np.asarray(inputs[1], np.int64)
    axis = integer(node, "axis", 0) % x.ndim
    dx = np.zeros_like(x)
    first = dy.reshape(*x.shape[:axis], places.size, *x.shape[axis + 1 :])
    np.add.at(np.moveaxis(dx, axis, 0), places.reshape(-1), np.moveaxis(first, axis, 0))
    return (dx,)


def _check_places(node: ir.Node) -> None:
    """Check that places that are known lie inside the axis."""
    places, sides = constant(node, 1), shape_of(value_at(node, 0))
    axis = integer(node, "axis", 0)
    if not -len(sides) <= axis < len(sides):
        raise wrong(node, f"takes samples along axis {axis} of {len(sides)}")
    side = sides[axis]
    if places is not None and places.size and not -side <= places.min() <= places.max() < side:
        raise wrong(node, f"takes samples at places that {side} samples have not")


def _gather_elements(node: ir.Node, inputs: Inputs) -> Array:
    x, places = inputs[0], np.asarray(inputs[1], np.int64)
    axis = integer(node, "axis", 0) % x.ndim
    where = np.where(places < 0, places + x.shape[axis], places)
    part = tuple(slice(side) if at != axis else slice(None) for at, side in enumerate(where.shape))
    return np.take_along_axis(x[part], where, axis)


def _gather_nd(node: ir.Node, inputs: Inputs) -> Array:
    x, places = inputs[0], np.asarray(inputs[1], np.int64)
    batches = integer(node, "batch_dims", 0)
    front = x.shape[:batches]
    flat = x.reshape(-1, *x.shape[batches:])
    where = places.reshape(flat.shape[0], -1, places.shape[-1])
    found = [one[tuple(each.T)] for one, each in zip(flat, where, strict=True)]
    shape = (*front, *places.shape[batches:-1], *x.shape[batches + places.shape[-1] :])
    return np.stack(found).reshape(shape)


_REDUCTIONS: dict[str, Any] = {
    "add": np.add,
    "mul": np.multiply,
    "max": np.maximum,
    "min": np.minimum,
}


def _scatter_elements(node: ir.Node, inputs: Inputs) -> Array:
    x, places, updates = inputs[0].copy(), np.asarray(inputs[1], np.int64), inputs[2]
    axis = integer(node, "axis", 0) % x.ndim
    where = list(np.indices(places.shape))
    where[axis] = np.where(places < 0, places + x.shape[axis], places)
    kind = text(node, "reduction", "none")
    if kind == "none":
        x[tuple(where)] = updates
    else:
        _REDUCTIONS[kind].at(x, tuple(where), updates)
    return np.asarray(x)


def _scatter_nd(node: ir.Node, inputs: Inputs) -> Array:
    x, places, updates = inputs[0].copy(), np.asarray(inputs[1], np.int64), inputs[2]
    where = tuple(np.moveaxis(places, -1, 0))
    kind = text(node, "reduction", "none")
    if kind == "none":
        x[where] = updates
    else:
        _REDUCTIONS[kind].at(x, where, updates)
    return np.asarray(x)


def _check_reduction(node: ir.Node) -> None:
    if text(node, "reduction", "none") not in ("none", *_REDUCTIONS):
        raise wrong(node, f"joins samples by {text(node, 'reduction', '')}")


def _tile(node: ir.Node, inputs: Inputs) -> Array:
    return np.tile(inputs[0], [int(each) for each in inputs[1]])


def _tile_backward(node: ir.Node, inputs: Inputs, y: Array, dy: Array) -> tuple[Array, ...]:
    """Add up all copies of each sample."""
    sides = inputs[0].shape
    split = [
        part for side, made in zip(sides, dy.shape, strict=True) for part in (made // side, side)
    ]
    return (dy.reshape(split).sum(axis=tuple(range(0, 2 * len(sides), 2))),)


def _expand(node: ir.Node, inputs: Inputs) -> Array:
    return np.array(np.broadcast_to(inputs[0], shape_of(node.outputs[0])))


def _depth_to_space(node: ir.Node, inputs: Inputs) -> Array:
    x, block = inputs[0], integer(node, "blocksize", 1)
    if text(node, "mode", "DCR") == "DCR":
        return depth_to_space(x, block)
    n, c, h, w = x.shape
    apart = x.reshape(n, c // block**2, block, block, h, w).transpose(0, 1, 4, 2, 5, 3)
    return np.asarray(apart.reshape(n, c // block**2, h * block, w * block))


def _depth_to_space_backward(
    node: ir.Node, inputs: Inputs, y: Array, dy: Array
) -> tuple[Array, ...]:
    block = integer(node, "blocksize", 1)
    if text(node, "mode", "DCR") == "DCR":
        return (space_to_depth(dy, block),)
    n, c, h, w = inputs[0].shape
    apart = dy.reshape(n, c // block**2, h, block, w, block).transpose(0, 1, 3, 5, 2, 4)
    return (apart.reshape(n, c, h, w),)


def _check_depth_to_space(node: ir.Node) -> None:
    shape, block = shape_of(value_at(node, 0)), integer(node, "blocksize", 1)
    if len(shape) != 4 or block < 1 or shape[1] % block**2:
        raise wrong(node, f"makes blocks of {block}x{block} of a value of shape {shape}")


ROWS = (
    Operator(
        "DepthToSpace",
        _depth_to_space,
        _depth_to_space_backward,
        _check_depth_to_space,
        role="moves",
    ),
    Operator(
        "Expand",
        _expand,
        lambda node, x, y, dy: (to_shape_of(x[0], dy),),
        role="moves",
        settings=True,
    ),
    Operator("Gather", _gather, _gather_backward, _check_places, role="moves", settings=True),
    Operator("GatherElements", _gather_elements, check=_check_places, role="moves", settings=True),
    Operator("GatherND", _gather_nd, role="moves", settings=True),
    Operator("ScatterElements", _scatter_elements, check=_check_reduction),
    Operator("ScatterND", _scatter_nd, check=_check_reduction),
    Operator(
        "Split",
        _split,
        check=_check_split,
        role="moves",
        settings=True,
        outputs=0,
    ),
    Operator("Tile", _tile, _tile_backward, role="moves", settings=True),
)
