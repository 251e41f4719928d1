"""The end of an SSD in ncnn: PriorBox and DetectionOutput as anchors and a decoding."""

from __future__ import annotations

import math

from tatami.importers.ncnn_layer import BY_ONNX, NOT_GIVEN, Network, Rule, part_of
from tatami.importers.ncnn_param import Layer
from tatami.importers.ssd_tail import (
    AS_SSD,
    MAX_ANCHORS,
    Detector,
    Priors,
    maps_of,
    reaches_out,
)
from tatami.types import AnchorGrid, Decoding

MAX_CLASSES = 10_000


def prior_box(network: Network, layer: Layer, inputs: list[str]) -> None:
    """Read the anchors that a PriorBox makes of its first bottom's cells."""
    shape, size = network.builder.shape(inputs[0]), network.builder.size
    if len(shape) != 4 or len(inputs) != 2:
        raise layer.wrong("makes anchors of another form than SSD's", BY_ONNX)
    rows, columns = shape[2:]
    width, height = (
        float(own if said == NOT_GIVEN else said)
        for own, said in zip(
            (size.width, size.height), (layer.integer(9, 0), layer.integer(10, 0)), strict=True
        )
    )
    if min(width, height) < 1:
        raise layer.wrong(f"is for a picture of {width:g}x{height:g}")
    steps = [layer.real(identity, float(NOT_GIVEN)) for identity in (11, 12)]
    column, row = (
        side / cells if step == NOT_GIVEN else step
        for side, cells, step in zip((width, height), (columns, rows), steps, strict=True)
    )
    if layer.real(13, 0.0) != 0.5 or layer.integer(14, 0) or layer.integer(15, 0):
        raise layer.wrong("has anchors that are not in the middle of cells", BY_ONNX)
    # What the file says in pixels of another picture's size is told as a part of it.
    across, down = size.width / width, size.height / height
    pairs = tuple((w * across, h * down) for w, h in _anchors(layer))
    if not 0 < min(column, row) < 1e6:
        raise layer.wrong(f"has steps of {column:g} and {row:g}")
    grid = AnchorGrid(pairs, (column * across, row * down))
    if layer.integer(8, 0) and reaches_out(grid, rows, columns, size):
        raise layer.wrong("cuts anchors at the picture's edge", BY_ONNX)
    variances = [layer.real(identity, default) for identity, default in _VARIANCES]
    if variances[0] != variances[1] or variances[2] != variances[3] or min(variances) <= 0:
        raise layer.wrong(
            f"has variances {variances}, not one of centers and one of sides", BY_ONNX
        )
    rounded = float(f"{variances[0]:.7g}"), float(f"{variances[2]:.7g}")
    network.priors[layer.tops[0]] = (Priors(rows, columns, grid, rounded),)


_VARIANCES = ((3, 0.1), (4, 0.1), (5, 0.2), (6, 0.2))


def _anchors(layer: Layer) -> list[tuple[float, float]]:
    """List (width, height) of each anchor of a cell, in ncnn's order."""
    least, most, ratios = (layer.reals(identity)[:MAX_ANCHORS] for identity in range(3))
    if most and len(most) != len(least):
        raise layer.wrong(f"has {len(least)} least and {len(most)} most sizes")
    found = []
    for index, side in enumerate(least):
        found.append((side, side))
        if most:
            found.append((math.sqrt(max(0.0, side * most[index])),) * 2)
        for ratio in ratios:
            if not 1e-3 < ratio < 1e3:
                raise layer.wrong(f"has a ratio {ratio:g}")
            root = math.sqrt(ratio)
            found.append((side * root, side / root))
            if layer.integer(7, 1):
                found.append((side / root, side * root))
        if len(found) > MAX_ANCHORS:
            break
    if not 0 < len(found) <= MAX_ANCHORS or not all(1e-3 < min(pair) < 1e6 for pair in found):
        raise layer.wrong(f"has {len(found)} anchors, or one without a size")
    return [(float(f"{w:.7g}"), float(f"{h:.7g}")) for w, h in found]


def share_priors(network: Network, layer: Layer) -> None:
    """Join the anchors of several feature maps, or hand them on to several layers."""
    missing = [blob for blob in layer.bottoms if blob not in network.priors]
    if missing or (layer.type == "Concat" and layer.integer(0, 0) not in (1, -1)):
        raise layer.wrong("joins anchors in another way", AS_SSD)
    whole = tuple(one for blob in layer.bottoms for one in network.priors[blob])
    for top in layer.tops:
        network.priors[top] = whole


def detection_output(network: Network, layer: Layer, inputs: list[str]) -> None:
    """Read DetectionOutput: the maps behind its bottoms, and how they are decoded."""
    if network.detector is not None or network.maps:
        raise layer.wrong("is a second layer of detections", BY_ONNX)
    priors = network.priors.get(layer.bottoms[2], ())
    classes = layer.integer(0, 0) - 1
    if not 1 <= classes <= MAX_CLASSES:
        raise layer.wrong(f"has {classes + 1} classes, the background among them")
    maps, scores = maps_of(network.builder, inputs[0], inputs[1], priors, classes)
    variances = {one.variances for one in priors}
    if len(variances) > 1:
        raise layer.wrong("has anchors of different variances", BY_ONNX)
    most = layer.integer(3, 100)
    if most < 1:
        raise layer.wrong(f"keeps {most} boxes")
    (own,) = variances
    network.detector = Detector(
        maps,
        Decoding(
            "ssd",
            tuple(one.grid for one in priors),
            scores,
            own,
            score_threshold=part_of(layer, 4, 0.5),
            iou_threshold=part_of(layer, 1, 0.05),
            max_detections=most,
        ),
        classes,
    )


SSD = {
    "DetectionOutput": Rule(detection_output, tuple(range(9)), 3, 3),
    "PriorBox": Rule(prior_box, tuple(range(16)), 1, 2),
}
"""The layers of this file."""
