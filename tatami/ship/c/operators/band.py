"""How many rows of input a convolution copies to scratch at once: its band (kernels/conv.c)."""

from __future__ import annotations

from tatami.ops.window import Window
from tatami.program.steps import Conv, Program, QuantizedConv, Step, ToFloat
from tatami.ship.c.operator import Options
from tatami.ship.c.targets import target_of

SLACK = 64
"""Bytes behind a band that a vector may read, and throws away."""
WHOLE = 2**19
"""Bytes of weights from which all of the map is one band: they are read once a band."""
SHARE = 25
"""A band may add one part in this many to the memory that the values themselves need."""

Banded = Conv | QuantizedConv


def needed_columns(program: Program, step: Banded) -> int:
    """Count the columns of a padded row: those from the first place of the window to the last."""
    return _seen(step.window, step, program)[1]


def needs_band(program: Program, step: Banded) -> bool:
    """Say whether some place of the window lies outside the input."""
    _, rows, columns = program.values[step.inputs[0]].shape
    seen_rows, seen_columns = _seen(step.window, step, program)
    y, x = step.window.rows, step.window.columns
    return bool(y.before or x.before or seen_rows > rows or seen_columns > columns)


def band_rows(program: Program, step: Banded, row: int, options: Options) -> int:
    """Choose the output rows of a band.

    As many as fit the scratch that the target allows and that the fullest moment of the program
    leaves over; all, where the weights are many; a pool takes two at a time.

    Args:
        program: What the step belongs to.
        step: The convolution.
        row: Bytes of one padded row of input.
        options: Whose target and threads bound them.
    """
    y = step.window.rows
    out_rows = y.output(program.values[step.inputs[0]].shape[1])
    unit = 1 if step.pool is None else 2
    limit = target_of(options.target).scratch
    if step.weights.nbytes > WHOLE and limit > 2**17:
        return out_rows
    space = min(limit, room(program, step, options)) // options.threads // row
    rows = (space - y.span) // y.stride + 1
    return min(out_rows, max(unit, rows // unit * unit))


def band_bytes(step: Banded, row: int, rows: int) -> int:
    """Count the scratch bytes of one thread for a band of output rows, in whole cache lines.

    Args:
        step: The convolution.
        row: Bytes of one padded row of input.
        rows: Output rows of the band.
    """
    y = step.window.rows
    lines = (rows - 1) * y.stride + y.span
    return -(-(lines * row + SLACK) // 64) * 64


def _seen(window: Window, step: Banded, program: Program) -> tuple[int, int]:
    """Rows and columns, padded, that all places of the window together see."""
    _, rows, columns = program.values[step.inputs[0]].shape
    y, x = window.rows, window.columns
    return (
        (y.output(rows) - 1) * y.stride + y.span,
        (x.output(columns) - 1) * x.stride + x.span,
    )


def room(program: Program, step: Banded, options: Options) -> int:
    """Count the bytes that scratch may take at a step without noticeably more memory in all."""
    lifetimes = program.lifetimes()
    alive = [
        sum(
            program.values[name].bytes
            for name, life in lifetimes.items()
            if life.first <= index <= life.last
        )
        for index in range(len(program.steps))
    ]
    for index, other in enumerate(program.steps):
        taken = other.inputs[0] if overwrites(program, other, options) else ""
        if taken in lifetimes and lifetimes[taken].last == index:
            alive[index] -= program.values[taken].bytes
    here = next(index for index, other in enumerate(program.steps) if other is step)
    largest = max(alive)
    return largest + largest // SHARE - alive[here]


def is_depthwise(step: Step) -> bool:
    """Say whether the kernels of depthwise.py run it.

    It has one output a channel and no pool, and gives bytes if it is quantized.
    """
    if not isinstance(step, Conv | QuantizedConv):
        return False
    alone = step.groups == len(step.weights) and step.weights.shape[1] == 1 and step.pool is None
    return alone and (isinstance(step, Conv) or not isinstance(step.result, ToFloat))


def overwrites(program: Program, step: Step, options: Options) -> bool:
    """Say whether a step's rows of results may take the place of its input's.

    A depthwise convolution has in its band what it still needs of the input. Row y of the results
    must lie where row y of the input lay, and one thread must do the work.
    """
    if options.threads > 1 or not isinstance(step, Conv | QuantizedConv) or not is_depthwise(step):
        return False
    alike = program.values[step.inputs[0]].shape == program.values[step.output].shape
    return alike and step.window.rows.stride == 1
