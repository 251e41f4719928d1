"""Caffe's layers that calculate number by number, reduce, normalize or move numbers around."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from tatami.importers.build import Reduction
from tatami.importers.caffe_layer import (
    BY_ONNX,
    CORRECT,
    MANY,
    Layer,
    Network,
    Rule,
    axis_of,
    channels_of,
    only,
)
from tatami.importers.prototxt import Message
from tatami.ops.window import Window
from tatami.types import Size

MAX_TILES = 1 << 10


def _linear(network: Network, name: str, x: str, scale: float, shift: float) -> str:
    """Add scale * x + shift, and nothing for what changes nothing."""
    if scale != 1:
        x = network.builder.number("Mul", f"{name}/scale", x, scale)
    return x if shift == 0 else network.builder.number("Add", f"{name}/shift", x, shift)


def _power(network: Network, layer: Layer, inputs: list[str]) -> str:
    said = layer.message.message("power_param")
    said.allow("power", "scale", "shift")
    power, scale = said.real("power", 1.0), said.real("scale", 1.0)
    if power == 0 or scale == 0:
        raise said.wrong(f"layer '{layer.name}' makes one number of all", CORRECT)
    x = _linear(network, layer.name, inputs[0], scale, said.real("shift", 0.0))
    return x if power == 1 else network.builder.number("Pow", layer.name, x, power)


def _base(said: Message) -> float:
    """Read the natural logarithm of a base, which is e where it is -1."""
    base = said.real("base", -1.0)
    if base == -1:
        return 1.0
    if base <= 0 or base == 1:
        raise said.wrong(f"'base' is {base:g}", CORRECT)
    return math.log(base)


def _exp(network: Network, layer: Layer, inputs: list[str]) -> str:
    said = layer.message.message("exp_param")
    said.allow("base", "scale", "shift")
    base = _base(said)
    scale, shift = base * said.real("scale", 1.0), base * said.real("shift", 0.0)
    x = _linear(network, layer.name, inputs[0], scale, shift)
    return network.builder.function("Exp", layer.name, x)


def _log(network: Network, layer: Layer, inputs: list[str]) -> str:
    said = layer.message.message("log_param")
    said.allow("base", "scale", "shift")
    factor = 1 / _base(said)
    x = _linear(network, layer.name, inputs[0], said.real("scale", 1.0), said.real("shift", 0.0))
    x = network.builder.function("Log", layer.name, x)
    return x if factor == 1 else network.builder.number("Mul", f"{layer.name}/base", x, factor)


def _abs(network: Network, layer: Layer, inputs: list[str]) -> str:
    return network.builder.function("Abs", layer.name, inputs[0])


def _tanh(network: Network, layer: Layer, inputs: list[str]) -> str:
    layer.message.message("tanh_param").allow("engine")
    return network.builder.function("Tanh", layer.name, inputs[0])


def _softplus(network: Network, layer: Layer, inputs: list[str]) -> str:
    return network.builder.function("Softplus", layer.name, inputs[0])


def _elu(network: Network, layer: Layer, inputs: list[str]) -> str:
    said = layer.message.message("elu_param")
    said.allow("alpha")
    return network.builder.function(
        "Elu", layer.name, inputs[0], {"alpha": said.real("alpha", 1.0)}
    )


def _swish(network: Network, layer: Layer, inputs: list[str]) -> str:
    said = layer.message.message("swish_param")
    said.allow("beta", "engine")
    beta = said.real("beta", 1.0)
    builder, x = network.builder, inputs[0]
    if beta == 1:
        return builder.swish(layer.name, x)
    gate = builder.sigmoid(f"{layer.name}/sigmoid", _linear(network, layer.name, x, beta, 0.0))
    return builder.elementwise("Mul", layer.name, x, gate)


def _mish(network: Network, layer: Layer, inputs: list[str]) -> str:
    return network.builder.function("Mish", layer.name, inputs[0])


def _clip(network: Network, layer: Layer, inputs: list[str]) -> str:
    said = layer.message.message("clip_param")
    said.allow("min", "max")
    if not (said.has("min") and said.has("max")):
        raise said.wrong(f"layer '{layer.name}' says no min or no max", CORRECT)
    return network.builder.clip(layer.name, inputs[0], said.real("min", 0.0), said.real("max", 0.0))


def _prelu(network: Network, layer: Layer, inputs: list[str]) -> str:
    said = layer.message.message("prelu_param")
    said.allow("filler", "channel_shared")
    channels = channels_of(network, layer, inputs[0])
    (slope,) = network.weights(layer, (1 if said.flag("channel_shared", False) else channels,))
    return network.builder.prelu(layer.name, inputs[0], slope)


def _bias(network: Network, layer: Layer, inputs: list[str]) -> str:
    said = layer.message.message("bias_param")
    said.allow("axis", "num_axes", "filler")
    only(said, "axis", 1)
    only(said, "num_axes", 1)
    (offset,) = network.weights(layer, (channels_of(network, layer, inputs[0]),))
    return network.builder.scale(layer.name, inputs[0], None, offset)


def _axpy(network: Network, layer: Layer, inputs: list[str]) -> str:
    """Add factor * x + y, the factor one a channel: a squeeze-and-excitation network's end."""
    factor, x, y = inputs
    product = network.builder.spread("Mul", f"{layer.name}/product", x, factor)
    return network.builder.elementwise("Add", layer.name, product, y)


_REDUCTIONS: dict[str, Reduction] = {
    "SUM": "ReduceSum",
    "ASUM": "ReduceL1",
    "SUMSQ": "ReduceSumSquare",
    "MEAN": "ReduceMean",
}


def _reduction(network: Network, layer: Layer, inputs: list[str]) -> str:
    said = layer.message.message("reduction_param")
    said.allow("operation", "axis", "coeff")
    names = dict(zip("1234", _REDUCTIONS, strict=True))
    word = said.word("operation", "SUM")
    operation = names.get(word, word)
    if operation not in _REDUCTIONS:
        raise said.wrong(f"'operation' is '{word}', not {', '.join(_REDUCTIONS)}", CORRECT)
    rank = len(network.builder.shape(inputs[0]))
    axis = axis_of(said, "axis", 0, rank)
    if axis == 0:
        raise said.wrong(f"layer '{layer.name}' reduces the axis of the pictures, too", CORRECT)
    made = network.builder.reduce(
        _REDUCTIONS[operation], layer.name, inputs[0], range(axis, rank), keep=False
    )
    return _linear(network, layer.name, made, said.real("coeff", 1.0), 0.0)


def _interp(network: Network, layer: Layer, inputs: list[str]) -> str:
    """Resize bilinearly with corners in place, as DeepLab's layer does."""
    said = layer.message.message("interp_param")
    said.allow("height", "width", "zoom_factor", "shrink_factor", "pad_beg", "pad_end")
    only(said, "pad_beg", 0)
    only(said, "pad_end", 0)
    shape = network.builder.shape(inputs[0])
    if len(shape) != 4:
        raise said.wrong(f"layer '{layer.name}' resizes a value of shape {shape}", CORRECT)
    height, width = shape[2:]
    zoom, shrink = said.integer("zoom_factor", 1), said.integer("shrink_factor", 1)
    if min(zoom, shrink) < 1:
        raise said.wrong(f"layer '{layer.name}' resizes by {zoom} / {shrink}", CORRECT)
    if said.has("zoom_factor") or said.has("shrink_factor"):
        height, width = ((side - 1) // shrink + 1 for side in (height, width))
        height, width = (side + (side - 1) * (zoom - 1) for side in (height, width))
    else:
        height, width = said.integer("height", 0), said.integer("width", 0)
    if min(height, width) < 1:
        raise said.wrong(f"layer '{layer.name}' makes a map of {width}x{height}", CORRECT)
    return network.builder.resize_linear(
        layer.name, inputs[0], Size(width, height), "align_corners"
    )


def _crop(network: Network, layer: Layer, inputs: list[str]) -> str:
    """Cut the first bottom to the sides of the second, from an axis on."""
    said = layer.message.message("crop_param")
    said.allow("axis", "offset")
    builder, x = network.builder, inputs[0]
    shape, other = builder.shape(x), builder.shape(inputs[1])
    first = axis_of(said, "axis", 2, len(shape))
    offsets = said.integers("offset") or [0]
    if len(offsets) == 1:
        offsets *= len(shape) - first
    if len(offsets) != len(shape) - first or len(other) != len(shape) or min(offsets) < 0:
        raise said.wrong(f"layer '{layer.name}' says {len(offsets)} offsets from {first}", CORRECT)
    for axis, offset in enumerate(offsets, start=first):
        if shape[axis] - offset < other[axis]:
            raise said.wrong(
                f"layer '{layer.name}' cuts {other[axis]} samples from {offset} on, of "
                f"{shape[axis]}",
                CORRECT,
            )
        if shape[axis] > other[axis]:
            x = builder.slice(layer.name, x, axis, offset, offset + other[axis])
    return x


def _slice(network: Network, layer: Layer, inputs: list[str]) -> tuple[str, ...]:
    said = layer.message.message("slice_param")
    said.allow("axis", "slice_point", "slice_dim")
    name = "slice_dim" if said.has("slice_dim") else "axis"
    shape = network.builder.shape(inputs[0])
    axis = axis_of(said, name, 1, len(shape))
    count, points = len(layer.tops), said.integers("slice_point")
    if not points:
        if shape[axis] % count:
            raise said.wrong(f"{count} tops do not divide {shape[axis]} samples", CORRECT)
        points = [shape[axis] // count * (index + 1) for index in range(count - 1)]
    ends = [0, *points, shape[axis]]
    if len(points) != count - 1 or sorted(set(ends)) != ends:
        raise said.wrong(f"cuts {shape[axis]} samples at {points} into {count} tops", CORRECT)
    return tuple(
        network.builder.slice(f"{layer.name}/{index}", inputs[0], axis, start, end)
        for index, (start, end) in enumerate(pairwise(ends))
    )


def _tile(network: Network, layer: Layer, inputs: list[str]) -> str:
    said = layer.message.message("tile_param")
    said.allow("axis", "tiles")
    tiles = said.integer("tiles", 0)
    axis = axis_of(said, "axis", 1, len(network.builder.shape(inputs[0])))
    if not 1 <= tiles <= MAX_TILES or axis == 0:
        raise said.wrong(f"layer '{layer.name}' repeats axis {axis} {tiles} times", CORRECT)
    return network.builder.concat(layer.name, inputs * tiles, axis)


def _shuffle(network: Network, layer: Layer, inputs: list[str]) -> str:
    """Deal the channels of each group out, one a group in turn."""
    said = layer.message.message("shuffle_channel_param")
    said.allow("group")
    groups = said.integer("group", 1)
    return network.builder.shuffle(layer.name, inputs[0], groups)


def _normalize(network: Network, layer: Layer, inputs: list[str]) -> str:
    """Divide by the root of the sum of squares, at each place or of all, and scale channels."""
    said = layer.message.message("norm_param")
    said.allow("across_spatial", "scale_filler", "channel_shared", "eps")
    builder, name, x = network.builder, layer.name, inputs[0]
    channels = channels_of(network, layer, x)
    shared = said.flag("channel_shared", True)
    (scale,) = network.weights(layer, (1 if shared else channels,))
    axes = range(1, len(builder.shape(x))) if said.flag("across_spatial", True) else [1]
    total = builder.reduce("ReduceSumSquare", f"{name}/squares", x, axes)
    total = builder.number("Add", f"{name}/eps", total, said.real("eps", 1e-10))
    root = builder.function("Sqrt", f"{name}/root", total)
    made = builder.spread("Div", f"{name}/unit", x, root)
    return builder.scale(name, made, np.broadcast_to(scale, (channels,)), None)


def _mvn(network: Network, layer: Layer, inputs: list[str]) -> str:
    """Take the mean away and, unless it is said not to, divide by the deviation."""
    said = layer.message.message("mvn_param")
    said.allow("normalize_variance", "across_channels", "eps")
    builder, name, x = network.builder, layer.name, inputs[0]
    axes = range(1 if said.flag("across_channels", False) else 2, len(builder.shape(x)))
    mean = builder.reduce("ReduceMean", f"{name}/mean", x, axes)
    centered = builder.spread("Sub", f"{name}/centered", x, mean)
    if not said.flag("normalize_variance", True):
        return centered
    square = builder.elementwise("Mul", f"{name}/square", centered, centered)
    variance = builder.reduce("ReduceMean", f"{name}/variance", square, axes)
    deviation = builder.function("Sqrt", f"{name}/deviation", variance)
    deviation = builder.number("Add", f"{name}/eps", deviation, said.real("eps", 1e-9))
    return builder.spread("Div", name, centered, deviation)


def _lrn(network: Network, layer: Layer, inputs: list[str]) -> str:
    said = layer.message.message("lrn_param")
    said.allow("local_size", "alpha", "beta", "norm_region", "k", "engine")
    size, region = said.integer("local_size", 5), said.word("norm_region", "ACROSS_CHANNELS")
    alpha, beta = said.real("alpha", 1.0), said.real("beta", 0.75)
    builder, name, x = network.builder, layer.name, inputs[0]
    if region in ("ACROSS_CHANNELS", "0"):
        return builder.lrn(name, x, size, alpha, beta, said.real("k", 1.0))
    if region not in ("WITHIN_CHANNEL", "1") or size % 2 == 0:
        raise said.wrong(f"layer '{name}' is normalized over {size} of {region}", BY_ONNX)
    square = builder.elementwise("Mul", f"{name}/square", x, x)
    window = Window.square(size, 1, (size - 1) // 2)
    mean = builder.average_pool(f"{name}/mean", square, window, count_padding=True)
    factor = _linear(network, name, mean, alpha, 1.0)
    factor = builder.number("Pow", f"{name}/power", factor, -beta)
    return builder.elementwise("Mul", name, x, factor)


FUNCTIONS = {
    "AbsVal": Rule(_abs),
    "Axpy": Rule(_axpy, (), 3, 3),
    "BNLL": Rule(_softplus),
    "Bias": Rule(_bias, ("bias_param",)),
    "Clip": Rule(_clip, ("clip_param",)),
    "Crop": Rule(_crop, ("crop_param",), 2, 2),
    "ELU": Rule(_elu, ("elu_param",)),
    "Exp": Rule(_exp, ("exp_param",)),
    "Interp": Rule(_interp, ("interp_param",)),
    "LRN": Rule(_lrn, ("lrn_param",)),
    "Log": Rule(_log, ("log_param",)),
    "MVN": Rule(_mvn, ("mvn_param",)),
    "Mish": Rule(_mish),
    "Normalize": Rule(_normalize, ("norm_param",)),
    "PReLU": Rule(_prelu, ("prelu_param",)),
    "Power": Rule(_power, ("power_param",)),
    "Reduction": Rule(_reduction, ("reduction_param",)),
    "ShuffleChannel": Rule(_shuffle, ("shuffle_channel_param",)),
    "Slice": Rule(_slice, ("slice_param",), max_tops=MANY),
    "Swish": Rule(_swish, ("swish_param",)),
    "TanH": Rule(_tanh, ("tanh_param",)),
    "Tile": Rule(_tile, ("tile_param",)),
}
"""The layers of this file."""
