"""Readable names: a value is named after the module that made it."""

from __future__ import annotations

import ast
import re
from collections import Counter, defaultdict

import onnx_ir as ir
from onnx_ir.passes import common

SCOPES = "pkg.torch.onnx.name_scopes"
"""Where torch's exporter notes a node's place, as ``['', 'conv1', 'conv1.norm', 'aten_op']``."""


def name_values(model: ir.Model) -> None:
    """Name each activation and node by its module, then forget the exporter's notes.

    The module ``conv1.norm`` makes the value ``conv1/norm``. A module that makes several values by
    itself, as the network at the top does, has its operators added: ``max_pool_1``, ``max_pool_2``.
    Inputs, outputs and weights keep their names.
    Pre: nodes carry the exporter's notes; those without count as made at the top.
    Post: names are unique and hold no trace of the exporting machine (its notes hold file paths).
    """
    graph = model.graph
    made: dict[str, list[ir.Node]] = defaultdict(list)
    for node in graph:
        made[_module(node)].append(node)
    for module, nodes in made.items():
        counts = Counter(node.op_type for node in nodes)
        seen: Counter[str] = Counter()
        for node in nodes:
            seen[node.op_type] += 1
            name = module
            if not module or len(nodes) > 1:
                operator = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", node.op_type).lower()
                number = f"_{seen[node.op_type]}" if counts[node.op_type] > 1 else ""
                name = f"{module}/{operator}{number}".lstrip("/")
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
    """``conv1/norm`` from the exporter's notes, empty for the network itself."""
    scopes = ast.literal_eval(node.metadata_props.get(SCOPES, "['', '']"))
    modules = [str(scope) for scope in scopes[:-1]]  # the last is the operator
    return modules[-1].replace(".", "/") if modules else ""
