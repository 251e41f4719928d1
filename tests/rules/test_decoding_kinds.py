"""Decodings of YOLOv5, of distances and of heat maps, a number at a time, and in files."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from tatami.errors import TatamiError
from tatami.graph.metadata import from_metadata, to_metadata
from tatami.rules.decoding import candidates
from tatami.types import AnchorGrid, Decoding, DetectionSpec, InputSpec, Size

CLASSES = 3
ANCHORS = ((10.0, 14.0), (23.0, 7.0))
Box = tuple[float, float, float, float, float, int]


def sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))


def drawn(decoding: Decoding, seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [
        rng.normal(0, 2, (channels, 3, 4)).astype(np.float32)
        for _, channels in decoding.maps(CLASSES)
    ]


def same(maps: list[np.ndarray], decoding: Decoding, expected: list[Box]) -> None:
    found = candidates(maps, decoding, 0.3, CLASSES)
    expected = sorted(expected, key=lambda box: -box[4])
    assert len(found.scores) == len(expected) > 5
    np.testing.assert_allclose(found.scores, [box[4] for box in expected], rtol=1e-4)
    np.testing.assert_array_equal(found.labels, [box[5] for box in expected])
    np.testing.assert_allclose(found.xyxy, [box[:4] for box in expected], rtol=1e-4, atol=1e-2)


def corners(cx: float, cy: float, w: float, h: float) -> tuple[float, float, float, float]:
    return cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2


def test_yolov5() -> None:
    decoding = Decoding("yolov5", (AnchorGrid(ANCHORS, (8.0, 16.0), 2.0),), "sigmoid")
    (raw,) = maps = drawn(decoding, 0)
    expected: list[Box] = []
    for a, (pw, ph) in enumerate(ANCHORS):
        for row in range(3):
            for column in range(4):
                tx, ty, tw, th, to, *rest = map(float, raw[8 * a : 8 * a + 8, row, column])
                box = corners(
                    (2 * sigmoid(tx) - 0.5 + column) * 8,
                    (2 * sigmoid(ty) - 0.5 + row) * 16,
                    pw * (2 * sigmoid(tw)) ** 2,
                    ph * (2 * sigmoid(th)) ** 2,
                )
                for k, number in enumerate(rest):
                    score = sigmoid(to) * sigmoid(number)
                    if score > 0.3:
                        expected.append((*box, score, k))
    same(maps, decoding, expected)


@pytest.mark.parametrize(("bins", "center"), [(1, 0.0), (1, 0.5), (5, 0.5)])
def test_distances(bins: int, center: float) -> None:
    grid = AnchorGrid(ANCHORS, (8.0, 16.0))
    decoding = Decoding("distance", (grid,), "sigmoid", bins=bins, center=center)
    boxes, scores = maps = drawn(decoding, 1)
    expected: list[Box] = []
    for a in range(2):
        for row in range(3):
            for column in range(4):
                sides = []
                for side in range(4):
                    first = (4 * a + side) * bins
                    numbers = [float(v) for v in boxes[first : first + bins, row, column]]
                    if bins > 1:
                        parts = [math.exp(v) for v in numbers]
                        numbers = [sum(j * part for j, part in enumerate(parts)) / sum(parts)]
                    sides.append(numbers[0])
                left, top, right, bottom = sides
                x, y = (column + center) * 8, (row + center) * 16
                box = (x - left * 8, y - top * 16, x + right * 8, y + bottom * 16)
                for k in range(CLASSES):
                    score = sigmoid(float(scores[CLASSES * a + k, row, column]))
                    if score > 0.3:
                        expected.append((*box, score, k))
    same(maps, decoding, expected)


def test_heat_maps() -> None:
    decoding = Decoding("heatmap", (AnchorGrid(((1.0, 1.0),), (4.0, 4.0)),), "sigmoid")
    heat, sides, offsets = maps = drawn(decoding, 4)
    expected: list[Box] = []
    for k in range(CLASSES):
        for row in range(3):
            for column in range(4):
                around = heat[k, max(0, row - 1) : row + 2, max(0, column - 1) : column + 2]
                score = sigmoid(float(heat[k, row, column]))
                if heat[k, row, column] < around.max() or score <= 0.3:
                    continue
                w, h = (4 * float(v) for v in sides[:, row, column])
                x, y = (float(v) for v in offsets[:, row, column])
                expected.append((*corners((column + x) * 4, (row + y) * 4, w, h), score, k))
    assert 2 < len(expected) < 12
    found = candidates(maps, decoding, 0.3, CLASSES)
    expected.sort(key=lambda box: -box[4])
    np.testing.assert_allclose(found.scores, [box[4] for box in expected], rtol=1e-5)
    np.testing.assert_allclose(found.xyxy, [box[:4] for box in expected], rtol=1e-4, atol=1e-3)


def test_equal_heat_side_by_side_stays() -> None:
    decoding = Decoding("heatmap", (AnchorGrid(((1.0, 1.0),), (4.0, 4.0)),), "linear")
    heat = np.zeros((CLASSES, 3, 4), np.float32)
    heat[1, 1, 1:3] = 0.9
    others = np.ones((2, 3, 4), np.float32)
    assert candidates([heat, others, others], decoding, 0.5, CLASSES).labels.tolist() == [1, 1]


def test_in_a_file() -> None:
    grid = AnchorGrid(((1.0, 1.0),), (8.0, 8.0))
    spec = DetectionSpec(
        ("a",), InputSpec(Size(32, 32)), Decoding("distance", (grid,), "sigmoid", bins=16)
    )
    entries = to_metadata(spec)
    assert from_metadata(entries) == spec
    older = to_metadata(replace(spec, decoding=Decoding.yolov2(ANCHORS)))
    assert "bins" not in older["tatami.decoding"]  # as files were before there were distances
    entries["tatami.decoding"] = entries["tatami.decoding"].replace('"bins": 16', '"bins": 0')
    with pytest.raises(TatamiError, match="bins"):
        from_metadata(entries)
