"""What a value was some calls ago in C, by a ring of its own: kernels/delay.c."""

from __future__ import annotations

from tatami.program.steps import Delay, Program
from tatami.ship.c.operator import Decision, Options, Places


def decide(program: Program, step: Delay, options: Options) -> Decision:
    """Ask for the kernel alone; the ring lives from call to call."""
    return Decision(kernels=("delay",))


def emit(program: Program, step: Delay, places: Places, options: Options) -> str:
    """Write the call of the kernel."""
    source, ring, place = (places.values[name] for name in step.inputs)
    size = program.values[step.output].bytes
    ends = f"{source}, {ring}, {place}"
    return f"net_delay({ends},\n        {size}, {step.calls}, {places.values[step.output]});"
