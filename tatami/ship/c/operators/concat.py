"""Concatenation along any axis in C, of either kind: kernels/concat.c."""

from __future__ import annotations

from tatami.program.steps import Concat, Program, Shape
from tatami.ship.c.operator import Decision, Options, Places, sample_bytes


def decide(program: Program, step: Concat, options: Options) -> Decision:
    """Ask for the kernel alone."""
    return Decision(kernels=("concat",))


def emit(program: Program, step: Concat, places: Places, options: Options) -> str:
    """Write a copy for each part."""
    result = program.values[step.output]
    size = sample_bytes(result)
    calls = []
    offset = 0
    for name in step.inputs:
        runs, run = _runs(program.values[name].shape, step.axis)
        _, out_run = _runs(result.shape, step.axis)
        calls.append(
            f"net_concat({places.values[name]}, {runs}, {run * size},"
            f" (uint8_t *){places.values[step.output]} + {offset}, {out_run * size});"
        )
        offset += run * size
    return "\n    ".join(calls)


def _runs(shape: Shape, axis: int) -> tuple[int, int]:
    """How many pieces of memory a value is along that axis, and samples of one."""
    channels, rows, columns = shape
    runs = (rows * columns, 1, rows)[axis]
    return runs, channels * rows * columns // runs
