"""What ONNX's own code is given must have the form that it relies on: it is looked at before.

ONNX's inference and converter are compiled code, which trusts a file: a call in a circle, a side
below zero or a count of 2^60 ends the process, or fills the memory. What would is told here in one
line, before they run: ``check_form`` looks at what is written, ``check_sizes`` follows the sizes
from node to node.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from tatami.errors import TatamiError
from tatami.graph.operators import OPERATORS

AGAIN = "export the network again"
DAMAGED = "copy or export it again"
MAX_DEPTH = 16
"""Graphs within graphs, and functions that call functions."""
MAX_NODES = 200_000
"""Nodes, those of functions counted at each call."""
MAX_RANK = 32
"""Axes of a value."""
MAX_ELEMENTS = 2**28
"""No value may have more elements (1 GiB of float32): the bound before memory is taken."""
MAX_TABLE = 2**9
"""Numbers of a constant that says sizes."""
WRITTEN_OUT = ("If", "Loop", "Scan", "Scatter", "Upsample")
"""What has no row, but becomes others that have; all else is refused by its name."""
_KINDS = onnx.AttributeProto.AttributeType.values()
_NOT_BELOW_ZERO = ("batch_dims",)
"""Attributes that may not be negative, which ONNX's inference does not look at."""
_FIELDS = {
    onnx.AttributeProto.GRAPH: "g",
    onnx.AttributeProto.TENSOR: "t",
    onnx.AttributeProto.TYPE_PROTO: "tp",
    onnx.AttributeProto.SPARSE_TENSOR: "sparse_tensor",
}


def check_form(proto: onnx.ModelProto) -> None:
    """Check a model's names, its nodes' inputs and attributes, and that no call is in a circle.

    Raises:
        TatamiError: For what is damaged, in one line.
    """
    _check_texts(_strings_of_model(proto))
    versions: dict[str, int] = {}
    for opset in proto.opset_import:
        if opset.domain in versions:
            raise TatamiError("the file names an operator set twice", hint=DAMAGED)
        versions[opset.domain] = opset.version
    _check_graph(proto.graph, versions, 0)
    for function in proto.functions:
        own = {opset.domain: opset.version for opset in function.opset_import}
        for node in function.node:
            _check_node(node, own, 0)
        _check_once([*function.input, *_made(function.node)])
    _check_calls(proto)


def _strings_of_model(proto: onnx.ModelProto) -> list[str | bytes]:
    """Give every text of a model: of its graphs, its functions and its metadata."""
    found: list[str | bytes] = [one.domain for one in proto.opset_import]
    for entry in proto.metadata_props:
        found += (entry.key, entry.value)
    _add_strings(found, proto.graph, 0)
    for function in proto.functions:
        found += (function.name, function.domain, *function.input, *function.output)
        _add_strings_of_nodes(found, function.node, 0)
    return found


def _add_strings(found: list[str | bytes], graph: onnx.GraphProto, depth: int) -> None:
    """Add every text of a graph, and of those within it."""
    if depth > MAX_DEPTH:
        raise TatamiError(
            f"graphs lie within graphs, deeper than {MAX_DEPTH}", hint="write the branches out"
        )
    found.append(graph.name)
    for value in (*graph.input, *graph.output, *graph.value_info):
        found.append(value.name)
        found += (side.dim_param for side in value.type.tensor_type.shape.dim)
    for tensor in graph.initializer:
        found.append(tensor.name)
        for entry in tensor.external_data:
            found += (entry.key, entry.value)
    _add_strings_of_nodes(found, graph.node, depth)


def _add_strings_of_nodes(
    found: list[str | bytes], nodes: Iterable[onnx.NodeProto], depth: int
) -> None:
    for node in nodes:
        found += (node.op_type, node.domain, node.name, *node.input, *node.output)
        for attribute in node.attribute:
            found += (attribute.name, attribute.ref_attr_name, *attribute.strings)
            if attribute.type == onnx.AttributeProto.STRING:
                found.append(attribute.s)
            if attribute.HasField("g"):
                _add_strings(found, attribute.g, depth + 1)
            for graph in attribute.graphs:
                _add_strings(found, graph, depth + 1)


def _check_texts(texts: Iterable[str | bytes]) -> None:
    """Check that texts are UTF-8; protobuf gives others as bytes, on which later code fails."""
    try:
        for text in texts:
            if isinstance(text, bytes):
                text.decode()
    except UnicodeDecodeError:
        raise TatamiError(
            "the file holds a name that is not UTF-8: it is damaged", hint=DAMAGED
        ) from None


def _made(nodes: Iterable[onnx.NodeProto]) -> list[str]:
    return [name for node in nodes for name in node.output if name]


def _check_once(names: Sequence[str]) -> None:
    """Check that every value is made once."""
    if len(set(names)) != len(names):
        doubled = next(name for name, count in Counter(names).items() if count > 1)
        raise TatamiError(f"the value '{doubled}' is made twice", hint=AGAIN)


def _check_graph(graph: onnx.GraphProto, versions: Mapping[str, int], depth: int) -> None:
    given = [value.name for value in graph.input]
    _check_once(given)
    _check_once([tensor.name for tensor in graph.initializer])
    _check_once([*given, *_made(graph.node)])
    if len(graph.node) > MAX_NODES:
        raise TatamiError(f"the network has more than {MAX_NODES} nodes", hint="give a smaller one")
    for value in (*graph.input, *graph.output, *graph.value_info):
        if value.type.tensor_type.HasField("shape"):
            shape = [side.dim_value for side in value.type.tensor_type.shape.dim]
            _check_shape(value.name, shape)
    for node in graph.node:
        _check_node(node, versions, depth)


def _check_shape(name: str, shape: Sequence[int], where: str = "there is") -> None:
    """Check that a value can be: no axis below zero, and no more elements than can be counted."""
    if len(shape) > MAX_RANK:
        raise TatamiError(f"value '{name}' has {len(shape)} axes", hint=AGAIN)
    if min(shape, default=0) < 0:
        raise TatamiError(
            f"{where} a value '{name}' of the shape {tuple(shape)}: the input is too small",
            hint="export the network for a larger input",
        )
    if math.prod(max(1, side) for side in shape) > MAX_ELEMENTS:
        raise TatamiError(
            f"value '{name}' has the shape {tuple(shape)}, beyond {MAX_ELEMENTS} elements",
            hint="export the network for a smaller input",
        )


@dataclass(frozen=True, eq=False)
class _Definition:
    """What ONNX says of an operator, taken over once: asking it takes longer than a node's check.

    Attributes:
        schema: Its definition.
        least_inputs, most_inputs: How many a node has.
        needed: Places of inputs that no node leaves out.
        least_outputs, most_outputs: How many it makes.
        attributes: The kind of each, by name.
        required: Attributes that no node leaves out.
    """

    schema: Any
    least_inputs: int
    most_inputs: int
    needed: tuple[int, ...]
    least_outputs: int
    most_outputs: int
    attributes: Mapping[str, int]
    required: tuple[str, ...]


@lru_cache(maxsize=4096)
def _definition(operator: str, version: int, domain: str) -> _Definition | None:
    """Find ONNX's definition of an operator; None where it has none."""
    try:
        schema: Any = onnx.defs.get_schema(operator, version, domain)
    except onnx.defs.SchemaError:
        return None
    single = onnx.defs.OpSchema.FormalParameterOption.Single
    attributes = schema.attributes
    return _Definition(
        schema,
        schema.min_input,
        schema.max_input,
        tuple(place for place, one in enumerate(schema.inputs) if one.option == single),
        schema.min_output,
        schema.max_output,
        {name: int(one.type.value) for name, one in attributes.items()},
        tuple(name for name, one in attributes.items() if one.required),
    )


def _defined(node: onnx.NodeProto, versions: Mapping[str, int]) -> _Definition | None:
    """Find what ONNX says of a node's operator; None where it says nothing."""
    domain = "" if node.domain == "ai.onnx" else node.domain
    version = versions.get(domain, versions.get("ai.onnx") if not domain else None)
    if version is None or not 0 < version < 2**31:
        return None
    return _definition(node.op_type, version, domain)


def _check_node(node: onnx.NodeProto, versions: Mapping[str, int], depth: int) -> None:
    """Check how many inputs and outputs a node has, and what its attributes hold."""
    defined = _defined(node, versions)
    called = f"{node.op_type} '{next(iter(node.output), node.name)}'"
    if defined is not None and (node.op_type in OPERATORS or node.op_type in WRITTEN_OUT):
        inputs = node.input
        if not defined.least_inputs <= len(inputs) <= defined.most_inputs or not all(
            place < len(inputs) and inputs[place] for place in defined.needed
        ):
            raise TatamiError(f"{called} lacks an input, or has one too many", hint=AGAIN)
        if not defined.least_outputs <= len(node.output) <= defined.most_outputs:
            raise TatamiError(f"{called} has {len(node.output)} outputs", hint=AGAIN)
    if not node.attribute and (defined is None or not defined.required):
        return
    names = [attribute.name for attribute in node.attribute]
    if len(set(names)) != len(names):
        raise TatamiError(f"{called} has an attribute twice", hint=AGAIN)
    for attribute in node.attribute:
        kind = attribute.type
        known = None if defined is None else defined.attributes.get(attribute.name)
        field = _FIELDS.get(kind)
        if (
            kind not in _KINDS
            or (known is not None and known != kind)
            or (field is not None and not attribute.ref_attr_name and not attribute.HasField(field))
        ):
            raise TatamiError(
                f"{called} has an attribute '{attribute.name}' of another kind", hint=AGAIN
            )
        if attribute.name in _NOT_BELOW_ZERO and attribute.i < 0:
            raise TatamiError(f"{called} has {attribute.name} below zero", hint=AGAIN)
        if kind == onnx.AttributeProto.TENSOR:
            _check_shape(attribute.name, list(attribute.t.dims))
        for graph in (*((attribute.g,) if attribute.HasField("g") else ()), *attribute.graphs):
            _check_graph(graph, versions, depth + 1)
    for name in () if defined is None else defined.required:
        if name not in names:
            raise TatamiError(f"{called} lacks its attribute '{name}'", hint=AGAIN)


def _check_calls(proto: onnx.ModelProto) -> None:
    """Check that no function calls itself, and that written out they are not too many."""
    functions = {(one.domain, one.name): one for one in proto.functions}
    if len(functions) != len(proto.functions):
        raise TatamiError("a function is defined twice", hint=AGAIN)
    counts: dict[tuple[str, str], int] = {}

    def count(nodes: Iterable[onnx.NodeProto], within: tuple[tuple[str, str], ...]) -> int:
        total = 0
        for node in nodes:
            key = (node.domain, node.op_type)
            total += 1
            if key in functions:
                if key in within or len(within) >= MAX_DEPTH:
                    raise TatamiError(
                        f"the function '{node.op_type}' calls itself, or too deeply", hint=AGAIN
                    )
                if key not in counts:
                    counts[key] = count(functions[key].node, (*within, key))
                total += counts[key]
            for attribute in node.attribute:
                if attribute.HasField("g"):
                    total += count(attribute.g.node, within)
        return total

    for key, function in functions.items():
        if key not in counts:
            counts[key] = count(function.node, (key,))
    if count(proto.graph.node, ()) > MAX_NODES:
        raise TatamiError(f"written out, it has more than {MAX_NODES} nodes", hint=AGAIN)


def check_sizes(proto: onnx.ModelProto) -> None:
    """Follow the sizes of values from node to node, and refuse the first that cannot be.

    Where a size is not known, nothing is said of what follows from it.

    Raises:
        TatamiError: For a value with a side below zero, or of too many elements.
    """
    graph = proto.graph
    versions = {opset.domain: opset.version for opset in proto.opset_import}
    opsets = tuple((opset.domain, opset.version) for opset in proto.opset_import)
    kinds = {
        value.name: value.type.SerializeToString()
        for value in graph.input
        if value.HasField("type")
    }
    tables = {}
    for tensor in graph.initializer:
        _check_shape(tensor.name, list(tensor.dims))
        of_weight = onnx.helper.make_tensor_type_proto(tensor.data_type, tensor.dims)
        kinds[tensor.name] = of_weight.SerializeToString()
        if _is_table(tensor):
            tables[tensor.name] = tensor.SerializeToString()
    for node in graph.node:
        if (
            node.op_type == "Constant"
            and len(node.attribute) == 1
            and node.attribute[0].HasField("t")
            and _is_table(node.attribute[0].t)
        ):
            tables[node.output[0]] = node.attribute[0].t.SerializeToString()
        defined = _defined(node, versions)
        read = [name for name in node.input if name]
        if defined is None or not all(name in kinds for name in read):
            continue
        held = tuple((name, tables[name]) for name in read if name in tables)
        if any(attribute.HasField("g") for attribute in node.attribute):
            # A graph within reads what is made outside.
            given, made = tuple(kinds.items()), _sizes_made.__wrapped__
        else:
            given, made = tuple((name, kinds[name]) for name in read), _sizes_made
        found = made(node.SerializeToString(), defined, given, held, opsets, proto.ir_version)
        for name, sides, kind in found:
            _check_shape(name, sides, f"{node.op_type} '{node.output[0]}' makes")
            kinds[name] = kind


def _is_table(tensor: onnx.TensorProto) -> bool:
    return (
        math.prod(tensor.dims) <= MAX_TABLE
        and tensor.data_location != onnx.TensorProto.EXTERNAL
        and tensor.ByteSize() <= 16 * MAX_TABLE
    )


@lru_cache(maxsize=4096)
def _sizes_made(
    content: bytes,
    defined: _Definition,
    given: tuple[tuple[str, bytes], ...],
    held: tuple[tuple[str, bytes], ...],
    opsets: tuple[tuple[str, int], ...],
    ir_version: int,
) -> tuple[tuple[str, tuple[int, ...], bytes], ...]:
    """Infer what a node makes: names, sides, and kinds as bytes.

    A network is looked at several times on its way in, and most of its nodes do not change.
    """
    node = onnx.NodeProto.FromString(content)
    try:
        found = onnx.shape_inference.infer_node_outputs(
            defined.schema,
            node,
            {name: onnx.TypeProto.FromString(kind) for name, kind in given},
            {name: onnx.TensorProto.FromString(tensor) for name, tensor in held},
            opset_imports=[onnx.helper.make_opsetid(*opset) for opset in opsets],
            ir_version=ir_version,
        )
    except (onnx.shape_inference.InferenceError, onnx.checker.ValidationError):
        return ()  # the whole inference says what it is
    except (RuntimeError, ValueError, TypeError, KeyError, DecodeError, MemoryError) as error:
        raise TatamiError(
            f"{node.op_type} '{node.output[0]}' is damaged: {error}", hint=AGAIN
        ) from None
    return tuple(
        (
            name,
            tuple(side.dim_value for side in kind.tensor_type.shape.dim),
            kind.SerializeToString(),
        )
        for name, kind in found.items()
    )
