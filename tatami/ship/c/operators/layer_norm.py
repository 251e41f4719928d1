"""Layer normalization of bytes in C: kernels/int8/layer_norm.c and add_norm.c."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from tatami.program.steps import Program, QuantizedAddNorm, QuantizedLayerNorm
from tatami.ship.c.operator import Decision, Options, Places, lines, quantization_of, structure

Norm = QuantizedLayerNorm | QuantizedAddNorm


def decide(program: Program, step: Norm, options: Options) -> Decision:
    """Ask for the kernel, in place: a sample is read before it is written."""
    constants: dict[str, NDArray[Any]] = {
        "multiplier": step.constants.multiplier,
        "addend": step.constants.addend,
    }
    kernels: tuple[str, ...] = ("int8/layer_norm",)
    if isinstance(step, QuantizedAddNorm):
        constants["second"] = step.sum.second
        kernels = (*kernels, "int8/add_norm")
    return Decision(kernels=kernels, in_place=True, constants=constants)


def emit(program: Program, step: Norm, places: Places, options: Options) -> str:
    """Write the call of the kernel."""
    result = program.values[step.output]
    counts = ", ".join(map(str, lines(result.shape, step.axis)))
    if isinstance(step, QuantizedAddNorm):
        return _with_sums(program, step, places, counts)
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


def _with_sums(program: Program, step: QuantizedAddNorm, places: Places, counts: str) -> str:
    """Write the call of the kernel that adds the sums of a layer first."""
    source, result = program.values[step.inputs[0]], program.values[step.output]
    normal = structure(
        "net_add_normal",
        [
            {name: places.constants[name] for name in ("second", "multiplier", "addend")},
            {"first": step.sum.first, "sum_shift": step.sum.shift},
            {"from_zero_point": quantization_of(source).zero_point},
            {"shift": step.constants.shift, "zero_point": quantization_of(result).zero_point},
            {"epsilon": f"INT64_C({step.constants.epsilon})"},
        ],
    )
    ends = ", ".join(places.values[name] for name in (*step.inputs, step.output))
    return f"net_add_norm_u8({normal},\n        {counts}, {ends});"
