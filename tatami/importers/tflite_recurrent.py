"""TFLite's operators with a memory: SVDF, LSTM, and variables that live from call to call.

What lives from call to call becomes an input of the ONNX network and an output, its next value
(graph/state.py): the network itself stays a function.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from tatami.importers.build import Attribute
from tatami.importers.tflite_network import Work, rounded
from tatami.importers.tflite_options import flag, integer, real
from tatami.importers.tflite_schema import FUSED, Operator
from tatami.types import Float32, Float64


def _svdf(work: Work, operator: Operator) -> None:
    """Add a singular value decomposition filter: products along features, then along time.

    Source:
        P. Nakkiran et al., "Compressing Deep Neural Networks using a Rank-Constrained Topology",
        Interspeech 2015, section 2.
    """
    x, name, builder = work.value(operator), work.name(operator), work.builder
    features, times = work.reals(operator, 1), work.reals(operator, 2)
    rank, fused = integer(operator, 0), integer(operator, 1, "int8")
    given = builder.shape(x)
    if (
        features is None
        or times is None
        or features.ndim != 2
        or times.ndim != 2
        or len(features) != len(times)
        or rank < 1
        or len(features) % rank
        or given != (1, features.shape[1])
    ):
        raise work.wrong(operator, f"has weights that do not fit {given}")
    filters, memory = times.shape
    state = work.state(operator.inputs[4], (filters, memory), "float32")
    kept_as = work.content.tensors[operator.inputs[4]]
    in_bytes = kept_as.kind in ("int8", "uint8")
    column, _ = _svdf_weights(work, operator, 1, features)
    new = builder.add("MatMul", f"{name}_features", [x, column], (1, filters))
    if in_bytes:
        state, new = work.through_bytes(kept_as, state), work.through_bytes(kept_as, new)
    new = builder.reshape(f"{name}_newest", new, (filters, 1))
    if memory > 1:
        kept = builder.slice(f"{name}_kept", state, 1, 1, memory)
        new = builder.concat(f"{name}_memory", [kept, new], 1)
        if in_bytes:
            new = work.through_bytes(kept_as, new)
    work.next_state(operator.inputs[4], new)
    # Each unit weighs the times of its own filters: a convolution over one place, in groups.
    units = filters // rank
    taps, steps = _svdf_weights(work, operator, 2, times.reshape(units, rank, 1, memory))
    inputs = [builder.reshape(f"{name}_map", new, (1, filters, 1, memory)), taps]
    bias = _svdf_bias(work, operator, units, steps if in_bytes else None)
    if bias is not None:
        inputs.append(bias)
    y = builder.add("Conv", f"{name}_times", inputs, (1, units, 1, 1), {"group": units})
    made = work.content.tensors[operator.outputs[0]]
    if FUSED[fused : fused + 1] == ("RELU",):  # where the bytes are made, all in one step
        y, fused = builder.relu(f"{name}_positive", y), 0
    if made.is_bytes and not fused:
        y = work.through_bytes(made, y)
    y = builder.reshape(work.raw_name(operator, fused), y, (1, units))
    work.finish(operator, y, fused)


def _svdf_weights(
    work: Work, operator: Operator, index: int, reals: Float32
) -> tuple[str, Float64 | None]:
    """Add weights as the file keeps them: real numbers, or symmetric bytes.

    Args:
        work: The network in the making.
        operator: The layer.
        index: Of its input: 1, which is turned, or 2.
        reals: The same as real numbers, the outputs first.

    Returns:
        The weights, and the scale of each output; None of real numbers.
    """
    tensor, name = work.tensor(operator, index), f"{work.name(operator)}.weight_{index}"
    steps = None if tensor is None else tensor.quantization
    turned = index == 1
    if (
        tensor is None
        or tensor.kind not in ("int8", "uint8")
        or tensor.data is None
        or steps is None
        or steps.scale.size != 1
    ):
        return work.builder.weight(name, reals.T if turned else reals), None
    integers = rounded(tensor.data.reshape(reals.shape), steps.scale, steps.zero_point)
    work.rounded.append(integers)
    stored = np.ascontiguousarray(integers.weights.T) if turned else integers.weights
    scales = np.broadcast_to(integers.scale, (len(reals),)).astype(np.float64)
    return work.dequantized(name, stored, integers.scale, int(turned)), scales


def _svdf_bias(work: Work, operator: Operator, units: int, scales: Float64 | None) -> str | None:
    """Add the bias; whole numbers are in steps of the memory times those of the time weights.

    Args:
        work: The network in the making.
        operator: The layer.
        units: How many it has.
        scales: Of the time weights as they are now, where they and the memory are bytes.
    """
    bias, name = work.tensor(operator, 3), f"{work.name(operator)}.bias"
    if bias is None:
        return None
    if bias.kind != "int32" or bias.data is None:
        reals = work.reals(operator, 3)
        if reals is None or reals.shape != (units,):
            raise work.wrong(operator, f"has a bias of shape {bias.shape}")
        return work.builder.weight(name, reals)
    scale = np.float64(1)
    memory, times = work.tensor(operator, 4), work.tensor(operator, 2)
    for tensor in (memory, times):
        if tensor is None or tensor.quantization is None or len(tensor.quantization.scale) != 1:
            raise work.wrong(operator, "has a bias whose steps are not said")
        scale = scale * np.float64(tensor.quantization.scale[0])
    if bias.data.shape != (units,):
        raise work.wrong(operator, f"has a bias of shape {bias.data.shape}")
    if scales is None or memory is None or memory.quantization is None:
        return work.builder.weight(name, np.asarray(bias.data * scale, np.float32))
    now = np.float64(memory.quantization.scale[0]) * scales
    limit = 2**31 - 1
    steps = np.clip(np.rint(bias.data * (scale / now)), -limit, limit).astype(np.int32)
    one = bool((now == now[0]).all())
    return work.dequantized(name, steps, (now[:1] if one else now).astype(np.float32))


_GATES = (0, 3, 1, 2)
"""TFLite's gates (input, forget, cell, output) in ONNX's order: input, output, forget, cell."""


def _lstm(work: Work, operator: Operator) -> None:
    """Add UNIDIRECTIONAL_SEQUENCE_LSTM; it begins each call with a state of zeros."""
    x, name, builder = work.value(operator), work.name(operator), work.builder
    given = builder.shape(x)
    clip, projected = real(operator, 1), real(operator, 2)
    if len(given) != 3 or integer(operator, 0, "int8") != 4 or projected:
        raise work.wrong(operator, "is no LSTM of sequences with tanh")
    gates = [work.reals(operator, 1 + gate) for gate in range(4)]
    recurrent = [work.reals(operator, 5 + gate) for gate in range(4)]
    peepholes = [work.reals(operator, 9 + gate) for gate in range(3)]
    biases = [work.reals(operator, 12 + gate) for gate in range(4)]
    if any(array is None for array in (*gates, *recurrent)) or any(
        operator.inputs[place] >= 0 for place in (16, 17) if place < len(operator.inputs)
    ):
        raise work.wrong(operator, "has coupled gates or a projection")
    units = _rows(gates)
    along = flag(operator, 3)  # time_major
    steps, batch = given[:2] if along else given[1::-1]
    turned = x if along else builder.transpose(f"{name}_in_time", x, (1, 0, 2))
    constants = [
        builder.weight(f"{name}.weight", _stacked(gates)),
        builder.weight(f"{name}.recurrent", _stacked(recurrent)),
    ]
    bias = np.zeros((1, 8 * units), np.float32)
    for place, gate in enumerate(_GATES):
        own = biases[gate]
        if own is not None:
            bias[0, place * units : (place + 1) * units] = own
    constants.append(builder.weight(f"{name}.bias", bias))
    if any(array is not None for array in peepholes):
        # ONNX's peepholes are those of the input, output and forget gates
        ordered = [peepholes[place] for place in (0, 2, 1)]
        parts = [np.zeros(units, np.float32) if one is None else one for one in ordered]
        weights = builder.weight(f"{name}.peepholes", np.stack(parts).reshape(1, -1))
        constants += ["", "", "", weights]
    attributes: dict[str, Attribute] = {"hidden_size": units}
    if clip:
        attributes["clip"] = clip
    shape = (steps, 1, batch, units)
    y = builder.add("LSTM", f"{name}_all", [turned, *constants], shape, attributes)
    y = builder.reshape(f"{name}_sequence", y, (steps, batch, units))
    work.finish(operator, y if along else builder.transpose(name, y, (1, 0, 2)))


def _rows(gates: list[Float32 | None]) -> int:
    return 0 if gates[0] is None else len(gates[0])


def _stacked(gates: list[Float32 | None]) -> Float32:
    """Stack the matrices of the gates in ONNX's order, (1, 4 * units, n)."""
    known = [gates[gate] for gate in _GATES]
    return np.concatenate([one for one in known if one is not None])[None]


def _read(work: Work, operator: Operator) -> None:
    tensor = work.content.tensors[operator.outputs[0]]
    value = work.state(operator.inputs[0], tensor.shape, tensor.kind)
    work.finish(operator, value)


def _assign(work: Work, operator: Operator) -> None:
    work.next_state(operator.inputs[0], work.operand(operator, 1))


def _handle(work: Work, operator: Operator) -> None:
    """Name a variable: all handles of one name are the same one."""
    options = operator.options
    name = "" if options is None else options.text(1)
    work.handles[operator.outputs[0]] = name or f"variable_{operator.outputs[0]}"


OPERATORS: Mapping[str, Callable[[Work, Operator], None]] = {
    "ASSIGN_VARIABLE": _assign,
    "READ_VARIABLE": _read,
    "SVDF": _svdf,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": _lstm,
    "VAR_HANDLE": _handle,
}
"""Those of this file."""
