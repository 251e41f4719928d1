"""Padding of any axis in C, of either kind: kernels/pad.c."""

from __future__ import annotations

from tatami.program.steps import Pad, Program
from tatami.ship.c.operator import Decision, Options, Places, number, sample_bytes, structure


def decide(program: Program, step: Pad, options: Options) -> Decision:
    """Ask for the kernel alone."""
    return Decision(kernels=("pad",))


def emit(program: Program, step: Pad, places: Places, options: Options) -> str:
    """Write the call of the kernel."""
    source, result = program.values[step.inputs[0]], program.values[step.output]
    channels, rows, columns = source.shape
    out_channels, out_rows, out_columns = result.shape
    before = [width for width, _ in step.widths]
    size = sample_bytes(result)
    shape = structure(
        "net_pad_shape",
        [
            {"mode": f"NET_PAD_{step.mode.upper()}", "size": size},
            {"channels": channels, "rows": rows, "columns": columns},
            {"out_channels": out_channels, "out_rows": out_rows, "out_columns": out_columns},
            {"before": before[0], "top": before[1], "left": before[2]},
        ],
    )
    value = f"{int(step.value)}" if size == 1 else number(step.value)
    kind = "uint8_t" if size == 1 else "float"
    return (
        f"net_pad({shape},\n"
        f"        &(const {kind}){{{value}}}, {places.values[step.inputs[0]]},"
        f" {places.values[step.output]});"
    )
