"""Normalizations, and softmax and its kin along an axis."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from tatami.graph.attributes import integer, integers, real, weight
from tatami.graph.network import shape_of
from tatami.graph.operators.row import (
    Array,
    Inputs,
    Operator,
    to_shape_of,
    value_at,
    wrong,
)
from tatami.ops.activation import (
    hard_max,
    log_softmax,
    log_softmax_backward,
    softmax,
    softmax_backward,
)
from tatami.ops.norm import (
    batch_normalize,
    instance_normalize,
    instance_normalize_backward,
    layer_normalize_backward,
    local_response_normalize,
    local_response_normalize_backward,
    lp_normalize,
    mean_variance_normalize,
    normalize,
    root_mean_square_normalize,
)


def axis_of(node: ir.Node) -> int:
    """Read the axis along which, or from which on, a node works: the last where it names none."""
    return integer(node, "axis", -1) % max(1, len(shape_of(value_at(node, 0))))


def epsilon_of(node: ir.Node) -> float:
    """Read what a node adds to the variance."""
    return real(node, "epsilon", 1e-5)


# Batches -----------------------------------------------------------------------------------------


def _batch_normalization(node: ir.Node, inputs: Inputs) -> Array:
    x, scale, bias, mean, variance = inputs
    return batch_normalize(x, scale, bias, mean, variance, epsilon_of(node))


def _check_batch_normalization(node: ir.Node) -> None:
    if integer(node, "training_mode", 0):
        raise wrong(node, "is in training mode", "export the network in inference mode")
    image = shape_of(value_at(node, 0))
    if len(image) < 2:
        raise wrong(node, f"works on {len(image)} axes, which have no channels")
    for index, name in enumerate(("scale", "bias", "mean", "variance"), start=1):
        shape = shape_of(value_at(node, index))
        if shape != (image[1],):
            raise wrong(node, f"has a {name} of shape {shape} for {image[1]} channels")
    variance = weight(node, 4)
    if variance is not None and not (variance.astype(float) + epsilon_of(node) > 0).all():
        raise wrong(node, "has a variance that is negative beyond its epsilon")


def _batch_normalization_backward(
    node: ir.Node, inputs: Inputs, y: Array, dy: Array
) -> tuple[Array, ...]:
    scale, variance = inputs[1], inputs[4]
    factor = scale / np.sqrt(variance + np.float32(epsilon_of(node)))
    return (dy * factor.reshape(factor.shape + (1,) * (dy.ndim - 2)),)


# Layers, groups and single maps ------------------------------------------------------------------


def _layer_normalization(node: ir.Node, inputs: Inputs) -> tuple[Array, ...]:
    x, scale = inputs[:2]
    axes = tuple(range(axis_of(node), x.ndim))
    normal, mean, deviation = normalize(x, axes, epsilon_of(node))
    y = normal * scale
    if len(inputs) > 2 and inputs[2] is not None:
        y = y + inputs[2]
    return np.asarray(y, x.dtype), mean, np.asarray(1 / deviation, x.dtype)


def _layer_normalization_backward(
    node: ir.Node, inputs: Inputs, y: Array, dy: Array
) -> tuple[Array, ...]:
    x, scale = inputs[:2]
    axis = axis_of(node)
    whole = np.broadcast_to(scale, x.shape[axis:]) if scale.ndim <= x.ndim - axis else None
    if whole is None:
        raise wrong(node, "has a scale of more axes than it normalizes, and no derivative")
    dx, dscale, dbias = layer_normalize_backward(x, whole, dy, epsilon_of(node))
    return dx, to_shape_of(scale, dscale), to_shape_of(scale, dbias)


def groups_of(node: ir.Node) -> int:
    """Read the groups of a GroupNormalization."""
    return integer(node, "num_groups", 1)


def _group_normalization(node: ir.Node, inputs: Inputs) -> Array:
    """Normalize groups of channels; up to set 20 a scale serves a group, from 21 on a channel."""
    x, scale, bias = inputs
    groups = groups_of(node)
    split = x.reshape(len(x), groups, -1)
    normal = normalize(split, (2,), epsilon_of(node))[0].reshape(x.shape)
    each = x.shape[1] // len(scale)
    form = (-1,) + (1,) * (x.ndim - 2)
    return np.asarray(
        normal * scale.repeat(each).reshape(form) + bias.repeat(each).reshape(form), x.dtype
    )


def _group_normalization_backward(
    node: ir.Node, inputs: Inputs, y: Array, dy: Array
) -> tuple[Array, ...]:
    x, scale, bias = inputs
    groups, each = groups_of(node), x.shape[1] // len(scale)
    form = (-1,) + (1,) * (x.ndim - 2)
    normal, _, deviation = normalize(x.reshape(len(x), groups, -1), (2,), epsilon_of(node))
    of_normal = (dy * scale.repeat(each).reshape(form)).reshape(normal.shape)
    moves_mean = of_normal.mean(axis=2, keepdims=True)
    moves_variance = (of_normal * normal).mean(axis=2, keepdims=True)
    dx = (of_normal - moves_mean - normal * moves_variance) / deviation
    shared = (0, *range(2, x.ndim))
    dscale = (dy * normal.reshape(x.shape)).sum(axis=shared)
    dbias = dy.sum(axis=shared)
    return (
        np.asarray(dx, x.dtype).reshape(x.shape),
        dscale.reshape(len(scale), -1).sum(axis=1),
        dbias.reshape(len(bias), -1).sum(axis=1),
    )


def _check_groups(node: ir.Node) -> None:
    channels, groups = shape_of(value_at(node, 0))[1], groups_of(node)
    if groups < 1 or channels % groups:
        raise wrong(node, f"divides {channels} channels into {groups} groups")
    for index in (1, 2):
        sides = shape_of(value_at(node, index))
        if sides not in ((groups,), (channels,)):
            raise wrong(node, f"has a scale or bias of shape {sides} for {channels} channels")


def _instance_normalization_backward(
    node: ir.Node, inputs: Inputs, y: Array, dy: Array
) -> tuple[Array, ...]:
    return instance_normalize_backward(inputs[0], inputs[1], dy, epsilon_of(node))


def _root_mean_square(node: ir.Node, inputs: Inputs) -> Array:
    x, scale = inputs
    axes = tuple(range(axis_of(node), x.ndim))
    return np.asarray(root_mean_square_normalize(x, axes, epsilon_of(node)) * scale, x.dtype)


def _root_mean_square_backward(
    node: ir.Node, inputs: Inputs, y: Array, dy: Array
) -> tuple[Array, ...]:
    x, scale = inputs
    axes = tuple(range(axis_of(node), x.ndim))
    normal = root_mean_square_normalize(x, axes, epsilon_of(node))
    of_normal = dy * scale
    root = np.sqrt(np.square(x).mean(axis=axes, keepdims=True) + epsilon_of(node))
    dx = (of_normal - normal * (of_normal * normal).mean(axis=axes, keepdims=True)) / root
    return np.asarray(dx, x.dtype), to_shape_of(scale, dy * normal)


# Neighbors, and lines ----------------------------------------------------------------------------


def local_response(node: ir.Node) -> tuple[int, float, float, float]:
    """Read the size, alpha, beta and bias of an LRN."""
    return (
        integer(node, "size", 1),
        real(node, "alpha", 1e-4),
        real(node, "beta", 0.75),
        real(node, "bias", 1.0),
    )


def _lp_normalization(node: ir.Node, inputs: Inputs) -> Array:
    return lp_normalize(inputs[0], axis_of(node), integer(node, "p", 2))


def mean_variance_axes(node: ir.Node) -> tuple[int, ...]:
    """Read the axes of a MeanVarianceNormalization: pictures, rows and columns by default."""
    rank = len(shape_of(value_at(node, 0)))
    return tuple(axis % rank for axis in integers(node, "axes", (0, 2, 3)))


ROWS = (
    Operator(
        "BatchNormalization",
        _batch_normalization,
        _batch_normalization_backward,
        _check_batch_normalization,
    ),
    Operator(
        "GroupNormalization",
        _group_normalization,
        _group_normalization_backward,
        _check_groups,
    ),
    Operator("Hardmax", lambda node, x: hard_max(x[0], axis_of(node))),
    Operator(
        "InstanceNormalization",
        lambda node, x: instance_normalize(x[0], x[1], x[2], epsilon_of(node)),
        _instance_normalization_backward,
    ),
    Operator(
        "LRN",
        lambda node, x: local_response_normalize(x[0], *local_response(node)),
        lambda node, x, y, dy: (
            local_response_normalize_backward(x[0], dy, *local_response(node)),
        ),
    ),
    Operator(
        "LayerNormalization",
        _layer_normalization,
        _layer_normalization_backward,
        role="steps",
        outputs=3,
    ),
    Operator(
        "LogSoftmax",
        lambda node, x: log_softmax(x[0], axis_of(node)),
        lambda node, x, y, dy: (log_softmax_backward(y, dy, axis_of(node)),),
    ),
    Operator("LpNormalization", _lp_normalization),
    Operator(
        "MeanVarianceNormalization",
        lambda node, x: mean_variance_normalize(x[0], mean_variance_axes(node)),
    ),
    Operator("RMSNormalization", _root_mean_square, _root_mean_square_backward),
    Operator(
        "Softmax",
        lambda node, x: softmax(x[0], integer(node, "axis", -1)),
        lambda node, x, y, dy: (softmax_backward(y, dy, integer(node, "axis", -1)),),
        role="steps",
    ),
)
