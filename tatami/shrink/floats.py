"""What stays float in a quantized network, and why: nothing does so in silence.

The program that a quantized network means is asked: a step of float arithmetic in it is a node that
has not become integer.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import onnx_ir as ir

from tatami.graph.attributes import label, weight
from tatami.graph.functions import varying
from tatami.graph.network import Network
from tatami.program.lower import lower
from tatami.program.lower_attention import multiplies
from tatami.program.lower_samples import PAIRS
from tatami.program.steps import (
    Activate,
    Apply,
    Arithmetic,
    AveragePool,
    Conv,
    ConvTranspose,
    Dequantize,
    L2Norm,
    MaxPool,
    Program,
    Quantize,
    Resize,
    Softmax,
    Step,
)
from tatami.shrink.choose import role_of

ASKED = "kept in float32, as asked"
WIDE = "its sums could leave 32 bits"
COMPUTED = "its weights are computed"
OUTPUT = "it only leads to an output, and outputs stay float32"
NO_FORM = "its operator has no integer form"
PAIR = "of two values that change its operator has no integer form"
READS = "what it reads stays float"
WEIGHS = "a softmax is integer where a product of two values reads it"
UNFIT = "its axes, batch or constants fit no integer step"


@dataclass(frozen=True)
class Float:
    """Say that a node stays float.

    Args:
        layer: Its name.
        operator: Its operator in ONNX.
        reason: Why.
    """

    layer: str
    operator: str
    reason: str


def floats_of(quantized: Network, kept: Collection[str] = ()) -> list[Float]:
    """List the nodes with arithmetic that stay float, in order.

    Moving samples is no arithmetic, but moving bytes as floats is named, too.

    Args:
        quantized: A quantized network.
        kept: The names of layers that were to stay float.

    Raises:
        TatamiError: For scales that integers cannot hold, naming the layer.
    """
    program = lower(quantized)
    makers = {str(value.name): node for node in quantized.graph for value in node.outputs}
    by_label = {label(node): node for node in quantized.graph}
    found: dict[ir.Node, None] = {}
    for step in program.steps:
        if not _is_float(program, step):
            continue
        last = makers.get(step.output) or by_label.get(step.name)
        if last is not None:
            found.update(dict.fromkeys(_nodes(last, step.name)))
    return [
        Float(label(node), node.op_type, _reason(node, kept))
        for node in quantized.graph
        if node in found
    ]


def _is_float(program: Program, step: Step) -> bool:
    """Tell whether a step is arithmetic with real numbers."""
    match step:
        case Conv() | ConvTranspose() | AveragePool() | Activate() | Arithmetic():
            return True
        case Softmax() | L2Norm():
            return True
        case MaxPool():
            return program.values[step.output].quantization is None
        case Resize():
            means = bool(step.rows.weight.any() or step.columns.weight.any())
            return means and program.values[step.output].quantization is None
        case Apply():
            real = program.values[step.output].dtype == "float32"
            return real and (not step.exact or _was_bytes(program, step))
    return False


def _was_bytes(program: Program, step: Step) -> bool:
    """Tell whether a step reads what was bytes, and moves it as floats to become bytes again."""
    made = {one.output for one in program.steps if isinstance(one, Dequantize)}
    read = {name for one in program.steps if isinstance(one, Quantize) for name in one.inputs}
    return bool(made & set(step.inputs)) and step.output in read


def _nodes(last: ir.Node, name: str) -> Iterator[ir.Node]:
    """List the nodes of a step, which took up to two that follow the one that it is named after."""
    node: ir.Node | None = last
    chain = []
    for _ in range(3):
        if node is None:
            break
        chain.append(node)
        if label(node) == name:
            yield from chain
            return
        value = node.inputs[0] if node.inputs else None
        node = None if value is None else value.producer()
    yield last


def _reason(node: ir.Node, kept: Collection[str]) -> str:
    if label(node) in kept:
        return ASKED
    role = role_of(node)
    if role == "sum" and not multiplies(node):
        if weight(node, 1) is None:
            return COMPUTED
        value = node.inputs[1]
        maker = None if value is None else value.producer()
        return WIDE if maker is None else UNFIT
    if not _leads_to_bytes(node):
        return OUTPUT
    if role == "float":
        return NO_FORM
    values = varying(node)
    if len(values) > 1 and role == "steps" and node.op_type not in PAIRS:
        return PAIR
    if node.op_type == "Softmax" and not _weighs(node):
        return WEIGHS
    makers = [value.producer() for value in values]
    if any(maker is not None and maker.op_type != "DequantizeLinear" for maker in makers):
        return READS
    return UNFIT


def _weighs(node: ir.Node) -> bool:
    """Tell whether a product of two values reads what a node makes, or the bytes of it."""
    readers = [use.node for use in node.outputs[0].uses()]
    return any(
        multiplies(reader)
        or (reader.op_type in ("QuantizeLinear", "DequantizeLinear") and _weighs(reader))
        for reader in readers
    )


def _leads_to_bytes(node: ir.Node) -> bool:
    """Tell whether anything that follows is quantized."""
    seen: set[ir.Node] = set()
    waiting = [node]
    while waiting:
        for value in waiting.pop().outputs:
            for use in value.uses():
                if use.node.op_type == "QuantizeLinear":
                    return True
                if use.node not in seen:
                    seen.add(use.node)
                    waiting.append(use.node)
    return False
