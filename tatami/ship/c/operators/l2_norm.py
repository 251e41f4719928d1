"""The Euclidean norm along an axis in C: kernels/float32/l2_norm.c."""

from __future__ import annotations

from tatami.program.steps import L2Norm, Program
from tatami.ship.c.operator import Decision, Options, Places, lines


def decide(program: Program, step: L2Norm, options: Options) -> Decision:
    """Ask for the kernel: it reads a line and writes one sample."""
    return Decision(kernels=("float32/l2_norm",))


def emit(program: Program, step: L2Norm, places: Places, options: Options) -> str:
    """Write the call of the kernel."""
    counts = ", ".join(map(str, lines(program.values[step.inputs[0]].shape, step.axis)))
    return f"net_l2_norm({counts}, {places.values[step.inputs[0]]}, {places.values[step.output]});"
