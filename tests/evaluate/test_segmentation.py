"""Segmentation's measures against scikit-learn, SciPy and brute force, to 1e-9."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from scipy import ndimage
from sklearn import metrics

from tatami.evaluate.segmentation import TOLERANCE, Tally, boundary_f1
from tatami.types import VOID, Mask

NAMES = ("sky", "road", "tree", "car")


def blobs(rng: np.random.Generator, height: int, width: int, classes: int, void: float) -> Mask:
    """A mask of smooth areas, with some void."""
    fields = [ndimage.gaussian_filter(rng.normal(size=(height, width)), 3) for _ in range(classes)]
    mask = np.argmax(fields, axis=0).astype(np.uint8)
    mask[rng.random(mask.shape) < void] = VOID
    return mask


def pairs(seed: int, count: int = 3) -> list[tuple[Mask, Mask]]:
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        height, width = (int(side) for side in rng.integers(20, 60, 2))
        labeled = blobs(rng, height, width, len(NAMES), 0.1)
        answer = np.where(rng.random(labeled.shape) < 0.7, labeled, rng.integers(0, 4))
        answer[answer == VOID] = 0
        found.append((labeled, answer.astype(np.uint8)))
    return found


@pytest.mark.parametrize("seed", range(5))
def test_every_measure_of_areas_is_scikit_learns(seed: int) -> None:
    tally = Tally(NAMES)
    for labeled, answer in pairs(seed):
        tally.add(labeled, answer)
    result = tally.result()
    truth = np.concatenate([labeled[labeled != VOID] for labeled, _ in pairs(seed)])
    found = np.concatenate([answer[labeled != VOID] for labeled, answer in pairs(seed)])
    np.testing.assert_array_equal(result.confusion, metrics.confusion_matrix(truth, found))
    expected = {
        "pixel_accuracy": metrics.accuracy_score(truth, found),
        "class_accuracy": metrics.balanced_accuracy_score(truth, found),
        "mean_iou": metrics.jaccard_score(truth, found, average="macro"),
        "frequency_weighted_iou": metrics.jaccard_score(truth, found, average="weighted"),
        "mean_dice": metrics.f1_score(truth, found, average="macro"),
    }
    for name, value in expected.items():
        assert getattr(result, name) == pytest.approx(value, abs=1e-9), name
    for name, values in (
        ("iou", metrics.jaccard_score(truth, found, average=None)),
        ("dice", metrics.f1_score(truth, found, average=None)),
        ("accuracy", metrics.recall_score(truth, found, average=None)),
    ):
        mine = [getattr(one, name) for one in result.classes]
        np.testing.assert_allclose(mine, values, atol=1e-9)


def by_distances(labeled: Mask, found: Mask, label: int, reach: float) -> float:
    """The boundary measure of one class as it is written: every pixel, its four neighbors, and
    the distance to every pixel of the other boundary."""
    height, width = labeled.shape
    sets = []
    for mask in (labeled, np.where(labeled == VOID, VOID, found)):
        own = []
        for y in range(height):
            for x in range(width):
                around = [(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)]
                beside = [mask[p] for p in around if 0 <= p[0] < height and 0 <= p[1] < width]
                if mask[y, x] == label and any(n not in (label, VOID) for n in beside):
                    own.append((y, x))
        sets.append(own)
    truth, guess = sets
    if not truth and not guess:
        return math.nan

    def share(pixels: list[tuple[int, int]], others: list[tuple[int, int]]) -> float:
        near = [any(math.dist(p, q) < reach for q in others) for p in pixels]
        return sum(near) / len(near) if near else 0.0

    precision, recall = share(guess, truth), share(truth, guess)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


@pytest.mark.parametrize(("seed", "tolerance"), [(0, 0.02), (1, 0.05), (2, 0.0075), (3, 0.5)])
def test_boundaries_are_those_of_brute_force(seed: int, tolerance: float) -> None:
    rng = np.random.default_rng(seed)
    labeled = blobs(rng, 24, 31, 3, 0.05)
    found = np.roll(blobs(rng, 24, 31, 3, 0.0), 1, axis=0)
    found[:, :12] = np.roll(labeled, 2, axis=1)[:, :12]
    found[found == VOID] = 1
    mine = boundary_f1(labeled, found, len(NAMES), tolerance)
    reach = tolerance * math.hypot(31, 24)
    expected = [by_distances(labeled, found, label, reach) for label in range(len(NAMES))]
    np.testing.assert_allclose(mine, expected, atol=1e-9)
    assert math.isnan(mine[3])


def test_boundaries_of_a_large_picture_by_scipys_distances() -> None:
    rng = np.random.default_rng(5)
    labeled, found = (blobs(rng, 300, 400, 2, 0.0) for _ in range(2))
    reach = TOLERANCE * 500
    expected = []
    for label in range(2):
        edges = []
        for mask in (labeled, found):
            own = mask == label
            edges.append(own & ~ndimage.binary_erosion(own, border_value=1))
        truth, guess = edges
        near_truth = ndimage.distance_transform_edt(~truth) < reach
        near_guess = ndimage.distance_transform_edt(~guess) < reach
        precision, recall = near_truth[guess].mean(), near_guess[truth].mean()
        expected.append(2 * precision * recall / (precision + recall))
    np.testing.assert_allclose(boundary_f1(labeled, found, 2), expected, atol=1e-9)


def test_the_means_of_boundaries_are_over_classes_then_pictures() -> None:
    tally = Tally(NAMES)
    for labeled, answer in pairs(7):
        tally.add(labeled, answer)
    result = tally.result()
    each = np.array([boundary_f1(labeled, answer, 4) for labeled, answer in pairs(7)])
    assert result.boundary_f1 == pytest.approx(np.nanmean(np.nanmean(each, axis=1)), abs=1e-12)
    mine = [one.boundary_f1 for one in result.classes]
    np.testing.assert_allclose(mine, np.nanmean(each, axis=0), atol=1e-12)


def test_perfect_and_absent_and_void() -> None:
    labeled = np.zeros((8, 8), np.uint8)
    labeled[:, 4:] = 1
    labeled[0] = VOID
    tally = Tally(NAMES)
    tally.add(labeled, np.where(labeled == VOID, 3, labeled).astype(np.uint8))
    result = tally.result()
    assert (result.pictures, result.pixels) == (1, 56)
    assert result.pixel_accuracy == result.mean_iou == result.mean_dice == result.boundary_f1 == 1
    assert math.isnan(result.classes[2].iou)
    assert math.isnan(result.classes[2].boundary_f1)
    answer = json.loads(json.dumps(result.to_json(), allow_nan=False))
    assert answer["classes"][2]["iou"] is None
    assert answer["mean_iou"] == 1
    assert answer["confusion"][1] == [0, 28, 0, 0]


def test_nothing_but_void_is_no_number() -> None:
    tally = Tally(NAMES)
    tally.add(np.full((4, 4), VOID, np.uint8), np.zeros((4, 4), np.uint8))
    result = tally.result()
    assert math.isnan(result.pixel_accuracy)
    assert math.isnan(result.mean_iou)
    assert math.isnan(result.frequency_weighted_iou)
    json.dumps(result.to_json(), allow_nan=False)


@pytest.mark.parametrize(
    ("labeled", "found"),
    [
        (np.zeros((4, 4), np.uint8), np.zeros((4, 5), np.uint8)),
        (np.full((4, 4), 4, np.uint8), np.zeros((4, 4), np.uint8)),
        (np.zeros((4, 4), np.uint8), np.full((4, 4), VOID, np.uint8)),
        (np.zeros((4, 4, 1), np.uint8), np.zeros((4, 4, 1), np.uint8)),
    ],
)
def test_what_cannot_be_counted(labeled: Mask, found: Mask) -> None:
    with pytest.raises(ValueError, match=r"labels|out of range"):
        Tally(NAMES).add(labeled, found)
