"""The inputs of an ONNX file get one size: a batch of one, and whatever else is left open."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import onnx
from onnx import helper, numpy_helper

from tatami.errors import TatamiError
from tatami.graph.form import MAX_ELEMENTS
from tatami.types import Size

_FEW = (1, 3, 4)
"""Channels of a picture."""
_WHOLE = (onnx.TensorProto.INT32, onnx.TensorProto.INT64, onnx.TensorProto.BOOL)
"""Kinds of a number that chooses."""


@dataclass(frozen=True)
class Given:
    """Hold what is said of a file's inputs.

    Args:
        size: Of the first input, a picture.
        shape: Of inputs by name, the batch included.
        fix: Inputs that are always one number, by name.
    """

    size: Size | None = None
    shape: Mapping[str, Sequence[int]] = field(default_factory=dict)
    fix: Mapping[str, float] = field(default_factory=dict)


def bind_inputs(model: onnx.ModelProto, given: Given) -> None:
    """Give every input one shape, and make constants of those that are fixed.

    What is not said: an open batch is 1, and so is every side of its name; sides of one name are
    equal.

    Raises:
        TatamiError: For what is said of no input or does not fit it, for a side that stays open,
            and for a batch of pictures that a constant speaks of.
    """
    names = [value.name for value in model.graph.input]
    for setting, said in (("shape", given.shape), ("fix", given.fix)):
        for name in said:
            if name not in names:
                raise TatamiError(
                    f"the network has no input '{name}'",
                    hint=f"its inputs are {', '.join(names)}",
                    setting=setting,
                )
    _fix(model, given.fix)
    known: dict[str, int] = {}
    for value in model.graph.input:
        sides = value.type.tensor_type.shape.dim
        if value.name in given.shape:
            _say(value, given.shape[value.name], known)
        elif sides and not sides[0].HasField("dim_value") and sides[0].dim_param:
            known.setdefault(sides[0].dim_param, 1)
    for index, value in enumerate(model.graph.input):
        if value.name not in given.shape:
            _bind(model, value, known, given.size if index == 0 else None)
    for output in model.graph.output:  # they have other sizes now
        output.type.tensor_type.ClearField("shape")
    del model.graph.value_info[:]


def check_branches(model: onnx.ModelProto) -> None:
    """Check that no branch is left whose course one whole number of the inputs decides.

    Raises:
        TatamiError: Naming that input, which could be fixed.
    """
    makers = {name: node for node in model.graph.node for name in node.output}
    single = {
        value.name
        for value in model.graph.input
        if value.type.tensor_type.elem_type in _WHOLE
        and all(side.dim_value == 1 for side in value.type.tensor_type.shape.dim)
    }
    for node in model.graph.node:
        if node.op_type != "If" or not node.input:
            continue
        waiting, seen = [node.input[0]], set[str]()
        while waiting:
            name = waiting.pop()
            if name in single:
                raise TatamiError(
                    f"which way the network goes is decided by its input '{name}'",
                    hint=f"say what it always is, as {name}=1",
                    setting="fix",
                )
            if name in makers and name not in seen:
                seen.add(name)
                waiting += makers[name].input


def _fix(model: onnx.ModelProto, fixed: Mapping[str, float]) -> None:
    kept = []
    for value in model.graph.input:
        if value.name not in fixed:
            kept.append(value)
            continue
        kind = value.type.tensor_type
        shape = [side.dim_value or 1 for side in kind.shape.dim]
        if math.prod(shape) > MAX_ELEMENTS:
            raise TatamiError(
                f"the input '{value.name}' has the shape {tuple(shape)}, too large to be fixed",
                hint="fix what is a number",
                setting="fix",
            )
        array = np.full(shape, fixed[value.name])
        dtype = helper.tensor_dtype_to_np_dtype(kind.elem_type)
        model.graph.initializer.append(numpy_helper.from_array(array.astype(dtype), value.name))
    del model.graph.input[:]
    model.graph.input.extend(kept)


def _say(value: onnx.ValueInfoProto, shape: Sequence[int], known: dict[str, int]) -> None:
    """Give an input the shape that is said of it, and remember the names of its sides."""
    sides = value.type.tensor_type.shape.dim
    if len(shape) != len(sides) or min(shape, default=1) < 1:
        raise TatamiError(
            f"the input '{value.name}' has {len(sides)} axes, not the shape {tuple(shape)}",
            hint=f"its sides are ({_said(value)})",
            setting="shape",
        )
    for side, length in zip(sides, shape, strict=True):
        if side.dim_param and known.setdefault(side.dim_param, length) != length:
            raise TatamiError(
                f"the side '{side.dim_param}' is said to be {known[side.dim_param]} and {length}",
                hint="sides of one name are equal",
                setting="shape",
            )
        side.dim_value = length


def _bind(
    model: onnx.ModelProto, value: onnx.ValueInfoProto, known: Mapping[str, int], size: Size | None
) -> None:
    """Give an input its shape, of which nothing but perhaps the size is said."""
    sides = value.type.tensor_type.shape.dim
    if not sides:
        return
    batch = sides[0].dim_value if sides[0].HasField("dim_value") else 0
    if len(sides) == 4 and batch > 1:
        _refuse_batch(model, batch)
    if not batch or len(sides) == 4:
        sides[0].dim_value = 1
    if size is not None and len(sides) == 4:
        rows, columns = (1, 2) if _channels_last(value) else (2, 3)
        sides[rows].dim_value, sides[columns].dim_value = size.height, size.width
    for side in sides:
        if not side.HasField("dim_value") and side.dim_param in known:
            side.dim_value = known[side.dim_param]
    if all(side.HasField("dim_value") for side in sides):
        return
    picture = len(sides) == 4 and size is None
    raise TatamiError(
        f"the input '{value.name}' leaves its sides open: ({_said(value)})",
        hint="say which size, as 352x288" if picture else f"say its shape, as {_example(value)}",
        setting="size" if picture else "shape",
    )


def _channels_last(value: onnx.ValueInfoProto) -> bool:
    """Tell whether a picture's channels lie last: there are few, and none could be first."""
    sides = value.type.tensor_type.shape.dim
    first, last = (
        side.dim_value if side.HasField("dim_value") else 0 for side in (sides[1], sides[3])
    )
    return last in _FEW and first not in _FEW


def _said(value: onnx.ValueInfoProto) -> str:
    return ", ".join(
        str(side.dim_value) if side.HasField("dim_value") else side.dim_param or "?"
        for side in value.type.tensor_type.shape.dim
    )


def _example(value: onnx.ValueInfoProto) -> str:
    sides = value.type.tensor_type.shape.dim
    lengths = (side.dim_value if side.HasField("dim_value") else 512 for side in sides)
    return f"{value.name}={'x'.join(map(str, lengths))}"


def _refuse_batch(model: onnx.ModelProto, batch: int) -> None:
    """Raise TatamiError where a constant of the network speaks of its batch."""
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        reshapes = node.op_type == "Reshape" and len(node.input) > 1
        shape = weights.get(node.input[1]) if reshapes else None
        if shape is None:
            continue
        try:
            target = numpy_helper.to_array(shape)
        except (ValueError, TypeError, KeyError, OSError):  # said by the checks that follow
            continue
        if target.size and int(target.flat[0]) == batch:
            raise TatamiError(
                f"Reshape '{node.output[0]}' speaks of a batch of {batch}: with one picture it "
                "would mix samples",
                hint="export the network with a batch of 1",
            )
