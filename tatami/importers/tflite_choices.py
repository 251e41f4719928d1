"""TFLite's operators that choose, count and compare whole numbers, as ONNX."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from tatami.importers.build import Attribute, Shape
from tatami.importers.tflite_functions import together
from tatami.importers.tflite_moves import axis_in_onnx, gather_known
from tatami.importers.tflite_network import KINDS, Work, first, turns
from tatami.importers.tflite_options import flag, integer
from tatami.importers.tflite_schema import Operator


def _as_in_file(work: Work, operator: Operator, index: int) -> str:
    """Give an input whose axes lie as in the file."""
    x = work.operand(operator, index)
    if not turns(work.shape(x)):
        return x if len(work.shape(x)) != 4 else _reshaped(work, operator, index, x)
    return work.builder.transpose(f"{work.name(operator)}_as{index}", x, (0, 2, 3, 1))


def _reshaped(work: Work, operator: Operator, index: int, x: str) -> str:
    shape, kind = work.shape(x), work.builder.kind(x)
    return work.builder.reshape(f"{work.name(operator)}_as{index}", x, shape, kind)


def _finish_as_in_file(work: Work, operator: Operator, y: str, output: int = 0) -> None:
    """Note what an operator makes, whose axes lie as in the file."""
    shape = work.builder.shape(y)
    if len(shape) == 4:
        name = f"{work.name(operator)}_first{output}"
        if turns(shape):
            y = work.builder.transpose(name, y, (0, 3, 1, 2))
        else:
            y = work.builder.reshape(name, y, first(shape), work.builder.kind(y))
    work.finish(operator, y, output=output)


def _numbers(work: Work, operator: Operator, name: str, numbers: int | Sequence[int]) -> str:
    return work.builder.weight(f"{work.name(operator)}.{name}", np.asarray(numbers, np.int64))


def _one(work: Work, operator: Operator, index: int) -> int:
    """Read a constant input of one whole number."""
    numbers = work.integers_of(operator, index)
    if len(numbers) != 1:
        raise work.wrong(operator, f"has an input {index} of {len(numbers)} numbers")
    return numbers[0]


def _top(work: Work, operator: Operator) -> None:
    """TOPK_V2: along the last axis."""
    x, count = work.operand(operator, 0), _one(work, operator, 1)
    shape, builder, name = work.shape(x), work.builder, work.name(operator)
    if not shape or not 1 <= count <= shape[-1]:
        raise work.wrong(operator, f"keeps {count} of {shape}")
    made = first((*shape[:-1], count))
    axis = axis_in_onnx(-1, len(shape))
    kinds = [(made, builder.kind(x)), (made, KINDS["int64"])]
    inputs = [x, _numbers(work, operator, "count", [count])]
    values, places = builder.add_several("TopK", name, inputs, kinds, {"axis": axis})
    work.finish(operator, values)
    narrow = builder.add(
        "Cast", f"{name}_places", [places], made, {"to": KINDS["int32"]}, KINDS["int32"]
    )
    work.finish(operator, narrow, output=1)


def _one_hot(work: Work, operator: Operator) -> None:
    places, name = _as_in_file(work, operator, 0), work.name(operator)
    depth = _one(work, operator, 1)
    on, off = work.reals(operator, 2), work.reals(operator, 3)
    if on is None or off is None or depth < 1:
        raise work.wrong(operator, "says not what stands where")
    sides = work.builder.shape(places)
    axis = integer(operator, 0) % (len(sides) + 1)
    values = np.array([off.reshape(-1)[0], on.reshape(-1)[0]], np.float32)
    inputs = [
        places,
        _numbers(work, operator, "depth", depth),
        work.builder.constant(f"{name}.values", values),
    ]
    made = (*sides[:axis], depth, *sides[axis:])
    _finish_as_in_file(
        work, operator, work.builder.add("OneHot", name, inputs, made, {"axis": axis})
    )


def _gather_nd(work: Work, operator: Operator) -> None:
    x, places = (_as_in_file(work, operator, index) for index in (0, 1))
    sides, of = work.builder.shape(x), work.builder.shape(places)
    if not of or of[-1] > len(sides):
        raise work.wrong(operator, f"takes places {of} of {sides}")
    wide = _wide(work, operator, places)
    made = (*of[:-1], *sides[of[-1] :])
    kind = work.builder.kind(x)
    y = work.builder.add("GatherND", work.name(operator), [x, wide], made, kind=kind)
    _finish_as_in_file(work, operator, y)


def _wide(work: Work, operator: Operator, places: str) -> str:
    """Give places as whole numbers of 64 bits."""
    name, shape = f"{work.name(operator)}_wide", work.builder.shape(places)
    return work.builder.add("Cast", name, [places], shape, {"to": KINDS["int64"]}, KINDS["int64"])


def _gather(work: Work, operator: Operator) -> None:
    """GATHER; its places may be computed, as those of words."""
    if work.is_constant(operator, 1):
        gather_known(work, operator)
        return
    x, places = (_as_in_file(work, operator, index) for index in (0, 1))
    sides, of = work.builder.shape(x), work.builder.shape(places)
    axis = integer(operator, 0)
    if integer(operator, 1) or not -len(sides) <= axis < len(sides):
        raise work.wrong(operator, f"takes places along axis {axis} of {sides}, by picture")
    axis %= len(sides)
    made = (*sides[:axis], *of, *sides[axis + 1 :])
    attributes: dict[str, Attribute] = {"axis": axis}
    kind, name = work.builder.kind(x), work.name(operator)
    y = work.builder.add("Gather", name, [x, _wide(work, operator, places)], made, attributes, kind)
    _finish_as_in_file(work, operator, y)


def _running(work: Work, operator: Operator) -> None:
    x, axis = work.operand(operator, 0), _one(work, operator, 1)
    shape = work.builder.shape(x)
    if not -len(shape) <= axis < len(shape):
        raise work.wrong(operator, f"runs along axis {axis} of {work.shape(x)}")
    along = _numbers(work, operator, "axis", axis_in_onnx(axis, len(shape)))
    attributes: dict[str, Attribute] = {
        "exclusive": int(flag(operator, 0)),
        "reverse": int(flag(operator, 1)),
    }
    name, kind = work.name(operator), work.builder.kind(x)
    work.finish(operator, work.builder.add("CumSum", name, [x, along], shape, attributes, kind))


def _floor_division(work: Work, operator: Operator) -> None:
    """FLOOR_DIV and FLOOR_MOD: the rest has the sign of the divisor."""
    values = together(work, operator, (0, 1))
    builder, name = work.builder, work.name(operator)
    shape = tuple(np.broadcast_shapes(*(builder.shape(value) for value in values)))
    kind = builder.kind(values[0])
    real = kind == KINDS["float32"]

    def add(made: str, part: str, inputs: Sequence[str], **attributes: int) -> str:
        return builder.add(made, f"{name}{part}", inputs, shape, attributes, kind)

    if real and operator.kind == "FLOOR_DIV":
        work.finish(operator, add("Floor", "", [add("Div", "_quotient", values)]))
        return
    rest = add("Mod", "_rest", values, fmod=int(real))
    if real:
        rest = add("Mod", "_moved", [add("Add", "_sum", [rest, values[1]]), values[1]], fmod=1)
    if operator.kind == "FLOOR_MOD":
        work.finish(operator, rest)
    else:
        work.finish(operator, add("Div", "", [add("Sub", "_whole", [values[0], rest]), values[1]]))


def _any(work: Work, operator: Operator) -> None:
    """REDUCE_ANY and REDUCE_ALL, as the largest and the smallest."""
    x, name, builder = work.operand(operator, 0), work.name(operator), work.builder
    shape, asked = work.shape(x), work.integers_of(operator, 1)
    if not all(-len(shape) <= axis < len(shape) for axis in asked):
        raise work.wrong(operator, f"works along axes {asked} of {shape}")
    axes = {axis % len(shape) for axis in asked}
    own = sorted(axis_in_onnx(axis, len(shape)) for axis in axes)
    given = builder.shape(x)
    made: Shape = tuple(1 if at in own else side for at, side in enumerate(given))
    real = builder.add("Cast", f"{name}_real", [x], given, {"to": KINDS["float32"]})
    chosen = "ReduceMax" if operator.kind == "REDUCE_ANY" else "ReduceMin"
    y = builder.add(
        chosen, f"{name}_one", [real, _numbers(work, operator, "axes", own)], made, {"keepdims": 1}
    )
    y = builder.add("Cast", name, [y], made, {"to": KINDS["bool"]}, KINDS["bool"])
    if not flag(operator, 0):  # keep_dims
        left = tuple(side for at, side in enumerate(shape) if at not in axes)
        y = work.regrouped(f"{name}_row", y, left)
    work.finish(operator, y)


def _zeros_like(work: Work, operator: Operator) -> None:
    x = work.operand(operator, 0)
    _constant(work, operator, work.shape(x), 0.0, work.builder.kind(x))


def _fill(work: Work, operator: Operator) -> None:
    value = work.reals(operator, 1)
    if value is None or value.size != 1:
        raise work.wrong(operator, "is filled with no number")
    shape = tuple(work.integers_of(operator, 0))
    _constant(work, operator, shape, float(value.reshape(-1)[0]), KINDS["float32"])


def _constant(
    work: Work, operator: Operator, shape: Sequence[int], number: float, kind: int
) -> None:
    if kind != KINDS["float32"] or min(shape, default=1) < 1:
        raise work.wrong(operator, f"fills {tuple(shape)} with no real numbers")
    work.hold(int(np.prod(shape, dtype=np.float64)))
    work.constants[operator.outputs[0]] = np.full(tuple(shape), number, np.float32)


OPERATORS: Mapping[str, Callable[[Work, Operator], None]] = {
    "CUMSUM": _running,
    "FILL": _fill,
    "FLOOR_DIV": _floor_division,
    "FLOOR_MOD": _floor_division,
    "GATHER": _gather,
    "GATHER_ND": _gather_nd,
    "ONE_HOT": _one_hot,
    "REDUCE_ALL": _any,
    "REDUCE_ANY": _any,
    "TOPK_V2": _top,
    "ZEROS_LIKE": _zeros_like,
}
"""Those of this file."""
