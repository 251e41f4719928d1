"""Resizing in C, nearest or bilinear: kernels/resize.c, and the resize.c of float32/ and int8/."""

from __future__ import annotations

import numpy as np

from tatami.program.steps import Program, Resize
from tatami.ship.c.operator import Decision, Options, Places, sample_bytes, structure


def decide(program: Program, step: Resize, options: Options) -> Decision:
    """Ask for the kernel, with where each output row and column looks."""
    constants = {"row": step.rows.first, "column": step.columns.first}
    if _is_nearest(step):
        return Decision(kernels=("resize",), constants=constants)
    quantized = program.values[step.output].quantization is not None
    kind = np.int32 if quantized else np.float32
    return Decision(
        kernels=(f"{'int8' if quantized else 'float32'}/resize",),
        constants=constants
        | {
            "row2": step.rows.second,
            "column2": step.columns.second,
            "down": step.rows.weight.astype(kind),
            "across": step.columns.weight.astype(kind),
        },
    )


def emit(program: Program, step: Resize, places: Places, options: Options) -> str:
    """Write the call of the kernel."""
    source, result = program.values[step.inputs[0]], program.values[step.output]
    channels, _, columns = source.shape
    _, out_rows, out_columns = result.shape
    constants = places.constants
    ends = f"{places.values[step.inputs[0]]}, {places.values[step.output]}"
    if _is_nearest(step):
        return (
            f"net_resize_nearest({channels * sample_bytes(result)}, {columns}, {out_rows},"
            f" {out_columns},\n        {constants['row']}, {constants['column']}, {ends});"
        )
    sampling = structure(
        "net_sampling" if result.quantization is None else "net_sampling_u8",
        [
            {"channels": channels, "columns": columns},
            {"out_rows": out_rows, "out_columns": out_columns},
            {"row": constants["row"], "row2": constants["row2"], "down": constants["down"]},
            {"column": constants["column"], "column2": constants["column2"]},
            {"across": constants["across"]},
        ],
    )
    name = "net_resize" if result.quantization is None else "net_resize_u8"
    return f"{name}({sampling},\n        {ends});"


def _is_nearest(step: Resize) -> bool:
    return not np.any(step.rows.weight) and not np.any(step.columns.weight)
