"""What a network must be to be run and shipped: refused here, by name, before anything runs.

ONNX's own checker has looked at the form; these are the rules that it does not hold.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from tatami.errors import TatamiError
from tatami.graph.attributes import (
    constant,
    integer,
    integers,
    pad_widths,
    place,
    real,
    resize_taps_of,
    slices_of,
    text,
    transposed_window_of,
    weight,
    window_of,
)
from tatami.graph.network import shape_of
from tatami.graph.operators import OPERATORS
from tatami.ops.window import Window
from tatami.types import Spec

MAX_ELEMENTS = 2**28
"""No value may have more elements (1 GiB of float32): the bound before memory is taken."""

AGAIN = "export the network again"


def check_operators(operators: Iterable[tuple[str, str]]) -> None:
    """Raise TatamiError that names every (domain, operator) outside the table."""
    unknown = {
        name if domain in ("", "ai.onnx") else f"{domain}::{name}"
        for domain, name in operators
        if name not in (*OPERATORS, "Constant") or domain not in ("", "ai.onnx")
    }
    if unknown:
        raise TatamiError(
            f"the network uses {', '.join(sorted(unknown))}, which Tatami does not know",
            hint=f"use only {', '.join(sorted(OPERATORS))}",
        )


def check_graph(graph: ir.Graph, contradiction: str | None = None) -> None:
    """Raise TatamiError for a network that Tatami cannot run as it is meant.

    contradiction: why ONNX's shape inference gave up, where it did; then this always raises.
    """
    if len(graph.inputs) != 1:
        raise TatamiError(
            f"the network has {len(graph.inputs)} inputs, Tatami runs networks with one",
            hint="export it with the images as its only input",
        )
    for value in graph.initializers.values():
        _check_constant(value)
    _check_activation(graph.inputs[0], None)
    for node in graph:  # in order, so that a node's inputs are known to be good
        if any(value.name and not _for_unpools(node, value) for value in node.outputs[1:]):
            raise _wrong(node, "makes several outputs", "export the network in inference mode")
        if node.op_type == "Constant":  # lift_constants leaves only one that is an output
            raise _wrong(node, "is an output of the network that no image changes")
        rule = _RULES.get(node.op_type)
        if rule is not None:
            rule(node)
        _check_activation(node.outputs[0], contradiction)
    if contradiction is not None:
        raise TatamiError(f"ONNX refuses the network: {contradiction}", hint=AGAIN)


def check_spec(graph: ir.Graph, spec: Spec) -> None:
    """Raise TatamiError where the metadata and the graph tell different stories."""
    spec.check(shape_of(graph.inputs[0]), [shape_of(output) for output in graph.outputs])


def _for_unpools(node: ir.Node, value: ir.Value) -> bool:
    """Whether a second output is where a max pool's samples lay, and only unpooling reads it."""
    if node.op_type != "MaxPool" or not value.uses() or value.is_graph_output():
        return False
    return all(use.node.op_type == "MaxUnpool" and use.idx == 1 for use in value.uses())


def _check_constant(value: ir.Value) -> None:
    """Finite float32, or the whole numbers that say a shape."""
    assert value.const_value is not None
    try:
        array = value.const_value.numpy()
    except (ValueError, TypeError) as error:
        raise TatamiError(f"weight '{value.name}' cannot be read: {error}", hint=AGAIN) from None
    if array.dtype in (np.int64, np.int32, np.int8, np.uint8):  # shapes, and quantized weights
        return
    if array.dtype != np.float32:
        raise TatamiError(
            f"weight '{value.name}' is {value.const_value.dtype.name}, not FLOAT",
            hint="export the network in float32",
        )
    # Minus infinity is how a Pad in front of a max pool is written.
    if np.isnan(array).any() or (array.ndim > 0 and np.isinf(array).any()):
        raise TatamiError(
            f"weight '{value.name}' holds a NaN or an infinity",
            hint="train again with a lower learning rate, or take an earlier checkpoint",
        )


def _check_activation(value: ir.Value, contradiction: str | None) -> None:
    shape = value.shape
    if contradiction is not None and (shape is None or not shape.is_static()):
        raise TatamiError(
            f"value '{value.name}' has no shape that fits its inputs: {contradiction}", hint=AGAIN
        )
    if shape is None or not shape.is_static():
        raise TatamiError(
            f"value '{value.name}' has no fixed shape ({shape})",
            hint="export the network for one input size and a batch of 1",
        )
    maker = value.producer()
    quantized = maker is not None and maker.op_type == "QuantizeLinear"
    if value.dtype != ir.DataType.FLOAT and not (
        quantized and value.dtype in (ir.DataType.UINT8, ir.DataType.INT8)
    ):
        kind = None if value.dtype is None else value.dtype.name
        raise TatamiError(
            f"value '{value.name}' is {kind}, not FLOAT", hint="export the network in float32"
        )
    sides = shape_of(value)
    if min(sides, default=1) < 1:
        raise TatamiError(
            f"value '{value.name}' has the shape {sides}: the input is too small",
            hint="export the network for a larger input",
        )
    if math.prod(sides) > MAX_ELEMENTS:
        raise TatamiError(
            f"value '{value.name}' has the shape {sides}, beyond {MAX_ELEMENTS} elements",
            hint="export the network for a smaller input",
        )


def _conv(node: ir.Node) -> None:
    image, kernel = shape_of(_value(node, 0)), _weight(node, 1).shape
    if len(kernel) != 4:
        raise _wrong(node, f"has a weight of {len(kernel)} axes, not 4")
    _window(node)
    groups = integer(node, "group", 1)
    if groups < 1 or image[1] != kernel[1] * groups or kernel[0] % groups:
        raise _wrong(
            node, f"has a weight of shape {kernel} in {groups} groups for {image[1]} channels"
        )
    if integers(node, "kernel_shape", kernel[2:]) != kernel[2:]:
        raise _wrong(node, f"says another kernel_shape than its weight of shape {kernel}")
    if len(node.inputs) > 2 and node.inputs[2] is not None:
        bias = _weight(node, 2).shape
        if bias != (kernel[0],):
            raise _wrong(node, f"has a bias of shape {bias} for {kernel[0]} outputs")


def _window(node: ir.Node) -> Window:
    """Read a node's window, which must fit its input: ONNX's inference makes one place of none."""
    window = window_of(node)
    rows, columns = shape_of(_value(node, 0))[2:]
    for axis, length in ((window.rows, rows), (window.columns, columns)):
        try:
            axis.output(length)
        except TatamiError as error:
            raise _wrong(node, f"has no output: {error.reason}", "give a larger input") from None
    return window


def _conv_transpose(node: ir.Node) -> None:
    image, kernel = shape_of(_value(node, 0)), _weight(node, 1).shape
    transposed_window_of(node)
    groups = integer(node, "group", 1)
    if groups < 1 or len(kernel) != 4 or image[1] != kernel[0] or kernel[0] % groups:
        raise _wrong(
            node, f"has a weight of shape {kernel} in {groups} groups for {image[1]} channels"
        )
    if len(node.inputs) > 2 and node.inputs[2] is not None:
        _weight(node, 2)


def _resize(node: ir.Node) -> None:
    resize_taps_of(node)


def _batch_normalization(node: ir.Node) -> None:
    if integer(node, "training_mode", 0):
        raise _wrong(node, "is in training mode", "export the network in inference mode")
    image = shape_of(_value(node, 0))
    if len(image) != 4:
        raise _wrong(node, f"works on {len(image)} axes, Tatami knows pictures with four")
    for index, name in enumerate(("scale", "bias", "mean", "variance"), start=1):
        shape = _weight(node, index).shape
        if shape != (image[1],):
            raise _wrong(node, f"has a {name} of shape {shape} for {image[1]} channels")
    variance = _weight(node, 4)
    if not (variance.astype(float) + real(node, "epsilon", 1e-5) > 0).all():
        raise _wrong(node, "has a variance that is negative beyond its epsilon")


def _pool(node: ir.Node) -> None:
    if integer(node, "ceil_mode", 0) or integer(node, "storage_order", 0):
        raise _wrong(node, "uses ceil_mode or storage_order", "export it with ceil_mode=False")
    window = _window(node)
    for axis in (window.rows, window.columns):
        if max(axis.before, axis.after) >= axis.span:
            raise _wrong(node, "pads by its whole window: a place would see nothing")


def _max_unpool(node: ir.Node) -> None:
    window_of(node)
    if len(node.inputs) > 2 and node.inputs[2] is not None:
        raise _wrong(node, "asks for a shape of its own", "unpool to the shape that was pooled")
    if shape_of(_value(node, 0)) != shape_of(_value(node, 1)):
        raise _wrong(node, "has not one index a sample")


def _slice(node: ir.Node) -> None:
    settings = [_weight(node, 1), _weight(node, 2)]
    for index in (3, 4):
        if len(node.inputs) > index and node.inputs[index] is not None:
            settings.append(_weight(node, index))
    rank = len(shape_of(_value(node, 0)))
    axes, steps = constant(node, 3), constant(node, 4)
    count = rank if axes is None else len({int(axis) % rank for axis in axes})
    if len({array.shape for array in settings}) > 1 or settings[0].size > count:
        raise _wrong(node, f"has starts, ends, axes and steps that do not fit {rank} axes")
    if axes is not None and not all(-rank <= axis < rank for axis in axes):
        raise _wrong(node, f"cuts an axis that {rank} axes have not")
    if steps is not None and not steps.all():
        raise _wrong(node, "has a step of 0")
    sides = tuple(
        len(range(length)[taken])
        for length, taken in zip(shape_of(_value(node, 0)), slices_of(node), strict=True)
    )
    if sides != shape_of(node.outputs[0]):
        raise _wrong(node, f"makes {sides}, not {shape_of(node.outputs[0])}")


def _pad(node: ir.Node) -> None:
    if text(node, "mode", "constant") not in ("constant", "edge", "reflect"):
        raise _wrong(node, f"has the mode {text(node, 'mode', '')}")
    for index in range(1, len(node.inputs)):
        if node.inputs[index] is not None:
            _weight(node, index)
    pads, axes = _weight(node, 1), constant(node, 3)
    rank = len(shape_of(_value(node, 0)))
    chosen = np.arange(rank) if axes is None else axes
    if pads.shape != (2 * len(chosen),) or not all(-rank <= axis < rank for axis in chosen):
        raise _wrong(node, f"has pads that do not fit {rank} axes")
    if any(min(width) < 0 for width in pad_widths(node)):
        raise _wrong(node, "crops (a negative pad)")


def _clip(node: ir.Node) -> None:
    for index in range(1, len(node.inputs)):
        if node.inputs[index] is not None:
            _weight(node, index)


def _product(node: ir.Node) -> None:
    ranks = [len(shape_of(_value(node, index))) for index in (0, 1)]
    if min(ranks) < 2:
        raise _wrong(node, "multiplies by a vector", "export it with matrices")


def _quantized(node: ir.Node) -> None:
    """Check that the scale is a positive constant, and the zero point a constant too."""
    if integer(node, "block_size", 0):
        raise _wrong(node, "is quantized in blocks", "quantize a tensor or a channel at a time")
    scale = constant(node, 1)
    if scale is None or not (scale > 0).all():
        raise _wrong(node, "has a scale that is not a positive constant")
    if len(node.inputs) > 2 and node.inputs[2] is not None and constant(node, 2) is None:
        raise _wrong(node, "has a zero point that is not a constant")


def _space_to_depth(node: ir.Node) -> None:
    shape, block = shape_of(_value(node, 0)), integer(node, "blocksize", 1)
    if len(shape) != 4 or block < 1 or shape[2] % block or shape[3] % block:
        raise _wrong(node, f"takes blocks of {block}x{block} of a value of shape {shape}")


def _reshape(node: ir.Node) -> None:
    _weight(node, 1)


def _reduced(node: ir.Node) -> None:
    """Over axes that are constants; a node that names none adds up all of them."""
    if len(node.inputs) > 1 and node.inputs[1] is not None:
        _weight(node, 1)
    rank = len(shape_of(_value(node, 0)))
    given = constant(node, 1)
    named = integers(node, "axes", ()) if given is None else tuple(int(axis) for axis in given)
    if not named and integer(node, "noop_with_empty_axes", 0):
        raise _wrong(node, "sums over no axis", "leave it out")
    if not all(-rank <= axis < rank for axis in named):
        raise _wrong(node, f"sums over axes {named} of {rank}")


_RULES = {
    "AveragePool": _pool,
    "BatchNormalization": _batch_normalization,
    "Clip": _clip,
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "DequantizeLinear": _quantized,
    "MatMul": _product,
    "MaxPool": _pool,
    "MaxUnpool": _max_unpool,
    "Pad": _pad,
    "QuantizeLinear": _quantized,
    "ReduceL2": _reduced,
    "Reshape": _reshape,
    "Resize": _resize,
    "Slice": _slice,
    "SpaceToDepth": _space_to_depth,
}


def _value(node: ir.Node, index: int) -> ir.Value:
    value = node.inputs[index]
    if value is None:
        raise _wrong(node, f"lacks its input {index}")
    return value


def _weight(node: ir.Node, index: int) -> NDArray[Any]:
    """Read the constant that a node needs at ``index``."""
    array = weight(node, index)
    if array is None:
        raise _wrong(node, f"has an input {index} that is not a constant")
    return array


def _wrong(node: ir.Node, reason: str, hint: str = AGAIN) -> TatamiError:
    return TatamiError(f"{place(node)} {reason}", hint=hint)
