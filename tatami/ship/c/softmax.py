"""Softmax in C: kernels/float32/softmax.c and kernels/int8/softmax.c."""

from __future__ import annotations

from tatami.ship.c.operator import Decision, Options, Places, quantization_of
from tatami.ship.program import Program, QuantizedSoftmax, Shape, Softmax


def decide(program: Program, step: Softmax | QuantizedSoftmax, options: Options) -> Decision:
    """Along one line at a time, which is read before it is written: in place."""
    if isinstance(step, Softmax):
        return Decision(kernels=("float32/softmax",), in_place=True)
    return Decision(
        kernels=("int8/softmax",), in_place=True, constants={"exponentials": step.table}
    )


def emit(
    program: Program, step: Softmax | QuantizedSoftmax, places: Places, options: Options
) -> str:
    """The call of the kernel."""
    result = program.values[step.output]
    outer, length, inner = _lines(result.shape, step.axis)
    lines = f"{outer}, {length}, {inner}"
    ends = f"{places.values[step.inputs[0]]}, {places.values[step.output]}"
    if isinstance(step, Softmax):
        return f"net_softmax({lines}, {ends});"
    return (
        f"net_softmax_u8({lines}, {places.constants['exponentials']}, UINT64_C({step.ratio}),"
        f" {quantization_of(result).zero_point},\n        {ends});"
    )


def _lines(shape: Shape, axis: int) -> tuple[int, int, int]:
    """The value as [outer][length][inner] in memory, the axis in the middle."""
    channels, rows, columns = shape
    return (
        (rows * columns, channels, 1),
        (1, rows, columns * channels),
        (rows, columns, channels),
    )[axis]
