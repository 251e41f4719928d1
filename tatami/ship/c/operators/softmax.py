"""Softmax in C: kernels/float32/softmax.c and kernels/int8/softmax.c."""

from __future__ import annotations

from tatami.program.steps import Program, QuantizedSoftmax, Softmax
from tatami.ship.c.operator import Decision, Options, Places, lines, quantization_of


def decide(program: Program, step: Softmax | QuantizedSoftmax, options: Options) -> Decision:
    """Ask for the kernel, in place: each line is read before it is written."""
    if isinstance(step, Softmax):
        return Decision(kernels=("float32/softmax",), in_place=True)
    return Decision(
        kernels=("int8/softmax",), in_place=True, constants={"exponentials": step.table}
    )


def emit(
    program: Program, step: Softmax | QuantizedSoftmax, places: Places, options: Options
) -> str:
    """Write the call of the kernel."""
    result = program.values[step.output]
    counts = ", ".join(map(str, lines(result.shape, step.axis)))
    ends = f"{places.values[step.inputs[0]]}, {places.values[step.output]}"
    if isinstance(step, Softmax):
        return f"net_softmax({counts}, {ends});"
    return (
        f"net_softmax_u8({counts}, {places.constants['exponentials']}, UINT64_C({step.ratio}),"
        f" {quantization_of(result).zero_point},\n        {ends});"
    )
