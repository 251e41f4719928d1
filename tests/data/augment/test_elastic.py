"""Elastic deformation against SciPy's interpolation, and its grid."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from tatami.data.augment import Augmentation, augmented, augmented_mask, augmented_picture
from tatami.data.augment.elastic import NODES, Elastic, _mirrored
from tatami.errors import TatamiError
from tatami.types import VOID, Dataset, Float32, Size

ndimage = pytest.importorskip("scipy.ndimage", reason="SciPy is the oracle")

sides = st.integers(1, 40)
seeds = st.integers(0, 2**32 - 1)


@given(sides, sides, st.floats(0, 0.5), seeds)
def test_pixels_and_mask_are_scipys(width: int, height: int, deviation: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    bent = Elastic.random(Size(width, height), deviation, rng)
    picture = rng.integers(0, 256, (height, width, 3), np.uint8)
    places = np.stack([bent.y - 0.5, bent.x - 0.5]).astype(np.float64)
    expected = np.stack(
        [
            ndimage.map_coordinates(picture[..., c].astype(float), places, order=1, mode="nearest")
            for c in range(3)
        ],
        axis=-1,
    )
    # half a level for rounding, and what float32 has of places and products
    assert_allclose(bent.pixels(picture), expected, rtol=0, atol=0.51)

    mask = rng.integers(0, 4, (height, width), np.uint8)
    at = np.minimum(np.floor(np.stack([bent.y, bent.x])), [[[height - 1]], [[width - 1]]])
    assert_array_equal(bent.mask(mask), ndimage.map_coordinates(mask, at, order=0))


def displacement(bent: Elastic) -> tuple[Float32, Float32]:
    height, width = bent.x.shape
    return bent.x - np.arange(width) - 0.5, bent.y - np.arange(height)[:, None] - 0.5


def test_the_displacements_go_through_the_nodes() -> None:
    """And are as large as asked for, a share of the shorter side."""
    size, deviation = Size(63, 45), 0.02
    nodes = []
    for seed in range(200):
        bent = Elastic.random(size, deviation, np.random.default_rng(seed))
        drawn = np.random.default_rng(seed).standard_normal((2, NODES, NODES), np.float32)
        seen = np.stack([of[7::15, 10::21] for of in displacement(bent)])  # middles of the thirds
        assert_allclose(seen, drawn * deviation * 45, rtol=0, atol=1e-4)
        nodes.append(seen)
    assert np.std(nodes) == pytest.approx(0.9, rel=0.05)


@given(sides, st.floats(-1000, 1000, width=32))
def test_beyond_the_edge_is_the_mirror_image(side: int, place: float) -> None:
    once = float(_mirrored(np.array([place], np.float32), side)[0])
    assert 0 <= once <= side
    images = np.arange(-1002 // side - 2, 1002 // side + 3) * 2 * side
    assert min(np.abs(images + once - place).min(), np.abs(images - once - place).min()) < 1e-3


def test_nothing_bent_is_nothing_changed() -> None:
    rng = np.random.default_rng(0)
    bent = Elastic.random(Size(31, 17), 0.0, rng)
    picture = rng.integers(0, 256, (17, 31, 3), np.uint8)
    assert_array_equal(bent.pixels(picture), picture)
    assert_array_equal(bent.mask(picture[..., 0]), picture[..., 0])


def test_mask_and_picture_are_bent_as_one() -> None:
    """A picture whose levels tell the class has the mask's class wherever no edge is near."""
    mask = np.zeros((90, 120), np.uint8)
    mask[20:70, 40:90] = 1
    picture = np.repeat(mask[..., None] * np.uint8(200), 3, axis=2)
    options = Augmentation.none().with_settings(["elastic=0.05"])
    canvas, moved = augmented_mask(
        picture, mask, Size(120, 90), options, np.random.default_rng(3), VOID
    )
    again = augmented_picture(picture, Size(120, 90), options, np.random.default_rng(3))
    assert_array_equal(canvas, again)
    assert (moved != mask).mean() > 0.01
    sure = np.isin(canvas[..., 0], (0, 200))
    assert sure.mean() > 0.8
    assert_array_equal(canvas[sure][:, 0] == 200, moved[sure] == 1)


def test_boxes_are_refused() -> None:
    options = Augmentation.none().with_settings(["elastic=0.05"])
    nothing = Dataset(Path("set"), "train", ("a",), ())
    with pytest.raises(TatamiError, match="elastic deformation is not supported for boxes"):
        augmented(
            nothing,
            0,
            Size(8, 8),
            options,
            np.random.default_rng(0),
            lambda sample: np.zeros((8, 8, 3), np.uint8),
        )
