"""An activation by itself in C: kernels/activate.c."""

from __future__ import annotations

from tatami.program.steps import Activate, Program
from tatami.ship.c.operator import Decision, Options, Places, activation, count


def decide(program: Program, step: Activate, options: Options) -> Decision:
    """Ask for the kernel, in place: it goes sample by sample."""
    return Decision(kernels=("activate",), in_place=True)


def emit(program: Program, step: Activate, places: Places, options: Options) -> str:
    """Write the call of the kernel."""
    return (
        f"net_activate_map({activation(step.activation)},\n"
        f"        {places.values[step.inputs[0]]}, {count(program.values[step.output].shape)},"
        f" {places.values[step.output]});"
    )
