"""The table of operators: which file decides and emits each kind of step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from tatami.errors import TatamiError
from tatami.program.steps import (
    Activate,
    AddAsReference,
    Apply,
    Arithmetic,
    AveragePool,
    Concat,
    Conv,
    ConvTranspose,
    Delay,
    Dequantize,
    Elsewhere,
    L2Norm,
    MaxPool,
    MaxTap,
    MaxUnpool,
    Pad,
    Program,
    Quantize,
    QuantizedAdd,
    QuantizedAddNorm,
    QuantizedAveragePool,
    QuantizedConv,
    QuantizedConvTranspose,
    QuantizedExtreme,
    QuantizedLayerNorm,
    QuantizedMatMul,
    QuantizedMultiply,
    QuantizedSoftmax,
    Reshape,
    Resize,
    Slice,
    Softmax,
    SoftmaxAsReference,
    SoftmaxInFloat,
    SpaceToDepth,
    Step,
    Table,
    Transpose,
    WholeAveragePool,
)
from tatami.ship.c.operator import Decision, Options, Places
from tatami.ship.c.operators import (
    activate,
    add_as_reference,
    apply,
    arithmetic,
    average_pool,
    byte_table,
    concat,
    conv,
    conv_transpose,
    delay,
    elsewhere,
    l2_norm,
    layer_norm,
    matmul,
    max_pool,
    max_tap,
    max_unpool,
    pad,
    quantize,
    quantized_pair,
    reshape,
    resize,
    slice,
    softmax,
    softmax_litert,
    space_to_depth,
    transpose,
)


class InC(Protocol):
    """What a file of this folder says of its kinds of steps."""

    def decide(self, program: Program, step: Any, options: Options, /) -> Decision:
        """Say which kernels, scratch and constants a step needs."""
        ...

    def emit(self, program: Program, step: Any, places: Places, options: Options, /) -> str:
        """Write the C statement of a step."""
        ...


OPERATORS: Mapping[type, InC] = {
    Conv: conv,
    QuantizedConv: conv,
    ConvTranspose: conv_transpose,
    QuantizedConvTranspose: conv_transpose,
    MaxPool: max_pool,
    MaxTap: max_tap,
    MaxUnpool: max_unpool,
    AveragePool: average_pool,
    QuantizedAveragePool: average_pool,
    WholeAveragePool: average_pool,
    Activate: activate,
    Table: byte_table,
    Arithmetic: arithmetic,
    QuantizedAdd: quantized_pair,
    AddAsReference: add_as_reference,
    QuantizedMultiply: quantized_pair,
    QuantizedExtreme: quantized_pair,
    Concat: concat,
    Resize: resize,
    Softmax: softmax,
    QuantizedSoftmax: softmax,
    QuantizedMatMul: matmul,
    QuantizedLayerNorm: layer_norm,
    QuantizedAddNorm: layer_norm,
    SoftmaxInFloat: softmax_litert,
    SoftmaxAsReference: softmax_litert,
    L2Norm: l2_norm,
    Reshape: reshape,
    Transpose: transpose,
    Slice: slice,
    SpaceToDepth: space_to_depth,
    Pad: pad,
    Quantize: quantize,
    Dequantize: quantize,
    Delay: delay,
    Apply: apply,
    Elsewhere: elsewhere,
}
"""The file of each kind of step."""


def operator_of(step: Step) -> InC:
    """Find the file of a step's kind.

    Raises:
        TatamiError: For a kind without one, naming the step.
    """
    if type(step) not in OPERATORS:
        raise TatamiError(
            f"{type(step).__name__} '{step.name}' has no C",
            hint="ship a network without it, or add a file to ship/c/operators",
        )
    return OPERATORS[type(step)]


def decide(program: Program, step: Step, options: Options) -> Decision:
    """Say which kernels, scratch and constants a step needs.

    Raises:
        TatamiError: For a step that has no C, naming it.
    """
    return operator_of(step).decide(program, step, options)


def emit(program: Program, step: Step, places: Places, options: Options) -> str:
    """Write the C statement of a step."""
    return operator_of(step).emit(program, step, places, options)
