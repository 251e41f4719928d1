"""What a node has beside its inputs: attributes with ONNX's defaults, constant inputs, windows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from tatami.errors import TatamiError
from tatami.graph.network import shape_of
from tatami.ops.narrow import FORMATS
from tatami.ops.resize import AxisTaps, Resampling, ResizeTaps, axis_taps, resize_taps
from tatami.ops.window import Axis, Window


def integer(node: ir.Node, name: str, default: int) -> int:
    """Read an attribute that is a whole number; ``default`` where the node has none."""
    attribute = node.attributes.get(name)
    return default if attribute is None else attribute.as_int()


def integers(node: ir.Node, name: str, default: tuple[int, ...]) -> tuple[int, ...]:
    """Read an attribute that is a list of whole numbers; ``default`` where the node has none."""
    attribute = node.attributes.get(name)
    return default if attribute is None else tuple(attribute.as_ints())


def real(node: ir.Node, name: str, default: float) -> float:
    """Read an attribute that is a real number; ``default`` where the node has none."""
    attribute = node.attributes.get(name)
    return default if attribute is None else attribute.as_float()


def text(node: ir.Node, name: str, default: str) -> str:
    """Read an attribute that is a text; ``default`` where the node has none."""
    attribute = node.attributes.get(name)
    return default if attribute is None else attribute.as_string()


def constant(node: ir.Node, index: int) -> NDArray[Any] | None:
    """Give the ``index``-th input as an array; None where it is absent or is not a constant."""
    if index >= len(node.inputs):
        return None
    value = node.inputs[index]
    if value is None or value.const_value is None or value.is_graph_input():
        return None
    return value.const_value.numpy()


def weight(node: ir.Node, index: int) -> NDArray[Any] | None:
    """Give a constant input, also where a DequantizeLinear makes it of constants, in float32."""
    value = node.inputs[index] if index < len(node.inputs) else None
    maker = None if value is None else value.producer()
    if maker is None or maker.op_type != "DequantizeLinear":
        return constant(node, index)
    found = dequantized(maker)
    if found is None:
        return None
    stored, scale, axis = found
    shape = [1] * stored.ndim
    if scale.size > 1:
        shape[axis] = scale.size
    result: NDArray[Any] = stored.astype(np.float32) * scale.reshape(shape)
    return result


def dequantized(node: ir.Node) -> tuple[NDArray[np.int64], NDArray[np.float32], int] | None:
    """Read a DequantizeLinear of constants.

    Returns:
        Stored less zero point, scale (1,) or (n,), and its axis; None where it works on what the
        images change.
    """
    stored, scale, zero = constant(node, 0), constant(node, 1), constant(node, 2)
    if stored is None or scale is None or integer(node, "block_size", 0):
        return None
    if stored.dtype.name in FORMATS:
        return None
    axis = integer(node, "axis", 1) % max(1, stored.ndim)
    wide = stored.astype(np.int64)
    if zero is not None and zero.size > 1:
        wide = wide - zero.astype(np.int64).reshape(
            [-1 if i == axis else 1 for i in range(stored.ndim)]
        )
    elif zero is not None:
        wide = wide - int(zero.reshape(()))
    return wide, np.asarray(scale, np.float32).reshape(-1), axis


def place(node: ir.Node) -> str:
    """Name a node for an error: its operator and the value that it makes."""
    return f"{node.op_type} '{node.outputs[0].name}'"


def window_of(node: ir.Node) -> Window:
    """Read the window of a node of two axes, or of one, beside which lies an axis of one sample.

    Raises:
        TatamiError: For what no window over rows and columns can say.
    """
    return _in_two(node, axes_of(node))


def _in_two(node: ir.Node, axes: tuple[Axis, ...]) -> Window:
    if len(axes) > 2:
        raise TatamiError(
            f"{place(node)} works on {len(axes)} axes, pictures have two",
            hint="export a two-dimensional network",
        )
    return Window(axes[0], axes[1] if len(axes) > 1 else Axis(1))


def _axes_beside(node: ir.Node) -> tuple[int, ...]:
    """Give the sides of a node's input after its batch and channels.

    Raises:
        TatamiError: Where there is none.
    """
    image = node.inputs[0]
    assert image is not None
    sides = shape_of(image)[2:]
    if not sides:
        raise TatamiError(
            f"{place(node)} works on {len(shape_of(image))} axes, it needs three or more",
            hint="export it with a batch and channels in front",
        )
    return sides


def axes_of(node: ir.Node) -> tuple[Axis, ...]:
    """Read the window of a convolution or pool over any axes, automatic padding resolved.

    Where a pool rounds its places up, what its last place sees is padding ``beyond`` the rest.

    Raises:
        TatamiError: For numbers that are no window over the input's axes.
    """
    sides = _axes_beside(node)
    rank = len(sides)
    if "Conv" in node.op_type:
        weight = node.inputs[3 if node.op_type == "QLinearConv" else 1]
        assert weight is not None
        kernel = shape_of(weight)[2:]
    else:
        kernel = integers(node, "kernel_shape", ())
    strides = integers(node, "strides", (1,) * rank)
    dilations = integers(node, "dilations", (1,) * rank)
    pads = integers(node, "pads", (0,) * (2 * rank))  # top, left, ..., bottom, right, ...
    _check_lengths(node, rank, (kernel, strides, dilations), pads)
    rule = text(node, "auto_pad", "NOTSET")
    found = []
    for axis, length in enumerate(sides):
        span, beyond = (kernel[axis] - 1) * dilations[axis] + 1, 0
        if rule == "NOTSET":
            before, after = pads[axis], pads[axis + rank]
        elif rule == "VALID":
            before, after = 0, 0
        else:  # SAME: as many outputs as strides fit, the odd sample of padding at one end
            outputs = -(-length // strides[axis])
            total = max(0, (outputs - 1) * strides[axis] + span - length)
            before = total // 2 if rule == "SAME_UPPER" else total - total // 2
            after = total - before
        if integer(node, "ceil_mode", 0):
            last = (shape_of(node.outputs[0])[2 + axis] - 1) * strides[axis] - before
            beyond = max(0, last + span - length - after)
        found.append(
            Axis(kernel[axis], strides[axis], before, after + beyond, dilations[axis], beyond)
        )
    return tuple(found)


def _check_lengths(
    node: ir.Node, rank: int, axes: tuple[tuple[int, ...], ...], pads: tuple[int, ...]
) -> None:
    if any(len(each) != rank for each in axes) or len(pads) != 2 * rank:
        raise TatamiError(
            f"{place(node)} has no window over {rank} axes",
            hint="give kernel, strides and dilations a number an axis, pads two",
        )


def transposed_window_of(node: ir.Node) -> Window:
    """Read the window of a ConvTranspose of two axes or one, as ``window_of`` does.

    Raises:
        TatamiError: For more axes.
    """
    return _in_two(node, transposed_axes_of(node))


def transposed_axes_of(node: ir.Node) -> tuple[Axis, ...]:
    """Read the window of a ConvTranspose: ``before`` and ``after`` are what its padding cuts off.

    Where the node gives an output_shape or automatic padding, the padding follows from it.

    Raises:
        TatamiError: For numbers that are no window over the input's axes.
    """
    sides = _axes_beside(node)
    rank = len(sides)
    weight = node.inputs[1]
    assert weight is not None
    kernel = shape_of(weight)[2:]
    strides = integers(node, "strides", (1,) * rank)
    dilations = integers(node, "dilations", (1,) * rank)
    pads = integers(node, "pads", (0,) * (2 * rank))
    more = integers(node, "output_padding", (0,) * rank)
    _check_lengths(node, rank, (kernel, strides, dilations, more), pads)
    rule = text(node, "auto_pad", "NOTSET")
    output = shape_of(node.outputs[0])[2:]
    found = []
    for axis, length in enumerate(sides):
        span = (kernel[axis] - 1) * dilations[axis] + 1
        whole = (length - 1) * strides[axis] + span + more[axis]
        before, after = pads[axis], pads[axis + rank]
        if rule != "NOTSET" or "output_shape" in node.attributes:
            total = max(0, whole - output[axis])
            before = total // 2 if rule == "SAME_UPPER" else total - total // 2
            after = total - before
        found.append(Axis(kernel[axis], strides[axis], before, after, dilations[axis]))
    return tuple(found)


def resize_taps_of(node: ir.Node) -> tuple[ResizeTaps, ResizeTaps]:
    """Compute the taps of a Resize along rows and columns.

    Raises:
        TatamiError: For a Resize of other axes, or of another kind.
    """
    image = node.inputs[0]
    assert image is not None
    before, after = shape_of(image), shape_of(node.outputs[0])
    mode = text(node, "mode", "nearest")
    coordinates = text(node, "coordinate_transformation_mode", "half_pixel")
    rounding = text(node, "nearest_mode", "round_prefer_floor")
    scales = constant(node, 2)
    plain = "axes" not in node.attributes
    plain &= not (integer(node, "antialias", 0) or integer(node, "exclude_outside", 0))
    keep = text(node, "keep_aspect_ratio_policy", "stretch")
    if len(before) != 4 or before[:2] != after[:2] or keep != "stretch" or not plain:
        raise TatamiError(
            f"{place(node)} resizes other axes than rows and columns, or in an unknown way",
            hint="export nearest or linear resizing of rows and columns",
        )
    found = []
    for axis in (2, 3):
        scale = after[axis] / before[axis]
        if scales is not None and scales.size == 4:
            scale = float(scales[axis])
        try:
            found.append(resize_taps(before[axis], after[axis], scale, mode, coordinates, rounding))
        except ValueError as error:
            raise TatamiError(
                f"{place(node)} resizes by {error}, which Tatami does not know",
                hint="export nearest or linear resizing",
            ) from None
    return found[0], found[1]


def resize_axes_of(node: ir.Node) -> dict[int, AxisTaps]:
    """Compute the taps of a Resize along every axis that it changes.

    Raises:
        TatamiError: For a way that ONNX does not know, or sides that the network computes.
    """
    image = node.inputs[0]
    assert image is not None
    before, after = shape_of(image), shape_of(node.outputs[0])
    rank = len(before)
    axes = [axis % rank for axis in integers(node, "axes", tuple(range(rank)))]
    scales = _resize_scales(node, axes)
    coordinates = text(node, "coordinate_transformation_mode", "half_pixel")
    part = constant(node, 1)
    crops = coordinates == "tf_crop_and_resize"
    if crops and (part is None or part.size != 2 * len(axes)):
        raise TatamiError(
            f"{place(node)} takes a part of its input that is not a constant",
            hint="give it the part that it takes as a constant",
        )
    found = {}
    for position, (axis, scale) in enumerate(zip(axes, scales, strict=True)):
        start, end = (
            (float(part[position]), float(part[position + len(axes)]))
            if crops and part is not None
            else (0.0, 1.0)
        )
        how = Resampling(
            text(node, "mode", "nearest"),
            coordinates,
            text(node, "nearest_mode", "round_prefer_floor"),
            real(node, "cubic_coeff_a", -0.75),
            bool(integer(node, "antialias", 0)),
            bool(integer(node, "exclude_outside", 0)),
            start,
            end,
        )
        if before[axis] == after[axis] and scale == 1 and (start, end) == (0, 1):
            continue
        try:
            found[axis] = axis_taps(before[axis], after[axis], scale, how)
        except ValueError as error:
            raise TatamiError(
                f"{place(node)} resizes by {error}, which Tatami does not know",
                hint="export nearest, linear or cubic resizing",
            ) from None
    return found


def _resize_scales(node: ir.Node, axes: Sequence[int]) -> list[float]:
    """Give the factor of each axis, as the node says it."""
    image = node.inputs[0]
    assert image is not None
    before, after = shape_of(image), shape_of(node.outputs[0])
    scales, sizes = constant(node, 2), constant(node, 3)
    if scales is not None and scales.size == len(axes):
        return [float(scale) for scale in scales]
    if sizes is None or sizes.size != len(axes):
        raise TatamiError(
            f"{place(node)} has neither factors nor sizes that are constants, one an axis",
            hint="export it with the sizes that it makes",
        )
    keep = text(node, "keep_aspect_ratio_policy", "stretch")
    if keep == "stretch":
        return [after[axis] / before[axis] for axis in axes]
    factors = [int(size) / before[axis] for axis, size in zip(axes, sizes, strict=True)]
    return [min(factors) if keep == "not_larger" else max(factors)] * len(axes)


def pad_widths(node: ir.Node) -> list[tuple[int, int]]:
    """Read a Pad node's (before, after) for every axis of its input, from its constant inputs."""
    image = node.inputs[0]
    pads = constant(node, 1)
    assert image is not None
    assert pads is not None
    rank = len(shape_of(image))
    axes = constant(node, 3)
    chosen = np.arange(rank) if axes is None else axes.astype(np.int64) % rank
    widths = [(0, 0)] * rank
    for position, axis in enumerate(chosen):
        widths[int(axis)] = (int(pads[position]), int(pads[position + len(chosen)]))
    return widths


def slices_of(node: ir.Node) -> list[slice]:
    """Read what a Slice takes of every axis of its input, from its constant inputs.

    NumPy counts from the end, and cuts off what lies outside, as ONNX does.
    """
    image, starts, ends = node.inputs[0], constant(node, 1), constant(node, 2)
    assert image is not None
    assert starts is not None
    assert ends is not None
    rank = len(shape_of(image))
    axes, steps = constant(node, 3), constant(node, 4)
    chosen = np.arange(len(starts)) if axes is None else axes.astype(np.int64) % rank
    taken = [slice(None)] * rank
    for position, axis in enumerate(chosen):
        step = 1 if steps is None else int(steps[position])
        taken[int(axis)] = slice(int(starts[position]), int(ends[position]), step)
    return taken


def reduced_axes(node: ir.Node) -> tuple[int, ...]:
    """Read the axes of its input over which a node sums, in order.

    Where it names none they are all, or none at all if noop_with_empty_axes says so.
    """
    image = node.inputs[0]
    assert image is not None
    rank = len(shape_of(image))
    given = constant(node, 1)
    named = integers(node, "axes", ()) if given is None else tuple(int(axis) for axis in given)
    if not named and not integer(node, "noop_with_empty_axes", 0):
        return tuple(range(rank))
    return tuple(sorted({axis % rank for axis in named}))


def label(node: ir.Node) -> str:
    """Name a layer: by its weight without the last part, else by its output."""
    for value in node.inputs[1:]:
        source = value
        if value is not None and value.const_value is None:
            producer = value.producer()
            if producer is not None and producer.op_type == "DequantizeLinear":
                source = producer.inputs[0]
        name = "" if source is None else str(source.name or "")
        for ending in (".weight_quantized", ".weight"):
            if name.endswith(ending):
                return name.removesuffix(ending)
    return str(node.outputs[0].name)
