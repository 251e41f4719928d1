"""Grad-CAM: the paper's two equations, and which number of a detector is explained."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from onnx import helper

from tatami import graph
from tatami.errors import TatamiError
from tatami.graph import Network
from tatami.pipeline.explain import target_of as target_inside
from tatami.rules.decoding import candidates
from tatami.see.class_activation import class_activation, in_numbers, last_maps
from tatami.tasks.inside import Inside
from tatami.types import AnchorGrid, Decoding, DetectionSpec, InputSpec, SegmentationSpec, Size

SEED = 5  # of which every class of YOLOv1 scores above 0 somewhere
rng = np.random.default_rng(SEED)
node = helper.make_node
CLASSES = ("ant", "bee", "cow")


def numbers(*shape):
    return rng.standard_normal(shape).astype(np.float32)


KERNELS, DENSE, BIAS = numbers(6, 3, 3, 3), numbers(6, 4), numbers(4)


@pytest.fixture(autouse=True)
def _same_numbers_alone_as_after_other_tests():
    global rng
    rng = np.random.default_rng(SEED)


def classifier(network_of, ending=("Softmax",)):
    """conv, ReLU, the mean of every map, one linear layer, and a softmax."""
    nodes = [
        node("Conv", ["images", "conv.weight"], ["conv"], pads=[1, 1, 1, 1]),
        node("Relu", ["conv"], ["relu"]),
        node("GlobalAveragePool", ["relu"], ["mean"]),
        node("Flatten", ["mean"], ["flat"]),
        node("Gemm", ["flat", "fc.weight", "fc.bias"], ["logits"]),
        *([node("Softmax", ["logits"], ["shares"])] if ending else []),
        node("Unsqueeze", ["shares" if ending else "logits", "axes"], ["map"]),
    ]
    axes = np.array([2, 3], np.int64)
    weights = {"conv.weight": KERNELS, "fc.weight": DENSE, "fc.bias": BIAS, "axes": axes}
    return network_of(nodes, weights)


def target_of(network, computed, wanted=None):
    picture, images = np.zeros((8, 8, 3), np.uint8), np.zeros((1, 3, 8, 8), np.float32)
    return target_inside(Inside(network, picture, images, computed, None, Size(8, 8)), wanted)


def seen(network):
    images = rng.random((1, 3, 8, 8)).astype(np.float32)
    return images, graph.values(network, images)


@pytest.mark.parametrize("ending", [(), ("Softmax",)])
def test_of_a_mean_and_a_linear_layer_it_is_cam(network_of, ending):
    """Zhou et al. 2016, equation 2: then alpha_k is the class's weight of map k, over Z."""
    network = classifier(network_of, ending)
    images, computed = seen(network)
    hot = 0
    for label in range(4):
        target = target_of(network, computed, str(label))
        assert list(target.seed) == ["logits" if ending else "map"]  # before the softmax
        logits = computed["logits"][0].astype(float)
        share = np.exp(logits[label]) / np.exp(logits).sum()
        assert target.score == pytest.approx(share, rel=1e-5)
        assert last_maps(network, target) == "relu"
        found = class_activation(network, images, computed, target, "relu")
        expected = np.maximum(np.tensordot(DENSE[:, label], computed["relu"][0], 1), 0) / 64
        np.testing.assert_allclose(found, expected, atol=1e-6)
        hot += expected.any()
    assert hot > 1
    best = target_of(network, computed)
    assert best.name == str(int(computed["logits"].argmax()))


def test_of_deeper_layers_it_is_as_autograd_says(network_of):
    second, third = np.abs(numbers(5, 6, 3, 3)) / 9, np.abs(numbers(4, 5, 2, 2))
    network = network_of(
        [
            node("Conv", ["images", "a.weight"], ["a"]),
            node("LeakyRelu", ["a"], ["al"], alpha=0.1),
            node("MaxPool", ["al"], ["p"], kernel_shape=[2, 2], strides=[1, 1]),
            node("Conv", ["p", "b.weight"], ["b"]),
            node("Sigmoid", ["b"], ["bs"]),
            node("Conv", ["bs", "c.weight"], ["c"]),
            node("GlobalMaxPool", ["c"], ["map"]),
        ],
        {"a.weight": KERNELS, "b.weight": second, "c.weight": third},
    )
    images, computed = seen(network)
    target = target_of(network, computed, "2")
    a = F.leaky_relu(F.conv2d(torch.from_numpy(images), torch.from_numpy(KERNELS)), 0.1)
    a.requires_grad_()
    b = F.conv2d(F.max_pool2d(a, 2, 1), torch.from_numpy(second)).sigmoid()
    b.retain_grad()
    F.conv2d(b, torch.from_numpy(third)).amax((2, 3))[0, 2].backward()
    for name, maps in (("al", a), ("bs", b)):
        alpha = maps.grad[0].mean((1, 2))
        expected = torch.relu((alpha[:, None, None] * maps[0]).sum(0)).detach().numpy()
        found = class_activation(network, images, computed, target, name)
        assert expected.any()
        np.testing.assert_allclose(found, expected, atol=1e-5 * expected.max())
    assert last_maps(network, target) == "c"  # the maximum alone names the class


def detector(network_of, decoding: Decoding, outputs=("map",)) -> Network:
    """A convolution, and 1x1 convolutions that make the raw maps, with random numbers."""
    sizes = [channels for _, channels in decoding.maps(len(CLASSES))]
    strides = {"strides": [2, 2], "pads": [1, 1, 1, 1]}
    nodes = [node("Conv", ["images", "conv.weight"], ["conv"], **strides)]
    nodes.append(node("Relu", ["conv"], ["relu"]))
    weights = {"conv.weight": KERNELS}
    for index, (name, channels) in enumerate(zip(outputs, sizes, strict=True)):
        weights[f"head{index}.weight"] = np.float32(0.2) * numbers(channels, 6, 1, 1)
        nodes.append(node("Conv", ["relu", f"head{index}.weight"], [name]))
    network = network_of(nodes, weights, outputs=outputs)
    return replace(network, spec=DetectionSpec(CLASSES, InputSpec(Size(8, 8)), decoding))


GRID = AnchorGrid(((3.0, 2.0), (5.0, 6.0)), (2.0, 2.0))
DECODINGS = {
    "yolov1": (Decoding("yolov1", (GRID,), "linear"), ("map",)),
    "yolov2": (Decoding("yolov2", (GRID,), "softmax"), ("map",)),
    "yolov3": (Decoding("yolov3", (GRID, GRID), "sigmoid"), ("map", "second")),
    "ssd": (Decoding("ssd", (GRID,), "softmax", (0.1, 0.2)), ("boxes", "map")),
}


@pytest.mark.parametrize("kind", DECODINGS)
def test_a_detector_is_asked_where_the_class_scores_best(kind, network_of):
    decoding, outputs = DECODINGS[kind]
    network = detector(network_of, decoding, outputs)
    images, computed = seen(network)
    maps = [computed[name][0] for name in outputs]
    found = candidates(maps, decoding, -1.0, len(CLASSES))
    for label, name in enumerate(CLASSES):
        target = target_of(network, computed, name)
        assert target.name == name
        assert target.score == found.scores[found.labels == label].max()
        ((output, seed),) = target.seed.items()
        chosen = np.argwhere(seed[0])
        assert len(chosen) == (1 if kind == "ssd" else 2)
        # Raising y^c there, and nothing else, raises this class's best score.
        raised = [
            one + (0.1 * seed[0] if o == output else 0)
            for o, one in zip(outputs, maps, strict=True)
        ]
        more = candidates(raised, decoding, -1.0, len(CLASSES))
        assert more.scores[more.labels == label].max() > target.score
        # By hand: one cell of a 1x1 convolution over relu.
        head = next(n.inputs[1] for n in network.graph if n.outputs[0].name == output)
        weight = head.const_value.numpy()[chosen[:, 0], :, 0, 0].sum(axis=0)
        expected = np.maximum(np.tensordot(weight, computed["relu"][0], 1), 0) / 16
        assert last_maps(network, target) == "relu"
        heat = class_activation(network, images, computed, target, "relu")
        np.testing.assert_allclose(heat, expected, atol=1e-5)
        assert output in target.meaning
    best = target_of(network, computed)
    assert best.score == found.scores.max()
    assert best.name == CLASSES[found.labels[0]]


def segmenter(network_of) -> Network:
    """Down to half the size, a convolution there, up again, and a convolution that names."""
    network = network_of(
        [
            node("Conv", ["images", "a.weight"], ["a"], strides=[2, 2], pads=[1, 1, 1, 1]),
            node("Relu", ["a"], ["ar"]),
            node("ConvTranspose", ["ar", "b.weight"], ["b"], strides=[2, 2]),
            node("Conv", ["b", "c.weight"], ["map"]),
        ],
        {"a.weight": KERNELS, "b.weight": numbers(6, 5, 2, 2), "c.weight": numbers(3, 5, 1, 1)},
    )
    return replace(network, spec=SegmentationSpec(CLASSES, InputSpec(Size(8, 8))))


@pytest.mark.parametrize("wanted", [None, *CLASSES])
def test_a_segmenter_is_asked_over_the_pixels_of_the_class(wanted, network_of):
    network = segmenter(network_of)
    images, computed = seen(network)
    target = target_of(network, computed, wanted)
    logits = torch.from_numpy(computed["map"])
    said = logits.argmax(1)[0]
    label = CLASSES.index(target.name)
    if wanted is None:
        assert label == int(said.flatten().bincount().argmax())
    there = said == label if (said == label).any() else torch.ones_like(said, dtype=torch.bool)
    assert target.score == pytest.approx(float(logits.softmax(1)[0, label][there].mean()), rel=1e-5)
    weights = {
        name: torch.from_numpy(network.graph.initializers[name].const_value.numpy().copy())
        for name in ("b.weight", "c.weight")
    }
    maps = torch.from_numpy(computed["ar"]).requires_grad_()
    up = F.conv_transpose2d(maps, weights["b.weight"], stride=2)
    F.conv2d(up, weights["c.weight"])[0, label][there].sum().backward()
    alpha = maps.grad[0].mean((1, 2))
    expected = torch.relu((alpha[:, None, None] * maps[0]).sum(0)).detach().numpy()
    assert last_maps(network, target) == "ar"  # the smallest maps, not the last
    found = class_activation(network, images, computed, target, "ar")
    np.testing.assert_allclose(found, expected, atol=1e-5 * max(1, expected.max()))


def test_a_class_that_is_nowhere_is_asked_of_all_pixels(network_of):
    network = segmenter(network_of)
    computed = dict(seen(network)[1])
    computed["map"] = computed["map"].copy()
    computed["map"][:, 1] = computed["map"].min() - 1
    target = target_of(network, computed, "bee")
    assert target.seed["map"][0, 1].all()
    assert "none is of it" in target.meaning


def test_a_score_that_is_no_number_is_not_the_best(network_of):
    decoding, outputs = DECODINGS["yolov2"]
    network = detector(network_of, decoding, outputs)
    _, computed = seen(network)
    computed["map"] = computed["map"].copy()
    computed["map"][0, 4, 1, 1] = np.nan
    target = target_of(network, computed)
    assert np.isfinite(target.score)
    computed["map"][:] = np.nan
    with pytest.raises(TatamiError, match="scores are not numbers"):
        target_of(network, computed)
    assert not target.seed["map"][0, 4, 1, 1]


def test_logits_that_are_no_numbers_are_refused(network_of):
    network = classifier(network_of)
    _, computed = seen(network)
    computed["logits"] = np.full_like(computed["logits"], np.nan)
    with pytest.raises(TatamiError, match="scores are not numbers"):
        target_of(network, computed)


def test_a_network_for_two_pictures_is_given_two_copies(network_of):
    nodes = [
        node("Conv", ["images", "conv.weight"], ["conv"], pads=[1, 1, 1, 1]),
        node("Sigmoid", ["conv"], ["maps"]),
        node("GlobalMaxPool", ["maps"], ["map"]),
    ]
    one, two = (
        network_of(nodes, {"conv.weight": KERNELS}, image=(batch, 3, 8, 8)) for batch in (1, 2)
    )
    images, computed = seen(one)
    target = target_of(one, computed, "3")
    expected = class_activation(one, images, computed, target, "maps")
    both = np.repeat(images, 2, axis=0)
    assert expected.any()
    assert np.array_equal(class_activation(two, both, computed, target, "maps"), expected)


def test_what_cannot_be_explained_is_refused(network_of):
    network = classifier(network_of)
    images, computed = seen(network)
    with pytest.raises(TatamiError, match=r"no class '4' \(the classes are 0, 1, 2, 3\)"):
        target_of(network, computed, "4")
    target = target_of(network, computed)
    with pytest.raises(TatamiError, match="'flat' has no rows and columns"):
        class_activation(network, images, computed, target, "flat")
    with pytest.raises(TatamiError, match="is not made of 'map'"):
        class_activation(network, images, computed, target, "map")
    found = detector(network_of, *DECODINGS["ssd"])
    computed = seen(found)[1]
    with pytest.raises(TatamiError, match="no class 'dog'"):
        target_of(found, computed, "dog")


def test_outputs_of_no_known_meaning_are_refused(network_of):
    plain = network_of([node("Relu", ["images"], ["map"])], {})
    with pytest.raises(TatamiError, match="not one number a class"):
        target_of(plain, seen(plain)[1])
    pooled = network_of([node("GlobalMaxPool", ["images"], ["map"])], {})
    target = target_of(pooled, seen(pooled)[1])
    with pytest.raises(TatamiError, match="no layer of the network has maps"):
        last_maps(pooled, target)


def test_bytes_are_seen_as_the_numbers_that_they_mean(network_of):
    scale = {"s": np.array(0.05, np.float32), "z": np.array(0, np.uint8)}
    network = network_of(
        [
            node("Conv", ["images", "conv.weight"], ["conv"]),
            node("Relu", ["conv"], ["relu"]),
            node("QuantizeLinear", ["relu", "s", "z"], ["bytes"]),
            node("DequantizeLinear", ["bytes", "s", "z"], ["again"]),
            node("GlobalAveragePool", ["again"], ["map"]),
        ],
        {"conv.weight": KERNELS, **scale},
    )
    assert in_numbers(network, "bytes") == "again"
    assert in_numbers(network, "relu") == "relu"
    images, computed = seen(network)
    target = target_of(network, computed)
    assert last_maps(network, target) == "again"
    class_activation(network, images, computed, target, "again")  # no rounding is in its way
    with pytest.raises(TatamiError, match="DequantizeLinear 'again' has no derivative"):
        class_activation(network, images, computed, target, "relu")
