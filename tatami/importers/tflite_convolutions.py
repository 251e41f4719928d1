"""TFLite's transposed and three-dimensional convolutions, and MediaPipe's own operators, as ONNX.

MediaPipe's segmentation networks have custom operators of a few bytes of settings each, laid out as
the C structures of TFLite's own transposed convolutions and pools.

Indices of fields are those of the options in TFLite's schema.fbs, version 3.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from tatami.graph.form import MAX_ELEMENTS
from tatami.importers.build import Attribute
from tatami.importers.tflite_network import KINDS, Work, weights_of
from tatami.importers.tflite_options import integer
from tatami.importers.tflite_schema import Operator

_SAME = 1
"""kTfLitePaddingSame, in the settings of MediaPipe's operators."""


def _transposed(
    work: Work,
    operator: Operator,
    target: tuple[int, int] | None,
    strides: tuple[int, int],
    *,
    same: bool,
    fused: int,
) -> None:
    """Add a transposed convolution of x, weights (outputs, rows, columns, inputs) and a bias.

    Args:
        work: The network in the making.
        operator: Whose inputs are these three.
        target: Rows and columns of the result; None: as the padding gives them.
        strides: Down and across.
        same: Whether the result has as many samples as the strides say.
        fused: The number of its activation.
    """
    x = work.value(operator)
    shape = work.shape(x)
    tensor = work.tensor(operator, 1)
    if len(shape) != 4 or tensor is None or len(tensor.shape) != 4 or min(strides) < 1:
        raise work.wrong(operator, f"has weights {tensor and tensor.shape} for {shape}")
    inputs, (outputs, depth, *kernel) = weights_of(
        work, operator, x, lambda array: array.transpose(0, 3, 1, 2), transposed=True
    )
    if depth != shape[3]:
        raise work.wrong(operator, f"has weights {tensor.shape} for {shape[3]} channels")
    before, after, more, sides = [], [], [], []
    for axis in (0, 1):
        length, stride, span = shape[1 + axis], strides[axis], kernel[axis]
        full = (length - 1) * stride + span
        side = (length * stride if same else full) if target is None else target[axis]
        # What TFLite's forward convolution of the result would be padded by.
        total = max(0, (length - 1) * stride + span - side) if same else 0
        extra = side - (full - total)
        if not 0 <= extra < max(stride, 2):
            raise work.wrong(operator, f"makes {side} of {length} by steps of {stride}")
        before.append(total // 2)
        after.append(total - total // 2)
        more.append(extra)
        sides.append(side)
    if math.prod(sides) * max(outputs, depth) > MAX_ELEMENTS:
        raise work.wrong(operator, f"makes {sides} beyond all bounds")
    attributes: dict[str, Attribute] = {
        "strides": strides,
        "pads": (*before, *after),
        "output_padding": tuple(more),
        "group": 1,
    }
    name = work.raw_name(operator, fused)
    made = (shape[0], outputs, *sides)
    work.finish(operator, work.builder.add("ConvTranspose", name, inputs, made, attributes), fused)


def _transpose_conv(work: Work, operator: Operator) -> None:
    """TRANSPOSE_CONV has the shape of its result first, then weights, x and perhaps a bias."""
    if len(operator.inputs) < 3:
        raise work.wrong(operator, "has no input")
    _, weights, x, *bias = operator.inputs
    target = None
    if work.is_constant(operator, 0) and not work.resized:
        asked = work.integers_of(operator, 0)
        if len(asked) != 4:
            raise work.wrong(operator, f"makes {asked}")
        target = (asked[1], asked[2])
    _transposed(
        work,
        replace(operator, inputs=(x, weights, *bias)),
        target or _said(work, operator),
        (integer(operator, 2), integer(operator, 1)),
        same=integer(operator, 0, "int8") == 0,
        fused=integer(operator, 3, "int8"),
    )


def _said(work: Work, operator: Operator) -> tuple[int, int] | None:
    """Give the rows and columns that the file says of a result; None where they may be others."""
    said = work.content.tensors[operator.outputs[0]].shape
    return (said[1], said[2]) if len(said) == 4 and not work.resized else None


def _settings(work: Work, operator: Operator, count: int) -> list[int]:
    """Read the whole numbers that a custom operator begins with."""
    if len(operator.custom) < 4 * count:
        raise work.wrong(operator, "has no settings")
    return [int(number) for number in operator.custom[: 4 * count].view("<i4")]


def _transpose_with_bias(work: Work, operator: Operator) -> None:
    """MediaPipe's Convolution2DTransposeBias: padding, stride across, stride down."""
    padding, across, down = _settings(work, operator, 3)
    if padding not in (_SAME, 2):
        raise work.wrong(operator, f"has padding number {padding}")
    target = _said(work, operator)
    _transposed(work, operator, target, (down, across), same=padding == _SAME, fused=0)


def _pool_with_places(work: Work, operator: Operator) -> None:
    """MediaPipe's MaxPoolingWithArgmax2D: the largest of each block, and which one it is.

    The places are real numbers, counted within a block.
    """
    padding, across, down, wide, high = _settings(work, operator, 5)
    x, name, builder = work.value(operator), work.name(operator), work.builder
    n, channels, rows, columns = builder.shape(x) if len(work.shape(x)) == 4 else (0, 0, 0, 0)
    if (down, across) != (high, wide) or min(high, wide) < 1 or not n or rows % high:
        raise work.wrong(operator, "has blocks that overlap, or do not fill the map")
    if columns % wide or padding not in (_SAME, 2) or len(operator.outputs) != 2:
        raise work.wrong(operator, "has blocks that do not fill the map")
    parts = _in_blocks(work, f"{name}_blocks", x, high, wide)
    made = (n, channels, 1, rows // high, columns // wide)
    axes = builder.weight(f"{name}.axes", np.asarray([2], np.int64))
    best = builder.add("ReduceMax", f"{name}_best", [parts, axes], made, {"keepdims": 1})
    attributes: dict[str, Attribute] = {"axis": 2, "keepdims": 1}
    place = builder.add("ArgMax", f"{name}_which", [parts], made, attributes, kind=KINDS["int64"])
    place = builder.add("Cast", f"{name}_real", [place], made, {"to": KINDS["float32"]})
    flat = (n, channels, rows // high, columns // wide)
    work.finish(operator, builder.reshape(name, best, flat))
    work.finish(operator, builder.reshape(f"{name}_places", place, flat), output=1)


def _in_blocks(work: Work, name: str, x: str, high: int, wide: int) -> str:
    """Reorder a map to (n, channels, high * wide, rows / high, columns / wide)."""
    builder = work.builder
    n, channels, rows, columns = builder.shape(x)
    x = builder.reshape(f"{name}_cut", x, (n * channels, rows // high, high, columns // wide, wide))
    x = builder.transpose(f"{name}_turned", x, (0, 2, 4, 1, 3))
    return builder.reshape(name, x, (n, channels, high * wide, rows // high, columns // wide))


def _unpool(work: Work, operator: Operator) -> None:
    """MediaPipe's MaxUnpooling2D: each sample back to its place in a block, zeros elsewhere."""
    _, across, down, wide, high = _settings(work, operator, 5)
    x, places = work.value(operator), work.value(operator, 1)
    name, builder = work.name(operator), work.builder
    given = builder.shape(x)
    if (down, across) != (high, wide) or min(high, wide) < 1 or len(given) != 4:
        raise work.wrong(operator, "has blocks that overlap")
    if builder.shape(places) != given:
        raise work.wrong(operator, "has places that do not fit its samples")
    n, channels, rows, columns = given
    if math.prod(given) * high * wide > MAX_ELEMENTS:
        raise work.wrong(operator, "makes a map beyond all bounds")
    count = high * wide
    one = (n, channels, 1, rows, columns)
    all_ = (n, channels, count, rows, columns)
    numbers = np.arange(count, dtype=np.float32).reshape(1, 1, count, 1, 1)
    here = builder.add(
        "Equal",
        f"{name}_here",
        [builder.reshape(f"{name}_at", places, one), builder.weight(f"{name}.numbers", numbers)],
        all_,
        kind=KINDS["bool"],
    )
    zero = builder.weight(f"{name}.zero", np.zeros((1,) * 5, np.float32))
    sample = builder.reshape(f"{name}_samples", x, one)
    y = builder.add("Where", f"{name}_placed", [here, sample, zero], all_)
    y = builder.reshape(f"{name}_parts", y, (n * channels, high, wide, rows, columns))
    y = builder.transpose(f"{name}_turned", y, (0, 3, 1, 4, 2))
    y = builder.reshape(name, y, (n, channels, rows * high, columns * wide))
    work.finish(operator, y)


def _conv_3d(work: Work, operator: Operator) -> None:
    """CONV_3D of (n, depth, rows, columns, channels), weights (depth, rows, columns, in, out)."""
    x, builder = work.value(operator), work.builder
    weights, bias = work.reals(operator, 1), work.reals(operator, 2)
    given = builder.shape(x)
    if weights is None or weights.ndim != 5 or len(given) != 5 or given[4] != weights.shape[3]:
        raise work.wrong(operator, f"has weights that do not fit {given}")
    same = integer(operator, 0, "int8") == 0
    strides = tuple(integer(operator, field) for field in (1, 3, 2))
    dilations = tuple(integer(operator, field, default=1) for field in (5, 7, 6))
    if min(*strides, *dilations) < 1:
        raise work.wrong(operator, "has a stride or a dilation below 1")
    before, after, sides = [], [], []
    for side, kernel, stride, dilation in zip(
        given[1:4], weights.shape[:3], strides, dilations, strict=True
    ):
        span = (kernel - 1) * dilation + 1
        total = max(0, (-(-side // stride) - 1) * stride + span - side) if same else 0
        before.append(total // 2)
        after.append(total - total // 2)
        sides.append((side + total - span) // stride + 1)
    if min(sides) < 1 or math.prod(sides) * weights.shape[4] > MAX_ELEMENTS:
        raise work.wrong(operator, f"makes a value of {sides}")
    fused = integer(operator, 4, "int8")
    raw = work.raw_name(operator, fused)
    turned = builder.transpose(f"{raw}_first", x, (0, 4, 1, 2, 3))
    inputs = [turned, builder.weight(f"{raw}.weight", weights.transpose(4, 3, 0, 1, 2))]
    if bias is not None:
        inputs.append(builder.weight(f"{raw}.bias", bias))
    attributes: dict[str, Attribute] = {
        "strides": strides,
        "dilations": dilations,
        "pads": (*before, *after),
        "group": 1,
    }
    made = (given[0], weights.shape[4], *sides)
    y = builder.add("Conv", f"{raw}_channels", inputs, made, attributes)
    work.finish(operator, builder.transpose(raw, y, (0, 2, 3, 4, 1)), fused)


def _l2_pool(work: Work, operator: Operator) -> None:
    """L2_POOL_2D: the root of the mean of squares."""
    x, name, builder = work.value(operator), work.name(operator), work.builder
    given = builder.shape(x)
    across, down, wide, high = (integer(operator, field) for field in (1, 2, 3, 4))
    if len(given) != 4 or min(across, down, wide, high) < 1:
        raise work.wrong(operator, f"works on {work.shape(x)}")
    if integer(operator, 0, "int8") == 0:
        raise work.wrong(operator, "is padded")
    n, channels, rows, columns = given
    made = (n, channels, (rows - high) // down + 1, (columns - wide) // across + 1)
    if min(made) < 1:
        raise work.wrong(operator, f"has a window larger than {work.shape(x)}")
    attributes: dict[str, Attribute] = {"kernel_shape": (high, wide), "strides": (down, across)}
    y = builder.elementwise("Mul", f"{name}_squares", x, x)
    y = builder.add("AveragePool", f"{name}_mean", [y], made, attributes)
    fused = integer(operator, 5, "int8")
    work.finish(operator, builder.add("Sqrt", work.raw_name(operator, fused), [y], made), fused)


OPERATORS: Mapping[str, Callable[[Work, Operator], None]] = {
    "CONV_3D": _conv_3d,
    "Convolution2DTransposeBias": _transpose_with_bias,
    "L2_POOL_2D": _l2_pool,
    "MaxPoolingWithArgmax2D": _pool_with_places,
    "MaxUnpooling2D": _unpool,
    "TRANSPOSE_CONV": _transpose_conv,
}
"""Those of this file."""
