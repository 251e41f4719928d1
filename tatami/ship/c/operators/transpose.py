"""Exchanged axes in C: kernels/transpose.c."""

from __future__ import annotations

from tatami.program.steps import Program, Transpose
from tatami.ship.c.operator import Decision, Options, Places, sample_bytes


def decide(program: Program, step: Transpose, options: Options) -> Decision:
    """Ask for the kernel alone."""
    return Decision(kernels=("transpose",))


def emit(program: Program, step: Transpose, places: Places, options: Options) -> str:
    """Write the call of the kernel."""
    source, result = program.values[step.inputs[0]], program.values[step.output]
    channels, _, columns = source.shape
    steps = (1, columns * channels, channels)  # of the input's axes, in memory
    channel, row, column = (steps[axis] for axis in step.order)
    out_channels, out_rows, out_columns = result.shape
    return (
        f"net_transpose({sample_bytes(result)}, {out_rows}, {out_columns}, {out_channels},"
        f" {row}, {column}, {channel},\n"
        f"        {places.values[step.inputs[0]]}, {places.values[step.output]});"
    )
