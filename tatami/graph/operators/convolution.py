"""Convolutions and transposed convolutions, along any number of axes."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from tatami.graph.attributes import axes_of, constant, integer, integers, transposed_axes_of
from tatami.graph.network import shape_of
from tatami.graph.operators.row import Array, Inputs, Operator, value_at, wrong
from tatami.graph.operators.windows import fitting_axes
from tatami.ops.conv import convolve, convolve_backward
from tatami.ops.conv_transpose import convolve_transposed, convolve_transposed_backward


def _bias(inputs: Inputs) -> Array | None:
    return inputs[2] if len(inputs) > 2 else None


def _conv(node: ir.Node, inputs: Inputs) -> Array:
    groups = integer(node, "group", 1)
    return convolve(inputs[0], inputs[1], _bias(inputs), axes_of(node), groups)


def _conv_transpose(node: ir.Node, inputs: Inputs) -> Array:
    output = shape_of(node.outputs[0])[2:]
    window, groups = transposed_axes_of(node), integer(node, "group", 1)
    return convolve_transposed(inputs[0], inputs[1], _bias(inputs), window, output, groups)


def _integer_conv(node: ir.Node, inputs: Inputs) -> Array:
    """Convolve whole numbers less their zero points, of which a weight may have one an output."""
    x, weight = (each.astype(np.int64) for each in inputs[:2])
    if len(inputs) > 2 and inputs[2] is not None:
        x = x - inputs[2].astype(np.int64)
    if len(inputs) > 3 and inputs[3] is not None:
        weight = weight - inputs[3].astype(np.int64).reshape(-1, *[1] * (weight.ndim - 1))
    return convolve(x, weight, None, axes_of(node), integer(node, "group", 1)).astype(np.int32)


def _check_conv(node: ir.Node) -> None:
    image, kernel = shape_of(value_at(node, 0)), shape_of(value_at(node, 1))
    if len(kernel) != len(image):
        raise wrong(node, f"has a weight of {len(kernel)} axes, not {len(image)}")
    fitting_axes(node)
    groups = integer(node, "group", 1)
    if groups < 1 or image[1] != kernel[1] * groups or kernel[0] % groups:
        raise wrong(
            node, f"has a weight of shape {kernel} in {groups} groups for {image[1]} channels"
        )
    if integers(node, "kernel_shape", kernel[2:]) != kernel[2:]:
        raise wrong(node, f"says another kernel_shape than its weight of shape {kernel}")
    if node.op_type == "Conv":
        _check_bias(node, kernel[0])


def _check_bias(node: ir.Node, outputs: int) -> None:
    if len(node.inputs) > 2 and node.inputs[2] is not None:
        bias = shape_of(value_at(node, 2))
        if bias != (outputs,):
            raise wrong(node, f"has a bias of shape {bias} for {outputs} outputs")


def _check_conv_transpose(node: ir.Node) -> None:
    image, kernel = shape_of(value_at(node, 0)), shape_of(value_at(node, 1))
    groups = integer(node, "group", 1)
    fits = groups >= 1 and len(kernel) == len(image) > 2
    if not fits or image[1] != kernel[0] or kernel[0] % groups:
        raise wrong(
            node, f"has a weight of shape {kernel} in {groups} groups for {image[1]} channels"
        )
    transposed_axes_of(node)
    _check_bias(node, kernel[1] * groups)


def _conv_backward(node: ir.Node, inputs: Inputs, y: Array, dy: Array) -> tuple[Array, ...]:
    """Run the transposed convolution; the gradient of constant weights is not needed.

    Source:
        Dumoulin and Visin, section 4.1.
    """
    x, weight = inputs[:2]
    groups = integer(node, "group", 1)
    if constant(node, 1) is None:
        return convolve_backward(x, weight, dy, axes_of(node), groups)
    return (convolve_transposed(dy, weight, None, axes_of(node), x.shape[2:], groups),)


def _conv_transpose_backward(
    node: ir.Node, inputs: Inputs, y: Array, dy: Array
) -> tuple[Array, ...]:
    x, weight = inputs[:2]
    window, groups = transposed_axes_of(node), integer(node, "group", 1)
    return convolve_transposed_backward(x, weight, dy, window, groups)


ROWS = (
    Operator("Conv", _conv, _conv_backward, _check_conv, role="sum"),
    Operator("ConvInteger", _integer_conv, None, _check_conv),
    Operator(
        "ConvTranspose",
        _conv_transpose,
        _conv_transpose_backward,
        _check_conv_transpose,
        role="sum",
    ),
)
