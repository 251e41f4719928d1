"""Depthwise convolution in C, in either kind: the files depthwise*.c of kernels/.

A convolution with as many groups as channels and outputs. The quantized rows exist for AVX2,
AVX-512 VNNI, NEON and WebAssembly beside portable C, and give the same bits; those of floats for
AVX2 and AVX-512.
"""

from __future__ import annotations

import numpy as np

from tatami.program.steps import Conv, Program, QuantizedConv
from tatami.ship.c.operator import (
    Decision,
    Options,
    Places,
    activation,
    result_constants,
    results,
    rounding_kernel,
    structure,
)
from tatami.ship.c.operators.band import band_bytes, band_rows, needed_columns, overwrites


def decide(program: Program, step: Conv | QuantizedConv, options: Options) -> Decision:
    """Ask for a band of padded rows a thread, and weights as (taps, channels)."""
    scratch = _band(program, step, options)[1] * options.threads
    taps = np.ascontiguousarray(step.weights.reshape(len(step.weights), -1).T)
    if isinstance(step, Conv):
        return Decision(
            (
                *("activate", "float32/depthwise_portable", "float32/depthwise_avx512"),
                *("float32/depthwise_avx2", "float32/depthwise"),
            ),
            scratch=scratch,
            in_place=overwrites(program, step, options),
            constants={"weights": taps, "bias": step.bias},
        )
    quantization = program.values[step.inputs[0]].quantization
    assert quantization is not None
    total = step.weights.reshape(len(step.weights), -1).sum(axis=1, dtype=np.int64)
    bias = (step.bias - quantization.zero_point * total).astype(np.int32)
    return Decision(
        (
            *("activate", "results", rounding_kernel(step.result), "conv", "int8/requantize"),
            *("int8/requantize_avx512", "int8/requantize_avx2", "int8/requantize_neon"),
            *("int8/requantize_simd128", "int8/conv_avx512vnni", "int8/depthwise_portable"),
            *("int8/depthwise_avx512vnni", "int8/depthwise_avx2", "int8/depthwise_neon"),
            *("int8/depthwise_simd128", "int8/depthwise"),
        ),
        scratch=scratch,
        in_place=overwrites(program, step, options),
        constants={
            "weights": taps,
            "bias": bias,
            **result_constants(step.result),
        },
    )


def emit(program: Program, step: Conv | QuantizedConv, places: Places, options: Options) -> str:
    """Write the call of the kernel."""
    channels, rows, columns = program.values[step.inputs[0]].shape
    _, out_rows, out_columns = program.values[step.output].shape
    y, x = step.window.rows, step.window.columns
    lines_of_band, share = _band(program, step, options)
    lines: list[dict[str, int | str]] = [
        {"channels": channels, "rows": rows, "columns": columns},
        {"out_rows": out_rows, "out_columns": out_columns},
        {"kernel_rows": y.kernel, "kernel_columns": x.kernel},
        {"stride_rows": y.stride, "stride_columns": x.stride},
        {"dilation_rows": y.dilation, "dilation_columns": x.dilation},
        {
            "top": y.before,
            "left": x.before,
            "right": max(0, needed_columns(program, step) - x.before - columns),
        },
        {"band_rows": lines_of_band},
    ]
    source, result = places.values[step.inputs[0]], places.values[step.output]
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
    lines.append({"zero_point": quantization.zero_point})
    return (
        f"net_depthwise({structure('net_depthwise_shape', lines)},\n"
        f"        {source}, {constants['weights']}, {constants['bias']},\n"
        f"        &(const net_results){results(step.result, constants)},\n"
        f"        (uint8_t *){places.scratch}, {share}, {result});"
    )


def _band(program: Program, step: Conv | QuantizedConv, options: Options) -> tuple[int, int]:
    """Output rows of a band, and bytes of it."""
    channels, _, columns = program.values[step.inputs[0]].shape
    padded = max(needed_columns(program, step), step.window.columns.before + columns)
    row = padded * channels * (4 if isinstance(step, Conv) else 1)
    rows = band_rows(program, step, row, options)
    return rows, band_bytes(step, row, rows)
