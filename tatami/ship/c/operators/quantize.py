"""From float32 to bytes and back in C: kernels/int8/quantize.c."""

from __future__ import annotations

from tatami.program.steps import Dequantize, Program, Quantize
from tatami.ship.c.operator import Decision, Options, Places, count, number, quantization_of


def decide(program: Program, step: Quantize | Dequantize, options: Options) -> Decision:
    """Ask for the kernel alone."""
    return Decision(kernels=("int8/quantize",))


def emit(program: Program, step: Quantize | Dequantize, places: Places, options: Options) -> str:
    """Write the call of the kernel."""
    source, result = program.values[step.inputs[0]], program.values[step.output]
    forward = isinstance(step, Quantize)
    quantization = quantization_of(result if forward else source)
    return (
        f"net_{'quantize' if forward else 'dequantize'}_map({number(quantization.scale)},"
        f" {quantization.zero_point}, {places.values[step.inputs[0]]}, {count(result.shape)},"
        f" {places.values[step.output]});"
    )
