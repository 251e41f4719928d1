"""Layer normalization of bytes in C: kernels/int8/layer_norm.c."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from tatami.program.steps import Program, QuantizedLayerNorm
from tatami.ship.c.operator import Decision, Options, Places, lines, quantization_of, structure


def decide(program: Program, step: QuantizedLayerNorm, options: Options) -> Decision:
    """Ask for the kernel, in place: a sample is read before it is written."""
    constants: dict[str, NDArray[Any]] = {
        "multiplier": step.constants.multiplier,
        "addend": step.constants.addend,
    }
    return Decision(kernels=("int8/layer_norm",), in_place=True, constants=constants)


def emit(program: Program, step: QuantizedLayerNorm, places: Places, options: Options) -> str:
    """Write the call of the kernel."""
    result = program.values[step.output]
    counts = ", ".join(map(str, lines(result.shape, step.axis)))
    normal = structure(
        "net_normal",
        [
            {
                "multiplier": places.constants["multiplier"],
                "addend": places.constants["addend"],
            },
            {"shift": step.constants.shift, "zero_point": quantization_of(result).zero_point},
            {"epsilon": f"INT64_C({step.constants.epsilon})"},
        ],
    )
    ends = f"{places.values[step.inputs[0]]}, {places.values[step.output]}"
    return f"net_layer_norm_u8({normal},\n        {counts}, {ends});"
