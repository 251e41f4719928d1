"""The sum of two maps of bytes as LiteRT's reference kernels have it: int8/add_as_reference.c."""

from __future__ import annotations

from tatami.program.steps import AddAsReference, Program
from tatami.ship.c.operator import Decision, Options, Places, count, quantization_of, structure


def decide(program: Program, step: AddAsReference, options: Options) -> Decision:
    """Ask for the kernel, in place of an input: it goes sample by sample."""
    kernels = ("activate", "results", "int8/round_as_reference", "int8/add_as_reference")
    return Decision(kernels, in_place=True)


def emit(program: Program, step: AddAsReference, places: Places, options: Options) -> str:
    """Write the call of the kernel."""
    names = (*step.inputs, step.output)
    zeros = [quantization_of(program.values[name]).zero_point for name in names]
    rows: list[dict[str, int | str]] = [
        {
            f"{prefix}zero_point": zero,
            f"{prefix}multiplier": multiplier,
            f"{prefix}shift": shift,
        }
        for prefix, zero, multiplier, shift in zip(
            ("a_", "b_", ""), zeros, step.multipliers, step.shifts, strict=True
        )
    ]
    layer = structure("net_reference_add", [*rows, {"low": step.low, "high": step.high}])
    first, second, to = (places.values[name] for name in names)
    length = count(program.values[step.output].shape)
    return f"net_add_as_reference({layer},\n        {first}, {second}, {length}, {to});"
