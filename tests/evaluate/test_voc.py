from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tatami.evaluate.curve import Curve, curve
from tatami.evaluate.pool import Pool, pool
from tatami.evaluate.voc import all_point, eleven_point, outcome
from tatami.evaluate.voc import curves as curves_of
from tatami.types import Boxes, Detections


def curves(table: Pool, threshold: float = 0.5) -> tuple[Curve, ...]:
    return curves_of(table, outcome(table, threshold))


def naive_curve(
    truths: Sequence[Boxes], found: Sequence[Detections], label: int, threshold: float
) -> tuple[list[float], list[float], list[float], int]:
    """The devkit's rule for one class as its loop goes: scores, precision, recall, truths."""
    wanted = sum(
        int(boxes.labels[i] == label and not boxes.difficult[i])
        for boxes in truths
        for i in range(len(boxes))
    )
    queue = [
        (float(boxes.scores[i]), picture, boxes.xyxy[i].tolist())
        for picture, boxes in enumerate(found)
        for i in range(len(boxes))
        if boxes.labels[i] == label
    ]
    queue.sort(key=lambda entry: -entry[0])
    used: set[tuple[int, int]] = set()
    right = wrong = 0
    scores, precision, recall = [], [], []
    for score, picture, box in queue:
        best, best_truth = -math.inf, -1
        for i, truth in enumerate(truths[picture].xyxy.tolist()):
            if truths[picture].labels[i] != label:
                continue
            width = min(box[2], truth[2]) - max(box[0], truth[0])
            height = min(box[3], truth[3]) - max(box[1], truth[1])
            if width > 0 and height > 0:
                shared = width * height
                area = (box[2] - box[0]) * (box[3] - box[1])
                other = (truth[2] - truth[0]) * (truth[3] - truth[1])
                if shared / (area + other - shared) > best:
                    best, best_truth = shared / (area + other - shared), i
        if best >= threshold:
            if truths[picture].difficult[best_truth]:
                continue
            if (picture, best_truth) in used:
                wrong += 1
            else:
                used.add((picture, best_truth))
                right += 1
        else:
            wrong += 1
        scores.append(score)
        precision.append(right / (right + wrong))
        recall.append(right / wanted if wanted else math.nan)
    return scores, precision, recall, wanted


def naive_eleven_point(precision: list[float], recall: list[float]) -> float:
    return (
        sum(
            max((p for p, r in zip(precision, recall, strict=True) if r >= step * 0.1), default=0)
            for step in range(11)
        )
        / 11
    )


def naive_all_point(precision: list[float], recall: list[float]) -> float:
    area, before = 0.0, 0.0
    for i in range(len(recall)):
        area += (recall[i] - before) * max(precision[i:])
        before = recall[i]
    return area


@st.composite
def picture_sets(draw: st.DrawFn) -> tuple[list[Boxes], list[Detections]]:
    """A few pictures on a small grid: duplicates, difficult truths, ties of scores and of IoU."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    truths, found = [], []
    for _ in range(draw(st.integers(0, 5))):
        n, m = draw(st.integers(0, 6)), draw(st.integers(0, 12))
        truths.append(Boxes.of(grid_boxes(rng, n), rng.integers(0, 2, n), rng.random(n) < 0.3))
        found.append(
            Detections.of(grid_boxes(rng, m), rng.integers(0, 5, m) / 5, rng.integers(0, 2, m))
        )
    return truths, found


def grid_boxes(rng: np.random.Generator, count: int) -> np.ndarray:
    corners = rng.integers(0, 4, (count, 2))
    return np.concatenate([corners, corners + rng.integers(1, 5, (count, 2))], axis=1)


@given(picture_sets(), st.sampled_from([0.1, 0.5, 0.75, 1.0]))
def test_the_devkit_rule(pictures: tuple[list[Boxes], list[Detections]], threshold: float) -> None:
    truths, found = pictures
    for label, ours in enumerate(curves(pool(truths, found, 2), threshold)):
        scores, precision, recall, wanted = naive_curve(truths, found, label, threshold)
        assert ours.truths == wanted
        np.testing.assert_array_equal(ours.scores, scores)
        np.testing.assert_array_equal(ours.precision, precision)
        np.testing.assert_array_equal(ours.recall, recall)
        if wanted:
            assert eleven_point(ours) == pytest.approx(naive_eleven_point(precision, recall))
            assert all_point(ours) == pytest.approx(naive_all_point(precision, recall))
        else:
            assert math.isnan(eleven_point(ours))
            assert math.isnan(all_point(ours))


def test_a_duplicate_is_wrong_even_where_another_truth_is_free() -> None:
    # Both detections overlap the first truth best; the second one reaches the second truth too.
    truths = [Boxes.of([[0, 0, 10, 10], [0, 0, 10, 14]], [0, 0])]
    found = [Detections.of([[0, 0, 10, 10], [0, 0, 10, 11]], [0.9, 0.8], [0, 0])]
    (ours,) = curves(pool(truths, found, 1), 0.5)
    assert ours.true_positives.tolist() == [1, 1]


def test_difficult_truths_are_neither_rewarded_nor_punished() -> None:
    easy, hard = [0, 0, 10, 10], [50, 50, 60, 60]
    truths = [Boxes.of([easy, hard], [0, 0], difficult=[False, True])]
    silent = [Detections.of([easy], [0.9], [0])]
    eager = [Detections.of([hard, hard, easy], [0.99, 0.98, 0.9], [0, 0, 0])]
    for found in (silent, eager):
        (ours,) = curves(pool(truths, found, 1))
        assert (eleven_point(ours), all_point(ours), len(ours)) == (1, 1, 1)


def test_known_curve() -> None:
    """Right, wrong, right, of four truths: precision 1, 1/2, 2/3 at recall 1/4, 1/4, 1/2."""
    ours = curve(np.array([0.9, 0.8, 0.7]), np.array([True, False, True]), 4)
    assert eleven_point(ours) == pytest.approx((3 * 1 + 3 * 2 / 3) / 11)
    assert all_point(ours) == pytest.approx(1 / 4 + 1 / 4 * 2 / 3)


@pytest.mark.parametrize("threshold", [0, -0.1, 1.1, math.nan])
def test_an_impossible_threshold_is_refused(threshold: float) -> None:
    with pytest.raises(ValueError, match="IoU threshold"):
        curves(pool([], [], 1), threshold)
