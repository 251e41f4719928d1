"""Where a network looks for a class: Grad-CAM, of classifiers, detectors and segmenters.

R. R. Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
Localization", ICCV 2017, section 3. With A^k the k-th feature map of a layer, of Z places, and y^c
the score of class c before the softmax:

    alpha_k = 1/Z * sum over i, j of dy^c / dA^k_ij          (equation 1)
    L       = ReLU(sum over k of alpha_k * A^k)              (equation 2)

The paper's y^c is a classifier's. A detector says the class anew at every anchor of every cell, so
that here y^c is what it says at one: where the score of the class, by rules/decoding.py, is best.
Of a YOLO, whose score is that of objectness times that of the class, y^c is objectness plus class
number; of an SSD, it is the class number: sums before any sigmoid or softmax, as the paper's.

A detector in two stages says it of a region: y^c is the class number of the head where that score
is best, and goes back through the head and the pool of that region (Girshick, "Fast R-CNN", ICCV
2015, equation 4) to the feature map, whose maps explain it unless another layer is named.

A segmenter says the class of every pixel: y^c is the sum of its logit over the pixels that are of
the class (K. Vinogradova, A. Dibrov and G. Myers, "Towards Interpretable Semantic Segmentation via
Gradient-Weighted Class Activation Mapping", AAAI 2020, equation 1), seen where maps are smallest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from tatami.errors import TatamiError
from tatami.graph.costs import Cost, costs, kind_of
from tatami.graph.gradient import gradient
from tatami.graph.network import Network, shape_of
from tatami.ops.activation import softmax as softmax_of
from tatami.rules.decoding import scores_of
from tatami.rules.regions import Regions, TwoStageDetector, class_scores, pool_backward
from tatami.types import Decoding, Float32

SAME_NUMBERS = ("Dropout", "Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze")
"""What may stand between a classifier's softmax and its output: the order is kept."""


@dataclass(frozen=True)
class Target:
    """The number y^c that is explained.

    Args:
        name: The class, or its index where classes have no names.
        score: The class's, in [0, 1].
        seed: By the name of a value, its weights in y^c, of its shape with one picture in front.
        meaning: What y^c is, in words.
        at: The value whose maps explain it, where it is known.
        smallest: Whether the layer is otherwise the last of those whose maps have the fewest
            places.
    """

    name: str
    score: float
    seed: Mapping[str, Float32]
    meaning: str
    at: str | None = None
    smallest: bool = False


def target_in_scores(
    network: Network,
    computed: Mapping[str, Float32],
    classes: Sequence[str] | None,
    wanted: str | None = None,
) -> Target:
    """Choose the number of a class where a network has one output of a number a class.

    Args:
        network: The network.
        computed: The values of one picture, as ``graph.values`` gives them.
        classes: The names of the classes; None: they are called by their index.
        wanted: The class to explain; None: the best one.

    Raises:
        TatamiError: For an unknown class, for scores that are not numbers, and for outputs that are
            not one number a class.
    """
    output = network.graph.outputs[0]
    places = shape_of(output)
    count = places[1] if len(places) > 1 else 1
    if len(network.graph.outputs) > 1 or np.prod(places[1:]) != count:
        raise TatamiError(
            "the network has no tatami metadata, and its outputs are not one number a class",
            hint="import it with a spec that says what its outputs mean",
        )
    names = tuple(str(index) for index in range(count)) if classes is None else classes
    return _of_classifier(output, computed, names, wanted)


def target_in_boxes(
    network: Network,
    computed: Mapping[str, Float32],
    decoding: Decoding,
    classes: Sequence[str],
    wanted: str | None = None,
) -> Target:
    """Choose what a detector says of a class at the anchor and cell where it is likeliest.

    Args:
        network: The detector.
        computed: The values of one picture, as ``graph.values`` gives them.
        decoding: How its raw maps are read.
        classes: The names of the classes.
        wanted: The class to explain; None: the best one.

    Raises:
        TatamiError: For an unknown class, and for scores that are not numbers.
    """
    outputs = [str(value.name) for value in network.graph.outputs]
    label = None if wanted is None else _label(wanted, classes)
    return _of_detector([computed[name] for name in outputs], outputs, decoding, classes, label)


def target_in_pixels(
    network: Network,
    computed: Mapping[str, Float32],
    classes: Sequence[str],
    wanted: str | None = None,
) -> Target:
    """Choose what a segmenter says of a class over the pixels that are of it.

    Args:
        network: The segmenter.
        computed: The values of one picture, as ``graph.values`` gives them.
        classes: The names of the classes.
        wanted: The class to explain; None: the one of most pixels.

    Raises:
        TatamiError: For an unknown class, and for scores that are not numbers.
    """
    name = str(network.graph.outputs[0].name)
    return _of_segmenter(name, computed[name], classes, wanted)


def target_in_regions(
    detector: TwoStageDetector,
    head: Network,
    feature_map: tuple[str, Float32],
    regions: Regions,
    wanted: str | None = None,
) -> Target:
    """Choose the class number in the region where the class is likeliest, of a detector that pools.

    Args:
        detector: Around the two networks.
        head: The second of them, float.
        feature_map: The name of the first one's output and its value, (1, channels, rows, columns).
        regions: Of the picture.
        wanted: The class to explain; None: the best one.

    Raises:
        TatamiError: As for ``target_in_boxes``, and for a picture without regions.
    """
    spec, (name, features) = detector.spec, feature_map
    if not len(regions.regions):
        raise TatamiError("no region is found in the picture", hint="take another picture")
    label = None if wanted is None else _label(wanted, spec.classes)
    numbers, _ = detector.score(regions)
    with np.errstate(invalid="ignore"):
        scores = class_scores(numbers, spec.decoding)  # (n, K)
    sound = np.where(np.isnan(scores), -1, scores)
    if label is None:
        label = int(sound.max(axis=0).argmax())
    region = int(sound[:, label].argmax())
    score = float(sound[region, label])
    _check_score(score)
    seed = np.zeros((1, numbers.shape[1]), np.float32)
    seed[0, label - len(spec.classes)] = 1  # the background's number, if any, is the first
    box = regions.regions[region : region + 1]
    (taken,), said = head.graph.inputs, head.graph.outputs[0]
    (slope,) = gradient(head, regions.cut(box), {str(said.name): seed}, (str(taken.name),)).values()
    to_map = pool_backward(slope, features, box, spec.decoding)
    left, top, right, bottom = box[0].tolist()
    where = f"of the region {left:.0f},{top:.0f} to {right:.0f},{bottom:.0f} of the input"
    return Target(spec.classes[label], score, {name: to_map}, f"the class number {where}", name)


def _label(wanted: str, classes: Sequence[str]) -> int:
    if wanted not in classes:
        some = ", ".join(classes[:30]) + (", ..." if len(classes) > 30 else "")
        raise TatamiError(f"no class '{wanted}'", hint=f"the classes are {some}")
    return list(classes).index(wanted)


def _check_score(score: float) -> None:
    if not 0 <= score <= 1:
        raise TatamiError(
            "the network's scores are not numbers",
            hint="check how the picture is prepared, and the weights",
        )


def _of_classifier(
    output: ir.Value, computed: Mapping[str, Float32], classes: Sequence[str], wanted: str | None
) -> Target:
    """Choose the number of the class, before the softmax where the network ends in one."""
    logits = output
    made = logits.producer()
    while made is not None and made.op_type in SAME_NUMBERS and made.inputs[0] is not None:
        made = made.inputs[0].producer()
    if made is not None and made.op_type == "Softmax":
        source = made.inputs[0]
        assert source is not None
        logits = source
    numbers = computed[str(logits.name)]
    flat = numbers.reshape(-1)
    label = int(flat.argmax()) if wanted is None else _label(wanted, classes)
    with np.errstate(invalid="ignore"):
        score = float(softmax_of(flat, 0)[label])
    _check_score(score)
    seed = np.zeros(flat.size, np.float32)
    seed[label] = 1
    return Target(
        classes[label],
        score,
        {str(logits.name): seed.reshape(numbers.shape)},
        "the number of the class, before the softmax",
    )


def _of_detector(
    maps: Sequence[Float32],
    names: Sequence[str],
    decoding: Decoding,
    classes: Sequence[str],
    wanted: int | None,
) -> Target:
    """Choose the anchor and cell where the class, or any class, has its best score."""
    each = len(maps) // len(decoding.grids)
    best: tuple[float, int, tuple[int, ...]] | None = None
    for index, grid in enumerate(decoding.grids):
        of_grid = [one[0] for one in maps[each * index :][:each]]
        with np.errstate(over="ignore", invalid="ignore"):
            scores = scores_of(of_grid, grid, decoding)  # (A, K, rows, cols)
        if wanted is not None:
            scores = scores[:, wanted : wanted + 1]
        sound = np.where(np.isnan(scores), -1, scores)
        place = np.unravel_index(int(sound.argmax()), sound.shape)
        if best is None or sound[place] > best[0]:
            best = (float(sound[place]), index, tuple(int(at) for at in place))
    assert best is not None
    score, index, (anchor, label, row, column) = best
    _check_score(score)
    label = label if wanted is None else wanted
    # The second of a pair has the scores (SSD, distances), the first of three (heat maps).
    output = each * index + (0 if decoding.kind == "heatmap" else each - 1)
    seed = np.zeros_like(maps[output])
    anchors = len(decoding.grids[index].anchors)
    numbers = seed.shape[1] // anchors
    where = f"of anchor {anchor} at row {row}, column {column} of '{names[output]}'"
    if decoding.kind in ("ssd", "distance", "heatmap"):
        background = int(decoding.kind == "ssd")
        seed[0, numbers * anchor + background + label, row, column] = 1
        meaning = f"the class number {where}"
    else:
        shared = decoding.kind == "yolov1"  # the class numbers, by all anchors of a cell
        objectness = 5 * anchor + 4 if shared else numbers * anchor + 4
        seed[0, objectness, row, column] = 1
        seed[0, (5 * anchors if shared else objectness + 1) + label, row, column] = 1
        meaning = f"objectness plus class number {where}"
    return Target(classes[label], score, {names[output]: seed}, meaning)


def _of_segmenter(name: str, logits: Float32, classes: Sequence[str], wanted: str | None) -> Target:
    """Choose the pixels of the class or, of one that is nowhere, all pixels.

    Args:
        name: Of the output.
        logits: (1, K, rows, columns).
        classes: The names of the classes.
        wanted: The class to explain; None: the one of most pixels.
    """
    said = logits[0].argmax(axis=0)  # (rows, columns)
    counts = np.bincount(said.reshape(-1), minlength=len(classes))
    label = int(counts.argmax()) if wanted is None else _label(wanted, classes)
    there = said == label if counts[label] else np.ones_like(said, bool)
    with np.errstate(invalid="ignore"):
        score = float(softmax_of(logits, 1)[0, label][there].mean())
    _check_score(score)
    seed = np.zeros_like(logits)
    seed[0, label] = there
    where = f"the {counts[label]:,} pixels of it" if counts[label] else "all pixels: none is of it"
    meaning = f"the class number, over {where}"
    return Target(classes[label], score, {name: seed}, meaning, smallest=True)


def makes_maps(cost: Cost) -> bool:
    """Tell whether a layer makes feature maps: more than one place, and numbers that are new.

    Pools, views and what only moves numbers, concatenation aside, have the maps of another layer.
    """
    first = cost.operators[0]
    return _places(cost) > 1 and (kind_of(first) in ("product", "samples") or first == "Concat")


def _places(cost: Cost) -> int:
    """Count the places of the map that a layer makes; 0 for what is no map."""
    return cost.shape[2] * cost.shape[3] if len(cost.shape) == 4 else 0


def last_maps(network: Network, target: Target) -> str:
    """Find the paper's layer, "the last convolutional layer": the name of the value that it makes.

    It is the last layer that makes maps and that the target is made of, without the one that makes
    the target itself; for a segmenter, the last of those whose maps have the fewest places; for a
    detector in two stages, the feature map.

    Raises:
        TatamiError: Where there is none.
    """
    (seeded,) = target.seed
    if target.at is not None:
        return target.at
    before = _before(network, seeded)
    named = [(in_numbers(network, cost.output), cost) for cost in costs(network)]
    found = [(value, cost) for value, cost in named if makes_maps(cost) and value in before]
    if target.smallest:
        fewest = min((_places(cost) for _, cost in found), default=0)
        found = [(value, cost) for value, cost in found if _places(cost) == fewest]
    if not found:
        raise TatamiError(
            "no layer of the network has maps before the one that names the class",
            hint="look at its filters alone",
        )
    return found[-1][0]


def in_numbers(network: Network, name: str) -> str:
    """Find the value that holds what ``name`` means: where that is bytes, what dequantizes them."""
    for node in network.graph:
        read = node.inputs[0] if node.op_type == "DequantizeLinear" else None
        made = None if read is None else read.producer()
        if read is not None and made is not None and read.name == name:
            return str(node.outputs[0].name) if made.op_type == "QuantizeLinear" else name
    return name


def class_activation(
    network: Network, images: Float32, computed: Mapping[str, Float32], target: Target, layer: str
) -> Float32:
    """Compute equations 1 and 2 for a target.

    Args:
        network: The network.
        images: (1, 3, H, W), or as many copies as the network's batch.
        computed: The values of one picture.
        target: The number to explain.
        layer: The value whose maps explain it.

    Returns:
        (rows, columns), at least 0.

    Raises:
        TatamiError: Where the value is no map, the target is not made of it, or an operator between
            them has no derivative.
    """
    maps = computed[layer]
    (seeded,) = target.seed
    if maps.ndim != 4:
        raise TatamiError(
            f"'{layer}' has no rows and columns", hint="name a layer that makes feature maps"
        )
    if layer != target.at and layer not in _before(network, seeded):
        raise TatamiError(
            f"the score of '{target.name}' is not made of '{layer}'",
            hint="name a layer in front of the output that scores the class",
        )
    seed = {name: np.repeat(weight, len(images), axis=0) for name, weight in target.seed.items()}
    (slope,) = gradient(network, images, seed, (layer,)).values()
    alpha = slope[0].mean(axis=(1, 2))  # (k,)
    heat: Float32 = np.maximum(np.tensordot(alpha, maps[0], axes=1), 0)
    return heat


def _before(network: Network, name: str) -> set[str]:
    """Find the names of the values that a value is made of, without itself."""
    found = {name}
    for node in reversed(list(network.graph)):
        if str(node.outputs[0].name) in found:
            found |= {str(value.name) for value in node.inputs if value is not None}
    return found - {name}
