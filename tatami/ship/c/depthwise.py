"""Depthwise convolution in C, in either kind: the files depthwise*.c of kernels/.

A convolution with as many groups as channels and outputs. The quantized rows exist for AVX2,
AVX-512 VNNI and NEON beside portable C; all give the same bits.
"""

from __future__ import annotations

import numpy as np

from tatami.ship.c.operator import Decision, Options, Places, activation, structure
from tatami.ship.c.targets import target_of
from tatami.ship.program import Conv, Program, QuantizedConv, Requantize

SLACK = 64
"""Bytes behind a band that a vector may read, and throws away."""


def is_depthwise(step: Conv | QuantizedConv) -> bool:
    """Whether these kernels run it: one output a channel, no pool, bytes if it is quantized."""
    alone = step.groups == len(step.weights) and step.weights.shape[1] == 1 and step.pool is None
    return alone and (isinstance(step, Conv) or isinstance(step.result, Requantize))


def decide(program: Program, step: Conv | QuantizedConv, options: Options) -> Decision:
    """Scratch for a band of padded rows a thread; weights as (taps, channels)."""
    scratch = _share(program, step, options) * options.threads
    taps = np.ascontiguousarray(step.weights.reshape(len(step.weights), -1).T)
    if isinstance(step, Conv):
        return Decision(
            ("activate", "float32/depthwise"),
            scratch=scratch,
            constants={"weights": taps, "bias": step.bias},
        )
    assert isinstance(step.result, Requantize)
    quantization = program.values[step.inputs[0]].quantization
    assert quantization is not None
    share = step.weights.reshape(len(step.weights), -1).sum(axis=1, dtype=np.int64)
    bias = (step.bias - quantization.zero_point * share).astype(np.int32)
    return Decision(
        (
            *("int8/requantize", "int8/requantize_avx512", "int8/requantize_avx2"),
            *("int8/depthwise_rows", "int8/depthwise_avx512vnni", "int8/depthwise_avx2"),
            *("int8/depthwise_neon", "int8/depthwise"),
        ),
        scratch=scratch,
        constants={
            "weights": taps,
            "bias": bias,
            "multiplier": step.result.multiplier,
            "negative": step.result.negative_multiplier,
            "shift": step.result.shift,
        },
    )


def emit(program: Program, step: Conv | QuantizedConv, places: Places, options: Options) -> str:
    """The call of the kernel."""
    channels, rows, columns = program.values[step.inputs[0]].shape
    _, out_rows, out_columns = program.values[step.output].shape
    y, x = step.window.rows, step.window.columns
    lines = [
        {"channels": channels, "rows": rows, "columns": columns},
        {"out_rows": out_rows, "out_columns": out_columns},
        {"kernel_rows": y.kernel, "kernel_columns": x.kernel},
        {"stride_rows": y.stride, "stride_columns": x.stride},
        {"dilation_rows": y.dilation, "dilation_columns": x.dilation},
        {"top": y.before, "left": x.before, "right": x.after},
        {"band_rows": _band_rows(program, step, options)},
    ]
    source, result = places.values[step.inputs[0]], places.values[step.output]
    share = _share(program, step, options)
    constants = places.constants
    if isinstance(step, Conv):
        return (
            f"net_depthwise_f32({structure('net_depthwise_f32_shape', lines)},\n"
            f"        {source}, {constants['weights']}, {constants['bias']},\n"
            f"        {activation(step.activation)},\n"
            f"        (float *){places.scratch}, {share // 4}, {result});"
        )
    quantization = program.values[step.inputs[0]].quantization
    assert quantization is not None
    assert isinstance(step.result, Requantize)
    lines.append({"zero_point": quantization.zero_point})
    return (
        f"net_depthwise({structure('net_depthwise_shape', lines)},\n"
        f"        {source}, {constants['weights']}, {constants['bias']},\n"
        f"        @results@,\n"
        f"        (uint8_t *){places.scratch}, {share}, {result});"
    )


def _band_rows(program: Program, step: Conv | QuantizedConv, options: Options) -> int:
    """Output rows of a band: as many as the target's scratch has room for, and at least one."""
    _, out_rows, _ = program.values[step.output].shape
    y = step.window.rows
    room = target_of(options.target).scratch // _pitch(program, step)
    return max(1, min(out_rows, (room - y.span) // y.stride + 1))


def _pitch(program: Program, step: Conv | QuantizedConv) -> int:
    """Bytes of a padded row."""
    channels, _, columns = program.values[step.inputs[0]].shape
    x = step.window.columns
    return (x.before + columns + x.after) * channels * (4 if isinstance(step, Conv) else 1)


def _share(program: Program, step: Conv | QuantizedConv, options: Options) -> int:
    """Bytes of scratch for one thread, in whole cache lines."""
    y = step.window.rows
    rows = (_band_rows(program, step, options) - 1) * y.stride + y.span
    return -(-(rows * _pitch(program, step) + SLACK) // 64) * 64
