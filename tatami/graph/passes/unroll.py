"""Loops whose course is known are written out, and branches: Scan, Loop and If."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

MAX_TURNS = 2048
"""The most turns of a loop that are written out."""
MAX_NODES = 200_000
"""The most nodes that a network may have once it is written out."""
LOOPS = ("If", "Loop", "Scan")


@dataclass
class _Work:
    """Hold what is written, and what is known.

    Args:
        kinds: Of what kind every value is.
        constants: Small constants, by name.
        nodes: The nodes so far.
        weights: New constants so far.
    """

    kinds: Mapping[str, onnx.TypeProto]
    constants: dict[str, NDArray[Any]]
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    weights: dict[str, onnx.TensorProto] = field(default_factory=dict)

    def add(self, operator: str, inputs: list[str], output: str, **attributes: Any) -> str:
        """Append a node; its output."""
        self.nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output

    def whole(self, numbers: Any, name: str) -> str:
        """Add whole numbers as a constant; its name."""
        self.weights[name] = numpy_helper.from_array(np.asarray(numbers, np.int64), name)
        return name


def unroll(proto: onnx.ModelProto, kinds: Mapping[str, onnx.TypeProto]) -> bool:
    """Replace loops by their turns, and branches by the one that is taken, where that is known.

    A Scan turns as often as its inputs are long; a Loop must have a constant count and a condition
    that stays true. Of an If with a constant condition one branch is left; of another both are
    computed, where they make the same shapes. All others stay, and are refused by name.

    Args:
        proto: The model, of operator set 13 or later, which is changed.
        kinds: Of what kind its values are, as far as it is known.

    Returns:
        Whether there was one.
    """
    work = _Work(kinds, _constants(proto))
    changed = False
    for number, node in enumerate(proto.graph.node):
        write = _WRITE.get(node.op_type)
        plain = node.domain in ("", "ai.onnx")
        if write is None or not plain or len(work.nodes) > MAX_NODES:
            work.nodes.append(node)
            continue
        kept = len(work.nodes)
        try:
            written = write(work, node, f"{node.op_type} {number} {next(iter(node.output), '')}")
        except (IndexError, KeyError, TypeError, ValueError):  # it does not fit its own body
            written = False
        if written:
            changed = True
        else:
            del work.nodes[kept:]
            work.nodes.append(node)
    if changed:
        nodes = [onnx.NodeProto.FromString(node.SerializeToString()) for node in work.nodes]
        del proto.graph.node[:]
        proto.graph.node.extend(nodes)
        proto.graph.initializer.extend(work.weights.values())
    return changed


def _constants(proto: onnx.ModelProto) -> dict[str, NDArray[Any]]:
    """Read the single numbers that are constants."""
    found = {
        tensor.name: array
        for tensor in proto.graph.initializer
        if (array := numbers_of(tensor, 1)) is not None
    }
    found |= {
        node.output[0]: value
        for node in proto.graph.node
        if (value := _constant_of(node)) is not None
    }
    return found


def numbers_of(tensor: onnx.TensorProto, most: int) -> NDArray[Any] | None:
    """Read a constant of at most so many numbers.

    Returns:
        None for a larger one, for one that lies in another file, and for one that is damaged, which
        the checks that follow say.
    """
    size = np.prod(tensor.dims, dtype=np.float64)
    if size > most or tensor.data_location == onnx.TensorProto.EXTERNAL:
        return None
    try:
        return numpy_helper.to_array(tensor)
    except (TypeError, ValueError):
        return None


def _constant_of(node: onnx.NodeProto) -> NDArray[Any] | None:
    """Read a Constant of one number."""
    if node.op_type != "Constant" or len(node.attribute) != 1:
        return None
    value = helper.get_attribute_value(node.attribute[0])
    if isinstance(value, onnx.TensorProto):
        return numbers_of(value, 1)
    return np.asarray(value) if isinstance(value, int | float) else None


def renamed(part: onnx.NodeProto, name: Callable[[str], str]) -> onnx.NodeProto:
    """Copy a node, and the graphs within it, under other names of values."""
    copy = onnx.NodeProto()
    copy.CopyFrom(part)
    copy.name = ""
    copy.input[:] = [name(each) for each in part.input]
    copy.output[:] = [name(each) for each in part.output]
    for attribute in copy.attribute:
        if not attribute.HasField("g"):
            continue
        graph = attribute.g
        for value in (*graph.input, *graph.output, *graph.value_info, *graph.initializer):
            value.name = name(value.name)
        inner = [renamed(each, name) for each in graph.node]
        del graph.node[:]
        graph.node.extend(inner)
    return copy


def _made(nodes: Iterable[onnx.NodeProto]) -> set[str]:
    """Name what nodes make, those of graphs within them included."""
    found: set[str] = set()
    for node in nodes:
        found |= set(node.output)
        for attribute in node.attribute:
            if attribute.HasField("g"):
                graph = attribute.g
                found |= {value.name for value in (*graph.input, *graph.initializer)}
                found |= _made(graph.node)
    return found - {""}


def _turn(work: _Work, body: onnx.GraphProto, given: Mapping[str, str], prefix: str) -> list[str]:
    """Write one turn of a body; the names of its outputs.

    Args:
        work: What is written.
        body: The body.
        given: What stands for its inputs.
        prefix: Begins the names of what it makes.
    """
    own = _made(body.node)
    weights = {tensor.name for tensor in body.initializer}

    def name(inner: str) -> str:
        if inner in given:
            return given[inner]
        return f"{prefix}/{inner}" if inner in own or inner in weights else inner

    for tensor in body.initializer:
        copy = onnx.TensorProto()
        copy.CopyFrom(tensor)
        copy.name = name(tensor.name)
        work.weights[copy.name] = copy
    work.nodes += [renamed(node, name) for node in body.node]
    return [name(value.name) for value in body.output]


def _attributes(node: onnx.NodeProto) -> dict[str, Any]:
    return {each.name: helper.get_attribute_value(each) for each in node.attribute}


def _finish(work: _Work, node: onnx.NodeProto, made: list[str]) -> None:
    """Give what was made the names that the node's outputs have."""
    for source, output in zip(made, node.output, strict=False):
        if output:
            work.add("Identity", [source], output)


def _if(work: _Work, node: onnx.NodeProto, prefix: str) -> bool:
    condition = work.constants.get(node.input[0])
    if condition is None:
        return _both(work, node, prefix)
    branch = _attributes(node)["then_branch" if bool(condition.reshape(())) else "else_branch"]
    _finish(work, node, _turn(work, branch, {}, prefix))
    return True


def _both(work: _Work, node: onnx.NodeProto, prefix: str) -> bool:
    """Compute both branches, and choose: where both make values of the same shapes.

    ONNX's inference knows a branch's shape only where the other has the same.
    """
    for output in node.output:
        kind = work.kinds.get(output, onnx.TypeProto()).tensor_type
        if not kind.HasField("shape") or not all(d.HasField("dim_value") for d in kind.shape.dim):
            return False
    condition = f"{prefix}/condition"
    work.add("Reshape", [node.input[0], work.whole([], f"{prefix}/no axes")], condition)
    given = _attributes(node)
    then, other = (
        _turn(work, given[f"{name}_branch"], {}, f"{prefix}/{name}") for name in ("then", "else")
    )
    for yes, no, output in zip(then, other, node.output, strict=True):
        work.add("Where", [condition, yes, no], output)
    return True


def _loop(work: _Work, node: onnx.NodeProto, prefix: str) -> bool:
    body: onnx.GraphProto = _attributes(node)["body"]
    count = work.constants.get(node.input[0])
    if count is None or not 0 <= int(count.reshape(())) <= MAX_TURNS:
        return False
    condition = node.input[1] if len(node.input) > 1 else ""
    known = work.constants.get(condition)
    if condition and (known is None or not bool(known.reshape(()))):
        return False
    if not _stays_true(body):
        return False
    turns, states = int(count.reshape(())), list(node.input[2:])
    kept = len(states)
    names = [value.name for value in body.input]
    scanned: list[list[str]] = [[] for _ in body.output[1 + kept :]]
    if not turns and any(node.output[kept:]):
        return False  # what is never made has no shape
    truth = f"{prefix}/true"
    work.weights[truth] = numpy_helper.from_array(np.array(True), truth)
    for turn in range(turns):
        step = work.whole(turn, f"{prefix}/turn {turn}")
        given = dict(zip(names, [step, truth, *states], strict=True))
        outputs = _turn(work, body, given, f"{prefix}/{turn}")
        states = outputs[1 : 1 + kept]
        for each, output in zip(scanned, outputs[1 + kept :], strict=True):
            each.append(output)
    _finish(work, node, [*states, *_stacked(work, scanned, [0] * len(scanned), prefix)])
    return True


def _stays_true(body: onnx.GraphProto) -> bool:
    """Tell whether a loop's body says in every turn that it goes on."""
    makers = {output: node for node in body.node for output in node.output}
    constants = {tensor.name: numbers_of(tensor, 1) for tensor in body.initializer}
    name = body.output[0].name
    while name in makers and makers[name].op_type == "Identity":
        name = makers[name].input[0]
    value = constants.get(name)
    if value is None and name in makers:
        value = _constant_of(makers[name])
    if value is not None:
        return bool(value.reshape(-1)[0])
    return len(body.input) > 1 and name == body.input[1].name


def _scan(work: _Work, node: onnx.NodeProto, prefix: str) -> bool:
    given = _attributes(node)
    body: onnx.GraphProto = given["body"]
    count = given["num_scan_inputs"]
    if not 0 < count <= len(node.input):
        return False
    kept = len(node.input) - count
    scanned = list(node.input[kept:])
    lengths = set()
    axes = list(given.get("scan_input_axes", [0] * count))
    ways = given.get("scan_input_directions", [0] * count)
    for position, name in enumerate(scanned):
        dims = work.kinds[name].tensor_type.shape.dim if name in work.kinds else []
        if not len(dims) or not dims[axes[position]].HasField("dim_value"):
            return False
        axes[position] %= len(dims)
        lengths.add(dims[axes[position]].dim_value)
    if len(lengths) != 1 or not 1 <= max(lengths) <= MAX_TURNS:
        return False
    (turns,) = lengths
    states, names = list(node.input[:kept]), [value.name for value in body.input]
    made: list[list[str]] = [[] for _ in body.output[kept:]]
    for turn in range(turns):
        parts = [
            _part(work, name, axis, turns - 1 - turn if way else turn, f"{prefix}/{turn}/{at}")
            for at, (name, axis, way) in enumerate(zip(scanned, axes, ways, strict=True))
        ]
        inputs = dict(zip(names, [*states, *parts], strict=True))
        outputs = _turn(work, body, inputs, f"{prefix}/{turn}")
        states = outputs[:kept]
        for each, output in zip(made, outputs[kept:], strict=True):
            each.append(output)
    for each, way in zip(made, given.get("scan_output_directions", [0] * len(made)), strict=True):
        if way:
            each.reverse()
    places = list(given.get("scan_output_axes", [0] * len(made)))
    _finish(work, node, [*states, *_stacked(work, made, places, prefix)])
    return True


def _part(work: _Work, name: str, axis: int, at: int, prefix: str) -> str:
    """Take one index of an axis, which goes."""
    first = work.whole([at], f"{prefix}/first")
    last, along = work.whole([at + 1], f"{prefix}/last"), work.whole([axis], f"{prefix}/axis")
    cut = work.add("Slice", [name, first, last, along], f"{prefix}/cut")
    return work.add("Squeeze", [cut, along], f"{prefix}/part")


def _stacked(work: _Work, made: list[list[str]], axes: list[int], prefix: str) -> list[str]:
    """Put what the turns made side by side along a new axis."""
    found = []
    for number, (parts, axis) in enumerate(zip(made, axes, strict=True)):
        along = work.whole([axis], f"{prefix}/axis of {number}")
        spread = [
            work.add("Unsqueeze", [part, along], f"{prefix}/{number} of {turn}")
            for turn, part in enumerate(parts)
        ]
        found.append(work.add("Concat", spread, f"{prefix}/all of {number}", axis=axis))
    return found


_WRITE: Mapping[str, Callable[[_Work, onnx.NodeProto, str], bool]] = {
    "If": _if,
    "Loop": _loop,
    "Scan": _scan,
}
