"""Selective search: the grouping against one that counts pixels, and what it finds in pictures."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from tatami.data import selective_search as module
from tatami.data.selective_search import FAST, QUALITY, Strategies, selective_search
from tatami.errors import TatamiError
from tatami.rules.boxes import iou_xyxy

ALL = ("color", "texture", "size", "fill")


def naive_grouping(segments, color_bins, texture_bins, measures):
    """Algorithm 1 on sets of pixels: every histogram and box is counted anew for every pair."""
    regions = {int(n): segments == n for n in np.unique(segments)}
    boxes = []

    def box(mask):
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        return columns[0], rows[0], columns[-1] + 1, rows[-1] + 1

    def histogram(mask, bins):
        counted = np.bincount(bins[:, mask.ravel()].ravel(), minlength=int(bins.max()) + 1)
        return counted / counted.sum()

    def touch(a, b):
        grown = a.copy()
        grown[1:] |= a[:-1]
        grown[:-1] |= a[1:]
        grown[:, 1:] |= a[:, :-1]
        grown[:, :-1] |= a[:, 1:]
        return (grown & b).any()

    def alike(a, b):
        total = 0.0
        if "color" in measures:
            total += np.minimum(histogram(a, color_bins), histogram(b, color_bins)).sum()
        if "texture" in measures:
            total += np.minimum(histogram(a, texture_bins), histogram(b, texture_bins)).sum()
        if "size" in measures:
            total += 1 - (a.sum() + b.sum()) / segments.size
        if "fill" in measures:
            left, top, right, bottom = box(a | b)
            hull = (right - left) * (bottom - top)
            total += 1 - (hull - a.sum() - b.sum()) / segments.size
        return total

    boxes = [box(mask) for mask in regions.values()]
    while len(regions) > 1:
        pairs = [(a, b) for a in regions for b in regions if a < b]
        pairs = [(a, b) for a, b in pairs if touch(regions[a], regions[b])]
        a, b = max(pairs, key=lambda pair: alike(regions[pair[0]], regions[pair[1]]))
        made = regions.pop(a) | regions.pop(b)
        regions[len(boxes)] = made
        boxes.append(box(made))
    return np.array(boxes)


@pytest.mark.parametrize("measures", [ALL, ("texture", "size", "fill"), ("fill",), ("color",)])
def test_grouping_merges_as_one_that_counts_pixels(measures):
    rng = np.random.default_rng(3)
    pixels = rng.random((24, 30, 3), dtype=np.float32)
    # Blocks of uneven sides, so that no two pairs are equally alike.
    edges = np.cumsum([5, 3, 7, 4, 5])
    rows, columns = np.searchsorted(edges, np.arange(24), "right"), np.arange(30) // 7
    segments = rows[:, None] * 5 + columns[None]
    pixels = 0.3 * pixels + 0.7 * rng.random((25, 3), dtype=np.float32)[segments]
    color, texture = module._color_bins(pixels), module._texture_bins(pixels)
    start = module._regions(segments, color, texture)
    found = module._grouped(start, module._neighbors(segments), segments.size, measures)
    expected = naive_grouping(segments, color, texture, measures)
    assert np.array_equal(found, expected)


def test_derivatives_are_those_of_scipy():
    from scipy.ndimage import gaussian_filter

    plane = np.random.default_rng(0).random((20, 31), dtype=np.float32)
    across, down = module._gaussian_derivatives(plane)
    options = {"sigma": 1, "mode": "nearest", "radius": 3}
    # SciPy takes the derivative of the kernel itself, which differs by its norm; ours is a slope
    # of the same kernel, normalized once.
    assert np.allclose(across, gaussian_filter(plane, order=(0, 1), **options), atol=1e-5)
    assert np.allclose(down, gaussian_filter(plane, order=(1, 0), **options), atol=1e-5)


@pytest.mark.parametrize("space", QUALITY.spaces)
def test_colors_lie_between_0_and_1(space):
    pixels = np.random.default_rng(1).random((9, 11, 3), dtype=np.float32)
    pixels[0, 0], pixels[0, 1] = 0, 1
    colors = module._colors(pixels, space)
    assert colors.shape == (9, 11, {"h": 1, "i": 1}.get(space, 3))
    assert colors.dtype == np.float32
    assert colors.min() >= 0
    assert colors.max() <= 1


def scene():
    """Three flat shapes on a flat ground, and their boxes."""
    picture = np.full((120, 160, 3), (40, 120, 60), np.uint8)
    boxes = np.array([(10, 12, 50, 60), (70, 20, 150, 50), (60, 70, 130, 110)])
    for box, color in zip(boxes, [(200, 30, 30), (40, 40, 220), (230, 230, 60)], strict=True):
        left, top, right, bottom = box
        picture[top:bottom, left:right] = color
    return picture, boxes


def test_finds_the_shapes_and_the_whole():
    picture, boxes = scene()
    found = selective_search(picture)
    assert found.shape[1] == 4
    assert (found[:, :2] >= 0).all()
    assert (found[:, 2:] <= (160, 120)).all()
    assert iou_xyxy(boxes.astype(float), found).max(axis=1).min() > 0.9
    assert [0, 0, 160, 120] in found.tolist()


def test_no_box_twice_none_small_none_too_many():
    picture = np.random.default_rng(5).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    found = selective_search(picture)
    assert len(np.unique(found, axis=0)) == len(found)
    assert (found[:, 2:] - found[:, :2]).min() >= 12
    few = selective_search(picture, limit=5)
    assert np.array_equal(few, found[:5])
    assert len(selective_search(picture, min_side=1000)) == 0


def test_the_order_hangs_on_the_seed_alone():
    picture, _ = scene()
    picture = picture.copy()
    picture[::7, ::5] += 20
    once, again = selective_search(picture, seed=4), selective_search(picture, seed=4)
    other = selective_search(picture, seed=5)
    assert np.array_equal(once, again)
    assert not np.array_equal(once, other)
    assert sorted(once.tolist()) == sorted(other.tolist())


def test_a_large_picture_is_shrunk_and_its_boxes_grow_back():
    picture, boxes = scene()
    large = picture.repeat(8, axis=0).repeat(8, axis=1)
    found = selective_search(large, max_side=160)
    assert iou_xyxy(8.0 * boxes, found).max(axis=1).min() > 0.85
    assert found.max(axis=0).tolist() == [found[:, 0].max(), found[:, 1].max(), 1280, 960]


def test_one_color_is_one_region():
    found = selective_search(np.full((40, 50, 3), 99, np.uint8))
    assert found.tolist() == [[0, 0, 50, 40]]


def test_the_papers_numbers_of_groupings():
    def count(strategies: Strategies) -> int:
        return len(strategies.spaces) * len(strategies.measures) * len(strategies.scales)

    assert (count(FAST), count(QUALITY)) == (8, 80)


def test_without_scikit_image_it_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage", None)
    monkeypatch.setitem(sys.modules, "skimage.segmentation", None)
    with pytest.raises(TatamiError, match="scikit-image"):
        selective_search(scene()[0])
