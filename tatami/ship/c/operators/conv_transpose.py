"""Transposed convolution in C: kernels/float32/conv_transpose.c, kernels/int8/conv_transpose.c."""

from __future__ import annotations

from tatami.program.steps import (
    ConvTranspose,
    Program,
    QuantizedConvTranspose,
)
from tatami.ship.c.operator import (
    Decision,
    Options,
    Places,
    activation,
    quantization_of,
    result_constants,
    results,
    structure,
    window_rows,
)

TransposedConvolution = ConvTranspose | QuantizedConvTranspose


def decide(program: Program, step: TransposedConvolution, options: Options) -> Decision:
    """Ask for the kernel, with weights (groups, kernel rows, kernel columns, channels, outputs).

    Channels and outputs are those of a group. For bytes there is scratch for the sums of one output
    place, an int32 an output.
    """
    groups = step.groups
    channels, outputs, *kernel = step.weights.shape
    weights = step.weights.reshape(groups, channels // groups, outputs, *kernel)
    constants = {"weights": weights.transpose(0, 3, 4, 1, 2), "bias": step.bias}
    if isinstance(step, ConvTranspose):
        return Decision(
            kernels=("activate", "window", "float32/conv_transpose"), constants=constants
        )
    constants |= result_constants(step.result)
    return Decision(
        kernels=("activate", "results", "window", "int8/requantize", "int8/conv_transpose"),
        scratch=4 * groups * outputs,
        constants=constants,
    )


def emit(program: Program, step: TransposedConvolution, places: Places, options: Options) -> str:
    """Write the call of the kernel."""
    source, result = program.values[step.inputs[0]], program.values[step.output]
    window = structure("net_window", window_rows(step.window, source.shape, result.shape))
    constants = places.constants
    ends = f"{places.values[step.inputs[0]]}, {places.values[step.output]}"
    outputs = result.shape[0]
    if isinstance(step, ConvTranspose):
        return (
            f"net_conv_transpose({window},\n"
            f"        {step.groups}, {outputs}, {constants['weights']}, {constants['bias']},\n"
            f"        {activation(step.activation)}, {ends});"
        )
    return (
        f"net_conv_transpose_u8({window},\n"
        f"        {step.groups}, {outputs}, {constants['weights']}, {constants['bias']},\n"
        f"        &(const net_results){results(step.result, constants)},\n"
        f"        {quantization_of(source).zero_point}, (int32_t *){places.scratch}, {ends});"
    )
