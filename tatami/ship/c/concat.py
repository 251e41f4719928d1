"""Concatenation along the channels in C: kernels/concat.c."""

from __future__ import annotations

from tatami.ship.c.operator import Decision, Places, count
from tatami.ship.program import Concat, Program


def decide(program: Program, step: Concat) -> Decision:
    """Nothing but the kernel."""
    return Decision(kernels=("concat",))


def emit(program: Program, step: Concat, places: Places) -> str:
    """A copy for each part."""
    calls = []
    offset = 0
    for name in step.inputs:
        size = count(program.shapes[name])
        calls.append(
            f"net_copy({places.values[name]}, {size}, {places.values[step.output]} + {offset});"
        )
        offset += size
    return "\n    ".join(calls)
