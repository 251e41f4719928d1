"""Convolutions and transposed convolutions."""

from __future__ import annotations

import onnx_ir as ir

from tatami.graph.attributes import integer, integers, transposed_window_of, window_of
from tatami.graph.network import shape_of
from tatami.graph.operators.row import Array, Inputs, Operator, value_at, weight_at, wrong
from tatami.graph.operators.windows import fitting_window
from tatami.ops.conv import convolve
from tatami.ops.conv_transpose import convolve_transposed, convolve_transposed_backward


def _conv(node: ir.Node, inputs: Inputs) -> Array:
    bias = inputs[2] if len(inputs) > 2 else None
    return convolve(inputs[0], inputs[1], bias, window_of(node), integer(node, "group", 1))


def _conv_transpose(node: ir.Node, inputs: Inputs) -> Array:
    bias = inputs[2] if len(inputs) > 2 else None
    _, _, out_h, out_w = shape_of(node.outputs[0])
    window, groups = transposed_window_of(node), integer(node, "group", 1)
    return convolve_transposed(inputs[0], inputs[1], bias, window, (out_h, out_w), groups)


def _check_conv(node: ir.Node) -> None:
    image, kernel = shape_of(value_at(node, 0)), weight_at(node, 1).shape
    if len(kernel) != 4:
        raise wrong(node, f"has a weight of {len(kernel)} axes, not 4")
    fitting_window(node)
    groups = integer(node, "group", 1)
    if groups < 1 or image[1] != kernel[1] * groups or kernel[0] % groups:
        raise wrong(
            node, f"has a weight of shape {kernel} in {groups} groups for {image[1]} channels"
        )
    if integers(node, "kernel_shape", kernel[2:]) != kernel[2:]:
        raise wrong(node, f"says another kernel_shape than its weight of shape {kernel}")
    if len(node.inputs) > 2 and node.inputs[2] is not None:
        bias = weight_at(node, 2).shape
        if bias != (kernel[0],):
            raise wrong(node, f"has a bias of shape {bias} for {kernel[0]} outputs")


def _check_conv_transpose(node: ir.Node) -> None:
    image, kernel = shape_of(value_at(node, 0)), weight_at(node, 1).shape
    transposed_window_of(node)
    groups = integer(node, "group", 1)
    if groups < 1 or len(kernel) != 4 or image[1] != kernel[0] or kernel[0] % groups:
        raise wrong(
            node, f"has a weight of shape {kernel} in {groups} groups for {image[1]} channels"
        )
    if len(node.inputs) > 2 and node.inputs[2] is not None:
        weight_at(node, 2)


def _conv_backward(node: ir.Node, inputs: Inputs, y: Array, dy: Array) -> tuple[Array, ...]:
    """Run the transposed convolution; the gradient of the weights is not needed.

    Source:
        Dumoulin and Visin, section 4.1.
    """
    x, weight = inputs[:2]
    groups = integer(node, "group", 1)
    return (convolve_transposed(dy, weight, None, window_of(node), x.shape[2:], groups),)


def _conv_transpose_backward(
    node: ir.Node, inputs: Inputs, y: Array, dy: Array
) -> tuple[Array, ...]:
    x, weight = inputs[:2]
    window, groups = transposed_window_of(node), integer(node, "group", 1)
    return convolve_transposed_backward(x, weight, dy, window, groups)[:1]


ROWS = (
    Operator("Conv", _conv, _conv_backward, _check_conv, role="sum"),
    Operator(
        "ConvTranspose",
        _conv_transpose,
        _conv_transpose_backward,
        _check_conv_transpose,
        role="sum",
    ),
)
