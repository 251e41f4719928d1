"""Addition of two maps in C: kernels/add.c."""

from __future__ import annotations

from tatami.ship.c.operator import Decision, Places, count
from tatami.ship.program import Add, Program


def decide(program: Program, step: Add) -> Decision:
    """Sample by sample, so in place."""
    return Decision(kernels=("add",), in_place=True)


def emit(program: Program, step: Add, places: Places) -> str:
    """The call of the kernel."""
    a, b = (places.values[name] for name in step.inputs)
    return f"net_add({a}, {b}, {count(program.shapes[step.output])}, {places.values[step.output]});"
