"""Another shape for the same samples in C: kernels/reshape.c.

The order that stays is ONNX's, (channels, rows, columns); in memory channels are last, so that
samples may have to move.
"""

from __future__ import annotations

from tatami.program.steps import Program, Reshape
from tatami.ship.c.operator import Decision, Options, Places, sample_bytes


def decide(program: Program, step: Reshape, options: Options) -> Decision:
    """Ask for what moves samples; where none moves, only for the input's place."""
    return Decision(kernels=("reshape",), in_place=_stays(program, step))


def emit(program: Program, step: Reshape, places: Places, options: Options) -> str:
    """Write the call of a kernel; nothing where the samples lie right already."""
    source, result = program.values[step.inputs[0]], program.values[step.output]
    ends = f"{places.values[step.inputs[0]]}, {places.values[step.output]}"
    if _stays(program, step):
        if places.values[step.inputs[0]] == places.values[step.output]:
            return "/* the samples stay where they are */"
        return f"net_copy({result.bytes}, {ends});"
    channels, rows, columns = source.shape
    out_channels, out_rows, out_columns = result.shape
    return (
        f"net_reshape({sample_bytes(result)}, {channels}, {rows * columns}, {out_channels},"
        f" {out_rows * out_columns}, {ends});"
    )


def _stays(program: Program, step: Reshape) -> bool:
    """Say whether memory has the same order under both shapes."""
    channels, rows, columns = program.values[step.inputs[0]].shape
    out_channels, out_rows, out_columns = program.values[step.output].shape
    return (
        channels == out_channels
        or (channels == 1 == out_rows * out_columns)
        or (rows * columns == 1 == out_channels)
    )
