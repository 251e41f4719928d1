"""Truths and anchors: each matching once more, a truth and a box at a time."""

from __future__ import annotations

import numpy as np
import pytest

from tatami.rules.decoding import candidates
from tatami.see.anchors import anchor_sizes, default_boxes, draw_anchors, draw_matches, match
from tatami.types import AnchorGrid, Boxes, Decoding, Float64, Size
from tatami.types.colors import class_color

SIZE = Size(96, 64)
COARSE = AnchorGrid(((40.0, 30.0),), (32.0, 32.0))
FINE = AnchorGrid(((8.0, 8.0), (12.0, 20.0)), (16.0, 16.0))
SSD = Decoding("ssd", (FINE, COARSE), "softmax", (0.1, 0.2))
V3 = Decoding("yolov3", (FINE, COARSE), "sigmoid")


def some(count: int, seed: int) -> Float64:
    rng = np.random.default_rng(seed)
    corners = rng.uniform(-5, 60, (count, 2))
    return np.hstack((corners, corners + rng.uniform(2, 50, (count, 2))))


def iou(a: Float64, b: Float64) -> float:
    across = min(a[2], b[2]) - max(a[0], b[0])
    down = min(a[3], b[3]) - max(a[1], b[1])
    shared = max(across, 0) * max(down, 0)
    areas = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    return float(shared / (areas - shared))


def test_default_boxes_are_where_decoding_puts_them() -> None:
    """An SSD's raw maps of zeros are its default boxes."""
    boxes, anchor = default_boxes(SSD, SIZE)
    maps = [
        np.zeros((channels, round(64 / grid.stride[1]), round(96 / grid.stride[0])), np.float32)
        for grid, channels in SSD.maps(1)
    ]
    found = candidates(maps, SSD, 0.1, 1)  # all score alike: in the order of the rule
    np.testing.assert_allclose(boxes, found.xyxy, atol=1e-4)
    sides = anchor_sizes(SSD)[anchor]
    np.testing.assert_allclose(boxes[:, 2:] - boxes[:, :2], sides)
    assert len(boxes) == 2 * 6 * 4 + 3 * 2


def test_cells_that_share_the_input_out_are_counted_as_the_map_has_them() -> None:
    grid = AnchorGrid(((10.0, 10.0),), (300 / 19, 300 / 19))
    assert len(default_boxes(Decoding("ssd", (grid,), "softmax"), Size(300, 300))[0]) == 361


@pytest.mark.parametrize("seed", range(5))
def test_an_ssd_answers_with_the_box_that_overlaps_most_where_it_stands(seed: int) -> None:
    truths = some(7, seed)
    found = match(truths, SSD, SIZE)
    boxes, anchor = default_boxes(SSD, SIZE)
    for index, truth in enumerate(truths):
        overlaps = [iou(truth, box) for box in boxes]
        assert found.iou[index] == pytest.approx(max(overlaps))
        best = int(np.argmax(overlaps))
        assert found.anchor[index] == anchor[best]
        np.testing.assert_array_equal(found.xyxy[index], boxes[best])


@pytest.mark.parametrize("seed", range(5))
def test_a_yolo_answers_with_the_anchor_of_the_nearest_shape(seed: int) -> None:
    truths = some(7, seed)
    found = match(truths, V3, SIZE)
    for index, truth in enumerate(truths):
        w, h = truth[2:] - truth[:2]
        shapes = [iou(np.array([0, 0, w, h]), np.array([0, 0, *pair])) for pair in anchor_sizes(V3)]
        assert found.iou[index] == pytest.approx(max(shapes))
        assert found.anchor[index] == int(np.argmax(shapes))
        x1, y1, x2, y2 = found.xyxy[index]
        np.testing.assert_allclose([x1 + x2, y1 + y2], truth[:2] + truth[2:])
        np.testing.assert_allclose([x2 - x1, y2 - y1], anchor_sizes(V3)[found.anchor[index]])


def test_of_truths_that_want_one_predictor_the_later_ones_are_crowded_out() -> None:
    middle = np.array([24.0, 24.0, 24.0, 24.0])
    around = np.array([-4.0, -4.0, 4.0, 4.0])
    truths = np.array(
        [middle + around, middle + 0.9 * around, middle + 4 * around, middle + around]
    )
    assert match(truths, V3, SIZE).crowded.tolist() == [False, True, False, True]
    assert match(truths, SSD, SIZE).crowded.tolist() == [False, True, False, True]
    moved = truths.copy()
    moved[3] += 16  # the same shape in another cell
    assert match(moved, V3, SIZE).crowded.tolist() == [False, True, False, False]
    whole = AnchorGrid(((96.0, 64.0),) * 2, (96 / 7, 64 / 7))
    found = match(truths, Decoding("yolov1", (whole,), "linear"), SIZE)
    assert found.crowded.tolist() == [False, True, True, True]  # one truth a cell
    assert found.iou.tolist() == [1, 1, 1, 1]
    assert found.fits.tolist() == [True, False, False, False]


def test_no_truths() -> None:
    for decoding in (V3, SSD):
        assert len(match(np.zeros((0, 4)), decoding, SIZE).fits) == 0


def test_what_does_not_fit_is_hatched_in_its_color() -> None:
    canvas = np.full((64, 96, 3), 128, np.uint8)
    truths = Boxes.of([[4, 4, 12, 12], [20, 2, 90, 12]], [0, 1])
    found = match(truths.xyxy, V3, SIZE)
    assert found.fits.tolist() == [True, False]
    drawn = draw_matches(canvas, truths, found, ("ant", "bee"), side=960)
    assert drawn.shape == (640, 960, 3)  # ten pixels for one

    def inside(box: list[int], color: tuple[int, int, int]) -> float:
        x1, y1, x2, y2 = box
        return float((drawn[y1:y2, x1:x2] == color).all(axis=2).mean())

    assert inside([50, 50, 110, 110], class_color(0)) == 0
    assert 0.05 < inside([600, 40, 880, 110], class_color(1)) < 0.3
    assert (drawn[20:120, 200] == class_color(1)).all()  # the truth's own edge


def test_all_anchors_are_drawn_to_scale() -> None:
    drawn = draw_anchors(V3, SIZE, side=1008)  # ten pixels for one
    height, width = drawn.shape[:2]
    assert (width, height) == (1008, 672)
    row = drawn[height // 2]
    for grid, (across, _) in ((0, (12, 20)), (1, (40, 30))):
        color = (row == class_color(grid)).all(axis=1).nonzero()[0]
        assert color.max() - color.min() == pytest.approx(10 * across, abs=3)
