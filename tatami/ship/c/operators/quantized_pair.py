"""Two maps of bytes, place by place, in C: kernels/int8/add*.c, pairs.c and its kinds of lines."""

from __future__ import annotations

from tatami.program.steps import Program, QuantizedAdd, QuantizedExtreme, QuantizedMultiply, Shape
from tatami.ship.c.operator import Decision, Options, Places, count, quantization_of, structure

Pair = QuantizedAdd | QuantizedMultiply | QuantizedExtreme


def decide(program: Program, step: Pair, options: Options) -> Decision:
    """Ask for the kernel, in place of an input of the same size: it goes sample by sample."""
    kernels: tuple[str, ...]
    match step:
        case QuantizedAdd():
            kernels = ("int8/pairs", "int8/pair_clamp", "int8/add_pairs")
            if _alike(program, step):
                kernels = ("int8/add_portable", "int8/add_avx512", "int8/add_neon", "int8/add")
        case QuantizedMultiply():
            kernels = ("int8/pairs", "int8/pair_clamp", "int8/multiply")
        case QuantizedExtreme():
            kernels = ("int8/pairs", f"int8/{step.operation}")
    return Decision(kernels=kernels, in_place=True)


def emit(program: Program, step: Pair, places: Places, options: Options) -> str:
    """Write the call of the kernel."""
    first, second = (places.values[name] for name in step.inputs)
    to = places.values[step.output]
    shape = program.values[step.output].shape
    if isinstance(step, QuantizedAdd) and _alike(program, step):
        layer = structure("net_add_layer", _layer(program, step))
        return f"net_add_u8({layer},\n        {first}, {second}, {count(shape)}, {to});"
    a, b = (program.values[name].shape for name in step.inputs)
    if _alike(program, step):  # one long line
        a = b = shape = (count(shape), 1, 1)
    channels, rows, columns = shape
    sides = structure(
        "net_pairs",
        [
            {"rows": rows, "columns": columns, "channels": channels},
            {"a_row": _steps(a)[0], "a_column": _steps(a)[1], "a_channel": _steps(a)[2]},
            {"b_row": _steps(b)[0], "b_column": _steps(b)[1], "b_channel": _steps(b)[2]},
        ],
    )
    layer = structure("net_pair_layer", _layer(program, step))
    return (
        f"net_pairs_u8(net_{_line(step)}_line, {layer},\n"
        f"        {sides},\n"
        f"        {first}, {second}, {to});"
    )


def _alike(program: Program, step: Pair) -> bool:
    """Tell whether no axis is repeated."""
    shapes = {program.values[name].shape for name in (*step.inputs, step.output)}
    return len(shapes) == 1


def _line(step: Pair) -> str:
    match step:
        case QuantizedAdd():
            return "add"
        case QuantizedMultiply():
            return "multiply"
        case QuantizedExtreme():
            return step.operation


def _layer(program: Program, step: Pair) -> list[dict[str, int | str]]:
    """Give what the line needs of the two values and the result."""
    a, b = (quantization_of(program.values[name]).zero_point for name in step.inputs)
    zero_point = quantization_of(program.values[step.output]).zero_point
    match step:
        case QuantizedAdd():
            return [
                {"a_zero_point": a, "a_multiplier": step.multipliers[0]},
                {"b_zero_point": b, "b_multiplier": step.multipliers[1]},
                {"zero_point": zero_point, "shift": step.shift},
                {"low": step.low, "high": step.high},
            ]
        case QuantizedMultiply():
            return [
                {"a_zero_point": a, "a_multiplier": step.multiplier, "b_zero_point": b},
                {"zero_point": zero_point, "shift": step.shift},
                {"low": step.low, "high": step.high},
            ]
        case QuantizedExtreme():
            return [{"low": 0, "high": 255}]


def _steps(shape: Shape) -> tuple[int, int, int]:
    """Count samples from a row, a column and a channel to the next: 0 along a repeated axis."""
    channels, rows, columns = shape
    return (
        0 if rows == 1 else columns * channels,
        0 if columns == 1 else channels,
        0 if channels == 1 else 1,
    )
