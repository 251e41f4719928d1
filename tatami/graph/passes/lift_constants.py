"""Constants become initializers, so that a weight is held in one way only."""

from __future__ import annotations

import onnx_ir as ir
from onnx_ir.passes import common


def lift_constants(model: ir.Model) -> None:
    """Turn Constant nodes into initializers, and initializers listed as inputs into plain ones.

    A weight that layers share has one name: torch's exporter gives it to each of them by an
    Identity.

    Pre: nothing.  Post: no Constant node is left, except one whose value is a graph output or is
    no tensor, and no Identity of an initializer but an output; graph.inputs are what a caller must
    give. Old files list weights among the inputs, as defaults that a caller may replace: Tatami
    never does.
    """
    common.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(model)
    common.RemoveInitializersFromInputsPass()(model)
    for node in list(model.graph):
        source = node.inputs[0] if node.op_type == "Identity" and node.inputs else None
        if source is None or not source.is_initializer() or node.outputs[0].is_graph_output():
            continue
        node.outputs[0].replace_all_uses_with(source)
        model.graph.remove(node, safe=True)
