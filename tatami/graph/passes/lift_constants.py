"""Constants become initializers, so that a weight is held in one way only."""

from __future__ import annotations

import onnx_ir as ir
from onnx_ir.passes import common


def lift_constants(model: ir.Model) -> None:
    """Turn Constant nodes into initializers, and initializers listed as inputs into plain ones.

    Pre: nothing.  Post: no Constant node is left, except one whose value is a graph output or is
    no tensor; graph.inputs are what a caller must give. Old files list weights among the inputs,
    as defaults that a caller may replace: Tatami never does.
    """
    common.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(model)
    common.RemoveInitializersFromInputsPass()(model)
