"""Running a network: what comes out, for how many pictures, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper

from tatami import graph
from tatami.errors import TatamiError

rng = np.random.default_rng(3)
WEIGHTS = {"w": rng.standard_normal((4, 3, 3, 3)).astype(np.float32)}
NODES = [
    helper.make_node("Conv", ["images", "w"], ["a"], pads=[1, 1, 1, 1]),
    helper.make_node("LeakyRelu", ["a"], ["b"], alpha=0.1),
    helper.make_node("MaxPool", ["b"], ["map"], kernel_shape=[2, 2], strides=[2, 2]),
]


def test_values_are_every_activation_in_order_and_run_is_the_last(network_of):
    network = network_of(NODES, WEIGHTS)
    images = rng.standard_normal((3, 3, 8, 8)).astype(np.float32)
    found = graph.values(network, images)
    assert [(name, array.shape) for name, array in found.items()] == [
        ("images", (3, 3, 8, 8)),
        ("a", (3, 4, 8, 8)),
        ("b", (3, 4, 8, 8)),
        ("map", (3, 4, 4, 4)),
    ]
    assert np.array_equal(
        found["b"], np.where(found["a"] < 0, found["a"] * np.float32(0.1), found["a"])
    )
    assert np.array_equal(graph.run(network, images)[0], found["map"])


def test_a_pictures_answer_does_not_depend_on_its_neighbors(network_of):
    network = network_of(NODES, WEIGHTS)
    images = rng.standard_normal((4, 3, 8, 8)).astype(np.float32)
    (together,) = graph.run(network, images)
    alone = np.concatenate([graph.run(network, images[i : i + 1])[0] for i in range(4)])
    assert np.array_equal(together, alone)


def test_a_network_exported_for_two_takes_pairs(network_of):
    network = network_of(NODES, WEIGHTS, image=(2, 3, 8, 8))
    assert graph.run(network, np.zeros((4, 3, 8, 8), np.float32))[0].shape == (4, 4, 4, 4)
    with pytest.raises(TatamiError, match="do not fit"):
        graph.run(network, np.zeros((3, 3, 8, 8), np.float32))


def test_images_of_another_size_are_refused(network_of):
    network = network_of(NODES, WEIGHTS)
    for shape in [(1, 3, 8, 9), (1, 1, 8, 8), (3, 8, 8), (0, 3, 8, 8)]:
        with pytest.raises(TatamiError, match="do not fit"):
            graph.run(network, np.zeros(shape, np.float32))


def test_maps_come_in_the_order_of_the_outputs(network_of):
    network = network_of(NODES, WEIGHTS, outputs=("map", "a"))
    images = np.random.default_rng(0).random((2, 3, 8, 8), np.float32)
    found, values = graph.run(network, images), graph.values(network, images)
    assert len(found) == 2
    for one, name in zip(found, ("map", "a"), strict=True):
        assert np.array_equal(one, values[name])
