"""Another input size: the same weights, and what the metadata then say."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from onnx import helper

from tatami import graph
from tatami.errors import TatamiError
from tatami.graph import Network
from tatami.shrink.resize import resize
from tatami.types import AnchorGrid, Decoding, DetectionSpec, InputSpec, Size

Build = Callable[..., Network]
RNG = np.random.default_rng(0)
HALVING = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "strides": [2, 2]}


def weights(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype(np.float32)


def pyramid(network_of: Build, height: int, width: int) -> Network:
    """Down by four, up by two to the sizes that the map before had, and joined with it."""
    sizes = np.array([1, 4, height // 2, width // 2], np.int64)
    return network_of(
        [
            helper.make_node("Conv", ["images", "w0"], ["half"], **HALVING),
            helper.make_node("Conv", ["half", "w1"], ["quarter"], **HALVING),
            helper.make_node(
                "Resize",
                ["quarter", "", "", "sizes"],
                ["up"],
                mode="nearest",
                coordinate_transformation_mode="asymmetric",
                nearest_mode="floor",
            ),
            helper.make_node("Add", ["half", "up"], ["map"]),
        ],
        {"w0": weights(4, 3, 3, 3), "w1": weights(4, 4, 3, 3), "sizes": sizes},
        image=(1, 3, height, width),
    )


def test_the_same_weights_at_the_new_size(network_of: Build) -> None:
    network = pyramid(network_of, 16, 24)
    images = RNG.random((1, 3, 32, 8), np.float32)
    resized = resize(network, Size(8, 32))
    (found,) = graph.run(resized, images)
    assert found.shape == (1, 4, 16, 4)
    rebuilt = pyramid(network_of, 32, 8)
    for name in ("w0", "w1"):
        rebuilt.graph.initializers[name].const_value = network.graph.initializers[name].const_value
    (expected,) = graph.run(rebuilt, images)
    np.testing.assert_array_equal(found, expected)
    # The one that was given is as it was.
    assert graph.run(network, RNG.random((1, 3, 16, 24), np.float32))[0].shape == (1, 4, 8, 12)


def test_there_and_back_is_the_same_network(network_of: Build) -> None:
    network = pyramid(network_of, 16, 24)
    images = RNG.random((1, 3, 16, 24), np.float32)
    back = resize(resize(network, Size(48, 8)), Size(24, 16))
    np.testing.assert_array_equal(graph.run(back, images)[0], graph.run(network, images)[0])


def ssd(stride: tuple[float, float], size: Size) -> DetectionSpec:
    grid = AnchorGrid(((5.0, 7.0),), stride)
    return DetectionSpec(("cup",), InputSpec(size), Decoding("yolov3", (grid,), "sigmoid"))


@pytest.mark.parametrize(
    ("stride", "expected"),
    [
        ((8.0, 8.0), (8.0, 8.0)),  # 24 pixels in 3 cells: a stride that divides
        ((7.5, 7.5), (7.5, 7.5)),  # cells that do not share the sides out keep their stride
    ],
)
def test_strides_and_anchors(
    network_of: Build, stride: tuple[float, float], expected: tuple[float, float]
) -> None:
    network = network_of(
        [helper.make_node("Conv", ["images", "w"], ["map"], kernel_shape=[8, 8], strides=[8, 8])],
        {"w": weights(6, 3, 8, 8)},
        image=(1, 3, 24, 24),
    )
    network = Network(network.model, ssd(stride, Size(24, 24)))
    spec = resize(network, Size(40, 16)).spec
    assert spec is not None
    (grid,) = spec.decoding.grids
    assert grid.stride == expected
    assert grid.anchors == ((5.0, 7.0),)
    assert spec.input.size == Size(40, 16)


def test_cells_that_share_out_a_side_that_they_do_not_divide(network_of: Build) -> None:
    # As an SSD's 19 cells over 300 pixels: 3 cells over 20, and then 2 over 12.
    network = network_of(
        [helper.make_node("Conv", ["images", "w"], ["map"], kernel_shape=[8, 8],
                          strides=[8, 8], pads=[2, 2, 2, 2])],
        {"w": weights(6, 3, 8, 8)},
        image=(1, 3, 20, 20),
    )  # fmt: skip
    network = Network(network.model, ssd((20 / 3, 20 / 3), Size(20, 20)))
    spec = resize(network, Size(12, 28)).spec
    assert spec is not None
    assert spec.decoding.grids[0].stride == (12 / 2, 28 / 4)


def test_a_fixed_shape_on_the_way_is_refused(network_of: Build) -> None:
    network = network_of(
        [
            helper.make_node("Reshape", ["images", "shape"], ["flat"]),
            helper.make_node("Relu", ["flat"], ["map"]),
        ],
        {"shape": np.array([1, 192, 1, 1], np.int64)},
    )
    with pytest.raises(TatamiError, match="Reshape 'flat' fixes a shape"):
        resize(network, Size(16, 16))


def test_an_input_that_a_window_does_not_fit_is_refused(network_of: Build) -> None:
    network = network_of(
        [helper.make_node("Conv", ["images", "w"], ["map"], kernel_shape=[8, 8], strides=[8, 8])],
        {"w": weights(6, 3, 8, 8)},
        image=(1, 3, 24, 24),
    )
    with pytest.raises(TatamiError, match="a window of 8 does not fit in 4 samples"):
        resize(network, Size(16, 4))
