"""Samples chosen by rank, place or length, and matrices of zeros and ones."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from tatami.graph.attributes import constant, integer
from tatami.graph.network import shape_of
from tatami.graph.operators.row import Array, Inputs, Operator, value_at, weight_at, wrong


def _ranked(node: ir.Node, x: Array) -> Array:
    """Give the places of the k largest or smallest along the axis, of equal ones the first."""
    axis = integer(node, "axis", -1)
    if integer(node, "largest", 1):
        last = x.shape[axis] - 1
        order = last - np.flip(np.argsort(np.flip(x, axis), axis=axis, kind="stable"), axis)
    else:
        order = np.argsort(x, axis=axis, kind="stable")
    kept = np.take(order, np.arange(shape_of(node.outputs[0])[axis]), axis=axis)
    return np.asarray(kept, np.int64)


def _top_k(node: ir.Node, inputs: Inputs) -> tuple[Array, ...]:
    x = inputs[0]
    order = _ranked(node, x)
    return np.take_along_axis(x, order, axis=integer(node, "axis", -1)), order


def _top_k_backward(node: ir.Node, inputs: Inputs, y: Array, dy: Array) -> tuple[Array, ...]:
    dx = np.zeros_like(inputs[0])
    np.put_along_axis(dx, _ranked(node, inputs[0]), dy, axis=integer(node, "axis", -1))
    return (dx,)


def _check_top_k(node: ir.Node) -> None:
    count = weight_at(node, 1)
    shape, axis = shape_of(value_at(node, 0)), integer(node, "axis", -1)
    if count.size != 1 or not 1 <= int(count.reshape(())) <= shape[axis]:
        raise wrong(node, f"keeps {count.tolist()} of {shape[axis]}")


def kept_by_trilu(node: ir.Node) -> Array:
    """Mark the samples of a matrix that a Trilu keeps: (rows, columns), bool."""
    rows, columns = shape_of(value_at(node, 0))[-2:]
    shift = constant(node, 1)
    k = 0 if shift is None else int(shift.reshape(()))
    away = np.arange(columns)[None, :] - np.arange(rows)[:, None]
    return np.asarray(away >= k if integer(node, "upper", 1) else away <= k)


def _trilu(node: ir.Node, inputs: Inputs) -> Array:
    x = inputs[0]
    return np.where(kept_by_trilu(node), x, np.zeros((), x.dtype))


def _check_trilu(node: ir.Node) -> None:
    if len(shape_of(value_at(node, 0))) < 2:
        raise wrong(node, "is given no matrices")
    if len(node.inputs) > 1 and node.inputs[1] is not None:
        weight_at(node, 1)


def _one_hot(node: ir.Node, inputs: Inputs) -> Array:
    places, _, values = inputs
    shape = shape_of(node.outputs[0])
    axis = integer(node, "axis", -1) % len(shape)
    depth = shape[axis]
    wanted = np.asarray(places).astype(np.int64)
    wanted = np.expand_dims(np.where(wanted < 0, wanted + depth, wanted), axis)
    steps = np.arange(depth).reshape([-1 if at == axis else 1 for at in range(len(shape))])
    return np.asarray(np.where(wanted == steps, values[1], values[0]))


def _check_one_hot(node: ir.Node) -> None:
    depth = weight_at(node, 1)
    shape = shape_of(node.outputs[0])
    if depth.size != 1 or shape[integer(node, "axis", -1) % len(shape)] != int(depth.reshape(())):
        raise wrong(node, f"has a depth of {depth.tolist()} and makes {shape}")


def _reversed_places(node: ir.Node, shape: tuple[int, ...], lengths: Array) -> Array:
    """Give the place along time that each sample is taken from, to be spread over the rest."""
    batch, time = integer(node, "batch_axis", 1), integer(node, "time_axis", 0)
    rank = len(shape)
    many = lengths.astype(np.int64).reshape([-1 if at == batch else 1 for at in range(rank)])
    steps = np.arange(shape[time]).reshape([-1 if at == time else 1 for at in range(rank)])
    return np.broadcast_to(np.where(steps < many, many - 1 - steps, steps), shape)


def _reverse_sequence(node: ir.Node, inputs: Inputs) -> Array:
    x, lengths = inputs
    places = _reversed_places(node, x.shape, lengths)
    return np.asarray(np.take_along_axis(x, places, axis=integer(node, "time_axis", 0)))


def _reverse_sequence_backward(
    node: ir.Node, inputs: Inputs, y: Array, dy: Array
) -> tuple[Array, ...]:
    """Reverse again: that undoes it."""
    return (_reverse_sequence(node, [dy, inputs[1]]),)


def _check_reverse_sequence(node: ir.Node) -> None:
    shape, lengths = shape_of(value_at(node, 0)), constant(node, 1)
    axes = {integer(node, "batch_axis", 1), integer(node, "time_axis", 0)}
    if axes != {0, 1}:
        raise wrong(node, f"has its batch and time at {sorted(axes)}, ONNX has them at 0 and 1")
    most = shape[integer(node, "time_axis", 0)]
    if lengths is not None and not ((lengths >= 0) & (lengths <= most)).all():
        raise wrong(node, f"reverses {lengths.tolist()} of {most}")


def _eye_like(node: ir.Node, inputs: Inputs) -> Array:
    kind = node.outputs[0].dtype
    rows, columns = inputs[0].shape
    dtype = inputs[0].dtype if kind is None else kind.numpy()
    return np.eye(rows, columns, integer(node, "k", 0), dtype=dtype)


def compressed_places(node: ir.Node) -> Array:
    """Give the places that a Compress keeps: along its axis, or in its flattened input."""
    return np.flatnonzero(weight_at(node, 1))


def _compress(node: ir.Node, inputs: Inputs) -> Array:
    places = compressed_places(node)
    if "axis" not in node.attributes:
        return np.asarray(inputs[0].reshape(-1)[places])
    return np.asarray(np.take(inputs[0], places, axis=integer(node, "axis", 0)))


def _compress_backward(node: ir.Node, inputs: Inputs, y: Array, dy: Array) -> tuple[Array, ...]:
    dx = np.zeros_like(inputs[0])
    if "axis" not in node.attributes:
        dx.reshape(-1)[compressed_places(node)] = dy
    else:
        np.moveaxis(dx, integer(node, "axis", 0), 0)[compressed_places(node)] = np.moveaxis(
            dy, integer(node, "axis", 0), 0
        )
    return (dx,)


def _check_compress(node: ir.Node) -> None:
    shape, made = list(shape_of(value_at(node, 0))), shape_of(node.outputs[0])
    places = compressed_places(node)
    if "axis" in node.attributes:
        axis = integer(node, "axis", 0)
        length, shape[axis] = shape[axis], len(places)
    else:
        length, shape = int(np.prod(shape)), [len(places)]
    if weight_at(node, 1).size > length or tuple(shape) != made:
        raise wrong(node, f"keeps {len(places)} of {length} and makes {made}")


ROWS = (
    Operator(
        "Compress",
        _compress,
        _compress_backward,
        _check_compress,
        settings=True,
    ),
    Operator("EyeLike", _eye_like),
    Operator("OneHot", _one_hot, check=_check_one_hot, settings=True),
    Operator(
        "ReverseSequence",
        _reverse_sequence,
        _reverse_sequence_backward,
        _check_reverse_sequence,
        role="moves",
        settings=True,
    ),
    Operator("TopK", _top_k, _top_k_backward, _check_top_k, settings=True, outputs=2),
    Operator(
        "Trilu",
        _trilu,
        lambda node, x, y, dy: (_trilu(node, [dy]),),
        _check_trilu,
        settings=True,
    ),
)
