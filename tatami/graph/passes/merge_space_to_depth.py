"""Merge the three nodes that lay samples side by side out as channels into ONNX's one for it."""

from __future__ import annotations

import onnx_ir as ir

from tatami.graph.attributes import integers
from tatami.graph.network import shape_of

_ORDER = (0, 3, 5, 1, 2, 4)


def merge_space_to_depth(model: ir.Model) -> None:
    """Make Reshape(Transpose(Reshape(x))) into SpaceToDepth(x), where that is the same.

    torch has no operator for it and is exported as (n, c, h, w) to (n, c, h / b, b, w / b, b), its
    axes in the order 0 3 5 1 2 4, to (n, b * b * c, h / b, w / b). Values of six axes cannot be
    shipped.

    Pre: constants are initializers, shapes are known.  Post: no such three are left, where the
    nodes between are used once.
    """
    for last in list(model.graph):
        moved = _alone(last, "Reshape", "Transpose")
        apart = None if moved is None else _alone(moved, "Transpose", "Reshape")
        if moved is None or apart is None or apart.inputs[0] is None:
            continue
        given, split = shape_of(apart.inputs[0]), shape_of(apart.outputs[0])
        made = shape_of(last.outputs[0])
        if len(given) != 4 or len(split) != 6 or integers(moved, "perm", ()) != _ORDER:
            continue
        (n, c, h, w), block = given, split[3]
        if split != (n, c, h // block, block, w // block, block):
            continue
        if made != (n, block * block * c, h // block, w // block):
            continue
        one = ir.Node(
            "",
            "SpaceToDepth",
            [apart.inputs[0]],
            [ir.AttrInt64("blocksize", block)],
            num_outputs=1,
            name=last.name,
        )
        old, new = last.outputs[0], one.outputs[0]
        new.name, new.shape, new.type = old.name, old.shape, old.type
        model.graph.insert_before(last, one)
        ir.convenience.replace_all_uses_with(old, new, replace_graph_outputs=True)
        model.graph.remove([last, moved, apart], safe=True)


def _alone(node: ir.Node, kind: str, before: str) -> ir.Node | None:
    """Find what makes the input of a node, for it alone.

    Args:
        node: The node.
        kind: The operator that it must have.
        before: The operator that makes its input.

    Returns:
        None where either is of another kind, or the input is used elsewhere.
    """
    value = node.inputs[0] if node.op_type == kind else None
    maker = None if value is None else value.producer()
    if value is None or maker is None or maker.op_type != before:
        return None
    return maker if len(value.uses()) == 1 and not value.is_graph_output() else None
