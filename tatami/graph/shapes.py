"""Infer the shape of every value, also behind operators of which ONNX's inference knows none."""

from __future__ import annotations

from collections.abc import Iterable

import onnx

_KEPT = ("GroupNormalization", "MeanVarianceNormalization")
"""Operators that keep the shape of their input, which ONNX's inference does not see."""


def infer_shapes(proto: onnx.ModelProto) -> tuple[onnx.ModelProto, str | None]:
    """Infer every shape that can be known.

    Args:
        proto: The model; its nodes are as they were when this returns.

    Returns:
        The model with shapes, and why inference stopped, where it did.
    """
    nodes = {
        index: onnx.NodeProto.FromString(node.SerializeToString())
        for index, node in enumerate(proto.graph.node)
        if node.op_type in _KEPT and node.domain in ("", "ai.onnx")
    }
    for index in nodes:  # what is done with the samples does not matter to a shape
        node = proto.graph.node[index]
        node.op_type = "Identity"
        del node.input[1:], node.attribute[:]
    try:
        inferred, contradiction = _inferred(proto)
    finally:
        _restore(proto, nodes.items())
    _restore(inferred, nodes.items())
    return inferred, contradiction


def _restore(proto: onnx.ModelProto, nodes: Iterable[tuple[int, onnx.NodeProto]]) -> None:
    for index, node in nodes:
        proto.graph.node[index].CopyFrom(node)


def _inferred(proto: onnx.ModelProto) -> tuple[onnx.ModelProto, str | None]:
    try:
        strict = onnx.shape_inference.infer_shapes(
            proto, check_type=True, strict_mode=True, data_prop=True
        )
    except onnx.shape_inference.InferenceError as error:
        # The node where shapes stop is what the user must hear of: graph/check.py finds it.
        first = next((line for line in str(error).splitlines() if line.strip()), "no reason")
        return onnx.shape_inference.infer_shapes(proto), first
    return strict, None
