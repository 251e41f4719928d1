"""Operators that ONNX defines by others are written out, where they have no row of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import onnx

from tatami.errors import TatamiError
from tatami.graph.operators import OPERATORS
from tatami.graph.passes.fold_shapes import fold_shapes
from tatami.graph.passes.unroll import LOOPS, MAX_NODES, renamed, unroll
from tatami.graph.shapes import known_shapes, stated_shapes

MAX_DEPTH = 8
"""Definitions within definitions; ONNX's own have two."""


def expand_functions(proto: onnx.ModelProto) -> None:
    """Replace every node that has no row, but a definition in ONNX, by that definition's nodes.

    Attention, SoftmaxCrossEntropyLoss, RotaryEmbedding and some thirty more are defined so: what
    they mean is what their parts do. A node whose definition depends on kinds that are not known
    stays, and is refused by its name afterwards.

    Loops and branches whose course is known are written out, too (unroll.py).

    Pre: none.  Post: no such node is left whose definition is known; ``proto`` is changed in place.
    """
    for node in proto.graph.node:
        # ONNX's inference takes what is left out for 0, its definition for 1.
        if node.op_type == "STFT" and all(each.name != "onesided" for each in node.attribute):
            node.attribute.append(onnx.helper.make_attribute("onesided", 1))
    for _ in range(MAX_DEPTH):
        fold_shapes(proto)
        kinds: dict[str, onnx.TypeProto] = {}
        if any(_defined(node) or node.op_type in LOOPS for node in proto.graph.node):
            kinds = _kinds(proto)
        if not (unroll(proto, kinds) or _expand_once(proto, kinds)):
            return


def _defined(node: onnx.NodeProto) -> bool:
    """Tell whether a node is one that ONNX may define by others."""
    return (
        node.domain in ("", "ai.onnx")
        and node.op_type not in OPERATORS
        and onnx.defs.has(node.op_type)
    )


def _expand_once(proto: onnx.ModelProto, kinds: Mapping[str, onnx.TypeProto]) -> bool:
    """Write out every node once; say whether there was one."""
    version = max(
        (each.version for each in proto.opset_import if each.domain in ("", "ai.onnx")), default=0
    )
    nodes: list[onnx.NodeProto] = []
    changed = False
    for number, node in enumerate(proto.graph.node):
        body = _definition(node, version, kinds) if _defined(node) else None
        if body is None or len(nodes) > MAX_NODES:
            nodes.append(node)
            continue
        changed = True
        nodes += _written_out(node, body, f"{node.op_type} {number} {node.output[0]}")
    if changed:
        del proto.graph.node[:]
        proto.graph.node.extend(nodes)
    return changed


def _kinds(proto: onnx.ModelProto) -> dict[str, onnx.TypeProto]:
    """Say of what kind every value is, as far as it can be known."""
    try:
        return known_shapes(proto)
    except TatamiError:
        return stated_shapes(proto.graph)


def _definition(
    node: onnx.NodeProto, version: int, kinds: Mapping[str, onnx.TypeProto]
) -> onnx.FunctionProto | None:
    """Find ONNX's definition of a node, in the newest form that its operator set has.

    Returns:
        None where there is none, or where it depends on kinds that are not known.
    """
    try:
        schema: Any = onnx.defs.get_schema(node.op_type, version, "")
    except onnx.defs.SchemaError:
        return None
    given = [kinds.get(name, onnx.TypeProto()) for name in node.input]
    if schema.has_context_dependent_function:
        if any(name and name not in kinds for name in node.input):
            return None
        versions = [v for v in schema.context_dependent_function_opset_versions if v <= version]
        if not versions:
            return None
        types = [kind.SerializeToString() for kind in given]
        data = schema.get_context_dependent_function_with_opset_version(
            max(versions), node.SerializeToString(), types
        )
    elif schema.has_function:
        versions = [v for v in schema.function_opset_versions if v <= version]
        if not versions:
            return None
        data = schema.get_function_with_opset_version(max(versions))
    else:
        return None
    body = onnx.FunctionProto.FromString(data) if data else onnx.FunctionProto()
    if not body.node:
        return None
    _fill_in(body, node, schema)
    return body


def _fill_in(body: onnx.FunctionProto, node: onnx.NodeProto, schema: Any) -> None:
    """Give the parts of a definition the attributes that they take from the node."""
    known = {name: each.default_value for name, each in schema.attributes.items()}
    known |= {each.name: each for each in node.attribute}

    def fill(part: onnx.NodeProto) -> None:
        kept = []
        for attribute in part.attribute:
            if attribute.ref_attr_name:
                source = known.get(attribute.ref_attr_name)
                if source is None or not source.type:
                    continue  # left out, as the node leaves it out
                filled = onnx.AttributeProto()
                filled.CopyFrom(source)
                filled.name = attribute.name
                kept.append(filled)
            else:
                for inner in attribute.g.node if attribute.HasField("g") else ():
                    fill(inner)
                kept.append(attribute)
        del part.attribute[:]
        part.attribute.extend(kept)

    for part in body.node:
        fill(part)


def _written_out(
    node: onnx.NodeProto, body: onnx.FunctionProto, prefix: str
) -> list[onnx.NodeProto]:
    """Give a definition's nodes names of their own, and the node's where they meet it."""
    names = {"": ""}
    given = [*node.input, *[""] * (len(body.input) - len(node.input))]
    names |= dict(zip(body.input, given, strict=False))
    made = zip(body.output, node.output, strict=False)
    names |= {inner: outer for inner, outer in made if outer}

    def name(inner: str) -> str:
        return names.setdefault(inner, f"{prefix}/{inner}")

    return [renamed(part, name) for part in body.node]
