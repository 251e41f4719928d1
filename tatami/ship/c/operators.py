"""The table of operators: which file decides and emits each kind of step."""

from __future__ import annotations

from tatami.program.steps import (
    Activate,
    Arithmetic,
    AveragePool,
    Concat,
    Conv,
    ConvTranspose,
    Dequantize,
    L2Norm,
    MaxPool,
    MaxTap,
    MaxUnpool,
    Pad,
    Program,
    Quantize,
    QuantizedAdd,
    QuantizedAveragePool,
    QuantizedConv,
    QuantizedConvTranspose,
    QuantizedSoftmax,
    Reshape,
    Resize,
    Slice,
    Softmax,
    SpaceToDepth,
    Step,
    Table,
    Transpose,
)
from tatami.ship.c import (
    activate,
    arithmetic,
    average_pool,
    concat,
    conv,
    conv_transpose,
    l2_norm,
    max_pool,
    max_tap,
    max_unpool,
    pad,
    quantize,
    quantized_add,
    reshape,
    resize,
    slice,
    softmax,
    space_to_depth,
    table,
    transpose,
)
from tatami.ship.c.operator import Decision, Options, Places


def decide(program: Program, step: Step, options: Options) -> Decision:
    """Kernels, scratch and constants of a step."""
    match step:
        case Conv() | QuantizedConv():
            return conv.decide(program, step, options)
        case ConvTranspose() | QuantizedConvTranspose():
            return conv_transpose.decide(program, step, options)
        case MaxPool():
            return max_pool.decide(program, step, options)
        case MaxTap():
            return max_tap.decide(program, step, options)
        case MaxUnpool():
            return max_unpool.decide(program, step, options)
        case AveragePool() | QuantizedAveragePool():
            return average_pool.decide(program, step, options)
        case Activate():
            return activate.decide(program, step, options)
        case Table():
            return table.decide(program, step, options)
        case Arithmetic():
            return arithmetic.decide(program, step, options)
        case QuantizedAdd():
            return quantized_add.decide(program, step, options)
        case Concat():
            return concat.decide(program, step, options)
        case Resize():
            return resize.decide(program, step, options)
        case Softmax() | QuantizedSoftmax():
            return softmax.decide(program, step, options)
        case L2Norm():
            return l2_norm.decide(program, step, options)
        case Reshape():
            return reshape.decide(program, step, options)
        case Transpose():
            return transpose.decide(program, step, options)
        case Slice():
            return slice.decide(program, step, options)
        case SpaceToDepth():
            return space_to_depth.decide(program, step, options)
        case Pad():
            return pad.decide(program, step, options)
        case Quantize() | Dequantize():
            return quantize.decide(program, step, options)


def emit(program: Program, step: Step, places: Places, options: Options) -> str:
    """The C statement of a step."""
    match step:
        case Conv() | QuantizedConv():
            return conv.emit(program, step, places, options)
        case ConvTranspose() | QuantizedConvTranspose():
            return conv_transpose.emit(program, step, places, options)
        case MaxPool():
            return max_pool.emit(program, step, places, options)
        case MaxTap():
            return max_tap.emit(program, step, places, options)
        case MaxUnpool():
            return max_unpool.emit(program, step, places, options)
        case AveragePool() | QuantizedAveragePool():
            return average_pool.emit(program, step, places, options)
        case Activate():
            return activate.emit(program, step, places, options)
        case Table():
            return table.emit(program, step, places, options)
        case Arithmetic():
            return arithmetic.emit(program, step, places, options)
        case QuantizedAdd():
            return quantized_add.emit(program, step, places, options)
        case Concat():
            return concat.emit(program, step, places, options)
        case Resize():
            return resize.emit(program, step, places, options)
        case Softmax() | QuantizedSoftmax():
            return softmax.emit(program, step, places, options)
        case L2Norm():
            return l2_norm.emit(program, step, places, options)
        case Reshape():
            return reshape.emit(program, step, places, options)
        case Transpose():
            return transpose.emit(program, step, places, options)
        case Slice():
            return slice.emit(program, step, places, options)
        case SpaceToDepth():
            return space_to_depth.emit(program, step, places, options)
        case Pad():
            return pad.emit(program, step, places, options)
        case Quantize() | Dequantize():
            return quantize.emit(program, step, places, options)
