"""Transposed convolution in C: kernels/float32/conv_transpose.c, kernels/int8/conv_transpose.c."""

from __future__ import annotations

import numpy as np

from tatami.ship.c.operator import (
    Decision,
    Options,
    Places,
    activation,
    quantization_of,
    structure,
    window_rows,
)
from tatami.ship.program import (
    ConvTranspose,
    Program,
    QuantizedConvTranspose,
    Requantize,
)

TransposedConvolution = ConvTranspose | QuantizedConvTranspose


def decide(program: Program, step: TransposedConvolution, options: Options) -> Decision:
    """The weights as (groups, kernel rows, kernel columns, channels, outputs) of a group; of bytes,
    scratch for the sums of one output place, an int32 an output."""
    groups = step.groups
    channels, outputs, *kernel = step.weights.shape
    weights = step.weights.reshape(groups, channels // groups, outputs, *kernel)
    constants = {"weights": weights.transpose(0, 3, 4, 1, 2), "bias": step.bias}
    if isinstance(step, ConvTranspose):
        return Decision(
            kernels=("activate", "window", "float32/conv_transpose"), constants=constants
        )
    if isinstance(step.result, Requantize):
        constants |= {
            "multiplier": step.result.multiplier,
            "negative": step.result.negative_multiplier,
            "shift": step.result.shift,
        }
    else:
        constants |= {"scale": step.result.scale}
    return Decision(
        kernels=("activate", "results", "window", "int8/requantize", "int8/conv_transpose"),
        scratch=4 * groups * outputs,
        constants=constants,
    )


def emit(program: Program, step: TransposedConvolution, places: Places, options: Options) -> str:
    """The call of the kernel."""
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
    if isinstance(step.result, Requantize):
        small = bool(np.all(step.result.shift >= 33))
        leaky = bool(np.any(step.result.multiplier != step.result.negative_multiplier))
        results = structure(
            "net_results",
            [
                {
                    "multiplier": constants["multiplier"],
                    "negative_multiplier": constants["negative"],
                    "shift": constants["shift"],
                },
                {"zero_point": step.result.zero_point},
                {"low": step.result.low, "high": step.result.high},
                {"leaky": int(leaky), "small": int(small)},
            ],
        )
    else:
        results = structure("net_results", [{"scale": constants["scale"]}])
    return (
        f"net_conv_transpose_u8({window},\n"
        f"        {step.groups}, {outputs}, {constants['weights']}, {constants['bias']},\n"
        f"        {results},\n"
        f"        {quantization_of(source).zero_point}, (int32_t *){places.scratch}, {ends});"
    )
