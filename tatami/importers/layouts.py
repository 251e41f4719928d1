"""Detectors that are known by their ends: YOLOv5, YOLOv8 and YOLO11, NanoDet, SCRFD, CenterNet.

A file of one of these says nothing of how its numbers become boxes, and mostly computes a part of
it. What tells them apart is how many maps the last convolutions make at each scale, how many
channels these have, and what is done behind them. Only moves and arithmetic of single numbers may
lie there; a file that also suppresses boxes is not looked at.

Everything here is how the authors' own programs write and read such files. What the file does not
hold, as YOLOv5's anchors where it gives its maps undecoded, is said in a note.
"""

from __future__ import annotations

import ast
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import onnx
from onnx import numpy_helper

from tatami.importers.heads import shapes_of, with_outputs
from tatami.importers.imported import Imported
from tatami.types import AnchorGrid, Decoding, Float64, InputSpec, Size

MAX_NAMES = 1 << 20
"""Letters of the list of classes in a file's metadata."""
_MOVES = ("Identity", "Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze", "Cast")
_ENDS = frozenset((
    *_MOVES, "Add", "Clip", "Concat", "Constant", "Div", "Exp", "Gather", "MatMul", "Mul", "Pow",
    "ReduceSum", "ScatterND", "Sigmoid", "Slice", "Softmax", "Split", "Sub",
))  # fmt: skip
"""What may lie between the last convolutions and the outputs."""
_YOLOV5 = (
    ((10, 13), (16, 30), (33, 23)),
    ((30, 61), (62, 45), (59, 119)),
    ((116, 90), (156, 198), (373, 326)),
)
"""The anchors that YOLOv5 is trained with where its user says nothing, at strides 8, 16, 32."""
_ONE: tuple[tuple[float, float], ...] = ((1.0, 1.0),)


@dataclass(frozen=True)
class _Level:
    """The last convolutions of one scale.

    Args:
        sides: Rows and columns.
        stride: Pixels of the input from one cell to the next, (x, y).
        heads: The maps that they make, in the order in which the network makes them.
    """

    sides: tuple[int, int]
    stride: tuple[float, float]
    heads: tuple[str, ...]

    @property
    def cells(self) -> int:
        return math.prod(self.sides)


@dataclass(frozen=True)
class _Layout:
    """What was found out of a detector."""

    name: str
    decoding: Decoding
    classes: int
    maps: tuple[str, ...]
    input: InputSpec
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Recognized:
    """A detector that was recognized.

    Args:
        detector: The network with its raw maps for outputs, how they are decoded, how pictures go
            in, and the names of the classes: class0, class1, ... where the file has none.
        said: What was recognized, in a line.
        named: Whether the file names the classes.
    """

    detector: Imported
    said: str
    named: bool


def recognized(imported: Imported) -> Recognized | None:
    """Recognize a detector by its ends; None where it is none that is known.

    Args:
        imported: A network as its file has it.
    """
    model = imported.model
    if len(model.graph.input) != 1:
        return None
    ends = _Ends(model)
    if len(ends.image) != 4 or ends.image[:2] != (1, 3) or not ends.levels:
        return None
    for recognize in (_centernet, _scrfd, _pairs, _yolov5):
        layout = recognize(ends)
        if layout is not None:
            break
    else:
        return None
    names = imported.classes or _names(model, layout.classes)
    said = f"recognized: {layout.name}, {layout.classes} classes, {_strides(layout.decoding)}"
    unnamed = () if names else ("the file names no classes: they are class0, class1, ...",)
    classes = names or tuple(f"class{index}" for index in range(layout.classes))
    detector = replace(
        imported,
        model=with_outputs(model, layout.maps, ends.shapes),
        decoding=layout.decoding,
        classes=classes,
        input=layout.input,
        notes=(*imported.notes, said, _said(layout.input), *layout.notes, *unnamed),
    )
    return Recognized(detector, said, bool(names))


def _strides(decoding: Decoding) -> str:
    sides = ", ".join(f"{grid.stride[0]:g}" for grid in decoding.grids)
    return f"a map every {sides} pixels"


def _said(pictures: InputSpec) -> str:
    """Say how pictures go in, as the authors' programs have it."""
    mean = ", ".join(f"{each:g}" for each in pictures.mean)
    scale = ", ".join(f"{1 / each:g}" for each in pictures.scale)
    return (
        f"pictures go in as its authors' program gives them: {pictures.resize}, "
        f"{pictures.channels}, (pixel - ({mean})) / ({scale}); a spec may say otherwise"
    )


class _Ends:
    """The ends of a network: its last convolutions by their scale, and what reads them.

    Args:
        model: The network.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        graph = model.graph
        self.outputs = [value.name for value in graph.output]
        self.shapes: dict[str, tuple[int, ...]] = defaultdict(tuple, shapes_of(model))
        self.image = self.shapes[graph.input[0].name]
        self.makers = {name: node for node in graph.node for name in node.output}
        self.readers: dict[str, list[onnx.NodeProto]] = {}
        for node in graph.node:
            for name in node.input:
                self.readers.setdefault(name, []).append(node)
        self.weights = {tensor.name: tensor for tensor in graph.initializer}
        behind: set[int] = set()
        for node in reversed(graph.node):
            follows = (reader for name in node.output for reader in self.readers.get(name, ()))
            if (node.op_type in _ENDS or self._sums_bins(node)) and all(
                id(reader) in behind for reader in follows
            ):
                behind.add(id(node))
        heads: dict[tuple[int, int], list[str]] = {}
        for node in graph.node:
            if node.op_type != "Conv" or id(node) in behind or not node.output:
                continue
            shape, read = self.shapes[node.output[0]], self.readers.get(node.output[0], [])
            if (
                len(shape) == 4
                and min(shape) > 0
                and (read or node.output[0] in self.outputs)
                and all(id(reader) in behind for reader in read)
            ):
                heads.setdefault((shape[2], shape[3]), []).append(node.output[0])
        self.levels = [
            _Level(sides, self._stride(sides), tuple(names))
            for sides, names in sorted(heads.items(), key=lambda one: -math.prod(one[0]))
        ]

    def _sums_bins(self, node: onnx.NodeProto) -> bool:
        """Tell whether a convolution only sums j * p_j, as YOLOv8 has the mean of its bins."""
        tensor = self.weights.get(node.input[1]) if len(node.input) == 2 else None
        if node.op_type != "Conv" or tensor is None or tensor.dims[:1] != [1]:
            return False
        weights = _numbers(tensor).ravel()
        return bool(np.array_equal(weights, np.arange(len(weights))))

    def _stride(self, sides: tuple[int, int]) -> tuple[float, float]:
        """Give the pixels between cells: whole numbers, as the last cell may be cut off."""
        return float(round(self.image[3] / sides[1])), float(round(self.image[2] / sides[0]))

    @property
    def cells(self) -> int:
        """Cells of all scales."""
        return sum(level.cells for level in self.levels)

    def channels(self, name: str) -> int:
        return self.shapes[name][1]

    def passes(self, name: str, operator: str) -> bool:
        """Tell whether the first that computes with a value, moves aside, is such an operator."""
        waiting, seen = [name], set()
        while waiting:
            for reader in self.readers.get(waiting.pop(), ()):
                if reader.op_type == operator:
                    return True
                if reader.op_type in _MOVES and id(reader) not in seen:
                    seen.add(id(reader))
                    waiting += reader.output
        return False

    def scaled(self, name: str) -> str:
        """Give what a map is once one number of the network's own was multiplied with all of it."""
        read = self.readers.get(name, ())
        if len(read) != 1 or read[0].op_type != "Mul" or not read[0].output:
            return name
        made = read[0].output[0]
        factor = self.weights.get(next((each for each in read[0].input if each != name), ""))
        one = factor is not None and math.prod(factor.dims) == 1
        return made if one and self.shapes[made] == self.shapes[name] else name

    def source(self, output: str) -> tuple[str, bool]:
        """Go back from an output over moves; give the value that is moved, and if by a sigmoid."""
        sigmoid = False
        seen: set[str] = set()
        while (node := self.makers.get(output)) is not None and output not in seen:
            seen.add(output)
            if node.op_type == "Sigmoid":
                sigmoid = True
            elif node.op_type not in (*_MOVES, "Clip") or not node.input:
                break
            output = node.input[0]
        return output, sigmoid

    def after(self, level: _Level) -> list[onnx.NodeProto]:
        """List what is behind the heads of one scale and of no other."""
        reached: dict[int, set[int]] = {}
        nodes: dict[int, onnx.NodeProto] = {}
        for number, each in enumerate(self.levels):
            waiting = list(each.heads)
            while waiting:
                for reader in self.readers.get(waiting.pop(), ()):
                    nodes[id(reader)] = reader
                    if number not in reached.setdefault(id(reader), set()):
                        reached[id(reader)].add(number)
                        waiting += reader.output
        own = {self.levels.index(level)}
        return [nodes[key] for key, levels in reached.items() if levels == own]

    def joined(self, width: int) -> bool:
        """Tell whether some output has a line of so many numbers for every cell."""
        wanted = {(1, self.cells, width), (1, width, self.cells)}
        return any(self.shapes[name] in wanted for name in self.outputs)

    def apart(self, width: int) -> bool:
        """Tell whether the outputs are a map of so many channels for every scale."""
        wanted = sorted((1, width, *level.sides) for level in self.levels)
        return sorted(self.shapes[name] for name in self.outputs) == wanted


def _pictures(
    ends: _Ends,
    resize: str,
    channels: str = "rgb",
    mean: Sequence[float] = (0.0, 0.0, 0.0),
    deviation: Sequence[float] = (255.0, 255.0, 255.0),
    pad: float = 114.0,
) -> InputSpec:
    size = Size(ends.image[3], ends.image[2])
    a, b, c = mean
    x, y, z = (1 / each for each in deviation)
    return InputSpec(
        size,
        "stretch" if resize == "stretch" else "letterbox",
        channels="bgr" if channels == "bgr" else "rgb",
        mean=(a, b, c),
        scale=(x, y, z),
        pad=pad,
    )


# Each of them ------------------------------------------------------------------------------------


def _yolov5(ends: _Ends) -> _Layout | None:
    """Recognize YOLOv5 and YOLOv7: a map a scale, of some anchors and five numbers a class more."""
    levels = ends.levels
    counts = {ends.channels(head) for level in levels for head in level.heads}
    if any(len(level.heads) != 1 for level in levels) or len(counts) != 1:
        return None
    (channels,) = counts
    found = {len(_YOLOV5[0]): channels // len(_YOLOV5[0])}
    found |= {
        shape[1] // ends.cells: shape[2]
        for shape in (ends.shapes[name] for name in ends.outputs)
        if len(shape) == 3 and shape[1] % ends.cells == 0
    }
    for anchors, width in found.items():
        maps = sorted((1, anchors, *level.sides, width) for level in levels)
        shapes = sorted(ends.shapes[name] for name in ends.outputs)
        apart = shapes == maps
        one = (1, anchors * ends.cells, width) in shapes
        if anchors < 2 or width < 6 or anchors * width != channels or not (apart or one):
            continue
        known = [_anchors(ends, level, anchors) for level in levels]
        notes: tuple[str, ...] = ()
        if not all(known):
            usual = [level.stride for level in levels] == [(s, s) for s in (8.0, 16.0, 32.0)]
            if not apart or anchors != 3 or not usual or any(known):
                return None
            known = list(_YOLOV5)
            notes = ("its anchors are not in the file: they are taken to be YOLOv5's usual ones",)
        grids = tuple(
            AnchorGrid(tuple(pairs), level.stride, 2.0)
            for level, pairs in zip(levels, known, strict=True)
            if pairs is not None
        )
        return _Layout(
            "heads of YOLOv5 and its kin, with anchors",
            Decoding("yolov5", grids, "sigmoid"),
            width - 5,
            tuple(level.heads[0] for level in levels),
            _pictures(ends, "letterbox"),
            notes,
        )
    return None


def _anchors(ends: _Ends, level: _Level, count: int) -> tuple[tuple[float, float], ...] | None:
    """Find the anchors of one scale, in pixels: what the squares of the sides are multiplied by."""
    for node in ends.after(level):
        if node.op_type != "Mul":
            continue
        for name in node.input:
            tensor = ends.weights.get(name)
            if tensor is None or tensor.dims[-1:] != [2]:
                continue
            if math.prod(tensor.dims) not in (2 * count, 2 * count * level.cells):
                continue
            array = _numbers(tensor)
            if not array.size:
                continue
            pairs = array.reshape(count, -1, 2)
            if (pairs == pairs[:, :1]).all() and (pairs > 0).all():
                return tuple((float(width), float(height)) for width, height in pairs[:, 0])
    return None


def _pairs(ends: _Ends) -> _Layout | None:
    """Recognize distances in bins: of YOLOv8 and YOLO11, or NanoDet's, whose classes are first."""
    boxes, scores = [], []
    for level in ends.levels:
        pair = _pair(ends, level)
        if pair is None:
            return None
        boxes.append(pair[0])
        scores.append(pair[1])
    wide = {ends.channels(name) for name in boxes}
    classes = {ends.channels(name) for name in scores}
    if len(wide) != 1 or len(classes) != 1:
        return None
    (numbers,), (count,) = wide, classes
    bins, rest = divmod(numbers, 4)
    if rest or bins < 1:
        return None
    whole = ends.joined(numbers + count) or ends.apart(numbers + count)
    first = all(ends.passes(name, "Sigmoid") for name in scores)
    maps = tuple(name for pair in zip(boxes, scores, strict=True) for name in pair)
    grids = tuple(AnchorGrid(_ONE, level.stride) for level in ends.levels)
    if first and whole and bins > 1:
        return _Layout(
            f"heads of NanoDet and its kin, distances in {bins} bins",
            Decoding("distance", grids, "sigmoid", bins=bins, center=0.0, iou_threshold=0.6),
            count,
            maps,
            _pictures(ends, "stretch", "bgr", (103.53, 116.28, 123.675), (57.375, 57.12, 58.395)),
        )
    if not first and (whole or ends.joined(4 + count)) and bins > 1:
        return _Layout(
            f"heads of YOLOv8, YOLO11 and their kin, distances in {bins} bins",
            Decoding("distance", grids, "sigmoid", bins=bins, center=0.5, iou_threshold=0.7),
            count,
            maps,
            _pictures(ends, "letterbox"),
        )
    return None


def _pair(ends: _Ends, level: _Level) -> tuple[str, str] | None:
    """Find the maps of boxes and of scores at one scale."""
    if len(level.heads) == 1:  # both of one convolution, taken apart
        read = ends.readers.get(level.heads[0], [])
        if len(read) == 1 and read[0].op_type == "Split" and len(read[0].output) == 2:
            scores, boxes = read[0].output
        elif len(read) == 2 and all(node.op_type == "Slice" for node in read):
            parts = sorted(
                (node.output[0] for node in read), key=lambda n: ends.passes(n, "Sigmoid")
            )
            boxes, scores = parts
        else:
            return None
        total = ends.channels(boxes) + ends.channels(scores)
        fits = ends.passes(scores, "Sigmoid") and not ends.passes(boxes, "Sigmoid")
        return (boxes, scores) if fits and total == ends.channels(level.heads[0]) else None
    if len(level.heads) != 2:
        return None
    through = [ends.passes(head, "Sigmoid") for head in level.heads]
    if sum(through) == 1:
        scores = level.heads[through.index(True)]
        boxes = ends.scaled(level.heads[through.index(False)])
        return boxes, scores
    for node in ends.readers.get(level.heads[0], []):
        if node.op_type == "Concat" and set(node.input) == set(level.heads):
            return node.input[0], node.input[1]
    return _pair_after_moves(ends, level)


def _pair_after_moves(ends: _Ends, level: _Level) -> tuple[str, str] | None:
    """Find the boxes and scores of heads that are joined once each is a line of cells."""
    for node in ends.after(level):
        if node.op_type == "Concat" and len(node.input) == 2:
            first, second = (ends.source(name)[0] for name in node.input)
            if {first, second} == set(level.heads):
                return first, second
    return None


def _scrfd(ends: _Ends) -> _Layout | None:
    """Recognize SCRFD: scores, distances and mostly five points, an output each for every scale."""
    sources = {name: ends.source(name) for name in ends.outputs}
    maps: list[str] = []
    counts = set()
    points = 0
    for level in ends.levels:
        own = {head: ends.scaled(head) for head in level.heads}
        by_width: dict[int, str] = {}
        for output, (value, sigmoid) in sources.items():
            if value in own.values():
                width = (0, *ends.shapes[output])[-1]
                if sigmoid != (width == 1) or width in by_width:
                    return None
                by_width[width] = value
        if not {1, 4} <= set(by_width) <= {1, 4, 10} or len(by_width) != len(level.heads):
            return None
        boxes, scores = by_width[4], by_width[1]
        anchors = ends.channels(scores)
        if ends.channels(boxes) != 4 * anchors:
            return None
        counts.add(anchors)
        points += 10 in by_width
        maps += [boxes, scores]
    if len(counts) != 1 or len(sources) != len(maps) + points:
        return None
    (anchors,) = counts
    grids = tuple(AnchorGrid(_ONE * anchors, level.stride) for level in ends.levels)
    return _Layout(
        f"heads of SCRFD, distances from {anchors} points a cell",
        Decoding("distance", grids, "sigmoid", center=0.0, score_threshold=0.5, iou_threshold=0.4),
        1,
        tuple(maps),
        _pictures(ends, "letterbox", "rgb", (127.5,) * 3, (128.0,) * 3, pad=0.0),
        ("its points of faces are left out: boxes are what is read",) if points else (),
    )


def _centernet(ends: _Ends) -> _Layout | None:
    """Recognize CenterNet: a heat map, sides and offsets, by the names that its authors gave."""
    if len(ends.levels) != 1 or len(ends.levels[0].heads) != 3 or len(ends.outputs) != 3:
        return None
    found: dict[str, str] = {}
    for output in ends.outputs:
        source, _ = ends.source(output)
        for part in ("hm", "wh", "reg"):
            named = output.lower().replace("heatmap", "hm").replace("offset", "reg")
            if part in named and source in ends.levels[0].heads:
                found[part] = source
    if set(found) != {"hm", "wh", "reg"} or len(set(found.values())) != 3:
        return None
    heat, sides, offsets = found["hm"], found["wh"], found["reg"]
    if ends.channels(sides) != 2 or ends.channels(offsets) != 2:
        return None
    deviation = (0.289 * 255, 0.274 * 255, 0.278 * 255)
    mean = (0.408 * 255, 0.447 * 255, 0.470 * 255)
    return _Layout(
        "heads of CenterNet: heat, sides and offsets",
        Decoding("heatmap", (AnchorGrid(_ONE, ends.levels[0].stride),), "sigmoid"),
        ends.channels(heat),
        (heat, sides, offsets),
        _pictures(ends, "letterbox", "bgr", mean, deviation, pad=0.0),
    )


def _numbers(tensor: onnx.TensorProto) -> Float64:
    """Read a small weight; one that is damaged, which is told later, has no numbers."""
    try:
        return numpy_helper.to_array(tensor).astype(np.float64)
    except (onnx.checker.ValidationError, OSError, TypeError, ValueError, KeyError):
        return np.zeros(0)


# What the metadata say ---------------------------------------------------------------------------


def _names(model: onnx.ModelProto, count: int) -> tuple[str, ...] | None:
    """Read the classes that Ultralytics' exporter notes, as Python writes a dict or a list."""
    entries: Mapping[str, str] = {one.key: one.value for one in model.metadata_props}
    text = entries.get("names", "")
    if not text or len(text) > MAX_NAMES:
        return None
    try:
        said = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return None
    if isinstance(said, dict):
        said = [said.get(index) for index in range(count)] if len(said) == count else None
    if not isinstance(said, list) or len(said) != count:
        return None
    names = tuple(one.strip() for one in said if isinstance(one, str) and one.strip())
    return names if len(set(names)) == count else None
