"""A Pad in front of a max pool or a convolution becomes its own padding."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from tatami.graph.attributes import constant, pad_widths, place, text, window_of
from tatami.graph.network import shape_of
from tatami.ops.window import Axis, Window


def merge_pad(model: ir.Model) -> None:
    """Make MaxPool(Pad(x)) and Conv(Pad(x)) into one node with larger pads, where that is the same.

    torch cannot pad a pool on one side only, so YOLOv2-tiny's pool of size 2 and stride 1 is
    exported as a Pad and a MaxPool. A pool's own padding never wins. So the two are the same where

    - the pad is minus infinity; or
    - it repeats the edge, dilation is 1 and the pool had no padding: a window that holds a repeated
      sample then also holds the sample that it repeats, because padding is smaller than the kernel.

    A convolution's own padding is zeros, so its Pad must be of zeros: a causal convolution pads
    its beginning alone.

    Pre: constants are initializers, shapes are known.  Post: no such pair is left, where the Pad is
    used once and the pads stay smaller than the kernel.
    """
    graph = model.graph
    for pool in list(graph):
        image = pool.inputs[0] if pool.inputs else None
        pad = None if image is None else image.producer()
        if (
            pool.op_type not in ("MaxPool", "Conv")
            or pad is None
            or pad.op_type != "Pad"
            or image is None
        ):
            continue
        if len(shape_of(image)) != 4 or constant(pad, 1) is None:
            continue
        if len(image.uses()) != 1 or image.is_graph_output():
            continue
        window = _merged(pad, window_of(pool), pool.op_type)
        if window is None:
            continue
        rows, columns = window.rows, window.columns
        pool.attributes["pads"] = ir.AttrInt64s(
            "pads", (rows.before, columns.before, rows.after, columns.after)
        )
        pool.attributes["auto_pad"] = ir.AttrString("auto_pad", "NOTSET")
        pool.replace_input_with(0, pad.inputs[0])
        graph.remove(pad, safe=True)


def _merged(pad: ir.Node, window: Window, kind: str) -> Window | None:
    """Find the window that pads as both nodes do; None where that is not the same."""
    widths = pad_widths(pad)
    assert len(widths) == 4, place(pad)
    axes = (window.rows, window.columns)
    mode = text(pad, "mode", "constant")
    value = constant(pad, 2)
    if kind == "Conv":
        if mode != "constant" or (value is not None and float(value) != 0):
            return None
    elif mode == "edge":
        if any(axis.dilation > 1 or axis.before or axis.after for axis in axes):
            return None
    elif mode != "constant" or value is None or float(value) != -np.inf:
        return None
    if widths[:2] != [(0, 0), (0, 0)] or any(min(width) < 0 for width in widths):
        return None
    merged = [
        Axis(axis.kernel, axis.stride, axis.before + before, axis.after + after, axis.dilation)
        for axis, (before, after) in zip(axes, widths[2:], strict=True)
    ]
    if kind != "Conv" and any(max(axis.before, axis.after) >= axis.kernel for axis in merged):
        return None
    return Window(*merged)
