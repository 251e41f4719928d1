"""ncnn's .param and .bin to ONNX, layer by layer as ncnn computes them.

ncnn has no axis of pictures: its blob of three axes (c, h, w) is (1, c, h, w) here, one of two is
(1, h, w), one of one is (1, w). What a layer does is that of Tencent/ncnn (src/layer); what is
outside its table of layers below, and a parameter that is not known here, is refused with its line.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Literal

import onnx

from tatami.errors import TatamiError
from tatami.importers.build import Arithmetic, Builder, Reduction
from tatami.importers.heads import with_outputs
from tatami.importers.imported import Imported
from tatami.importers.ncnn_bin import Weights
from tatami.importers.ncnn_functions import FUNCTIONS, hard_swish
from tatami.importers.ncnn_layer import (
    BY_ONNX,
    MANY,
    NOT_GIVEN,
    Network,
    Rule,
    axis_of,
    channels_of,
    check_count,
    part_of,
    refuse,
)
from tatami.importers.ncnn_param import Layer, parse_param
from tatami.importers.ncnn_ssd import SSD, share_priors
from tatami.importers.ssd_tail import AS_SSD, Detector
from tatami.ops.window import Axis, Window
from tatami.types import AnchorGrid, Decoding, Size

MAX_PLACES = 64
"""Along one axis, of a pool to a size that is said."""
SAME_UPPER, SAME_LOWER = -233, -234
"""Paddings of a convolution that stand for as many outputs as strides fit."""
MAX_FLOAT = 3.4028234663852886e38
"""Of float32: a limit of Clip that is left out."""
MIN_FACTOR, MAX_FACTOR = 1e-3, 1e6
"""Of an anchor's side or a scale in pixels: a number outside was bits of something else."""

# Permute's parameter to the axes of (1, c, h, w). ncnn's own names list the fastest axis first.
_ORDERS = ((0, 1, 2, 3), (0, 1, 3, 2), (0, 2, 1, 3), (0, 2, 3, 1), (0, 3, 1, 2), (0, 3, 2, 1))


def read_ncnn(param: Path, bin: Path, size: Size | None) -> Imported:
    """Import the network of a .param with the weights of a .bin.

    The outputs are the blobs that no layer takes; where the network ends in Yolov3DetectionOutput
    they are the raw maps, and the decoding is what that layer says.

    Args:
        param: The network.
        bin: Its weights.
        size: In place of that of the .param's Input, which need not say any.

    Raises:
        TatamiError: For files that are damaged or do not belong together and for what Tatami does
            not know, with the line where it is in the .param.
        OSError: For a file that cannot be read.
    """
    layers = parse_param(param)
    first, builder = _input(layers, param, size)
    network = Network(builder, Weights(bin))
    network.values[first.tops[0]] = builder.images
    network.unused[first.tops[0]] = None
    for layer in layers:
        if layer is not first:
            _add(network, layer)
    network.weights.end()
    if network.detector is not None:
        return _detector(network, network.detector, param)
    notes = []
    if not network.maps:
        if network.priors:
            names = ", ".join(network.priors)
            notes.append(f"left out, as no layer of detections takes them: the anchors {names}")
        return Imported(_model(network, network.unused, param), notes=tuple(notes))
    if network.unused:
        names = ", ".join(network.unused)
        notes.append(f"left out, as only the detections' maps are kept: {names}")
    model = _model(network, dict.fromkeys(network.maps), param)
    return Imported(model, decoding=network.detection, notes=tuple(notes))


def _detector(network: Network, found: Detector, param: Path) -> Imported:
    """Make the raw maps of an SSD the outputs, and leave out what lies behind them."""
    outputs = found.outputs()
    shapes = {name: network.builder.shape(value) for name, value in outputs.items()}
    try:
        model = with_outputs(network.builder.model(outputs), list(outputs), shapes)
    except TatamiError as error:
        raise TatamiError(error.reason, hint=error.hint, file=param) from error
    notes = []
    if network.unused:
        names = ", ".join(network.unused)
        notes.append(f"left out, as only the detections' maps are kept: {names}")
    classes = tuple(f"class{index}" for index in range(found.classes))
    return Imported(model, found.decoding, classes, notes=tuple(notes))


def _model(network: Network, blobs: dict[str, None], param: Path) -> onnx.ModelProto:
    try:
        return network.builder.model({blob: network.values[blob] for blob in blobs})
    except TatamiError as error:
        raise TatamiError(error.reason, hint=error.hint, file=param) from error


def _input(layers: list[Layer], param: Path, size: Size | None) -> tuple[Layer, Builder]:
    """Find the one Input, and begin a network with a picture of its size or of ``size``.

    Where it says no channels they are three; where it says a width alone, it is a vector.
    """
    inputs = [layer for layer in layers if layer.type == "Input"]
    if len(inputs) != 1:
        raise TatamiError(
            f"the network has {len(inputs)} layers of type Input, where one is needed",
            hint="give a network whose only input is the picture",
            file=param,
            line=inputs[1].line if inputs else None,
        )
    layer = inputs[0]
    layer.allow(0, 1, 2)
    width, height, channels = (layer.integer(identity, 0) for identity in range(3))
    if len(layer.tops) != 1 or layer.bottoms or min(width, height, channels) < 0:
        raise layer.wrong(
            f"gives {len(layer.tops)} blobs of {(channels, height, width)}, where one is needed",
            "give a network with one input",
        )
    vector = width > 0 and height == 0 and channels == 0
    if vector and size is None:
        shape: tuple[int, ...] = (1, width)
        chosen = Size(1, 1)
    elif size is None and (width < 1 or height < 1):
        raise layer.wrong("says no size of the picture", "give the size")
    else:
        chosen = size or Size(width, height)
        shape = (1, channels or 3, chosen.height, chosen.width)
    try:
        return layer, Builder(chosen, inputs={Builder.images: (shape, onnx.TensorProto.FLOAT)})
    except TatamiError as error:
        raise layer.wrong(error.reason, error.hint) from error


def _add(network: Network, layer: Layer) -> None:
    """Add one layer; whatever does not fit is an error at its line."""
    rule = _LAYERS.get(layer.type)
    if rule is None:
        raise layer.wrong(
            f"is of type '{layer.type}', which Tatami does not know",
            f"use only Input, {', '.join(_LAYERS)}, or {BY_ONNX}",
        )
    known = (*network.values, *network.priors)
    missing = [blob for blob in layer.bottoms if blob not in known]
    if missing:
        raise layer.wrong(f"takes '{missing[0]}', which no layer before it makes")
    bottoms, tops = len(layer.bottoms), len(layer.tops)
    if not (rule.min_bottoms <= bottoms <= rule.max_bottoms and 1 <= tops <= rule.max_tops):
        raise layer.wrong(f"of type {layer.type} has {bottoms} bottoms and {tops} tops", BY_ONNX)
    layer.allow(*rule.parameters)
    for position, top in enumerate(layer.tops):
        if top in known or top in layer.tops[:position]:
            raise layer.wrong(f"makes '{top}', which another layer has made")
    try:
        value = _value(network, layer, rule)
    except TatamiError as error:
        if error.file is not None:
            raise
        raise TatamiError(
            error.reason, hint=error.hint, file=layer.file, line=layer.line
        ) from error
    if layer.type != "PriorBox":  # it asks for no more than the sides
        for blob in layer.bottoms:
            network.unused.pop(blob, None)
    if value is None:  # anchors, or the detections, which nothing here can take
        return
    values = (value,) * tops if isinstance(value, str) else value
    for top, made in zip(layer.tops, values, strict=True):
        network.values[top] = made
        network.unused[top] = None


def _value(network: Network, layer: Layer, rule: Rule) -> str | tuple[str, ...] | None:
    """Add one layer by its rule, or join an SSD's anchors or hand them on."""
    anchors = [blob for blob in layer.bottoms if blob in network.priors]
    if anchors and layer.type in ("Concat", "Split"):
        share_priors(network, layer)
        return None
    if anchors and (layer.type != "DetectionOutput" or anchors != [layer.bottoms[2]]):
        raise layer.wrong(f"takes anchors, '{anchors[0]}'", AS_SSD)
    return rule.add(network, layer, [network.values.get(blob, "") for blob in layer.bottoms])


def _convolution(network: Network, layer: Layer, inputs: list[str]) -> str:
    builder, x = network.builder, inputs[0]
    shape = builder.shape(x)
    outputs, groups = layer.integer(0, 0), 1
    if layer.type == "ConvolutionDepthWise":
        groups = layer.integer(7, 1)
    refuse(layer, 8, "weights of int8")
    refuse(layer, 19, "weights that another layer makes")
    if layer.real(18, 0.0) != 0:
        raise layer.wrong("pads with a value that is not 0", BY_ONNX)
    channels = shape[1] if len(shape) == 4 else 0
    if min(outputs, groups, channels) < 1 or channels % groups or outputs % groups:
        raise layer.wrong(
            f"makes {outputs} maps in {groups} groups of a value of shape {shape[1:]}"
        )
    window = _window(layer, shape)
    kernel = (outputs, channels // groups, window.rows.kernel, window.columns.kernel)
    check_count(layer, 6, math.prod(kernel))
    weight = network.weights.tagged(layer.name, kernel)
    bias = network.weights.bare(layer.name, outputs) if layer.integer(5, 0) else None
    value = builder.conv(layer.name, x, weight, bias, window, groups)
    return _activation(builder, layer, value)


def _window(layer: Layer, shape: tuple[int, ...]) -> Window:
    """Read the window of a convolution over a map (1, c, h, w).

    What is said of columns holds for both axes.
    """
    kernel, dilation, stride = layer.integer(1, 0), layer.integer(2, 1), layer.integer(3, 1)
    left = layer.integer(4, 0)
    top = layer.integer(14, left)
    pads = (left, layer.integer(15, left), top, layer.integer(16, top))
    columns = Axis(kernel, stride, dilation=dilation)
    rows = Axis(
        layer.integer(11, kernel), layer.integer(13, stride), dilation=layer.integer(12, dilation)
    )
    for same in (SAME_UPPER, SAME_LOWER):
        if pads == (same,) * 4:
            upper = same == SAME_UPPER
            return Window(_same(rows, shape[2], upper), _same(columns, shape[3], upper))
    return Window(
        replace(rows, before=pads[2], after=pads[3]),
        replace(columns, before=pads[0], after=pads[1]),
    )


def _same(axis: Axis, length: int, upper: bool) -> Axis:
    """Pad so that as many outputs as strides fit; for ``upper`` an odd sample goes to the end."""
    total = max(0, (length - 1) // axis.stride * axis.stride + axis.span - length)
    before = total // 2 if upper else total - total // 2
    return replace(axis, before=before, after=total - before)


def _activation(builder: Builder, layer: Layer, value: str) -> str:
    """Add the activation that is part of a layer with weights (parameters 9 and 10)."""
    kind, numbers = layer.integer(9, 0), layer.reals(10)
    needed = {0: 0, 1: 0, 2: 1, 3: 2, 4: 0, 5: 0, 6: 2}.get(kind)
    if needed is None:
        raise layer.wrong(f"ends in an activation {kind}, which Tatami does not know", BY_ONNX)
    if len(numbers) < needed:
        raise layer.wrong(
            f"has {len(numbers)} numbers for its activation {kind}, which needs {needed}"
        )
    name = f"{layer.name}/activation"
    match kind:
        case 1:
            return builder.relu(name, value)
        case 2:
            return builder.leaky_relu(name, value, numbers[0])
        case 3:
            return builder.clip(name, value, numbers[0], numbers[1])
        case 4:
            return builder.sigmoid(name, value)
        case 5:
            return builder.function("Mish", name, value)
        case 6:
            return hard_swish(builder, name, value, numbers[0], numbers[1])
    return value


def _deconvolution(network: Network, layer: Layer, inputs: list[str]) -> str:
    builder, x = network.builder, inputs[0]
    shape = builder.shape(x)
    outputs = layer.integer(0, 0)
    groups = layer.integer(7, 1) if layer.type == "DeconvolutionDepthWise" else 1
    for identity, what in ((20, "a width"), (21, "a height"), (28, "weights of another layer")):
        refuse(layer, identity, what)
    channels = shape[1] if len(shape) == 4 else 0
    if min(outputs, groups, channels) < 1 or channels % groups or outputs % groups:
        raise layer.wrong(
            f"makes {outputs} maps in {groups} groups of a value of shape {shape[1:]}"
        )
    window = _window(layer, shape)
    rows, columns = window.rows.kernel, window.columns.kernel
    right = layer.integer(18, 0)
    more = (layer.integer(19, right), right)
    check_count(layer, 6, outputs * channels // groups * rows * columns)
    parts = (groups, outputs // groups, channels // groups, rows, columns)
    weight = network.weights.tagged(layer.name, parts)
    bias = network.weights.bare(layer.name, outputs) if layer.integer(5, 0) else None
    turned = weight.transpose(0, 2, 1, 3, 4).reshape(channels, outputs // groups, rows, columns)
    value = builder.conv_transpose(layer.name, x, turned, bias, window, groups, more)
    return _activation(builder, layer, value)


def _inner_product(network: Network, layer: Layer, inputs: list[str]) -> str:
    builder, x = network.builder, inputs[0]
    outputs = layer.integer(0, 0)
    refuse(layer, 8, "weights of int8")
    shape = builder.shape(x)
    length = math.prod(shape)
    if outputs < 1:
        raise layer.wrong(f"makes {outputs} numbers")
    if len(shape) == 3 and shape[1] > 1 and layer.integer(2, 0) == outputs * shape[2]:
        return _rows_product(network, layer, x)
    check_count(layer, 2, outputs * length)
    weight = network.weights.tagged(layer.name, (outputs, length))
    bias = network.weights.bare(layer.name, outputs) if layer.integer(1, 0) else None
    if len(builder.shape(x)) != 2:
        x = builder.reshape(f"{layer.name}/flatten", x, (1, length))
    return _activation(builder, layer, builder.inner_product(layer.name, x, weight, bias))


def _rows_product(network: Network, layer: Layer, x: str) -> str:
    """Multiply each row of a blob of two axes, as ncnn does where the weights are as long."""
    builder, outputs = network.builder, layer.integer(0, 0)
    length = builder.shape(x)[2]
    weight = network.weights.tagged(layer.name, (outputs, length))
    value = builder.matmul(layer.name, x, weight.T[None])
    if layer.integer(1, 0):
        bias = network.weights.bare(layer.name, outputs).reshape(1, 1, -1)
        offset = builder.constant(f"{layer.name}.bias", bias)
        value = builder.spread("Add", f"{layer.name}/sum", value, offset)
    return _activation(builder, layer, value)


def _batch_norm(network: Network, layer: Layer, inputs: list[str]) -> str:
    channels = channels_of(network, layer, inputs[0])
    check_count(layer, 0, channels)
    slope, mean, variance, bias = (network.weights.bare(layer.name, channels) for _ in range(4))
    epsilon = layer.real(1, 0.0)
    return network.builder.batch_norm(layer.name, inputs[0], slope, bias, mean, variance, epsilon)


def _scale(network: Network, layer: Layer, inputs: list[str]) -> str:
    channels = channels_of(network, layer, inputs[0])
    if len(inputs) == 2:
        builder = network.builder
        if layer.integer(0, 0) != NOT_GIVEN or math.prod(builder.shape(inputs[1])) != channels:
            raise layer.wrong(f"scales {channels} channels by another blob", BY_ONNX)
        sides = (1, channels, *[1] * (len(builder.shape(inputs[0])) - 2))
        factors = inputs[1]
        if builder.shape(factors) != sides:
            factors = builder.reshape(f"{layer.name}/factors", factors, sides)
        made = builder.spread("Mul", layer.name, inputs[0], factors)
        offset = network.weights.bare(layer.name, channels) if layer.integer(1, 0) else None
        return builder.scale(f"{layer.name}/bias", made, None, offset)
    check_count(layer, 0, channels)
    factor = network.weights.bare(layer.name, channels)
    offset = network.weights.bare(layer.name, channels) if layer.integer(1, 0) else None
    return network.builder.scale(layer.name, inputs[0], factor, offset)


def _pooling(network: Network, layer: Layer, inputs: list[str]) -> str:
    builder, name, x = network.builder, layer.name, inputs[0]
    kind = layer.integer(0, 0)
    if kind not in (0, 1):
        raise layer.wrong(f"pools in a way {kind}, which Tatami does not know", BY_ONNX)
    shape = builder.shape(x)
    if layer.integer(4, 0):
        if len(shape) != 4:
            raise layer.wrong(f"pools a value of shape {shape[1:]}")
        pooled = builder.global_pool(name, x, "average" if kind else "max")
        return builder.reshape(f"{name}/flatten", pooled, (1, shape[1]))
    if len(shape) != 4:
        raise layer.wrong(f"pools a value of shape {shape[1:]}")
    if layer.integer(7, 0):
        return _adaptive(builder, layer, x, "ReduceMean" if kind else "ReduceMax")
    kernel, stride, left = layer.integer(1, 0), layer.integer(2, 1), layer.integer(3, 0)
    top = layer.integer(13, left)
    columns = Axis(kernel, stride, left, layer.integer(14, left))
    rows = Axis(layer.integer(11, kernel), layer.integer(12, stride), top, layer.integer(15, top))
    mode = layer.integer(5, 0)
    rows, columns = (
        _padded(layer, mode, axis, length)
        for axis, length in zip((rows, columns), shape[2:], strict=True)
    )
    window = Window(rows, columns)
    if kind == 0:
        return builder.max_pool(name, x, window)
    # Of padding of the kind SAME ncnn counts the zeros as samples: its area leaves out only what
    # the parameters say.
    if mode in (2, 3) and any(layer.integer(identity, 0) for identity in (3, 13, 14, 15)):
        raise layer.wrong("averages with padding of two kinds", BY_ONNX)
    counted = mode in (2, 3) or bool(layer.integer(6, 0))
    return builder.average_pool(name, x, window, count_padding=counted)


def _adaptive(builder: Builder, layer: Layer, x: str, kind: Reduction) -> str:
    """Pool to a size that is said: each place of the samples that it stands for, rounded out."""
    shape = builder.shape(x)
    width = layer.integer(8, 0)
    sides = [layer.integer(18, width), width]
    for axis, said in zip((2, 3), sides, strict=True):
        length = shape[axis]
        count = length if said == NOT_GIVEN else said
        if not 1 <= count <= min(length, MAX_PLACES):
            raise layer.wrong(f"pools {length} samples to {count}", BY_ONNX)
        if count == length:
            continue
        parts = []
        for place in range(count):
            start, end = length * place // count, -(-length * (place + 1) // count)
            part = x
            if (start, end) != (0, length):
                part = builder.slice(f"{layer.name}/part", x, axis, start, end)
            parts.append(builder.reduce(kind, f"{layer.name}/pool", part, [axis]))
        x = parts[0] if count == 1 else builder.concat(layer.name, parts, axis)
    return x


def _padded(layer: Layer, mode: int, axis: Axis, length: int) -> Axis:
    """Write the window of a pool with its padding in full, so that rounding down is right."""
    match mode:
        case 0:  # what strides leave over at the end is filled up
            room = length + axis.before + axis.after - axis.kernel
            return replace(axis, after=axis.after + -room % axis.stride)
        case 1:
            return axis
        case 2 | 3:
            return _same(axis, length, mode == 2)
    raise layer.wrong(f"pads in a way {mode}, which Tatami does not know", BY_ONNX)


def _interp(network: Network, layer: Layer, inputs: list[str]) -> str:
    builder, x = network.builder, inputs[0]
    refuse(layer, 5, "a size that another blob says")
    kind = layer.integer(0, 0)
    if kind not in (1, 2):
        raise layer.wrong(f"resizes in a way {kind}, not by the nearest or bilinear", BY_ONNX)
    shape = builder.shape(x)
    if len(shape) != 4:
        raise layer.wrong(f"resizes a value of shape {shape[1:]}")
    height, width = layer.integer(3, 0), layer.integer(4, 0)
    if height == 0 or width == 0:
        height, width = int(shape[2] * layer.real(1, 1.0)), int(shape[3] * layer.real(2, 1.0))
    if kind == 2 and min(height, width) > 0:
        coordinates: Literal["half_pixel", "align_corners"] = (
            "align_corners" if layer.integer(6, 0) else "half_pixel"
        )
        return builder.resize_linear(layer.name, x, Size(width, height), coordinates)
    if height < 1 or width < 1:
        raise layer.wrong(f"makes {width}x{height} of {shape[3]}x{shape[2]}")
    if height % shape[2] == 0 and width % shape[3] == 0:
        return builder.upsample(layer.name, x, height // shape[2], width // shape[3])
    if layer.integer(3, 0) == 0 or layer.integer(4, 0) == 0:
        for side, length, identity in ((height, shape[2], 1), (width, shape[3], 2)):
            if side != length * layer.real(identity, 1.0):  # ncnn takes the factor, not the sides
                raise layer.wrong(f"makes {side} samples of {length} by a part of one", BY_ONNX)
    return builder.resize_nearest(layer.name, x, Size(width, height))


def _concat(network: Network, layer: Layer, inputs: list[str]) -> str:
    axis = axis_of(network, layer, inputs[0], layer.integer(0, 0))
    return network.builder.concat(layer.name, inputs, axis)


def _softmax(network: Network, layer: Layer, inputs: list[str]) -> str:
    axis = layer.integer(0, 0)
    if axis != 0 and layer.integer(1, 0) == 0:
        raise layer.wrong(f"along axis {axis} is of an old form that ncnn itself refuses")
    return network.builder.softmax(layer.name, inputs[0], axis_of(network, layer, inputs[0], axis))


def _eltwise(network: Network, layer: Layer, inputs: list[str]) -> str:
    kind, coefficients = layer.integer(0, 0), layer.reals(1)
    operators: dict[int, Arithmetic] = {0: "Mul", 1: "Add", 2: "Max"}
    if kind not in operators:
        raise layer.wrong(f"combines in a way {kind}, not by product, sum or maximum", BY_ONNX)
    if coefficients and (kind != 1 or len(coefficients) != len(inputs)):
        raise layer.wrong(
            f"has {len(coefficients)} coefficients for {len(inputs)} bottoms in a way {kind}"
        )
    builder = network.builder
    values = [
        value if factor == 1 else builder.multiply(f"{layer.name}/coeff", value, factor)
        for value, factor in zip(inputs, coefficients or [1.0] * len(inputs), strict=True)
    ]
    result = values[0]
    for value in values[1:]:
        result = builder.elementwise(operators[kind], layer.name, result, value)
    return result


def _relu(network: Network, layer: Layer, inputs: list[str]) -> str:
    slope = layer.real(0, 0.0)
    if slope == 0:
        return network.builder.relu(layer.name, inputs[0])
    return network.builder.leaky_relu(layer.name, inputs[0], slope)


def _clip(network: Network, layer: Layer, inputs: list[str]) -> str:
    low, high = layer.real(0, -MAX_FLOAT), layer.real(1, MAX_FLOAT)
    return network.builder.clip(layer.name, inputs[0], low, high)


def _sigmoid(network: Network, layer: Layer, inputs: list[str]) -> str:
    return network.builder.sigmoid(layer.name, inputs[0])


def _dropout(network: Network, layer: Layer, inputs: list[str]) -> str:
    factor = layer.real(0, 1.0)
    return inputs[0] if factor == 1 else network.builder.multiply(layer.name, inputs[0], factor)


def _split(network: Network, layer: Layer, inputs: list[str]) -> str:
    return inputs[0]


def _permute(network: Network, layer: Layer, inputs: list[str]) -> str:
    kind, rank = layer.integer(0, 0), len(network.builder.shape(inputs[0]))
    orders = _ORDERS if rank == 4 else ((0, 1, 2), (0, 2, 1))[: max(0, rank - 1)]
    if not 0 <= kind < len(orders) or rank not in (3, 4):
        raise layer.wrong(f"orders {rank - 1} axes in a way {kind}, which ncnn does not know")
    return network.builder.transpose(layer.name, inputs[0], orders[kind])


def _reshape(network: Network, layer: Layer, inputs: list[str]) -> str:
    if layer.integer(3, 0) != 0:
        raise layer.wrong("permutes while it reshapes", BY_ONNX)
    before = network.builder.shape(inputs[0])
    sides: list[int] = []
    for identity, axis in ((2, -3), (1, -2), (0, -1)):  # channels, rows, columns
        side = layer.integer(identity, NOT_GIVEN)
        if side == NOT_GIVEN and not sides:
            continue
        if side == 0 and len(before) + axis >= 1:
            side = before[axis]
        if side < 1 and side != -1:
            raise layer.wrong(f"has a side {side} for a value of shape {before[1:]}")
        sides.append(side)
    if not sides or sides.count(-1) > 1:
        raise layer.wrong(f"makes {tuple(sides)} of a value of shape {before[1:]}")
    if -1 in sides:
        known = math.prod(side for side in sides if side != -1)
        sides[sides.index(-1)] = math.prod(before) // known
    return network.builder.reshape(layer.name, inputs[0], (1, *sides))


def _flatten(network: Network, layer: Layer, inputs: list[str]) -> str:
    length = math.prod(network.builder.shape(inputs[0]))
    return network.builder.reshape(layer.name, inputs[0], (1, length))


def _detection(network: Network, layer: Layer, inputs: list[str]) -> None:
    """Read Yolov3DetectionOutput: which maps are the detector's, and how they are decoded."""
    if network.maps:
        raise layer.wrong("is a second layer of detections", BY_ONNX)
    classes, count = layer.integer(0, 20), layer.integer(1, 5)
    sides, masks, scales = layer.reals(4), layer.reals(5), layer.reals(6)
    if min(classes, count) < 1 or len(masks) != count * len(inputs) or len(scales) != len(inputs):
        raise layer.wrong(
            f"has {len(masks)} masks and {len(scales)} scales for {len(inputs)} maps of {count} "
            f"boxes a cell and {classes} classes"
        )
    if len(sides) % 2 or not all(
        MIN_FACTOR <= number <= MAX_FACTOR for number in (*sides, *scales)
    ):
        raise layer.wrong("has anchors or scales that are no sizes in pixels")
    anchors = list(zip(sides[::2], sides[1::2], strict=True))
    for mask in masks:
        if mask != int(mask) or not 0 <= mask < len(anchors):
            raise layer.wrong(f"has a mask {mask:g} for {len(anchors)} anchors")
    size = network.builder.size
    grids = []
    for index, (value, scale) in enumerate(zip(inputs, scales, strict=True)):
        shape = network.builder.shape(value)
        if len(shape) != 4 or shape[1] != count * (5 + classes):
            raise layer.wrong(
                f"takes a map of shape {shape[1:]}, where {count} boxes of {classes} classes need "
                f"{count * (5 + classes)} channels"
            )
        rows, columns = shape[2:]
        # ncnn divides a side by scale * cells, which it takes for the input's side: it says
        # the part of the input that a box is, whatever the input's side is.
        if min(int(scale * columns), int(scale * rows)) < 1:
            raise layer.wrong(f"has a scale {scale:g}, which makes nothing of {columns}x{rows}")
        across, down = size.width / int(scale * columns), size.height / int(scale * rows)
        chosen = masks[index * count : (index + 1) * count]
        pairs = (anchors[int(mask)] for mask in chosen)
        grids.append(
            AnchorGrid(
                tuple((width * across, height * down) for width, height in pairs),
                (size.width / columns, size.height / rows),
            )
        )
    network.maps = layer.bottoms
    network.detection = Decoding(
        kind="yolov3",
        grids=tuple(grids),
        scores="sigmoid",
        score_threshold=part_of(layer, 2, 0.01),
        iou_threshold=part_of(layer, 3, 0.45),
    )


def _region(network: Network, layer: Layer, inputs: list[str]) -> None:
    """Read YoloDetectionOutput, YOLOv2's: the map, and how it is decoded; anchors are in cells."""
    if network.maps:
        raise layer.wrong("is a second layer of detections", BY_ONNX)
    classes, count = layer.integer(0, 20), layer.integer(1, 5)
    sides, shape = layer.reals(4), network.builder.shape(inputs[0])
    if (
        min(classes, count) < 1
        or len(sides) != 2 * count
        or not all(MIN_FACTOR <= side <= MAX_FACTOR for side in sides)
    ):
        raise layer.wrong(f"has {len(sides)} numbers for {count} anchors of {classes} classes")
    if len(shape) != 4 or shape[1] != count * (5 + classes):
        raise layer.wrong(
            f"takes a map of shape {shape[1:]}, where {count} boxes of {classes} classes need "
            f"{count * (5 + classes)} channels"
        )
    size = network.builder.size
    stride = (size.width / shape[3], size.height / shape[2])
    pairs = zip(sides[::2], sides[1::2], strict=True)
    grid = AnchorGrid(tuple((w * stride[0], h * stride[1]) for w, h in pairs), stride)
    network.maps = layer.bottoms
    network.detection = Decoding(
        kind="yolov2",
        grids=(grid,),
        scores="softmax",
        score_threshold=part_of(layer, 2, 0.01),
        iou_threshold=part_of(layer, 3, 0.45),
    )


_CONVOLUTION = (*range(7), *range(8, 17), 18, 19)

_DECONVOLUTION = (*range(7), *range(9, 17), 18, 19, 20, 21, 28)

_LAYERS: dict[str, Rule] = {
    **FUNCTIONS,
    **SSD,
    "BatchNorm": Rule(_batch_norm, (0, 1)),
    "Clip": Rule(_clip, (0, 1)),
    "Concat": Rule(_concat, (0,), 1, MANY),
    "Convolution": Rule(_convolution, _CONVOLUTION),
    "ConvolutionDepthWise": Rule(_convolution, (*_CONVOLUTION, 7)),
    "Deconvolution": Rule(_deconvolution, _DECONVOLUTION),
    "DeconvolutionDepthWise": Rule(_deconvolution, (*_DECONVOLUTION, 7)),
    "Dropout": Rule(_dropout, (0,)),
    "Eltwise": Rule(_eltwise, (0, 1), 2, MANY),
    "Flatten": Rule(_flatten),
    "InnerProduct": Rule(_inner_product, (0, 1, 2, 8, 9, 10)),
    "Interp": Rule(_interp, tuple(range(7))),
    "Permute": Rule(_permute, (0,)),
    "Pooling": Rule(_pooling, (*range(8), 8, *range(11, 16), 18)),
    "ReLU": Rule(_relu, (0,)),
    "Reshape": Rule(_reshape, (0, 1, 2, 3)),
    "Scale": Rule(_scale, (0, 1), 1, 2),
    "Sigmoid": Rule(_sigmoid),
    "Softmax": Rule(_softmax, (0, 1)),
    "Split": Rule(_split, max_tops=MANY),
    "YoloDetectionOutput": Rule(_region, tuple(range(5))),
    "Yolov3DetectionOutput": Rule(_detection, tuple(range(7)), 1, MANY),
}
"""The layers that are known."""
