"""A pool whose output size is rounded up becomes one with more padding at its end."""

from __future__ import annotations

import onnx_ir as ir

from tatami.graph.attributes import axes_of, integer, text


def ceil_to_pads(model: ir.Model) -> None:
    """Write a pool's ceil_mode as padding, which is the same where padding is not counted.

    GoogLeNet's pools round up: 3 samples by strides of 2 in 112 make 56 places, of which the last
    looks one sample beyond the end. A max pool never sees its padding, and an average pool need not
    count it.

    Pre: shapes are known.  Post: no such pool has ceil_mode, but an average pool that counts its
    padding: what lies beyond it is not counted even so.
    """
    for node in model.graph:
        if node.op_type not in ("MaxPool", "AveragePool") or not integer(node, "ceil_mode", 0):
            continue
        if text(node, "auto_pad", "NOTSET") != "NOTSET" or integer(node, "count_include_pad", 0):
            continue
        axes = axes_of(node)
        pads = (*(axis.before for axis in axes), *(axis.after for axis in axes))
        node.attributes["pads"] = ir.AttrInt64s("pads", pads)
        del node.attributes["ceil_mode"]
