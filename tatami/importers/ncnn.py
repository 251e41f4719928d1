"""ncnn's .param and .bin to ONNX, layer by layer as ncnn computes them.

ncnn has no axis of pictures: its blob of three axes (c, h, w) is (1, c, h, w) here, one of two is
(1, h, w), one of one is (1, w). What a layer does is that of Tencent/ncnn (src/layer); what is
outside its table of layers below, and a parameter that is not known here, is refused with its line.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import onnx

from tatami.errors import TatamiError
from tatami.importers.build import Builder
from tatami.importers.imported import Imported
from tatami.importers.ncnn_bin import Weights
from tatami.importers.ncnn_param import Layer, parse_param
from tatami.ops.window import Axis, Window
from tatami.types import AnchorGrid, Decoding, Size

BY_ONNX = "bring the network by way of ONNX"
SAME_UPPER, SAME_LOWER = -233, -234
"""Paddings of a convolution that stand for as many outputs as strides fit."""
NOT_GIVEN = -233
"""A side of Reshape, or a scale that is another blob."""
MANY = 1 << 10
MAX_FLOAT = 3.4028234663852886e38
"""Of float32: a limit of Clip that is left out."""
MIN_FACTOR, MAX_FACTOR = 1e-3, 1e6
"""Of an anchor's side or a scale in pixels: a number outside was bits of something else."""

# Permute's parameter to the axes of (1, c, h, w). ncnn's own names list the fastest axis first.
_ORDERS = ((0, 1, 2, 3), (0, 1, 3, 2), (0, 2, 1, 3), (0, 2, 3, 1), (0, 3, 1, 2), (0, 3, 2, 1))


class Network:
    """The network so far.

    ``values`` has the value that holds each blob, ``unused`` those that no layer has taken yet,
    ``detection`` what Yolov3DetectionOutput says, and ``maps`` the blobs that it decodes.

    Args:
        builder: The ONNX model in the making.
        weights: The file of the weights.
    """

    def __init__(self, builder: Builder, weights: Weights) -> None:
        self.builder = builder
        self.weights = weights
        self.values: dict[str, str] = {}
        self.unused: dict[str, None] = {}
        self.detection: Decoding | None = None
        self.maps: tuple[str, ...] = ()


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
    if not network.maps:
        return Imported(_model(network, network.unused, param))
    notes = []
    if network.unused:
        names = ", ".join(network.unused)
        notes.append(f"left out, as only the detections' maps are kept: {names}")
    model = _model(network, dict.fromkeys(network.maps), param)
    return Imported(model, decoding=network.detection, notes=tuple(notes))


def _model(network: Network, blobs: dict[str, None], param: Path) -> onnx.ModelProto:
    try:
        return network.builder.model({blob: network.values[blob] for blob in blobs})
    except TatamiError as error:
        raise TatamiError(error.reason, hint=error.hint, file=param) from error


def _input(layers: list[Layer], param: Path, size: Size | None) -> tuple[Layer, Builder]:
    """Find the one Input, and begin a network with a picture of its size or of ``size``."""
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
    if len(layer.tops) != 1 or layer.bottoms or channels not in (0, 3):
        raise layer.wrong(
            f"gives {len(layer.tops)} blobs of {channels} channels, where one of 3 is needed",
            "give a network of color pictures",
        )
    if size is None and (width < 1 or height < 1):
        raise layer.wrong("says no size of the picture", "give the size")
    try:
        return layer, Builder(size or Size(width, height))
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
    missing = [blob for blob in layer.bottoms if blob not in network.values]
    if missing:
        raise layer.wrong(f"takes '{missing[0]}', which no layer before it makes")
    bottoms, tops = len(layer.bottoms), len(layer.tops)
    if not (rule.min_bottoms <= bottoms <= rule.max_bottoms) or (
        tops != 1 and layer.type != "Split"
    ):
        raise layer.wrong(f"of type {layer.type} has {bottoms} bottoms and {tops} tops", BY_ONNX)
    layer.allow(*rule.parameters)
    for top in layer.tops:
        if top in network.values:
            raise layer.wrong(f"makes '{top}', which another layer has made")
    try:
        value = rule.add(network, layer, [network.values[blob] for blob in layer.bottoms])
    except TatamiError as error:
        if error.file is not None:
            raise
        raise TatamiError(
            error.reason, hint=error.hint, file=layer.file, line=layer.line
        ) from error
    for blob in layer.bottoms:
        network.unused.pop(blob, None)
    if value is None:  # the detections, which nothing here can take
        return
    for top in layer.tops:
        network.values[top] = value
        network.unused[top] = None


def _convolution(network: Network, layer: Layer, inputs: list[str]) -> str:
    builder, x = network.builder, inputs[0]
    shape = builder.shape(x)
    outputs, groups = layer.integer(0, 0), 1
    if layer.type == "ConvolutionDepthWise":
        groups = layer.integer(7, 1)
    _refuse(layer, 8, "weights of int8")
    _refuse(layer, 19, "weights that another layer makes")
    if layer.real(18, 0.0) != 0:
        raise layer.wrong("pads with a value that is not 0", BY_ONNX)
    channels = shape[1] if len(shape) == 4 else 0
    if min(outputs, groups, channels) < 1 or channels % groups or outputs % groups:
        raise layer.wrong(
            f"makes {outputs} maps in {groups} groups of a value of shape {shape[1:]}"
        )
    window = _window(layer, shape)
    kernel = (outputs, channels // groups, window.rows.kernel, window.columns.kernel)
    _count(layer, 6, math.prod(kernel))
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
    needed = {0: 0, 1: 0, 2: 1, 3: 2, 4: 0}.get(kind)
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
    return value


def _inner_product(network: Network, layer: Layer, inputs: list[str]) -> str:
    builder, x = network.builder, inputs[0]
    outputs = layer.integer(0, 0)
    _refuse(layer, 8, "weights of int8")
    length = math.prod(builder.shape(x))
    if outputs < 1:
        raise layer.wrong(f"makes {outputs} numbers")
    _count(layer, 2, outputs * length)
    weight = network.weights.tagged(layer.name, (outputs, length))
    bias = network.weights.bare(layer.name, outputs) if layer.integer(1, 0) else None
    if len(builder.shape(x)) != 2:
        x = builder.reshape(f"{layer.name}/flatten", x, (1, length))
    return _activation(builder, layer, builder.inner_product(layer.name, x, weight, bias))


def _batch_norm(network: Network, layer: Layer, inputs: list[str]) -> str:
    channels = _channels(network, layer, inputs[0])
    _count(layer, 0, channels)
    slope, mean, variance, bias = (network.weights.bare(layer.name, channels) for _ in range(4))
    epsilon = layer.real(1, 0.0)
    return network.builder.batch_norm(layer.name, inputs[0], slope, bias, mean, variance, epsilon)


def _scale(network: Network, layer: Layer, inputs: list[str]) -> str:
    channels = _channels(network, layer, inputs[0])
    _count(layer, 0, channels)
    factor = network.weights.bare(layer.name, channels)
    offset = network.weights.bare(layer.name, channels) if layer.integer(1, 0) else None
    return network.builder.scale(layer.name, inputs[0], factor, offset)


def _pooling(network: Network, layer: Layer, inputs: list[str]) -> str:
    builder, name, x = network.builder, layer.name, inputs[0]
    _refuse(layer, 7, "a size of its output")
    kind = layer.integer(0, 0)
    if kind not in (0, 1):
        raise layer.wrong(f"pools in a way {kind}, which Tatami does not know", BY_ONNX)
    shape = builder.shape(x)
    if layer.integer(4, 0):
        pooled = builder.global_pool(name, x, "average" if kind else "max")
        return builder.reshape(f"{name}/flatten", pooled, (1, shape[1]))
    if len(shape) != 4:
        raise layer.wrong(f"pools a value of shape {shape[1:]}")
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
    padded = (rows.before, rows.after, columns.before, columns.after) != (0, 0, 0, 0)
    if mode in (2, 3) and padded:
        raise layer.wrong("averages with padding of the kind SAME", BY_ONNX)
    return builder.average_pool(name, x, window, count_padding=bool(layer.integer(6, 0)))


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
    _refuse(layer, 5, "a size that another blob says")
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
    if height < 1 or width < 1 or height % shape[2] or width % shape[3]:
        raise layer.wrong(
            f"makes {width}x{height} of {shape[3]}x{shape[2]}: not a whole number of times",
            BY_ONNX,
        )
    return builder.upsample(layer.name, x, height // shape[2], width // shape[3])


def _concat(network: Network, layer: Layer, inputs: list[str]) -> str:
    axis = _axis(network, layer, inputs[0], layer.integer(0, 0))
    return network.builder.concat(layer.name, inputs, axis)


def _softmax(network: Network, layer: Layer, inputs: list[str]) -> str:
    axis = layer.integer(0, 0)
    if axis != 0 and layer.integer(1, 0) == 0:
        raise layer.wrong(f"along axis {axis} is of an old form that ncnn itself refuses")
    return network.builder.softmax(layer.name, inputs[0], _axis(network, layer, inputs[0], axis))


def _eltwise(network: Network, layer: Layer, inputs: list[str]) -> str:
    kind, coefficients = layer.integer(0, 0), layer.reals(1)
    if kind not in (0, 1):
        raise layer.wrong(f"combines in a way {kind}, not by product or sum", BY_ONNX)
    if coefficients and (kind == 0 or len(coefficients) != len(inputs)):
        raise layer.wrong(
            f"has {len(coefficients)} coefficients for {len(inputs)} bottoms in a "
            f"{'sum' if kind else 'product'}"
        )
    builder = network.builder
    values = [
        value if factor == 1 else builder.multiply(f"{layer.name}/coeff", value, factor)
        for value, factor in zip(inputs, coefficients or [1.0] * len(inputs), strict=True)
    ]
    result = values[0]
    for value in values[1:]:
        result = builder.elementwise("Add" if kind else "Mul", layer.name, result, value)
    return result


def _binary(network: Network, layer: Layer, inputs: list[str]) -> str:
    kind = layer.integer(0, 0)
    _refuse(layer, 1, "a number as its second input")
    if kind not in (0, 2):
        raise layer.wrong(f"combines in a way {kind}, not by sum or product", BY_ONNX)
    return network.builder.elementwise("Mul" if kind else "Add", layer.name, inputs[0], inputs[1])


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
        score_threshold=_part(layer, 2, 0.01),
        iou_threshold=_part(layer, 3, 0.45),
    )


def _part(layer: Layer, identity: int, default: float) -> float:
    """Read a threshold: a part of one."""
    value = layer.real(identity, default)
    if not 0 <= value <= 1:
        raise layer.wrong(f"has a threshold {value:g}, which is not between 0 and 1")
    return float(f"{value:.7g}")  # bits of float32 as the number that was meant


@dataclass(frozen=True)
class Rule:
    """How a type of layer is added.

    Args:
        add: Adds it and gives the name of its value, or None for what ends the network.
        parameters: The ids that are known.
        min_bottoms: The fewest bottoms it takes.
        max_bottoms: The most bottoms it takes.
    """

    add: Callable[[Network, Layer, list[str]], str | None]
    parameters: tuple[int, ...] = ()
    min_bottoms: int = 1
    max_bottoms: int = 1


_CONVOLUTION = (*range(7), *range(8, 17), 18, 19)

_LAYERS = {
    "BatchNorm": Rule(_batch_norm, (0, 1)),
    "BinaryOp": Rule(_binary, (0, 1, 2), 2, 2),
    "Clip": Rule(_clip, (0, 1)),
    "Concat": Rule(_concat, (0,), 1, MANY),
    "Convolution": Rule(_convolution, _CONVOLUTION),
    "ConvolutionDepthWise": Rule(_convolution, (*_CONVOLUTION, 7)),
    "Dropout": Rule(_dropout, (0,)),
    "Eltwise": Rule(_eltwise, (0, 1), 2, MANY),
    "Flatten": Rule(_flatten),
    "InnerProduct": Rule(_inner_product, (0, 1, 2, 8, 9, 10)),
    "Interp": Rule(_interp, tuple(range(7))),
    "Permute": Rule(_permute, (0,)),
    "Pooling": Rule(_pooling, (*range(8), 8, *range(11, 16), 18)),
    "ReLU": Rule(_relu, (0,)),
    "Reshape": Rule(_reshape, (0, 1, 2, 3)),
    "Scale": Rule(_scale, (0, 1)),
    "Sigmoid": Rule(_sigmoid),
    "Softmax": Rule(_softmax, (0, 1)),
    "Split": Rule(_split),
    "Yolov3DetectionOutput": Rule(_detection, tuple(range(7)), 1, MANY),
}
"""The layers that are known."""


def _channels(network: Network, layer: Layer, value: str) -> int:
    """Give the length of a blob's slowest axis, which is what ncnn scales along."""
    shape = network.builder.shape(value)
    if len(shape) < 2:
        raise layer.wrong(f"works on the channels of a value of shape {shape}")
    return shape[1]


def _axis(network: Network, layer: Layer, value: str, axis: int) -> int:
    """Translate ncnn's axis, which counts from after the pictures' axis, or from the end."""
    rank = len(network.builder.shape(value)) - 1
    if not -rank <= axis < rank:
        raise layer.wrong(f"works along axis {axis} of {rank}")
    return axis % rank + 1


def _count(layer: Layer, identity: int, needed: int) -> None:
    """Check that the number of weights that a layer states is what its shapes need."""
    said = layer.integer(identity, 0)
    if said != needed:
        raise layer.wrong(f"says {said} weights, where its shapes need {needed}")


def _refuse(layer: Layer, identity: int, what: str) -> None:
    """Refuse a parameter that may only be 0 or left out."""
    if layer.integer(identity, 0) != 0:
        raise layer.wrong(f"has {what} ({identity}={layer.integer(identity, 0)})", BY_ONNX)
