"""Transposed convolution in C: by phases on the tiles of kernels/conv.c, else in plain loops.

Along an axis of stride s the outputs y = s q + r see the taps of one phase alone: u = r + s k sees
input q - k. So each of the s x s phases is a convolution of stride 1 with a few of the taps, whose
results lie s apart; and where the kernel is as wide as the stride, those of a row lie side by side,
and are one convolution of one tap with s times the outputs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from tatami.ops.window import Axis, Window
from tatami.program.steps import (
    Conv,
    ConvTranspose,
    Program,
    QuantizedConv,
    QuantizedConvTranspose,
    Requantize,
    ToFloat,
)
from tatami.ship.c.operator import (
    Decision,
    Numbers,
    Options,
    Places,
    activation,
    quantization_of,
    result_constants,
    results,
    rounding_kernel,
    structure,
    window_rows,
)
from tatami.ship.c.operators import conv

TransposedConvolution = ConvTranspose | QuantizedConvTranspose
LEAST = 8
"""Outputs of a group from which a tile is faster than loops, where there are several groups."""
_SHARED = ("multiplier", "negative", "shift", "scale")
"""Constants that are the same for every phase."""


@dataclass(frozen=True)
class Line:
    """Hold a phase along one axis.

    Args:
        first: Its first output.
        taps: The kernel's, in the order in which the convolution sees them.
        axis: The convolution's.
    """

    first: int
    taps: tuple[int, ...]
    axis: Axis


@dataclass(frozen=True)
class Phase:
    """Hold a phase: a convolution, and where its results lie."""

    step: Conv | QuantizedConv
    spread: conv.Spread


def decide(program: Program, step: TransposedConvolution, options: Options) -> Decision:
    """Ask for the tiles of convolutions; for loops, where phases are no convolutions of worth.

    The loops have weights (groups, kernel rows, kernel columns, channels, outputs), channels and
    outputs being those of a group, and for bytes scratch for the sums of one output place.
    """
    phases = phases_of(program, step)
    if phases is not None:
        constants: dict[str, Numbers] = {}
        scratch = 0
        for index, phase in enumerate(phases):
            given = conv.constants_of(program, phase.step)
            constants |= {_name(name, index): array for name, array in given.items()}
            inside = _with(program, step, phase)
            scratch = max(scratch, conv.scratch_of(inside, phase.step, options, spread=True))
        of_kind: tuple[str, ...] = conv.FLOAT_KERNELS
        if isinstance(step, QuantizedConvTranspose):
            of_kind = conv.int8_kernels(step.result)
        return Decision(of_kind, scratch, constants=constants)
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
        kernels=(
            *("activate", "results", "window", rounding_kernel(step.result)),
            *("int8/requantize", "int8/conv_transpose"),
        ),
        scratch=4 * groups * outputs,
        constants=constants,
    )


def emit(program: Program, step: TransposedConvolution, places: Places, options: Options) -> str:
    """Write the calls of the kernels."""
    phases = phases_of(program, step)
    if phases is not None:
        calls = []
        for index, phase in enumerate(phases):
            inside = _with(program, step, phase)
            own = replace(places, constants=_of_phase(places.constants, index))
            calls.append(conv.call(inside, phase.step, own, options, phase.spread))
        return "\n    ".join(calls)
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


def phases_of(program: Program, step: TransposedConvolution) -> list[Phase] | None:
    """Divide a transposed convolution into convolutions; None where it is none of worth."""
    outputs, out_rows, out_columns = program.values[step.output].shape
    _, rows, columns = program.values[step.inputs[0]].shape
    y, x = step.window.rows, step.window.columns
    if step.groups > 1 and outputs // step.groups < LEAST:
        return None
    down, across = _lines(y, rows, out_rows), _lines(x, columns, out_columns)
    if down is None or across is None:
        return None
    joined = step.groups == 1 and x.kernel == x.stride > 1 and x.before == 0
    if joined and out_columns == x.stride * columns:
        across = [Line(0, tuple(range(x.kernel)), Axis(1))]
    phases = []
    for row in down:
        for column in across:
            width = out_columns * outputs
            spread = conv.Spread(
                first=row.first * width + column.first * outputs,
                pixel=x.stride * outputs,
                line=y.stride * width,
            )
            phases.append(Phase(_convolution(step, row, column), spread))
    return phases


def _lines(axis: Axis, length: int, outputs: int) -> list[Line] | None:
    """Divide an axis; None where a phase has no taps, or leaves out samples at an end."""
    lines = []
    if axis.dilation != 1:
        return None
    for phase in range(axis.stride):
        taps = tuple(range(phase, axis.kernel, axis.stride))[::-1]
        first = (phase - axis.before) % axis.stride
        seen = (first + axis.before) // axis.stride  # the input that tap `phase` meets there
        count = -(-(outputs - first) // axis.stride)
        before = len(taps) - 1 - seen
        after = count - length - before + len(taps) - 1
        if not taps or count < 1 or before < 0 or after < 0:
            return None
        lines.append(Line(first, taps, Axis(len(taps), 1, before, after)))
    return lines


def _convolution(step: TransposedConvolution, row: Line, column: Line) -> Conv | QuantizedConv:
    """Write a phase as a convolution; one of all columns has the outputs of each, side by side."""
    groups = step.groups
    channels, outputs, *_ = step.weights.shape
    taken = step.weights[:, :, row.taps, :][:, :, :, column.taps]
    parts = taken.reshape(groups, channels // groups, outputs, len(row.taps), len(column.taps))
    repeated = len(column.taps) // column.axis.kernel
    if repeated > 1:  # groups is 1; (channels, outputs, rows, columns) to (columns x outputs, ...)
        weights = parts[0].transpose(3, 1, 0, 2)[..., None]
        weights = weights.reshape(-1, channels, len(row.taps), 1)
    else:
        weights = parts.transpose(0, 2, 1, 3, 4)
        weights = weights.reshape(-1, channels // groups, len(row.taps), len(column.taps))
    window = Window(row.axis, column.axis)
    ends = (step.name, step.inputs, step.output)
    if isinstance(step, ConvTranspose):
        bias = np.tile(step.bias, repeated)
        return Conv(*ends, weights.astype(np.float32), bias, window, groups, step.activation)
    result: Requantize | ToFloat
    if isinstance(step.result, ToFloat):
        result = ToFloat(np.tile(step.result.scale, repeated))
    else:
        result = replace(
            step.result,
            multiplier=np.tile(step.result.multiplier, repeated),
            negative_multiplier=np.tile(step.result.negative_multiplier, repeated),
            shift=np.tile(step.result.shift, repeated),
        )
    sums = np.tile(step.bias, repeated)
    return QuantizedConv(*ends, weights.astype(np.int8), sums, window, groups, result)


def _with(program: Program, step: TransposedConvolution, phase: Phase) -> Program:
    """Put a phase in the place of the whole."""
    steps = tuple(phase.step if other is step else other for other in program.steps)
    return replace(program, steps=steps)


def _name(name: str, index: int) -> str:
    """Name a phase's constant."""
    return name if name in _SHARED else f"{name}{index}"


def _of_phase(constants: Mapping[str, str], index: int) -> dict[str, str]:
    """Give the constants of a phase by the names that a convolution has for them."""
    names = ("weights", "bias", "bias_signed", *_SHARED)
    return {
        name: constants[_name(name, index)] for name in names if _name(name, index) in constants
    }
