"""The receptive field: which part of the input a place of a layer can see."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from tatami.errors import TatamiError
from tatami.graph.attributes import (
    integer,
    pad_widths,
    resize_taps_of,
    transposed_window_of,
    window_of,
)
from tatami.graph.network import Network, shape_of
from tatami.ops.resize import ResizeTaps
from tatami.ops.window import Window

WINDOWED = ("Conv", "MaxPool", "AveragePool", "LpPool", "QLinearConv", "ConvInteger")
"""Nodes of which a place sees a window of their first input."""

MIXING = (
    *("MatMul", "Gemm", "Transpose", "Reshape", "Softmax", "LogSoftmax"),
    *("InstanceNormalization", "GroupNormalization", "LayerNormalization"),
)
"""Nodes that mix places, though they may keep the number of rows and columns."""


@dataclass(frozen=True)
class Field:
    """Rows and columns of a map, ends left out, as a picture's slices.

    Args:
        top: The first row.
        left: The first column.
        bottom: One beyond the last row.
        right: One beyond the last column.
    """

    top: int
    left: int
    bottom: int
    right: int

    def with_(self, other: Field | None) -> Field:
        """Give the least field that holds both."""
        if other is None:
            return self
        return Field(
            min(self.top, other.top),
            min(self.left, other.left),
            max(self.bottom, other.bottom),
            max(self.right, other.right),
        )

    def within(self, rows: int, columns: int) -> Field:
        """Cut off what lies in the padding."""
        return Field(
            min(max(self.top, 0), rows - 1),
            min(max(self.left, 0), columns - 1),
            max(min(self.bottom, rows), 1),
            max(min(self.right, columns), 1),
        )


def receptive_field(network: Network, value: str, row: int, column: int) -> Field:
    """Find what a place of a map can see of the network's first input.

    It is exact for windows, and for what keeps rows and columns; of a node that mixes places in
    another way, as a product of matrices, each place is said to see all of its input.

    Args:
        network: The network.
        value: The map, (1, channels, rows, columns), by its name.
        row: Of the place.
        column: Of the place.

    Raises:
        TatamiError: For a value that is no map of the network, and a place that is not on it.
    """
    image = network.graph.inputs[0]
    nodes = list(network.graph)
    known = {str(one.name): one for node in nodes for one in node.outputs} | {
        str(image.name): image
    }
    if value not in known or len(shape_of(known[value])) != 4:
        raise TatamiError(f"'{value}' has no rows and columns", hint="name a layer that makes maps")
    rows, columns = shape_of(known[value])[2:]
    if not (0 <= row < rows and 0 <= column < columns):
        raise TatamiError(
            f"row {row}, column {column} is not on a map of {rows} x {columns}",
            hint="count both from 0",
        )
    seen = {value: Field(row, column, row + 1, column + 1)}
    for node in reversed(nodes):
        fields = [seen[str(one.name)] for one in node.outputs if str(one.name) in seen]
        if not fields:
            continue
        field = fields[0]
        for other in fields[1:]:
            field = field.with_(other)
        for place, given in enumerate(node.inputs):
            if given is None or str(given.name) not in known:
                continue  # weights
            name, sides = str(given.name), _sides(given)
            found = _read(node, place, field, sides).within(*sides)
            seen[name] = found.with_(seen.get(name))
    if str(image.name) not in seen:
        raise TatamiError(f"'{value}' is not made of the input", hint="name another layer")
    return seen[str(image.name)]


def _sides(value: ir.Value) -> tuple[int, int]:
    """Give rows and columns; a vector has one of each."""
    shape = shape_of(value)
    return (shape[2], shape[3]) if len(shape) == 4 else (1, 1)


def _read(node: ir.Node, place: int, field: Field, sides: tuple[int, int]) -> Field:
    """Say what part of an input a node reads for a field of its output, padding and all."""
    whole = Field(0, 0, *sides)
    output = node.outputs[0]
    if len(shape_of(output)) != 4:
        return whole
    kind = node.op_type
    if kind in WINDOWED and place == 0:
        return _through(window_of(node), field)
    if kind == "ConvTranspose" and place == 0:
        return _back_through(transposed_window_of(node), field)
    if kind == "Pad":
        (_, _, (above, _), (left, _)) = pad_widths(node)
        return Field(field.top - above, field.left - left, field.bottom - above, field.right - left)
    if kind == "Resize":
        down, across = resize_taps_of(node)
        top, bottom = _mixed(down, field.top, field.bottom)
        left, right = _mixed(across, field.left, field.right)
        return Field(top, left, bottom, right)
    if kind == "SpaceToDepth":
        block = integer(node, "blocksize", 1)
        return Field(
            field.top * block, field.left * block, field.bottom * block, field.right * block
        )
    along_channels = kind in ("Softmax", "LogSoftmax") and integer(node, "axis", -1) == 1
    keeps = _sides(output) == sides and (along_channels or kind not in MIXING)
    return field if keeps else whole


def _mixed(taps: ResizeTaps, start: int, end: int) -> tuple[int, int]:
    """Give the samples that a resizing reads for some of its places along an axis."""
    first, second = taps.first[start:end], taps.second[start:end]
    both = np.append(first, second[taps.weight[start:end] > 0])
    return int(both.min()), int(both.max()) + 1


def _through(window: Window, field: Field) -> Field:
    """Give what a window that slides over a field's places reads."""
    rows, columns = window
    return Field(
        field.top * rows.stride - rows.before,
        field.left * columns.stride - columns.before,
        (field.bottom - 1) * rows.stride - rows.before + rows.span,
        (field.right - 1) * columns.stride - columns.before + columns.span,
    )


def _back_through(window: Window, field: Field) -> Field:
    """Give the places whose windows reach a field, for a transposed convolution."""
    rows, columns = window
    return Field(
        -(-(field.top + rows.before - rows.span + 1) // rows.stride),
        -(-(field.left + columns.before - columns.span + 1) // columns.stride),
        (field.bottom - 1 + rows.before) // rows.stride + 1,
        (field.right - 1 + columns.before) // columns.stride + 1,
    )
