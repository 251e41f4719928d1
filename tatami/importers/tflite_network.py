"""A TFLite network on its way to ONNX: its values, its bytes and its weights.

TFLite lays maps out channels last, ONNX channels first: every tensor of four axes is reordered,
weights with it, so that nothing is transposed on the way. A quantized network becomes the QDQ form
of docs/decisions/0008: activations keep the file's scales and zero points. Weights that are int8
and symmetric stay as they are; those of 2018, uint8 with a zero point, lie up to 255 steps from it
and are rounded again in the channels that need more than the 127 of an int8.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import onnx
from numpy.typing import NDArray

from tatami.errors import TatamiError
from tatami.graph.form import MAX_ELEMENTS
from tatami.importers.build import Attribute, Builder, Shape
from tatami.importers.tflite_schema import FUSED, Content, Operator, Tensor
from tatami.types import Float32, Float64, Size

AGAIN = "convert the network again"


class Work:
    """A network in the making.

    ``values`` has the ONNX name of each tensor that exists, in float32 (dequantized, in a quantized
    network), ``constants`` float32 of tensors that operators make of constants, and ``channels``,
    for tensors whose channels are chosen or put in another order, where each comes from.

    Args:
        content: What the file holds.
        size: Of the input.
        own: The file's own size of the input.
        resized: Whether an input has another shape than the file says: then so have other values.
    """

    def __init__(self, content: Content, size: Size, own: Size, resized: bool) -> None:
        self.content = content
        self.size = size
        self.own = own
        self.resized = resized
        self.names = _input_names(content)
        self.whole: dict[int, NDArray[np.int64]] = {}
        self.passed: set[int] = set()
        self.wide: list[str] = []
        self.handles: dict[int, str] = {}
        self.states: dict[str, str] = {}
        self._next: dict[str, str] = {}
        inputs = {
            name: (_sides(content.tensors[index], size, own), KINDS[content.tensors[index].kind])
            for index, name in self.names.items()
        }
        self.builder = Builder(size, inputs=inputs)
        self.values: dict[int, str] = {}
        self.constants: dict[int, Float32] = {}
        self.channels: dict[int, list[int]] = {}
        self.rounded: list[Rounded] = []
        self.held = 0
        self.readers: dict[int, list[str]] = {}
        for operator in content.operators:
            for index in set(operator.inputs):
                self.readers.setdefault(index, []).append(operator.kind)

    def start(self) -> None:
        """Add the inputs, as bytes where the file takes bytes."""
        for index, name in self.names.items():
            self.values[index] = self._typed(self.content.tensors[index], name)

    def name(self, operator: Operator) -> str:
        """Name the layer after the tensor that it makes."""
        return self.content.tensors[operator.outputs[0]].name or operator.kind.lower()

    def raw_name(self, operator: Operator, fused: int) -> str:
        """Name what comes before a fused activation."""
        return f"{self.name(operator)}_sum" if fused else self.name(operator)

    def tensor(self, operator: Operator, index: int) -> Tensor | None:
        """Give an input; None for one left out."""
        given = operator.inputs[index] if index < len(operator.inputs) else -1
        return None if given < 0 else self.content.tensors[given]

    def value(self, operator: Operator, index: int = 0) -> str:
        """Give the ONNX name of an input that the images change."""
        given = operator.inputs[index] if index < len(operator.inputs) else -1
        if given not in self.values:
            raise self.wrong(operator, f"has an input {index} that no image changes")
        return self.values[given]

    def shape(self, value: str) -> Shape:
        """Give a value's shape as the file would say it: channels last."""
        return last(self.builder.shape(value))

    def is_constant(self, operator: Operator, index: int) -> bool:
        """Tell whether no image changes an input."""
        given = operator.inputs[index] if index < len(operator.inputs) else -1
        return given in self.constants or (
            given >= 0 and self.content.tensors[given].data is not None
        )

    def stored(self, operator: Operator, index: int) -> Tensor | None:
        """Give a constant input as the file holds it; None for one left out."""
        tensor = self.tensor(operator, index)
        if tensor is None:
            return None
        if tensor.data is None:
            raise self.wrong(operator, f"has an input {index} that is not a constant")
        self.hold(tensor.data.size)
        return tensor

    def reals(self, operator: Operator, index: int) -> Float32 | None:
        """Give a constant input in float32; None where it is left out."""
        given = operator.inputs[index] if index < len(operator.inputs) else -1
        if given in self.constants:
            return self.constants[given]
        tensor = self.stored(operator, index)
        if tensor is None:
            return None
        if tensor.kind not in ("float32", "float16") and tensor.quantization is None:
            raise self.wrong(operator, f"has an input {index} of {tensor.kind}")
        return tensor.real()

    def integers_of(self, operator: Operator, index: int) -> list[int]:
        """Give a constant input of integers, all in a row."""
        known = self.whole.get(operator.inputs[index] if index < len(operator.inputs) else -1)
        if known is not None:
            return [int(number) for number in known.reshape(-1)]
        tensor = self.stored(operator, index)
        if tensor is None or tensor.kind not in ("int32", "int64") or tensor.data is None:
            raise self.wrong(operator, f"has an input {index} that is not a list of integers")
        if tensor.data.size > 16:
            raise self.wrong(operator, f"has a list of {tensor.data.size} integers")
        return [int(number) for number in tensor.data.reshape(-1)]

    def hold(self, count: int) -> None:
        """Count the memory of constants: layers may share them, and each use takes memory."""
        self.held += count
        if self.held > MAX_ELEMENTS:
            raise TatamiError(
                f"the network has more than {MAX_ELEMENTS} weights", hint="give a smaller network"
            )

    def operand(self, operator: Operator, index: int, rank: int | None = None) -> str:
        """Give the ONNX name of an input, a constant too, whose channels come first as a value's.

        Args:
            operator: The operator.
            index: Of the input.
            rank: How many axes a constant gets, ones in front; None: its own.
        """
        if not self.is_constant(operator, index):
            return self.value(operator, index)
        tensor = self.tensor(operator, index)
        assert tensor is not None
        whole = tensor.kind in ("int32", "int64", "bool") and tensor.quantization is None
        whole = whole and operator.inputs[index] not in self.constants
        array: NDArray[Any] | None = tensor.data if whole else self.reals(operator, index)
        assert array is not None
        self.hold(array.size)
        array = array.reshape((1,) * ((rank or array.ndim) - array.ndim) + array.shape)
        if array.ndim == 4:
            array = array.transpose(0, 3, 1, 2)
        kind = KINDS[tensor.kind] if whole else KINDS["float32"]
        return self.builder.constant(f"{self.name(operator)}.input_{index}", array, kind)

    def state(self, index: int, shape: Shape, kind: str) -> str:
        """Give what a variable holds when a call begins: an input of the network.

        Args:
            index: Of the tensor that is the variable, or its handle.
            shape: As the file has it.
            kind: One of the schema's TYPES.
        """
        name = self._variable(index)
        if name not in self.states:
            self.states[name] = self.builder.input(name, first(shape), KINDS[kind])
        return self._next.get(name, self.states[name])

    def next_state(self, index: int, value: str) -> None:
        """Note what a variable holds from here on."""
        name = self._variable(index)
        self._next[name] = value
        if name not in self.states:
            shape, kind = self.builder.shape(value), self.builder.kind(value)
            self.states[name] = self.builder.input(name, shape, kind)

    def _variable(self, index: int) -> str:
        if index in self.handles:
            return self.handles[index]
        return self.content.tensors[index].name or f"state_{index}"

    def next_states(self) -> dict[str, str]:
        """Give each state's next value, by the state."""
        return {name: self._next.get(name, self.states[name]) for name in self.states}

    def finish(self, operator: Operator, value: str, fused: int = 0, output: int = 0) -> None:
        """Note what an operator makes: its fused activation, and its bytes, come behind it."""
        index = operator.outputs[output]
        tensor = self.content.tensors[index]
        value = self._activated(operator, value, fused)
        found, said = self.shape(value), tensor.shape
        if index in self.channels:
            found, said = found[:-1], said[:-1]
        if not self.resized and said and found != said:
            raise self.wrong(operator, f"makes {found}, where the file says {said}")
        self.values[index] = self._typed(tensor, value)

    def _activated(self, operator: Operator, value: str, fused: int) -> str:
        kind = FUSED[fused] if 0 <= fused < len(FUSED) else f"number {fused}"
        name = self.name(operator)
        match kind:
            case "NONE":
                return value
            case "RELU":
                return self.builder.relu(name, value)
            case "RELU6":
                return self.builder.clip(name, value, 0, 6)
            case "RELU_N1_TO_1":
                return self.builder.clip(name, value, -1, 1)
        raise self.wrong(operator, f"has the fused activation {kind}, which Tatami does not know")

    def _typed(self, tensor: Tensor, value: str) -> str:
        """Give the value as the file keeps it: as it is, or through 8 bits."""
        if tensor.kind == "float32" or (
            tensor.quantization is None and tensor.kind in ("int32", "int64", "bool")
        ):
            return value
        if tensor.kind == "int16":
            self.wide.append(tensor.name)
            return value
        if tensor.quantization is None or len(tensor.quantization.scale) != 1:
            raise TatamiError(
                f"tensor '{tensor.name}' is {tensor.kind} without one scale and zero point",
                hint="give a network in float32, or in 8 bits",
            )
        return self.through_bytes(tensor, value)

    def through_bytes(self, tensor: Tensor, value: str) -> str:
        """Add a QuantizeLinear and a DequantizeLinear behind a value."""
        steps, name = tensor.quantization, tensor.name or value
        assert steps is not None
        builder, shape = self.builder, self.builder.shape(value)
        constants = [
            builder.weight(f"{name}_scale", steps.scale.reshape(())),
            self.integers(f"{name}_zero_point", steps.zero_point.reshape(()).astype(tensor.kind)),
        ]
        stored = builder.add("QuantizeLinear", f"{name}_quantized", [value, *constants], shape)
        return builder.add("DequantizeLinear", f"{name}_dequantized", [stored, *constants], shape)

    def integers(self, name: str, array: NDArray[Any]) -> str:
        """Add a constant of any integers."""
        return self.builder.weight(name, cast("NDArray[np.int64]", array))

    def dequantized(self, name: str, array: NDArray[Any], scale: Float32, axis: int = 0) -> str:
        """Add integers with a DequantizeLinear behind them.

        Args:
            name: What they are called.
            array: The integers.
            scale: (1,), or (n,) along ``axis``.
            axis: Of the scales.
        """
        one = scale.size == 1
        inputs = [
            self.integers(f"{name}_quantized", array),
            self.builder.weight(f"{name}_scale", scale.reshape(()) if one else scale),
        ]
        if array.dtype == np.int8:
            zeros = np.zeros(() if one else scale.shape, np.int8)
            inputs.append(self.integers(f"{name}_zero_point", zeros))
        attributes: dict[str, Attribute] = {} if one else {"axis": axis}
        shape = array.shape
        return self.builder.add(
            "DequantizeLinear", f"{name}_dequantized", inputs, shape, attributes
        )

    def regrouped(self, name: str, x: str, target: Shape) -> str:
        """Give the same numbers in the same order, channels last, in another shape.

        Transposes stand where the order is another one channels first.
        """
        builder = self.builder
        shape, kind = self.shape(x), builder.kind(x)
        if shape == target:
            return x
        if turns(shape):
            x = builder.transpose(f"{name}_rows", x, (0, 2, 3, 1))
        if not turns(target):
            return builder.reshape(name, x, first(target), kind)
        return builder.transpose(name, builder.reshape(f"{name}_last", x, target), (0, 3, 1, 2))

    def wrong(self, operator: Operator, reason: str) -> TatamiError:
        """Make an error at an operator."""
        place = self.content.tensors[operator.outputs[0]].name if operator.outputs else ""
        return TatamiError(f"{operator.kind} '{place}' {reason}", hint=AGAIN)

    def rounded_anew(self) -> tuple[str, ...]:
        """Name the layers whose weights are not the file's own integers."""
        return tuple(each.name for each in self.rounded if each.channels)

    def notes(self, outputs: Sequence[int]) -> tuple[str, ...]:
        """Say what a user should know."""
        found = []
        layers = [each for each in self.rounded if each.channels]
        if layers:
            found.append(
                f"{sum(each.channels for each in layers)} of "
                f"{sum(len(each.weights) for each in self.rounded)} channels have weights more "
                "than 127 steps from their zero point: they were rounded anew to int8, by at most "
                f"{max(each.worst for each in layers):.2f} of the file's own steps"
            )
        if self.wide:
            found.append(f"{len(self.wide)} tensors of 16 bits stay real numbers, not rounded")
        if self.states:
            names = ", ".join(self.states)
            found.append(
                f"{names} live from call to call, zeros at first: memory of the shipped program; "
                "in the ONNX file an input each, and an output NAME_next"
            )
        maps = [index for index in outputs if len(self.builder.shape(self.values[index])) == 4]
        if maps:
            names = ", ".join(self.content.tensors[index].name for index in maps)
            found.append(f"channels come first in the output {names}, in the file they came last")
        return tuple(found)


KINDS = {
    "float32": onnx.TensorProto.FLOAT,
    "float16": onnx.TensorProto.FLOAT,
    "uint8": onnx.TensorProto.FLOAT,  # bytes are quantized from float32 at the input
    "int8": onnx.TensorProto.FLOAT,
    "int16": onnx.TensorProto.FLOAT,
    "int32": onnx.TensorProto.INT32,
    "int64": onnx.TensorProto.INT64,
    "bool": onnx.TensorProto.BOOL,
}
"""ONNX's numbers of what a tensor is made of, in the network that is made."""


def _input_names(content: Content) -> dict[int, str]:
    """Name the inputs, by tensor: ``images`` where there is one and it is a picture."""
    found: dict[int, str] = {}
    for place, index in enumerate(content.inputs):
        tensor = content.tensors[index]
        if tensor.kind not in KINDS:
            raise TatamiError(
                f"the input '{tensor.name}' is {tensor.kind}",
                hint="give a network of real numbers, bytes or whole numbers",
            )
        alone = len(content.inputs) == 1 and len(tensor.shape) == 4 and tensor.shape[3] == 3
        name = Builder.images if alone else tensor.name or f"input_{place}"
        found[index] = f"{name}_{place}" if name in found.values() else name
    return found


def _sides(tensor: Tensor, size: Size, own: Size) -> Shape:
    """Give an input's shape, channels first; a picture's may have another size."""
    shape = first(tensor.shape)
    if len(shape) == 4 and shape[2:] == (own.height, own.width):
        return (*shape[:2], size.height, size.width)
    return shape


def turns(shape: Shape) -> bool:
    """Tell whether channels last and channels first are different orders of a shape's samples."""
    return len(shape) == 4 and shape[3] != 1 and shape[1] * shape[2] != 1


def last(shape: Shape) -> Shape:
    """Reorder a shape from channels first to channels last."""
    return (shape[0], *shape[2:], shape[1]) if len(shape) == 4 else shape


def first(shape: Shape) -> Shape:
    """Reorder a shape from channels last to channels first."""
    return (shape[0], shape[3], *shape[1:3]) if len(shape) == 4 else shape


# Weights -----------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Rounded:
    """A layer's weights as int8, symmetric.

    Args:
        weights: int8, the outputs first.
        scale: (1,) or (outputs,).
        channels: How many of the outputs were not kept bit for bit.
        worst: The largest change, in steps of the file's own scale.
        name: Of the layer.
    """

    weights: NDArray[np.int8]
    scale: Float32
    channels: int
    worst: float
    name: str = ""


def rounded(stored: NDArray[Any], scale: Float32, zero_point: NDArray[np.int64]) -> Rounded:
    """Round weights to symmetric int8.

    A channel whose weights all lie within 127 steps of the zero point keeps them and its scale;
    another gets the scale at which its largest is 127.

    Args:
        stored: (outputs, ...) as the file has them.
        scale: (1,) or (outputs,).
        zero_point: (1,) or (outputs,).
    """
    along = (-1, *[1] * (stored.ndim - 1))
    steps = stored.astype(np.int64) - zero_point.reshape(along)
    largest = np.abs(steps).reshape(len(steps), -1).max(axis=1)  # (outputs,)
    wide = largest > 127
    if not wide.any():
        return Rounded(steps.astype(np.int8), scale, 0, 0.0)
    ratio = np.where(wide, largest / 127, 1.0)  # a new step in old ones
    found = np.rint(steps / ratio.reshape(along))
    worst = float(np.abs(found * ratio.reshape(along) - steps).max())
    scales = (scale.astype(np.float64) * ratio).astype(np.float32)
    return Rounded(found.astype(np.int8), scales, int(wide.sum()), worst)


def weights_of(
    work: Work,
    operator: Operator,
    x: str,
    order: Callable[[NDArray[Any]], NDArray[Any]],
    *,
    transposed: bool = False,
) -> tuple[list[str], Shape]:
    """Give the inputs of a convolution or a product: x, weights, bias; and the weights' shape.

    Integers where the file computes in integers, else float32. Channels are chosen as
    ``work.channels`` says.

    Args:
        work: The network in the making.
        operator: The layer.
        x: Its first input.
        order: From the file's axes to ONNX's, outputs first.
        transposed: Whether they are of a transposed convolution, whose inputs come first in ONNX.
            The shape that is given back has the outputs first all the same.
    """
    name = work.name(operator)
    source, weights = work.tensor(operator, 0), work.tensor(operator, 1)
    chosen = work.channels.get(operator.outputs[0])
    if source is None or not source.is_bytes or weights is None or weights.quantization is None:
        reals, bias = work.reals(operator, 1), work.reals(operator, 2)
        if reals is None:
            raise work.wrong(operator, "has no weights")
        reals = order(reals)
        if bias is not None and bias.shape != (len(reals),):
            raise work.wrong(operator, f"has a bias of shape {bias.shape}")
        if chosen is not None:
            reals, bias = reals[chosen], None if bias is None else bias[chosen]
        placed = reals.swapaxes(0, 1) if transposed else reals
        inputs = [x, work.builder.weight(f"{name}.weight", placed)]
        if bias is not None:
            inputs.append(work.builder.weight(f"{name}.bias", bias))
        return inputs, reals.shape
    stored = work.stored(operator, 1)
    assert stored is not None
    assert stored.data is not None
    assert source.quantization is not None
    array = order(stored.data)
    scale, zero = weights.quantization.scale, weights.quantization.zero_point
    if len(scale) not in (1, len(array)):
        raise work.wrong(operator, f"has {len(scale)} scales for {len(array)} outputs")
    integers = replace(rounded(array, scale, zero), name=name)
    work.rounded.append(integers)
    q, own = integers.weights, np.broadcast_to(scale, (len(array),)).astype(np.float64)
    new = np.broadcast_to(integers.scale, (len(array),)).astype(np.float64)
    steps = _bias(work, operator, len(array)) * (own / new)
    if chosen is not None:
        q, new, steps = q[chosen], new[chosen], steps[chosen]
    one = integers.scale.size == 1
    scales = integers.scale if one else new.astype(np.float32)
    bias_scale = (np.float64(source.quantization.scale[0]) * (scales if one else new)).astype(
        np.float32
    )
    placed_bytes = np.ascontiguousarray(q.swapaxes(0, 1)) if transposed else q
    limit = 2**31 - 1
    biases = np.clip(np.rint(steps), -limit, limit).astype(np.int32)
    inputs = [
        x,
        work.dequantized(f"{name}.weight", placed_bytes, scales, int(transposed)),
        work.dequantized(f"{name}.bias", biases, bias_scale),
    ]
    return inputs, q.shape


def _bias(work: Work, operator: Operator, outputs: int) -> Float64:
    """Read a bias in its own steps, which are those of the file's sums; (outputs,)."""
    bias = work.stored(operator, 2)
    if bias is None:
        return np.zeros(outputs)
    if bias.kind != "int32" or bias.data is None or bias.shape != (outputs,):
        raise work.wrong(operator, f"has a bias of {bias.kind} {bias.shape}")
    return bias.data.astype(np.float64)
