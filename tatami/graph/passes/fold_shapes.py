"""What follows from shapes alone is computed: the arithmetic by which a network finds its sides."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator

from tatami.errors import TatamiError
from tatami.graph.passes.unroll import numbers_of
from tatami.graph.shapes import known_shapes, sides_of

Array = NDArray[Any]

MAX_ROUNDS = 12
"""Shapes that are found once others are known, one after the other."""
MAX_GIVEN = 2**16
"""The most numbers of a constant that is computed with."""
MAX_MADE = 2**20
"""The most numbers of a constant that is made."""
BEGIN = ("ConstantOfShape", "Range", "Shape", "Size")
"""What the arithmetic of shapes begins with."""
_FOLDED = frozenset(
    (
        *(*BEGIN, "Abs", "Add", "And", "Cast", "CastLike", "Ceil", "Concat", "Constant", "Div"),
        *(
            "Equal",
            "Expand",
            "Flatten",
            "Floor",
            "Gather",
            "Greater",
            "GreaterOrEqual",
            "Identity",
            "Less",
        ),
        *("LessOrEqual", "Max", "Min", "Mod", "Mul", "Neg", "Not", "Or", "Pow", "Reciprocal"),
        *("ReduceProd", "ReduceSum", "Reshape", "Slice", "Sqrt", "Squeeze", "Sub", "Transpose"),
        *("Trilu", "Unsqueeze", "Where"),
    )
)
_KINDS = (np.float32, np.int64, np.int32, np.bool_, np.uint8, np.int8)


def fold_shapes(proto: onnx.ModelProto) -> None:
    """Replace by constants what depends on nothing but shapes and small constants.

    A network that asks no value for its shape is left as it is.

    Pre: none.  Post: ``proto`` is changed in place; its outputs are still made by nodes.
    """
    if not any(node.op_type in BEGIN for node in proto.graph.node):
        return
    added: set[str] = set()
    for _ in range(MAX_ROUNDS):
        made = _round(proto)
        if not made:
            break
        added |= made
    used = {name for node in proto.graph.node for name in read_by(node)}
    kept = [each for each in proto.graph.initializer if each.name not in added - used]
    if len(kept) < len(proto.graph.initializer):
        del proto.graph.initializer[:]
        proto.graph.initializer.extend(kept)


def read_by(node: onnx.NodeProto) -> set[str]:
    """Name what a node reads, the graphs within it included."""
    found = set(node.input)
    for attribute in node.attribute:
        if attribute.HasField("g"):
            for inner in attribute.g.node:
                found |= read_by(inner)
            found |= {value.name for value in attribute.g.output}
    return found


def _round(proto: onnx.ModelProto) -> set[str]:
    """Compute what can be computed now; the names of the constants that are made."""
    graph = proto.graph
    version = max(
        (each.version for each in proto.opset_import if each.domain in ("", "ai.onnx")), default=0
    )
    known = {
        tensor.name: array
        for tensor in graph.initializer
        if (array := numbers_of(tensor, MAX_GIVEN)) is not None
    }
    fixed = {value.name for value in graph.output}
    if not any(_may_be_known(node, known, fixed) for node in graph.node):
        return set()
    sides = _sides(proto)
    kept, made = [], {}
    for node in graph.node:
        array = None
        if _may_be_known(node, known, fixed):
            array = _computed(node, known, sides, version)
        if array is None:
            kept.append(node)
            continue
        if array.size <= MAX_GIVEN:
            known[node.output[0]] = array
        made[node.output[0]] = numpy_helper.from_array(array, node.output[0])
    if made:
        nodes = [onnx.NodeProto.FromString(node.SerializeToString()) for node in kept]
        del graph.node[:]
        graph.node.extend(nodes)
        graph.initializer.extend(made.values())
    return set(made)


def _may_be_known(node: onnx.NodeProto, known: Mapping[str, Array], fixed: Collection[str]) -> bool:
    """Tell whether what a node makes is not an output, and follows from constants and shapes."""
    return (
        node.op_type in _FOLDED
        and len(node.output) == 1
        and node.output[0] not in fixed
        and (
            node.op_type in ("Shape", "Size", "CastLike")
            or all(name in known for name in node.input if name)
        )
    )


def _sides(proto: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    """Find the values whose shape is known."""
    found = {tensor.name: tuple(tensor.dims) for tensor in proto.graph.initializer}
    try:
        kinds = known_shapes(proto)
    except TatamiError:
        return found
    for name, kind in kinds.items():
        if (sides := sides_of(kind)) is not None:
            found[name] = sides
    return found


def _computed(
    node: onnx.NodeProto,
    known: Mapping[str, Array],
    sides: Mapping[str, tuple[int, ...]],
    version: int,
) -> Array | None:
    """Compute a node; None where it is not known, or too large."""
    attributes = {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}
    if node.op_type in ("Shape", "Size"):
        shape = sides.get(node.input[0]) if node.input else None
        if shape is None:
            return None
        if node.op_type == "Size":
            return np.asarray(np.prod(shape, dtype=np.int64))
        return np.asarray(shape[slice(attributes.get("start"), attributes.get("end"))], np.int64)
    inputs = [known.get(name) for name in node.input]
    if node.op_type == "CastLike" and len(inputs) == 2 and inputs[1] is None:
        return None
    if any(array is None for name, array in zip(node.input, inputs, strict=True) if name):
        return None
    size = math.prod(sides[node.output[0]]) if node.output[0] in sides else None
    if _too_large(node.op_type, inputs) if size is None else size > MAX_MADE:
        return None
    feeds = {name: array for name, array in zip(node.input, inputs, strict=True) if name}
    try:
        with np.errstate(all="ignore"):
            (found,) = ReferenceEvaluator(node, opsets={"": version}).run(None, feeds)
    except Exception:  # whatever is wrong with it, the checks that follow say so by name
        return None
    array = np.asarray(found)
    return array if array.dtype in _KINDS and array.size <= MAX_MADE else None


def _too_large(operator: str, inputs: list[Array | None]) -> bool:
    """Tell whether what a node makes of small constants may be large."""
    given = [array for array in inputs if array is not None]
    if operator in ("ConstantOfShape", "Expand") and given:
        return not 0 <= float(np.prod(given[-1], dtype=np.float64)) <= MAX_MADE
    if operator == "Range" and len(given) == 3 and all(array.size for array in given):
        first, last, step = (float(array.reshape(-1)[0]) for array in given)
        return not step or abs(last - first) / abs(step) > MAX_MADE
    return math.prod(max(1, array.size) for array in given) > MAX_MADE
