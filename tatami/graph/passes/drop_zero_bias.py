"""Leave out a bias of zeros, which changes nothing."""

from __future__ import annotations

import onnx_ir as ir

from tatami.graph.attributes import constant


def drop_zero_bias(model: ir.Model) -> None:
    """Make Conv(x, w, 0) into Conv(x, w).

    Pre: constants are initializers. Post: no Conv has a constant bias that is all zero.
    """
    for node in list(model.graph):
        if node.op_type == "Conv" and len(node.inputs) > 2:
            bias = constant(node, 2)
            if bias is not None and not bias.any():
                node.resize_inputs(2)
