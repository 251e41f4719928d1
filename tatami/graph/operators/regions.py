"""Boxes of a map, samples at places that are computed, and patches that are added up."""

from __future__ import annotations

import math

import onnx_ir as ir

from tatami.graph.attributes import constant, integer, integers, real, text
from tatami.graph.network import shape_of
from tatami.graph.operators.row import Array, Inputs, Operator, value_at, weight_at, wrong
from tatami.ops.deform import convolve_deformed
from tatami.ops.im2col import col2im, im2col
from tatami.ops.roi_align import roi_align
from tatami.ops.window import Axis


def aligned_of(node: ir.Node) -> tuple[tuple[int, int], float, int, bool, bool]:
    """Read a RoiAlign: grid, scale, samples of a bin, where middles are, and if the largest counts.

    Before operator set 16 no node says where a pixel's middle lies: at whole numbers.
    """
    size = integer(node, "output_height", 1), integer(node, "output_width", 1)
    version = node.version or (node.graph.opset_imports.get("", 16) if node.graph else 16)
    usual = "half_pixel" if version >= 16 else "output_half_pixel"
    half = text(node, "coordinate_transformation_mode", usual) == "half_pixel"
    largest = text(node, "mode", "avg") == "max"
    samples = integer(node, "sampling_ratio", 0)
    return size, real(node, "spatial_scale", 1.0), samples, half, largest


def _roi_align(node: ir.Node, inputs: Inputs) -> Array:
    size, scale, samples, half, largest = aligned_of(node)
    x, boxes, batch = inputs
    return roi_align(
        x, boxes, batch, size, scale=scale, samples=samples, half_pixel=half, largest=largest
    )


def _check_roi_align(node: ir.Node) -> None:
    x, boxes, batch = (shape_of(value_at(node, index)) for index in range(3))
    if len(x) != 4 or boxes != (*batch, 4) or len(batch) != 1:
        raise wrong(node, f"is given boxes of {boxes} and maps of {x}")
    size, scale, samples, _, _ = aligned_of(node)
    if min(size) < 1 or not 0 < scale < math.inf or not 0 <= samples <= 64:
        raise wrong(node, f"makes {size} by {samples} samples at a scale of {scale}")
    of = constant(node, 2)
    if of is not None and of.size and not 0 <= of.min() <= of.max() < x[0]:
        raise wrong(node, f"takes boxes of the maps {of.tolist()}, of {x[0]}")


def patches_of(node: ir.Node) -> tuple[tuple[int, ...], tuple[Axis, ...]]:
    """Read a Col2Im: the sides of what it makes, and the window that its patches were cut by."""
    sides = tuple(int(side) for side in weight_at(node, 1))
    kernel = tuple(int(side) for side in weight_at(node, 2))
    rank = len(sides)
    strides = integers(node, "strides", (1,) * rank)
    dilations = integers(node, "dilations", (1,) * rank)
    pads = integers(node, "pads", (0,) * (2 * rank))
    if not len(kernel) == len(strides) == len(dilations) == rank or len(pads) != 2 * rank:
        raise wrong(node, f"has a window that does not fit {rank} axes")
    axes = zip(kernel, strides, pads[:rank], pads[rank:], dilations, strict=True)
    if min((*kernel, *strides, *dilations, *sides, 1)) < 1 or min((*pads, 0)) < 0:
        raise wrong(node, "has a window without a size")
    return sides, tuple(Axis(*one) for one in axes)


def _col2im(node: ir.Node, inputs: Inputs) -> Array:
    x = inputs[0]
    sides, axes = patches_of(node)
    channels = x.shape[1] // math.prod(axis.kernel for axis in axes)
    return col2im(x, (len(x), channels, *sides), axes)


def _col2im_backward(node: ir.Node, inputs: Inputs, y: Array, dy: Array) -> tuple[Array, ...]:
    """Cut patches again: each sample of a patch was added to one place."""
    return (im2col(dy, patches_of(node)[1]),)


def _check_patches(node: ir.Node) -> None:
    sides, axes = patches_of(node)
    x = shape_of(value_at(node, 0))
    taps = math.prod(axis.kernel for axis in axes)
    places = math.prod(axis.output(side) for axis, side in zip(axes, sides, strict=True))
    made = (x[0], x[1] // taps, *sides) if len(x) == 3 else ()
    if len(x) != 3 or x[1] % taps or x[2] != places or shape_of(node.outputs[0]) != made:
        raise wrong(node, f"has {x} for patches of {taps} at {places} places")


def _deform_conv(node: ir.Node, inputs: Inputs) -> Array:
    x, weight, offset = inputs[:3]
    bias, mask = (inputs[index] if len(inputs) > index else None for index in (3, 4))
    groups = integer(node, "group", 1)
    shared = integer(node, "offset_group", 1)
    return convolve_deformed(x, weight, offset, bias, mask, deformed_axes_of(node), groups, shared)


def deformed_axes_of(node: ir.Node) -> tuple[Axis, Axis]:
    """Read the window of a DeformConv over rows and columns."""
    kernel = shape_of(value_at(node, 1))[2:]
    strides = integers(node, "strides", (1, 1))
    dilations = integers(node, "dilations", (1, 1))
    pads = integers(node, "pads", (0,) * 4)
    if len(kernel) != 2 or len(strides) != 2 or len(dilations) != 2 or len(pads) != 4:
        raise wrong(node, "has a window that does not fit rows and columns")
    if min((*strides, *dilations)) < 1 or min(pads) < 0:
        raise wrong(node, "has a window without a size")
    rows, columns = (
        Axis(kernel[at], strides[at], pads[at], pads[2 + at], dilations[at]) for at in (0, 1)
    )
    return rows, columns


def _check_deform(node: ir.Node) -> None:
    x, weight, offset = (shape_of(value_at(node, index)) for index in range(3))
    axes = deformed_axes_of(node)
    groups, shared = integer(node, "group", 1), integer(node, "offset_group", 1)
    fits = len(x) == 4 and groups > 0 and shared > 0 and not x[1] % shared
    if not fits or x[1] != weight[1] * groups or weight[0] % groups:
        raise wrong(node, f"has a weight of shape {weight} in {groups} groups for {x}")
    places = tuple(axis.output(side) for axis, side in zip(axes, x[2:], strict=True))
    taps = math.prod(weight[2:])
    wanted = {
        2: (x[0], 2 * shared * taps, *places),
        3: weight[:1],
        4: (x[0], shared * taps, *places),
    }
    for index, shape in wanted.items():
        given = node.inputs[index] if index < len(node.inputs) else None
        if given is not None and shape_of(given) != shape:
            raise wrong(node, f"has an input {index} of {shape_of(given)}, not {shape}")
    if shape_of(node.outputs[0]) != (x[0], weight[0], *places):
        raise wrong(node, f"makes {shape_of(node.outputs[0])} of {offset}")


ROWS = (
    Operator("Col2Im", _col2im, _col2im_backward, _check_patches, settings=True),
    Operator("DeformConv", _deform_conv, None, _check_deform),
    Operator("RoiAlign", _roi_align, None, _check_roi_align),
)
