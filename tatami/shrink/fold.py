"""Fold convolution => normalize => scale => bias into one convolution with a bias.

S. Ioffe and C. Szegedy, "Batch Normalization", ICML 2015: at inference (Algorithm 2, line 11) the
normalization is a fixed line per channel, y = s * x + t, and a convolution followed by a line per
output channel is a convolution with weights s * W and bias s * b + t. The derivation is in
docs/lessons/05-folding.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from onnx_ir import convenience

from tatami.errors import TatamiError
from tatami.graph.attributes import constant, integer, place, real
from tatami.graph.network import Network, shape_of
from tatami.graph.passes.drop_identity import drop_identity, drop_unused
from tatami.ops.norm import Epsilon
from tatami.types import Float32, Float64


@dataclass(frozen=True)
class Folded:
    """What became of one convolution, or of a normalization that none could take up.

    Args:
        conv: The name of the value that the convolution made, which is no more.
        output: The name of the value that it makes now: that of the chain's last node.
        nodes: The folded nodes, each as ``BatchNormalization 'conv1/norm'``, in their order.
        epsilon: That of the (last) normalization; None where the chain had none.
        largest_scale: The largest |factor| that a channel's weights were multiplied by.
        operations: Additions, multiplications and divisions for one picture that are no longer
            done, counted as the equations are written (normalize 2, scale 1, bias 1 an element).
        alone: Why the normalization became a convolution of its own, depthwise; "" for all others.
    """

    conv: str
    output: str
    nodes: tuple[str, ...]
    epsilon: Epsilon | None
    largest_scale: float
    operations: int
    alone: str = ""


@dataclass(frozen=True)
class _Line:
    """y = scale * x + shift, one of each per channel: (c,) float64."""

    scale: Float64
    shift: Float64

    def then(self, after: _Line) -> _Line:
        """Compose two lines: after(self(x))."""
        return _Line(after.scale * self.scale, after.scale * self.shift + after.shift)


def fold(
    network: Network, epsilon: Epsilon | None = None, depthwise: bool | None = None
) -> tuple[Network, list[Folded]]:
    """Fold every normalization, and per-channel scale and bias, into the convolution before it.

    Each convolution takes up the whole chain of BatchNormalization and of Mul, Div, Add and Sub by
    one constant per channel that follows it, in float64, rounded once to float32; a constant that
    differs within a channel ends the chain. The value that the chain made keeps its name. A network
    with nothing to fold comes back equal, with no records.

    Args:
        network: The network, which is left as it is.
        epsilon: Replaces the nodes' own.
        depthwise: Whether a normalization that no convolution can take up, as those in front of
            DenseNet's, becomes a convolution of its own, of one tap and one channel each; its
            record says why. None: in Tatami's own networks, whose metadata say what they are and
            which are so by design; in any other file it may be a mistake, and is refused.

    Returns:
        The folded network, and what became of each convolution.

    Raises:
        TatamiError: Where folding would be wrong; it names the nodes. That is a normalization that
            does not follow a convolution and a convolution whose output is also used elsewhere,
            both unless they become ``depthwise``, a normalization in training mode, a variance that
            is negative beyond epsilon, weights that leave the range of float32.
    """
    model = network.model.clone()
    drop_identity(model)  # so that a normalization is seen to follow its convolution
    records = []
    for node in list(model.graph):
        if node.op_type == "Conv" and (chain := _chain(node)):
            records.append(_fold_chain(model.graph, node, chain, epsilon))
    spec = network.spec
    # All the reasons first: they name the nodes as they were.
    left = [
        (node, _unfoldable(node)) for node in model.graph if node.op_type == "BatchNormalization"
    ]
    for node, why in left:
        if depthwise is False or (depthwise is None and spec is None):
            raise why
        records.append(_make_depthwise(model.graph, node, epsilon, why.reason))
    drop_unused(model)
    if spec is not None and records:
        used = "the nodes' own" if epsilon is None else str(epsilon)
        note = f"{len(records) - len(left)} convolutions, epsilon: {used}"
        note += f", {len(left)} depthwise" if left else ""
        spec = spec.changed(provenance={**spec.provenance, "folded": note})
    return Network(model, spec), records


def _chain(conv: ir.Node) -> list[ir.Node]:
    """List the nodes behind a convolution that are a line per channel and that alone use it."""
    chain: list[ir.Node] = []
    value = conv.outputs[0]
    while not value.is_graph_output() and len(value.uses()) == 1:
        node = next(iter(value.uses())).node
        if node.op_type == "BatchNormalization":
            if value is not node.inputs[0]:
                break
        elif node.op_type not in ("Add", "Sub", "Mul", "Div") or _other(node, value) is None:
            break
        elif node.op_type == "Div" and node.inputs[0] is not value:
            break  # constant / x is no line
        elif not _per_channel(node, value):
            break  # it differs within a channel, and no convolution can hold it
        chain.append(node)
        value = node.outputs[0]
    return chain


def _other(node: ir.Node, value: ir.Value) -> Float64 | None:
    """Find the constant that an arithmetic node joins with ``value``; None where there is none."""
    array = constant(node, 1 if node.inputs[0] is value else 0)
    return None if array is None else array.astype(np.float64)


def _per_channel(node: ir.Node, value: ir.Value) -> bool:
    """Tell whether the constant that a node joins with a value is one number a channel, or one."""
    array, sides = _other(node, value), shape_of(value)
    assert array is not None
    shape = (1,) * (len(sides) - array.ndim) + array.shape
    column = (1, sides[1], *[1] * (len(sides) - 2)) if len(sides) > 1 else ()
    return len(shape) == len(sides) and shape in (column, (1,) * len(sides))


def _fold_chain(
    graph: ir.Graph, conv: ir.Node, chain: list[ir.Node], epsilon: Epsilon | None
) -> Folded:
    weight, given_bias = constant(conv, 1), constant(conv, 2)
    if weight is None or (given_bias is None and len(conv.inputs) > 2 and conv.inputs[2]):
        raise TatamiError(
            f"{place(conv)} has weights that are computed, not constant",
            hint="export the network again",
        )
    outputs = len(weight)
    line = _Line(np.ones(outputs), np.zeros(outputs))
    used: Epsilon | None = None
    operations = 0
    value = conv.outputs[0]
    for node in chain:
        elements = int(np.prod(shape_of(node.outputs[0]), dtype=np.int64))
        if node.op_type == "BatchNormalization":
            used = epsilon or Epsilon(_written(real(node, "epsilon", 1e-5)))
            line = line.then(_normalization(node, used))
            operations += 4 * elements  # subtract the mean, divide, scale, add the bias
        else:
            line = line.then(_arithmetic(node, value, outputs))
            operations += elements
        value = node.outputs[0]

    bias = np.zeros(outputs) if given_bias is None else given_bias.astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        by_output = line.scale.reshape(-1, *[1] * (weight.ndim - 1))
        new_weight = (weight.astype(np.float64) * by_output).astype("f4")
        new_bias = (bias * line.scale + line.shift).astype(np.float32)
    if not (np.isfinite(new_weight).all() and np.isfinite(new_bias).all()):
        raise _out_of_range(f"folding {_names(chain)} into {place(conv)}")
    weights = {"weight": new_weight}
    if given_bias is not None or new_bias.any():
        weights["bias"] = new_bias
    if given_bias is None and "bias" in weights:
        operations -= int(np.prod(shape_of(value), dtype=np.int64))  # the bias is added now
    _replace(graph, [conv, *chain], weights, conv.attributes.values())
    return Folded(
        conv=str(conv.outputs[0].name),
        output=str(value.name),
        nodes=tuple(place(node) for node in chain),
        epsilon=used,
        largest_scale=float(np.abs(line.scale).max()),
        operations=operations,
    )


def _make_depthwise(graph: ir.Graph, node: ir.Node, epsilon: Epsilon | None, reason: str) -> Folded:
    """Write a normalization as a convolution of one tap, every channel by itself: the same line."""
    used = epsilon or Epsilon(_written(real(node, "epsilon", 1e-5)))
    line = _normalization(node, used)
    output = node.outputs[0]
    with np.errstate(over="ignore", invalid="ignore"):
        weight, bias = line.scale.astype(np.float32), line.shift.astype(np.float32)
    if not (np.isfinite(weight).all() and np.isfinite(bias).all()):
        raise _out_of_range(f"{place(node)} as a convolution")
    taps = [1] * (len(shape_of(output)) - 1)
    weights = {"weight": weight.reshape(-1, *taps), "bias": bias}
    _replace(graph, [node], weights, [ir.AttrInt64("group", len(weight))])
    return Folded(
        conv=str(output.name),
        output=str(output.name),
        nodes=(place(node),),
        epsilon=used,
        largest_scale=float(np.abs(line.scale).max()),
        operations=2 * int(np.prod(shape_of(output), dtype=np.int64)),  # of four, two are left
        alone=reason,
    )


def _out_of_range(what: str) -> TatamiError:
    return TatamiError(
        f"{what} leaves the range of float32",
        hint="look at its variance and scale: a channel is dead or was never trained",
    )


def _written(value: float) -> float:
    """Give a float32 attribute as it was written: 1e-5 and not 9.999999747378752e-06.

    It is the shortest decimal that float32 rounds to it; the two differ by less than one part in
    1e7.
    """
    return float(str(np.float32(value)))


def _normalization(node: ir.Node, epsilon: Epsilon) -> _Line:
    """Write scale * (x - mean) / deviation + bias as a line."""
    if integer(node, "training_mode", 0):
        raise TatamiError(
            f"{place(node)} is in training mode: its statistics change with every batch",
            hint="export the network in inference mode",
        )
    arrays = [constant(node, index) for index in range(1, 5)]
    if any(array is None for array in arrays):
        raise TatamiError(
            f"{place(node)} has statistics that are computed, not constant",
            hint="export the network in inference mode",
        )
    channels = shape_of(node.outputs[0])[1]
    scale, bias, mean, variance = (np.asarray(array, np.float64) for array in arrays)
    for name, array in (("scale", scale), ("bias", bias), ("mean", mean), ("variance", variance)):
        if array.shape != (channels,):
            raise TatamiError(
                f"{place(node)} has a {name} of shape {array.shape} for {channels} channels",
                hint="export the network again",
            )
    deviation = epsilon.deviation(variance)
    if not (deviation > 0).all():
        channel = int(np.argmin(np.where(deviation > 0, np.inf, variance)))
        raise TatamiError(
            f"{place(node)} has the variance {variance[channel]:.6g} in channel {channel}: "
            f"with epsilon {epsilon} it has no positive square root",
            hint="give that of the framework that trained it",
            setting="epsilon",
        )
    factor = scale / deviation
    return _Line(factor, bias - mean * factor)


def _arithmetic(node: ir.Node, value: ir.Value, channels: int) -> _Line:
    """Write x * k, x / k, x + k, x - k or k - x as a line, k one number per channel."""
    array = _other(node, value)
    assert array is not None
    k = np.broadcast_to(array.reshape(-1), (channels,))
    one, zero = np.ones(channels), np.zeros(channels)
    if node.op_type == "Mul":
        return _Line(k, zero)
    if node.op_type == "Div":
        if not k.all():
            raise TatamiError(f"{place(node)} divides by zero", hint="export the network again")
        return _Line(1 / k, zero)
    if node.op_type == "Add":
        return _Line(one, k)
    return _Line(one, -k) if node.inputs[0] is value else _Line(-one, k)


def _replace(
    graph: ir.Graph,
    old: list[ir.Node],
    weights: dict[str, Float32],
    attributes: Iterable[ir.Attr],
) -> None:
    """Put one convolution in the place of a chain of nodes, under the last one's name."""
    last = old[-1].outputs[0]
    inputs = [old[0].inputs[0]]
    for kind, array in weights.items():
        name = f"{last.name}.folded_{kind}"
        tensor = ir.tensor(array, name=name)
        kind_of_value = ir.TensorType(tensor.dtype)
        value = ir.Value(
            name=name, shape=ir.Shape(array.shape), type=kind_of_value, const_value=tensor
        )
        graph.register_initializer(value)
        inputs.append(value)
    output = ir.Value(name=last.name, shape=last.shape, type=last.type)
    new = ir.Node("", "Conv", inputs, attributes, outputs=[output], name=last.name)
    convenience.replace_nodes_and_values(graph, old[0], old, [new], [last], [output])


def _unfoldable(node: ir.Node) -> TatamiError:
    """Say why a normalization is still there: what stands before it, or who else uses it."""
    value = node.inputs[0]
    before = None if value is None else value.producer()
    leave = "fold with depthwise, which makes it a convolution of its own"
    if value is None or before is None:
        return TatamiError(
            f"{place(node)} normalizes the network's input and not a convolution's output: "
            "folded forward into a convolution it would be wrong at zero-padded borders",
            hint="put it into the input's mean and scale, or fold with depthwise",
        )
    if before.op_type == "Conv":
        users = [place(use.node) for use in value.uses() if use.node is not node]
        users += ["the network's output"] * value.is_graph_output()
        return TatamiError(
            f"{place(before)} is used twice: by {place(node)} and by {', '.join(users)}, which "
            "would see the normalized value instead",
            hint=leave,
        )
    return TatamiError(
        f"{place(node)} follows {place(before)} and not a convolution: a fold across it would "
        "change the network",
        hint=leave,
    )


def _names(nodes: list[ir.Node]) -> str:
    return ", ".join(place(node) for node in nodes)
