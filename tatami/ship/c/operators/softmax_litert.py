"""Softmax of bytes as LiteRT has it, in C: int8/softmax_in_float.c and softmax_as_reference.c."""

from __future__ import annotations

from tatami.program.steps import Program, SoftmaxAsReference, SoftmaxInFloat
from tatami.ship.c.operator import Decision, Options, Places, lines, number

LiteRTSoftmax = SoftmaxInFloat | SoftmaxAsReference


def decide(program: Program, step: LiteRTSoftmax, options: Options) -> Decision:
    """Ask for the kernel, in place: each line is read before it is written."""
    constants = {"exponentials": step.table}
    if isinstance(step, SoftmaxInFloat):
        return Decision(("int8/softmax_in_float",), in_place=True, constants=constants)
    kernels = ("activate", "results", "int8/round_as_reference", "int8/softmax_as_reference")
    return Decision(kernels, in_place=True, constants=constants)


def emit(program: Program, step: LiteRTSoftmax, places: Places, options: Options) -> str:
    """Write the call of the kernel."""
    counts = ", ".join(map(str, lines(program.values[step.output].shape, step.axis)))
    ends = f"{places.values[step.inputs[0]]}, {places.values[step.output]}"
    table = places.constants["exponentials"]
    if isinstance(step, SoftmaxInFloat):
        return f"net_softmax_in_float({counts}, {table}, {number(step.scale)},\n        {ends});"
    return f"net_softmax_as_reference({counts}, {table},\n        {ends});"
