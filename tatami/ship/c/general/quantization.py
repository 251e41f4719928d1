"""Quantizing and back, of any axis and width, in C."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tatami.graph.attributes import integer
from tatami.graph.network import shape_of
from tatami.graph.operators.quantization import along
from tatami.ops.narrow import FORMATS, WHOLE, widened
from tatami.ship.c.general.kinds import bits_of, dtype_of, narrow_kernels, read, stored
from tatami.ship.c.general.loops import Loops
from tatami.ship.c.general.nest import General, Operand, each, loop, row_major
from tatami.ship.c.operator import C_TYPES, number

_NAMES = {1: "scale", 2: "zero"}


def _settings(general: General) -> dict[str, NDArray[Any]]:
    """Give the scales and zero points that are no single number, each along x's axes."""
    found = {}
    x = np.broadcast_to(np.float32(0), shape_of(_first(general)))
    for index, name in _NAMES.items():
        given = general.setting(index)
        if given is not None and given.size > 1:
            found[name] = np.ascontiguousarray(along(general.node, x, widened(given)))
    return found


def _first(general: General) -> Any:
    return general.node.inputs[0]


def _numbers(general: General) -> tuple[list[Operand], list[str]]:
    """Give what is read beside x, and how scale and zero point are written: {1}, a number, ...

    A scale that is computed is one number, or one of each index of the axis.
    """
    sides = general.result.sides
    axis = integer(general.node, "axis", 1)
    operands: list[Operand] = []
    texts = ["1.0f", "0"]
    arrays = _settings(general)
    for index, name in _NAMES.items():
        given = general.setting(index)
        if name in arrays:
            assert general.constants is not None
            array = arrays[name]
            one = Operand(
                general.constants[name],
                C_TYPES[array.dtype.name],
                array.shape,
                row_major(array.shape),
            )
        elif given is not None:
            single = widened(given).reshape(-1)[0]
            texts[index - 1] = number(float(single)) if index == 1 else str(int(single))
            continue
        elif index in general.operands:
            one = general.operand(index)
            if one.size == 1:
                one = Operand(one.name, one.kind, (), ())
            elif len(one.sides) == 1:
                form = [1] * len(sides)
                form[axis] = one.size
                one = Operand(
                    one.name, one.kind, tuple(form), tuple(int(side > 1) for side in form)
                )
        else:
            continue
        operands.append(one)
        texts[index - 1] = f"{{{len(operands)}}}"
    return operands, texts


def _quantize(general: General) -> str:
    """Write QuantizeLinear."""
    kind, made = general.result.kind, dtype_of(general.node.outputs[0])
    given = dtype_of(general.node.inputs[0])
    operands, (scale, zero) = _numbers(general)
    saturate = bool(integer(general.node, "saturate", 1))

    def body(y: str, x: Sequence[str]) -> str:
        if made in FORMATS:
            step = f"const float step = {read(x[0], given)} / {scale.format(*x)};"
            end = stored("step", "float", made, kind, saturate, "up")
            return f"{step}\n\n{y} = ({kind}){end};"
        low, high = _limits(made)
        held = f"(int32_t)(step < {low} ? {low} : step > {high} ? {high} : step)"
        if made in WHOLE:
            held = f"({held} & {high - low})"
        return (
            f"float step = nearbyintf({read(x[0], given)} / {scale.format(*x)});\n\n"
            "step = step == step ? step : 0.0f;\n"
            f"step += {zero.format(*x)};\n{y} = ({kind}){held};"
        )

    return each(general.result, [general.operand(0), *operands], body)


def _limits(dtype: str) -> tuple[int, int]:
    if dtype in WHOLE:
        return WHOLE[dtype]
    limits = np.iinfo(np.dtype(dtype))
    return int(limits.min), int(limits.max)


def _dequantize(general: General) -> str:
    """Write DequantizeLinear."""
    kind, given = general.operand(0).kind, dtype_of(general.node.inputs[0])
    operands, (scale, zero) = _numbers(general)
    made, result = dtype_of(general.node.outputs[0]), general.result.kind
    wide = "int64_t" if bits_of(kind) > 16 else "int32_t"
    if given in FORMATS:
        wide = "float"

    def body(y: str, x: Sequence[str]) -> str:
        steps = f"({wide})({read(x[0], given)}) - {zero.format(*x)}"
        real = f"(float)({steps}) * {scale.format(*x)}"
        if made == "float32":
            return f"{y} = {real};"
        end = stored("real", "float", made, result, True, "up")
        return f"const float real = {real};\n\n{y} = ({result}){end};"

    return each(general.result, [general.operand(0), *operands], body)


def _dynamic(general: General) -> str:
    """Write an output of DynamicQuantizeLinear, each of which looks for the range by itself."""
    x = general.operand(0)
    search = loop(
        [("i", x.size)],
        "low = a0[i] < low ? a0[i] : low;\nhigh = a0[i] > high ? a0[i] : high;",
    )
    lines = [
        "float low = 0.0f, high = 0.0f, scale;",
        "",
        search,
        "scale = high > low ? (high - low) / 255.0f : 1.0f;",
    ]
    if general.step.index == 1:
        return "\n".join([*lines, "y[0] = scale;"])
    lines[0] = "float low = 0.0f, high = 0.0f, scale, zero;"
    lines.append("zero = fminf(fmaxf(nearbyintf(-low / scale), 0.0f), 255.0f);")
    store = "fminf(fmaxf(nearbyintf({0} / scale) + zero, 0.0f), 255.0f)"
    if general.step.index == 0:
        lines.append(
            each(general.result, [x], lambda y, of: f"{y} = (uint8_t){store.format(of[0])};")
        )
    else:
        lines.append("y[0] = (uint8_t)zero;")
    return "\n".join(lines)


ROWS: Mapping[str, Loops] = {
    "DequantizeLinear": Loops(_dequantize, constants=_settings, kernels=narrow_kernels),
    "DynamicQuantizeLinear": Loops(_dynamic),
    "QuantizeLinear": Loops(_quantize, constants=_settings, kernels=narrow_kernels),
}
