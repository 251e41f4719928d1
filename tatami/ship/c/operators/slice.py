"""Part of a value along any axis in C, of either kind: kernels/slice.c."""

from __future__ import annotations

from tatami.program.steps import Program, Slice
from tatami.ship.c.operator import Decision, Options, Places, sample_bytes, structure


def decide(program: Program, step: Slice, options: Options) -> Decision:
    """Ask for the kernel alone."""
    return Decision(kernels=("slice",))


def emit(program: Program, step: Slice, places: Places, options: Options) -> str:
    """Write the call of the kernel."""
    source, result = program.values[step.inputs[0]], program.values[step.output]
    channels, _, columns = source.shape
    out_channels, out_rows, out_columns = result.shape
    shape = structure(
        "net_slice_shape",
        [
            {"size": sample_bytes(result), "channels": channels, "columns": columns},
            {"out_channels": out_channels, "out_rows": out_rows, "out_columns": out_columns},
            {"first": step.starts[0], "top": step.starts[1], "left": step.starts[2]},
            {"step": step.steps[0], "down": step.steps[1], "across": step.steps[2]},
        ],
    )
    ends = f"{places.values[step.inputs[0]]}, {places.values[step.output]}"
    return f"net_slice({shape},\n        {ends});"
