"""Caffe's prototxt and caffemodel to ONNX, layer by layer as Caffe computes them.

What a layer does is that of BVLC/caffe (src/caffe/layers); what is outside its table of layers
below, and what a layer says that is not known here, is refused with its line.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from tatami.errors import TatamiError
from tatami.importers.build import Arithmetic, Builder
from tatami.importers.caffe_functions import FUNCTIONS
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
    pair,
    window_axes,
)
from tatami.importers.caffe_ssd import SSD, join_priors
from tatami.importers.caffemodel import read_caffemodel
from tatami.importers.heads import with_outputs
from tatami.importers.imported import Imported
from tatami.importers.prototxt import Message, parse_prototxt
from tatami.importers.ssd_tail import AS_SSD, Detector
from tatami.ops.window import Axis, Window
from tatami.types import Float32, Size

MAX_FILLED = 1 << 24
"""Numbers that a filler makes, which the text alone asks for."""
_OF_LAYER = (
    *("name", "type", "bottom", "top", "include", "exclude"),
    *("phase", "param", "loss_weight", "propagate_down"),  # these matter to training only
)


def read_caffe(prototxt: Path, caffemodel: Path, size: Size | None) -> Imported:
    """Import the network of a deploy prototxt with the weights of a caffemodel.

    Outputs keep the names of their blobs.

    Args:
        prototxt: The network.
        caffemodel: Its weights.
        size: In place of that of the prototxt's input.

    Raises:
        TatamiError: For files that are damaged or do not belong together and for what Tatami does
            not know, with the line where it is in the prototxt.
        OSError: For a file that cannot be read.
    """
    whole = parse_prototxt(prototxt)
    layers = _layers(whole)
    given = _input(whole, layers)
    notes = []
    if given.shape[0] != 1:
        notes.append(f"the file's batch of {given.shape[0]} is taken as 1")
    try:
        builder = _begun(given.shape, size)
    except TatamiError as error:
        raise given.place.wrong(error.reason, error.hint) from error
    network = Network(builder, caffemodel, read_caffemodel(caffemodel))
    blob = given.blob
    network.values[blob] = network.builder.images
    network.unused[blob] = None
    for layer in given.rest:
        _add(network, layer)
    strange = [name for name in network.blobs if name not in network.weighted]
    if strange:
        notes.append(f"weights of layers that the prototxt lacks: {', '.join(strange)}")
    if network.detector is not None:
        return _detector(network, network.detector, whole, notes)
    if network.priors:
        names = ", ".join(network.priors)
        notes.append(f"left out, as no layer of detections takes them: the anchors {names}")
    outputs = {blob: network.values[blob] for blob in network.unused}
    return Imported(_model(network.builder, outputs, whole), notes=tuple(notes))


def _begun(shape: list[int], size: Size | None) -> Builder:
    """Begin a network with an input of a shape, of one picture."""
    sides = tuple(shape[1:])
    own = Size(sides[2], sides[1]) if len(sides) == 3 else None
    if own is None and size is not None:
        raise TatamiError(
            f"the input has the shape {shape}, which has no other size",
            hint="leave the size out",
            setting="size",
        )
    chosen = size or own or Size(1, 1)
    if own is not None:
        sides = (sides[0], chosen.height, chosen.width)
    return Builder(chosen, inputs={Builder.images: ((1, *sides), onnx.TensorProto.FLOAT)})


def _detector(network: Network, found: Detector, whole: Message, notes: list[str]) -> Imported:
    """Make the raw maps of an SSD the outputs, and leave out what lies behind them."""
    outputs = found.outputs()
    shapes = {name: network.builder.shape(value) for name, value in outputs.items()}
    model = with_outputs(_model(network.builder, outputs, whole), list(outputs), shapes)
    if network.unused:
        left = ", ".join(network.unused)
        notes.append(f"left out, as only the detections' maps are kept: {left}")
    classes = tuple(f"class{index}" for index in range(found.classes))
    return Imported(model, found.decoding, classes, notes=tuple(notes))


def _layers(whole: Message) -> list[Layer]:
    """List the layers that are there when the network is used."""
    if whole.has("layers"):
        line = whole.messages("layers")[0].line
        raise whole.wrong(
            "the file has layers of the old kind (V1, 'layers')",
            "convert it with Caffe's upgrade_net_proto_text",
            line,
        )
    whole.allow("name", "input", "input_dim", "input_shape", "layer", "force_backward")
    found = []
    for message in whole.messages("layer"):
        if not _is_included(message):
            continue
        layer = Layer(
            message.text("name", ""),
            message.text("type", ""),
            tuple(message.texts("bottom")),
            tuple(message.texts("top")),
            message,
        )
        if layer.type not in (*_LAYERS, "Input"):
            raise message.wrong(
                f"layer '{layer.name}' is of type '{layer.type}', which Tatami does not know",
                f"use only Input, {', '.join(_LAYERS)}, or bring the network by way of ONNX",
            )
        own = ("input_param",) if layer.type == "Input" else _LAYERS[layer.type].parameters
        message.allow(*_OF_LAYER, *own)
        if not all(layer.tops) or not layer.tops:
            raise message.wrong(f"layer '{layer.name}' has no top, or one without a name", CORRECT)
        found.append(layer)
    return found


def _is_included(message: Message) -> bool:
    """Tell whether a layer's rules let it into the network of the phase TEST."""
    phases: dict[str, list[str]] = {"include": [], "exclude": []}
    for kind, found in phases.items():
        for rule in message.messages(kind):
            rule.allow("phase")
            found.append(rule.word("phase", "TEST"))
    return (not phases["include"] or "TEST" in phases["include"]) and (
        "TEST" not in phases["exclude"]
    )


@dataclass(frozen=True)
class Input:
    """The network's input.

    Args:
        blob: Its name.
        shape: (images, channels, height, width), or fewer sides.
        place: Where the file says it.
        rest: The layers after it.
    """

    blob: str
    shape: list[int]
    place: Message
    rest: list[Layer]


def _input(whole: Message, layers: list[Layer]) -> Input:
    """Find the network's one input, whichever way the file says it."""
    names = whole.texts("input")
    shapes = [shape.integers("dim") for shape in whole.messages("input_shape")]
    dims = whole.integers("input_dim")
    shapes += [dims[i : i + 4] for i in range(0, len(dims), 4)]
    place = whole
    rest = []
    for layer in layers:
        if layer.type != "Input":
            rest.append(layer)
            continue
        place = layer.message
        names += layer.tops
        parameters = layer.message.message("input_param")
        parameters.allow("shape")
        for given in parameters.messages("shape"):
            given.allow("dim")
            shapes.append(given.integers("dim"))
    if len(names) != 1 or len(shapes) != 1:
        raise place.wrong(
            f"the network has {len(names)} inputs with {len(shapes)} shapes, where one is needed",
            "give the deploy prototxt, whose only input is the picture",
        )
    shape = shapes[0]
    if not 2 <= len(shape) <= 4 or min(shape) < 1:
        raise place.wrong(
            f"the input has the shape {shape}, where (1, channels, height, width) is needed",
            "give a network of pictures, or of vectors",
        )
    return Input(names[0], shape, place, rest)


def _add(network: Network, layer: Layer) -> None:
    """Add one layer; whatever does not fit is an error at its line."""
    known = (*network.values, *network.priors)
    missing = [blob for blob in layer.bottoms if blob not in known]
    if missing:
        raise layer.message.wrong(
            f"layer '{layer.name}' takes '{missing[0]}', which no layer before it makes", CORRECT
        )
    rule = _LAYERS[layer.type]
    bottoms, tops = len(layer.bottoms), len(layer.tops)
    if not (rule.min_bottoms <= bottoms <= rule.max_bottoms and tops <= rule.max_tops):
        raise layer.message.wrong(
            f"layer '{layer.name}' of type {layer.type} has {bottoms} bottoms and {tops} tops",
            "bring the network by way of ONNX",
        )
    for position, top in enumerate(layer.tops):
        in_place = layer.bottoms[position : position + 1] == (top,)
        if top in layer.tops[:position] or (top in known and not in_place):
            raise layer.message.wrong(
                f"layer '{layer.name}' makes '{top}', which another layer has made", CORRECT
            )
    try:
        value = _value(network, layer, rule)
    except TatamiError as error:
        if error.file is not None:
            raise
        raise layer.message.wrong(error.reason, error.hint) from error
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
    """Add one layer by its rule, or join an SSD's anchors."""
    anchors = [blob for blob in layer.bottoms if blob in network.priors]
    if anchors and layer.type == "Concat":
        join_priors(network, layer)
        return None
    if anchors and (layer.type != "DetectionOutput" or anchors != [layer.bottoms[2]]):
        raise layer.message.wrong(f"layer '{layer.name}' takes anchors, '{anchors[0]}'", AS_SSD)
    return rule.add(network, layer, [network.values.get(blob, "") for blob in layer.bottoms])


def _model(builder: Builder, outputs: dict[str, str], whole: Message) -> onnx.ModelProto:
    try:
        return builder.model(outputs)
    except TatamiError as error:
        raise whole.wrong(error.reason, error.hint) from error


_CONVOLUTION = (
    *("num_output", "bias_term", "group", "axis", "force_nd_im2col", "dilation", "engine"),
    *("kernel_size", "kernel_h", "kernel_w", "stride", "stride_h", "stride_w"),
    *("pad", "pad_h", "pad_w", "weight_filler", "bias_filler"),
)


def _convolution(network: Network, layer: Layer, inputs: list[str]) -> str:
    said = layer.message.message("convolution_param")
    said.allow(*_CONVOLUTION)
    only(said, "axis", 1)
    shape = network.builder.shape(inputs[0])
    channels = shape[1] if len(shape) == 4 else 0
    outputs = said.integer("num_output", 0)
    groups = said.integer("group", 1)
    if layer.type != "Convolution":
        if groups not in (1, channels) or outputs != channels:
            raise said.wrong(
                f"layer '{layer.name}' is depthwise with {outputs} outputs in {groups} groups, "
                f"where its input has {channels} channels",
                CORRECT,
            )
        groups = channels
    window = Window(*window_axes(said))
    if outputs < 1 or groups < 1 or channels % groups or outputs % groups:
        raise said.wrong(
            f"layer '{layer.name}' makes {outputs} maps in {groups} groups of {channels} channels",
            CORRECT,
        )
    kernel = (outputs, channels // groups, window.rows.kernel, window.columns.kernel)
    shapes = [kernel, (outputs,)] if said.flag("bias_term", True) else [kernel]
    weight, *bias = network.weights(layer, *shapes)
    return network.builder.conv(
        layer.name, inputs[0], weight, bias[0] if bias else None, window, groups
    )


def _deconvolution(network: Network, layer: Layer, inputs: list[str]) -> str:
    said = layer.message.message("convolution_param")
    said.allow(*_CONVOLUTION)
    only(said, "axis", 1)
    channels = channels_of(network, layer, inputs[0])
    outputs, groups = said.integer("num_output", 0), said.integer("group", 1)
    window = Window(*window_axes(said))
    if min(outputs, groups) < 1 or channels % groups or outputs % groups:
        raise said.wrong(
            f"layer '{layer.name}' makes {outputs} maps in {groups} groups of {channels} channels",
            CORRECT,
        )
    kernel = (channels, outputs // groups, window.rows.kernel, window.columns.kernel)
    biased = said.flag("bias_term", True)
    made = None if layer.name in network.blobs else _bilinear(said, kernel)
    if made is None:
        made, *bias = network.weights(layer, *([kernel, (outputs,)] if biased else [kernel]))
    else:
        bias = []
    return network.builder.conv_transpose(
        layer.name, inputs[0], made, bias[0] if bias else None, window, groups
    )


def _bilinear(said: Message, shape: tuple[int, ...]) -> Float32 | None:
    """Make the weights that enlarge a map bilinearly, where the file says that they are that.

    They are in no caffemodel where a network was put together without a training.
    """
    filler = said.message("weight_filler")
    filler.allow("type", "value", "std", "min", "max", "mean", "sparse", "variance_norm")
    if filler.text("type", "constant") != "bilinear":
        return None
    side = shape[-1]
    if shape[-2] != side or math.prod(shape) > MAX_FILLED:
        raise said.wrong(f"the filler 'bilinear' makes no weights {shape}", CORRECT)
    factor = (side + 1) // 2
    middle = (2 * factor - 1 - factor % 2) / (2 * factor)
    line = 1 - np.abs(np.arange(side) / factor - middle)
    return np.broadcast_to(np.outer(line, line), shape).astype(np.float32)


def _pooling(network: Network, layer: Layer, inputs: list[str]) -> str:
    said = layer.message.message("pooling_param")
    said.allow(
        *("pool", "global_pooling", "round_mode", "ceil_mode", "engine"),
        *("kernel_size", "kernel_h", "kernel_w", "stride", "stride_h", "stride_w"),
        *("pad", "pad_h", "pad_w"),
    )
    kind = said.word("pool", "MAX")
    if kind not in ("MAX", "AVE", "0", "1"):
        raise said.wrong(f"layer '{layer.name}' pools by '{kind}', not MAX or AVE", BY_ONNX)
    largest = kind in ("MAX", "0")
    builder, name, x = network.builder, layer.name, inputs[0]
    strides, pads = pair(said, "stride", "stride", 1), pair(said, "pad", "pad", 0)
    if said.flag("global_pooling", False):
        if strides != (1, 1) or pads != (0, 0) or said.has("kernel_size") or said.has("kernel_h"):
            raise said.wrong(f"layer '{name}' pools all of its map, and yet by a window", CORRECT)
        return builder.global_pool(name, x, "max" if largest else "average")
    kernels = pair(said, "kernel_size", "kernel", None)
    shape = builder.shape(x)
    if len(shape) != 4:
        raise said.wrong(f"layer '{name}' pools a value of shape {shape}", CORRECT)
    padded = pads != (0, 0)
    rows, columns = (
        _pooled_axis(length, Axis(kernel, stride, pad, pad), padded, _rounds_up(said))
        for length, kernel, stride, pad in zip(shape[2:], kernels, strides, pads, strict=True)
    )
    if largest:
        return builder.max_pool(name, x, Window(rows, columns))
    # Caffe's divisor counts the padding that the file says, but not the samples beyond it that
    # rounding up adds. So the former becomes a pad of zeros, and the latter the pool's own.
    if padded:
        margin = Window(*(Axis(1, 1, pad, pad) for pad in pads))
        x = builder.pad(f"{name}/pad", x, margin)
    beyond = [
        Axis(axis.kernel, axis.stride, 0, max(0, axis.after - pad))
        for axis, pad in zip((rows, columns), pads, strict=True)
    ]
    return builder.average_pool(name, x, Window(*beyond), count_padding=False)


def _rounds_up(said: Message) -> bool:
    """Tell whether a pool rounds up: Caffe does unless one of two later members says otherwise."""
    mode = said.word("round_mode", "CEIL")
    if mode not in ("CEIL", "FLOOR", "0", "1"):
        raise said.wrong(f"'round_mode' is '{mode}', not CEIL or FLOOR", CORRECT)
    return mode in ("CEIL", "0") and said.flag("ceil_mode", True)


def _pooled_axis(length: int, axis: Axis, padded: bool, up: bool) -> Axis:
    """Write the window of Caffe's pool with padding that gives its places by rounding down.

    Caffe rounds the number of places up, and, where either axis has padding, drops a last window
    that begins in the padding after the map. Padding beyond what it says is never read.
    """
    room = length + 2 * axis.before - axis.kernel
    if room < 0:
        raise TatamiError(
            f"a window of {axis.kernel} does not fit in {length} samples with its padding",
            hint="use a larger input or a smaller kernel",
        )
    places = (-(-room // axis.stride) if up else room // axis.stride) + 1
    if padded and (places - 1) * axis.stride >= length + axis.before:
        places -= 1
    if axis.before >= axis.kernel or (places - 1) * axis.stride >= length + axis.before:
        raise TatamiError(
            "a window of a pool lies wholly outside the map",
            hint="use another input size, or padding and stride smaller than the kernel",
        )
    reach = (places - 1) * axis.stride + axis.kernel
    return Axis(axis.kernel, axis.stride, axis.before, max(0, reach - length - axis.before))


def _batch_norm(network: Network, layer: Layer, inputs: list[str]) -> str:
    said = layer.message.message("batch_norm_param")
    said.allow("use_global_stats", "moving_average_fraction", "eps")
    if not said.flag("use_global_stats", True):
        raise said.wrong(
            f"layer '{layer.name}' takes the statistics of its batch",
            "set use_global_stats: true",
        )
    channels = channels_of(network, layer, inputs[0])
    mean, variance, divisor = network.weights(layer, (channels,), (channels,), (1,))
    factor = np.float32(0) if divisor[0] == 0 else np.float32(1) / divisor[0]
    ones, zeros = np.ones(channels, np.float32), np.zeros(channels, np.float32)
    with np.errstate(over="ignore"):  # the builder refuses infinities
        mean, variance = mean * factor, variance * factor
    epsilon = said.real("eps", 1e-5)
    return network.builder.batch_norm(layer.name, inputs[0], ones, zeros, mean, variance, epsilon)


def _scale(network: Network, layer: Layer, inputs: list[str]) -> str:
    said = layer.message.message("scale_param")
    said.allow("axis", "num_axes", "filler", "bias_term", "bias_filler")
    builder, x, biased = network.builder, inputs[0], said.flag("bias_term", False)
    channels = channels_of(network, layer, x)
    if len(inputs) == 2:
        x = _scale_by(network, layer, said, *inputs)
        if not biased:
            return x
        only(said, "axis", 1)
        return builder.scale(layer.name, x, None, network.weights(layer, (channels,))[0])
    only(said, "axis", 1)
    only(said, "num_axes", 1)
    shapes = [(channels,), (channels,)] if biased else [(channels,)]
    factor, *offset = network.weights(layer, *shapes)
    return builder.scale(layer.name, x, factor, offset[0] if offset else None)


def _scale_by(network: Network, layer: Layer, said: Message, x: str, factor: str) -> str:
    """Multiply by a second value, whose axes are those of the first from an axis on."""
    builder = network.builder
    shape, other = builder.shape(x), builder.shape(factor)
    axis = axis_of(said, "axis", 1, len(shape))
    if shape[axis : axis + len(other)] != other:
        raise said.wrong(f"layer '{layer.name}' scales {shape} by {other} from {axis}", CORRECT)
    sides = (*[1] * axis, *other, *[1] * (len(shape) - axis - len(other)))
    if sides != other:
        factor = builder.reshape(f"{layer.name}/factor", factor, sides)
    return builder.spread("Mul", layer.name, x, factor)


def _folded_norm(network: Network, layer: Layer, inputs: list[str]) -> str:
    """Add SegNet's BN of a network that is done: a factor and an offset a channel."""
    said = layer.message.message("bn_param")
    said.allow("bn_mode", "scale_filler", "shift_filler")
    if said.word("bn_mode", "LEARN") not in ("INFERENCE", "1"):
        raise said.wrong(f"layer '{layer.name}' takes the statistics of its batch", BY_ONNX)
    channels = channels_of(network, layer, inputs[0])
    factor, offset = network.weights(layer, (channels,), (channels,))
    return network.builder.scale(layer.name, inputs[0], factor, offset)


def _relu(network: Network, layer: Layer, inputs: list[str]) -> str:
    said = layer.message.message("relu_param")
    said.allow("negative_slope", "engine")
    slope = said.real("negative_slope", 0.0)
    if slope == 0:
        return network.builder.relu(layer.name, inputs[0])
    return network.builder.leaky_relu(layer.name, inputs[0], slope)


def _relu6(network: Network, layer: Layer, inputs: list[str]) -> str:
    return network.builder.clip(layer.name, inputs[0], 0.0, 6.0)


def _sigmoid(network: Network, layer: Layer, inputs: list[str]) -> str:
    layer.message.message("sigmoid_param").allow("engine")
    return network.builder.sigmoid(layer.name, inputs[0])


def _softmax(network: Network, layer: Layer, inputs: list[str]) -> str:
    said = layer.message.message("softmax_param")
    said.allow("axis", "engine")
    return network.builder.softmax(layer.name, inputs[0], said.integer("axis", 1))


def _concat(network: Network, layer: Layer, inputs: list[str]) -> str:
    said = layer.message.message("concat_param")
    said.allow("axis", "concat_dim")
    name = "concat_dim" if said.has("concat_dim") else "axis"
    return network.builder.concat(layer.name, inputs, said.integer(name, 1))


def _eltwise(network: Network, layer: Layer, inputs: list[str]) -> str:
    said = layer.message.message("eltwise_param")
    said.allow("operation", "coeff", "stable_prod_grad")
    operation = said.word("operation", "SUM")
    if operation not in ("SUM", "PROD", "MAX", "0", "1", "2"):
        raise said.wrong(
            f"layer '{layer.name}' combines by '{operation}', not SUM, PROD or MAX", BY_ONNX
        )
    kinds: dict[str, Arithmetic] = {"PROD": "Mul", "0": "Mul", "MAX": "Max", "2": "Max"}
    kind = kinds.get(operation, "Add")
    coefficients = said.reals("coeff")
    if coefficients and (kind != "Add" or len(coefficients) != len(inputs)):
        raise said.wrong(
            f"layer '{layer.name}' has {len(coefficients)} coefficients for {len(inputs)} bottoms "
            f"in a {operation}",
            CORRECT,
        )
    builder = network.builder
    values = []
    for value, coefficient in zip(inputs, coefficients or [1.0] * len(inputs), strict=True):
        if coefficient == 1:
            values.append(value)
            continue
        values.append(builder.multiply(f"{layer.name}/coeff", value, coefficient))
    result = values[0]
    for value in values[1:]:
        result = builder.elementwise(kind, layer.name, result, value)
    return result


def _permute(network: Network, layer: Layer, inputs: list[str]) -> str:
    said = layer.message.message("permute_param")
    said.allow("order")
    order = said.integers("order")
    rank = len(network.builder.shape(inputs[0]))
    order += [axis for axis in range(rank) if axis not in order]  # as Caffe does
    return network.builder.transpose(layer.name, inputs[0], order)


def _reshape(network: Network, layer: Layer, inputs: list[str]) -> str:
    said = layer.message.message("reshape_param")
    said.allow("shape", "axis", "num_axes")
    dims = said.message("shape")
    dims.allow("dim")
    before = network.builder.shape(inputs[0])
    first = axis_of(said, "axis", 0, len(before) + 1)
    count = said.integer("num_axes", -1)
    last = len(before) if count == -1 else first + count
    if not first <= last <= len(before):
        raise said.wrong(f"'num_axes' is {count} for a value of shape {before}", CORRECT)
    sides = []
    for position, side in enumerate(dims.integers("dim"), start=first):
        if side < -1 or (side == 0 and position >= len(before)):
            raise dims.wrong(f"'dim' is {side} for a value of shape {before}", CORRECT)
        sides.append(before[position] if side == 0 else side)
    shape = [*before[:first], *sides, *before[last:]]
    if shape.count(-1) > 1:
        raise dims.wrong("'dim' is -1 more than once", CORRECT)
    if -1 in shape:
        known = math.prod(side for side in shape if side != -1)
        shape[shape.index(-1)] = math.prod(before) // known
    return network.builder.reshape(layer.name, inputs[0], tuple(shape))


def _flatten(network: Network, layer: Layer, inputs: list[str]) -> str:
    said = layer.message.message("flatten_param")
    said.allow("axis", "end_axis")
    shape = network.builder.shape(inputs[0])
    first = axis_of(said, "axis", 1, len(shape))
    last = axis_of(said, "end_axis", -1, len(shape))
    if last < first:
        raise said.wrong(f"flattens from axis {first} to axis {last}", CORRECT)
    flat = math.prod(shape[first : last + 1])
    return network.builder.reshape(
        layer.name, inputs[0], (*shape[:first], flat, *shape[last + 1 :])
    )


def _inner_product(network: Network, layer: Layer, inputs: list[str]) -> str:
    said = layer.message.message("inner_product_param")
    said.allow("num_output", "bias_term", "weight_filler", "bias_filler", "axis", "transpose")
    builder, name = network.builder, layer.name
    shape = builder.shape(inputs[0])
    axis = axis_of(said, "axis", 1, len(shape))
    length, outputs = math.prod(shape[axis:]), said.integer("num_output", 0)
    if outputs < 1 or axis == 0:
        raise said.wrong(
            f"layer '{name}' makes {outputs} numbers of a value of shape {shape}", CORRECT
        )
    transposed = said.flag("transpose", False)
    matrix = (length, outputs) if transposed else (outputs, length)
    shapes = [matrix, (outputs,)] if said.flag("bias_term", True) else [matrix]
    weight, *bias = network.weights(layer, *shapes)
    weight = weight.T if transposed else weight
    x, rows = inputs[0], math.prod(shape[:axis])
    if rows == 1:
        if len(shape) != 2:
            x = builder.reshape(f"{name}/flatten", x, (1, length))
        made = builder.inner_product(name, x, weight, bias[0] if bias else None)
    else:
        if shape != (1, rows, length):
            x = builder.reshape(f"{name}/rows", x, (1, rows, length))
        made = builder.matmul(name, x, weight.T[None])
        if bias:
            offset = builder.constant(f"{name}.bias", bias[0].reshape(1, 1, -1))
            made = builder.spread("Add", f"{name}/sum", made, offset)
    whole = (*shape[:axis], outputs)
    return made if builder.shape(made) == whole else builder.reshape(f"{name}/shape", made, whole)


def _upsample(network: Network, layer: Layer, inputs: list[str]) -> str:
    said = layer.message.message("upsample_param")
    said.allow("scale", "scale_h", "scale_w")
    rows, columns = pair(said, "scale", "scale", None)
    return network.builder.upsample(layer.name, inputs[0], rows, columns)


def _same(network: Network, layer: Layer, inputs: list[str]) -> str:
    """Pass the input on: Dropout, when the network is used, and Split change nothing."""
    return inputs[0]


_LAYERS: dict[str, Rule] = {
    **FUNCTIONS,
    **SSD,
    "BN": Rule(_folded_norm, ("bn_param",)),
    "BatchNorm": Rule(_batch_norm, ("batch_norm_param",)),
    "Concat": Rule(_concat, ("concat_param",), 1, MANY),
    "Convolution": Rule(_convolution, ("convolution_param",)),
    "ConvolutionDepthwise": Rule(_convolution, ("convolution_param",)),
    "DepthwiseConvolution": Rule(_convolution, ("convolution_param",)),
    "Deconvolution": Rule(_deconvolution, ("convolution_param",)),
    "Dropout": Rule(_same, ("dropout_param",)),
    "Eltwise": Rule(_eltwise, ("eltwise_param",), 2, MANY),
    "Flatten": Rule(_flatten, ("flatten_param",)),
    "InnerProduct": Rule(_inner_product, ("inner_product_param",)),
    "Permute": Rule(_permute, ("permute_param",)),
    "Pooling": Rule(_pooling, ("pooling_param",)),
    "ReLU": Rule(_relu, ("relu_param",)),
    "ReLU6": Rule(_relu6),
    "Reshape": Rule(_reshape, ("reshape_param",)),
    "Scale": Rule(_scale, ("scale_param",), 1, 2),
    "Sigmoid": Rule(_sigmoid, ("sigmoid_param",)),
    "Softmax": Rule(_softmax, ("softmax_param",)),
    "Split": Rule(_same, max_tops=MANY),
    "Upsample": Rule(_upsample, ("upsample_param",)),
}
"""The layers that are known."""
