"""Operators that move samples, or take means of them, and compute nothing new."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import onnx_ir as ir

from tatami.errors import TatamiError
from tatami.graph.attributes import (
    constant,
    integer,
    integers,
    pad_widths,
    real,
    resize_axes_of,
    resize_taps_of,
    slices_of,
    text,
)
from tatami.graph.network import shape_of
from tatami.graph.operators.row import (
    Array,
    Inputs,
    Operator,
    same_backward,
    value_at,
    weight_at,
    wrong,
)
from tatami.ops.pad import PadMode, pad
from tatami.ops.resize import ResizeTaps, resize, resize_axes, resize_axes_backward, resize_backward
from tatami.ops.space_to_depth import depth_to_space, space_to_depth


def _pad(node: ir.Node, inputs: Inputs) -> Array:
    value = inputs[2] if len(inputs) > 2 else None
    mode = cast("PadMode", text(node, "mode", "constant"))
    return pad(
        inputs[0],
        pad_widths(node),
        mode,
        0.0 if value is None else np.asarray(value).reshape(-1)[0],
    )


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


def _transpose(node: ir.Node, inputs: Inputs) -> Array:
    x = inputs[0]
    return cast("Array", x.transpose(integers(node, "perm", tuple(reversed(range(x.ndim))))))


def _to_known_shape(node: ir.Node, inputs: Inputs) -> Array:
    """Do what Squeeze and Unsqueeze do, the result's shape being known."""
    return cast("Array", inputs[0].reshape(shape_of(node.outputs[0])))


def _resize(node: ir.Node, inputs: Inputs) -> Array:
    two = _rows_and_columns(node)
    if two is not None:
        return resize(inputs[0], *two)
    return resize_axes(inputs[0], resize_axes_of(node), real(node, "extrapolation_value", 0.0))


def _rows_and_columns(node: ir.Node) -> tuple[ResizeTaps, ResizeTaps] | None:
    """Give the taps of a Resize of rows and columns by two samples each; None for any other."""
    try:
        return resize_taps_of(node)
    except TatamiError:
        return None


def _check_pad(node: ir.Node) -> None:
    if text(node, "mode", "constant") not in ("constant", "edge", "reflect", "wrap"):
        raise wrong(node, f"has the mode {text(node, 'mode', '')}")
    for index in range(1, len(node.inputs)):
        if node.inputs[index] is not None:
            weight_at(node, index)
    pads, axes = weight_at(node, 1), constant(node, 3)
    rank = len(shape_of(value_at(node, 0)))
    chosen = np.arange(rank) if axes is None else axes
    if pads.shape != (2 * len(chosen),) or not all(-rank <= axis < rank for axis in chosen):
        raise wrong(node, f"has pads that do not fit {rank} axes")


def _check_slice(node: ir.Node) -> None:
    settings = [weight_at(node, 1), weight_at(node, 2)]
    for index in (3, 4):
        if len(node.inputs) > index and node.inputs[index] is not None:
            settings.append(weight_at(node, index))
    rank = len(shape_of(value_at(node, 0)))
    axes, steps = constant(node, 3), constant(node, 4)
    count = rank if axes is None else len({int(axis) % rank for axis in axes})
    if len({array.shape for array in settings}) > 1 or settings[0].size > count:
        raise wrong(node, f"has starts, ends, axes and steps that do not fit {rank} axes")
    if axes is not None and not all(-rank <= axis < rank for axis in axes):
        raise wrong(node, f"cuts an axis that {rank} axes have not")
    if steps is not None and not steps.all():
        raise wrong(node, "has a step of 0")
    sides = tuple(
        len(range(length)[taken])
        for length, taken in zip(shape_of(value_at(node, 0)), slices_of(node), strict=True)
    )
    if sides != shape_of(node.outputs[0]):
        raise wrong(node, f"makes {sides}, not {shape_of(node.outputs[0])}")


def _check_reshape(node: ir.Node) -> None:
    weight_at(node, 1)


def _check_resize(node: ir.Node) -> None:
    if _rows_and_columns(node) is None:
        resize_axes_of(node)


def _space_to_depth(node: ir.Node, inputs: Inputs) -> Array:
    x, block = inputs[0], integer(node, "blocksize", 1)
    if text(node, "mode", "DCR") == "DCR":
        return space_to_depth(x, block)
    n, c, h, w = x.shape
    apart = x.reshape(n, c, h // block, block, w // block, block).transpose(0, 1, 3, 5, 2, 4)
    return np.asarray(apart.reshape(n, c * block**2, h // block, w // block))


def _space_to_depth_backward(
    node: ir.Node, inputs: Inputs, y: Array, dy: Array
) -> tuple[Array, ...]:
    block = integer(node, "blocksize", 1)
    if text(node, "mode", "DCR") == "DCR":
        return (depth_to_space(dy, block),)
    n, c, h, w = inputs[0].shape
    apart = dy.reshape(n, c, block, block, h // block, w // block).transpose(0, 1, 4, 2, 5, 3)
    return (apart.reshape(n, c, h, w),)


def _check_space_to_depth(node: ir.Node) -> None:
    if text(node, "mode", "DCR") not in ("DCR", "CRD"):
        raise wrong(node, f"has the mode {text(node, 'mode', 'DCR')}")
    shape, block = shape_of(value_at(node, 0)), integer(node, "blocksize", 1)
    if len(shape) != 4 or block < 1 or shape[2] % block or shape[3] % block:
        raise wrong(node, f"takes blocks of {block}x{block} of a value of shape {shape}")


def _concat_backward(node: ir.Node, inputs: Inputs, y: Array, dy: Array) -> tuple[Array, ...]:
    axis = integer(node, "axis", 0)
    ends = np.cumsum([x.shape[axis] for x in inputs])
    return tuple(np.split(dy, ends[:-1], axis=axis))


def _slice_backward(node: ir.Node, inputs: Inputs, y: Array, dy: Array) -> tuple[Array, ...]:
    dx = np.zeros_like(inputs[0])
    dx[tuple(slices_of(node))] = dy
    return (dx,)


def _pad_backward(node: ir.Node, inputs: Inputs, y: Array, dy: Array) -> tuple[Array, ...]:
    """Give a sample the gradients of all its copies; in the mode constant it has none."""
    x, mode = inputs[0], text(node, "mode", "constant")
    dx = dy
    for axis, (before, after) in enumerate(pad_widths(node)):
        length = x.shape[axis]
        if mode == "constant":
            places = np.arange(before, before + length)
            inside = (places >= 0) & (places < dx.shape[axis])  # a negative pad has cut the rest
            zeros = np.expand_dims(inside, tuple(a for a in range(dx.ndim) if a != axis))
            dx = np.take(dx, np.clip(places, 0, dx.shape[axis] - 1), axis=axis) * zeros
        elif before or after:
            places = np.arange(length)
            source = np.pad(places, (before, after), mode=cast("Any", mode))
            copies = np.asarray(source == places[:, None], dy.dtype)  # (length, padded length)
            dx = np.moveaxis(np.tensordot(copies, dx, axes=(1, axis)), 0, axis)
    return (dx,)


def _transpose_backward(node: ir.Node, inputs: Inputs, y: Array, dy: Array) -> tuple[Array, ...]:
    order = integers(node, "perm", tuple(reversed(range(dy.ndim))))
    return (dy.transpose(np.argsort(order)),)


def _resize_backward(node: ir.Node, inputs: Inputs, y: Array, dy: Array) -> tuple[Array, ...]:
    two = _rows_and_columns(node)
    if two is not None:
        return (resize_backward(dy, inputs[0].shape, *two),)
    return (resize_axes_backward(dy, inputs[0].shape, resize_axes_of(node)),)


ROWS = (
    Operator(
        "Concat",
        lambda node, x: np.concatenate(x, axis=integer(node, "axis", 0)),
        _concat_backward,
        role="moves",
    ),
    Operator("Flatten", _flatten, same_backward, role="orders"),
    Operator("Pad", _pad, _pad_backward, _check_pad, role="moves", settings=True),
    Operator("Reshape", _reshape, same_backward, _check_reshape, role="orders", settings=True),
    Operator("Resize", _resize, _resize_backward, _check_resize, role="moves", settings=True),
    Operator(
        "Slice",
        lambda node, x: np.asarray(x[0][tuple(slices_of(node))]),
        _slice_backward,
        _check_slice,
        role="moves",
        settings=True,
    ),
    Operator(
        "SpaceToDepth",
        _space_to_depth,
        _space_to_depth_backward,
        _check_space_to_depth,
        role="moves",
    ),
    Operator("Squeeze", _to_known_shape, same_backward, role="orders", settings=True),
    Operator("Transpose", _transpose, _transpose_backward, role="orders"),
    Operator("Unsqueeze", _to_known_shape, same_backward, role="orders", settings=True),
)
