"""The receptive field, held to the pixels that a place's derivative is not zero in."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper

from tatami.errors import TatamiError
from tatami.graph.gradient import gradient
from tatami.graph.network import shape_of
from tatami.graph.receptive import Field, receptive_field

node = helper.make_node
rng = np.random.default_rng(3)


def positive(*shape):
    return rng.uniform(0.5, 1, shape).astype(np.float32)


WEIGHTS = {
    "first": positive(4, 3, 3, 5),
    "second": positive(4, 4, 2, 2),
    "wide": positive(4, 1, 3, 3),
    "turned": positive(4, 4, 3, 3),
    "pads": np.array([0, 0, 1, 2, 0, 0, 0, 1], np.int64),
    "scales": np.array([1, 1, 2, 2], np.float32),
    "flat": np.array([1, -1], np.int64),
    "dense": positive(400, 5),
}
NODES = [
    node("Conv", ["images", "first"], ["a"], strides=[2, 1], pads=[1, 2, 1, 2]),
    node("Relu", ["a"], ["b"]),
    node("Pad", ["b", "pads"], ["c"]),
    node("AveragePool", ["c"], ["d"], kernel_shape=[2, 3], strides=[1, 2]),
    node("Conv", ["d", "wide"], ["e"], group=4, dilations=[2, 1], pads=[2, 1, 2, 1]),
    node("Add", ["d", "e"], ["f"]),
    node("ConvTranspose", ["f", "turned"], ["g"], strides=[2, 2], pads=[1, 1, 0, 0]),
    node("Resize", ["f", "", "scales"], ["h"], mode="linear"),
    node("Resize", ["f", "", "scales"], ["i"], mode="nearest"),
    node("Concat", ["g", "h"], ["j"], axis=1),
    node("GlobalAveragePool", ["f"], ["k"]),
    node("Mul", ["f", "k"], ["map"]),
]
MAPS = "abcdefghijk"


@pytest.fixture
def network(network_of):
    return network_of(NODES, WEIGHTS, (1, 3, 20, 18), (*MAPS, "map"))


def test_it_holds_just_the_pixels_that_count(network):
    images = positive(1, 3, 20, 18)
    known = {str(one.name): one for part in network.graph for one in part.outputs}
    for name in (*MAPS, "map"):
        shape = shape_of(known[name])
        for row, column in {(0, 0), (shape[2] // 2, shape[3] // 3), (shape[2] - 1, shape[3] - 1)}:
            seed = np.zeros(shape, np.float32)
            seed[0, :, row, column] = 1
            slope = np.abs(gradient(network, images, {name: seed}, ("images",))["images"][0])
            rows, columns = np.nonzero(slope.sum(axis=0))
            if name == "c" and not len(rows):
                continue  # a place of the padding
            found = Field(rows.min(), columns.min(), rows.max() + 1, columns.max() + 1)
            assert receptive_field(network, name, row, column) == found, (name, row, column)


def test_what_has_no_place_is_refused(network):
    for name, row, column in (("b", 10, 0), ("b", -1, 0), ("b", 0, 99), ("nothing", 0, 0)):
        with pytest.raises(TatamiError):
            receptive_field(network, name, row, column)
