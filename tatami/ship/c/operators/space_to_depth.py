"""Samples side by side as channels in C: kernels/space_to_depth.c."""

from __future__ import annotations

from tatami.program.steps import Program, SpaceToDepth
from tatami.ship.c.operator import Decision, Options, Places, sample_bytes


def decide(program: Program, step: SpaceToDepth, options: Options) -> Decision:
    """Ask for the kernel alone."""
    return Decision(kernels=("space_to_depth",))


def emit(program: Program, step: SpaceToDepth, places: Places, options: Options) -> str:
    """Write the call of the kernel."""
    source, result = program.values[step.inputs[0]], program.values[step.output]
    _, rows, columns = result.shape
    return (
        f"net_space_to_depth({source.shape[0] * sample_bytes(source)}, {step.block}, {rows},"
        f" {columns},\n"
        f"        {places.values[step.inputs[0]]}, {places.values[step.output]});"
    )
