"""The lowered network: steps with static shapes, in order, and the lifetime of every value.

It is the one thing that every back end obeys: the interpreter in NumPy (program/interpret.py), the
emitted C, the RTL. Batch 1 is gone: a value is (channels, rows, columns), either float32 or, where
it has a ``Quantization``, uint8. What is no picture's map (another batch, more axes) is a line of
samples, (count, 1, 1), in ONNX's order, and may be whole numbers. program/lower.py makes a program
of an ONNX network. The arithmetic of the steps whose name begins with Quantized is
docs/integer-arithmetic.md.

Every step has a ``name`` and the names of its ``inputs`` and of its ``output``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from tatami.ops.conv import multiply_adds
from tatami.ops.quantized_attention import Normalization, Sum
from tatami.ops.window import Window
from tatami.types import Float32, Spec

Shape = tuple[int, int, int]
"""(channels, rows, columns)."""
Int8 = NDArray[np.int8]
Int32 = NDArray[np.int32]
UInt8 = NDArray[np.uint8]
UInt32 = NDArray[np.uint32]


@dataclass(frozen=True)
class Quantization:
    """The real numbers that uint8 stands for: real = scale * (stored - zero_point).

    Args:
        scale: A float32.
        zero_point: 0 to 255.
    """

    scale: float
    zero_point: int


TAPS = Quantization(1.0, 0)
"""Of bytes that are the numbers of taps."""


@dataclass(frozen=True)
class Value:
    """What travels between two steps: real numbers, bytes that stand for them, or whole numbers.

    Args:
        shape: (channels, rows, columns).
        quantization: What its bytes stand for; None: its samples stand for themselves.
        dtype: NumPy's name for what its samples are made of.
    """

    shape: Shape
    quantization: Quantization | None = None
    dtype: str = "float32"

    def __post_init__(self) -> None:
        if self.quantization is not None:
            object.__setattr__(self, "dtype", "uint8")

    @property
    def item(self) -> int:
        """How many bytes a sample takes in memory."""
        return np.dtype(self.dtype).itemsize

    @property
    def bytes(self) -> int:
        """How many bytes it takes in memory."""
        return math.prod(self.shape) * self.item

    @property
    def quantized(self) -> bool:
        """Whether its bytes stand for real numbers: those of taps stand for themselves."""
        return self.quantization not in (None, TAPS)


# What may follow a sum ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Leaky:
    """Leaky ReLU: x where x >= 0, else alpha * x."""

    alpha: float


@dataclass(frozen=True)
class Clamp:
    """Clipping between two bounds: ReLU is (0, infinity), ReLU6 is (0, 6)."""

    low: float
    high: float


@dataclass(frozen=True)
class Function:
    """A function of one number that is no piece of a line; silu is x * sigmoid(x)."""

    name: Literal["sigmoid", "silu", "exp", "tanh"]


Activation = Leaky | Clamp | Function


@dataclass(frozen=True, eq=False)
class Requantize:
    """From an int32 sum to uint8, a channel at a time: docs/integer-arithmetic.md, section 3.

    y = clamp(zero_point + ((sum * m + 2^(shift - 1)) >> shift), low, high)

    Args:
        multiplier: (outputs,): m where sum >= 0.
        negative_multiplier: (outputs,): m where sum < 0, for leaky ReLU; else the same.
        shift: (outputs,).
        zero_point: Of the result.
        low: The smallest result, as ReLU has it.
        high: The largest result, as ReLU6 has it.
    """

    multiplier: Int32
    negative_multiplier: Int32
    shift: Int32
    zero_point: int
    low: int = 0
    high: int = 255


@dataclass(frozen=True, eq=False)
class ToFloat:
    """From an int32 sum to float32: y = float32(sum) * scale of the channel, (outputs,)."""

    scale: Float32


@dataclass(frozen=True, eq=False)
class RequantizeInFloat:
    """From an int32 sum to uint8 as XNNPACK does: docs/integer-arithmetic.md, section 13.

    y = clamp(zero_point + rint(float32(sum) * factor), low, high)

    Args:
        factor: (outputs,).
        zero_point: Of the result.
        low: The smallest result, as ReLU has it.
        high: The largest result, as ReLU6 has it.
    """

    factor: Float32
    zero_point: int
    low: int = 0
    high: int = 255


@dataclass(frozen=True, eq=False)
class RequantizeAsReference:
    """From an int32 sum to uint8 as LiteRT's reference kernels do: section 13.

    Args:
        multiplier: (outputs,).
        shift: (outputs,).
        zero_point: Of the result.
        low: The smallest result, as ReLU has it.
        high: The largest result, as ReLU6 has it.
        one_rounding: As of a fully connected layer; a convolution's sums are rounded twice.
    """

    multiplier: Int32
    shift: Int32
    zero_point: int
    low: int = 0
    high: int = 255
    one_rounding: bool = False


ToBytes = Requantize | RequantizeInFloat | RequantizeAsReference
"""From an int32 sum to uint8, by one rule or another; a larger sum never gives a smaller byte."""


# Steps -------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Conv:
    """A convolution.

    Args:
        weights: (outputs, channels / groups, kernel rows, kernel columns).
        bias: (outputs,).
        window: Where its kernel lies.
        groups: How many parts the channels are divided into.
        activation: Of its result, in the same step.
        pool: A max pool of what the convolution and its activation give, in the same step.
    """

    name: str
    inputs: tuple[str, ...]
    output: str
    weights: Float32
    bias: Float32
    window: Window
    groups: int
    activation: Activation | None = None
    pool: Window | None = None


@dataclass(frozen=True, eq=False)
class QuantizedConv:
    """Sums in int32 of weights * (x - the input's zero point), padding being x = zero point.

    Args:
        weights: int8 (outputs, channels / groups, kernel rows, kernel columns).
        bias: int32 (outputs,).
        window: Where its kernel lies.
        groups: How many parts the channels are divided into.
        result: What becomes of the sums.
        pool: A max pool of the result, in the same step; never with ToFloat.
    """

    name: str
    inputs: tuple[str, ...]
    output: str
    weights: Int8
    bias: Int32
    window: Window
    groups: int
    result: ToBytes | ToFloat
    pool: Window | None = None


@dataclass(frozen=True, eq=False)
class ConvTranspose:
    """A transposed convolution.

    Input (y, x) reaches outputs (y * stride + u * dilation - before, ...), tap (u, v); the window's
    ``before`` and ``after`` crop. The output's shape is that of its value.

    Args:
        weights: (channels, outputs / groups, kernel rows, kernel columns).
        bias: (outputs,).
        window: Where its kernel lies.
        groups: How many parts the channels are divided into.
        activation: Of its result, in the same step.
    """

    name: str
    inputs: tuple[str, ...]
    output: str
    weights: Float32
    bias: Float32
    window: Window
    groups: int
    activation: Activation | None = None


@dataclass(frozen=True, eq=False)
class QuantizedConvTranspose:
    """A transposed convolution with int8 weights, int32 sums and bias."""

    name: str
    inputs: tuple[str, ...]
    output: str
    weights: Int8
    bias: Int32
    window: Window
    groups: int
    result: Requantize | ToFloat


@dataclass(frozen=True)
class MaxPool:
    """The largest sample under each place of the window; padding never wins. Float or uint8."""

    name: str
    inputs: tuple[str, ...]
    output: str
    window: Window


@dataclass(frozen=True)
class MaxTap:
    """Which tap of the window has the largest sample, of equal ones the first. Float or uint8.

    Taps are counted in the order of reading; the result is bytes, whose quantization is ``TAPS``:
    at most 255 taps.
    """

    name: str
    inputs: tuple[str, ...]
    output: str
    window: Window


@dataclass(frozen=True)
class MaxUnpool:
    """Samples back to where a max pool of that window had the largest: inputs are (samples, taps).

    All other places are zero, in bytes the zero point. Where two meet in one place, the later one
    in the order of reading stays.
    """

    name: str
    inputs: tuple[str, ...]
    output: str
    window: Window


@dataclass(frozen=True)
class AveragePool:
    """The mean under each place of the window; ``count_padding``: its zeros count as samples."""

    name: str
    inputs: tuple[str, ...]
    output: str
    window: Window
    count_padding: bool = False


@dataclass(frozen=True, eq=False)
class QuantizedAveragePool:
    """The mean in integers, multiplier[n] being that of n samples that count.

    y = clamp(zero point + ((sum of (x - zero point) * multiplier[n] + 2^(shift-1)) >> shift))

    Args:
        window: Where it lies.
        count_padding: Whether padding counts as samples.
        multiplier: int32 (kernel area + 1,); 0 where n does not occur.
        shift: Of all of them.
    """

    name: str
    inputs: tuple[str, ...]
    output: str
    window: Window
    count_padding: bool
    multiplier: Int32
    shift: int


@dataclass(frozen=True)
class WholeAveragePool:
    """The mean of bytes less 128, without the padding, halves away from zero: section 13.

    The result has the input's quantization.
    """

    name: str
    inputs: tuple[str, ...]
    output: str
    window: Window


@dataclass(frozen=True)
class Activate:
    """An activation that could not be made part of the step before."""

    name: str
    inputs: tuple[str, ...]
    output: str
    activation: Activation


@dataclass(frozen=True, eq=False)
class Table:
    """Any function of one uint8: y = table[x], table (256,); or one a channel, (channels, 256)."""

    name: str
    inputs: tuple[str, ...]
    output: str
    table: UInt8


@dataclass(frozen=True)
class Arithmetic:
    """Two float values, sample by sample; an axis of length 1 is repeated, as in NumPy."""

    name: str
    inputs: tuple[str, ...]
    output: str
    operation: Literal["add", "subtract", "multiply", "divide"]
    activation: Activation | None = None


@dataclass(frozen=True)
class QuantizedAdd:
    """The sum of two values in integers; an axis of length 1 is repeated, as in NumPy.

    y = clamp(z + (((a - za) * ma + (b - zb) * mb + 2^(shift - 1)) >> shift), low, high)

    Args:
        multipliers: (ma, mb), each at most 2^21 in size, so that all fits int32; mb is below 0
            where b is subtracted.
        shift: Of both.
        low: The smallest result.
        high: The largest result.
    """

    name: str
    inputs: tuple[str, ...]
    output: str
    multipliers: tuple[int, int]
    shift: int
    low: int = 0
    high: int = 255


@dataclass(frozen=True)
class AddAsReference:
    """The sum of two values as LiteRT's reference kernels do: section 13; as NumPy repeats axes.

    Args:
        multipliers: Of a, of b and of their sum.
        shifts: Likewise.
        low: The smallest result.
        high: The largest result.
    """

    name: str
    inputs: tuple[str, ...]
    output: str
    multipliers: tuple[int, int, int]
    shifts: tuple[int, int, int]
    low: int = 0
    high: int = 255


@dataclass(frozen=True)
class QuantizedMultiply:
    """The product of two values in integers; an axis of length 1 is repeated, as in NumPy.

    y = clamp(z + (((a - za) * (b - zb) * multiplier + 2^(shift - 1)) >> shift), low, high)

    Args:
        multiplier: Below 2^31; the product of all three takes 64 bits.
        shift: 1 to 62.
        low: The smallest result.
        high: The largest result.
    """

    name: str
    inputs: tuple[str, ...]
    output: str
    multiplier: int
    shift: int
    low: int = 0
    high: int = 255


@dataclass(frozen=True)
class QuantizedExtreme:
    """The smaller or the larger of two bytes; an axis of length 1 is repeated, as in NumPy.

    Both have the quantization of the result: a Table step has made it so.
    """

    name: str
    inputs: tuple[str, ...]
    output: str
    operation: Literal["minimum", "maximum"]


@dataclass(frozen=True)
class Concat:
    """Values after one another along an axis of (channels, rows, columns). Float or uint8.

    Quantized values have the quantization of the output: a Table step has made it so.
    """

    name: str
    inputs: tuple[str, ...]
    output: str
    axis: int = 0


@dataclass(frozen=True, eq=False)
class Sampling:
    """What an output index of one axis mixes: first * (1 - weight) + second * weight.

    Args:
        first: int32 (length,).
        second: int32 (length,).
        weight: float32 (length,) in [0, 1], or for a quantized value int32 in [0, 2^11].
    """

    first: Int32
    second: Int32
    weight: Float32 | Int32


@dataclass(frozen=True, eq=False)
class Resize:
    """Nearest (all weights 0) or bilinear resizing, of float or uint8.

    Quantized bilinear: (sum of row weight * column weight * x + 2^21) >> 22.
    """

    name: str
    inputs: tuple[str, ...]
    output: str
    rows: Sampling
    columns: Sampling


@dataclass(frozen=True)
class Softmax:
    """exp(x - max) / sum of exp(x - max), along an axis of (channels, rows, columns); float."""

    name: str
    inputs: tuple[str, ...]
    output: str
    axis: int = 0


@dataclass(frozen=True)
class L2Norm:
    """The root of the sum of squares along an axis of (channels, rows, columns); float.

    The axis stays with the length 1.
    """

    name: str
    inputs: tuple[str, ...]
    output: str
    axis: int = 0


@dataclass(frozen=True, eq=False)
class QuantizedSoftmax:
    """Softmax in integers: docs/integer-arithmetic.md, section 8.

    y = clamp(z + (e * ratio + sum * 2^15) // (sum * 2^16)), e = table[max - x], sum of e along the
    axis. Inputs are (samples,) or (samples, mask), where only samples are seen at which the mask
    is true; it is repeated along axes of length 1.

    Args:
        table: uint32 (256,), round(2^20 * exp(-scale * d)).
        ratio: round(2^16 / the output's scale).
        axis: Of (channels, rows, columns).
    """

    name: str
    inputs: tuple[str, ...]
    output: str
    table: UInt32
    ratio: int
    axis: int = 0


@dataclass(frozen=True, eq=False)
class SoftmaxInFloat:
    """Softmax as LiteRT does beside XNNPACK, in float32 in a stated order: section 13.

    Args:
        table: float32 (256,), exp(-scale * d).
        scale: Of the result, whose zero point is 0.
        axis: Of (channels, rows, columns).
    """

    name: str
    inputs: tuple[str, ...]
    output: str
    table: Float32
    scale: float
    axis: int = 0


@dataclass(frozen=True, eq=False)
class SoftmaxAsReference:
    """Softmax as LiteRT's reference kernels do, in fixed point: section 13.

    Args:
        table: uint32 (256,), exp(-scale * d) in steps of 2^-31.
        axis: Of (channels, rows, columns).
    """

    name: str
    inputs: tuple[str, ...]
    output: str
    table: UInt32
    axis: int = 0


@dataclass(frozen=True)
class QuantizedMatMul:
    """The product of matrices of bytes that both change: docs/integer-arithmetic.md, section 11.

    y = clamp(z + ((sum of (a - za) * (b - zb) * multiplier + 2^(shift - 1)) >> shift), low, high)

    Args:
        sides: The axes of both inputs and of the output, as ONNX has them: (..., m, k), (..., k, n)
            and (..., m, n), those in front repeated as in NumPy.
        multiplier: Below 2^31.
        shift: 1 to 62.
        low: The smallest result.
        high: The largest result.
    """

    name: str
    inputs: tuple[str, ...]
    output: str
    sides: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]
    multiplier: int
    shift: int
    low: int = 0
    high: int = 255


@dataclass(frozen=True, eq=False)
class QuantizedLayerNorm:
    """Layer normalization along an axis of (channels, rows, columns), in integers: section 12.

    Args:
        constants: What multiplies and is added.
        axis: Along which samples share a mean and a variance.
    """

    name: str
    inputs: tuple[str, ...]
    output: str
    constants: Normalization
    axis: int


@dataclass(frozen=True, eq=False)
class QuantizedAddNorm:
    """Layer normalization of a byte and the sum of a layer, added: section 12.

    Inputs are (bytes, sums); the sums are whole numbers as float32 holds them.

    Args:
        sum: How both are added.
        constants: What multiplies and is added.
        axis: Of (channels, rows, columns), along which samples share a mean and a variance.
    """

    name: str
    inputs: tuple[str, ...]
    output: str
    sum: Sum
    constants: Normalization
    axis: int


@dataclass(frozen=True)
class Reshape:
    """The same samples in the order of (channels, rows, columns), under another shape."""

    name: str
    inputs: tuple[str, ...]
    output: str


@dataclass(frozen=True)
class Transpose:
    """Axes in another order: output axis i is input axis order[i]."""

    name: str
    inputs: tuple[str, ...]
    output: str
    order: tuple[int, int, int]


@dataclass(frozen=True)
class Slice:
    """A part along each axis: output i is input starts + i * steps. Any kind."""

    name: str
    inputs: tuple[str, ...]
    output: str
    starts: tuple[int, int, int]
    steps: tuple[int, int, int]


@dataclass(frozen=True)
class SpaceToDepth:
    """The samples of each block x block by row and column, as channels: tatami.ops."""

    name: str
    inputs: tuple[str, ...]
    output: str
    block: int


@dataclass(frozen=True)
class Pad:
    """Padding of every axis.

    Args:
        widths: (before, after) of each axis.
        mode: What stands in the padding.
        value: With ``constant``: a real, or for a quantized value a uint8.
    """

    name: str
    inputs: tuple[str, ...]
    output: str
    widths: tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
    mode: Literal["constant", "edge", "reflect"]
    value: float = 0.0


@dataclass(frozen=True)
class Quantize:
    """float32 to uint8: clamp(round half to even(x / scale) + zero point, 0, 255)."""

    name: str
    inputs: tuple[str, ...]
    output: str


@dataclass(frozen=True)
class Dequantize:
    """uint8 to float32: float32(x - zero point) * scale."""

    name: str
    inputs: tuple[str, ...]
    output: str


@dataclass(frozen=True, eq=False)
class Apply:
    """An operator as ONNX defines it, on values of any rank and kind.

    Every operator that has no step of its own is one: the interpreter runs it by its row in
    graph/operators, a back end by its own table.

    Args:
        node: Its node, whose attributes, shapes and constant settings say how.
        places: Which of the node's inputs each of ``inputs`` is.
        index: Which of the node's outputs it makes; -1: all, one after the other, each in ONNX's
            order.
        exact: Whether it moves or compares samples, and rounds none.
        products: Multiply-adds.
    """

    name: str
    inputs: tuple[str, ...]
    output: str
    node: ir.Node
    places: tuple[int, ...]
    index: int = 0
    exact: bool = False
    products: int = 0


@dataclass(frozen=True)
class Delay:
    """What a value was so many calls ago; before the first call, what stands for 0.

    Inputs are (x, ring, place). The ring holds x of the last calls, a column each; place, one
    int32, is the column of the oldest. The result is that column, which x then takes. Both live
    from call to call and are changed here: each is its own next value.

    Args:
        calls: How many; the ring has as many columns.
    """

    name: str
    inputs: tuple[str, ...]
    output: str
    calls: int


@dataclass(frozen=True, eq=False)
class Elsewhere:
    """What something beside the processor computes, as an engine in an FPGA.

    A back end puts it in the place of steps that it gives away; no network is lowered to one.
    """

    name: str
    inputs: tuple[str, ...]
    output: str


Mapped = (
    Conv
    | QuantizedConv
    | ConvTranspose
    | QuantizedConvTranspose
    | MaxPool
    | MaxTap
    | MaxUnpool
    | AveragePool
    | QuantizedAveragePool
    | WholeAveragePool
    | Activate
    | Table
    | Arithmetic
    | QuantizedAdd
    | AddAsReference
    | QuantizedMultiply
    | QuantizedExtreme
    | Concat
    | Resize
    | Softmax
    | L2Norm
    | QuantizedSoftmax
    | SoftmaxInFloat
    | SoftmaxAsReference
    | QuantizedMatMul
    | QuantizedLayerNorm
    | QuantizedAddNorm
    | Reshape
    | Transpose
    | Slice
    | SpaceToDepth
    | Pad
    | Quantize
    | Dequantize
    | Delay
)
"""What works on (channels, rows, columns)."""
Step = Mapped | Apply | Elsewhere
_FLOAT_ARITHMETIC = Conv | ConvTranspose | AveragePool | Activate | Arithmetic | Softmax | L2Norm
Convolution = Conv | QuantizedConv | ConvTranspose | QuantizedConvTranspose


# The whole ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Lifetime:
    """When a value must be kept.

    Args:
        first: The step that writes it (an input: -1).
        last: The last step that reads it; an output is read after the last step.
    """

    first: int
    last: int


@dataclass(frozen=True)
class Program:
    """A network lowered to steps.

    Args:
        steps: In the order in which they run.
        values: What every value is, by name.
        inputs: Names of values.
        outputs: Names of values.
        spec: What the network is for; None for one that another program wrote: it ships without
            picture and box rules.
        constants: Values that no input changes and that steps read as they read others, of the
            shape of their value. They lie with the weights, not in the arena.
        states: What lives from call to call: the value that a call finds, and the value that the
            next one finds, of the same kind, by name. At first, and after a reset, it is zero. No
            input and no output is among them, and no found value is what another becomes.
        moments: Values that are one column of many, of which each call makes the next
            (program/stream.py): back ends add up for them as they do for all columns at once.
    """

    steps: tuple[Step, ...]
    values: Mapping[str, Value]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    spec: Spec | None = None
    constants: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    states: Mapping[str, str] = field(default_factory=dict)
    moments: frozenset[str] = frozenset()

    def lifetimes(self) -> dict[str, Lifetime]:
        """Find when each value is alive, in the order in which they are born.

        Constants, and what lives from call to call, are not among them.
        """
        born = dict.fromkeys(self.inputs, -1)
        born |= {step.output: index for index, step in enumerate(self.steps)}
        died = dict(born)
        for index, step in enumerate(self.steps):
            died |= {name: index for name in step.inputs if name in born}
        died |= dict.fromkeys((*self.outputs, *self.states.values()), len(self.steps))
        return {name: Lifetime(born[name], died[name]) for name in born}

    def rounded(self) -> frozenset[str]:
        """Find the values that float arithmetic takes part in: back ends may round them otherwise.

        Moving floats, and converting them from integers and to them, is exact.
        """
        found: set[str] = set()
        before = -1
        while len(found) > before:  # more than once where what a call makes is found by the next
            before = len(found)
            found |= {name for name, made in self.states.items() if made in found}
            for step in self.steps:
                arithmetic = (
                    isinstance(step, _FLOAT_ARITHMETIC)
                    or (isinstance(step, Resize) and self.values[step.output].quantization is None)
                    or (isinstance(step, Apply) and not step.exact and self._is_real(step))
                )
                if arithmetic or any(name in found for name in step.inputs):
                    found.add(step.output)
        return frozenset(found)

    def _is_real(self, step: Step) -> bool:
        """Tell whether a step reads or makes real numbers: whole ones are exact."""
        return any(
            self.values[name].dtype.startswith("float") for name in (*step.inputs, step.output)
        )

    def zero(self, name: str) -> int:
        """Give what each sample of a value holds where it stands for 0."""
        quantization = self.values[name].quantization
        return 0 if quantization is None else quantization.zero_point

    def multiply_adds(self, step: Step) -> int:
        """Count multiply-adds: those of products; other steps count 0."""
        if isinstance(step, Apply):
            return step.products
        if isinstance(step, QuantizedMatMul):
            return math.prod(step.sides[2]) * step.sides[0][-1]
        if isinstance(step, Conv | QuantizedConv):
            _, rows, columns = self.values[step.output].shape
            if step.pool is not None:  # the convolution's own map
                _, height, width = self.values[step.inputs[0]].shape
                rows, columns = step.window.rows.output(height), step.window.columns.output(width)
            return multiply_adds(step.weights.shape, rows * columns)
        if isinstance(step, ConvTranspose | QuantizedConvTranspose):
            _, rows, columns = self.values[step.inputs[0]].shape
            return multiply_adds(step.weights.shape, rows * columns)
        return 0


def parameters(step: Step) -> int:
    """Count the weights and biases of a step."""
    return step.weights.size + step.bias.size if isinstance(step, Convolution) else 0
