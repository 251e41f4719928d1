"""Bring a network of operator sets 7 to 12 to set 13, in which operators mean what they mean today.

A row for each operator whose form or meaning has changed: what was an attribute becomes an input,
what was flattened is reshaped, what resized by another rule says by which. ONNX's own converter
takes fewer networks, and gives other numbers for Upsample and for Resize of set 10.

Pre: shapes of values are known where a softmax is flattened.
Post: the network's operator set is 13.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from tatami.errors import TatamiError
from tatami.graph.shapes import known_shapes

FIRST, LAST = 7, 13
"""The sets that are brought to the last of them."""


def upgrade(model: onnx.ModelProto) -> None:
    """Bring a model's nodes to set 13, in place; one of another set is left as it is.

    Raises:
        TatamiError: For a form of an operator that has no counterpart.
    """
    opsets = [one for one in model.opset_import if one.domain in ("", "ai.onnx")]
    version = max((one.version for one in opsets), default=0)
    if not FIRST <= version < LAST:
        return
    work = _Work(model.graph, version)
    nodes: list[onnx.NodeProto] = []
    for node in model.graph.node:
        change = _ROWS.get(node.op_type) if node.domain in ("", "ai.onnx") else None
        nodes += [node] if change is None else change(work, node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    for one in opsets:
        one.version = LAST
    model.ir_version = max(model.ir_version, 7)


@dataclass
class _Work:
    """A graph in the making."""

    graph: onnx.GraphProto
    version: int
    count: int = 0
    shapes: dict[str, list[int]] = field(default_factory=dict)

    def constant(self, node: onnx.NodeProto, array: Any, kind: str) -> str:
        """Add a constant, and give its name."""
        self.count += 1
        name = f"{node.output[0]}.{kind}.{self.count}"
        self.graph.initializer.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def rank(self, name: str) -> int | None:
        """Find how many axes a value has; None where it is not known."""
        if not self.shapes:
            model = helper.make_model(
                self.graph, opset_imports=[helper.make_opsetid("", self.version)], ir_version=7
            )
            self.shapes = {
                name: [side.dim_value for side in kind.tensor_type.shape.dim]
                for name, kind in known_shapes(model).items()
                if kind.tensor_type.HasField("shape")
            }
        return len(self.shapes[name]) if name in self.shapes else None


def _taken(node: onnx.NodeProto, *names: str) -> dict[str, Any]:
    """Take attributes off a node, by name; those that it has."""
    found = {}
    kept = []
    for attribute in node.attribute:
        if attribute.name in names:
            found[attribute.name] = helper.get_attribute_value(attribute)
        else:
            kept.append(attribute)
    del node.attribute[:]
    node.attribute.extend(kept)
    return found


def _input(node: onnx.NodeProto, place: int, name: str) -> None:
    """Put an input at a place, with nothing between it and those before."""
    while len(node.input) < place:
        node.input.append("")
    node.input.append(name)


def _axes(work: _Work, node: onnx.NodeProto) -> list[onnx.NodeProto]:
    found = _taken(node, "axes")
    if "axes" in found:
        _input(node, 1, work.constant(node, np.array(found["axes"], np.int64), "axes"))
    return [node]


def _split(work: _Work, node: onnx.NodeProto) -> list[onnx.NodeProto]:
    found = _taken(node, "split")
    if "split" in found:
        _input(node, 1, work.constant(node, np.array(found["split"], np.int64), "split"))
    return [node]


def _pad(work: _Work, node: onnx.NodeProto) -> list[onnx.NodeProto]:
    found = _taken(node, "pads", "value", "paddings")
    if "pads" in found:
        _input(node, 1, work.constant(node, np.array(found["pads"], np.int64), "pads"))
        value = np.float32(found.get("value", 0.0))
        _input(node, 2, work.constant(node, value, "value"))
    return [node]


def _slice(work: _Work, node: onnx.NodeProto) -> list[onnx.NodeProto]:
    found = _taken(node, "starts", "ends", "axes")
    for place, name in enumerate(("starts", "ends", "axes"), start=1):
        if name in found:
            _input(node, place, work.constant(node, np.array(found[name], np.int64), name))
    return [node]


def _clip(work: _Work, node: onnx.NodeProto) -> list[onnx.NodeProto]:
    found = _taken(node, "min", "max")
    for place, name in enumerate(("min", "max"), start=1):
        if name in found:
            _input(node, place, work.constant(node, np.float32(found[name]), name))
    return [node]


def _dropout(work: _Work, node: onnx.NodeProto) -> list[onnx.NodeProto]:
    _taken(node, "ratio", "is_test")
    return [node]


def _top_k(work: _Work, node: onnx.NodeProto) -> list[onnx.NodeProto]:
    found = _taken(node, "k")
    if "k" in found:
        _input(node, 1, work.constant(node, np.array([found["k"]], np.int64), "k"))
    return [node]


def _batch_normalization(work: _Work, node: onnx.NodeProto) -> list[onnx.NodeProto]:
    if _taken(node, "spatial").get("spatial", 1) != 1:
        raise TatamiError(
            f"BatchNormalization '{node.output[0]}' has statistics of each place",
            hint="export the network again, with a newer exporter",
        )
    if any(node.output[1:]):
        raise TatamiError(
            f"BatchNormalization '{node.output[0]}' is in training mode",
            hint="export the network in inference mode",
        )
    del node.output[1:]
    return [node]


def _flattened(work: _Work, node: onnx.NodeProto) -> list[onnx.NodeProto]:
    """Write a softmax over all axes from one on, as sets before 13 had it."""
    axis = int(_taken(node, "axis").get("axis", 1))
    rank = work.rank(node.input[0])
    if rank is not None and axis % max(1, rank) == rank - 1:
        node.attribute.append(helper.make_attribute("axis", axis))
        return [node]
    source, result = node.input[0], node.output[0]
    flat, made, shape = (f"{result}.{name}" for name in ("flat", "made", "shape"))
    changed = helper.make_node(node.op_type, [flat], [made], axis=1, name=node.name)
    return [
        helper.make_node("Flatten", [source], [flat], axis=axis),
        changed,
        helper.make_node("Shape", [source], [shape]),
        helper.make_node("Reshape", [made, shape], [result]),
    ]


def _upsample(work: _Work, node: onnx.NodeProto) -> list[onnx.NodeProto]:
    """Write an Upsample as the Resize that computes its numbers: places begin at 0, cut down."""
    found = _taken(node, "scales", "mode")
    scales = node.input[1] if len(node.input) > 1 else None
    if "scales" in found:
        scales = work.constant(node, np.array(found["scales"], np.float32), "scales")
    if scales is None:
        raise TatamiError(f"Upsample '{node.output[0]}' has no scales", hint="export it again")
    mode = found.get("mode", b"nearest").decode()
    return [_resized(node, scales, "linear" if mode in ("linear", "bilinear") else mode)]


def _resize(work: _Work, node: onnx.NodeProto) -> list[onnx.NodeProto]:
    if work.version >= 11:
        return [node]
    mode = _taken(node, "mode").get("mode", b"nearest").decode()
    return [_resized(node, node.input[1], mode)]


def _resized(node: onnx.NodeProto, scales: str, mode: str) -> onnx.NodeProto:
    return helper.make_node(
        "Resize",
        [node.input[0], "", scales],
        list(node.output),
        mode=mode,
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
        name=node.name,
    )


def _renamed(name: str) -> Callable[[_Work, onnx.NodeProto], list[onnx.NodeProto]]:
    def change(work: _Work, node: onnx.NodeProto) -> list[onnx.NodeProto]:
        node.op_type = name
        return [node]

    return change


Change = Callable[[_Work, onnx.NodeProto], Iterable[onnx.NodeProto]]
_ROWS: Mapping[str, Change] = {
    **dict.fromkeys(("Squeeze", "Unsqueeze", "ReduceSum"), _axes),
    **dict.fromkeys(("Softmax", "LogSoftmax", "Hardmax"), _flattened),
    "BatchNormalization": _batch_normalization,
    "Clip": _clip,
    "Dropout": _dropout,
    "Pad": _pad,
    "Resize": _resize,
    "Scatter": _renamed("ScatterElements"),
    "Slice": _slice,
    "Split": _split,
    "TopK": _top_k,
    "Upsample": _upsample,
}
"""By operator: the nodes that take the place of one."""
