"""Identity nodes and whatever computes something that nobody uses."""

from __future__ import annotations

import onnx_ir as ir
from onnx_ir.passes import common


def drop_identity(model: ir.Model) -> None:
    """Remove Identity nodes.

    Pre: nothing. Post: none is left but from an input to an output.
    """
    common.IdentityEliminationPass()(model)


def drop_unused(model: ir.Model) -> None:
    """Remove nodes and initializers that no output needs.

    Pre: nothing. Post: none is left.
    """
    common.RemoveUnusedNodesPass()(model)
