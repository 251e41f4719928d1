"""Addition of bytes in C: kernels/int8/add.c."""

from __future__ import annotations

from tatami.program.steps import Program, QuantizedAdd
from tatami.ship.c.operator import Decision, Options, Places, count, quantization_of, structure


def decide(program: Program, step: QuantizedAdd, options: Options) -> Decision:
    """Ask for the kernel, in place: it goes sample by sample."""
    return Decision(kernels=("int8/add",), in_place=True)


def emit(program: Program, step: QuantizedAdd, places: Places, options: Options) -> str:
    """Write the call of the kernel."""
    a, b = (program.values[name] for name in step.inputs)
    result = program.values[step.output]
    assert a.shape == b.shape == result.shape, step.name
    layer = structure(
        "net_add_layer",
        [
            {"a_zero_point": quantization_of(a).zero_point, "a_multiplier": step.multipliers[0]},
            {"b_zero_point": quantization_of(b).zero_point, "b_multiplier": step.multipliers[1]},
            {"zero_point": quantization_of(result).zero_point, "shift": step.shift},
            {"low": step.low, "high": step.high},
        ],
    )
    first, second = (places.values[name] for name in step.inputs)
    return (
        f"net_add_u8({layer},\n"
        f"        {first}, {second}, {count(result.shape)}, {places.values[step.output]});"
    )
