"""The integer steps of a network that is rounded as LiteRT rounds: docs/integer-arithmetic.md, 13.

Convolutions and whatever only moves bytes are lowered as in any network, but for what becomes of
the sums; what LiteRT rounds in steps of its own is lowered here. All else is refused by name, and
never computed by another rule.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from tatami.errors import TatamiError
from tatami.graph.attributes import constant, integer, label
from tatami.ops import engines
from tatami.ops.fixed_point import MAX_SUM, multiplier_of
from tatami.program.lower_quantized import Result, is_clamp
from tatami.program.lowering import (
    Lowering,
    Slopes,
    Sums,
    axis_of,
    check_axes,
    picture_window,
    value_shape,
)
from tatami.program.steps import (
    Activation,
    AddAsReference,
    Apply,
    Clamp,
    Concat,
    Dequantize,
    MaxPool,
    Pad,
    Program,
    Quantization,
    Quantize,
    QuantizedAdd,
    QuantizedConv,
    RequantizeAsReference,
    RequantizeInFloat,
    Reshape,
    Slice,
    SoftmaxAsReference,
    SoftmaxInFloat,
    SpaceToDepth,
    Step,
    ToBytes,
    ToFloat,
    Transpose,
    WholeAveragePool,
)

MOVES = (MaxPool, Concat, Reshape, Transpose, Slice, SpaceToDepth, Pad)
"""Steps that copy bytes or compare them: no engine does that otherwise."""
MAX_FACTOR = 256.0
"""From a sum to a result, for XNNPACK."""
SHARES = Quantization(1 / 256, 0)
"""Of a softmax's result."""


@dataclass(frozen=True)
class Ends:
    """A step in the making.

    Args:
        name: Of the step.
        inputs: Names of its values.
        output: Name of its result.
        given: How its values are quantized.
        to: How its result is.
    """

    name: str
    inputs: tuple[str, ...]
    output: str
    given: tuple[Quantization, ...]
    to: Quantization


class LiteRT(ABC):
    """What both kinds of kernels have in common."""

    name: str
    """What messages call it."""
    steps: tuple[type, ...]
    """What is covered beside convolutions and MOVES."""

    def lower(self, state: Lowering, node: ir.Node) -> bool:
        """Make the step of a sum, an average pool or a softmax; say whether it was made."""
        if node.op_type not in ("Add", "AveragePool", "Softmax"):
            return False
        result = Result(node, is_clamp if node.op_type == "Add" else lambda _: False)
        count = 2 if node.op_type == "Add" else 1
        values = node.inputs[:count]
        if result.open or not all(value in state.bytes for value in values):
            return False
        inputs = tuple(state.bytes[value] for value in values if value is not None)
        given = tuple(state.quantization(name) for name in inputs)
        ends = Ends(label(node), inputs, result.name, given, result.quantization)
        if node.op_type == "Add":
            check_axes(node)
            if len({state.values[name].shape for name in inputs}) > 1:
                raise self._refused(ends.name, "one of its values is repeated along an axis")
            step = self._add(ends, result.activation)
        elif node.op_type == "AveragePool":
            step = self._average_pool(ends, node)
        else:
            axis = axis_of(node, -1)
            if state.values[inputs[0]].shape[axis] > engines.MAX_SOFTMAX:
                raise self._refused(ends.name, "a softmax is of at most 4,095 samples")
            step = self._softmax(ends, axis)
        shape = value_shape(node.outputs[0])
        return result.take(state, state.add(step, shape, result.quantization))

    @abstractmethod
    def requantize(
        self, sums: Sums, to: Quantization, activation: Activation | Slopes | None
    ) -> ToBytes:
        """Say how the sums of a layer become bytes."""

    @abstractmethod
    def _add(self, ends: Ends, activation: Activation | Slopes | None) -> Step:
        """Make the step of a sum."""

    @abstractmethod
    def _exponentials(self, ends: Ends, axis: int) -> Step:
        """Make the step of a softmax."""

    @abstractmethod
    def _steps(self, bound: float, scale: float) -> np.float64:
        """Round a bound to steps of a scale."""

    def check(self, graph: ir.Graph, program: Program) -> None:
        """Refuse, by name, what this rounding does not cover."""
        for node in graph:
            zero = constant(node, 2) if node.op_type == "QuantizeLinear" else None
            if node.op_type == "QuantizeLinear" and (zero is None or zero.dtype != np.int8):
                raise self._refused(label(node), "its bytes have no sign")
        for step in program.steps:
            if not self._covers(step, program):
                kind = step.node.op_type if isinstance(step, Apply) else type(step).__name__
                raise self._refused(step.name, f"{kind} is not among what it covers")

    def _covers(self, step: Step, program: Program) -> bool:
        if isinstance(step, Quantize):
            return step.inputs[0] in program.inputs
        if isinstance(step, Dequantize):
            return step.output in program.outputs
        if isinstance(step, QuantizedConv):
            return not isinstance(step.result, ToFloat)
        if isinstance(step, Apply):
            return step.exact
        return isinstance(step, (*MOVES, *self.steps))

    def _refused(self, name: str, why: str) -> TatamiError:
        return TatamiError(
            f"'{name}' cannot be rounded as {self.name} round: {why}",
            hint="take Tatami's own rounding for this network",
            setting="round",
        )

    def _bounds(self, activation: Activation | Slopes | None, to: Quantization) -> tuple[int, int]:
        """Give an activation's bounds in the steps of the result."""
        if activation is None:
            return 0, 255
        if not isinstance(activation, Clamp):
            raise TatamiError(
                f"{self.name} have no leaky ReLU behind a sum",
                hint="take Tatami's own rounding for this network",
                setting="round",
            )

        def step(bound: float) -> int:
            if math.isinf(bound):
                return 0 if bound < 0 else 255
            return min(255, max(0, int(self._steps(bound, to.scale)) + to.zero_point))

        return step(activation.low), step(activation.high)

    def _average_pool(self, ends: Ends, node: ir.Node) -> Step:
        window = picture_window(node)
        if integer(node, "count_include_pad", 0) or any(axis.beyond for axis in window):
            raise self._refused(ends.name, "it counts its padding")
        if ends.given[0] != ends.to:
            raise self._refused(ends.name, "an average pool keeps scale and zero point")
        return WholeAveragePool(ends.name, ends.inputs, ends.output, window)

    def _softmax(self, ends: Ends, axis: int) -> Step:
        if ends.to != SHARES:
            raise self._refused(ends.name, "a softmax has steps of 1/256 from -128 on")
        return self._exponentials(ends, axis)


class Xnnpack(LiteRT):
    """Round in float32, halves to even, as XNNPACK does on x86."""

    name = "XNNPACK's kernels"
    steps = (QuantizedAdd, WholeAveragePool, SoftmaxInFloat)

    def requantize(
        self, sums: Sums, to: Quantization, activation: Activation | Slopes | None
    ) -> ToBytes:
        """Say how the sums of a layer become bytes."""
        product = np.float32(sums.scale) * sums.scales.astype(np.float32)
        factor = (product / np.float32(to.scale)).astype(np.float32)
        if not ((factor > 0) & (factor < MAX_FACTOR)).all():
            raise TatamiError(
                f"a factor of {factor.max():g} between two scales is none of XNNPACK's",
                hint="take Tatami's own rounding for this network",
                setting="round",
            )
        return RequantizeInFloat(factor, to.zero_point, *self._bounds(activation, to))

    def _add(self, ends: Ends, activation: Activation | Slopes | None) -> Step:
        to = np.float32(ends.to.scale)
        first, second = (np.float32(one.scale) / to for one in ends.given)
        try:
            multipliers, shift = engines.add_multipliers_in_float((first, second))
        except ValueError:
            raise self._refused(ends.name, "its scales lie too far apart") from None
        inputs = (ends.inputs[0], ends.inputs[1])
        bounds = self._bounds(activation, ends.to)
        return QuantizedAdd(ends.name, inputs, ends.output, multipliers, shift, *bounds)

    def _exponentials(self, ends: Ends, axis: int) -> Step:
        table = engines.softmax_table_in_float(ends.given[0].scale)
        return SoftmaxInFloat(ends.name, ends.inputs, ends.output, table, ends.to.scale, axis)

    def _steps(self, bound: float, scale: float) -> np.float64:
        return np.float64(np.rint(np.float32(bound) / np.float32(scale)))


class Reference(LiteRT):
    """Round twice, as gemmlowp does; once in a fully connected layer, halves away from zero."""

    name = "LiteRT's reference kernels"
    steps = (AddAsReference, WholeAveragePool, SoftmaxAsReference)

    def requantize(
        self, sums: Sums, to: Quantization, activation: Activation | Slopes | None
    ) -> ToBytes:
        """Say how the sums of a layer become bytes."""
        if sums.matrix and sums.one_scale:  # whose product of scales is a float32
            product = np.float32(sums.scale) * sums.scales.astype(np.float32)
            factors = product.astype(np.float64)
        else:
            factors = np.float64(np.float32(sums.scale)) * sums.scales
        multiplier, shift = multiplier_of(factors / np.float64(np.float32(to.scale)))
        left = max(0, 31 - int(shift.min()))
        if not sums.matrix and sums.most << left > MAX_SUM:
            raise TatamiError(
                "sums would leave 32 bits in LiteRT's reference kernels",
                hint="take Tatami's own rounding for this network",
                setting="round",
            )
        bounds = self._bounds(activation, to)
        return RequantizeAsReference(multiplier, shift, to.zero_point, *bounds, sums.matrix)

    def _add(self, ends: Ends, activation: Activation | Slopes | None) -> Step:
        scales = (ends.given[0].scale, ends.given[1].scale, ends.to.scale)
        try:
            multipliers, shifts = engines.add_multipliers_as_reference(scales)
        except ValueError:
            raise self._refused(ends.name, "its scales lie too far apart") from None
        inputs = (ends.inputs[0], ends.inputs[1])
        bounds = self._bounds(activation, ends.to)
        return AddAsReference(ends.name, inputs, ends.output, multipliers, shifts, *bounds)

    def _exponentials(self, ends: Ends, axis: int) -> Step:
        table = engines.softmax_table_as_reference(ends.given[0].scale)
        return SoftmaxAsReference(ends.name, ends.inputs, ends.output, table, axis)

    def _steps(self, bound: float, scale: float) -> np.float64:
        real = np.float64(np.float32(bound) / np.float32(scale))
        return np.float64(np.copysign(np.floor(np.abs(real) + 0.5), real))
