"""Convolution in C: kernels/conv.c, its weights packed as that kernel reads them."""

from __future__ import annotations

import numpy as np

from tatami.ship.c.operator import Decision, Places, activation, structure
from tatami.ship.program import Conv, Program
from tatami.types import Float32

LANES = 4  # output channels that the kernel computes at once
PITCH = 208  # NET_PITCH, samples
DEPTH = 128  # NET_DEPTH


def decide(program: Program, step: Conv) -> Decision:
    """Scratch for one block of gathered input; the weights in panels of four output channels."""
    depth = step.weights[0].size
    return Decision(
        kernels=("activate", "conv"),
        scratch=min(depth, DEPTH) * PITCH * 4,
        constants=(packed(step), step.bias),
    )


def emit(program: Program, step: Conv, places: Places) -> str:
    """The call of the kernel."""
    channels, rows, columns = program.shapes[step.inputs[0]]
    outputs, out_rows, out_columns = program.shapes[step.output]
    y, x = step.window.rows, step.window.columns
    shape = structure(
        "net_conv_shape",
        [
            {"groups": step.groups},
            {"channels": channels // step.groups, "rows": rows, "columns": columns},
            {
                "outputs": outputs // step.groups,
                "out_rows": out_rows,
                "out_columns": out_columns,
            },
            {"kernel_rows": y.kernel, "kernel_columns": x.kernel},
            {"stride_rows": y.stride, "stride_columns": x.stride},
            {"dilation_rows": y.dilation, "dilation_columns": x.dilation},
            {"top": y.before, "left": x.before},
        ],
    )
    weights, bias = places.constants
    return (
        f"net_conv({shape},\n"
        f"        {places.values[step.inputs[0]]}, {weights}, {bias},\n"
        f"        {activation(step.activation)},\n"
        f"        {places.scratch}, {places.values[step.output]});"
    )


def packed(step: Conv) -> Float32:
    """Weights (groups, panels of 4 outputs, weights of an output, 4), flat; zeros fill a panel."""
    outputs = len(step.weights) // step.groups
    panels = -(-outputs // LANES)
    depth = step.weights[0].size
    padded = np.zeros((step.groups, panels * LANES, depth), np.float32)
    padded[:, :outputs] = step.weights.reshape(step.groups, outputs, depth)
    return padded.reshape(step.groups, panels, LANES, depth).transpose(0, 1, 3, 2).ravel()
