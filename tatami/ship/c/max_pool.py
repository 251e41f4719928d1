"""Max pool in C: kernels/max_pool.c."""

from __future__ import annotations

from tatami.ship.c.operator import Decision, Places, structure
from tatami.ship.program import MaxPool, Program


def decide(program: Program, step: MaxPool) -> Decision:
    """Nothing but the kernel."""
    return Decision(kernels=("max_pool",))


def emit(program: Program, step: MaxPool, places: Places) -> str:
    """The call of the kernel."""
    channels, rows, columns = program.shapes[step.inputs[0]]
    _, out_rows, out_columns = program.shapes[step.output]
    y, x = step.window.rows, step.window.columns
    shape = structure(
        "net_max_pool_shape",
        [
            {"channels": channels, "rows": rows, "columns": columns},
            {"out_rows": out_rows, "out_columns": out_columns},
            {"kernel_rows": y.kernel, "kernel_columns": x.kernel},
            {"stride_rows": y.stride, "stride_columns": x.stride},
            {"dilation_rows": y.dilation, "dilation_columns": x.dilation},
            {"top": y.before, "left": x.before},
        ],
    )
    return (
        f"net_max_pool({shape},\n"
        f"        {places.values[step.inputs[0]]}, {places.values[step.output]});"
    )
