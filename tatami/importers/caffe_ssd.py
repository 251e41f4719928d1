"""The end of an SSD in Caffe: PriorBox and DetectionOutput as anchors and a decoding.

W. Liu et al., "SSD: Single Shot MultiBox Detector", ECCV 2016, as the branch of Caffe that came
with it computes them (prior_box_layer.cpp, detection_output_layer.cpp). Each feature map has a
convolution for boxes and one for scores; the file makes rows of their maps and joins all of them,
and has a layer that makes the anchors. Here the maps are found again, and become the outputs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

import numpy as np
import onnx

from tatami.errors import TatamiError
from tatami.importers.caffe_layer import BY_ONNX, CORRECT, Detector, Layer, Network, Priors, Rule
from tatami.importers.prototxt import Message
from tatami.types import AnchorGrid, Decoding

MAX_ANCHORS = 256
MAX_HEADS = 64
MAX_CLASSES = 10_000
MAX_DETECTIONS = 200
"""Where the file does not say: what SSD's own files keep."""
NO_THRESHOLD = 0.01
"""Where the file says none: below it nothing is looked at."""
AS_SSD = "write the end of the network as SSD's own deploy.prototxt does"
SAME_RATIO = 1e-6
"""Caffe takes two aspect ratios for one that are as close."""


Function = Literal["softmax", "sigmoid"]
_FUNCTIONS: dict[str, Function] = {"Softmax": "softmax", "Sigmoid": "sigmoid"}


def prior_box(network: Network, layer: Layer, inputs: list[str]) -> None:
    """Read the anchors that a PriorBox makes of its first bottom's cells."""
    said = layer.message.message("prior_box_param")
    said.allow(
        *("min_size", "max_size", "aspect_ratio", "flip", "clip", "variance"),
        *("img_size", "img_h", "img_w", "step", "step_h", "step_w", "offset"),
    )
    shape = network.builder.shape(inputs[0])
    if len(shape) != 4:
        raise said.wrong(f"layer '{layer.name}' takes a value of shape {shape}", CORRECT)
    rows, columns = shape[2:]
    size = network.builder.size
    height, width = _both(said, "img", float(size.height), float(size.width))
    # What the file says in pixels of another picture's size is told as a part of it.
    down, across = size.height / height, size.width / width
    row, column = _both(said, "step", height / rows, width / columns)
    if said.real("offset", 0.5) != 0.5:
        raise said.wrong("'offset' is not 0.5: anchors are not in the middle of cells", BY_ONNX)
    sides = _anchors(said)
    grid = AnchorGrid(
        tuple((w * across, h * down) for w, h in sides), (column * across, row * down)
    )
    if said.flag("clip", False) and _reaches_out(grid, rows, columns, size.height, size.width):
        raise said.wrong(
            "'clip' is true, and anchors at the edge would not be those of the others",
            "set clip: false, as SSD's own files do",
        )
    network.priors[layer.tops[0]] = (Priors(rows, columns, grid, _variances(said)),)


def _both(said: Message, name: str, rows: float, columns: float) -> tuple[float, float]:
    """Read a number of rows and of columns, said as one or as two."""
    whole = "img_size" if name == "img" else name
    parts = said.has(f"{name}_h"), said.has(f"{name}_w")
    if any(parts) and (said.has(whole) or not all(parts)):
        raise said.wrong(f"'{name}_h' and '{name}_w' are not said together, alone", CORRECT)
    if said.has(whole):
        rows = columns = said.real(whole, 0.0)
    rows, columns = said.real(f"{name}_h", rows), said.real(f"{name}_w", columns)
    if not (0 < rows < 1e6 and 0 < columns < 1e6):
        raise said.wrong(f"'{name}' is {rows:g} and {columns:g}", CORRECT)
    return rows, columns


def _anchors(said: Message) -> list[tuple[float, float]]:
    """List (width, height) of each anchor of a cell, in Caffe's order.

    Caffe keeps the sizes as whole numbers: 35.84 is 35.
    """
    least, most = said.reals("min_size"), said.reals("max_size")
    if most and len(most) != len(least):
        raise said.wrong(f"has {len(least)} min_size and {len(most)} max_size", CORRECT)
    ratios = [1.0]
    for ratio in said.reals("aspect_ratio")[:MAX_ANCHORS]:
        if not 1e-3 < ratio < 1e3:
            raise said.wrong(f"'aspect_ratio' is {ratio:g}", CORRECT)
        if all(abs(ratio - other) >= SAME_RATIO for other in ratios):
            ratios += [ratio, 1 / ratio] if said.flag("flip", True) else [ratio]
    found = []
    for index, number in enumerate(least[:MAX_ANCHORS]):
        side = math.floor(number)
        found.append((float(side), float(side)))
        if most:
            root = math.sqrt(max(0.0, side * math.floor(most[index])))
            found.append((root, root))
        for ratio in ratios[1:]:
            if abs(ratio - 1) >= SAME_RATIO:
                found.append((side * math.sqrt(ratio), side / math.sqrt(ratio)))
    if not 0 < len(found) <= MAX_ANCHORS or not all(0 < min(pair) < 1e6 for pair in found):
        raise said.wrong(f"has {len(found)} anchors, or one without a size", CORRECT)
    return [(float(np.float32(w)), float(np.float32(h))) for w, h in found]


def _variances(said: Message) -> tuple[float, float]:
    given = said.reals("variance") or [0.1]
    if len(given) == 1:
        given *= 4
    if len(given) != 4 or given[0] != given[1] or given[2] != given[3] or min(given) <= 0:
        raise said.wrong(f"has variances {given}, not one of centers and one of sides", BY_ONNX)
    return given[0], given[2]


def _reaches_out(grid: AnchorGrid, rows: int, columns: int, height: int, width: int) -> bool:
    w, h = (max(side) / 2 for side in zip(*grid.anchors, strict=True))
    x, y = grid.stride
    far_x, far_y = (columns - 0.5) * x, (rows - 0.5) * y
    return bool(x / 2 < w or y / 2 < h or far_x + w > width or far_y + h > height)


def join_priors(network: Network, layer: Layer) -> None:
    """Join the anchors of several feature maps."""
    said = layer.message.message("concat_param")
    axis = said.integer("concat_dim" if said.has("concat_dim") else "axis", 1)
    missing = [blob for blob in layer.bottoms if blob not in network.priors]
    if missing or axis not in (2, -1):
        raise layer.message.wrong(f"layer '{layer.name}' joins anchors in another way", AS_SSD)
    network.priors[layer.tops[0]] = tuple(
        one for blob in layer.bottoms for one in network.priors[blob]
    )


def detection_output(network: Network, layer: Layer, inputs: list[str]) -> None:
    """Read DetectionOutput: the maps behind its bottoms, and how they are decoded."""
    said = layer.message.message("detection_output_param")
    said.allow(
        *("num_classes", "share_location", "background_label_id", "nms_param", "code_type"),
        *("save_output_param", "variance_encoded_in_target", "keep_top_k"),
        *("confidence_threshold", "visualize", "visualize_threshold", "save_file"),
    )
    if network.detector is not None:
        raise layer.message.wrong("the network has two layers of detections", AS_SSD)
    priors = network.priors.get(layer.bottoms[2], ())
    classes = said.integer("num_classes", 0) - 1
    if not 1 <= classes <= MAX_CLASSES:
        raise said.wrong(f"'num_classes' is {classes + 1}, the background among them", CORRECT)
    if not said.flag("share_location", True) or said.integer("background_label_id", 0) != 0:
        raise said.wrong("boxes differ by class, or the background is not the first", BY_ONNX)
    if said.word("code_type", "CORNER") not in ("CENTER_SIZE", "2"):
        raise said.wrong("'code_type' is not CENTER_SIZE", BY_ONNX)
    makers = network.builder.makers()
    boxes, sure = _Trail(network, makers, layer, 4), _Trail(network, makers, layer, classes + 1)
    boxes.follow(inputs[0])
    sure.follow(inputs[1])
    scores = sure.function
    if scores is None or boxes.function is not None:
        raise layer.message.wrong("its scores do not come of Softmax or Sigmoid", AS_SSD)
    counts = {len(boxes.maps), len(sure.maps), len(priors)}
    if len(counts) > 1 or not priors or len(priors) > MAX_HEADS:
        raise layer.message.wrong(
            f"takes {len(boxes.maps)} maps of boxes, {len(sure.maps)} of scores and anchors of "
            f"{len(priors)}",
            AS_SSD,
        )
    for pair in zip(boxes.maps, sure.maps, priors, strict=True):
        _check(network, layer, *pair, classes)
    variances = {one.variances for one in priors}
    if len(variances) > 1:
        raise said.wrong("its anchors have different variances", BY_ONNX)
    (own,) = variances
    if said.flag("variance_encoded_in_target", False):
        own = (1.0, 1.0)
    suppression = said.message("nms_param")
    suppression.allow("nms_threshold", "top_k", "eta")
    if suppression.real("eta", 1.0) != 1:
        raise suppression.wrong("'eta' is not 1: the threshold changes on the way", BY_ONNX)
    most = said.integer("keep_top_k", -1)
    network.detector = Detector(
        tuple(name for pair in zip(boxes.maps, sure.maps, strict=True) for name in pair),
        Decoding(
            "ssd",
            tuple(one.grid for one in priors),
            scores,
            own,
            score_threshold=_part(said, "confidence_threshold", NO_THRESHOLD),
            iou_threshold=_part(suppression, "nms_threshold", 0.3),
            max_detections=most if most > 0 else MAX_DETECTIONS,
        ),
        classes,
    )


def _part(said: Message, name: str, default: float) -> float:
    value = said.real(name, default)
    if not 0 <= value <= 1:
        raise said.wrong(f"'{name}' is {value:g}, not between 0 and 1", CORRECT)
    return value


def _check(
    network: Network, layer: Layer, boxes: str, scores: str, priors: Priors, classes: int
) -> None:
    """Check that maps are those of the anchors."""
    anchors = len(priors.grid.anchors)
    place = (priors.rows, priors.columns)
    expected = [(1, 4 * anchors, *place), (1, (classes + 1) * anchors, *place)]
    shapes = [network.builder.shape(name) for name in (boxes, scores)]
    if shapes != expected:
        raise layer.message.wrong(
            f"maps {shapes[0]} and {shapes[1]} are not those of {anchors} anchors in "
            f"{place[1]}x{place[0]} cells and {classes} classes",
            AS_SSD,
        )


class _Trail:
    """The way back from a bottom of DetectionOutput to the maps that it was made of.

    What lies on it may only make rows of ``depth`` numbers of each map, channels last, join them
    row under row, and take a function of the scores.

    Args:
        network: The network so far.
        makers: The node that makes each value.
        layer: That asks.
        depth: Numbers of one anchor.
    """

    def __init__(
        self, network: Network, makers: Mapping[str, onnx.NodeProto], layer: Layer, depth: int
    ) -> None:
        self.maps: list[str] = []
        self.functions: list[Function | None] = []
        self._network = network
        self._makers = makers
        self._layer = layer
        self._depth = depth

    @property
    def function(self) -> Function | None:
        """The one function that lies on every way; None for none."""
        found = set(self.functions)
        return found.pop() if len(found) == 1 else None

    def follow(self, end: str) -> None:
        """Find the maps, in order."""
        waiting: list[tuple[str, Function | None, bool]] = [(end, None, False)]
        for _ in range(16 * MAX_HEADS):
            if not waiting:
                return
            value, function, turned = waiting.pop()
            node = self._makers.get(value)
            shape = self._network.builder.shape(value)
            kind = None if node is None else node.op_type
            if turned and len(shape) == 4:
                self.maps.append(value)
                self.functions.append(function)
            elif node is None:
                raise self._wrong(f"'{value}', which is no map that was turned")
            elif kind == "Concat" and self._joins(node):
                waiting += [(name, function, False) for name in reversed(node.input)]
            elif kind == "Reshape":
                waiting.append((node.input[0], function, False))
            elif kind in _FUNCTIONS and function is None and self._is_rows(node):
                waiting.append((node.input[0], _FUNCTIONS[kind], False))
            elif kind == "Transpose" and list(node.attribute[0].ints) == [0, 2, 3, 1]:
                waiting.append((node.input[0], function, True))
            else:
                raise self._wrong(f"{kind} '{value}'")
        raise self._wrong("too many layers")

    def _joins(self, node: onnx.NodeProto) -> bool:
        """Tell whether a Concat puts whole maps one after another."""
        shape = self._network.builder.shape(node.output[0])
        rows = len(shape) == 2 or (len(shape) == 3 and shape[2] == self._depth)
        return rows and node.attribute[0].i == 1

    def _is_rows(self, node: onnx.NodeProto) -> bool:
        """Tell whether a function is of the numbers of each anchor by themselves."""
        if node.op_type == "Sigmoid":
            return True
        shape = self._network.builder.shape(node.output[0])
        return shape[-1] == self._depth and node.attribute[0].i == len(shape) - 1

    def _wrong(self, what: str) -> TatamiError:
        return self._layer.message.wrong(
            f"layer '{self._layer.name}' has {what} between it and the maps", AS_SSD
        )


SSD = {
    "DetectionOutput": Rule(detection_output, ("detection_output_param",), 3, 3),
    "PriorBox": Rule(prior_box, ("prior_box_param",), 2, 2),
}
"""The layers of this file."""
