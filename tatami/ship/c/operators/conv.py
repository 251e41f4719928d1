"""Convolution in C, in either kind: kernels/conv.c, with the tiles of float32/ and int8/.

A depthwise one has kernels of its own: depthwise.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tatami.program.steps import Conv, Program, QuantizedConv, ToBytes, ToFloat
from tatami.ship.c.operator import (
    Decision,
    Numbers,
    Options,
    Packed,
    Places,
    activation,
    quantization_of,
    result_constants,
    results,
    rounding_kernel,
    structure,
)
from tatami.ship.c.operators import depthwise, winograd
from tatami.ship.c.operators.band import (
    band_bytes,
    band_rows,
    is_depthwise,
    needed_columns,
    needs_band,
)

AT_ONCE = 2**22
"""Bytes of weights that are put in order at once."""
PANEL = 16
"""Outputs whose weights lie together, and whose sums a tile computes at once."""

SMALL = 1024
"""Products of a dense layer that is written out, up to which that takes less time than a tile."""
DENSE_KERNELS = ("activate", "float32/dense")
FLOAT_KERNELS = (
    *("activate", "results", "conv", "float32/store", "float32/conv_portable"),
    *("float32/conv_avx512", "float32/conv_avx2", "float32/variants"),
)
INT8_KERNELS = (
    *("conv", "int8/requantize", "int8/requantize_avx512", "int8/requantize_avx2"),
    *("int8/requantize_neon", "int8/requantize_simd128", "int8/conv_portable"),
    *("int8/conv_avx512vnni", "int8/conv_amx"),
    *("int8/conv_avx512", "int8/conv_avx2", "int8/conv_neon", "int8/conv_dotprod"),
    *("int8/conv_dsp", "int8/conv_simd128", "int8/variants"),
)


@dataclass(frozen=True)
class Spread:
    """Say where results lie that are not side by side, in samples.

    Args:
        first: Before the first.
        pixel: From a pixel to the next.
        line: From a row to the next.
    """

    first: int
    pixel: int
    line: int


def decide(program: Program, step: Conv | QuantizedConv, options: Options) -> Decision:
    """Ask for a band of scratch a thread, and weights in panels of sixteen outputs."""
    if is_depthwise(step):
        return depthwise.decide(program, step, options)
    scratch = scratch_of(program, step, options)
    constants = constants_of(program, step)
    if isinstance(step, Conv):
        if is_small_dense(program, step):
            return Decision(DENSE_KERNELS, constants=constants)
        blocks = winograd.blocks_of(program, step, options)
        if blocks is not None:
            constants["weights"] = winograd.transformed(step, blocks.tile, panels_at_once(step))
            kernels = (*FLOAT_KERNELS, "float32/winograd")
            return Decision(kernels, blocks.share * options.threads, constants=constants)
        return Decision(FLOAT_KERNELS, scratch, constants=constants)
    return Decision(int8_kernels(step.result), scratch, constants=constants)


def int8_kernels(result: ToBytes | ToFloat) -> tuple[str, ...]:
    """Name the kernels of a layer of bytes."""
    return ("activate", "results", rounding_kernel(result), *INT8_KERNELS)


def scratch_of(
    program: Program, step: Conv | QuantizedConv, options: Options, *, spread: bool = False
) -> int:
    """Count the bytes of all threads' bands."""
    return _band(program, step, options, spread=spread)[1] * options.threads


def constants_of(program: Program, step: Conv | QuantizedConv) -> dict[str, Numbers]:
    """Lay weights, bias and what becomes of sums as kernels/conv.c reads them."""
    groups = step.groups
    constants: dict[str, Numbers] = {"weights": packed(step)}
    if isinstance(step, Conv):
        constants["bias"] = in_panels(step.bias, groups)
        return constants
    zero_point = quantization_of(program.values[step.inputs[0]]).zero_point
    total = step.weights.reshape(len(step.weights), -1).sum(axis=1, dtype=np.int64)
    start = step.bias - zero_point * total
    constants["bias"] = in_panels(start.astype(np.int32), groups)
    constants["bias_signed"] = in_panels((start + 128 * total).astype(np.int32), groups)
    for name, numbers in result_constants(step.result).items():
        # What fills a panel up is never stored, but must be a shift that vectors take.
        constants[name] = in_panels(numbers, groups, 33 if name == "shift" else 0)
    return constants


def emit(program: Program, step: Conv | QuantizedConv, places: Places, options: Options) -> str:
    """Write the call of the kernel."""
    if is_depthwise(step):
        return depthwise.emit(program, step, places, options)
    channels, rows, columns = program.values[step.inputs[0]].shape
    if isinstance(step, Conv) and is_small_dense(program, step):
        constants = places.constants
        return (
            f"net_dense({channels * rows * columns}, {len(step.weights)}, {constants['weights']},"
            f" {constants['bias']},\n        {activation(step.activation)},\n"
            f"        {places.values[step.inputs[0]]}, {places.values[step.output]});"
        )
    return call(program, step, places, options)


def call(
    program: Program,
    step: Conv | QuantizedConv,
    places: Places,
    options: Options,
    spread: Spread | None = None,
) -> str:
    """Write the call of the kernel for a layer that is neither depthwise nor small.

    Args:
        program: Where its values are.
        step: The layer; its window says how many results there are.
        places: Of its values, scratch and constants.
        options: As of ``emit``.
        spread: Where results lie that are not side by side.
    """
    channels, rows, columns = program.values[step.inputs[0]].shape
    y, x = step.window.rows, step.window.columns
    out_rows, out_columns = y.output(rows), x.output(columns)
    pool = 1 if step.pool is None else 2
    pixel, line = len(step.weights), out_columns // pool * len(step.weights)
    if spread is not None:
        pixel, line = spread.pixel, spread.line
    elif is_one_row(step):
        rows, columns = 1, rows * columns
        out_rows, out_columns = 1, columns
    lines, bytes_each = _band(program, step, options, spread=spread is not None)
    blocks = None
    if isinstance(step, Conv) and spread is None:
        blocks = winograd.blocks_of(program, step, options)
    if blocks is not None:
        lines, bytes_each = blocks.rows, blocks.band
    kind = "float" if isinstance(step, Conv) else "int8"
    constants = places.constants
    if isinstance(step, Conv):
        after = f"{{.activation = {activation(step.activation)}, .size = 4}}"
    else:
        after = results(step.result, constants)
    fields: list[dict[str, int | str]] = [
        {"groups": step.groups},
        {
            "bytes": channels // step.groups * _sample(step),
            "rows": rows,
            "columns": columns,
        },
        {
            "outputs": len(step.weights) // step.groups,
            "out_rows": out_rows,
            "out_columns": out_columns,
        },
        {"step": pixel, "line": line},
        {"kernel_rows": y.kernel, "kernel_columns": x.kernel},
        {"stride_rows": y.stride, "stride_columns": x.stride},
        {"dilation_rows": y.dilation, "dilation_columns": x.dilation},
        {"top": y.before, "left": x.before},
        {"band_rows": lines, "band_bytes": bytes_each},
        {"pool": pool, "padding": _padding(program, step)},
        {"weights": f"(const uint8_t *){constants['weights']}"},
        {
            "bias": constants["bias"],
            "bias_signed": constants.get("bias_signed", "NULL"),
        },
        {"results": after},
    ]
    ends = f"{places.values[step.inputs[0]]},\n        {places.scratch or 'NULL'}"
    ends += f", {places.values[step.output]}"
    if spread is not None:
        ends += f" + {spread.first}"
    if blocks is not None:
        conv = ",\n            ".join(
            ", ".join(f".{name} = {value}" for name, value in row.items()) for row in fields
        )
        layer = structure(
            "net_winograd_layer",
            [
                {"conv": f"{{{conv}}}"},
                {"tile": blocks.tile},
                {"band": blocks.band, "v": blocks.v, "share": blocks.share},
            ],
        )
        return f"net_winograd({layer},\n        net_float_kernels(), {ends});"
    layer = structure("net_conv_layer", fields)
    return f"net_conv({layer},\n        net_{kind}_kernels(), {ends});"


def packed(step: Conv | QuantizedConv) -> Packed:
    """Pack weights as the tiles read them.

    A kernel row is one run of (columns, channels) where its columns are neighbors, else every tap
    is a run of channels. Zeros fill up runs and panels.

    Returns:
        (groups, panels, kernel rows, runs, dwords of a run, 16 outputs, samples of a dword).
    """
    groups, each = step.groups, 4 // _sample(step)
    outputs = len(step.weights) // groups
    _, channels, rows, columns = step.weights.shape
    all_weights = step.weights.reshape(groups, outputs, channels, rows, columns)
    together = step.window.columns.dilation == 1
    runs, length = (1, columns * channels) if together else (columns, channels)
    panels, dwords = -(-outputs // PANEL), -(-length // each)

    def some(begin: int, end: int) -> NDArray[Any]:
        weights = all_weights[:, begin * PANEL : end * PANEL].transpose(0, 1, 3, 4, 2)
        there = weights.shape[1]
        whole = np.zeros((groups, (end - begin) * PANEL, rows, runs, dwords * each), weights.dtype)
        whole[:, :there, :, :, :length] = weights.reshape(groups, there, rows, runs, length)
        split = whole.reshape(groups, end - begin, PANEL, rows, runs, dwords, each)
        return np.ascontiguousarray(split.transpose(0, 1, 3, 4, 5, 2, 6))

    def parts() -> Iterator[NDArray[Any]]:
        at_once = panels if groups > 1 else panels_at_once(step)
        return (some(p, min(p + at_once, panels)) for p in range(0, panels, at_once))

    return Packed((groups, panels, rows, runs, dwords, PANEL, each), step.weights.dtype, parts)


def panels_at_once(step: Conv | QuantizedConv) -> int:
    """Say how many panels of weights are put in order at once: a few megabytes."""
    return max(1, AT_ONCE * len(step.weights) // step.weights.nbytes // PANEL)


def in_panels(numbers: NDArray[Any], groups: int, filling: int = 0) -> NDArray[Any]:
    """Lay one number an output, (outputs,), as (groups, panels, 16).

    Args:
        numbers: Of all groups.
        groups: Of the convolution.
        filling: What fills a panel up.
    """
    outputs = len(numbers) // groups
    panels = -(-outputs // PANEL)
    whole = np.full((groups, panels * PANEL), filling, numbers.dtype)
    whole[:, :outputs] = numbers.reshape(groups, outputs)
    return whole


def is_one_row(step: Conv | QuantizedConv) -> bool:
    """Say whether every place sees its own pixel alone: then all of them are one long row."""
    axes = (step.window.rows, step.window.columns)
    alone = all(a.kernel == a.stride == 1 and not a.before and not a.after for a in axes)
    return alone and step.groups == 1 and step.pool is None


def is_small_dense(program: Program, step: Conv) -> bool:
    """Say whether each output sees the whole input, and there is little of both.

    A column of many is none: it is added up as all of them are.
    """
    if step.output in program.moments:
        return False
    axes = (step.window.rows, step.window.columns)
    sides = program.values[step.inputs[0]].shape[1:]
    whole = all(
        axis.kernel == side and axis.dilation == 1 and not axis.before and not axis.after
        for axis, side in zip(axes, sides, strict=True)
    )
    return whole and step.groups == 1 and step.pool is None and step.weights.size <= SMALL


def _sample(step: Conv | QuantizedConv) -> int:
    """Count the bytes of a sample."""
    return 4 if isinstance(step, Conv) else 1


def _padding(program: Program, step: Conv | QuantizedConv) -> int:
    """Give the byte that padding is made of: zeros are float32 zeros too."""
    if isinstance(step, Conv):
        return 0
    return quantization_of(program.values[step.inputs[0]]).zero_point


def _band(
    program: Program, step: Conv | QuantizedConv, options: Options, *, spread: bool = False
) -> tuple[int, int]:
    """Count a band's output rows and its bytes; (0, 0) where the input is its own band."""
    channels = program.values[step.inputs[0]].shape[0]
    pixel = channels // step.groups * _sample(step)
    run = pixel * (step.window.columns.kernel if step.window.columns.dilation == 1 else 1)
    if step.groups == 1 and run % 4 == 0 and not needs_band(program, step):
        return 0, 0
    if (
        is_one_row(step) and not spread
    ):  # its channels do not fill dwords: the map is copied as one line
        _, rows, columns = program.values[step.inputs[0]].shape
        return 1, -(-(rows * columns * pixel + 64) // 64) * 64
    row = needed_columns(program, step) * pixel
    lines = band_rows(program, step, row, options)
    return lines, band_bytes(step, row, lines)
