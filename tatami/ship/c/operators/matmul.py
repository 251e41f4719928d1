"""Products of two values of bytes that both change, in C: kernels/int8/matmul.c."""

from __future__ import annotations

from tatami.program.steps import Program, QuantizedMatMul
from tatami.ship.c.general.nest import indented, loop, place, strides_of
from tatami.ship.c.operator import Decision, Options, Places, quantization_of, structure


def decide(program: Program, step: QuantizedMatMul, options: Options) -> Decision:
    """Ask for the kernel."""
    return Decision(kernels=("int8/matmul",))


def emit(program: Program, step: QuantizedMatMul, places: Places, options: Options) -> str:
    """Write loops over the axes in front, around the call of the kernel."""
    a, _, to = step.sides
    za, zb = (quantization_of(program.values[name]).zero_point for name in step.inputs)
    front = len(to) - 2
    strides = [_strides(sides, len(to)) for sides in step.sides]
    layer = structure(
        "net_matmul_layer",
        [
            {"rows": to[-2], "length": a[-1], "columns": to[-1]},
            {"a_row": strides[0][-2], "a_column": strides[0][-1]},
            {"b_row": strides[1][-2], "b_column": strides[1][-1]},
            {"out_row": strides[2][-2], "out_column": strides[2][-1]},
            {"a_zero_point": za, "b_zero_point": zb},
            {"multiplier": step.multiplier, "shift": step.shift},
            {"zero_point": quantization_of(program.values[step.output]).zero_point},
            {"low": step.low, "high": step.high},
        ],
    )
    names = [f"f{axis}" for axis in range(front)]
    pointers = (*(places.values[name] for name in step.inputs), places.values[step.output])
    ends = ", ".join(
        f"{pointer} + {place(names, one[:front])}"
        for pointer, one in zip(pointers, strides, strict=True)
    )
    call = f"net_matmul_u8({layer},\n        {ends});"
    body = loop([(name, to[axis]) for axis, name in enumerate(names)], call)
    return "{\n    " + indented(body).replace("\n", "\n    ") + "\n    }"


def _strides(sides: tuple[int, ...], rank: int) -> tuple[int, ...]:
    """Say how far samples lie apart along each axis, 0 where there is one index or no axis."""
    known = zip(sides, strides_of(sides), strict=True)
    own = tuple(0 if side == 1 else stride for side, stride in known)
    return (0,) * (rank - len(sides)) + own
