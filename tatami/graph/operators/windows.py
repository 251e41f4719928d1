"""The window of a node, which must fit its input."""

from __future__ import annotations

import onnx_ir as ir

from tatami.errors import TatamiError
from tatami.graph.attributes import window_of
from tatami.graph.network import shape_of
from tatami.graph.operators.row import value_at, wrong
from tatami.ops.window import Window


def fitting_window(node: ir.Node) -> Window:
    """Read a node's window and check that it fits its input.

    ONNX's inference makes one place of a window that fits nowhere.

    Raises:
        TatamiError: Where it has no place.
    """
    window = window_of(node)
    rows, columns = shape_of(value_at(node, 0))[2:]
    for axis, length in ((window.rows, rows), (window.columns, columns)):
        try:
            axis.output(length)
        except TatamiError as error:
            raise wrong(node, f"has no output: {error.reason}", "give a larger input") from None
    return window
