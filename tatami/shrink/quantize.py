"""Post-training quantization: a float network to a standard QDQ network of 8 bits.

Weights become int8, symmetric, a scale a channel (B. Jacob et al., "Quantization and Training of
Neural Networks for Efficient Integer-Arithmetic-Only Inference", CVPR 2018; R. Krishnamoorthi,
"Quantizing deep convolutional networks for efficient inference", 2018), activations uint8 with a
zero point, from ranges observed on calibration pictures. The arithmetic that follows is
docs/integer-arithmetic.md. Outputs stay float32: no value is rounded that need not be. The
exception is an output that another network takes as bytes, as the head of a detector in two stages
does.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from tatami.errors import TatamiError
from tatami.graph.attributes import constant, integer, label, place
from tatami.graph.linear import bias_after, bias_place
from tatami.graph.network import Network
from tatami.graph.operators.table import OPERATORS
from tatami.graph.passes.drop_identity import drop_identity, drop_unused
from tatami.graph.run import Given, values
from tatami.ops.fixed_point import MAX_SUM, sum_bounds
from tatami.program.lower_attention import other_of, softmax_of, takes_rows
from tatami.shrink.calibrate import Method, Observation, Range, choose_range, merge, observation_of
from tatami.shrink.choose import choose, constant_map, role_of, shares_range
from tatami.types import Float32, Float64, InputSpec, Int64, Spec, WaveInput


@dataclass(frozen=True)
class Layer:
    """What quantization did to one layer.

    Args:
        name: The layer's name.
        operator: Its operator in ONNX.
        output: The value it makes, after its activation.
        sqnr: Signal to quantization noise of its output in dB, 10 log10(sum x^2 / sum (x - q)^2),
            all layers before it quantized too.
        weight_sqnr: The same of its weights by themselves; None without weights.
    """

    name: str
    operator: str
    output: str
    sqnr: float
    weight_sqnr: float | None


def quantize(
    network: Network,
    observations: Mapping[str, Observation],
    *,
    method: Method = "mse",
    bias_correction: bool = True,
    keep_float: Collection[str] = (),
    pairs_everywhere: bool = False,
    shared: Mapping[str, Range] | None = None,
    note: str = "",
) -> Network:
    """Quantize a float network to a QDQ network of 8 bits.

    Args:
        network: The float network, with its normalizations folded; it is left as it is.
        observations: Of every activation, from ``calibrate.observe`` on this network.
        method: How ranges are chosen.
        bias_correction: Whether what rounding a layer's weights adds on average to its outputs is
            taken off its bias.
        keep_float: The names of layers that stay float.
        pairs_everywhere: Whether activations that do not clamp are rounded apart from the layer
            before them, as ``choose`` says.
        shared: The ranges of inputs and outputs, by name, that go from one network to another. Such
            an output stays float32, but holds only values that are steps of its bytes.
        note: How it was calibrated, for the provenance.

    Raises:
        TatamiError: For a network with normalizations that are not folded, for one that is
            quantized already, and for a name in ``keep_float`` that is no layer.

    Source:
        M. Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction",
        ICCV 2019, section 4.2, with measured means, for the correction of biases.
    """
    model = network.model.clone()
    drop_identity(model)
    graph = model.graph
    _refuse(graph, keep_float)
    given = {**_of_codes(network), **(shared or {})}
    means = observations if bias_correction else {}
    kept = set(keep_float)
    while True:
        choice = choose(graph, kept, pairs_everywhere)
        known = {**observations, **_constants(choice.integer)}
        ranges = _ranges(choice.integer, known, method, given)
        work = _Work(graph, ranges, _pictures(network.spec))
        wide = {label(node) for node in choice.sums if not _fits(work, node, means)}
        if not wide:
            break
        kept |= wide
    for node in choice.integer:
        if node in choice.joined or node in choice.inside:
            if node in choice.parts:
                work.quantize(choice.parts[node].source)
            if node in choice.summed:  # the layer's sums are not rounded before they are added
                (norm,) = (use.node for use in node.outputs[0].uses())
                work.quantize(other_of(norm, choice.summed[node]))
            continue
        if softmax_of(node) is not None:  # it is part of the softmax behind it
            work.quantize(work.paired_input(node, 1))
            continue
        for index in _constant_places(node):
            work.hold_bytes(node, index)
        inputs = 1 if node in choice.sums or OPERATORS[node.op_type].settings else len(node.inputs)
        for index in range(inputs):  # by index: the first pair of a value serves its second use too
            value = node.inputs[index]
            maker = None if value is None else value.producer()
            if maker is not None and softmax_of(maker) is node and maker in choice.integer:
                continue
            if maker in choice.summed:
                continue
            if value is not None and str(value.name) in work.known:
                work.quantize(value)
        if node in choice.sums:
            _quantize_weights(work, node, means)
        if shares_range(node):  # its results are bytes already
            for value in node.outputs:
                if value.uses() and str(value.name) in work.known:
                    work.quantize(value)
    for index, output in enumerate(graph.outputs):
        if str(output.name) in given:
            work.quantize_output(index)
    drop_unused(model)
    spec = network.spec
    if spec is not None:
        text = f"8 bits, {method}{', bias correction' if bias_correction else ''}"
        text += f", {note}" if note else ""
        if kept:
            text += f", float: {', '.join(sorted(kept))}"
        spec = spec.changed(provenance={**spec.provenance, "quantized": text})
    return Network(model, spec)


def measure(network: Network, quantized: Network, images: Iterable[Given]) -> list[Layer]:
    """Measure the signal to noise ratio of every layer with weights, in order.

    Args:
        network: The float network.
        quantized: What ``quantize`` made of it.
        images: Arrays (1, 3, H, W); of a network with several inputs, a sequence of arrays each.
    """
    signal: dict[str, float] = {}
    noise: dict[str, float] = {}
    layers = _outputs_of_layers(network, quantized)
    for image in images:
        expected, found = values(network, image), values(quantized, image)
        for _, name, twin in layers:
            difference = (found[twin] - expected[name]).astype(np.float64)
            signal[name] = signal.get(name, 0.0) + float((expected[name] ** 2).sum())
            noise[name] = noise.get(name, 0.0) + float((difference**2).sum())
    return [
        Layer(label(node), node.op_type, name, _decibel(signal[name], noise[name]), _weights(node))
        for node, name, _ in layers
    ]


def output_sqnr(network: Network, quantized: Network, images: Iterable[Given]) -> float:
    """Measure the signal to noise ratio of a whole network in dB, the mean over its outputs.

    Args:
        network: The float network.
        quantized: The same in 8 bits.
        images: Arrays (1, 3, H, W); of a network with several inputs, a sequence of arrays each.
    """
    outputs = [str(output.name) for output in network.graph.outputs]
    twins = [str(output.name) for output in quantized.graph.outputs]
    signal, noise = np.zeros(len(outputs)), np.zeros(len(outputs))
    for image in images:
        expected, found = values(network, image), values(quantized, image)
        for at, (name, twin) in enumerate(zip(outputs, twins, strict=True)):
            difference = (found[twin] - expected[name]).astype(np.float64)
            signal[at] += float((expected[name].astype(np.float64) ** 2).sum())
            noise[at] += float((difference**2).sum())
    return float(np.mean([_decibel(*each) for each in zip(signal, noise, strict=True)]))


def _decibel(signal: float, noise: float) -> float:
    if noise == 0:
        return float("inf")
    return float("-inf") if signal == 0 else 10 * float(np.log10(signal / noise))


def _refuse(graph: ir.Graph, keep_float: Collection[str]) -> None:
    labels = [label(node) for node in graph if role_of(node) == "sum"]
    for node in graph:
        if node.op_type == "BatchNormalization":
            raise TatamiError(f"{place(node)} is not folded", hint="fold the network first")
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            raise TatamiError(
                "the network is quantized already", hint="give the float network it was made of"
            )
    for name in keep_float:
        if name not in labels:
            raise TatamiError(
                f"there is no layer '{name}'", hint=f"the layers are {', '.join(labels)}"
            )


def _pictures(spec: Spec | None) -> InputSpec | None:
    """Tell how pictures become the network's input; None where that is no picture."""
    found = None if spec is None or not spec.sees_pictures else spec.input
    return found if isinstance(found, InputSpec) else None


def _constant_places(node: ir.Node) -> list[int]:
    """List the inputs of an integer node that are constants held as bytes of one scale."""
    if takes_rows(node):
        return [0]
    index = constant_map(node)
    return [] if index is None else [index]


def _constants(chosen: Collection[ir.Node]) -> dict[str, Observation]:
    """Observe the constants that are held as bytes."""
    found = {}
    for node in chosen:
        for index in _constant_places(node):
            value, array = node.inputs[index], constant(node, index)
            if value is not None and array is not None:
                found[str(value.name)] = observation_of(array)
    return found


# Ranges and the nodes that state them ------------------------------------------------------------


def _ranges(
    chosen: Collection[ir.Node],
    observations: Mapping[str, Observation],
    method: Method,
    given: Mapping[str, Range],
) -> dict[str, Range]:
    """Choose the range of every value; values that a node only moves share one.

    Args:
        chosen: The nodes that become integer.
        observations: Of every activation.
        method: How ranges are chosen.
        given: Ranges of some values that are known already.
    """
    group: dict[str, str] = {name: name for name in observations}

    def root(name: str) -> str:
        while group[name] != name:
            name = group[name]
        return name

    for node in chosen:
        if shares_range(node):
            count = 1 if OPERATORS[node.op_type].settings else len(node.inputs)
            names = [str(value.name) for value in node.inputs[:count] if value is not None]
            results = [str(value.name) for value in node.outputs]
            for name in (one for one in names if one in group):
                for result in (one for one in results if one in group):
                    group[root(result)] = root(name)
    members: dict[str, list[str]] = {}
    for name in observations:
        members.setdefault(root(name), []).append(name)
    made = {str(value.name) for node in chosen if shares_range(node) for value in node.outputs}
    found = {}
    for names in members.values():
        sources = [name for name in names if name not in made] or names
        known = [given[name] for name in names if name in given]
        one = (
            known[0]
            if known
            else choose_range(merge(observations[name] for name in sources), method)
        )
        found.update(dict.fromkeys(names, one))
    return found


def scale_of(range: Range) -> tuple[np.float32, int]:
    """Compute the scale and the zero point of uint8 over a range that holds 0."""
    scale = np.float32((range.high - range.low) / 255)
    if scale <= np.finfo(np.float32).tiny:
        scale = np.float32(1 / 255)
    return scale, int(np.clip(np.round(-range.low / float(scale)), 0, 255))


def input_scale(spec: InputSpec) -> tuple[np.float32, int] | None:
    """Find the scale and zero point that take a picture's 256 levels to 256 bytes.

    Returns:
        None where one scale cannot do it.
    """
    mean, scale = set(spec.mean), set(spec.scale)
    if len(mean) > 1 or len(scale) > 1:
        return None
    (middle,), (factor,) = mean, scale
    if not (middle == round(middle) and 0 <= middle <= 255 and factor > 0):
        return None
    return np.float32(factor), int(middle)


def _of_codes(network: Network) -> dict[str, Range]:
    """Give an input of a sound's codes the range in which its bytes are the codes themselves."""
    spec = network.spec
    if spec is None or not isinstance(spec.input, WaveInput):
        return {}
    return {str(value.name): Range(-1.0, 127 / 128) for value in network.graph.inputs}


class _Work:
    """A graph in which values get their pairs of QuantizeLinear and DequantizeLinear.

    ``scales`` has the scale of every value that a DequantizeLinear of a pair makes, ``paired`` the
    values behind which a pair stands.

    Args:
        graph: The graph, which is changed.
        ranges: The range of every value.
        pictures: How pictures become the input; None where it is no picture.
    """

    def __init__(
        self, graph: ir.Graph, ranges: Mapping[str, Range], pictures: InputSpec | None
    ) -> None:
        self.graph = graph
        self.ranges = ranges
        self.pictures = pictures
        self.scales: dict[ir.Value, np.float32] = {}
        self.paired: set[ir.Value] = set()

    @property
    def known(self) -> Collection[str]:
        """The names of values that have a range."""
        return self.ranges.keys()

    def scale_of(self, value: ir.Value) -> tuple[np.float32, int]:
        """Choose the scale and the zero point of a value."""
        found = None
        if value.is_graph_input() and self.pictures is not None:
            found = input_scale(self.pictures)
        return found or scale_of(self.ranges[str(value.name)])

    def quantize(self, value: ir.Value) -> None:
        """Put a pair behind a value, unless it stands behind one; all who read it read the pair."""
        if value not in self.scales and value not in self.paired:
            self._add_pair(value)

    def _add_pair(self, value: ir.Value) -> None:
        self.paired.add(value)
        name = str(value.name)
        scale, zero = self.scale_of(value)
        constants = [
            self.initializer(f"{name}_scale", np.array(scale, np.float32)),
            self.initializer(f"{name}_zero_point", np.array(zero, np.uint8)),
        ]
        q = ir.Node("", "QuantizeLinear", [value, *constants], num_outputs=1)
        q.outputs[0].name = f"{name}_quantized"
        q.outputs[0].shape, q.outputs[0].dtype = value.shape, ir.DataType.UINT8
        dq = ir.Node("", "DequantizeLinear", [q.outputs[0], *constants], num_outputs=1)
        dq.outputs[0].name = f"{name}_dequantized"
        dq.outputs[0].shape, dq.outputs[0].dtype = value.shape, ir.DataType.FLOAT
        maker = value.producer()
        if maker is None:
            self.graph.insert_before(self.graph[0], [q, dq])
        else:
            self.graph.insert_after(maker, [q, dq])
        for use in list(value.uses()):
            if use.node is not q:
                use.node.replace_input_with(use.idx, dq.outputs[0])
        self.scales[dq.outputs[0]] = scale

    def paired_input(self, node: ir.Node, index: int) -> ir.Value:
        """Give an input that a node must have."""
        value = node.inputs[index]
        assert value is not None
        return value

    def hold_bytes(self, node: ir.Node, index: int) -> None:
        """Hold a constant input as bytes of one scale, with a DequantizeLinear behind it."""
        array, name = constant(node, index), str(self.paired_input(node, index).name)
        if array is None:
            return  # it is held so
        scale, zero = scale_of(self.ranges[name])
        steps = np.clip(np.rint(array / scale) + zero, 0, 255).astype(np.uint8)
        inputs = [
            self.initializer(f"{name}_quantized", steps),
            self.initializer(f"{name}_scale", np.array(scale, np.float32)),
            self.initializer(f"{name}_zero_point", np.array(zero, np.uint8)),
        ]
        dq = ir.Node("", "DequantizeLinear", inputs, num_outputs=1)
        dq.outputs[0].name = f"{name}_dequantized"
        dq.outputs[0].shape, dq.outputs[0].dtype = ir.Shape(array.shape), ir.DataType.FLOAT
        self.graph.insert_before(node, dq)
        node.replace_input_with(index, dq.outputs[0])

    def quantize_output(self, index: int) -> None:
        """Have a pair make an output of the graph, under its name; add one where there is none."""
        value = self.graph.outputs[index]
        if not any(use.node.op_type == "QuantizeLinear" for use in value.uses()):
            self._add_pair(value)
        (q,) = (use.node for use in value.uses())  # everybody else reads the pair
        (dq,) = (use.node for use in q.outputs[0].uses())
        name, made = value.name, dq.outputs[0]
        value.name = f"{name}_unrounded"
        made.name = name
        self.graph.outputs[index] = made

    def initializer(self, name: str, array: NDArray[Any]) -> ir.Value:
        """Add a constant to the graph."""
        tensor = ir.tensor(array, name=name)
        value = ir.Value(
            name=name,
            shape=ir.Shape(array.shape),
            type=ir.TensorType(tensor.dtype),
            const_value=tensor,
        )
        self.graph.register_initializer(value)
        return value

    def dequantized(
        self, before: ir.Node, name: str, array: NDArray[Any], scale: Float32, axis: int
    ) -> ir.Value:
        """Add a constant as integers with a DequantizeLinear behind it."""
        inputs = [
            self.initializer(f"{name}_quantized", array),
            self.initializer(f"{name}_scale", scale),
        ]
        if array.dtype == np.int8:
            zeros = np.zeros(scale.shape, np.int8)
            inputs.append(self.initializer(f"{name}_zero_point", zeros))
        dq = ir.Node("", "DequantizeLinear", inputs, [ir.AttrInt64("axis", axis)], num_outputs=1)
        dq.outputs[0].name = f"{name}_dequantized"
        dq.outputs[0].shape = ir.Shape(array.shape)
        dq.outputs[0].dtype = ir.DataType.FLOAT
        self.graph.insert_before(before, dq)
        return dq.outputs[0]


# Weights -----------------------------------------------------------------------------------------


def output_axis(node: ir.Node) -> int:
    """Find the axis of a layer's weights that counts its outputs."""
    if node.op_type == "Conv" or (node.op_type == "Gemm" and integer(node, "transB", 0)):
        return 0
    return 1


def to_integers(weights: Float32, axis: int) -> tuple[NDArray[np.int8], Float32]:
    """Quantize weights to int8, symmetric, each slice's largest at 127.

    Args:
        weights: Of any shape.
        axis: The axis that has a scale for each slice.

    Returns:
        int8 weights and the scale of each slice along ``axis``.
    """
    others = tuple(i for i in range(weights.ndim) if i != axis)
    largest = np.abs(weights).max(axis=others)
    scale = np.maximum(largest / 127, 1e-12).astype(np.float32)
    steps = np.rint(weights / _along(scale, axis, weights.ndim))
    return np.clip(steps, -127, 127).astype(np.int8), scale


def _along(array: Float32, axis: int, rank: int) -> Float32:
    return array.reshape([-1 if i == axis else 1 for i in range(rank)])


@dataclass(frozen=True)
class _Integers:
    """Hold a layer's weights and bias as integers.

    Args:
        weights: int8, of the weights' shape.
        scales: Of each slice along ``axis``, or (1,).
        axis: The axis that counts outputs.
        bias: int64 (outputs,), in steps of ``bias_scale``; None where there is nothing to add.
        bias_scale: (outputs,).
    """

    weights: NDArray[np.int8]
    scales: Float32
    axis: int
    bias: Int64 | None
    bias_scale: Float32


def _integers_of(
    node: ir.Node, scale: np.float32, observations: Mapping[str, Observation]
) -> _Integers:
    """Quantize weights and bias; without observations the bias is not corrected.

    Args:
        node: The layer.
        scale: Of its input.
        observations: Of its input, by name.
    """
    weights = constant(node, 1)
    behind = bias_after(node)
    bias = constant(node, 2) if behind is None else constant(behind, bias_place(behind, node))
    assert weights is not None
    assert node.inputs[0] is not None
    axis = output_axis(node)
    if node.op_type == "ConvTranspose" and integer(node, "group", 1) > 1:
        largest = np.float32(max(float(np.abs(weights).max()) / 127, 1e-12))
        stored = np.clip(np.rint(weights / largest), -127, 127).astype(np.int8)
        scales = np.array([largest], np.float32)
        axis_scale = np.broadcast_to(scales, (weights.shape[1] * integer(node, "group", 1),))
    else:
        stored, scales = to_integers(weights, axis)
        axis_scale = scales
    outputs = len(axis_scale)
    shift = np.zeros(outputs) if bias is None else np.broadcast_to(bias.reshape(-1), (outputs,))
    correction = np.zeros(outputs)
    source = str(node.inputs[0].name).removesuffix("_dequantized")
    if node.op_type == "Conv" and source in observations:
        changed = stored.astype(np.float64) * _along(scales, 0, weights.ndim) - weights
        correction = _mean_of(changed, observations[source].means, integer(node, "group", 1))
    bias_scale = (scale * axis_scale.astype(np.float32)).astype(np.float32)
    if bias is None and not correction.any():
        return _Integers(stored, scales, axis, None, bias_scale)
    steps = np.rint((shift.astype(np.float64) - correction) / bias_scale.astype(np.float64))
    limit = 2**31 - 1
    return _Integers(
        stored, scales, axis, np.clip(steps, -limit, limit).astype(np.int64), bias_scale
    )


def _fits(work: _Work, node: ir.Node, observations: Mapping[str, Observation]) -> bool:
    """Tell whether no sum of a layer can leave 32 bits."""
    source = node.inputs[0]
    assert source is not None
    scale, zero = work.scale_of(source)
    found = _integers_of(node, scale, observations)
    rows = found.weights
    if node.op_type == "ConvTranspose":
        groups = integer(node, "group", 1)
        rows = rows.reshape(groups, -1, *rows.shape[1:]).swapaxes(1, 2)
        rows = rows.reshape(rows.shape[0] * rows.shape[1], -1)
    elif found.axis == 1:
        rows = rows.T
    bias = np.zeros(len(rows), np.int64) if found.bias is None else found.bias
    return int(sum_bounds(rows, bias.astype(np.int32), zero).max(initial=0)) <= MAX_SUM


def _quantize_weights(work: _Work, node: ir.Node, observations: Mapping[str, Observation]) -> None:
    """Write weights and bias as integers; without observations the bias is not corrected."""
    assert node.inputs[1] is not None
    assert node.inputs[0] is not None
    found = _integers_of(node, work.scales[node.inputs[0]], observations)
    name = str(node.inputs[1].name)
    node.replace_input_with(
        1, work.dequantized(node, name, found.weights, found.scales, found.axis)
    )
    if found.bias is None:
        return
    behind = bias_after(node)
    if behind is not None:
        place = bias_place(behind, node)
        row = str(work.paired_input(behind, place).name)
        steps = found.bias.astype(np.int32)
        value = work.dequantized(behind, row, steps, found.bias_scale, 0)
        behind.replace_input_with(place, value)
        return
    named = node.inputs[2] if len(node.inputs) > 2 else None
    bias_name = f"{label(node)}.bias" if named is None else str(named.name)
    steps = found.bias.astype(np.int32)
    value = work.dequantized(node, bias_name, steps, found.bias_scale, 0)
    if len(node.inputs) <= 2:
        node.resize_inputs(3)
    node.replace_input_with(2, value)


def _mean_of(changed: Float64, means: Float64, groups: int) -> Float64:
    """Compute what a change of weights (o, c / groups, ...) adds to outputs on average.

    Args:
        changed: By how much the weights change.
        means: (c,), the mean of each input channel.
        groups: The convolution's.
    """
    by_tap = changed.sum(axis=tuple(range(2, changed.ndim)))  # (o, c / groups)
    outputs = len(by_tap) // groups
    inputs = np.repeat(means.reshape(groups, -1), outputs, axis=0)  # (o, c / groups)
    total: Float64 = (by_tap * inputs).sum(axis=1)
    return total


# Measuring ---------------------------------------------------------------------------------------


def _outputs_of_layers(network: Network, quantized: Network) -> list[tuple[ir.Node, str, str]]:
    """List each layer, its output after its activation, and that value's twin once quantized."""
    names = {str(value.name) for node in quantized.graph for value in node.outputs}
    found = []
    for node in network.graph:
        if role_of(node) != "sum":
            continue
        value = (bias_after(node) or node).outputs[0]
        uses = list(value.uses())
        if len(uses) == 1 and role_of(uses[0].node) == "joins" and not value.is_graph_output():
            value = uses[0].node.outputs[0]
        name = str(value.name)
        twin = f"{name}_dequantized" if f"{name}_dequantized" in names else name
        if twin in names:
            found.append((node, name, twin))
    return found


def _weights(node: ir.Node) -> float | None:
    weights = constant(node, 1)
    if weights is None:
        return None
    axis = output_axis(node)
    stored, scale = to_integers(weights, axis)
    error = stored * _along(scale, axis, weights.ndim) - weights
    return _decibel(float((weights**2).sum()), float((error.astype(np.float64) ** 2).sum()))
