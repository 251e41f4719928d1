"""Networks of 16-bit floats are computed in float32."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx
from onnx import numpy_helper

from tatami.errors import TatamiError

_HALVES = (onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16)
_KINDS = ("to", "dtype", "output_dtype")
"""Attributes that name the kind of what a node makes."""
STORING = ("BitCast", "Cast", "CastLike", "DequantizeLinear", "QuantizeLinear")
"""Operators that convert between kinds, and that take halves as they are."""


def widen_halves(proto: onnx.ModelProto) -> bool:
    """Make float32 of all float16 and bfloat16, where anything is computed in them.

    Every number that they hold is a float32, too, and sums in float32 are nearer to what the
    network means.
    Pre: tensors hold as many numbers as their shapes say.  Post: no value is of 16 bits, and what
    the network is given and gives is float32; or nothing has changed, because such values are only
    converted to and from.

    Returns:
        Whether anything has changed.

    Raises:
        TatamiError: For a tensor that cannot be read.
    """
    if not any(_computes(graph) for graph in _graphs(proto.graph)):
        return False
    for graph in _graphs(proto.graph):
        for tensor in (*graph.initializer, *_tensors(graph)):
            if tensor.data_type in _HALVES:
                try:
                    wide = numpy_helper.to_array(tensor).astype(np.float32)
                except (ValueError, TypeError) as error:
                    raise TatamiError(
                        f"weight '{tensor.name}' cannot be read: {error}",
                        hint="export the network again",
                    ) from None
                tensor.CopyFrom(numpy_helper.from_array(wide, tensor.name))
        for value in (*graph.input, *graph.output, *graph.value_info):
            if value.type.tensor_type.elem_type in _HALVES:
                value.type.tensor_type.elem_type = onnx.TensorProto.FLOAT
        for node in graph.node:
            for attribute in node.attribute:
                if attribute.name in _KINDS and attribute.i in _HALVES:
                    attribute.i = onnx.TensorProto.FLOAT
    return True


def _computes(graph: onnx.GraphProto) -> bool:
    """Tell whether a node of a graph computes in halves that come from without or from a Cast."""
    halves = {tensor.name for tensor in graph.initializer if tensor.data_type in _HALVES}
    halves |= {
        value.name
        for value in (*graph.input, *graph.output, *graph.value_info)
        if value.type.tensor_type.elem_type in _HALVES
    }
    for node in graph.node:
        held = [each.t.data_type for each in node.attribute if each.HasField("t")]
        kinds = [each.i for each in node.attribute if each.name in _KINDS]
        if any(kind in _HALVES for kind in (*held, *kinds)):
            halves |= set(node.output)
    return any(
        node.op_type not in (*STORING, "Constant") and halves & {*node.input, *node.output}
        for node in graph.node
    )


def _graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """Give a graph and those within its nodes."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (*([attribute.g] if attribute.HasField("g") else ()), *attribute.graphs):
                yield from _graphs(inner)


def _tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    """Give the tensors that nodes hold."""
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
