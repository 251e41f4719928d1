"""ncnn's layers that calculate number by number, reduce, normalize or move numbers around."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from tatami.errors import TatamiError
from tatami.importers.build import Arithmetic, Builder, Reduction
from tatami.importers.ncnn_layer import (
    BY_ONNX,
    MANY,
    NOT_GIVEN,
    Network,
    Rule,
    axis_of,
    channels_of,
    check_count,
    refuse,
)
from tatami.importers.ncnn_param import Layer
from tatami.ops.window import Window

SIXTH = 1 / 6
NEAR = 1e-6
MAX_TILES = 1 << 10

_BINARY: dict[int, tuple[Arithmetic, bool]] = {
    0: ("Add", False),
    1: ("Sub", False),
    2: ("Mul", False),
    3: ("Div", False),
    4: ("Max", False),
    5: ("Min", False),
    6: ("Pow", False),
    7: ("Sub", True),
    8: ("Div", True),
    9: ("Pow", True),
}
"""The operator of each kind, and whether the second operand comes first."""


def _binary(network: Network, layer: Layer, inputs: list[str]) -> str:
    kind, with_number = layer.integer(0, 0), layer.integer(1, 0)
    if kind not in _BINARY:
        raise layer.wrong(f"combines in a way {kind}, which Tatami does not know", BY_ONNX)
    operator, reversed_ = _BINARY[kind]
    builder = network.builder
    if with_number:
        if len(inputs) != 1:
            raise layer.wrong("has a number, and yet two bottoms")
        number = layer.real(2, 0.0)
        if operator == "Div" and not reversed_ and number == 0:
            raise layer.wrong("divides by 0")
        return builder.number(operator, layer.name, inputs[0], number, first=reversed_)
    if len(inputs) != 2:
        raise layer.wrong("has one bottom, and no number")
    pair = _aligned(builder, layer.name, *inputs)
    return builder.spread(operator, layer.name, *(pair[::-1] if reversed_ else pair))


def _aligned(builder: Builder, name: str, a: str, b: str) -> tuple[str, str]:
    """Give two values as many axes: ncnn lays one of fewer along the slower axes of the other."""
    shapes = builder.shape(a), builder.shape(b)
    if len(shapes[0]) == len(shapes[1]):
        return a, b
    if len(shapes[0]) > len(shapes[1]):
        return a, _grown(builder, name, b, shapes[0])
    return _grown(builder, name, a, shapes[1]), b


def _grown(builder: Builder, name: str, value: str, other: Sequence[int]) -> str:
    shape = builder.shape(value)
    more = [1] * (len(other) - len(shape))
    fastest = len(shape) == 2 and shape[1] != other[1]
    made = (1, *more, shape[1]) if fastest else (*shape, *more)
    return builder.reshape(f"{name}/grown", value, made)


_UNARY = {
    0: "Abs", 1: "Neg", 2: "Floor", 3: "Ceil", 5: "Sqrt", 7: "Exp", 8: "Log", 9: "Sin", 10: "Cos",
    11: "Tan", 12: "Asin", 13: "Acos", 14: "Atan", 15: "Reciprocal", 16: "Tanh", 18: "Round",
    20: "Sign", 22: "Sinh", 23: "Asinh", 24: "Cosh", 25: "Acosh", 26: "Atanh",
}  # fmt: skip


def _unary(network: Network, layer: Layer, inputs: list[str]) -> str:
    builder, name, x, kind = network.builder, layer.name, inputs[0], layer.integer(0, 0)
    if kind in _UNARY:
        return builder.function(_UNARY[kind], name, x)
    match kind:
        case 4:
            return builder.elementwise("Mul", name, x, x)
        case 6:
            return builder.function("Reciprocal", name, builder.function("Sqrt", name, x))
        case 17:
            logarithm = builder.function("Log", f"{name}/log", x)
            return builder.number("Mul", name, logarithm, 1 / math.log(10))
        case 19:
            whole = builder.function("Floor", f"{name}/floor", builder.function("Abs", name, x))
            return builder.elementwise("Mul", name, builder.function("Sign", name, x), whole)
        case 21:
            return builder.number("Sub", name, builder.function("Exp", f"{name}/exp", x), 1.0)
        case 27:
            return builder.function("Log", name, builder.number("Add", f"{name}/one", x, 1.0))
    raise layer.wrong(f"calculates in a way {kind}, which Tatami does not know", BY_ONNX)


def hard_swish(builder: Builder, name: str, x: str, alpha: float, beta: float) -> str:
    """Add x times alpha * x + beta, cut to 0..1."""
    if abs(alpha - SIXTH) < NEAR and beta == 0.5:
        return builder.function("HardSwish", name, x)
    gate = builder.function("HardSigmoid", f"{name}/gate", x, {"alpha": alpha, "beta": beta})
    return builder.elementwise("Mul", name, x, gate)


def _hard(network: Network, layer: Layer, inputs: list[str]) -> str:
    alpha, beta = layer.real(0, 0.2), layer.real(1, 0.5)
    if alpha <= 0:
        raise layer.wrong(f"has a slope {alpha:g}")
    if layer.type == "HardSwish":
        return hard_swish(network.builder, layer.name, inputs[0], alpha, beta)
    attributes = {"alpha": alpha, "beta": beta}
    return network.builder.function("HardSigmoid", layer.name, inputs[0], attributes)


def _swish(network: Network, layer: Layer, inputs: list[str]) -> str:
    return network.builder.swish(layer.name, inputs[0])


def _mish(network: Network, layer: Layer, inputs: list[str]) -> str:
    return network.builder.function("Mish", layer.name, inputs[0])


def _tanh(network: Network, layer: Layer, inputs: list[str]) -> str:
    return network.builder.function("Tanh", layer.name, inputs[0])


def _abs(network: Network, layer: Layer, inputs: list[str]) -> str:
    return network.builder.function("Abs", layer.name, inputs[0])


def _elu(network: Network, layer: Layer, inputs: list[str]) -> str:
    return network.builder.function("Elu", layer.name, inputs[0], {"alpha": layer.real(0, 0.1)})


def _selu(network: Network, layer: Layer, inputs: list[str]) -> str:
    attributes = {"alpha": layer.real(0, 1.67326324), "gamma": layer.real(1, 1.050700987)}
    return network.builder.function("Selu", layer.name, inputs[0], attributes)


def _gelu(network: Network, layer: Layer, inputs: list[str]) -> str:
    """Add x times the share of a normal distribution below it, exactly or by tanh."""
    builder, name, x = network.builder, layer.name, inputs[0]
    if layer.integer(0, 0):
        square = builder.elementwise("Mul", f"{name}/square", x, x)
        inner = builder.number("Mul", f"{name}/cubic", square, 0.044715)
        inner = builder.number("Add", f"{name}/linear", inner, 1.0)
        inner = builder.elementwise("Mul", f"{name}/product", inner, x)
        inner = builder.number("Mul", f"{name}/inner", inner, math.sqrt(2 / math.pi))
        share = builder.function("Tanh", f"{name}/tanh", inner)
    else:
        inner = builder.number("Mul", f"{name}/inner", x, math.sqrt(0.5))
        share = builder.function("Erf", f"{name}/erf", inner)
    share = builder.number("Add", f"{name}/share", share, 1.0)
    half = builder.number("Mul", f"{name}/half", x, 0.5)
    return builder.elementwise("Mul", name, half, share)


def _prelu(network: Network, layer: Layer, inputs: list[str]) -> str:
    count, channels = layer.integer(0, 0), channels_of(network, layer, inputs[0])
    if count not in (1, channels):
        raise layer.wrong(f"has {count} slopes for {channels} channels")
    slope = network.weights.bare(layer.name, count)
    return network.builder.prelu(layer.name, inputs[0], slope)


def _bias(network: Network, layer: Layer, inputs: list[str]) -> str:
    channels = channels_of(network, layer, inputs[0])
    check_count(layer, 0, channels)
    offset = network.weights.bare(layer.name, channels)
    return network.builder.scale(layer.name, inputs[0], None, offset)


def _linear(builder: Builder, name: str, x: str, scale: float, shift: float) -> str:
    if scale != 1:
        x = builder.number("Mul", f"{name}/scale", x, scale)
    return x if shift == 0 else builder.number("Add", f"{name}/shift", x, shift)


def _logarithm_of_base(layer: Layer) -> float:
    base = layer.real(0, -1.0)
    if base == -1:
        return 1.0
    if base <= 0 or base == 1:
        raise layer.wrong(f"has a base {base:g}")
    return math.log(base)


def _power(network: Network, layer: Layer, inputs: list[str]) -> str:
    builder, power = network.builder, layer.real(0, 1.0)
    x = _linear(builder, layer.name, inputs[0], layer.real(1, 1.0), layer.real(2, 0.0))
    return x if power == 1 else builder.number("Pow", layer.name, x, power)


def _exp(network: Network, layer: Layer, inputs: list[str]) -> str:
    builder, base = network.builder, _logarithm_of_base(layer)
    scale, shift = base * layer.real(1, 1.0), base * layer.real(2, 0.0)
    return builder.function(
        "Exp", layer.name, _linear(builder, layer.name, inputs[0], scale, shift)
    )


def _log(network: Network, layer: Layer, inputs: list[str]) -> str:
    builder, factor = network.builder, 1 / _logarithm_of_base(layer)
    x = _linear(builder, layer.name, inputs[0], layer.real(1, 1.0), layer.real(2, 0.0))
    x = builder.function("Log", layer.name, x)
    return x if factor == 1 else builder.number("Mul", f"{layer.name}/base", x, factor)


def _lrn(network: Network, layer: Layer, inputs: list[str]) -> str:
    builder, name, x = network.builder, layer.name, inputs[0]
    size, alpha, beta = layer.integer(1, 5), layer.real(2, 1.0), layer.real(3, 0.75)
    bias, region = layer.real(4, 1.0), layer.integer(0, 0)
    if region == 0:
        return builder.lrn(name, x, size, alpha, beta, bias)
    if region != 1 or size < 1 or size % 2 == 0:
        raise layer.wrong(f"is normalized over {size} in a way {region}", BY_ONNX)
    square = builder.elementwise("Mul", f"{name}/square", x, x)
    window = Window.square(size, 1, size // 2)
    mean = builder.average_pool(f"{name}/mean", square, window, count_padding=True)
    factor = builder.number(
        "Pow", f"{name}/power", _linear(builder, name, mean, alpha, bias), -beta
    )
    return builder.elementwise("Mul", name, x, factor)


_REDUCTIONS: dict[int, Reduction] = {
    0: "ReduceSum",
    1: "ReduceL1",
    2: "ReduceSumSquare",
    3: "ReduceMean",
    4: "ReduceMax",
    5: "ReduceMin",
    6: "ReduceProd",
    7: "ReduceL1",
    8: "ReduceL2",
    9: "ReduceLogSum",
    10: "ReduceLogSumExp",
}


def _reduction(network: Network, layer: Layer, inputs: list[str]) -> str:
    builder, kind, keep = network.builder, layer.integer(0, 0), bool(layer.integer(4, 0))
    rank = len(builder.shape(inputs[0]))
    if kind not in _REDUCTIONS:
        raise layer.wrong(f"reduces in a way {kind}, which Tatami does not know", BY_ONNX)
    axes = layer.integers(3)
    if axes and not layer.integer(5, 0):
        raise layer.wrong("reduces axes in an old form that ncnn itself refuses")
    found = [axis_of(network, layer, inputs[0], axis) for axis in axes]
    if layer.integer(1, 1):
        found = list(range(1, rank))
    made = builder.reduce(_REDUCTIONS[kind], layer.name, inputs[0], found, keep=keep)
    if len(builder.shape(made)) == 1:
        made = builder.reshape(f"{layer.name}/one", made, (1, 1))
    return _linear(builder, layer.name, made, layer.real(2, 1.0), 0.0)


def _shuffle(network: Network, layer: Layer, inputs: list[str]) -> str:
    groups, channels = layer.integer(0, 1), channels_of(network, layer, inputs[0])
    if groups < 1 or channels % groups:
        raise layer.wrong(f"deals {channels} channels out of {groups} groups")
    if layer.integer(1, 0):
        groups = channels // groups
    return network.builder.shuffle(layer.name, inputs[0], groups)


def _slice(network: Network, layer: Layer, inputs: list[str]) -> tuple[str, ...]:
    axis = axis_of(network, layer, inputs[0], layer.integer(1, 0))
    length, count = network.builder.shape(inputs[0])[axis], len(layer.tops)
    sizes, places = layer.integers(0), layer.integers(2)
    ends = [0]
    if places:
        ends += [place + length if place < 0 else place for place in places[: count - 1]] + [length]
    else:
        for index, size in enumerate(sizes[:count]):
            share = (length - ends[-1]) // (count - index)
            ends.append(ends[-1] + (share if size == NOT_GIVEN else size))
    if len(ends) != count + 1 or ends[-1] > length or sorted(set(ends)) != ends:
        raise layer.wrong(f"cuts {length} samples at {ends} into {count} blobs")
    return tuple(
        network.builder.slice(f"{layer.name}/{index}", inputs[0], axis, start, end)
        for index, (start, end) in enumerate(pairwise(ends))
    )


_OFFSETS, _LENGTHS, _LEFT = (2, 1, 0), (5, 4, 3), (8, 7, 6)
"""Of channels, rows and columns: where a crop begins, how much it keeps, how much it leaves."""


def _crop(network: Network, layer: Layer, inputs: list[str]) -> str:
    builder, x = network.builder, inputs[0]
    shape = builder.shape(x)
    rank = len(shape) - 1
    for identity in (13, 14, 15):
        refuse(layer, identity, "a part of a fourth axis")
    if layer.integers(9) or layer.integers(10):
        ranges = _crop_of_arrays(network, layer, x)
    elif len(inputs) == 2:
        other = builder.shape(inputs[1])
        if len(other) != len(shape):
            raise layer.wrong(f"cuts a value {shape[1:]} to the size of one {other[1:]}", BY_ONNX)
        starts = [layer.integer(identity, 0) for identity in _OFFSETS[-rank:]]
        ranges = {axis: (start, start + other[axis]) for axis, start in enumerate(starts, start=1)}
    else:
        ranges = {}
        for axis, (offset, kept, left) in enumerate(
            zip(_OFFSETS[-rank:], _LENGTHS[-rank:], _LEFT[-rank:], strict=True), start=1
        ):
            start = layer.integer(offset, 0)
            end = shape[axis] - layer.integer(left, 0)
            if layer.integer(kept, 0) != NOT_GIVEN:
                end = min(end, start + layer.integer(kept, 0))
            ranges[axis] = (start, end)
    for axis, (start, end) in ranges.items():
        if not 0 <= start < end <= shape[axis]:
            raise layer.wrong(f"keeps {start} to {end} of {shape[axis]} samples")
        if (start, end) != (0, shape[axis]):
            x = builder.slice(layer.name, x, axis, start, end)
    return x


def _crop_of_arrays(network: Network, layer: Layer, x: str) -> dict[int, tuple[int, int]]:
    """Read a crop as NumPy and ONNX say one: starts, ends and axes."""
    shape = network.builder.shape(x)
    starts, ends = layer.integers(9), layer.integers(10)
    axes = layer.integers(11) or list(range(len(shape) - 1))[: len(starts)]
    if not len(starts) == len(ends) == len(axes):
        raise layer.wrong(f"says {len(starts)} starts, {len(ends)} ends, {len(axes)} axes")
    found = {}
    for axis, start, end in zip(axes, starts, ends, strict=True):
        place = axis_of(network, layer, x, axis)
        length = shape[place]
        start = 0 if start == NOT_GIVEN else start
        end = length if end == NOT_GIVEN else end
        found[place] = (
            start if start >= 0 else length + start,
            min(length, end if end > 0 else length + end),
        )
    return found


def _squeeze(network: Network, layer: Layer, inputs: list[str]) -> str:
    shape = network.builder.shape(inputs[0])
    rank = len(shape) - 1
    if axes := layer.integers(3):
        gone = {axis_of(network, layer, inputs[0], axis) for axis in axes}
    else:
        said = [layer.integer(identity, 0) for identity in (2, 1, 0)][-rank:]
        gone = {axis for axis, flag in enumerate(said, start=1) if flag}
    made = [side for axis, side in enumerate(shape) if axis not in gone or side != 1]
    return _reshaped(network.builder, layer.name, inputs[0], made)


def _expand(network: Network, layer: Layer, inputs: list[str]) -> str:
    shape = list(network.builder.shape(inputs[0]))
    axes = layer.integers(3)
    rank = len(shape) - 1 + len(axes)
    places = sorted(axis % rank + 1 if -rank <= axis < rank else 0 for axis in axes)
    if not places or places[0] == 0 or len(set(places)) < len(places) or rank > 3:
        raise layer.wrong(f"adds the axes {axes} to a value of shape {tuple(shape[1:])}")
    for place in places:
        shape.insert(place, 1)
    return _reshaped(network.builder, layer.name, inputs[0], shape)


def _reshaped(builder: Builder, name: str, x: str, shape: Sequence[int]) -> str:
    made = tuple(shape) if len(shape) > 1 else (1, 1)
    return x if builder.shape(x) == made else builder.reshape(name, x, made)


def _padding(network: Network, layer: Layer, inputs: list[str]) -> str:
    refuse(layer, 6, "a value of its own for each channel")
    shape = network.builder.shape(inputs[0])
    rank = len(shape) - 1
    before = [layer.integer(identity, 0) for identity in (7, 0, 2)]
    after = [layer.integer(identity, 0) for identity in (8, 1, 3)]
    if any(before[:-rank]) or any(after[:-rank]):
        raise layer.wrong(f"pads axes that a value of shape {shape[1:]} has not")
    kinds = {0: "constant", 1: "edge", 2: "reflect"}
    kind = layer.integer(4, 0)
    if kind not in kinds:
        raise layer.wrong(f"pads in a way {kind}, which Tatami does not know", BY_ONNX)
    return network.builder.pad_axes(
        layer.name,
        inputs[0],
        [0, *before[-rank:]],
        [0, *after[-rank:]],
        kinds[kind],  # type: ignore[arg-type]
        layer.real(5, 0.0) if kind == 0 else 0.0,
    )


def _memory(network: Network, layer: Layer, inputs: list[str]) -> str:
    """Give weights as a value of their own."""
    width, height, channels = (layer.integer(identity, 0) for identity in (0, 1, 2))
    refuse(layer, 11, "a fourth axis")
    sides = [side for side in (channels, height, width) if side != 0]
    if not sides or min(sides) < 1 or (channels and not height) or width < 1:
        raise layer.wrong(f"has the sides {(channels, height, width)}")
    count = math.prod(sides)
    if layer.integer(21, 1) == 0:
        array = network.weights.tagged(layer.name, (count,))
    else:
        array = network.weights.bare(layer.name, count)
    return network.builder.constant(layer.name, array.reshape(1, *sides))


def _affine(network: Network, layer: Layer, count: int, identity: int) -> tuple[np.ndarray, ...]:
    """Take a factor and an offset for each of ``count``; ones and zeros where the file has none."""
    if layer.integer(identity, 1):
        return network.weights.bare(layer.name, count), network.weights.bare(layer.name, count)
    return np.ones(count, np.float32), np.zeros(count, np.float32)


def _group_norm(network: Network, layer: Layer, inputs: list[str]) -> str:
    """Normalize the channels of each group together, and scale each channel by itself."""
    builder, name, x = network.builder, layer.name, inputs[0]
    groups, channels = layer.integer(0, 1), channels_of(network, layer, x)
    check_count(layer, 1, channels)
    if groups < 1 or channels % groups:
        raise layer.wrong(f"normalizes {channels} channels in {groups} groups")
    factor, offset = _affine(network, layer, channels, 3)
    shape = builder.shape(x)
    parts = builder.reshape(f"{name}/groups", x, (1, groups, math.prod(shape) // groups))
    parts = _instance(builder, name, parts, np.ones(groups), np.zeros(groups), layer.real(2, 1e-3))
    value = builder.reshape(f"{name}/channels", parts, shape)
    return builder.scale(name, value, factor, offset)


def _instance_norm(network: Network, layer: Layer, inputs: list[str]) -> str:
    builder, x = network.builder, inputs[0]
    channels = channels_of(network, layer, x)
    if layer.integer(2, 1):
        check_count(layer, 0, channels)
    if len(builder.shape(x)) < 3:
        raise layer.wrong("normalizes a value of one axis", BY_ONNX)
    factor, offset = _affine(network, layer, channels, 2)
    return _instance(builder, layer.name, x, factor, offset, layer.real(1, 1e-3))


def _instance(
    builder: Builder, name: str, x: str, factor: np.ndarray, offset: np.ndarray, epsilon: float
) -> str:
    inputs = [
        x,
        builder.weight(f"{name}.scale", factor.astype(np.float32)),
        builder.weight(f"{name}.bias", offset.astype(np.float32)),
    ]
    attributes = {"epsilon": epsilon}
    return builder.add("InstanceNormalization", name, inputs, builder.shape(x), attributes)


def _layer_norm(network: Network, layer: Layer, inputs: list[str]) -> str:
    builder, x, size = network.builder, inputs[0], layer.integer(0, 0)
    shape = builder.shape(x)
    for axes in (1, 2):
        part = shape[-axes:]
        if len(shape) > axes and math.prod(part) == size:
            factor, offset = _affine(network, layer, size, 2)
            values = [
                builder.weight(f"{layer.name}.scale", factor.reshape(part)),
                builder.weight(f"{layer.name}.bias", offset.reshape(part)),
            ]
            attributes = {"axis": len(shape) - axes, "epsilon": layer.real(1, 1e-3)}
            return builder.add("LayerNormalization", layer.name, [x, *values], shape, attributes)
    raise layer.wrong(f"normalizes {size} numbers of a value of shape {shape[1:]}", BY_ONNX)


def _tile(network: Network, layer: Layer, inputs: list[str]) -> str:
    x, repeats = inputs[0], layer.integers(2)
    rank = len(network.builder.shape(x)) - 1
    if repeats:
        if len(repeats) > rank:
            raise layer.wrong(f"repeats {len(repeats)} axes of {rank}", BY_ONNX)
        times = dict(enumerate(repeats, start=rank - len(repeats) + 1))
    else:
        times = {axis_of(network, layer, x, layer.integer(0, 0)): layer.integer(1, 1)}
    for axis, count in times.items():
        if not 1 <= count <= MAX_TILES:
            raise layer.wrong(f"repeats an axis {count} times")
        if count > 1:
            x = network.builder.concat(layer.name, [x] * count, axis)
    return x


def _same(network: Network, layer: Layer, inputs: list[str]) -> str:
    return inputs[0]


def _normalize(network: Network, layer: Layer, inputs: list[str]) -> str:
    """Divide by the root of the sum of squares, over channels, places or all, and scale."""
    builder, name, x = network.builder, layer.name, inputs[0]
    channels, count = channels_of(network, layer, x), layer.integer(3, 0)
    rank, places = len(builder.shape(x)), layer.integer(0, 0)
    if layer.integer(4, 1):
        axes = list(range(1, rank)) if places else [1]
    else:
        axes = list(range(2, rank)) if places else []
    mode, epsilon = layer.integer(9, 0), layer.real(2, 1e-4)
    if count != (1 if layer.integer(1, 0) else channels) or not axes or mode not in (0, 1, 2):
        raise layer.wrong(f"normalizes with {count} factors in a way {mode}", BY_ONNX)
    total = builder.reduce("ReduceSumSquare", f"{name}/squares", x, axes)
    if mode == 0:  # as Caffe and MXNet
        root = builder.function("Sqrt", f"{name}/root", _linear(builder, name, total, 1, epsilon))
    elif mode == 1:  # as torch
        root = builder.function("Sqrt", f"{name}/root", total)
        root = builder.number("Max", f"{name}/least", root, epsilon)
    else:  # as TensorFlow
        total = builder.number("Max", f"{name}/least", total, epsilon)
        root = builder.function("Sqrt", f"{name}/root", total)
    scale = network.weights.bare(layer.name, count)
    made = builder.spread("Div", f"{name}/unit", x, root)
    return builder.scale(name, made, np.broadcast_to(scale, (channels,)), None)


def _matmul(network: Network, layer: Layer, inputs: list[str]) -> str:
    """Multiply two values of two or three axes as matrices."""
    builder = network.builder
    a, b = (builder.shape(value) for value in inputs)
    x, y = inputs
    if len(a) != len(b) or len(a) < 3:
        raise TatamiError(f"multiplies values of shapes {a[1:]} and {b[1:]}", hint=BY_ONNX)
    if layer.integer(0, 0):
        order = [*range(len(b) - 2), len(b) - 1, len(b) - 2]
        y = builder.transpose(f"{layer.name}/turned", y, order)
        b = builder.shape(y)
    if a[:-2] != b[:-2] or a[-1] != b[-2]:
        raise layer.wrong(f"multiplies values of shapes {a[1:]} and {b[1:]}", BY_ONNX)
    return builder.add("MatMul", layer.name, [x, y], (*a[:-1], b[-1]))


FUNCTIONS = {
    "AbsVal": Rule(_abs),
    "Bias": Rule(_bias, (0,)),
    "BinaryOp": Rule(_binary, (0, 1, 2), 1, 2),
    "Crop": Rule(_crop, tuple(range(16)), 1, 2),
    "ELU": Rule(_elu, (0,)),
    "Exp": Rule(_exp, (0, 1, 2)),
    "ExpandDims": Rule(_expand, (3,)),
    "GELU": Rule(_gelu, (0,)),
    "GroupNorm": Rule(_group_norm, (0, 1, 2, 3)),
    "HardSigmoid": Rule(_hard, (0, 1)),
    "HardSwish": Rule(_hard, (0, 1)),
    "InstanceNorm": Rule(_instance_norm, (0, 1, 2)),
    "LRN": Rule(_lrn, tuple(range(5))),
    "LayerNorm": Rule(_layer_norm, (0, 1, 2)),
    "Log": Rule(_log, (0, 1, 2)),
    "MatMul": Rule(_matmul, (0,), 2, 2),
    "MemoryData": Rule(_memory, (0, 1, 2, 11, 21), 0, 0),
    "Mish": Rule(_mish),
    "Noop": Rule(_same),
    "Normalize": Rule(_normalize, (0, 1, 2, 3, 4, 9)),
    "PReLU": Rule(_prelu, (0,)),
    "Padding": Rule(_padding, tuple(range(9))),
    "Power": Rule(_power, (0, 1, 2)),
    "Reduction": Rule(_reduction, tuple(range(6))),
    "SELU": Rule(_selu, (0, 1)),
    "ShuffleChannel": Rule(_shuffle, (0, 1)),
    "Slice": Rule(_slice, (0, 1, 2), max_tops=MANY),
    "Squeeze": Rule(_squeeze, (0, 1, 2, 3)),
    "Swish": Rule(_swish),
    "TanH": Rule(_tanh),
    "Tile": Rule(_tile, (0, 1, 2)),
    "UnaryOp": Rule(_unary, (0,)),
}
"""The layers of this file."""
