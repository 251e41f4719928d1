"""Infer the shape of every value, also behind operators of which ONNX's inference knows none."""

from __future__ import annotations

import onnx

from tatami.errors import TatamiError
from tatami.graph.form import AGAIN, check_sizes

_KEPT = ("GroupNormalization", "MeanVarianceNormalization")
"""Operators that keep the shape of their input, which ONNX's inference does not see."""
_LARGE = 2**12
"""Bytes of a weight from which on inference is not given its numbers: it would copy them all."""
REFUSALS = (
    onnx.shape_inference.InferenceError,
    onnx.checker.ValidationError,
    *(RuntimeError, ValueError, TypeError, KeyError, IndexError, MemoryError),
)
"""What ONNX's own code raises for a network that it does not take."""


def infer_shapes(proto: onnx.ModelProto) -> str | None:
    """Infer every shape that can be known.

    Args:
        proto: The model, which is given the shapes of its values.

    Returns:
        Why inference stopped, where it did.

    Raises:
        TatamiError: Where a value has a size that none can have.
    """
    seen = _seen(proto)
    check_sizes(seen)
    contradiction = None
    try:
        inferred = onnx.shape_inference.infer_shapes(
            seen, check_type=True, strict_mode=True, data_prop=True
        )
    except onnx.shape_inference.InferenceError as error:
        # The node where shapes stop is what the user must hear of: graph/check.py finds it.
        inferred, contradiction = onnx.shape_inference.infer_shapes(seen), first_line(error)
    for field in ("value_info", "output"):
        ours = getattr(proto.graph, field)
        del ours[:]
        ours.extend(getattr(inferred.graph, field))
    return contradiction


def known_shapes(proto: onnx.ModelProto) -> dict[str, onnx.TypeProto]:
    """Infer the kinds and shapes that can be known, also by the arithmetic of shapes.

    Args:
        proto: The model, which is not changed.

    Returns:
        What is known of inputs, weights, values on the way and outputs, by name.

    Raises:
        TatamiError: Where the sizes of values contradict each other.
    """
    seen = _seen(proto)
    check_sizes(seen)
    try:
        graph = onnx.shape_inference.infer_shapes(seen, data_prop=True).graph
    except REFUSALS as error:
        raise TatamiError(f"ONNX refuses the network: {first_line(error)}", hint=AGAIN) from None
    return stated_shapes(graph)


def stated_shapes(graph: onnx.GraphProto) -> dict[str, onnx.TypeProto]:
    """Give the kinds and shapes that a graph states, by name, without inferring any."""
    found = {
        tensor.name: onnx.helper.make_tensor_type_proto(tensor.data_type, tensor.dims)
        for tensor in graph.initializer
    }
    for value in (*graph.input, *graph.value_info, *graph.output):
        if value.HasField("type"):
            found[value.name] = value.type
    return found


def sides_of(kind: onnx.TypeProto) -> tuple[int, ...] | None:
    """Give the sides of a kind of value; None where one is not known."""
    sides = kind.tensor_type.shape.dim
    if not kind.tensor_type.HasField("shape") or not all(d.HasField("dim_value") for d in sides):
        return None
    return tuple(side.dim_value for side in sides)


def first_line(error: BaseException) -> str:
    """Give the first line of what an error says."""
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)


def _seen(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Make a copy of a model as inference is shown it.

    What keeps a shape and is not known to it is an Identity: what is done with the samples does
    not matter to a shape. Large weights are inputs of the same kind.
    """
    graph = onnx.GraphProto(name=proto.graph.name, node=proto.graph.node)
    graph.input.extend(proto.graph.input)
    graph.output.extend(proto.graph.output)
    graph.value_info.extend(proto.graph.value_info)
    given = {value.name for value in graph.input}
    for tensor in proto.graph.initializer:
        if tensor.ByteSize() <= _LARGE:
            graph.initializer.append(tensor)
        elif tensor.name not in given:
            kind = onnx.helper.make_tensor_type_proto(tensor.data_type, tensor.dims)
            graph.input.add(name=tensor.name, type=kind)
    for node in graph.node:
        if node.op_type in _KEPT and node.domain in ("", "ai.onnx"):
            node.op_type = "Identity"
            del node.input[1:], node.attribute[:]
    return onnx.ModelProto(
        ir_version=proto.ir_version, opset_import=proto.opset_import, graph=graph
    )
