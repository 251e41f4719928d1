"""Large weights of an ONNX file apart from the rest of it, so that they are in memory once.

protobuf, ONNX's checker and its shape inference each make copies of all that they are shown. They
are shown the file without its large weights, which they need to know the shapes of alone; the
weights are read from their places in the file.

An ONNX file is a protobuf message: fields, each a number, a kind and a content. Field 7 is the
graph; its fields 5 are the initializers; of one, field 2 is its type and field 9 its bytes.
"""

from __future__ import annotations

import math
import mmap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir

from tatami.types import Float32

LARGE = 1 << 14
"""Bytes from which on a weight is set apart."""
_GRAPH, _INITIALIZER, _TYPE, _BYTES = 7, 5, 2, 9
_VARINT, _EIGHT, _COUNTED, _FOUR = 0, 1, 2, 5


@dataclass(frozen=True)
class Skeleton:
    """Hold a file without the bytes of its large weights.

    Args:
        content: The file, those bytes left out.
        places: Where they lie: the number of the initializer, to the first byte and their count.
    """

    content: bytes
    places: Mapping[int, tuple[int, int]]


class _Damaged(Exception):
    """What is no protobuf message of this kind: protobuf's own parser has the word for it."""


@dataclass(frozen=True)
class _Field:
    """A field of a message: its number, its kind, and where it, its content and its end are."""

    number: int
    kind: int
    start: int
    content: int
    end: int


def without_weights(path: Path) -> Skeleton | None:
    """Read a file without its large float32 weights; None where it has none, or is damaged."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        try:
            return _skeleton(data)
        except _Damaged:
            return None


def read_weights(path: Path, skeleton: Skeleton, proto: onnx.ModelProto) -> dict[str, Float32]:
    """Read the weights that were left out, by name and of the shapes that the file says.

    Args:
        path: The file.
        skeleton: What was read of it.
        proto: That, parsed.

    Raises:
        ValueError: Where a weight has not as many bytes as its shape says.
    """
    found = {}
    with path.open("rb") as file:
        for index, (start, count) in skeleton.places.items():
            tensor = proto.graph.initializer[index]
            array = np.empty(count // 4, np.float32)
            file.seek(start)
            if 4 * math.prod(tensor.dims) != count or file.readinto(array.data) != count:
                raise ValueError(f"weight '{tensor.name}' does not fit its shape")
            found[str(tensor.name)] = array.reshape(tuple(tensor.dims))
    return found


def show_as_inputs(proto: onnx.ModelProto, weights: Mapping[str, Float32]) -> None:
    """Let a model's checkers see these initializers as inputs: they have no bytes."""
    graph = proto.graph
    given = {value.name for value in graph.input}
    kept = [tensor for tensor in graph.initializer if tensor.name not in weights]
    for name, array in weights.items():
        if name not in given:
            kind = onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, array.shape)
            graph.input.append(kind)
    del graph.initializer[:]
    graph.initializer.extend(kept)


def put_back(graph: ir.Graph, weights: Mapping[str, Float32], order: list[str]) -> None:
    """Make inputs the initializers again that they are.

    Args:
        graph: The graph.
        weights: The initializers, by name.
        order: The names of all initializers as the file has them.
    """
    for value in list(graph.inputs):
        held = weights.get(str(value.name))
        if held is not None:
            graph.inputs.remove(value)
            value.const_value = ir.Tensor(held, name=value.name)
            graph.register_initializer(value)
    places = {name: place for place, name in enumerate(order)}
    values = sorted(graph.initializers.values(), key=lambda value: places.get(str(value.name), -1))
    graph.initializers.clear()
    for value in values:
        graph.register_initializer(value)


def _skeleton(data: mmap.mmap) -> Skeleton | None:
    graphs = [field for field in _fields(data, 0, len(data)) if field.number == _GRAPH]
    if len(graphs) != 1 or graphs[0].kind != _COUNTED:
        return None
    (graph,) = graphs
    places: dict[int, tuple[int, int]] = {}
    pieces: list[bytes] = []
    index = 0
    for field in _fields(data, graph.content, graph.end):
        if field.number != _INITIALIZER or field.kind != _COUNTED:
            pieces.append(data[field.start : field.end])
            continue
        held = _large(data, field)
        if held is None:
            pieces.append(data[field.start : field.end])
        else:
            places[index] = held.content, held.end - held.content
            rest = data[field.content : held.start] + data[held.end : field.end]
            pieces += [_head(_INITIALIZER, len(rest)), rest]
        index += 1
    if not places:
        return None
    inner = b"".join(pieces)
    outer = data[: graph.start], _head(_GRAPH, len(inner)), inner, data[graph.end :]
    return Skeleton(b"".join(outer), places)


def _large(data: mmap.mmap, tensor: _Field) -> _Field | None:
    """Find the field with the bytes of a large weight in float32; None for any other weight."""
    fields = list(_fields(data, tensor.content, tensor.end))
    types = [_varint(data, field.content)[0] for field in fields if field.number == _TYPE]
    held = [field for field in fields if field.number == _BYTES]
    plain = types == [onnx.TensorProto.FLOAT] and len(held) == 1 and held[0].kind == _COUNTED
    return held[0] if plain and held[0].end - held[0].content >= LARGE else None


def _fields(data: mmap.mmap, start: int, end: int) -> Iterator[_Field]:
    """Give the fields of a message that lies from ``start`` to ``end``."""
    at = start
    while at < end:
        tag, content = _varint(data, at)
        kind = tag & 7
        if kind == _COUNTED:
            length, content = _varint(data, content)
            after = content + length
        elif kind == _VARINT:
            after = _varint(data, content)[1]
        elif kind in (_EIGHT, _FOUR):
            after = content + (8 if kind == _EIGHT else 4)
        else:
            raise _Damaged
        if after > end:
            raise _Damaged
        yield _Field(tag >> 3, kind, at, content, after)
        at = after


def _varint(data: mmap.mmap, at: int) -> tuple[int, int]:
    """Read a number of seven bits a byte; give it and the place behind it."""
    value = 0
    for place in range(10):
        if at + place >= len(data):
            break
        byte = data[at + place]
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return value, at + place + 1
    raise _Damaged


def _head(number: int, length: int) -> bytes:
    """Write what stands before a content: the field's number and kind, and the length."""
    written = bytearray()
    for value in (number << 3 | _COUNTED, length):
        while value > 0x7F:
            written.append(value & 0x7F | 0x80)
            value >>= 7
        written.append(value)
    return bytes(written)
