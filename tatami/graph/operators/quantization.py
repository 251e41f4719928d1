"""How a value is stored: quantized, and back."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from tatami.graph.attributes import constant, integer
from tatami.graph.operators.row import Array, Inputs, Operator, wrong


def _along(node: ir.Node, x: Array, of_channels: Array) -> Array:
    """Shape a scale or zero point, whole or of each slice along the node's axis, to fit x."""
    if of_channels.size == 1:
        return of_channels.reshape(())
    axis = integer(node, "axis", 1) % x.ndim
    return of_channels.reshape([-1 if i == axis else 1 for i in range(x.ndim)])


def _quantize_linear(node: ir.Node, inputs: Inputs) -> Array:
    x, scale = inputs[:2]
    zero = inputs[2] if len(inputs) > 2 and inputs[2] is not None else np.zeros(1, np.uint8)
    limits = np.iinfo(zero.dtype)
    steps = np.rint(x / _along(node, x, scale))
    steps = np.where(np.isnan(steps), np.float32(0), steps) + _along(node, x, zero)
    return np.asarray(np.clip(steps, limits.min, limits.max), zero.dtype)


def _dequantize_linear(node: ir.Node, inputs: Inputs) -> Array:
    x, scale = inputs[:2]
    wide = x.astype(np.int64)
    if len(inputs) > 2 and inputs[2] is not None:
        wide = wide - _along(node, x, inputs[2]).astype(np.int64)
    return np.asarray(wide.astype(np.float32) * _along(node, x, scale), np.float32)


def _check_quantized(node: ir.Node) -> None:
    """Check that the scale is a positive constant, and the zero point a constant too."""
    if integer(node, "block_size", 0):
        raise wrong(node, "is quantized in blocks", "quantize a tensor or a channel at a time")
    scale = constant(node, 1)
    if scale is None or not (scale > 0).all():
        raise wrong(node, "has a scale that is not a positive constant")
    if len(node.inputs) > 2 and node.inputs[2] is not None and constant(node, 2) is None:
        raise wrong(node, "has a zero point that is not a constant")


ROWS = (
    Operator(
        "DequantizeLinear",
        _dequantize_linear,
        check=_check_quantized,
        role="storage",
        settings=True,
    ),
    Operator(
        "QuantizeLinear", _quantize_linear, check=_check_quantized, role="storage", settings=True
    ),
)
