"""TFLite's operators that move, select and join samples, as ONNX.

A tensor of four axes lies channels first in ONNX: an axis and an order of axes are turned with it.
Indices of fields are those of the options in TFLite's schema.fbs, version 3.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from tatami.importers.build import Attribute, Shape
from tatami.importers.tflite_network import KINDS, Work, first
from tatami.importers.tflite_options import integer
from tatami.importers.tflite_schema import Operator

_TO_FIRST = (0, 2, 3, 1)
"""Where each axis of a map that has its channels last lies in ONNX."""
_TO_LAST = (0, 3, 1, 2)
"""Which axis of a map that has its channels last each of ONNX's is."""


def axis_in_onnx(axis: int, rank: int) -> int:
    """Say which axis of ONNX's value one of the file's is; negative ones count from the end."""
    return _TO_FIRST[axis % 4] if rank == 4 else axis % rank


def order_in_onnx(order: Sequence[int]) -> tuple[int, ...]:
    """Say how ONNX reorders axes where the file reorders its own by ``order``."""
    if len(order) != 4:
        return tuple(order)
    return tuple(_TO_FIRST[order[axis]] for axis in _TO_LAST)


def _axis(work: Work, operator: Operator, axis: int, shape: Shape) -> int:
    if not -len(shape) <= axis < len(shape):
        raise work.wrong(operator, f"works along axis {axis} of {shape}")
    return axis_in_onnx(axis, len(shape))


def _whole(work: Work, name: str, numbers: Sequence[int]) -> str:
    return work.builder.weight(name, np.asarray(numbers, np.int64))


def _transpose(work: Work, operator: Operator) -> None:
    x = work.operand(operator, 0)
    order = work.integers_of(operator, 1)
    if sorted(order) != list(range(len(work.shape(x)))):
        raise work.wrong(operator, f"orders axes as {order}")
    name = work.name(operator)
    if order_in_onnx(order) == tuple(range(len(order))):
        work.finish(operator, x)
        return
    work.finish(operator, work.builder.transpose(name, x, order_in_onnx(order)))


def _pad(work: Work, operator: Operator) -> None:
    x = work.operand(operator, 0)
    given, name = work.builder.shape(x), work.name(operator)
    rank = len(given)
    widths = work.integers_of(operator, 1)
    if len(widths) != 2 * rank or min(widths) < 0:
        raise work.wrong(operator, f"pads {work.shape(x)} by {widths}")
    places = _TO_LAST if rank == 4 else range(rank)
    before = [widths[2 * axis] for axis in places]
    after = [widths[2 * axis + 1] for axis in places]
    if operator.kind == "MIRROR_PAD":
        if integer(operator, 0, "int8"):
            raise work.wrong(operator, "mirrors with its edge")
        y = work.builder.pad_axes(name, x, before, after, "reflect")
    else:
        value = work.reals(operator, 2) if operator.kind == "PADV2" else None
        number = 0.0 if value is None else float(value.reshape(-1)[0])
        y = work.builder.pad_axes(name, x, before, after, value=number)
    work.finish(operator, y)


def _sliced(
    work: Work, name: str, x: str, starts: Sequence[int], ends: Sequence[int], steps: Sequence[int]
) -> str:
    """Cut a value; the settings are of the file's axes."""
    given = work.builder.shape(x)
    rank = len(given)
    places = list(_TO_LAST if rank == 4 else range(rank))
    starts, ends, steps = ([each[axis] for axis in places] for each in (starts, ends, steps))
    lengths = tuple(
        len(range(side)[slice(start, None if step < 0 and end < 0 else end, step)])
        for side, start, end, step in zip(given, starts, ends, steps, strict=True)
    )
    ends = [
        np.iinfo(np.int64).min if step < 0 and end < 0 else end
        for end, step in zip(ends, steps, strict=True)
    ]
    settings = [
        _whole(work, f"{name}.{part}", numbers)
        for part, numbers in (
            ("starts", starts),
            ("ends", ends),
            ("axes", range(rank)),
            ("steps", steps),
        )
    ]
    return work.builder.add("Slice", name, [x, *settings], lengths, kind=work.builder.kind(x))


def _slice(work: Work, operator: Operator) -> None:
    x = work.operand(operator, 0)
    shape = work.shape(x)
    starts, sizes = work.integers_of(operator, 1), work.integers_of(operator, 2)
    if not len(starts) == len(sizes) == len(shape):
        raise work.wrong(operator, f"cuts {shape} at {starts}")
    ends = [
        side if size < 0 else start + size
        for side, start, size in zip(shape, starts, sizes, strict=True)
    ]
    if any(not 0 <= a < b <= side for a, b, side in zip(starts, ends, shape, strict=True)):
        raise work.wrong(operator, f"cuts {shape} from {starts} to {ends}")
    work.finish(operator, _sliced(work, work.name(operator), x, starts, ends, [1] * len(shape)))


def _strided_slice(work: Work, operator: Operator) -> None:
    x = work.operand(operator, 0)
    shape, name = work.shape(x), work.name(operator)
    rank = len(shape)
    begins, ends, steps = (work.integers_of(operator, index) for index in (1, 2, 3))
    begin_mask, end_mask, ellipsis, new, shrink = (integer(operator, f) for f in range(5))
    if ellipsis or new or not len(begins) == len(ends) == len(steps) <= rank or 0 in steps:
        raise work.wrong(operator, "cuts with an ellipsis, a new axis or no step")
    starts, stops, strides = [0] * rank, list(shape), [1] * rank
    gone = []
    for axis, (begin, end, step) in enumerate(zip(begins, ends, steps, strict=True)):
        side = shape[axis]
        whole = range(side)[slice(
            None if begin_mask >> axis & 1 else begin, None if end_mask >> axis & 1 else end, step
        )]  # fmt: skip
        if shrink >> axis & 1:
            place = begin % side if side else 0
            whole = range(place, place + 1)
            gone.append(axis)
        if not len(whole):
            raise work.wrong(operator, f"takes nothing of axis {axis}")
        starts[axis], stops[axis], strides[axis] = whole.start, whole.stop, whole.step
    y = _sliced(work, f"{name}_cut" if gone else name, x, starts, stops, strides)
    if gone:
        left = tuple(side for axis, side in enumerate(work.shape(y)) if axis not in gone)
        y = work.regrouped(name, y, left)
    work.finish(operator, y)


def _split(work: Work, operator: Operator) -> None:
    """SPLIT has its axis first, SPLIT_V its value, lengths and axis."""
    lengths: list[int] | None = None
    if operator.kind == "SPLIT":
        (axis,), x = work.integers_of(operator, 0), work.operand(operator, 1)
    else:
        x, lengths = work.operand(operator, 0), work.integers_of(operator, 1)
        (axis,) = work.integers_of(operator, 2)
    shape, name = work.shape(x), work.name(operator)
    count = len(operator.outputs)
    _axis(work, operator, axis, shape)
    axis %= len(shape)
    if lengths is None:
        lengths = [shape[axis] // count] * count
    if -1 in lengths:
        lengths[lengths.index(-1)] = shape[axis] - sum(lengths) - 1
    if sum(lengths) != shape[axis] or len(lengths) != count or min(lengths) < 1:
        raise work.wrong(operator, f"splits {shape[axis]} samples into {lengths}")
    start = 0
    for place, length in enumerate(lengths):
        starts, ends = [0] * len(shape), list(shape)
        starts[axis], ends[axis] = start, start + length
        part = _sliced(work, f"{name}_{place}", x, starts, ends, [1] * len(shape))
        work.finish(operator, part, output=place)
        start += length


def _unpack(work: Work, operator: Operator) -> None:
    x = work.operand(operator, 0)
    shape, name = work.shape(x), work.name(operator)
    axis = integer(operator, 1)
    _axis(work, operator, axis, shape)
    axis %= len(shape)
    if shape[axis] != len(operator.outputs):
        raise work.wrong(operator, f"unpacks {shape[axis]} samples to {len(operator.outputs)}")
    left = (*shape[:axis], *shape[axis + 1 :])
    for place in range(shape[axis]):
        starts, ends = [0] * len(shape), list(shape)
        starts[axis], ends[axis] = place, place + 1
        part = _sliced(work, f"{name}_cut_{place}", x, starts, ends, [1] * len(shape))
        work.finish(operator, work.regrouped(f"{name}_{place}", part, left), output=place)


def _pack(work: Work, operator: Operator) -> None:
    name = work.name(operator)
    values = [work.operand(operator, index) for index in range(len(operator.inputs))]
    if not values:
        raise work.wrong(operator, "packs nothing")
    shape = work.shape(values[0])
    axis = integer(operator, 1) % (len(shape) + 1)
    target = (*shape[:axis], 1, *shape[axis:])
    parts = [work.regrouped(f"{name}_{i}", value, target) for i, value in enumerate(values)]
    y = work.builder.concat(name, parts, axis_in_onnx(axis, len(target)))
    work.finish(operator, y)


def _expand_dims(work: Work, operator: Operator) -> None:
    x = work.operand(operator, 0)
    shape = work.shape(x)
    (axis,) = work.integers_of(operator, 1)
    if not -len(shape) - 1 <= axis <= len(shape):
        raise work.wrong(operator, f"adds axis {axis} to {shape}")
    axis %= len(shape) + 1
    target = (*shape[:axis], 1, *shape[axis:])
    work.finish(operator, work.regrouped(work.name(operator), x, target))


def gather_known(work: Work, operator: Operator) -> None:
    """GATHER of places that are known."""
    x = work.operand(operator, 0)
    shape = work.shape(x)
    axis, batches = integer(operator, 0), integer(operator, 1)
    if batches:
        raise work.wrong(operator, "takes places by picture")
    tensor = work.tensor(operator, 1)
    assert tensor is not None
    assert tensor.data is not None
    places = np.asarray(tensor.data, np.int64)
    _axis(work, operator, axis, shape)
    axis %= len(shape)
    if places.ndim > 1 or (places.size and not 0 <= places.min() <= places.max() < shape[axis]):
        raise work.wrong(operator, f"takes places that {shape} has not")
    name = work.name(operator)
    indices = _whole(work, f"{name}.places", places.reshape(-1).tolist())
    own = axis_in_onnx(axis, len(shape))
    given = work.builder.shape(x)
    made = (*given[:own], places.size, *given[own + 1 :])
    y = work.builder.add(
        "Gather", name, [x, indices], made, {"axis": own}, kind=work.builder.kind(x)
    )
    if places.ndim == 0:
        left = tuple(side for at, side in enumerate(shape) if at != axis)
        y = work.regrouped(f"{name}_one", y, left)
    work.finish(operator, y)


def _tile(work: Work, operator: Operator) -> None:
    x = work.operand(operator, 0)
    given, times = work.builder.shape(x), work.integers_of(operator, 1)
    if len(times) != len(given) or min(times, default=1) < 1:
        raise work.wrong(operator, f"repeats {work.shape(x)} {times} times")
    ordered = [times[axis] for axis in _TO_LAST] if len(given) == 4 else times
    name = work.name(operator)
    made = tuple(side * each for side, each in zip(given, ordered, strict=True))
    inputs = [x, _whole(work, f"{name}.repeats", ordered)]
    work.finish(operator, work.builder.add("Tile", name, inputs, made, kind=work.builder.kind(x)))


def _blocks(work: Work, operator: Operator) -> None:
    """SPACE_TO_DEPTH and DEPTH_TO_SPACE: both keep the channels of a sample together."""
    x = work.operand(operator, 0)
    shape, block = work.builder.shape(x), integer(operator, 0)
    if len(shape) != 4 or block < 1:
        raise work.wrong(operator, f"takes blocks of {block} of {work.shape(x)}")
    n, channels, rows, columns = shape
    name = work.name(operator)
    if operator.kind == "SPACE_TO_DEPTH":
        work.finish(operator, work.builder.space_to_depth(name, x, block))
        return
    if channels % block**2:
        raise work.wrong(operator, f"takes blocks of {block} of {channels} channels")
    made = (n, channels // block**2, rows * block, columns * block)
    attributes: dict[str, Attribute] = {"blocksize": block, "mode": "DCR"}
    work.finish(operator, work.builder.add("DepthToSpace", name, [x], made, attributes))


def _shape(work: Work, operator: Operator) -> None:
    """Note a shape, which is known, and so a constant."""
    x = work.operand(operator, 0)
    work.whole[operator.outputs[0]] = np.asarray(work.shape(x), np.int64)


def _cast(work: Work, operator: Operator) -> None:
    x = work.operand(operator, 0)
    kind = KINDS.get(work.content.tensors[operator.outputs[0]].kind)
    if kind is None:
        raise work.wrong(operator, "makes a kind of numbers that Tatami does not know")
    name, shape = work.name(operator), work.builder.shape(x)
    if kind == work.builder.kind(x):
        work.finish(operator, x)
        return
    work.finish(operator, work.builder.add("Cast", name, [x], shape, {"to": kind}, kind=kind))


def _arg(work: Work, operator: Operator) -> None:
    x = work.operand(operator, 0)
    shape = work.shape(x)
    (axis,) = work.integers_of(operator, 1)
    own = _axis(work, operator, axis, shape)
    axis %= len(shape)
    left = tuple(side for at, side in enumerate(shape) if at != axis)
    made = tuple(1 if at == own else side for at, side in enumerate(work.builder.shape(x)))
    name = work.name(operator)
    wide, narrow = KINDS["int64"], KINDS["int32"]
    y = work.builder.add(
        "ArgMax" if operator.kind == "ARG_MAX" else "ArgMin",
        f"{name}_kept",
        [x],
        made,
        {"axis": own, "keepdims": 1},
        kind=wide,
    )
    if work.content.tensors[operator.outputs[0]].kind != "int64":
        y = work.builder.add("Cast", f"{name}_int32", [y], made, {"to": narrow}, kind=narrow)
    work.finish(operator, work.regrouped(name, y, left))


def _reverse(work: Work, operator: Operator) -> None:
    x = work.operand(operator, 0)
    shape = work.shape(x)
    axes = {axis % len(shape) for axis in work.integers_of(operator, 1)}
    starts = [side - 1 if axis in axes else 0 for axis, side in enumerate(shape)]
    ends = [-1 if axis in axes else side for axis, side in enumerate(shape)]
    steps = [-1 if axis in axes else 1 for axis in range(len(shape))]
    work.finish(operator, _sliced(work, work.name(operator), x, starts, ends, steps))


def _batches(work: Work, operator: Operator) -> None:
    """SPACE_TO_BATCH_ND and BATCH_TO_SPACE_ND of maps, as reshapes and a transposition."""
    x = work.operand(operator, 0)
    n, rows, columns, channels = shape = work.shape(x) if len(work.shape(x)) == 4 else (0, 0, 0, 0)
    block, edges = work.integers_of(operator, 1), work.integers_of(operator, 2)
    if not n or len(block) != 2 or len(edges) != 4 or min(block) < 1 or min(edges) < 0:
        raise work.wrong(operator, f"takes blocks of {block} of {shape}")
    name, builder = work.name(operator), work.builder
    if operator.kind == "SPACE_TO_BATCH_ND":
        if any(edges):
            x = builder.pad_axes(f"{name}_padded", x, (0, 0, *edges[::2]), (0, 0, *edges[1::2]))
        _, _, rows, columns = builder.shape(x)
        if rows % block[0] or columns % block[1]:
            raise work.wrong(operator, f"takes blocks of {block} of {rows} x {columns}")
        high, wide = rows // block[0], columns // block[1]
        y = builder.reshape(f"{name}_parts", x, (n, channels, high, block[0], wide, block[1]))
        y = builder.transpose(f"{name}_turned", y, (3, 5, 0, 1, 2, 4))
        y = builder.reshape(name, y, (n * math.prod(block), channels, high, wide))
    else:
        count = n // math.prod(block)
        y = builder.reshape(f"{name}_parts", x, (*block, count, channels, rows, columns))
        y = builder.transpose(f"{name}_turned", y, (2, 3, 4, 0, 5, 1))
        rows, columns = rows * block[0], columns * block[1]
        y = builder.reshape(name, y, (count, channels, rows, columns))
        if any(edges):
            ends = [count, rows - edges[1], columns - edges[3], channels]
            y = _sliced(work, f"{name}_cut", y, [0, edges[0], edges[2], 0], ends, [1] * 4)
    work.finish(operator, y)


def _broadcast(work: Work, operator: Operator) -> None:
    x, target = work.operand(operator, 0), tuple(work.integers_of(operator, 1))
    name = work.name(operator)
    sides = _whole(work, f"{name}.shape", first(target))
    work.finish(operator, work.builder.add("Expand", name, [x, sides], first(target)))


OPERATORS: Mapping[str, Callable[[Work, Operator], None]] = {
    "ARG_MAX": _arg,
    "ARG_MIN": _arg,
    "BATCH_TO_SPACE_ND": _batches,
    "BROADCAST_TO": _broadcast,
    "CAST": _cast,
    "DEPTH_TO_SPACE": _blocks,
    "EXPAND_DIMS": _expand_dims,
    "MIRROR_PAD": _pad,
    "PACK": _pack,
    "PAD": _pad,
    "PADV2": _pad,
    "REVERSE_V2": _reverse,
    "SHAPE": _shape,
    "SLICE": _slice,
    "SPACE_TO_BATCH_ND": _batches,
    "SPACE_TO_DEPTH": _blocks,
    "SPLIT": _split,
    "SPLIT_V": _split,
    "STRIDED_SLICE": _strided_slice,
    "TILE": _tile,
    "TRANSPOSE": _transpose,
    "UNPACK": _unpack,
}
"""Those of this file."""
