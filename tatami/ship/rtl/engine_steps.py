"""What a step of a program is on the engine: one layer or a few, and their rows of constants.

One function a kind of step. Each gives what the engine does, without addresses in DDR and without
strips; lower.py puts these together. What the engine cannot do is refused by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tatami.errors import TatamiError
from tatami.ops.window import Axis, Window
from tatami.program.steps import (
    MaxPool,
    Program,
    QuantizedAdd,
    QuantizedAveragePool,
    QuantizedConv,
    QuantizedConvTranspose,
    QuantizedExtreme,
    Requantize,
    Reshape,
    Resize,
    Slice,
    SpaceToDepth,
    Step,
    Table,
    ToFloat,
    Value,
)
from tatami.ship.rtl.core import PRODUCTS, Core
from tatami.ship.rtl.place import Place, Walk, ceil_div

Int64 = NDArray[np.int64]
IDENTITY = (1 << 30, 30)
"""A multiplier and a shift that leave a sum of 0 to 255 as it is."""


@dataclass(frozen=True, eq=False)
class Channels:
    """Say what becomes of each channel's sum, (channels,) each.

    Args:
        start: What a sum begins with.
        multiplier: Where it is 0 or more.
        negative: Where it is below.
        shift: Of both.
    """

    start: Int64
    multiplier: Int64
    negative: Int64
    shift: Int64

    @staticmethod
    def plain(count: int, start: int = 0, factor: tuple[int, int] = IDENTITY) -> Channels:
        """Say the same of each channel."""
        one = np.ones(count, np.int64)
        multiplier, shift = factor
        return Channels(start * one, multiplier * one, multiplier * one, shift * one)


@dataclass(frozen=True, eq=False)
class Work:
    """Say what the engine does for a step, wherever its maps lie.

    Args:
        name: Of the step.
        operator: Its kind.
        inputs: The values that it reads.
        output: The value that it makes, or a part of.
        walk: How its window walks over the first input.
        fields: Further fields of the layer.
        channels: What becomes of the sums.
        rows: Makes the rows of weights of a tile, (rows, LANES, 36), of the tile's first channel;
            None: it has none.
        tile_rows: How many these are.
        products: Multiply-adds that are asked for.
        bound: The largest sum in size.
        scale: Of sums that leave as they are, a channel; None: bytes leave.
        table: What bytes become before they are written.
        part: Where the first channel that is made lies among the output's, a multiple of 4.
        begin: The first place of the output that is made, (row, column).
        step: From one such place to the next.
    """

    name: str
    operator: str
    inputs: tuple[str, ...]
    output: str
    walk: Walk
    fields: Mapping[str, int]
    channels: Channels
    rows: Callable[[Core, Place, int], NDArray[np.int8]] | None = None
    tile_rows: Callable[[Core, Place], int] = field(default=lambda core, place: 0)
    products: int = 0
    bound: int = 255
    scale: NDArray[np.float32] | None = None
    table: bytes | None = None
    part: int = 0
    begin: tuple[int, int] = (0, 0)
    step: tuple[int, int] = (1, 1)

    @property
    def count(self) -> int:
        """How many channels it makes."""
        return len(self.channels.start)

    def split(self) -> tuple[int, int]:
        """Say which rows of the input a place of the window needs: stride and span of a place."""
        pooled = self.fields.get("pool", 0)
        span = (self.walk.pieces[0] - 1) * self.walk.piece[0] + (1 if self.walk.depth else 3)
        if self.walk.pieces[0] == 1 and not self.walk.depth:
            span = self.walk.kernel[0]
        return self.walk.stride[0], span + pooled


def refused(step: Step, why: str, need: str) -> TatamiError:
    """Say what the engine cannot do, and what it would take."""
    return TatamiError(
        f"the engine cannot do {type(step).__name__} '{step.name}': {why}",
        hint=f"it would need {need}",
    )


def work_of(program: Program, step: Step) -> list[Work]:
    """Say what the engine does for a step.

    Raises:
        TatamiError: For a step that it cannot do, by name, with what it would need.
    """
    for name in (*step.inputs, step.output):
        value = program.values[name]
        raw = name == step.output and isinstance(getattr(step, "result", None), ToFloat)
        if value.quantization is None and not raw:
            raise refused(step, f"'{name}' is {value.dtype}", "a network in 8 bits: quantize it")
        if max(value.shape[1:]) > 4095 or value.shape[0] > 16384:
            raise refused(step, f"a map of {value.shape}", "wider counters")
    window = getattr(step, "window", None)
    if window is not None and max(window.rows.stride, window.columns.stride) > 255:
        raise refused(step, "a stride beyond 255", "wider counters")
    made = _WORK.get(type(step).__name__)
    if made is None:
        raise refused(step, "there is no such operator", f"a mode for {type(step).__name__}")
    return made(program, step)


def _zero(program: Program, name: str) -> int:
    found = program.values[name].quantization
    assert found is not None
    return found.zero_point


def _value(program: Program, name: str) -> Value:
    return program.values[name]


def unfused(program: Program) -> Program:
    """Make steps of their own of the pools that the engine does not do on sums."""
    if all(_on_sums(step) for step in program.steps if isinstance(step, QuantizedConv)):
        return program
    steps: list[Step] = []
    values = dict(program.values)
    for step in program.steps:
        if not isinstance(step, QuantizedConv) or _on_sums(step):
            steps.append(step)
            continue
        assert step.pool is not None
        _, height, width = values[step.inputs[0]].shape
        window = step.window
        shape = len(step.weights), window.rows.output(height), window.columns.output(width)
        name = f"{step.output} before its pool"
        values[name] = replace(values[step.output], shape=shape)
        steps.append(replace(step, output=name, pool=None))
        steps.append(MaxPool(f"{step.name} pool", (name,), step.output, step.pool))
    return replace(program, steps=tuple(steps), values=values)


def _on_sums(step: QuantizedConv) -> bool:
    """Whether it has no pool, or one of 2 x 2 places that lie beside each other."""
    strides = step.window.rows.stride, step.window.columns.stride
    return step.pool is None or (step.pool == Window.square(2, 2) and strides == (1, 1))


# Convolutions -------------------------------------------------------------------------------------


def _conv(program: Program, step: QuantizedConv) -> list[Work]:
    _, height, width = _value(program, step.inputs[0]).shape
    rows, columns = step.window.rows, step.window.columns
    places = rows.output(height), columns.output(width)
    before = rows.before, columns.before
    return [_products(program, step, places, before, program.multiply_adds(step))]


def _conv_transpose(program: Program, step: QuantizedConvTranspose) -> list[Work]:
    """Divide a transposed convolution into convolutions, one for each phase of its stride."""
    if step.groups != 1:
        raise refused(step, f"{step.groups} groups", "weights in groups")
    if isinstance(step.result, ToFloat):
        raise refused(step, "its result is real numbers", "sums that leave out of order")
    rows, columns = step.window.rows, step.window.columns
    weights = step.weights.transpose(1, 0, 2, 3)
    if max(rows.dilation, columns.dilation) > 1:
        weights = _dilated(weights, (rows.dilation, columns.dilation))
    _, height, width = _value(program, step.output).shape
    works = []
    for y in range(min(rows.stride, height)):
        for x in range(min(columns.stride, width)):
            down, up = _phase(weights.shape[2], rows, y)
            across, left = _phase(weights.shape[3], columns, x)
            mine = np.ascontiguousarray(weights[:, :, down][:, :, :, across])
            if not mine.size:  # no tap reaches these places
                mine, up, left = np.zeros((*weights.shape[:2], 1, 1), np.int8), 0, 0
            window = Window(Axis(mine.shape[2]), Axis(mine.shape[3]))
            part = QuantizedConv(
                step.name, step.inputs, step.output, mine, step.bias, window, 1, step.result
            )
            places = ceil_div(height - y, rows.stride), ceil_div(width - x, columns.stride)
            work = _products(program, part, places, (up, left), mine.size * places[0] * places[1])
            works.append(
                replace(
                    work, operator="QuantizedConvTranspose", begin=(y, x),
                    step=(rows.stride, columns.stride),
                )
            )  # fmt: skip
    return works


def _phase(kernel: int, axis: Axis, place: int) -> tuple[list[int], int]:
    """Find the taps that reach every ``stride``-th output from a place on, and their padding.

    Output ``place + stride * q`` sees input ``q + whole - t`` through tap ``over + stride * t``.
    """
    whole, over = divmod(place + axis.before, axis.stride)
    taps = list(range(over, kernel, axis.stride))[::-1]
    return taps, len(taps) - 1 - whole


def _products(
    program: Program,
    step: QuantizedConv,
    places: tuple[int, int],
    before: tuple[int, int],
    products: int,
) -> Work:
    """Make the work of a convolution whose window begins at a padding, which may be below 0."""
    zero = _zero(program, step.inputs[0])
    channels = _value(program, step.inputs[0]).shape[0]
    outputs = len(step.weights)
    rows, columns = step.window.rows, step.window.columns
    pool = step.pool is not None
    assert not pool or _on_sums(step)
    if step.groups not in (1, channels) or (step.groups == channels > 1 and outputs != channels):
        raise refused(step, f"{step.groups} groups", "weights in groups")
    by_channel = step.groups > 1
    start = step.bias.astype(np.int64) - zero * step.weights.reshape(outputs, -1).astype(
        np.int64
    ).sum(1)
    size = np.abs(step.weights.astype(np.int64)).reshape(outputs, -1).sum(1)
    result = step.result
    if not isinstance(result, Requantize | ToFloat):
        raise refused(step, "it rounds as LiteRT does", "a multiplier for that rounding")
    fields = {"fill": zero, "high": 255}
    if isinstance(result, Requantize):
        made = Channels(
            start,
            result.multiplier.astype(np.int64),
            result.negative_multiplier.astype(np.int64),
            result.shift.astype(np.int64),
        )
        fields |= {"zero": result.zero_point, "low": result.low, "high": result.high}
    else:
        made, fields = Channels.plain(outputs, 0), {**fields, "raw": 1}
        made = Channels(start, made.multiplier, made.negative, made.shift)
    kernel = rows.kernel, columns.kernel
    dilation = rows.dilation, columns.dilation
    # Taps that lie multiples of 3 apart are as many windows of one pixel each, read by depth.
    apart = all(d % 3 == 0 or k == 1 for d, k in zip(dilation, kernel, strict=True))
    depth = apart and not by_channel
    weights = step.weights
    if not depth and max(dilation) > 1:
        weights = _dilated(weights, dilation)
    spread = weights.shape[2], weights.shape[3]
    pieces = kernel if depth else (ceil_div(spread[0], 3), ceil_div(spread[1], 3))
    piece = (
        tuple(3 if k == 1 else d for d, k in zip(dilation, kernel, strict=True))
        if depth
        else (3, 3)
    )
    if max(piece) > 255 or pieces[0] * piece[0] > 255 or pieces[1] * piece[1] > 255:
        raise refused(step, f"a window of {spread[0]} x {spread[1]}", "wider counters")
    walk = Walk(
        spread, (2, 2) if pool else (rows.stride, columns.stride), before,
        (places[0] // 2, places[1] // 2) if pool else places,
        depth, pieces, (piece[0], piece[1]),
    )  # fmt: skip
    if by_channel:
        return _by_channel(step, walk, {**fields, "pool": int(pool)}, made, weights,
                           products, _bound(start, size))  # fmt: skip

    def steps_of(place: Place) -> int:
        return ceil_div(place.words, 9) if depth else place.words

    def rows_of(core: Core, place: Place, first: int) -> NDArray[np.int8]:
        return _weight_rows(core, place, weights, first, depth)

    return Work(
        step.name, "QuantizedConv", step.inputs, step.output, walk,
        {**fields, "pool": int(pool)}, made, rows_of,
        lambda core, place: pieces[0] * pieces[1] * steps_of(place),
        products, _bound(start, size), result.scale if isinstance(result, ToFloat) else None,
    )  # fmt: skip


def _bound(start: Int64, size: Int64) -> int:
    return int((np.abs(start) + 255 * size).max(initial=255))


def _dilated(weights: NDArray[np.int8], dilation: tuple[int, int]) -> NDArray[np.int8]:
    """Put zeros between the taps of a kernel."""
    o, c, h, w = weights.shape
    spread = np.zeros((o, c, (h - 1) * dilation[0] + 1, (w - 1) * dilation[1] + 1), np.int8)
    spread[:, :, :: dilation[0], :: dilation[1]] = weights
    return spread


def _weight_rows(
    core: Core, place: Place, weights: NDArray[np.int8], first: int, depth: bool
) -> NDArray[np.int8]:
    """Lay the weights of a tile as the engine reads them: (pieces * steps, LANES, 36)."""
    mine = weights[first : first + core.lanes]
    o, _, kernel_rows, kernel_columns = mine.shape
    words = ceil_div(place.words, 9) * 9 if depth else place.words
    wide = np.zeros((core.lanes, words * 4, kernel_rows, kernel_columns), np.int8)
    wide[:o, list(place.lies)] = mine
    if depth:  # a row: nine groups of four channels of one tap
        turned = wide.reshape(core.lanes, words // 9, PRODUCTS, kernel_rows * kernel_columns)
        return np.ascontiguousarray(turned.transpose(3, 1, 0, 2)).reshape(-1, core.lanes, PRODUCTS)
    down, across = ceil_div(kernel_rows, 3), ceil_div(kernel_columns, 3)
    full = np.zeros((core.lanes, words * 4, down * 3, across * 3), np.int8)
    full[:, :, :kernel_rows, :kernel_columns] = wide
    apart = full.reshape(core.lanes, words, 4, down, 3, across, 3)
    turned = apart.transpose(3, 5, 1, 0, 4, 6, 2)  # piece, group, lane, tap, channel
    return np.ascontiguousarray(turned).reshape(-1, core.lanes, PRODUCTS)


def _by_channel(
    step: Step,
    walk: Walk,
    fields: Mapping[str, int],
    channels: Channels,
    weights: NDArray[np.int8],
    products: int,
    bound: int,
) -> Work:
    """Make work where each channel is of the channel of its number: a group of four a step."""
    down, across = walk.pieces

    def rows_of(core: Core, place: Place, first: int) -> NDArray[np.int8]:
        wide = np.zeros((place.words * 4, *weights.shape[2:]), np.int8)
        wide[list(place.lies)] = weights[:, 0]
        mine = wide[first : first + core.lanes]
        words = ceil_div(len(mine), 4)
        full = np.zeros((words * 4, down * 3, across * 3), np.int8)
        full[: len(mine), : mine.shape[1], : mine.shape[2]] = mine
        taps = full.reshape(words, 4, down, 3, across, 3).transpose(2, 4, 0, 1, 3, 5)
        made = np.zeros((down, across, words, core.lanes, 9, 4), np.int8)
        for word in range(words):
            for channel in range(4):
                lane = word * 4 + channel
                made[:, :, word, lane, :, channel] = taps[:, :, word, channel].reshape(
                    down, across, 9
                )
        return made.reshape(-1, core.lanes, PRODUCTS)

    return Work(
        step.name, type(step).__name__, step.inputs, step.output, walk,
        {**fields, "by_tile": 1}, channels, rows_of,
        lambda core, place: down * across * core.lanes // 4, products, bound,
    )  # fmt: skip


# Words --------------------------------------------------------------------------------------------


_WORDS = {"by_word": 1, "by_tile": 1, "high": 255, "factor": 1}


def _max_pool(program: Program, step: MaxPool) -> list[Work]:
    shape, made = _value(program, step.inputs[0]).shape, _value(program, step.output).shape
    rows, columns = step.window.rows, step.window.columns
    if max(rows.dilation, columns.dilation) > 1:
        raise refused(step, "its window has gaps", "a dilated pool")
    if max(rows.kernel, columns.kernel) > 252:
        raise refused(step, f"a window of {rows.kernel} x {columns.kernel}", "wider counters")
    walk = Walk(
        (rows.kernel, columns.kernel), (rows.stride, columns.stride), (rows.before, columns.before),
        (made[1], made[2]), pieces=(ceil_div(rows.kernel, 3), ceil_div(columns.kernel, 3)),
    )  # fmt: skip
    fields = {**_WORDS, "keep_largest": 1}
    return [
        Work(step.name, "MaxPool", step.inputs, step.output, walk, fields, Channels.plain(shape[0]))
    ]


def _same_shapes(program: Program, step: Step) -> None:
    shapes = {_value(program, name).shape for name in step.inputs}
    if len(shapes) > 1:
        raise refused(step, "one of its values is repeated", "a source that stands still")


def _one_to_one(shape: tuple[int, int, int]) -> Walk:
    return Walk((1, 1), (1, 1), (0, 0), (shape[1], shape[2]))


def _add(program: Program, step: QuantizedAdd) -> list[Work]:
    _same_shapes(program, step)
    shape = _value(program, step.output).shape
    zeros = [_zero(program, name) for name in step.inputs]
    ma, mb = step.multipliers
    start = -(zeros[0] * ma + zeros[1] * mb)
    fields = {
        **_WORDS, "two": 1, "factor": ma, "second_factor": mb,
        "zero": _zero(program, step.output), "low": step.low, "high": step.high,
    }  # fmt: skip
    bound = abs(start) + 255 * (abs(ma) + abs(mb))
    channels = Channels.plain(shape[0], start, (1, step.shift))
    return [
        Work(
            step.name, "QuantizedAdd", step.inputs, step.output, _one_to_one(shape), fields,
            channels, bound=bound,
        )
    ]  # fmt: skip


def _extreme(program: Program, step: QuantizedExtreme) -> list[Work]:
    _same_shapes(program, step)
    if step.operation != "maximum":
        raise refused(step, "the smaller of two", "a comparison the other way")
    shape = _value(program, step.output).shape
    fields = {**_WORDS, "two": 1, "second_factor": 1, "keep_largest": 1}
    return [
        Work(step.name, "QuantizedExtreme", step.inputs, step.output, _one_to_one(shape), fields,
             Channels.plain(shape[0]))
    ]  # fmt: skip


def _resize(program: Program, step: Resize) -> list[Work]:
    shape, made = _value(program, step.inputs[0]).shape, _value(program, step.output).shape
    factors = []
    for sampling, length, result in (
        (step.rows, shape[1], made[1]),
        (step.columns, shape[2], made[2]),
    ):
        factor = result // length if result % length == 0 else 0
        plain = factor and not np.any(sampling.weight)
        if (
            not plain
            or not np.array_equal(sampling.first, np.arange(result) // factor)
            or factor > 256
        ):
            raise refused(step, "it is no nearest one by a whole factor", "weights between samples")
        factors.append(factor)
    walk = Walk((1, 1), (1, 1), (0, 0), (made[1], made[2]), repeat=(factors[0], factors[1]))
    return [
        Work(step.name, "Resize", step.inputs, step.output, walk, _WORDS, Channels.plain(shape[0]))
    ]


def _space_to_depth(program: Program, step: SpaceToDepth) -> list[Work]:
    shape, made = _value(program, step.inputs[0]).shape, _value(program, step.output).shape
    block = step.block
    return [
        Work(
            step.name, "SpaceToDepth", step.inputs, step.output,
            Walk((1, 1), (block, block), (-dy, -dx), (made[1], made[2])), _WORDS,
            Channels.plain(shape[0]),
        )
        for dy in range(block)
        for dx in range(block)
    ]  # fmt: skip


def _reshape(program: Program, step: Reshape) -> list[Work]:
    shape = _value(program, step.output).shape
    if shape != _value(program, step.inputs[0]).shape:
        raise refused(step, "channels become places, or places channels", "addresses of samples")
    return [
        Work(
            step.name, "Reshape", step.inputs, step.output, _one_to_one(shape), _WORDS,
            Channels.plain(shape[0]),
        )
    ]  # fmt: skip


def _slice(program: Program, step: Slice) -> list[Work]:
    shape, made = _value(program, step.inputs[0]).shape, _value(program, step.output).shape
    if made[0] != shape[0] or step.steps[0] != 1:
        raise refused(step, "it takes some channels", "addresses of channels")
    if min(step.steps) < 1:
        raise refused(step, "it goes backward", "addresses that count down")
    walk = Walk((1, 1), step.steps[1:], (-step.starts[1], -step.starts[2]), (made[1], made[2]))
    return [
        Work(step.name, "Slice", step.inputs, step.output, walk, _WORDS, Channels.plain(shape[0]))
    ]


def copy_of(program: Program, source: str, output: str, part: int) -> Work:
    """Copy a map to a part of another, as a concatenation does where it cannot be made there."""
    shape = _value(program, source).shape
    return Work(
        output, "Concat", (source,), output, _one_to_one(shape), _WORDS, Channels.plain(shape[0]),
        part=part,
    )  # fmt: skip


def _average_pool(program: Program, step: QuantizedAveragePool) -> list[Work]:
    shape, made = _value(program, step.inputs[0]).shape, _value(program, step.output).shape
    rows, columns = step.window.rows, step.window.columns
    padded = any(axis.before or axis.after for axis in step.window)
    counts = np.flatnonzero(step.multiplier)
    if padded and not (step.count_padding and len(counts) == 1):
        raise refused(step, "its means are of different counts", "a multiplier a place")
    if max(rows.dilation, columns.dilation) > 1:
        raise refused(step, "its window has gaps", "a dilated pool")
    kernel = rows.kernel, columns.kernel
    zero = _zero(program, step.inputs[0])
    pieces = ceil_div(kernel[0], 3), ceil_div(kernel[1], 3)
    if max(pieces) > 85:
        raise refused(step, f"a window of {kernel[0]} x {kernel[1]}", "wider counters")
    whole = kernel == shape[1:]  # then what lies beyond the window lies beyond the map
    multiplier = int(step.multiplier[kernel[0] * kernel[1]])
    walk = Walk(kernel, (rows.stride, columns.stride), (rows.before, columns.before),
                (made[1], made[2]), pieces=pieces)  # fmt: skip
    ones = 9 * pieces[0] * pieces[1] if whole else kernel[0] * kernel[1]
    channels = Channels.plain(shape[0], -zero * ones, (multiplier, step.shift))
    fields = {"fill": zero, "zero": _zero(program, step.output), "high": 255}
    size = (3, 3) if whole else kernel
    weights = np.ones((shape[0], 1, *size), np.int8)
    work = _by_channel(step, walk, fields, channels, weights, 0, 255 * 2 * ones)
    if not whole:
        return [work]
    one = _by_channel(
        step, Walk((3, 3), walk.stride, walk.before, walk.places), fields, channels, weights, 0,
        255 * 2 * ones,
    )  # fmt: skip
    return [
        Work(work.name, work.operator, work.inputs, work.output, walk,
             {**work.fields, "same": 1}, channels, one.rows, one.tile_rows, 0, work.bound)
    ]  # fmt: skip


def _table(program: Program, step: Table) -> list[Work]:
    if step.table.ndim == 2 and (step.table != step.table[0]).any():
        raise refused(step, "it has a table a channel", "a table a channel")
    shape = _value(program, step.output).shape
    content = np.ascontiguousarray(step.table.reshape(-1, 256)[0]).tobytes()
    return [
        Work(
            step.name, "Table", step.inputs, step.output, _one_to_one(shape),
            {**_WORDS, "through_table": 1}, Channels.plain(shape[0]), table=content,
        )
    ]  # fmt: skip


_WORK: Mapping[str, Callable[[Program, Any], list[Work]]] = {
    "QuantizedConv": _conv,
    "QuantizedConvTranspose": _conv_transpose,
    "MaxPool": _max_pool,
    "QuantizedAdd": _add,
    "QuantizedExtreme": _extreme,
    "Reshape": _reshape,
    "Resize": _resize,
    "Slice": _slice,
    "SpaceToDepth": _space_to_depth,
    "QuantizedAveragePool": _average_pool,
    "Table": _table,
}
"""What the engine does of each kind of step. Concat is addresses, as far as it can be."""
