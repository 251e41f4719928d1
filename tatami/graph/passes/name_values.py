"""Readable names: a value is named after the module that made it."""

from __future__ import annotations

import ast

import onnx_ir as ir
from onnx_ir.passes import common

from tatami.ops.naming import value_names

SCOPES = "pkg.torch.onnx.name_scopes"
"""Where torch's exporter notes a node's place, as ``['', 'conv1', 'conv1.norm', 'aten_op']``."""


def name_values(model: ir.Model) -> None:
    """Name each activation and node by its module, then forget the exporter's notes.

    The names are those of ops/naming.py. Inputs, outputs and weights keep their names.
    Pre: nodes carry the exporter's notes; those without count as made at the top.
    Post: names are unique and hold no trace of the exporting machine (its notes hold file paths).
    """
    graph = model.graph
    names = value_names([(_module(node), node.op_type) for node in graph])
    for node, name in zip(graph, names, strict=True):
        node.name = name
        if not node.outputs[0].is_graph_output():
            node.outputs[0].name = name
        for value in node.outputs[1:]:  # of a max pool, where its samples lay
            value.name = f"{name}_indices"
    common.ClearMetadataAndDocStringPass()(model)
    for value in (*graph.inputs, *graph.initializers.values()):
        value.metadata_props.clear()
    for node in graph:
        for value in node.outputs:
            value.metadata_props.clear()
    common.NameFixPass()(model)


def _module(node: ir.Node) -> str:
    """Read ``conv1.norm`` from the exporter's notes, empty for the network itself."""
    scopes = ast.literal_eval(node.metadata_props.get(SCOPES, "['', '']"))
    modules = [str(scope) for scope in scopes[:-1]]  # the last is the operator
    return modules[-1] if modules else ""
