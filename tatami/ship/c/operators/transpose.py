"""Exchanged axes in C: kernels/transpose.c.

In memory channels are last: where only axes of one index change their places among the others, as
where tokens become channels, no sample moves.
"""

from __future__ import annotations

from tatami.program.steps import Program, Transpose
from tatami.ship.c.operator import Decision, Options, Places, sample_bytes


def decide(program: Program, step: Transpose, options: Options) -> Decision:
    """Ask for the kernel; where no sample moves, only for the input's place."""
    if _stays(program, step):
        return Decision(kernels=("reshape",), in_place=True)
    return Decision(kernels=("transpose",))


def emit(program: Program, step: Transpose, places: Places, options: Options) -> str:
    """Write the call of the kernel; nothing where the samples lie right already."""
    source, result = program.values[step.inputs[0]], program.values[step.output]
    ends = f"{places.values[step.inputs[0]]}, {places.values[step.output]}"
    if _stays(program, step):
        if places.values[step.inputs[0]] == places.values[step.output]:
            return "/* the samples stay where they are */"
        return f"net_copy({result.bytes}, {ends});"
    channels, _, columns = source.shape
    steps = (1, columns * channels, channels)  # of the input's axes, in memory
    channel, row, column = (steps[axis] for axis in step.order)
    out_channels, out_rows, out_columns = result.shape
    return (
        f"net_transpose({sample_bytes(result)}, {out_rows}, {out_columns}, {out_channels},"
        f" {row}, {column}, {channel},\n        {ends});"
    )


def _stays(program: Program, step: Transpose) -> bool:
    """Say whether memory has the same order before and after."""
    sides = program.values[step.inputs[0]].shape
    before = [axis for axis in (1, 2, 0) if sides[axis] > 1]
    after = [step.order[axis] for axis in (1, 2, 0) if sides[step.order[axis]] > 1]
    return before == after
