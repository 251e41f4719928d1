"""The operators of TFLite that Tatami has, and how each becomes ONNX: a function an operator.

Indices of fields are those of the options in TFLite's schema.fbs, version 3.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tatami.graph.check import MAX_ELEMENTS
from tatami.importers.build import Attribute, Shape
from tatami.importers.tflite_network import Work, first, weights_of
from tatami.importers.tflite_schema import Operator
from tatami.ops.window import Axis, Window


def _integer(
    operator: Operator, field: int, kind: Literal["int8", "int32"] = "int32", default: int = 0
) -> int:
    return default if operator.options is None else operator.options.integer(field, kind, default)


def _flag(operator: Operator, field: int) -> bool:
    return operator.options is not None and operator.options.flag(field)


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
    padding = _integer(operator, 0, "int8")
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
        columns, width, _integer(operator, 1), _integer(operator, fused + 1, default=1), same
    )
    down = _axis(
        rows, height, _integer(operator, 2), _integer(operator, fused + 2, default=1), same
    )
    padded = (rows + down.before + down.after) * (columns + across.before + across.after)
    if padded * channels > MAX_ELEMENTS:
        raise work.wrong(operator, "pads its input beyond all bounds")
    attributes: dict[str, Attribute] = {
        "strides": (down.stride, across.stride),
        "pads": (down.before, across.before, down.after, across.after),
        "dilations": (down.dilation, across.dilation),
        "group": groups,
    }
    shape = (1, outputs, down.output(rows), across.output(columns))
    activation = _integer(operator, fused, "int8")
    name = work.raw_name(operator, activation)
    work.finish(operator, work.builder.add("Conv", name, inputs, shape, attributes), activation)


def _fully_connected(work: Work, operator: Operator) -> None:
    x = work.value(operator)
    given = work.shape(x)
    tensor = work.tensor(operator, 1)
    if tensor is None or len(tensor.shape) != 2 or tensor.shape[1] != math.prod(given):
        raise work.wrong(operator, f"has weights {tensor and tensor.shape} for {given}")
    if _integer(operator, 1, "int8"):
        raise work.wrong(operator, "has its weights shuffled")

    def order(array: NDArray[Any]) -> NDArray[Any]:
        """Columns in the order in which ONNX lays out a map: channels first."""
        if len(given) != 4:
            return array
        return array.reshape(-1, *given).transpose(0, 1, 4, 2, 3).reshape(array.shape)

    name = work.name(operator)
    if len(given) != 2:
        x = work.builder.reshape(f"{name}_row", x, (1, math.prod(given)))
    elif given[0] != 1:
        raise work.wrong(operator, f"takes {given[0]} rows")
    inputs, (outputs, _) = weights_of(work, operator, x, order)
    activation = _integer(operator, 0, "int8")
    raw = work.raw_name(operator, activation)
    y = work.builder.add("Gemm", raw, inputs, (1, outputs), {"transB": 1})
    if _flag(operator, 2) and len(given) != 2:  # keep_num_dims
        y = _regrouped(work, f"{raw}_kept", y, (*given[:-1], outputs))
    work.finish(operator, y, activation)


def _pool(work: Work, operator: Operator) -> None:
    x, rows, columns, _ = _map_of(work, operator)
    same = _same(work, operator)
    across = _axis(columns, _integer(operator, 3), _integer(operator, 1), 1, same)
    down = _axis(rows, _integer(operator, 4), _integer(operator, 2), 1, same)
    activation = _integer(operator, 5, "int8")
    name = work.raw_name(operator, activation)
    if operator.kind == "MAX_POOL_2D":
        y = work.builder.max_pool(name, x, Window(down, across))
    else:
        y = work.builder.average_pool(name, x, Window(down, across), count_padding=False)
    work.finish(operator, y, activation)


def _mean(work: Work, operator: Operator) -> None:
    x, _, _, channels = _map_of(work, operator)
    axes = {axis % 4 for axis in work.integers_of(operator, 1)}
    if axes != {1, 2}:
        raise work.wrong(operator, f"works along axes {sorted(axes)}, not rows and columns")
    name = work.name(operator)
    y = work.builder.global_pool(name, x, "average")
    tensor = work.content.tensors[operator.outputs[0]]
    if not _flag(operator, 0):  # keep_dims
        if tensor.is_bytes:  # rounded where it is made, so that integers can make it
            y = work.through_bytes(tensor, y)
        y = work.builder.reshape(f"{name}_row", y, (1, channels))
    work.finish(operator, y)


_ARITHMETIC = {"ADD": "Add", "MUL": "Mul", "SUB": "Sub"}


def _arithmetic(work: Work, operator: Operator) -> None:
    shapes = []
    for index in (0, 1):
        tensor = work.tensor(operator, index)
        constant = work.is_constant(operator, index)
        if tensor is None:
            raise work.wrong(operator, f"has no input {index}")
        shapes.append(tensor.shape if constant else work.shape(work.value(operator, index)))
    try:
        shape = np.broadcast_shapes(*shapes)
    except ValueError:
        raise work.wrong(operator, f"combines {shapes[0]} and {shapes[1]}") from None
    activation = _integer(operator, 0, "int8")
    name = work.raw_name(operator, activation)
    inputs = []
    for index in (0, 1):
        if work.is_constant(operator, index):
            array = work.reals(operator, index)
            assert array is not None
            if len(shape) == 4:
                array = array.reshape((1,) * (4 - array.ndim) + array.shape).transpose(0, 3, 1, 2)
            inputs.append(work.builder.weight(f"{name}.constant", array))
        elif len(shapes[index]) != len(shape):
            raise work.wrong(operator, f"combines {shapes[0]} and {shapes[1]}")
        else:
            inputs.append(work.value(operator, index))
    y = work.builder.add(_ARITHMETIC[operator.kind], name, inputs, first(tuple(shape)))
    work.finish(operator, y, activation)


def _concatenation(work: Work, operator: Operator) -> None:
    values = [work.value(operator, index) for index in range(len(operator.inputs))]
    if not values:
        raise work.wrong(operator, "joins nothing")
    rank = len(work.shape(values[0]))
    axis = _integer(operator, 0)
    if not -rank <= axis < rank:
        raise work.wrong(operator, f"joins along axis {axis}")
    axis %= rank
    activation = _integer(operator, 1, "int8")
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
    work.finish(operator, _regrouped(work, work.name(operator), x, target))


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


def _regrouped(work: Work, name: str, x: str, target: Shape) -> str:
    """Give the same numbers in the same order, channels last, in another shape.

    Transposes stand where the order is another one channels first.
    """
    builder = work.builder
    shape = work.shape(x)
    if shape == target:
        return x
    if _turns(shape):
        x = builder.transpose(f"{name}_rows", x, (0, 2, 3, 1))
    if not _turns(target):
        return builder.reshape(name, x, first(target))
    return builder.transpose(name, builder.reshape(f"{name}_last", x, target), (0, 3, 1, 2))


def _turns(shape: Shape) -> bool:
    """Tell whether channels last and channels first are different orders."""
    return len(shape) == 4 and shape[3] != 1 and shape[1] * shape[2] != 1


def _pad(work: Work, operator: Operator) -> None:
    x, _, _, _ = _map_of(work, operator)
    widths = work.integers_of(operator, 1)
    if len(widths) != 8 or any(widths[:2]) or any(widths[6:]):
        raise work.wrong(operator, f"pads by {widths}, not rows and columns alone")
    window = Window(Axis(1, 1, *widths[2:4]), Axis(1, 1, *widths[4:6]))
    work.finish(operator, work.builder.pad(work.name(operator), x, window))


def _resize(work: Work, operator: Operator) -> None:
    x, rows, columns, channels = _map_of(work, operator)
    sides = work.integers_of(operator, 1)
    if len(sides) != 2 or min(sides) < 1:
        raise work.wrong(operator, f"resizes to {sides}")
    tensor = work.tensor(operator, 0)
    assert tensor is not None
    if work.size != work.own and len(tensor.shape) == 4:
        sides = [
            _scaled(work, operator, side, before, now)
            for side, before, now in zip(sides, tensor.shape[1:3], (rows, columns), strict=True)
        ]
    linear = operator.kind == "RESIZE_BILINEAR"
    corners, half = (_flag(operator, field) for field in ((2, 3) if linear else (0, 1)))
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


_FUNCTIONS = {"LOGISTIC": "Sigmoid", "TANH": "Tanh"}
_FUSED = {"RELU": 1, "RELU_N1_TO_1": 2, "RELU6": 3}


def _function(work: Work, operator: Operator) -> None:
    x = work.value(operator)
    if operator.kind in _FUSED:
        work.finish(operator, x, _FUSED[operator.kind])
        return
    name = work.name(operator)
    y = work.builder.add(_FUNCTIONS[operator.kind], name, [x], work.builder.shape(x))
    work.finish(operator, y)


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
    """Pass a value on: it exists in float32, and so does a constant, which may be float16."""
    if work.is_constant(operator, 0):
        array = work.reals(operator, 0)
        assert array is not None
        if array.shape != work.content.tensors[operator.outputs[0]].shape:
            raise work.wrong(operator, f"makes another shape than {array.shape}")
        work.constants[operator.outputs[0]] = array
    else:
        work.finish(operator, work.value(operator))


OPERATORS: Mapping[str, Callable[[Work, Operator], None]] = {
    "ADD": _arithmetic,
    "AVERAGE_POOL_2D": _pool,
    "CONCATENATION": _concatenation,
    "CONV_2D": _conv,
    "DEPTHWISE_CONV_2D": _depthwise,
    "DEQUANTIZE": _dequantize,
    "FULLY_CONNECTED": _fully_connected,
    "LEAKY_RELU": _leaky_relu,
    "LOGISTIC": _function,
    "MAX_POOL_2D": _pool,
    "MEAN": _mean,
    "MUL": _arithmetic,
    "PAD": _pad,
    "QUANTIZE": _quantize,
    "RELU": _function,
    "RELU6": _function,
    "RELU_N1_TO_1": _function,
    "RESHAPE": _reshape,
    "RESIZE_BILINEAR": _resize,
    "RESIZE_NEAREST_NEIGHBOR": _resize,
    "SOFTMAX": _softmax,
    "SQUEEZE": _reshape,
    "SUB": _arithmetic,
    "TANH": _function,
}
"""The closed set."""
