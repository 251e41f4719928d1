"""What something beside the processor computes, in C: kernels/elsewhere.c says who defines it.

docs/decisions/0023 says why.
"""

from __future__ import annotations

from tatami.program.steps import Elsewhere, Program
from tatami.ship.c.operator import Decision, Options, Places


def decide(program: Program, step: Elsewhere, options: Options) -> Decision:
    """Ask for the declarations alone."""
    return Decision(kernels=("elsewhere",))


def emit(program: Program, step: Elsewhere, places: Places, options: Options) -> str:
    """Write the calls: the first step of its kind gives the inputs of all."""
    index = [one for one in program.steps if isinstance(one, Elsewhere)].index(step)
    calls = [
        f"net_engine_give({number}, {places.values[name]});"
        for number, name in enumerate(step.inputs if index == 0 else ())
    ]
    calls.append(f"if (net_engine_take({index}, {places.values[step.output]}) != 0) return -2;")
    return "\n    ".join(calls)
