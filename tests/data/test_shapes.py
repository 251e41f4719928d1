"""Polygons and run lengths against COCO's own tools, pixel for pixel."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask as oracle

from tatami.data.shapes import polygon_pixels, run_pixels, runs_of
from tatami.types import Size

# pycocotools was written for NumPy 1
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def by_coco(corners: np.ndarray, size: Size) -> np.ndarray:
    flat = corners.astype(np.float64).ravel().tolist()
    (encoded,) = oracle.frPyObjects([flat], size.height, size.width)
    return oracle.decode(encoded).astype(bool)


@pytest.mark.parametrize("seed", range(8))
def test_random_polygons_inside_and_over_the_edge(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(40):
        size = Size(int(rng.integers(1, 60)), int(rng.integers(1, 60)))
        count = int(rng.integers(3, 12))
        around = rng.uniform(-5, 10, 2) if seed % 2 else (0, 0)
        corners = rng.uniform(0, (size.width, size.height), (count, 2)) + around
        if seed >= 4:  # corners of whole and half pixels, where ties are
            corners = np.rint(corners * 2) / 2
        found = polygon_pixels(corners, size)
        assert found.shape == (size.height, size.width)
        np.testing.assert_array_equal(found, by_coco(corners, size))


def test_a_box_of_whole_pixels_covers_them() -> None:
    found = polygon_pixels(np.array([[2, 1], [5, 1], [5, 4], [2, 4]], float), Size(8, 6))
    expected = np.zeros((6, 8), bool)
    expected[1:4, 2:5] = True
    np.testing.assert_array_equal(found, expected)


@given(
    st.integers(1, 12).flatmap(
        lambda width: st.integers(1, 12).flatmap(
            lambda height: st.lists(
                st.booleans(), min_size=width * height, max_size=width * height
            ).map(lambda bits: np.array(bits, np.uint8).reshape(height, width))
        )
    )
)
def test_run_lengths_both_ways(mask: np.ndarray) -> None:
    size = Size(mask.shape[1], mask.shape[0])
    runs = runs_of(oracle.encode(np.asfortranarray(mask))["counts"].decode())
    np.testing.assert_array_equal(run_pixels(runs, size), mask == 1)


def test_long_runs_are_many_letters() -> None:
    mask = np.zeros((3000, 2000), np.uint8, order="F")
    mask[100:2900, 7] = 1
    mask[5, 1990:] = 1
    runs = runs_of(oracle.encode(mask)["counts"].decode())
    np.testing.assert_array_equal(run_pixels(runs, Size(2000, 3000)), mask == 1)


@pytest.mark.parametrize("text", ["~", "/", "o", "\n", "o" * 20])
def test_text_that_is_no_run_length(text: str) -> None:
    with pytest.raises(ValueError, match=r"run lengths"):
        runs_of(text)


@pytest.mark.parametrize("runs", [[5], [2**62, 2**62, 12], [-2, 14], []])
def test_runs_of_another_size(runs: list[int]) -> None:
    with pytest.raises(ValueError, match="add up"):
        run_pixels(runs, Size(4, 3))
