"""The heads of an SSD that ends in TFLite_Detection_PostProcess: which convolutions they are.

W. Liu et al., "SSD: Single Shot MultiBox Detector", ECCV 2016, as TensorFlow's object detection
API exports it. Each feature map has a convolution for boxes and one for scores; the file flattens
their maps, joins all of them, and decodes with a list of every anchor in every cell. Here the maps
are found again, and a grid of anchors for each.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from tatami.errors import TatamiError
from tatami.importers.flatbuffer import flexbuffer_map
from tatami.importers.tflite_schema import Content, Operator, Tensor
from tatami.types import Size

POST_PROCESS = "TFLite_Detection_PostProcess"

MAX_HEADS = 64
TOLERANCE = 1e-4
"""How far an anchor may lie from where its cell puts it, as a part of the input."""

_MOVES = ("RESHAPE", "SQUEEZE", "CONCATENATION", "QUANTIZE", "DEQUANTIZE")
_SCORES: dict[str, Literal["sigmoid", "softmax"]] = {"LOGISTIC": "sigmoid", "SOFTMAX": "softmax"}


@dataclass(frozen=True)
class Head:
    """The two convolutions of an SSD on one feature map.

    Args:
        boxes: The tensor that the one for boxes makes.
        scores: The tensor that the one for scores makes.
        rows: Cells of the map, down.
        columns: Cells of the map, across.
        anchors: (width, height) pairs in pixels of the input, in every cell.
    """

    boxes: int
    scores: int
    rows: int
    columns: int
    anchors: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Ssd:
    """The heads of an SSD, and how they are decoded.

    Args:
        heads: In the order of the anchors.
        classes: Without the background, which comes first in the maps.
        scores: How numbers become scores.
        variances: See Decoding.
        score_threshold: Detections score above it.
        iou_threshold: Of suppression.
        max_detections: How many stay.
        anchor_step: Of anchors that the file holds in 8 bits, as a part of the input; else 0.
        regular: Whether the file suppresses boxes within each class.
    """

    heads: tuple[Head, ...]
    classes: int
    scores: Literal["sigmoid", "softmax"]
    variances: tuple[float, float]
    score_threshold: float
    iou_threshold: float
    max_detections: int
    anchor_step: float
    regular: bool


def box_channels(anchors: int) -> list[int]:
    """List where tx, ty, tw, th of each anchor lie among the file's ty, tx, th, tw."""
    return [4 * anchor + part for anchor in range(anchors) for part in (1, 0, 3, 2)]


def score_channels(anchors: int, classes: int, kept: Sequence[int]) -> list[int]:
    """List where the background and then the kept classes of each anchor lie."""
    return [
        anchor * (classes + 1) + label
        for anchor in range(anchors)
        for label in (0, *(1 + index for index in kept))
    ]


def ssd_of(content: Content, size: Size) -> Ssd | None:
    """Find the heads in the order of the anchors; None for a network that does not end so.

    Args:
        content: What the file holds.
        size: Of the input, as the file says it.

    Raises:
        TatamiError: For heads, anchors or options that are not those of an SSD as Tatami decodes
            it.
    """
    last = content.operators[-1]
    if last.kind != POST_PROCESS:
        return None
    if len(last.inputs) != 3 or not set(content.outputs) <= set(last.outputs):
        raise _wrong("has other inputs and outputs than boxes, scores and anchors")
    options = flexbuffer_map(last.custom.tobytes())
    classes = _integer(options, "num_classes", 10_000)
    boxes, _ = _leaves(content, last.inputs[0], 4, [])
    scores, kinds = _leaves(content, last.inputs[1], classes + 1, list(_SCORES))
    if len(boxes) != len(scores) or len(kinds) != 1:
        raise _wrong(f"has {len(boxes)} maps of boxes and {len(scores)} of scores")
    _check_readers(content, [*boxes, *scores])
    anchors = content.tensors[last.inputs[2]]
    x, y, w, h = (_positive(options, f"{name}_scale") for name in "xywh")
    if (x, w) != (y, h):
        raise _wrong(f"scales x by {x:g}, y by {y:g}, w by {w:g}, h by {h:g}")
    return Ssd(
        _heads(content, boxes, scores, classes, anchors, size),
        classes,
        _SCORES[kinds.pop()],
        (1 / x, 1 / w),
        _share(options, "nms_score_threshold"),
        _share(options, "nms_iou_threshold"),
        _integer(options, "max_detections", 10**6),
        0.0 if anchors.quantization is None else float(anchors.quantization.scale.max()),
        bool(options.get("use_regular_nms", 0)),
    )


# The way back to the convolutions ----------------------------------------------------------------


def _leaves(
    content: Content, end: int, depth: int, functions: Sequence[str]
) -> tuple[list[int], set[str]]:
    """Find what convolutions made ``end``, in order, and which of ``functions`` lie on the way.

    Between them the numbers must only be regrouped to rows of ``depth`` and joined row under row.
    """
    makers = {operator.outputs[0]: operator for operator in content.operators if operator.outputs}
    found: list[int] = []
    passed: set[str] = set()
    waiting = [end]
    for _ in range(1000):
        if not waiting or len(found) > MAX_HEADS:
            break
        index = waiting.pop()
        shape = content.tensors[index].shape
        maker = makers.get(index)
        if maker is None or not shape or shape[0] != 1:
            raise _wrong("has no convolution behind it")
        if maker.kind == "CONV_2D":
            found.append(index)
        elif maker.kind == "CONCATENATION":
            _check_rows(content, maker, depth)
            waiting += reversed(maker.inputs)
        elif maker.kind in _MOVES:
            waiting += maker.inputs[:1]
        elif maker.kind in functions and shape[-1] == depth:
            passed.add(maker.kind)
            waiting += maker.inputs[:1]
        else:
            raise _wrong(f"has {maker.kind} between it and its convolutions")
    if waiting or len(found) > MAX_HEADS or len(passed) != bool(functions):
        raise _wrong("has heads that Tatami cannot follow, or scores without a function")
    return found, passed


def _check_rows(content: Content, concat: Operator, depth: int) -> None:
    """Check that a concatenation puts rows of ``depth`` numbers under one another."""
    axis = 0 if concat.options is None else concat.options.integer(0, "int32")
    fused = 0 if concat.options is None else concat.options.integer(1, "int8")
    for index in concat.inputs:
        shape = content.tensors[index].shape if index >= 0 else ()
        if len(shape) < 3 or axis % len(shape) != 1 or shape[-1] != depth or fused:
            raise _wrong("joins its heads in another way than row under row")
        if math.prod(shape[2:-1]) != 1:
            raise _wrong("joins its heads in another way than row under row")


def _check_readers(content: Content, leaves: Sequence[int]) -> None:
    """Check that a head's map is read once: its channels are put in another order."""
    read = [index for operator in content.operators for index in operator.inputs]
    for index in leaves:
        if read.count(index) != 1 or index in content.outputs or leaves.count(index) != 1:
            raise _wrong(f"shares its head '{content.tensors[index].name}' with something else")


# Anchors -----------------------------------------------------------------------------------------


def _heads(
    content: Content,
    boxes: Sequence[int],
    scores: Sequence[int],
    classes: int,
    anchors: Tensor,
    size: Size,
) -> tuple[Head, ...]:
    """Find each map's boxes, scores and anchors.

    Args:
        content: What the file holds.
        boxes: The tensors of boxes.
        scores: The tensors of scores.
        classes: How many there are.
        anchors: (n, 4) in the order map, row, column, anchor: y and x of the center, height, width,
            all as parts of the input.
        size: Of the input.
    """
    usable = anchors.data is not None and (anchors.kind == "float32" or anchors.is_bytes)
    if not usable or len(anchors.shape) != 2 or anchors.shape[1] != 4:
        raise _wrong("has no list of anchors (n, 4)")
    reals = anchors.real()
    if not (np.abs(reals) < 1e3).all():
        raise _wrong("has anchors that are not finite")
    table = reals.astype(np.float64)
    within = TOLERANCE
    if anchors.quantization is not None:
        within += float(anchors.quantization.scale.max()) / 2
    heads = []
    start = 0
    for box, score in zip(boxes, scores, strict=True):
        _, rows, columns, channels = _map(content.tensors[box])
        count = channels // 4
        expected = (1, rows, columns, count * (classes + 1))
        if channels % 4 or not count or _map(content.tensors[score]) != expected:
            raise _wrong(f"has boxes and scores of other cells or anchors: {rows} x {columns}")
        part = table[start : start + rows * columns * count]
        start += rows * columns * count
        if len(part) < rows * columns * count:
            break
        grid = part.reshape(rows, columns, count, 4)
        pairs = _pairs(grid, within, size)
        heads.append(Head(box, score, rows, columns, pairs))
    if start != len(table):
        raise _wrong(f"has {len(table)} anchors for maps of {start}")
    return tuple(heads)


def _pairs(
    grid: np.ndarray[tuple[int, ...], np.dtype[np.float64]], within: float, size: Size
) -> tuple[tuple[float, float], ...]:
    """Find the sides that every cell of a grid (rows, columns, A, 4) has.

    Returns:
        (width, height) in pixels.
    """
    rows, columns = grid.shape[:2]
    y = ((np.arange(rows) + 0.5) / rows)[:, None, None]
    x = ((np.arange(columns) + 0.5) / columns)[None, :, None]
    centered = (np.abs(grid[..., 0] - y) <= within).all() and (
        np.abs(grid[..., 1] - x) <= within
    ).all()
    sides = grid[0, 0, :, 2:]
    if not centered or not (np.abs(grid[..., 2:] - sides) <= TOLERANCE).all() or sides.min() <= 0:
        raise _wrong(f"has anchors of a map of {columns} x {rows} that are not those of its cells")
    return tuple(
        (float(width * size.width), float(height * size.height)) for height, width in sides
    )


def _map(tensor: Tensor) -> tuple[int, int, int, int]:
    if len(tensor.shape) != 4 or min(tensor.shape) < 1:
        raise _wrong(f"has a head '{tensor.name}' that is not a map")
    return tensor.shape[0], tensor.shape[1], tensor.shape[2], tensor.shape[3]


# Options -----------------------------------------------------------------------------------------


def _option(options: dict[str, float], name: str) -> float:
    value = options.get(name, math.nan)
    if not math.isfinite(value):
        raise _wrong(f"does not say its {name}")
    return value


def _positive(options: dict[str, float], name: str) -> float:
    value = _option(options, name)
    if not 1e-6 < value < 1e6:
        raise _wrong(f"has a {name} of {value:g}")
    return value


def _share(options: dict[str, float], name: str) -> float:
    value = _option(options, name)
    if not 0 <= value <= 1:
        raise _wrong(f"has a {name} of {value:g}")
    return value


def _integer(options: dict[str, float], name: str, limit: int) -> int:
    value = _option(options, name)
    if value != int(value) or not 1 <= value <= limit:
        raise _wrong(f"has a {name} of {value:g}")
    return int(value)


def _wrong(reason: str) -> TatamiError:
    return TatamiError(
        f"{POST_PROCESS} {reason}", hint="export an SSD as TensorFlow's object detection API does"
    )
