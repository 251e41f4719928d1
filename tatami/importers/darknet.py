"""darknet's cfg and weights to ONNX, layer by layer as darknet computes them.

What a layer does is that of pjreddie/darknet and of AlexeyAB's; a layer, or a setting of one, that
is not known here is refused with its line. The weights file is a header and float32 numbers, for
each convolution: biases, then (with batch normalization) scales, means and variances, then weights.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import onnx

from tatami.errors import TatamiError
from tatami.importers.build import Builder
from tatami.importers.darknet_activations import ACTIVATIONS
from tatami.importers.darknet_cfg import Section, read_cfg
from tatami.importers.imported import Imported
from tatami.ops.norm import Epsilon
from tatami.ops.window import Axis, Window
from tatami.types import AnchorGrid, Decoding, Float32, InputSpec, Int64, Size

MAX_WEIGHTS = 1 << 31
"""Bytes of the largest weights file that is read; that of YOLOv3 has 237 MB."""
MAX_LAYERS = 4096
MAX_FILTERS = 1 << 16
"""Of a layer; with the bound of layers, what counting a cfg's weights may cost."""
MAX_JOINED = 256
"""Layers that one layer joins."""
MAX_LOCAL = 15
"""The largest window of a local layer."""
SHORTCUT_EPSILON = np.float32(0.0001)
"""What AlexeyAB's darknet adds to the sum of a shortcut's weights."""
ONE = ("1", "1.", "1.0")
"""How a cfg writes a factor that changes nothing."""
_OF_TRAINING = """
batch subdivisions momentum decay angle saturation exposure hue learning_rate burn_in max_batches
policy steps scales power step seq_scales sequence mosaic cutmix mixup letter_box optimized_memory
workspace_size_limit_MB time_steps random jitter bias_match rescore object_scale noobject_scale
class_scale coord_scale absolute thresh ignore_thresh truth_thresh iou_thresh iou_loss
iou_normalizer cls_normalizer obj_normalizer uc_normalizer delta_normalizer max_delta max
counters_per_class label_smooth_eps resize probability stopbackward assisted_excitation dot
adam B1 B2 eps ratio min_crop max_crop aspect show_details onlyforward dynamic_minibatch type
focal_loss log_softmax loss_type blur flip max_boxes track tree_thresh dropblock dropblock_size_rel
dropblock_size_abs noadjust noloss grad_centr train_only_bn forced
"""
OF_TRAINING = frozenset(_OF_TRAINING.split())
"""Settings that change nothing when a trained network runs."""
Scores = Literal["softmax", "sigmoid", "linear"]
Suppression = Literal["iou", "diou"]
DECODINGS: dict[str, Literal["yolov1", "yolov2", "yolov3"]] = {
    "detection": "yolov1",
    "region": "yolov2",
    "yolo": "yolov3",
}
"""The detection layers, and the rule that decodes what they are given."""


@dataclass
class Network:
    """The network so far.

    Args:
        builder: The ONNX model in the making.
        weights: Where weights come from.
        epsilon: Of every batch normalization.
        values: What each layer made.
        maps: What the detection layers read.
        grids: The anchors of each map.
        kinds: How each map is decoded, its scores, its classes and its suppression.
        notes: What a user should know, a line each.
        before: The section before this one.
        following: The section after this one.
    """

    builder: Builder
    weights: Weights | Ones
    epsilon: Epsilon
    values: list[str] = field(default_factory=list)
    maps: list[str] = field(default_factory=list)
    grids: list[AnchorGrid] = field(default_factory=list)
    kinds: list[tuple[str, Scores, int, Suppression]] = field(default_factory=list)
    """Of each detection layer: kind, scores, classes, suppression."""
    notes: list[str] = field(default_factory=list)
    before: Section | None = None
    following: Section | None = None
    """The layers around the one that is made."""

    @property
    def last(self) -> str:
        """The value that the last layer made."""
        return self.values[-1] if self.values else self.builder.images

    def layer(self, section: Section, number: int) -> str:
        """Find the value that a relative (negative) or absolute layer number stands for."""
        index = len(self.values) + number if number < 0 else number
        if not 0 <= index < len(self.values):
            raise section.wrong(f"refers to layer {number}, which is not before it")
        return self.values[index]


def read_darknet(cfg: Path, weights: Path, epsilon: Epsilon, size: Size | None = None) -> Imported:
    """Import a network of darknet's.

    Values are called ``layer00``, ``layer01`` ... after darknet's layers.

    Args:
        cfg: The network.
        weights: Its weights.
        epsilon: Of every batch normalization.
        size: In place of the cfg's.

    Raises:
        TatamiError: With the line, for what is not supported, and for a weights file that has more
            or fewer numbers.
    """
    net, *layers = read_cfg(cfg)
    if not 0 < len(layers) <= MAX_LAYERS:
        raise TatamiError(
            f"{len(layers)} layers", hint=f"give a cfg of 1 to {MAX_LAYERS} layers", file=cfg
        )
    channels = net.integer("channels", 3, 1, MAX_FILTERS)
    own = Size(net.integer("width", 416, 1, 16384), net.integer("height", 416, 1, 16384))
    numbers = Weights(weights)
    # First with ones for weights: a file of another network is told by its count, not by its sums.
    shapes = _begun(size or own, channels, keep_weights=False)
    counted = _build(layers, Network(shapes, Ones(numbers.transposed), epsilon))
    numbers.check(counted.weights.taken)
    network = _build(layers, Network(_begun(size or own, channels), numbers, epsilon))
    for section in (net, *layers):
        _note_unread(network, section)
    return _imported(network, size or own)


def _begun(size: Size, channels: int, *, keep_weights: bool = True) -> Builder:
    """Begin a network with a picture of so many channels."""
    shape = (1, channels, size.height, size.width)
    inputs = {Builder.images: (shape, onnx.TensorProto.FLOAT)}
    return Builder(size, keep_weights=keep_weights, inputs=inputs)


def _build(layers: Sequence[Section], network: Network) -> Network:
    for index, section in enumerate(layers):
        make = LAYERS.get(section.kind)
        if make is None:
            raise section.wrong(f"is not supported; the layers are {', '.join(LAYERS)}")
        network.before = layers[index - 1] if index else None
        network.following = layers[index + 1] if index + 1 < len(layers) else None
        for key in ("dontload", "dontloadscales"):  # its numbers would not be in the file
            section.refuse(key)
        try:
            made = make(network, section, f"layer{index:02d}")
        except TatamiError as error:
            if error.file is not None:
                raise
            raise section.wrong(error.reason) from error
        network.values.append(made)
        if section.kind in DECODINGS:
            network.maps.append(made)
    return network


def _imported(network: Network, size: Size) -> Imported:
    decoding = None
    outputs = {"map": network.last}
    if network.maps:
        if len(set(network.kinds)) > 1:
            raise TatamiError("its detection layers differ in kind", hint="correct the cfg file")
        kind, scores, _, nms = network.kinds[0]
        decoding = Decoding(DECODINGS[kind], tuple(network.grids), scores, nms=nms)
        if len(network.maps) > 1:
            outputs = {f"map{index}": value for index, value in enumerate(network.maps)}
        else:
            outputs = {"map": network.maps[0]}
    of_colors = network.builder.shape(Builder.images)[1] == 3
    pictures = InputSpec(size, "letterbox", "darknet", pad=127.5) if of_colors else None
    return Imported(
        network.builder.model(outputs),
        decoding,
        tuple(f"class{index}" for index in range(network.kinds[0][2])) if network.kinds else None,
        pictures,
        tuple(network.notes),
    )


def _note_unread(network: Network, section: Section) -> None:
    for key in section.entries:
        if key not in section.asked and key not in OF_TRAINING:
            line = section.entries[key][1]
            network.notes.append(f"line {line}: [{section.kind}] {key} is not known, and not read")


# The weights -------------------------------------------------------------------------------------


class Weights:
    """The numbers of a weights file, taken one array after another.

    The header is three int32 (major, minor, revision) and the count of pictures seen, 4 bytes
    before version 0.2 and 8 since.

    Args:
        file: The weights file.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        size = file.stat().st_size
        if size > MAX_WEIGHTS:
            raise TatamiError(f"{size} bytes are too many", hint="give a weights file", file=file)
        with file.open("rb") as opened:
            header = opened.read(12)
            if len(header) < 12:
                raise TatamiError("the file is too short", hint="copy it again", file=file)
            major, minor, _ = struct.unpack("<3i", header)
            if not (0 <= major < 2000 and 0 <= minor < 2000):
                raise TatamiError(
                    f"version {major}.{minor} is not a version of darknet",
                    hint="give a weights file",
                    file=file,
                )
            wide = major * 10 + minor >= 2 and major < 1000 and minor < 1000
            self.transposed = major > 1000 or minor > 1000
            seen = 8 if wide else 4
            if len(opened.read(seen)) < seen:
                raise TatamiError("the file is too short", hint="copy it again", file=file)
            content = opened.read()
        if len(content) % 4:
            raise TatamiError("the file is cut within a number", hint="copy it again", file=file)
        self._numbers = np.frombuffer(content, "<f4").astype(np.float32, copy=False)
        self.taken = 0

    def take(self, *shape: int) -> Float32:
        """Take the next array."""
        start, self.taken = self.taken, self.taken + math.prod(shape)
        return self._numbers[start : self.taken].reshape(shape)

    def check(self, needed: int) -> None:
        """Check that the file has as many numbers as are needed, finite ones.

        Raises:
            TatamiError: Where it has not.
        """
        if needed != len(self._numbers):
            raise TatamiError(
                f"the file has {len(self._numbers)} weights, the cfg asks for {needed}",
                hint="give the cfg and the weights of one network",
                file=self.file,
            )
        if not np.isfinite(self._numbers).all():
            raise TatamiError(
                "a weight is a NaN or an infinity", hint="take another copy", file=self.file
            )


@dataclass
class Ones:
    """Stands in for a file's weights, to count them; it takes no memory, whatever a cfg asks for.

    Args:
        transposed: As the cfg says of connected layers.
        taken: How many numbers were taken.
    """

    transposed: bool
    taken: int = 0

    def take(self, *shape: int) -> Float32:
        """Count an array, and give ones in its place."""
        self.taken += math.prod(shape)
        return np.broadcast_to(np.float32(1), shape)


# The layers --------------------------------------------------------------------------------------


def _convolutional(network: Network, section: Section, name: str) -> str:
    builder, weights = network.builder, network.weights
    for key in ("binary", "xnor", "bin_output", "flipped", "antialiasing", "reverse", "cbn"):
        section.refuse(key)
    for key in ("deform", "sway", "rotate", "stretch", "stretch_sway", "coordconv"):
        section.refuse(key)
    section.refuse("share_index", unless=())
    filters, size = (
        section.integer("filters", 1, 1, MAX_FILTERS),
        section.integer("size", 1, 1, 255),
    )
    stride = section.integer("stride", 1, 1, 255)
    groups, dilation = section.integer("groups", 1, 1), section.integer("dilation", 1, 1, 255)
    padding = section.integer("padding", 0, 0, 255)
    if section.integer("pad", 0):
        padding = size // 2
    if dilation > 1 and 2 * padding != size - 1:
        raise section.wrong("is dilated, and not padded by half its size", "dilation")
    rows, columns = (
        Axis(
            size,
            section.integer(key, stride, 1, 255),
            padding * dilation,
            padding * dilation,
            dilation,
        )
        for key in ("stride_y", "stride_x")
    )
    _, channels, _, _ = _map(section, builder.shape(network.last))
    if channels % groups or filters % groups:
        raise section.wrong(f"{groups} groups do not divide {channels} channels, {filters} filters")
    normalized = bool(section.integer("batch_normalize", 0))
    bias = weights.take(filters)
    statistics = [weights.take(filters) for _ in range(3)] if normalized else []
    kernel = weights.take(filters, channels // groups, size, size)
    window = Window(rows, columns)
    if not normalized:
        value = builder.conv(f"{name}.conv", network.last, kernel, bias, window, groups)
    else:
        value = builder.conv(f"{name}.conv", network.last, kernel, None, window, groups)
        value = _normalize(network, section, f"{name}.norm", value, bias, statistics)
    return _activate(network, section, name, value, "logistic")


def _normalize(
    network: Network, section: Section, name: str, x: str, bias: Float32, rest: list[Float32]
) -> str:
    """Add batch normalization; what darknet adds to the root becomes a part of the variance."""
    scale, mean, variance = rest
    epsilon = network.epsilon.value
    if network.epsilon.place == "root":
        deviation = network.epsilon.deviation(variance.astype(np.float64))
        if np.isnan(deviation).any():
            raise TatamiError("has a negative variance", hint="take another copy of the weights")
        variance, epsilon = np.square(deviation).astype(np.float32), 0.0
    return network.builder.batch_norm(name, x, scale, bias, mean, variance, epsilon)


def _activate(network: Network, section: Section, name: str, x: str, default: str) -> str:
    kind = section.text("activation", default)
    add = ACTIVATIONS.get(kind)
    if add is None:
        raise section.wrong(f"activation={kind} is not supported", "activation")
    return add(network.builder, name, x)


def _maxpool(network: Network, section: Section, name: str) -> str:
    for key in ("maxpool_depth", "antialiasing"):
        section.refuse(key)
    return network.builder.max_pool(name, network.last, _pool_window(network, section))


def _local_avgpool(network: Network, section: Section, name: str) -> str:
    """Add an average pool, which divides by the samples that are there."""
    window = _pool_window(network, section)
    return network.builder.average_pool(name, network.last, window, count_padding=False)


def _pool_window(network: Network, section: Section) -> Window:
    stride = section.integer("stride", 1, 1, 255)
    size = section.integer("size", stride, 1, 255)
    padding = section.integer("padding", size - 1, 0, 255)
    _, _, height, width = _map(section, network.builder.shape(network.last))
    if min(height, width) + padding < size:
        raise section.wrong(f"of size {size} is larger than its map of {width}x{height}")
    axes = [
        _pool_axis(length, size, section.integer(key, stride, 1, 255), padding)
        for length, key in ((height, "stride_y"), (width, "stride_x"))
    ]
    return Window(axes[0], axes[1])


def _pool_axis(length: int, size: int, stride: int, padding: int) -> Axis:
    """Write a pool of darknet as a window.

    It takes (length + padding - size) / stride + 1 places, the first at -padding / 2.
    """
    count = (length + padding - size) // stride + 1
    before = padding // 2
    after = max(0, (count - 1) * stride + size - before - length)
    return Axis(size, stride, before, after)


def _avgpool(network: Network, section: Section, name: str) -> str:
    return network.builder.global_pool(name, network.last, "average")


def _connected(network: Network, section: Section, name: str) -> str:
    builder, weights = network.builder, network.weights
    outputs = section.integer("output", 1, 1, MAX_FILTERS)
    inputs = math.prod(builder.shape(network.last))
    bias = weights.take(outputs)
    if weights.transposed:
        kernel = weights.take(inputs, outputs).T
    else:
        kernel = weights.take(outputs, inputs)
    normalized = bool(section.integer("batch_normalize", 0))
    statistics = [weights.take(outputs) for _ in range(3)] if normalized else []
    following = network.following
    if following is not None and following.kind == "detection" and isinstance(weights, Weights):
        order = _by_channel(following, outputs)
        bias, kernel = bias[order], kernel[order]
        statistics = [each[order] for each in statistics]
    flat = builder.reshape(f"{name}.flat", network.last, (1, inputs, 1, 1))
    window = Window.square(1)
    pointwise = kernel.reshape(outputs, inputs, 1, 1)
    if normalized:
        value = builder.conv(f"{name}.connected", flat, pointwise, None, window)
        value = _normalize(network, section, f"{name}.norm", value, bias, statistics)
    else:
        value = builder.conv(f"{name}.connected", flat, pointwise, bias, window)
    return _activate(network, section, name, value, "logistic")


def _local(network: Network, section: Section, name: str) -> str:
    """Add a convolution that has weights of its own at every place.

    The samples that the weights' columns look at are taken one tap after another, and each place's
    vector of them is multiplied by that place's matrix.
    """
    builder, weights = network.builder, network.weights
    filters = section.integer("filters", 1, 1, MAX_FILTERS)
    size = section.integer("size", 1, 1, MAX_LOCAL)
    stride, pad = section.integer("stride", 1, 1, 255), section.integer("pad", 0, 0, 1)
    _, channels, height, width = _map(section, builder.shape(network.last))
    if pad and size != 3:
        raise section.wrong("is padded by one sample, with another size than 3", "pad")
    if min(height, width) + 2 * pad < size:
        raise section.wrong(f"of size {size} is larger than its map of {width}x{height}")
    rows, columns = ((length + 2 * pad - size) // stride + 1 for length in (height, width))
    places, taps = rows * columns, size * size
    bias = weights.take(1, filters, rows, columns)
    kernel = weights.take(places, filters, channels, taps)
    x = network.last
    if pad:
        x = builder.pad(f"{name}.pad", x, Window.square(3, 1, 1))
    parts = []
    for row, column in np.ndindex(size, size):
        part = x
        for axis, start, count in ((2, row, rows), (3, column, columns)):
            end = start + (count - 1) * stride + 1
            part = builder.slice(f"{name}.tap", part, axis, start, end, stride)
        parts.append(part)
    taken = builder.concat(f"{name}.taps", parts)
    taken = builder.reshape(f"{name}.columns", taken, (1, taps * channels, places))
    taken = builder.transpose(f"{name}.rows", taken, (0, 2, 1))
    taken = builder.reshape(f"{name}.vectors", taken, (1, places, 1, taps * channels))
    matrices = kernel.transpose(0, 3, 2, 1).reshape(1, places, taps * channels, filters)
    made = builder.matmul(f"{name}.local", taken, matrices)
    made = builder.reshape(f"{name}.places", made, (1, places, filters))
    made = builder.transpose(f"{name}.maps", made, (0, 2, 1))
    made = builder.reshape(f"{name}.map", made, (1, filters, rows, columns))
    made = builder.elementwise("Add", f"{name}.sum", made, builder.constant(f"{name}.bias", bias))
    return _activate(network, section, name, made, "logistic")


def _activation(network: Network, section: Section, name: str) -> str:
    return _activate(network, section, name, network.last, "linear")


def _crop(network: Network, section: Section, name: str) -> str:
    """Cut out the middle, and bring 0..1 to -1..1 unless ``noadjust`` says not to."""
    builder, x = network.builder, network.last
    _, _, height, width = _map(section, builder.shape(x))
    for axis, key, side in ((2, "crop_height", height), (3, "crop_width", width)):
        kept = section.integer(key, 1, 1, 16384)
        if kept > side:
            raise section.wrong(f"{key}={kept} of a map of {width}x{height}", key)
        if kept < side:
            start = (side - kept) // 2
            x = builder.slice(f"{name}.{key}", x, axis, start, start + kept)
    if section.integer("noadjust", 0):
        return x
    return builder.number("Sub", name, builder.number("Mul", f"{name}.scale", x, 2.0), 1.0)


def _dropout(network: Network, section: Section, name: str) -> str:
    """Add nothing, when a trained network runs; so it is with the cost of a classifier."""
    return network.last


def _softmax(network: Network, section: Section, name: str) -> str:
    section.refuse("tree", unless=())
    builder, x = network.builder, network.last
    temperature, groups = section.real("temperature", 1.0), section.integer("groups", 1, 1)
    shape = builder.shape(x)
    if section.integer("spatial", 0) and groups == 1 and temperature == 1:
        return builder.softmax(name, x, 1)
    if shape[2:] != (1, 1):
        raise section.wrong(f"of a map of {shape[1:]}, not of a vector, is not supported")
    if not 0 < temperature < math.inf or shape[1] % groups:
        raise section.wrong(f"has temperature {temperature:g}, {groups} groups of {shape[1]}")
    if temperature != 1:
        x = builder.number("Div", f"{name}.temperature", x, temperature)
    if groups == 1:
        return builder.softmax(name, x, 1)
    parts = builder.reshape(f"{name}.groups", x, (1, groups, shape[1] // groups))
    return builder.reshape(name, builder.softmax(f"{name}.softmax", parts, 2), shape)


def _route(network: Network, section: Section, name: str) -> str:
    """Join layers or, with ``groups``, the same one of so many equal parts of each."""
    groups = section.integer("groups", 1, 1)
    group = section.integer("group_id", 0)
    numbers = section.integers("layers")
    if not 0 < len(numbers) <= MAX_JOINED:
        raise section.wrong(f"names {len(numbers)} layers, not 1 to {MAX_JOINED}")
    if group >= groups:
        raise section.wrong(f"takes part {group} of {groups}", "group_id")
    builder = network.builder
    values = []
    for number in numbers:
        value = network.layer(section, number)
        channels = builder.shape(value)[1]
        if channels % groups:
            raise section.wrong(f"{groups} groups do not divide {channels} channels", "groups")
        if groups > 1:
            part = channels // groups
            value = builder.slice(f"{name}.group", value, 1, group * part, (group + 1) * part)
        values.append(value)
    return values[0] if len(values) == 1 else builder.concat(name, values)


def _shortcut(network: Network, section: Section, name: str) -> str:
    """Add layers to the last, each times a weight or, by channels, as many as there are."""
    for key in ("alpha", "beta"):
        section.refuse(key, unless=ONE)
    builder = network.builder
    numbers = section.integers("from")
    if not 0 < len(numbers) <= MAX_JOINED:
        raise section.wrong(f"names {len(numbers)} layers, not 1 to {MAX_JOINED}", "from")
    values = [network.last, *(network.layer(section, number) for number in numbers)]
    shapes = [builder.shape(value) for value in values]
    for shape in shapes:
        if shape != shapes[0]:
            raise section.wrong(f"adds maps of {shapes[0][1:]} and {shape[1:]}", "from")
    factors = _shortcut_weights(network, section, len(values), shapes[0][1])
    if factors is not None:
        values = [
            builder.scale(f"{name}.part", value, factor, None)
            for value, factor in zip(values, factors, strict=True)
        ]
    added = values[0]
    for value in values[1:]:
        added = builder.elementwise("Add", f"{name}.sum", added, value)
    return _activate(network, section, name, added, "linear")


def _shortcut_weights(
    network: Network, section: Section, count: int, channels: int
) -> Float32 | None:
    """Take the weights of a shortcut, (layers, channels); None where it has none."""
    kind = section.text("weights_type", "none")
    normalization = section.text("weights_normalization", "none")
    if kind not in ("none", "per_feature", "per_layer", "per_channel"):
        raise section.wrong(f"weights_type={kind} is not supported", "weights_type")
    if normalization not in ("none", "relu", "avg_relu", "softmax"):
        raise section.wrong(
            f"weights_normalization={normalization} is not supported", "weights_normalization"
        )
    if kind == "none":
        return None
    taken = network.weights.take(count, channels if kind == "per_channel" else 1)
    if normalization in ("relu", "avg_relu"):
        taken = np.maximum(taken, np.float32(0))
        taken = taken / (taken.sum(0) + SHORTCUT_EPSILON)
    elif normalization == "softmax":
        taken = np.exp(taken - taken.max(0))
        taken = taken / (taken.sum(0) + SHORTCUT_EPSILON)
    return np.broadcast_to(taken, (count, channels)).astype(np.float32)


def _multiply(network: Network, section: Section, name: str) -> str:
    """Multiply by another layer: [sam], number by number."""
    other = _from(network, section)
    made = network.builder.elementwise("Mul", f"{name}.product", other, network.last)
    return _activate(network, section, name, made, "linear")


def _scale_channels(network: Network, section: Section, name: str) -> str:
    """Multiply another layer by a number a channel or, with ``scale_wh``, by one a place."""
    other, builder = _from(network, section), network.builder
    shape, factors = builder.shape(other), builder.shape(network.last)
    by_place = bool(section.integer("scale_wh", 0))
    needed = (1, 1, *shape[2:]) if by_place else (1, shape[1], 1, 1)
    if factors != needed:
        raise section.wrong(f"scales a map of {shape[1:]} by one of {factors[1:]}", "from")
    made = builder.spread("Mul", f"{name}.product", other, network.last)
    return _activate(network, section, name, made, "linear")


def _from(network: Network, section: Section) -> str:
    numbers = section.integers("from")
    if len(numbers) != 1:
        raise section.wrong("names other than one layer", "from")
    return network.layer(section, numbers[0])


def _upsample(network: Network, section: Section, name: str) -> str:
    builder, x = network.builder, network.last
    factor = section.real("scale", 1.0)
    if factor != 1:
        x = builder.number("Mul", f"{name}.scale", x, factor)
    stride = section.integer("stride", 2, 1, 64)
    return builder.upsample(name, x, stride, stride)


def _reorg3d(network: Network, section: Section, name: str) -> str:
    """Lay the samples of each block out as channels, all channels of each sample side by side."""
    section.refuse("reverse")
    stride = section.integer("stride", 1, 1, 64)
    return network.builder.space_to_depth(name, network.last, stride)


def _reorg(network: Network, section: Section, name: str) -> str:
    """Add darknet's own rearrangement.

    The map is read as (c / s^2, h s, w s), a block of s x s of it becomes s^2 channels, and the
    result is read as (c s^2, h / s, w / s).
    """
    for key in ("reverse", "flatten", "extra"):
        section.refuse(key)
    stride = section.integer("stride", 1, 1, 64)
    builder = network.builder
    _, channels, height, width = _map(section, builder.shape(network.last))
    area = stride * stride
    if channels % area or height % stride or width % stride:
        raise section.wrong(f"stride {stride} does not fit a map of {(channels, height, width)}")
    wide = (1, channels // area, height * stride, width * stride)
    value = builder.reshape(f"{name}.wide", network.last, wide)
    value = builder.space_to_depth(f"{name}.moved", value, stride)
    return builder.reshape(name, value, (1, channels * area, height // stride, width // stride))


def _region(network: Network, section: Section, name: str) -> str:
    section.refuse("background")
    section.refuse("tree", unless=())
    section.refuse("map", unless=())
    if section.integer("coords", 4) != 4:
        raise section.wrong("has other than 4 coordinates", "coords")
    classes, count = section.integer("classes", 20, 1, 10000), section.integer("num", 1, 1, 100)
    stride = _stride(network, section)
    pairs = _pairs(section, count)
    pixels = tuple((width * stride[0], height * stride[1]) for width, height in pairs)
    scores: Scores = "softmax" if section.integer("softmax", 0) else "sigmoid"
    return _detect(network, section, AnchorGrid(pixels, stride), scores, classes)


def _detection(network: Network, section: Section, name: str) -> str:
    """Read YOLOv1's output.

    The connected layer before it gives what it needs in the order of ``_by_channel``, and so has to
    lie right before it.
    """
    for key in ("softmax", "reorg"):
        section.refuse(key)
    outputs = math.prod(network.builder.shape(network.last))
    classes, count, side = _detection_numbers(section, outputs)
    if section.integer("sqrt", 0) != 1:
        raise section.wrong("says sides, not their square roots, which is not supported", "sqrt")
    if network.before is None or LAYERS.get(network.before.kind) is not _connected:
        raise section.wrong("does not lie behind a connected layer")
    if network.following is not None:
        raise section.wrong("is not the last layer")
    size = network.builder.size
    whole = (float(size.width), float(size.height))
    grid = AnchorGrid((whole,) * count, (size.width / side, size.height / side))
    network.grids.append(grid)
    network.kinds.append((section.kind, "linear", classes, "iou"))
    shape = (1, 5 * count + classes, side, side)
    return network.builder.reshape(name, network.last, shape)


def _detection_numbers(section: Section, outputs: int) -> tuple[int, int, int]:
    """Read classes, boxes a cell, cells a side; refuse them where they do not make the outputs."""
    if section.integer("coords", 1) != 4:
        raise section.wrong("has other than 4 coordinates", "coords")
    classes, count = section.integer("classes", 1, 1, 10000), section.integer("num", 1, 1, 100)
    side = section.integer("side", 7, 1, 1000)
    asked = side * side * (5 * count + classes)
    if outputs != asked:
        raise section.wrong(
            f"{side}x{side} cells of {count} boxes and {classes} classes ask for {asked} outputs, "
            f"the layer before it has {outputs}"
        )
    return classes, count, side


def _by_channel(section: Section, outputs: int) -> Int64:
    """Find where the numbers of a map (5 * B + C, side, side) lie in darknet's order.

    The map is as ``Decoding`` has it. What darknet's layer before [detection] gives is first C
    classes of every cell, then B confidences of every cell, then x, y and the roots of w and h of
    every cell's B boxes.
    """
    classes, count, side = _detection_numbers(section, outputs)
    cells = side * side
    numbers = np.arange(outputs)
    named, sure, boxes = np.split(numbers, [cells * classes, cells * (classes + count)])
    boxes = boxes.reshape(cells, count, 4)
    whole = np.concatenate((boxes, sure.reshape(cells, count, 1)), axis=2).reshape(cells, -1)
    return np.concatenate((whole, named.reshape(cells, classes)), axis=1).T.reshape(-1)


def _yolo(network: Network, section: Section, name: str) -> str:
    section.refuse("new_coords")
    classes, count = section.integer("classes", 20, 1, 10000), section.integer("num", 1, 1, 100)
    pairs = _pairs(section, count)
    mask = section.integers("mask") or tuple(range(count))
    if not all(0 <= index < count for index in mask):
        raise section.wrong(f"masks anchors that are not among its {count}", "mask")
    scale = section.real("scale_x_y", 1.0)
    if not 0 < scale < 10:
        raise section.wrong("has a scale_x_y outside 0 to 10", "scale_x_y")
    grid = AnchorGrid(tuple(pairs[index] for index in mask), _stride(network, section), scale)
    return _detect(network, section, grid, "sigmoid", classes, _suppression(section))


def _suppression(section: Section) -> Suppression:
    """Read which IoU a detection layer's suppression uses.

    darknet's greedynms takes the distance of the centers off the IoU, to the power of 0.6; its
    diounms to a power that is given; its cornersnms and its default take the IoU alone.
    """
    kind = section.text("nms_kind", "default")
    exponent = section.real("beta_nms", 0.6)
    if kind == "diounms" and exponent != 0.6:
        raise section.wrong("has diounms with another exponent than 0.6", "beta_nms")
    if kind not in ("default", "greedynms", "diounms", "cornersnms"):
        raise section.wrong(f"nms_kind={kind} is not known", "nms_kind")
    return "diou" if kind in ("greedynms", "diounms") else "iou"


def _detect(
    network: Network,
    section: Section,
    grid: AnchorGrid,
    scores: Scores,
    classes: int,
    nms: Suppression = "iou",
) -> str:
    channels = _map(section, network.builder.shape(network.last))[1]
    if channels != len(grid.anchors) * (5 + classes):
        raise section.wrong(
            f"{len(grid.anchors)} anchors and {classes} classes ask for "
            f"{len(grid.anchors) * (5 + classes)} channels, the layer before it makes {channels}"
        )
    network.grids.append(grid)
    network.kinds.append((section.kind, scores, classes, nms))
    return network.last


def _pairs(section: Section, count: int) -> tuple[tuple[float, float], ...]:
    numbers = section.reals("anchors")
    if len(numbers) != 2 * count or min(numbers, default=0) <= 0:
        raise section.wrong(f"needs {2 * count} positive numbers of anchors", "anchors")
    return tuple(zip(numbers[::2], numbers[1::2], strict=True))


def _stride(network: Network, section: Section) -> tuple[float, float]:
    _, _, rows, columns = _map(section, network.builder.shape(network.last))
    size = network.builder.size
    if size.width % columns or size.height % rows:
        raise section.wrong(f"{columns}x{rows} cells do not divide an input of {size}")
    return size.width / columns, size.height / rows


def _map(section: Section, shape: Sequence[int]) -> tuple[int, int, int, int]:
    if len(shape) != 4:
        raise section.wrong(f"needs a map, not {tuple(shape)}")
    return shape[0], shape[1], shape[2], shape[3]


LAYERS: dict[str, Callable[[Network, Section, str], str]] = {
    "convolutional": _convolutional,
    "conv": _convolutional,
    "maxpool": _maxpool,
    "max": _maxpool,
    "avgpool": _avgpool,
    "avg": _avgpool,
    "connected": _connected,
    "conn": _connected,
    "local": _local,
    "local_avgpool": _local_avgpool,
    "local_avg": _local_avgpool,
    "activation": _activation,
    "crop": _crop,
    "sam": _multiply,
    "scale_channels": _scale_channels,
    "reorg3d": _reorg3d,
    "dropout": _dropout,
    "empty": _dropout,
    "silence": _dropout,
    "cost": _dropout,
    "softmax": _softmax,
    "soft": _softmax,
    "route": _route,
    "shortcut": _shortcut,
    "upsample": _upsample,
    "reorg": _reorg,
    "region": _region,
    "yolo": _yolo,
    "detection": _detection,
}
"""Every kind of layer that is read, under each name that darknet has for it."""
