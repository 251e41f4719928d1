"""The operators of TFLite that Tatami has, and how each becomes ONNX: a function an operator.

Indices of fields are those of the options in TFLite's schema.fbs, version 3.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tatami.graph.form import MAX_ELEMENTS
from tatami.importers import (
    tflite_choices,
    tflite_convolutions,
    tflite_functions,
    tflite_moves,
    tflite_recurrent,
)
from tatami.importers.build import Attribute, Shape, window_attributes
from tatami.importers.tflite_network import Work, weights_of
from tatami.importers.tflite_options import flag, integer
from tatami.importers.tflite_schema import Operator
from tatami.ops.window import Axis, Window


def _map_of(work: Work, operator: Operator) -> tuple[str, int, int, int]:
    """Give the first input, which must be a map, and its rows, columns and channels."""
    x = work.value(operator)
    shape = work.shape(x)
    if len(shape) != 4 or shape[0] != 1:
        raise work.wrong(operator, f"works on {shape}, Tatami knows maps (1, rows, columns, n)")
    return x, shape[1], shape[2], shape[3]


def _axis(length: int, kernel: int, stride: int, dilation: int, same: bool) -> Axis:
    """Write a window with TFLite's padding.

    SAME gives ceil(length / stride), the odd sample at the end.
    """
    if not same:
        return Axis(kernel, stride, dilation=dilation)
    plain = Axis(kernel, stride, dilation=dilation)
    total = max(0, (-(-length // stride) - 1) * stride + plain.span - length)
    return Axis(kernel, stride, total // 2, total - total // 2, dilation)


def _same(work: Work, operator: Operator) -> bool:
    padding = integer(operator, 0, "int8")
    if padding not in (0, 1):
        raise work.wrong(operator, f"has padding number {padding}")
    return padding == 0


def _conv(work: Work, operator: Operator) -> None:
    _convolution(work, operator, lambda w: w.transpose(0, 3, 1, 2), fused=3)


def _depthwise(work: Work, operator: Operator) -> None:
    """Add a depthwise convolution as one with as many groups as channels.

    Its weights are (1, rows, columns, channels * multiplier).
    """
    _convolution(work, operator, lambda w: w.transpose(3, 0, 1, 2), fused=4)


def _convolution(
    work: Work,
    operator: Operator,
    order: Callable[[NDArray[Any]], NDArray[Any]],
    fused: int,
) -> None:
    """Add a convolution; ``fused`` is the field of its activation, the dilations follow it."""
    x, rows, columns, channels = _map_of(work, operator)
    tensor = work.tensor(operator, 1)
    if tensor is None or len(tensor.shape) != 4:
        raise work.wrong(operator, "has no weights of four axes")
    inputs, (outputs, depth, height, width) = weights_of(work, operator, x, order)
    if (
        not depth
        or channels % depth
        or (channels // depth > 1 and operator.outputs[0] in work.channels)
    ):
        raise work.wrong(operator, f"has weights {tensor.shape} for {channels} channels")
    groups = channels // depth
    if outputs % groups:
        raise work.wrong(operator, f"has {outputs} outputs in {groups} groups")
    same = _same(work, operator)
    across = _axis(
        columns, width, integer(operator, 1), integer(operator, fused + 1, default=1), same
    )
    down = _axis(rows, height, integer(operator, 2), integer(operator, fused + 2, default=1), same)
    padded = (rows + down.before + down.after) * (columns + across.before + across.after)
    if padded * channels > MAX_ELEMENTS:
        raise work.wrong(operator, "pads its input beyond all bounds")
    attributes: dict[str, Attribute] = {
        **window_attributes(Window(down, across), same),
        "dilations": (down.dilation, across.dilation),
        "group": groups,
    }
    shape = (1, outputs, down.output(rows), across.output(columns))
    activation = integer(operator, fused, "int8")
    name = work.raw_name(operator, activation)
    work.finish(operator, work.builder.add("Conv", name, inputs, shape, attributes), activation)


def _fully_connected(work: Work, operator: Operator) -> None:
    x = work.value(operator)
    given = work.shape(x)
    tensor = work.tensor(operator, 1)
    each = 0 if tensor is None or len(tensor.shape) != 2 else tensor.shape[1]
    rows = math.prod(given) // each if each else 0
    if not rows or rows * each != math.prod(given):
        raise work.wrong(operator, f"has weights {tensor and tensor.shape} for {given}")
    if integer(operator, 1, "int8"):
        raise work.wrong(operator, "has its weights shuffled")

    def order(array: NDArray[Any]) -> NDArray[Any]:
        """Columns in the order in which ONNX lays out a map: channels first."""
        if len(given) != 4 or rows > 1:
            return array
        return array.reshape(-1, *given).transpose(0, 1, 4, 2, 3).reshape(array.shape)

    name = work.name(operator)
    if rows > 1:
        x = work.regrouped(f"{name}_rows", x, (rows, each))
    elif len(given) != 2:
        x = work.builder.reshape(f"{name}_row", x, (1, each))
    inputs, (outputs, _) = weights_of(work, operator, x, order)
    activation = integer(operator, 0, "int8")
    raw = work.raw_name(operator, activation)
    y = work.builder.add("Gemm", raw, inputs, (rows, outputs), {"transB": 1})
    if flag(operator, 2) and len(given) != 2:  # keep_num_dims
        kept = next(count for count in range(len(given)) if math.prod(given[count:]) <= each)
        if math.prod(given[kept:]) != each:
            raise work.wrong(operator, f"has weights of {each} for {given}")
        y = work.regrouped(f"{raw}_kept", y, (*given[:kept], outputs))
    work.finish(operator, y, activation)


def _pool(work: Work, operator: Operator) -> None:
    x, rows, columns, _ = _map_of(work, operator)
    same = _same(work, operator)
    across = _axis(columns, integer(operator, 3), integer(operator, 1), 1, same)
    down = _axis(rows, integer(operator, 4), integer(operator, 2), 1, same)
    activation = integer(operator, 5, "int8")
    name = work.raw_name(operator, activation)
    if operator.kind == "MAX_POOL_2D":
        y = work.builder.max_pool(name, x, Window(down, across), same=same)
    else:
        y = work.builder.average_pool(name, x, Window(down, across), count_padding=False, same=same)
    work.finish(operator, y, activation)


def _concatenation(work: Work, operator: Operator) -> None:
    values = [work.operand(operator, index) for index in range(len(operator.inputs))]
    if not values:
        raise work.wrong(operator, "joins nothing")
    rank = len(work.shape(values[0]))
    axis = integer(operator, 0)
    if not -rank <= axis < rank:
        raise work.wrong(operator, f"joins along axis {axis}")
    axis %= rank
    activation = integer(operator, 1, "int8")
    name = work.raw_name(operator, activation)
    y = work.builder.concat(name, values, (0, 2, 3, 1)[axis] if rank == 4 else axis)
    work.finish(operator, y, activation)


def _reshape(work: Work, operator: Operator) -> None:
    x = work.value(operator)
    index = operator.outputs[0]
    only = set(work.readers.get(index, [])) == {"FULLY_CONNECTED"}
    if only and index not in work.content.outputs:  # which takes maps, and orders its weights
        work.values[index] = x
        return
    target = _target(work, operator, work.shape(x))
    work.finish(operator, work.regrouped(work.name(operator), x, target))


def _target(work: Work, operator: Operator, given: Shape) -> Shape:
    """Read the shape that a RESHAPE or a SQUEEZE asks for, channels last."""
    if operator.kind == "SQUEEZE":
        axes = [] if operator.options is None else operator.options.numbers(0, "int32").tolist()
        gone = {axis % len(given) for axis in axes} or set(range(len(given)))
        return tuple(
            side for axis, side in enumerate(given) if axis not in gone or (not axes and side != 1)
        )
    if work.is_constant(operator, 1):
        asked = work.integers_of(operator, 1)
    elif operator.options is not None and len(operator.inputs) < 2:
        asked = operator.options.numbers(0, "int32")[:16].tolist()
    else:  # computed from shapes that are all fixed
        asked = list(work.content.tensors[operator.outputs[0]].shape)
    known = math.prod(side for side in asked if side != -1)
    if asked.count(-1) == 1 and known > 0:
        asked[asked.index(-1)] = math.prod(given) // known
    if min(asked, default=1) < 1 or math.prod(asked) != math.prod(given):
        raise work.wrong(operator, f"makes {tuple(asked)} of {given}")
    return tuple(asked)


def _resize(work: Work, operator: Operator) -> None:
    x, rows, columns, channels = _map_of(work, operator)
    sides = work.integers_of(operator, 1)
    if len(sides) != 2 or min(sides) < 1:
        raise work.wrong(operator, f"resizes to {sides}")
    tensor = work.tensor(operator, 0)
    assert tensor is not None
    if work.resized and len(tensor.shape) == 4:
        sides = [
            _scaled(work, operator, side, before, now)
            for side, before, now in zip(sides, tensor.shape[1:3], (rows, columns), strict=True)
        ]
    linear = operator.kind == "RESIZE_BILINEAR"
    corners, half = (flag(operator, field) for field in ((2, 3) if linear else (0, 1)))
    if corners and half:
        raise work.wrong(operator, "has corners aligned and pixels halved")
    attributes: dict[str, Attribute] = {
        "mode": "linear" if linear else "nearest",
        "coordinate_transformation_mode": "align_corners"
        if corners
        else "half_pixel"
        if half
        else "asymmetric",
    }
    if not linear:
        attributes["nearest_mode"] = "round_prefer_ceil" if corners or half else "floor"
    shape = (1, channels, *sides)
    name = work.name(operator)
    size = work.builder.weight(f"{name}.sizes", np.array(shape, np.int64))
    y = work.builder.add("Resize", name, [x, "", "", size], shape, attributes)
    work.finish(operator, y)


def _scaled(work: Work, operator: Operator, side: int, before: int, now: int) -> int:
    """Compute what a side is resized to when its input is another than the file's."""
    if not before or side * now % before:
        raise work.wrong(operator, f"resizes {before} to {side}, which {now} cannot follow")
    return side * now // before


_FUSED = {"RELU": 1, "RELU_N1_TO_1": 2, "RELU6": 3}


def _fused(work: Work, operator: Operator) -> None:
    work.finish(operator, work.operand(operator, 0), _FUSED[operator.kind])


def _leaky_relu(work: Work, operator: Operator) -> None:
    alpha = math.nan if operator.options is None else operator.options.real(0)
    if not math.isfinite(alpha):
        raise work.wrong(operator, f"has the slope {alpha}")
    work.finish(operator, work.builder.leaky_relu(work.name(operator), work.value(operator), alpha))


def _softmax(work: Work, operator: Operator) -> None:
    beta = math.nan if operator.options is None else operator.options.real(0)
    if beta != 1:
        raise work.wrong(operator, f"has a beta of {beta:g}, Tatami knows 1")
    x = work.value(operator)
    axis = 1 if len(work.shape(x)) == 4 else len(work.shape(x)) - 1
    work.finish(operator, work.builder.softmax(work.name(operator), x, axis))


def _quantize(work: Work, operator: Operator) -> None:
    """Go from floats to bytes, or from bytes to others: the pair is that of the result."""
    work.finish(operator, work.value(operator))


def _dequantize(work: Work, operator: Operator) -> None:
    """Pass a value on: it exists in float32, also a constant that is float16 or sparse."""
    if work.is_constant(operator, 0):
        array = work.reals(operator, 0)
        assert array is not None
        if array.shape != work.content.tensors[operator.outputs[0]].shape:
            raise work.wrong(operator, f"makes another shape than {array.shape}")
        work.constants[operator.outputs[0]] = array
    else:
        work.finish(operator, work.value(operator))


OPERATORS: Mapping[str, Callable[[Work, Operator], None]] = {
    **tflite_choices.OPERATORS,
    **tflite_convolutions.OPERATORS,
    **tflite_functions.OPERATORS,
    **tflite_moves.OPERATORS,
    **tflite_recurrent.OPERATORS,
    "AVERAGE_POOL_2D": _pool,
    "CONCATENATION": _concatenation,
    "CONV_2D": _conv,
    "DEPTHWISE_CONV_2D": _depthwise,
    "DENSIFY": _dequantize,
    "DEQUANTIZE": _dequantize,
    "FULLY_CONNECTED": _fully_connected,
    "LEAKY_RELU": _leaky_relu,
    "MAX_POOL_2D": _pool,
    "QUANTIZE": _quantize,
    "RELU": _fused,
    "RELU6": _fused,
    "RELU_N1_TO_1": _fused,
    "RESHAPE": _reshape,
    "RESIZE_BILINEAR": _resize,
    "RESIZE_NEAREST_NEIGHBOR": _resize,
    "SOFTMAX": _softmax,
    "SQUEEZE": _reshape,
}
"""The closed set, of this file and of those for functions, moves and memories."""
