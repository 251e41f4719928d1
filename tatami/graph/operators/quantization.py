"""How a value is stored: quantized, and back."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from tatami.graph.attributes import constant, integer
from tatami.graph.network import shape_of
from tatami.graph.operators.kinds import cast
from tatami.graph.operators.row import Array, Inputs, Operator, value_at, wrong
from tatami.ops.affine import beside, dequantize, quantize, range_of
from tatami.ops.narrow import is_narrow, widened


def along(node: ir.Node, x: Array, numbers: Array) -> Array:
    """Shape a scale or zero point, whole, of each slice or of each block, to fit x."""
    axis = integer(node, "axis", 1) % max(1, x.ndim)
    return beside(numbers, x, axis, integer(node, "block_size", 0))


def _quantize_linear(node: ir.Node, inputs: Inputs) -> Array:
    x, scale = inputs[:2]
    kind = node.outputs[0].dtype
    zero = inputs[2] if len(inputs) > 2 and inputs[2] is not None else None
    if zero is None:
        zero = np.zeros(scale.shape, np.uint8 if kind is None else kind.numpy())
    saturate = bool(integer(node, "saturate", 1))
    return quantize(widened(x), along(node, x, widened(scale)), along(node, x, zero), saturate)


def _dequantize_linear(node: ir.Node, inputs: Inputs) -> Array:
    x, scale = inputs[:2]
    zero = inputs[2] if len(inputs) > 2 and inputs[2] is not None else None
    y = dequantize(
        x, along(node, x, widened(scale)), None if zero is None else along(node, x, zero)
    )
    kind = node.outputs[0].dtype
    return y if kind is None else cast(y, np.dtype(kind.numpy()))


def _dynamic(node: ir.Node, inputs: Inputs) -> tuple[Array, ...]:
    scale, zero = range_of(inputs[0])
    return quantize(inputs[0], scale, zero), scale, zero


def _check_quantized(node: ir.Node) -> None:
    """Check that scales are positive, and of a shape that fits."""
    scale = constant(node, 1)
    if scale is not None and not (scale > 0).all():
        raise wrong(node, "has a scale that is not positive")
    for index in (1, 2):
        value = node.inputs[index] if index < len(node.inputs) else None
        if value is None or value.dtype is None or constant(node, index) is not None:
            continue
        if is_narrow(np.dtype(value.dtype.numpy())):
            raise wrong(node, f"computes its input {index} in a narrow format")
    sides, of_scale = shape_of(value_at(node, 0)), shape_of(value_at(node, 1))
    axis, block = integer(node, "axis", 1), integer(node, "block_size", 0)
    count = int(np.prod(of_scale, dtype=np.int64))
    along_axis = block or count > 1
    if along_axis and not -len(sides) <= axis < len(sides):
        raise wrong(node, f"has scales of axis {axis} of {len(sides)}")
    if block:
        wanted = tuple(
            -(-side // block) if index == axis % len(sides) else side
            for index, side in enumerate(sides)
        )
        if of_scale != wanted:
            raise wrong(node, f"has scales {of_scale} for blocks of {block} in {sides}")
    elif count > 1 and count != sides[axis]:
        raise wrong(node, f"has {count} scales for an axis of {sides[axis]}")


ROWS = (
    Operator(
        "DequantizeLinear",
        _dequantize_linear,
        check=_check_quantized,
        role="storage",
        settings=True,
    ),
    Operator("DynamicQuantizeLinear", _dynamic, outputs=3),
    Operator(
        "QuantizeLinear", _quantize_linear, check=_check_quantized, role="storage", settings=True
    ),
)
