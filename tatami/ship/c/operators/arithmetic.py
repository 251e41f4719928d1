"""Two float maps, sample by sample, in C: kernels/float32/arithmetic.c."""

from __future__ import annotations

from tatami.program.steps import Arithmetic, Program, Shape
from tatami.ship.c.operator import Decision, Options, Places, activation, count, structure


def decide(program: Program, step: Arithmetic, options: Options) -> Decision:
    """Ask for the kernel, in place of an input of the same size: it goes sample by sample."""
    return Decision(kernels=("activate", "float32/arithmetic"), in_place=True)


def emit(program: Program, step: Arithmetic, places: Places, options: Options) -> str:
    """Write the call of the kernel."""
    shape = program.values[step.output].shape
    a, b = (program.values[name].shape for name in step.inputs)
    if a == b == shape:  # one long line
        channels, rows, columns = count(shape), 1, 1
        a = b = (channels, 1, 1)
    else:
        channels, rows, columns = shape
    layout = structure(
        "net_arithmetic_shape",
        [
            {"operation": f"NET_{step.operation.upper()}"},
            {"rows": rows, "columns": columns, "channels": channels},
            {"a_row": _steps(a)[0], "a_column": _steps(a)[1], "a_channel": _steps(a)[2]},
            {"b_row": _steps(b)[0], "b_column": _steps(b)[1], "b_channel": _steps(b)[2]},
        ],
    )
    first, second = (places.values[name] for name in step.inputs)
    return (
        f"net_arithmetic({layout},\n"
        f"        {first}, {second},\n"
        f"        {activation(step.activation)},\n"
        f"        {places.values[step.output]});"
    )


def _steps(shape: Shape) -> tuple[int, int, int]:
    """Count samples from a row, a column and a channel to the next: 0 along a repeated axis."""
    channels, rows, columns = shape
    return (
        0 if rows == 1 else columns * channels,
        0 if columns == 1 else channels,
        0 if channels == 1 else 1,
    )
