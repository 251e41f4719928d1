"""Any function of one byte in C: kernels/int8/table.c, table_channels.c."""

from __future__ import annotations

from tatami.program.steps import Program, Table
from tatami.ship.c.operator import Decision, Options, Places


def decide(program: Program, step: Table, options: Options) -> Decision:
    """Sample by sample, so in place."""
    kernel = "int8/table" if step.table.ndim == 1 else "int8/table_channels"
    return Decision(kernels=(kernel,), in_place=True, constants={"table": step.table})


def emit(program: Program, step: Table, places: Places, options: Options) -> str:
    """Write the call of the kernel."""
    channels, rows, columns = program.values[step.output].shape
    if step.table.ndim == 2:
        return (
            f"net_table_channels({places.constants['table']}, {places.values[step.inputs[0]]},"
            f" {rows * columns}, {channels}, {places.values[step.output]});"
        )
    return (
        f"net_table_map({places.constants['table']}, {places.values[step.inputs[0]]},"
        f" {channels * rows * columns}, {places.values[step.output]});"
    )
