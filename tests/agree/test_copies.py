"""Copies of one network in several programs' files are one network once they are imported."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from tatami.graph import run
from tatami.graph.attributes import constant
from tatami.graph.network import Network, shape_of
from tatami.graph.read import network_of
from tatami.importers.caffe import read_caffe
from tatami.importers.darknet import read_darknet
from tatami.importers.ncnn import read_ncnn
from tatami.ops.norm import Epsilon
from tatami.shrink.fold import fold

INSIDE = Epsilon.parse("inside:1e-5")
NANO, FACE = "nano-voc/MobileNetV2-YOLOv3-Nano-voc", "yoloface-500k/yoloface-500k"


@pytest.fixture
def weights(shared_data: Path) -> Path:
    return shared_data / "weights"


def of_darknet(stem: Path) -> onnx.ModelProto:
    return read_darknet(stem.with_suffix(".cfg"), stem.with_suffix(".weights"), INSIDE).model


def largest_difference(ours: Network, theirs: Network) -> float:
    """Of all maps, in any order, on a random picture: over the largest number of the map."""
    assert shape_of(ours.graph.inputs[0]) == shape_of(theirs.graph.inputs[0])
    images = np.random.default_rng(0).random(shape_of(ours.graph.inputs[0]), np.float32)
    maps = {one.shape: one for one in run(theirs, images)}
    found = run(ours, images)
    assert sorted(one.shape for one in found) == sorted(maps)
    return max(
        float(np.abs(one - maps[one.shape]).max() / np.abs(maps[one.shape]).max()) for one in found
    )


def kernels(network: Network) -> list[np.ndarray]:
    """Weights and biases of its convolutions, in order."""
    convolutions = [node for node in network.graph if node.op_type == "Conv"]
    return [
        array for node in convolutions for i in (1, 2) if (array := constant(node, i)) is not None
    ]


def test_nano_voc_is_one_network_in_darknet_and_caffe(weights: Path) -> None:
    stem = weights / NANO
    theirs = read_caffe(stem.with_suffix(".prototxt"), stem.with_suffix(".caffemodel"), None)
    ours = network_of(of_darknet(stem))
    assert largest_difference(ours, network_of(theirs.model)) < 5e-6


def test_yoloface_folded_is_somebody_elses_fold(weights: Path) -> None:
    stem = weights / FACE
    theirs = network_of(read_ncnn(stem.with_suffix(".param"), stem.with_suffix(".bin"), None).model)
    ours, _ = fold(network_of(of_darknet(stem)))
    assert largest_difference(ours, theirs) < 5e-6
    pairs = list(zip(kernels(ours), kernels(theirs), strict=True))
    assert len(pairs) > 80
    for folded, other in pairs:
        np.testing.assert_allclose(folded, other, rtol=0, atol=1e-6 * np.abs(other).max())
