"""The end of an SSD in Caffe: PriorBox and DetectionOutput as anchors and a decoding.

W. Liu et al., "SSD: Single Shot MultiBox Detector", ECCV 2016, as the branch of Caffe that came
with it computes them (prior_box_layer.cpp, detection_output_layer.cpp). Each feature map has a
convolution for boxes and one for scores; the file makes rows of their maps and joins all of them,
and has a layer that makes the anchors. Here the maps are found again, and become the outputs.
"""

from __future__ import annotations

import math

import numpy as np

from tatami.importers.caffe_layer import BY_ONNX, CORRECT, Layer, Network, Rule
from tatami.importers.prototxt import Message
from tatami.importers.ssd_tail import (
    AS_SSD,
    MAX_ANCHORS,
    MAX_DETECTIONS,
    Detector,
    Priors,
    maps_of,
    reaches_out,
)
from tatami.types import AnchorGrid, Decoding

MAX_CLASSES = 10_000
NO_THRESHOLD = 0.01
"""Where the file says none: below it nothing is looked at."""
SAME_RATIO = 1e-6
"""Caffe takes two aspect ratios for one that are as close."""


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
    if said.flag("clip", False) and reaches_out(grid, rows, columns, size):
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
    maps, scores = maps_of(network.builder, inputs[0], inputs[1], priors, classes)
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
        maps,
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


SSD = {
    "DetectionOutput": Rule(detection_output, ("detection_output_param",), 3, 3),
    "PriorBox": Rule(prior_box, ("prior_box_param",), 2, 2),
}
"""The layers of this file."""
