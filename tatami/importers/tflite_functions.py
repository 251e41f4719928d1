"""TFLite's functions of single samples, of several side by side, and of whole axes, as ONNX."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from tatami.importers.build import Attribute
from tatami.importers.tflite_moves import axis_in_onnx
from tatami.importers.tflite_network import KINDS, Work
from tatami.importers.tflite_options import flag, integer, real
from tatami.importers.tflite_schema import Operator

_FUNCTIONS: Mapping[str, tuple[str, Mapping[str, Attribute]]] = {
    "ABS": ("Abs", {}),
    "CEIL": ("Ceil", {}),
    "COS": ("Cos", {}),
    "ELU": ("Elu", {"alpha": 1.0}),
    "EXP": ("Exp", {}),
    "FLOOR": ("Floor", {}),
    "HARD_SWISH": ("HardSwish", {}),
    "LOG": ("Log", {}),
    "LOGISTIC": ("Sigmoid", {}),
    "NEG": ("Neg", {}),
    "ROUND": ("Round", {}),
    "SIGN": ("Sign", {}),
    "SIN": ("Sin", {}),
    "SQRT": ("Sqrt", {}),
    "TANH": ("Tanh", {}),
}
"""TFLite's name: ONNX's, and its attributes."""


def _function(work: Work, operator: Operator) -> None:
    x, (name, attributes) = work.operand(operator, 0), _FUNCTIONS[operator.kind]
    shape = work.builder.shape(x)
    kind = work.builder.kind(x)
    work.finish(operator, work.builder.add(name, work.name(operator), [x], shape, attributes, kind))


def _gelu(work: Work, operator: Operator) -> None:
    """GELU as ONNX's set 18 has it: of functions that it is made of."""
    x, name, builder = work.operand(operator, 0), work.name(operator), work.builder
    shape = builder.shape(x)
    if flag(operator, 0):  # by tanh
        inner = builder.number("Pow", f"{name}/cube", x, 3.0)
        inner = builder.number("Mul", f"{name}/part", inner, 0.044715)
        inner = builder.elementwise("Add", f"{name}/sum", inner, x)
        inner = builder.number("Mul", f"{name}/scaled", inner, float(np.sqrt(2 / np.pi)))
        inner = builder.add("Tanh", f"{name}/tanh", [inner], shape)
    else:
        inner = builder.number("Mul", f"{name}/scaled", x, float(1 / np.sqrt(2)))
        inner = builder.add("Erf", f"{name}/erf", [inner], shape)
    inner = builder.number("Add", f"{name}/one", inner, 1.0)
    inner = builder.number("Mul", f"{name}/half", inner, 0.5)
    work.finish(operator, builder.elementwise("Mul", name, inner, x))


def _square(work: Work, operator: Operator) -> None:
    x = work.operand(operator, 0)
    work.finish(operator, work.builder.elementwise("Mul", work.name(operator), x, x))


def _rsqrt(work: Work, operator: Operator) -> None:
    x, name = work.operand(operator, 0), work.name(operator)
    shape = work.builder.shape(x)
    root = work.builder.add("Sqrt", f"{name}_root", [x], shape)
    work.finish(operator, work.builder.add("Reciprocal", name, [root], shape))


_FUSED_FIELD = {"ADD": 0, "SUB": 0, "MUL": 0, "DIV": 0}
_PAIRS = {
    **{"ADD": "Add", "SUB": "Sub", "MUL": "Mul", "DIV": "Div", "POW": "Pow"},
    **{"MAXIMUM": "Max", "MINIMUM": "Min"},
}
_COMPARISONS = {
    **{"LESS": "Less", "LESS_EQUAL": "LessOrEqual", "GREATER": "Greater"},
    **{"GREATER_EQUAL": "GreaterOrEqual", "EQUAL": "Equal"},
    **{"LOGICAL_AND": "And", "LOGICAL_OR": "Or"},
}


def together(work: Work, operator: Operator, indices: Sequence[int]) -> list[str]:
    """Give inputs with as many axes each, ones in front in the file's order."""
    ranks = []
    for index in indices:
        tensor = work.tensor(operator, index)
        if tensor is None:
            raise work.wrong(operator, f"has no input {index}")
        constant = work.is_constant(operator, index)
        ranks.append(len(tensor.shape if constant else work.shape(work.value(operator, index))))
    rank = max(ranks)
    found = []
    for index, own in zip(indices, ranks, strict=True):
        value = work.operand(operator, index, rank)
        if own < rank and not work.is_constant(operator, index):
            sides = (1,) * (rank - own) + work.shape(value)
            value = work.regrouped(f"{work.name(operator)}_in{index}", value, sides)
        found.append(value)
    return found


def _broadcast(work: Work, operator: Operator, values: Sequence[str]) -> tuple[int, ...]:
    try:
        return tuple(np.broadcast_shapes(*(work.builder.shape(value) for value in values)))
    except ValueError:
        shapes = " and ".join(str(work.shape(value)) for value in values)
        raise work.wrong(operator, f"combines {shapes}") from None


def _pair(work: Work, operator: Operator) -> None:
    values = together(work, operator, (0, 1))
    shape = _broadcast(work, operator, values)
    field = _FUSED_FIELD.get(operator.kind)
    fused = 0 if field is None else integer(operator, field, "int8")
    name, kind = work.raw_name(operator, fused), work.builder.kind(values[0])
    y = work.builder.add(_PAIRS[operator.kind], name, values, shape, kind=kind)
    work.finish(operator, y, fused)


def _squared_difference(work: Work, operator: Operator) -> None:
    values = together(work, operator, (0, 1))
    name = work.name(operator)
    y = work.builder.add("Sub", f"{name}_off", values, _broadcast(work, operator, values))
    work.finish(operator, work.builder.elementwise("Mul", name, y, y))


def _compare(work: Work, operator: Operator) -> None:
    values = together(work, operator, (0, 1))
    shape, name = _broadcast(work, operator, values), work.name(operator)
    if operator.kind == "NOT_EQUAL":
        y = work.builder.add("Equal", f"{name}_equal", values, shape, kind=KINDS["bool"])
        y = work.builder.add("Not", name, [y], shape, kind=KINDS["bool"])
    else:
        operator_name = _COMPARISONS[operator.kind]
        y = work.builder.add(operator_name, name, values, shape, kind=KINDS["bool"])
    work.finish(operator, y)


def _not(work: Work, operator: Operator) -> None:
    x = work.operand(operator, 0)
    shape = work.builder.shape(x)
    y = work.builder.add("Not", work.name(operator), [x], shape, kind=KINDS["bool"])
    work.finish(operator, y)


def _select(work: Work, operator: Operator) -> None:
    values = together(work, operator, (0, 1, 2))
    shape, kind = _broadcast(work, operator, values), work.builder.kind(values[1])
    work.finish(operator, work.builder.add("Where", work.name(operator), values, shape, kind=kind))


def _add_all(work: Work, operator: Operator) -> None:
    values = [work.operand(operator, index) for index in range(len(operator.inputs))]
    shape = _broadcast(work, operator, values)
    work.finish(operator, work.builder.add("Sum", work.name(operator), values, shape))


_REDUCTIONS = {
    **{"MEAN": "ReduceMean", "SUM": "ReduceSum", "REDUCE_MAX": "ReduceMax"},
    **{"REDUCE_MIN": "ReduceMin", "REDUCE_PROD": "ReduceProd"},
}


def _reduce(work: Work, operator: Operator) -> None:
    x = work.operand(operator, 0)
    shape, name = work.shape(x), work.name(operator)
    asked = work.integers_of(operator, 1)
    if not all(-len(shape) <= axis < len(shape) for axis in asked):
        raise work.wrong(operator, f"works along axes {asked} of {shape}")
    axes = {axis % len(shape) for axis in asked}
    own = sorted(axis_in_onnx(axis, len(shape)) for axis in axes)
    made = tuple(1 if at in own else side for at, side in enumerate(work.builder.shape(x)))
    if operator.kind == "MEAN" and len(shape) == 4 and axes == {1, 2}:
        y = work.builder.global_pool(name, x, "average")
    else:
        said = work.builder.weight(f"{name}.axes", np.asarray(own, np.int64))
        kind = work.builder.kind(x)
        attributes: dict[str, Attribute] = {"keepdims": 1}
        y = work.builder.add(_REDUCTIONS[operator.kind], name, [x, said], made, attributes, kind)
    if not flag(operator, 0):  # keep_dims
        tensor = work.content.tensors[operator.outputs[0]]
        if tensor.is_bytes:  # rounded where it is made, so that integers can make it
            y = work.through_bytes(tensor, y)
        left = tuple(side for at, side in enumerate(shape) if at not in axes)
        y = work.regrouped(f"{name}_row", y, left)
    work.finish(operator, y)


def _prelu(work: Work, operator: Operator) -> None:
    x = work.value(operator)
    rank = len(work.shape(x))
    slope = work.operand(operator, 1, rank)
    y = work.builder.add("PRelu", work.name(operator), [x, slope], work.builder.shape(x))
    work.finish(operator, y)


def _log_softmax(work: Work, operator: Operator) -> None:
    x = work.value(operator)
    shape = work.shape(x)
    attributes: dict[str, Attribute] = {"axis": axis_in_onnx(-1, len(shape))}
    y = work.builder.add("LogSoftmax", work.name(operator), [x], work.builder.shape(x), attributes)
    work.finish(operator, y)


def _l2_normalization(work: Work, operator: Operator) -> None:
    """L2_NORMALIZATION along the last axis; TFLite keeps the root from 1e-6 on."""
    x, name, builder = work.value(operator), work.name(operator), work.builder
    shape = work.shape(x)
    axis = axis_in_onnx(-1, len(shape))
    made = tuple(1 if at == axis else side for at, side in enumerate(builder.shape(x)))
    said = builder.weight(f"{name}.axes", np.asarray([axis], np.int64))
    norm = builder.add("ReduceL2", f"{name}_norm", [x, said], made, {"keepdims": 1})
    least = builder.weight(f"{name}.least", np.full([1] * len(made), 1e-6, np.float32))
    norm = builder.add("Max", f"{name}_held", [norm, least], made)
    y = builder.add("Div", name, [x, norm], builder.shape(x))
    work.finish(operator, y)


def _lrn(work: Work, operator: Operator) -> None:
    x = work.value(operator)
    radius = integer(operator, 0)
    size = 2 * radius + 1
    bias, alpha, beta = (real(operator, field) for field in (1, 2, 3))
    y = work.builder.lrn(work.name(operator), x, size, alpha * size, beta, bias)
    work.finish(operator, y)


def _matmul(work: Work, operator: Operator) -> None:
    """BATCH_MATMUL of values of two or three axes, which lie as in the file."""
    values = []
    for index, field in ((0, 0), (1, 1)):
        value = work.operand(operator, index)
        sides = work.shape(value)
        if len(sides) == 4:  # put back as the file has it: the product is of its last two axes
            value = work.builder.transpose(f"{work.name(operator)}_as{index}", value, (0, 2, 3, 1))
        if flag(operator, field):
            order = (*range(len(sides) - 2), len(sides) - 1, len(sides) - 2)
            value = work.builder.transpose(f"{work.name(operator)}_t{index}", value, order)
        values.append(value)
    a, b = (work.builder.shape(value) for value in values)
    if a[-1] != b[-2]:
        raise work.wrong(operator, f"multiplies {a} and {b}")
    shape = (*np.broadcast_shapes(a[:-2], b[:-2]), a[-2], b[-1])
    y = work.builder.add("MatMul", work.name(operator), values, shape)
    if len(shape) == 4:
        y = work.builder.transpose(f"{work.name(operator)}_first", y, (0, 3, 1, 2))
    work.finish(operator, y)


OPERATORS: Mapping[str, Callable[[Work, Operator], None]] = {
    **dict.fromkeys(_FUNCTIONS, _function),
    **dict.fromkeys(_PAIRS, _pair),
    **dict.fromkeys((*_COMPARISONS, "NOT_EQUAL"), _compare),
    **dict.fromkeys(_REDUCTIONS, _reduce),
    "ADD_N": _add_all,
    "BATCH_MATMUL": _matmul,
    "GELU": _gelu,
    "L2_NORMALIZATION": _l2_normalization,
    "LOCAL_RESPONSE_NORMALIZATION": _lrn,
    "LOGICAL_NOT": _not,
    "LOG_SOFTMAX": _log_softmax,
    "PRELU": _prelu,
    "RSQRT": _rsqrt,
    "SELECT": _select,
    "SELECT_V2": _select,
    "SQUARE": _square,
    "SQUARED_DIFFERENCE": _squared_difference,
}
"""Those of this file."""
