"""Softmax in C: kernels/float32/softmax.c, kernels/int8/softmax.c and masked_softmax.c."""

from __future__ import annotations

from tatami.program.steps import Program, QuantizedSoftmax, Shape, Softmax
from tatami.ship.c.operator import Decision, Options, Places, lines, quantization_of


def decide(program: Program, step: Softmax | QuantizedSoftmax, options: Options) -> Decision:
    """Ask for the kernel, in place: each line is read before it is written."""
    if isinstance(step, Softmax):
        return Decision(kernels=("float32/softmax",), in_place=True)
    kernel = "int8/softmax" if len(step.inputs) == 1 else "int8/masked_softmax"
    return Decision(kernels=(kernel,), in_place=True, constants={"exponentials": step.table})


def emit(
    program: Program, step: Softmax | QuantizedSoftmax, places: Places, options: Options
) -> str:
    """Write the call of the kernel."""
    result = program.values[step.output]
    counts = ", ".join(map(str, lines(result.shape, step.axis)))
    ends = f"{places.values[step.inputs[0]]}, {places.values[step.output]}"
    if isinstance(step, Softmax):
        return f"net_softmax({counts}, {ends});"
    if len(step.inputs) == 2:
        return _masked(program, step, places)
    return (
        f"net_softmax_u8({counts}, {places.constants['exponentials']}, UINT64_C({step.ratio}),"
        f" {quantization_of(result).zero_point},\n        {ends});"
    )


def _masked(program: Program, step: QuantizedSoftmax, places: Places) -> str:
    """Write the call of the kernel that looks at a mask."""
    result, mask = program.values[step.output], program.values[step.inputs[1]].shape
    order = [*(axis for axis in (1, 2, 0) if axis != step.axis), step.axis]
    own, hiding = _steps(result.shape), _steps(mask)
    axes = [
        f"{{.side = {result.shape[axis]}, .step = {own[axis]}, .mask_step = {hiding[axis]}}}"
        for axis in order
    ]
    several = ",\n            ".join(axes)
    source, seen = (places.values[name] for name in step.inputs)
    return (
        f"net_masked_softmax_u8((const net_masked_axis[]){{{several}}},\n"
        f"        {places.constants['exponentials']}, UINT64_C({step.ratio}),"
        f" {quantization_of(result).zero_point},\n"
        f"        {seen}, {source}, {places.values[step.output]});"
    )


def _steps(shape: Shape) -> tuple[int, int, int]:
    """Count samples from a channel, a row and a column to the next; 0 where there is one."""
    channels, rows, columns = shape
    steps = (1, columns * channels, channels)
    return (
        0 if channels == 1 else steps[0],
        0 if rows == 1 else steps[1],
        0 if columns == 1 else steps[2],
    )
