from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tatami.errors import TatamiError
from tatami.rules.decoding import candidates, detections
from tatami.rules.picture import placement
from tatami.types import AnchorGrid, Decoding, Detections, DetectionSpec, Float32, InputSpec, Size

ANCHORS = ((1.0, 0.5), (2.0, 3.0))
CLASSES = ("cup", "hat", "key")
DEPTH = 5 + len(CLASSES)


def spec_of(size: Size = Size(96, 64), **decoding: object) -> DetectionSpec:
    return DetectionSpec(CLASSES, InputSpec(size), replace(Decoding.yolov2(ANCHORS), **decoding))


def random_raw(seed: int, rows: int = 2, columns: int = 3, spread: float = 2.0) -> Float32:
    rng = np.random.default_rng(seed)
    return rng.normal(0, spread, (len(ANCHORS) * DEPTH, rows, columns)).astype(np.float32)


def sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))


def naive_candidates(raw: Float32, stride: int, threshold: float) -> list[tuple[float, ...]]:
    """The rule once more, a number at a time, in float64: (score, index, label, x1, y1, x2, y2)."""
    found = []
    index = 0
    _, rows, columns = raw.shape
    for a, (anchor_width, anchor_height) in enumerate(ANCHORS):
        for row in range(rows):
            for column in range(columns):
                values = [float(v) for v in raw[a * DEPTH : (a + 1) * DEPTH, row, column]]
                tx, ty, tw, th, to, *logits = values
                exponentials = [math.exp(v - max(logits)) for v in logits]
                for k in range(len(logits)):
                    score = sigmoid(to) * exponentials[k] / sum(exponentials)
                    if score > threshold:
                        x = (sigmoid(tx) + column) * stride
                        y = (sigmoid(ty) + row) * stride
                        w = anchor_width * math.exp(min(tw, 8)) * stride
                        h = anchor_height * math.exp(min(th, 8)) * stride
                        corners = (x - w / 2, y - h / 2, x + w / 2, y + h / 2)
                        found.append((score, index, k, *corners))
                    index += 1
    return sorted(found, key=lambda c: (-c[0], c[1]))


@pytest.mark.parametrize("threshold", [0.005, 0.1, 0.3])
@pytest.mark.parametrize("seed", range(20))
def test_candidates_are_those_of_a_naive_loop(seed: int, threshold: float) -> None:
    raw = random_raw(seed)
    expected = naive_candidates(raw, 32, threshold)
    found = candidates([raw], spec_of().decoding, threshold, len(CLASSES))
    assert found.xyxy.dtype == found.scores.dtype == np.float32
    assert found.labels.tolist() == [c[2] for c in expected]
    np.testing.assert_allclose(found.scores, [c[0] for c in expected], rtol=2e-6)
    np.testing.assert_allclose(
        found.xyxy, np.reshape([c[3:] for c in expected], (-1, 4)), rtol=1e-5, atol=1e-3
    )


def test_equal_scores_come_in_the_order_of_anchor_row_column_class() -> None:
    raw = np.zeros((len(ANCHORS) * DEPTH, 2, 3), np.float32)
    found = candidates([raw], spec_of().decoding, 0.1, len(CLASSES))
    assert len(found.scores) == 2 * 2 * 3 * 3
    assert found.labels.tolist() == [0, 1, 2] * 12
    centers = (found.xyxy[::3, :2] + found.xyxy[::3, 2:]) / 2
    row_major = [(x, y) for y in (16, 48) for x in (16, 48, 80)]
    np.testing.assert_allclose(centers, row_major * 2)
    np.testing.assert_allclose((found.xyxy[:, 2] - found.xyxy[:, 0]), [32] * 18 + [64] * 18)


def test_ties_among_many_scores_stand_in_that_order() -> None:
    rows, columns = 8, 9
    raw = np.zeros((len(ANCHORS) * DEPTH, rows, columns), np.float32)
    objectness = np.random.default_rng(0).integers(0, 3, (len(ANCHORS), rows, columns))
    raw[4::DEPTH] = objectness
    found = candidates([raw], spec_of().decoding, 0.1, len(CLASSES))
    order = np.argsort(-np.repeat(objectness.reshape(-1), 3), kind="stable")
    _, row, column, label = np.unravel_index(order, (len(ANCHORS), rows, columns, 3))
    assert found.labels.tolist() == label.tolist()
    centers = (found.xyxy[:, :2] + found.xyxy[:, 2:]) / 2
    np.testing.assert_allclose(centers, np.stack([column, row], axis=1) * 32 + 16, atol=1e-3)


@pytest.mark.parametrize("channel", [2, 3])
def test_log_sides_are_cut_at_8(channel: int) -> None:
    raw = np.zeros((len(ANCHORS) * DEPTH, 1, 1), np.float32)
    raw[channel::DEPTH] = 8
    at_8 = candidates([raw], spec_of().decoding, 0.1, len(CLASSES)).xyxy
    raw[channel::DEPTH] = 50
    beyond = candidates([raw], spec_of().decoding, 0.1, len(CLASSES)).xyxy
    np.testing.assert_array_equal(beyond, at_8)
    assert at_8[0, channel] - at_8[0, channel - 2] > 30_000


def test_the_threshold_itself_is_not_exceeded() -> None:
    raw = np.zeros((len(ANCHORS) * DEPTH, 1, 1), np.float32)
    score = np.float32(0.5) * (np.float32(1) / np.float32(3))
    assert len(candidates([raw], spec_of().decoding, float(score), 3).scores) == 0
    below = float(np.nextafter(score, np.float32(0)))
    assert len(candidates([raw], spec_of().decoding, below, 3).scores) == 6


def test_at_most_max_candidates_the_best() -> None:
    raw = random_raw(1)
    every = candidates([raw], spec_of().decoding, 0.01, len(CLASSES))
    some = candidates([raw], spec_of(max_candidates=5).decoding, 0.01, len(CLASSES))
    assert len(every.scores) > 5
    np.testing.assert_array_equal(some.scores, every.scores[:5])
    np.testing.assert_array_equal(some.xyxy, every.xyxy[:5])


@pytest.mark.parametrize("channel", range(DEPTH))
def test_a_nan_makes_no_candidate_of_its_cell_and_spares_the_others(channel: int) -> None:
    raw = random_raw(2)
    expected = candidates([raw], spec_of().decoding, -1, len(CLASSES))
    raw[channel, 0, 0] = np.nan  # anchor 0, the first cell: the candidates with index 0, 1, 2
    found = candidates([raw], spec_of().decoding, -1, len(CLASSES))
    assert len(found.scores) == len(expected.scores) - len(CLASSES)
    assert np.isfinite(found.xyxy).all()


@pytest.mark.parametrize("value", [np.inf, -np.inf, 3e38, -3e38])
@pytest.mark.parametrize("channel", range(DEPTH))
def test_huge_numbers_give_sound_boxes_without_warning(channel: int, value: float) -> None:
    raw = random_raw(3)
    raw[channel] = value
    size = Size(96, 64)
    spec = spec_of(size)
    found = detections([raw], spec, placement(size, spec.input), size, 0.01)
    assert np.isfinite(found.xyxy).all()
    assert np.isfinite(found.scores).all()


def test_a_map_of_another_depth_is_refused() -> None:
    with pytest.raises(TatamiError, match="2 anchors and 3 classes need 16 channels"):
        candidates([np.zeros((15, 2, 3), np.float32)], spec_of().decoding, 0.1, 3)


def one_box(size: Size, spec: DetectionSpec) -> Detections:
    """The answer to a map with one confident box in the middle of cell (1, 1), of 2 x 3 cells."""
    raw = np.full((len(ANCHORS) * DEPTH, 2, 3), -20, np.float32)
    raw[DEPTH : DEPTH + 4, 1, 1] = 0
    raw[DEPTH + 4 :, 1, 1] = [20, 0, 20, 0]
    return detections([raw], spec, placement(size, spec.input), size, 0.25)


def test_boxes_are_mapped_to_the_picture_and_clipped() -> None:
    # On a 96x64 canvas the box is center (48, 48), sides 64 x 96: edges (16, 0, 80, 96).
    spec = spec_of(Size(96, 64))
    same = one_box(Size(96, 64), spec)
    np.testing.assert_allclose(same.xyxy, [[16, 0, 80, 64]], atol=1e-4)
    assert same.labels.tolist() == [1]
    assert same.scores[0] == pytest.approx(1, abs=1e-6)
    # A picture of 300x100 lies at (0, 16) as 96x32: a pixel of the canvas is 3.125 of its own.
    wide = one_box(Size(300, 100), spec)
    np.testing.assert_allclose(wide.xyxy, [[50, 0, 250, 100]], atol=1e-3)


def test_boxes_are_suppressed_as_large_as_they_are_and_clipped_then() -> None:
    # Two boxes that share a third: from 0 to 32, and from -32 to 32, clipped the same.
    spec = spec_of(Size(96, 64), iou_threshold=0.6)
    raw = np.full((len(ANCHORS) * DEPTH, 2, 3), -20, np.float32)
    raw[:DEPTH, 0, 0] = [0, 0, 0, 0.7, 20, 20, 0, 0]  # center (16, 16), 32 x 32.2
    raw[DEPTH:, 0, 0] = [-20, 0, 0, -1.09, 20, 20, 0, 0]  # center (0, 16), 64 x 32.3
    size = Size(96, 64)
    found = detections([raw], spec, placement(size, spec.input), size, 0.25)
    np.testing.assert_allclose(found.xyxy, [[0, 0, 32, 32]] * 2, atol=0.2)


def test_a_box_in_the_padding_alone_is_dropped() -> None:
    spec = spec_of(Size(96, 64))
    raw = np.full((len(ANCHORS) * DEPTH, 2, 3), -20, np.float32)
    raw[:DEPTH, 0, 1] = [0, 0, 0, -2, 20, 20, 0, 0]  # center (48, 16), 32 wide and 2 high
    tall, flat = Size(96, 64), Size(960, 200)  # the flat one's picture starts at row 22
    assert len(detections([raw], spec, placement(tall, spec.input), tall, 0.25)) == 1
    assert len(detections([raw], spec, placement(flat, spec.input), flat, 0.25)) == 0


@given(st.integers(0, 10_000))
def test_detections_are_best_first_inside_the_picture_and_capped(seed: int) -> None:
    spec, size = spec_of(max_detections=4), Size(123, 45)
    found = detections([random_raw(seed)], spec, placement(size, spec.input), size, 0.05)
    assert len(found) <= 4
    assert (np.diff(found.scores) <= 0).all()
    assert (found.xyxy >= 0).all()
    assert (found.xyxy[:, 2:] <= [123, 45]).all()
    assert (found.xyxy[:, 2:] > found.xyxy[:, :2]).all()


def test_nms_works_within_a_class_only() -> None:
    spec, size = spec_of(), Size(96, 64)
    raw = np.full((len(ANCHORS) * DEPTH, 2, 3), -20, np.float32)
    raw[DEPTH:, 1, 1] = [0, 0, 0, 0, 20, 1, 1, -20]  # one box, half cup and half hat
    raw[DEPTH:, 1, 2] = [-3, 0, 0, 0, 19, 1, 1, -20]  # nearly the same box from the next cell
    found = detections([raw], spec, placement(size, spec.input), size, 0.25)
    assert sorted(found.labels.tolist()) == [0, 1]


def test_agnostic_nms_works_among_all_classes() -> None:
    size = Size(96, 64)
    raw = np.full((len(ANCHORS) * DEPTH, 2, 3), -20, np.float32)
    raw[DEPTH:, 1, 1] = [0, 0, 0, 0, 20, 3, 1, -20]  # a cup
    raw[DEPTH:, 1, 2] = [-3, 0, 0, 0, 19, 1, 3, -20]  # and a hat at nearly the same place
    for agnostic, labels in ((False, [0, 1]), (True, [0])):
        spec = spec_of(agnostic=agnostic)
        found = detections([raw], spec, placement(size, spec.input), size, 0.25)
        assert found.labels.tolist() == labels


def yolov1_of(size: Size = Size(96, 64), **decoding: object) -> DetectionSpec:
    """Two boxes a cell of 32 x 32."""
    sides = (float(size.width), float(size.height))
    rule = Decoding("yolov1", (AnchorGrid((sides, sides), (32.0, 32.0)),), "linear", **decoding)
    return DetectionSpec(CLASSES, InputSpec(size), rule)


def cut(value: float) -> float:
    return min(max(value, 0.0), 1.0)


@pytest.mark.parametrize("threshold", [0.005, 0.1, 0.3])
@pytest.mark.parametrize("seed", range(10))
def test_yolov1_is_the_papers_encoding(seed: int, threshold: float) -> None:
    """Section 2 of Redmon et al. 2016, a number at a time: x, y in the cell, roots of w, h, a
    confidence a box; a class vector a cell."""
    rng = np.random.default_rng(seed)
    raw = rng.normal(0.6, 0.5, (2 * 5 + 3, 2, 3)).astype(np.float32)
    expected = []
    for box in range(2):
        for row, column, k in itertools.product(range(2), range(3), range(3)):
            x, y, w, h, confidence = raw[5 * box : 5 * box + 5, row, column].astype(float)
            score = cut(confidence) * cut(float(raw[10 + k, row, column]))
            if score > threshold:
                cx, cy, w, h = (column + x) * 32, (row + y) * 32, 96 * w**2, 64 * h**2
                corners = (cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2)
                expected.append((score, k, *corners))
    expected.sort(key=lambda one: -one[0])  # stable: by box, row, column, class
    found = candidates([raw], yolov1_of().decoding, threshold, len(CLASSES))
    assert len(expected) > 5
    assert found.labels.tolist() == [one[1] for one in expected]
    np.testing.assert_allclose(found.scores, [one[0] for one in expected], rtol=1e-6)
    np.testing.assert_allclose(found.xyxy, [one[2:] for one in expected], rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan, 3e38, -3e38, -1.0, 9.0])
@pytest.mark.parametrize("channel", range(13))
def test_yolov1_gives_sound_boxes_of_anything(channel: int, value: float) -> None:
    raw = np.random.default_rng(0).normal(0.5, 0.5, (13, 2, 3)).astype(np.float32)
    raw[channel] = value
    size, spec = Size(96, 64), yolov1_of()
    found = detections([raw], spec, placement(size, spec.input), size, 0.01)
    assert np.isfinite(found.xyxy).all()
    assert ((found.scores > 0.01) & (found.scores <= 1)).all()
    xyxy = candidates([raw], spec.decoding, 0.01, 3).xyxy
    near = xyxy[np.isfinite(xyxy).all(axis=1)]  # a center may be anywhere
    assert (near[:, 2:] - near[:, :2] <= [64.01 * 96, 64.01 * 64]).all()


@pytest.mark.parametrize("kind", ["yolov2", "ssd"])
def test_linear_scores_are_the_numbers_cut_to_0_and_1(kind: str) -> None:
    raw = np.random.default_rng(1).normal(0.5, 1, (8, 2, 3)).astype(np.float32)
    grid = AnchorGrid(((9.0, 9.0),), (8.0, 8.0))
    maps = [raw] if kind == "yolov2" else [raw[:4], raw[4:]]
    decoding = Decoding(kind, (grid,), "linear")  # type: ignore[arg-type]
    found = candidates(maps, decoding, 0.0, 3)
    expected = np.clip(raw[5:], 0, 1)
    if kind == "yolov2":
        expected = expected * (1 / (1 + np.exp(-raw[4:5])))
    positive = np.sort(expected[expected > 0])[::-1]
    np.testing.assert_allclose(found.scores, positive, rtol=1e-6)
    assert found.scores.max() == 1 or kind == "yolov2"
