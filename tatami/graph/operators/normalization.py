"""Normalizations, softmax and norms along axes."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from tatami.graph.attributes import constant, integer, integers, real, reduced_axes
from tatami.graph.network import shape_of
from tatami.graph.operators.row import Array, Inputs, Operator, value_at, weight_at, wrong
from tatami.ops.activation import softmax, softmax_backward
from tatami.ops.norm import batch_normalize, l2_norm, l2_norm_backward


def _batch_normalization(node: ir.Node, inputs: Inputs) -> Array:
    x, scale, bias, mean, variance = inputs
    return batch_normalize(x, scale, bias, mean, variance, real(node, "epsilon", 1e-5))


def _reduce_l2(node: ir.Node, inputs: Inputs) -> Array:
    return l2_norm(inputs[0], reduced_axes(node)).reshape(shape_of(node.outputs[0]))


def _check_batch_normalization(node: ir.Node) -> None:
    if integer(node, "training_mode", 0):
        raise wrong(node, "is in training mode", "export the network in inference mode")
    image = shape_of(value_at(node, 0))
    if len(image) != 4:
        raise wrong(node, f"works on {len(image)} axes, Tatami knows pictures with four")
    for index, name in enumerate(("scale", "bias", "mean", "variance"), start=1):
        shape = weight_at(node, index).shape
        if shape != (image[1],):
            raise wrong(node, f"has a {name} of shape {shape} for {image[1]} channels")
    variance = weight_at(node, 4)
    if not (variance.astype(float) + real(node, "epsilon", 1e-5) > 0).all():
        raise wrong(node, "has a variance that is negative beyond its epsilon")


def _check_reduced(node: ir.Node) -> None:
    """Over axes that are constants; a node that names none adds up all of them."""
    if len(node.inputs) > 1 and node.inputs[1] is not None:
        weight_at(node, 1)
    rank = len(shape_of(value_at(node, 0)))
    given = constant(node, 1)
    named = integers(node, "axes", ()) if given is None else tuple(int(axis) for axis in given)
    if not named and integer(node, "noop_with_empty_axes", 0):
        raise wrong(node, "sums over no axis", "leave it out")
    if not all(-rank <= axis < rank for axis in named):
        raise wrong(node, f"sums over axes {named} of {rank}")


def _batch_normalization_backward(
    node: ir.Node, inputs: Inputs, y: Array, dy: Array
) -> tuple[Array, ...]:
    scale, variance = inputs[1], inputs[4]
    factor = scale / np.sqrt(variance + np.float32(real(node, "epsilon", 1e-5)))
    return (dy * factor[:, None, None],)


def _reduce_l2_backward(node: ir.Node, inputs: Inputs, y: Array, dy: Array) -> tuple[Array, ...]:
    axes = reduced_axes(node)
    kept = tuple(1 if axis in axes else side for axis, side in enumerate(inputs[0].shape))
    return (l2_norm_backward(inputs[0], y.reshape(kept), dy.reshape(kept)),)


ROWS = (
    Operator(
        "BatchNormalization",
        _batch_normalization,
        _batch_normalization_backward,
        _check_batch_normalization,
    ),
    Operator("ReduceL2", _reduce_l2, _reduce_l2_backward, _check_reduced, settings=True),
    Operator(
        "Softmax",
        lambda node, x: softmax(x[0], integer(node, "axis", -1)),
        lambda node, x, y, dy: (softmax_backward(y, dy, integer(node, "axis", -1)),),
    ),
)
