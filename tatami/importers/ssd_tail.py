"""The way back from an SSD's last layer to its maps, for the doors whose files hold its anchors.

W. Liu et al., "SSD: Single Shot MultiBox Detector", ECCV 2016. Each feature map has a convolution
for boxes and one for scores; a file makes rows of their maps, joins all of them row under row, and
takes a function of the scores. Here the maps are found again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import onnx

from tatami.errors import TatamiError
from tatami.importers.build import Builder
from tatami.types import AnchorGrid, Decoding, Size

MAX_HEADS = 64
MAX_ANCHORS = 256
"""In a cell."""
MAX_DETECTIONS = 200
"""Where a file does not say: what SSD's own files keep."""
AS_SSD = "write the end of the network as SSD's own deploy.prototxt does"

Function = Literal["softmax", "sigmoid"]
_FUNCTIONS: dict[str, Function] = {"Softmax": "softmax", "Sigmoid": "sigmoid"}


@dataclass(frozen=True)
class Priors:
    """The anchors of one feature map.

    Args:
        rows: Of its cells.
        columns: Of its cells.
        grid: The anchors, in pixels of the input.
        variances: Of centers and of sides.
    """

    rows: int
    columns: int
    grid: AnchorGrid
    variances: tuple[float, float]


@dataclass(frozen=True)
class Detector:
    """What the last layer of an SSD says.

    Args:
        maps: The values of the maps of boxes and of scores, in turn.
        decoding: How they are decoded.
        classes: Without the background.
    """

    maps: tuple[str, ...]
    decoding: Decoding
    classes: int

    def outputs(self) -> dict[str, str]:
        """Name the maps as outputs."""
        kinds = ("boxes", "scores")
        names = [f"{kind}_{index}" for index in range(len(self.maps) // 2) for kind in kinds]
        return dict(zip(names, self.maps, strict=True))


def reaches_out(grid: AnchorGrid, rows: int, columns: int, size: Size) -> bool:
    """Tell whether an anchor of a grid lies beyond the edge of an input."""
    w, h = (max(side) / 2 for side in zip(*grid.anchors, strict=True))
    x, y = grid.stride
    far_x, far_y = (columns - 0.5) * x + w, (rows - 0.5) * y + h
    return bool(x / 2 < w or y / 2 < h or far_x > size.width or far_y > size.height)


def maps_of(
    builder: Builder, boxes: str, scores: str, priors: Sequence[Priors], classes: int
) -> tuple[tuple[str, ...], Function]:
    """Find the maps of boxes and scores, in turn, and the function of the scores.

    Args:
        builder: The network so far.
        boxes: All offsets of boxes, joined.
        scores: All scores, joined.
        priors: The anchors of each feature map, in order.
        classes: Without the background.

    Raises:
        TatamiError: Where something else lies between, or the maps are not those of the anchors.
    """
    makers = builder.makers()
    found = _Trail(builder, makers, 4), _Trail(builder, makers, classes + 1)
    for trail, end in zip(found, (boxes, scores), strict=True):
        trail.follow(end)
    functions = set(found[1].functions)
    function = functions.pop() if len(functions) == 1 else None
    if function is None or set(found[0].functions) != {None}:
        raise TatamiError("the scores, and they alone, are not made by a function", hint=AS_SSD)
    counts = [len(found[0].maps), len(found[1].maps), len(priors)]
    if len(set(counts)) > 1 or counts[0] > MAX_HEADS:
        raise TatamiError(
            f"there are {counts[0]} maps of boxes, {counts[1]} of scores and anchors of "
            f"{counts[2]}",
            hint=AS_SSD,
        )
    maps: list[str] = []
    for *pair, one in zip(found[0].maps, found[1].maps, priors, strict=True):
        anchors, place = len(one.grid.anchors), (one.rows, one.columns)
        expected = [(1, 4 * anchors, *place), (1, (classes + 1) * anchors, *place)]
        shapes = [builder.shape(name) for name in pair]
        if shapes != expected:
            raise TatamiError(
                f"maps {shapes[0]} and {shapes[1]} are not those of {anchors} anchors in "
                f"{place[1]}x{place[0]} cells and {classes} classes",
                hint=AS_SSD,
            )
        maps += pair
    return tuple(maps), function


class _Trail:
    """The maps that a value was made of.

    What lies between may only make rows of ``depth`` numbers of each map, channels last, join them
    row under row, and take a function of each row.

    Args:
        builder: The network so far.
        makers: The node that makes each value.
        depth: Numbers of one anchor.
    """

    def __init__(self, builder: Builder, makers: Mapping[str, onnx.NodeProto], depth: int) -> None:
        self.maps: list[str] = []
        self.functions: list[Function | None] = []
        self._builder = builder
        self._makers = makers
        self._depth = depth

    def follow(self, end: str) -> None:
        """Find the maps, in order."""
        waiting: list[tuple[str, Function | None, bool]] = [(end, None, False)]
        for _ in range(16 * MAX_HEADS):
            if not waiting:
                return
            value, function, turned = waiting.pop()
            node = self._makers.get(value)
            kind = "" if node is None else node.op_type
            if turned:
                self.maps.append(value)
                self.functions.append(function)
            elif node is None:
                raise _between(f"'{value}', which is no map that was turned")
            elif kind == "Concat" and self._joins(node):
                waiting += [(name, function, False) for name in reversed(node.input)]
            elif kind == "Reshape":
                waiting.append((node.input[0], function, False))
            elif kind in _FUNCTIONS and function is None and self._is_of_rows(node):
                waiting.append((node.input[0], _FUNCTIONS[kind], False))
            elif kind == "Transpose" and list(node.attribute[0].ints) == [0, 2, 3, 1]:
                waiting.append((node.input[0], function, True))
            else:
                raise _between(f"{kind} '{value}'")
        raise _between("too many layers")

    def _joins(self, node: onnx.NodeProto) -> bool:
        """Tell whether a Concat puts whole maps one after another."""
        shape = self._builder.shape(node.output[0])
        rows = len(shape) == 2 or (len(shape) == 3 and shape[2] == self._depth)
        return bool(rows and node.attribute[0].i == 1)

    def _is_of_rows(self, node: onnx.NodeProto) -> bool:
        """Tell whether a function is of the numbers of each anchor by themselves."""
        if node.op_type == "Sigmoid":
            return True
        shape = self._builder.shape(node.output[0])
        return bool(shape[-1] == self._depth and node.attribute[0].i == len(shape) - 1)


def _between(what: str) -> TatamiError:
    return TatamiError(f"{what} lies between the detections and the maps", hint=AS_SSD)
