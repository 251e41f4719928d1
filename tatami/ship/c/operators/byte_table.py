"""Any function of one byte in C: kernels/int8/table.c."""

from __future__ import annotations

from tatami.program.steps import Program, Table
from tatami.ship.c.operator import Decision, Options, Places, count


def decide(program: Program, step: Table, options: Options) -> Decision:
    """Sample by sample, so in place."""
    return Decision(kernels=("int8/table",), in_place=True, constants={"table": step.table})


def emit(program: Program, step: Table, places: Places, options: Options) -> str:
    """Write the call of the kernel."""
    return (
        f"net_table({places.constants['table']}, {places.values[step.inputs[0]]},"
        f" {count(program.values[step.output].shape)}, {places.values[step.output]});"
    )
