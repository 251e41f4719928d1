"""The window of a node, which must fit its input."""

from __future__ import annotations

import onnx_ir as ir

from tatami.errors import TatamiError
from tatami.graph.attributes import axes_of
from tatami.graph.network import shape_of
from tatami.graph.operators.row import value_at, wrong
from tatami.ops.window import Axis


def fitting_axes(node: ir.Node) -> tuple[Axis, ...]:
    """Read a node's window over any axes and check that it fits its input.

    ONNX's inference makes one place of a window that fits nowhere.

    Raises:
        TatamiError: Where it has no place.
    """
    axes = axes_of(node)
    for axis, length in zip(axes, shape_of(value_at(node, 0))[2:], strict=True):
        try:
            axis.output(length)
        except TatamiError as error:
            raise wrong(node, f"has no output: {error.reason}", "give a larger input") from None
    return axes
