"""An activation by itself in C: kernels/activate.c."""

from __future__ import annotations

from tatami.ship.c.operator import Decision, Places, activation, count
from tatami.ship.program import Activate, Program


def decide(program: Program, step: Activate) -> Decision:
    """Sample by sample, so in place."""
    return Decision(kernels=("activate",), in_place=True)


def emit(program: Program, step: Activate, places: Places) -> str:
    """The call of the kernel."""
    return (
        f"net_activate({activation(step.activation)},\n"
        f"        {places.values[step.inputs[0]]}, {count(program.shapes[step.output])},"
        f" {places.values[step.output]});"
    )
