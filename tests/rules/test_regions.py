"""The rule between the two stages: against loops in float64, and its steps one by one."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tatami.errors import TatamiError
from tatami.graph.metadata import from_metadata, to_metadata
from tatami.rules.boxes import iou_xyxy
from tatami.rules.picture import Placement
from tatami.rules.regions import (
    TwoStageDetector,
    given_regions,
    pool,
    proposed_regions,
    region_candidates,
    warp,
    warped,
)
from tatami.types import AnchorGrid, Decoding, InputSpec, RegionDecoding, Size, TwoStageSpec

SIZE = Size(96, 64)
ANCHORS = ((20.0, 12.0), (30.0, 44.0))
PROPOSALS = Decoding(
    "ssd",
    (AnchorGrid(ANCHORS, (16.0, 16.0)),),
    "softmax",
    score_threshold=0.0,
    iou_threshold=0.7,
    max_candidates=6000,
)
REGIONS = RegionDecoding(bins=Size(3, 2), min_side=4.0, max_regions=5)
SPEC = TwoStageSpec(("a", "b"), InputSpec(SIZE), PROPOSALS, REGIONS)


def maps(rng):
    return [rng.standard_normal((8, 4, 6), np.float32), rng.standard_normal((4, 4, 6), np.float32)]


def naive_regions(offsets, scores):
    """Every anchor in turn, then the best kept and those like it thrown out, again and again."""
    found = []
    for a, (width, height) in enumerate(ANCHORS):
        for row in range(4):
            for column in range(6):
                tx, ty, tw, th = (float(offsets[4 * a + k, row, column]) for k in range(4))
                nothing, anything = (float(scores[2 * a + k, row, column]) for k in range(2))
                x, y = (column + 0.5) * 16 + tx * width, (row + 0.5) * 16 + ty * height
                w, h = width * math.exp(tw), height * math.exp(th)
                box = [
                    min(max(edge, 0), end)
                    for edge, end in zip(
                        (x - w / 2, y - h / 2, x + w / 2, y + h / 2), (96, 64, 96, 64), strict=True
                    )
                ]
                if min(box[2] - box[0], box[3] - box[1]) >= 4:
                    found.append((1 / (1 + math.exp(nothing - anything)), box))
    found.sort(key=lambda one: -one[0])
    kept = []
    for _, box in found:
        if all(iou_xyxy(np.array([box]), np.array([one]))[0, 0] <= 0.7 for one in kept):
            kept.append(box)
    return np.array(kept[:5])


def test_proposals_are_those_of_loops():
    rng = np.random.default_rng(0)
    for _ in range(5):
        one = maps(rng)
        found = proposed_regions(one, PROPOSALS, REGIONS, SIZE)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, naive_regions(*one), rtol=1e-5, atol=1e-4)


def test_given_regions_go_onto_the_input_in_their_order():
    boxes = np.array([(0, 0, 200, 100), (20, 20, 21, 90), (-50, 10, 60, 500), (100, 40, 180, 90)])
    placement = Placement(0, 8, 96, 48)  # a picture of 200x100
    found = given_regions(boxes.astype(float), placement, Size(200, 100), SIZE, REGIONS)
    expected = [(0, 8, 96, 56), (0, 12.8, 28.8, 64), (48, 27.2, 86.4, 51.2)]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_candidates_are_those_of_loops():
    rng = np.random.default_rng(1)
    regions = np.array([(10, 10, 40, 50), (0, 0, 96, 64), (30, 5, 60, 20)], np.float32)
    numbers = rng.standard_normal((3, 3)).astype(np.float32)
    offsets = rng.standard_normal((3, 8)).astype(np.float32)
    found = region_candidates(regions, numbers, offsets, REGIONS, 0.2)
    expected = []
    for k, (x1, y1, x2, y2) in enumerate(regions.tolist()):
        total = sum(math.exp(float(each)) for each in numbers[k])
        for label in range(2):
            score = math.exp(float(numbers[k, label + 1])) / total
            if score > 0.2:
                tx, ty, tw, th = (float(each) for each in offsets[k, 4 * label : 4 * label + 4])
                w, h = x2 - x1, y2 - y1
                x, y = (x1 + x2) / 2 + 0.1 * tx * w, (y1 + y2) / 2 + 0.1 * ty * h
                w, h = w * math.exp(0.2 * tw), h * math.exp(0.2 * th)
                expected.append((score, label, (x - w / 2, y - h / 2, x + w / 2, y + h / 2)))
    expected.sort(key=lambda one: -one[0])
    assert len(expected) > 2
    assert found.labels.tolist() == [label for _, label, _ in expected]
    np.testing.assert_allclose(found.scores, [score for score, _, _ in expected], rtol=1e-5)
    np.testing.assert_allclose(found.xyxy, [box for _, _, box in expected], rtol=1e-4)


def test_numbers_that_are_none_are_left_out():
    regions = np.array([(10, 10, 40, 50), (0, 0, 96, 64)], np.float32)
    numbers = np.array([[np.nan, 1, 1], [0, 9, 9]], np.float32)
    offsets = np.zeros((2, 8), np.float32)
    offsets[1, 0], offsets[1, 6] = np.nan, np.inf
    found = region_candidates(regions, numbers, offsets, REGIONS, 0.1)
    assert found.labels.tolist() == [1]
    assert np.isfinite(found.xyxy).all()


def test_sigmoid_scores_have_no_background():
    regions = np.array([(10, 10, 40, 50)], np.float32)
    decoding = RegionDecoding(kind="warp", scores="sigmoid")
    numbers = np.array([[2.0, -2.0]], np.float32)
    found = region_candidates(regions, numbers, np.zeros((1, 8), np.float32), decoding, 0.5)
    assert found.labels.tolist() == [0]
    np.testing.assert_allclose(found.scores, [1 / (1 + math.exp(-2))], rtol=1e-6)
    np.testing.assert_allclose(found.xyxy, regions, atol=1e-5)


def test_a_region_warped_fills_the_middle_and_shows_what_is_around():
    picture = np.full((60, 80, 3), 10, np.uint8)
    picture[20:40, 30:50] = 200
    crop = warped(picture, np.array([30, 20, 50, 40], np.float32), Size(48, 48), 8, 128)
    assert crop.shape == (48, 48, 3)
    assert (crop[12:36, 12:36] == 200).all()
    assert (crop[:4] == 10).all()
    wide = warped(picture, np.array([30, 20, 50, 25], np.float32), Size(48, 48), 8, 128)
    assert (wide[12:36, 12:36] == 200).all()  # whatever its shape


def test_beyond_the_picture_there_is_the_pad():
    picture = np.full((60, 80, 3), 10, np.uint8)
    crop = warped(picture, np.array([0, 0, 20, 60], np.float32), Size(48, 48), 8, 128)
    assert (crop[:, :8] == 128).all()
    assert (crop[:8] == 128).all()
    assert (crop[-8:] == 128).all()
    assert (crop[8:-8, 8:] == 10).all()


def test_a_tiny_region_in_the_corner_is_warped():
    picture = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    for box in ((79, 59, 80, 60), (0, 0, 1, 1), (79.6, 0, 80, 60), (0, 59.7, 80, 60)):
        assert warped(picture, np.array(box, np.float32), Size(32, 32), 4, 0).shape == (32, 32, 3)


def test_pooling_is_of_the_stride():
    features = np.arange(24, dtype=np.float32).reshape(1, 1, 4, 6)
    pooled = pool(features, np.array([[0, 0, 48, 32]], np.float32), REGIONS)
    np.testing.assert_array_equal(pooled, [[[[0, 1, 2], [6, 7, 8]]]])


def constant_head(numbers, offsets):
    def head(pooled):
        count = len(pooled)
        return np.tile(numbers, (count, 1)), np.tile(offsets, (count, 1))

    return head


def test_the_whole_way_of_a_picture():
    """A network that proposes one anchor, and a head that is sure: the box is that anchor."""

    def features(images):
        assert images.shape == (1, 3, 64, 96)
        offsets = np.zeros((1, 8, 4, 6), np.float32)
        scores = np.zeros((1, 4, 4, 6), np.float32)
        scores[:, 0::2] = 200  # softmax gives 0 for all that is not there
        scores[0, 2:, 1, 2] = (-200, 200)
        return np.zeros((1, 5, 4, 6), np.float32), offsets, scores

    head = constant_head(np.array([[0, 0, 5]], np.float32), np.zeros((1, 8), np.float32))
    detector = TwoStageDetector(SPEC, features, head)
    found = detector.detect(np.zeros((128, 192, 3), np.uint8), 0.25)
    assert found.labels.tolist() == [1]
    # the second anchor, 30x44, around (40, 24) of the input, which is half the picture
    np.testing.assert_allclose(found.xyxy, [[50, 4, 110, 92]], atol=1e-4)


def test_without_regions_there_is_nothing():
    def features(images):
        scores = np.zeros((1, 4, 4, 6), np.float32)
        scores[:, 0::2] = 200
        return np.zeros((1, 5, 4, 6), np.float32), np.zeros((1, 8, 4, 6), np.float32), scores

    detector = TwoStageDetector(SPEC, features, constant_head(np.zeros((1, 3)), np.zeros((1, 8))))
    assert len(detector.detect(np.zeros((64, 96, 3), np.uint8), 0.0)) == 0


def test_a_network_without_proposals_asks_for_them():
    spec = TwoStageSpec(("a", "b"), InputSpec(SIZE), None, REGIONS)
    head = constant_head(np.array([[0, 5, 0]], np.float32), np.zeros((1, 8), np.float32))

    def features(images):
        return (np.zeros((1, 5, 4, 6), np.float32),)

    picture = np.zeros((64, 96, 3), np.uint8)
    with pytest.raises(TatamiError, match="no regions by itself"):
        TwoStageDetector(spec, features, head).detect(picture, 0.25)
    given = np.array([[10.0, 12, 40, 50]])
    found = TwoStageDetector(spec, features, head, lambda _: given).detect(picture, 0.25)
    np.testing.assert_allclose(found.xyxy, given, atol=1e-4)


def test_warped_regions_stay_in_the_pictures_pixels():
    decoding = RegionDecoding(kind="warp", scores="sigmoid", context=4)
    spec = TwoStageSpec(("a",), InputSpec(Size(32, 32)), None, decoding, "head")
    given = np.array([[100.0, 12, 190, 50]])
    seen = []

    def head(crops):
        seen.append(crops)
        return np.full((1, 1), 3, np.float32), np.zeros((1, 4), np.float32)

    picture = np.random.default_rng(0).integers(0, 256, (128, 192, 3), dtype=np.uint8)
    found = TwoStageDetector(spec, None, head, lambda _: given).detect(picture, 0.25)
    np.testing.assert_allclose(found.xyxy, given, atol=1e-4)
    np.testing.assert_array_equal(seen[0], warp(picture, given.astype(np.float32), spec))
    assert seen[0].shape == (1, 3, 32, 32)


@pytest.mark.parametrize(
    "spec",
    [
        SPEC,
        TwoStageSpec(("a",), InputSpec(SIZE), None, REGIONS, "head", {"made by": "hand"}),
        TwoStageSpec(("a",), InputSpec(SIZE), None, RegionDecoding("warp", scores="sigmoid")),
    ],
    ids=["proposals", "head", "warp"],
)
def test_metadata_goes_and_comes_back(spec):
    assert from_metadata(to_metadata(spec)) == spec


@pytest.mark.parametrize(
    ("key", "was", "becomes"),
    [
        ("part", '"features"', '"neck"'),
        ("decoding", '"bins": "3x2"', '"bins": "300x2"'),
        ("decoding", '"kind": "pool"', '"kind": "align"'),
        ("decoding", '"max_regions": 5', '"max_regions": 0'),
        ("decoding", '"least_side": 4.0', '"least_side": -1'),
        ("proposals", '"kind": "ssd"', '"kind": "ssx"'),
    ],
)
def test_bad_metadata_is_refused(key, was, becomes):
    entries = to_metadata(SPEC)
    assert was in entries[f"tatami.{key}"]
    entries[f"tatami.{key}"] = entries[f"tatami.{key}"].replace(was, becomes)
    with pytest.raises(TatamiError, match=f"tatami.{key}|size"):
        from_metadata(entries)
