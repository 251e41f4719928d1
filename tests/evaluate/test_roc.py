"""ROC: its area is a count of pairs, whatever the ties; and which pictures it is made of."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tatami.evaluate.pool import pool
from tatami.evaluate.roc import MEAN_STEPS, Roc, class_rocs, mean_roc, roc
from tatami.types import Boxes, Detections

BOX, ELSEWHERE = [0, 0, 10, 10], [50, 50, 60, 60]
NO_TRUTH, NOTHING = Boxes.of([], []), Detections.of([], [], [])

labeled = st.lists(st.tuples(st.integers(0, 6), st.booleans()), max_size=30)


def pairs_won(scores: list[float], positive: list[bool]) -> float:
    """Of all pairs of a positive and a negative, the part in which it scores above; ties half."""
    won = [
        1.0 if a > b else 0.5 if a == b else 0.0
        for a, is_a in zip(scores, positive, strict=True)
        for b, is_b in zip(scores, positive, strict=True)
        if is_a and not is_b
    ]
    return sum(won) / len(won) if won else math.nan


@given(labeled)
def test_the_area_is_the_part_of_pairs_won(rows: list[tuple[int, bool]]) -> None:
    scores, positive = [s / 6 for s, _ in rows], [p for _, p in rows]
    ours = roc(np.array(scores), np.array(positive, bool))
    assert ours.auc == pytest.approx(pairs_won(scores, positive), abs=1e-15, nan_ok=True)
    assert (ours.positives, ours.negatives) == (sum(positive), len(rows) - sum(positive))


@given(labeled)
def test_a_point_is_of_what_scores_at_least_its_threshold(rows: list[tuple[int, bool]]) -> None:
    scores, positive = np.array([s for s, _ in rows], float), np.array([p for _, p in rows], bool)
    ours = roc(scores, positive)
    assert sorted({*scores}, reverse=True) == ours.thresholds[1:].tolist()
    for threshold, right, wrong in zip(
        ours.thresholds, ours.true_positives, ours.false_positives, strict=True
    ):
        assert right == (positive & (scores >= threshold)).sum()
        assert wrong == (~positive & (scores >= threshold)).sum()


def test_scikit_learn_agrees() -> None:
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    rng = np.random.default_rng(0)
    for count in (2, 50, 5000):
        scores = rng.random(count).round(2)
        positive = rng.random(count) < scores
        positive[:2] = True, False
        ours = roc(scores, positive)
        assert ours.auc == pytest.approx(metrics.roc_auc_score(positive, scores), abs=1e-12)
        theirs = metrics.roc_curve(positive, scores, drop_intermediate=False)
        np.testing.assert_allclose(ours.false_positive_rate, theirs[0], atol=1e-15)
        np.testing.assert_allclose(ours.true_positive_rate, theirs[1], atol=1e-15)


def test_without_positives_or_negatives_there_is_no_area() -> None:
    for positive in ([], [True], [False]):
        assert math.isnan(roc(np.full(len(positive), 0.5), np.array(positive, bool)).auc)
    assert np.isnan(roc(np.array([0.5]), np.array([False])).true_positive_rate).all()


@pytest.mark.parametrize("scores", [[0.5], [0.5, math.nan]])
def test_senseless_input_is_refused(scores: list[float]) -> None:
    with pytest.raises(ValueError, match=r"alike|NaN"):
        roc(np.array(scores), np.array([True, False]))


def test_a_picture_scores_what_its_best_detection_of_the_class_scores() -> None:
    truths = [Boxes.of([BOX], [0]), Boxes.of([BOX], [1]), NO_TRUTH, Boxes.of([BOX], [0])]
    found = [
        Detections.of([ELSEWHERE, BOX], [0.3, 0.6], [0, 0]),  # where it is does not matter
        Detections.of([BOX, BOX], [0.6, 0.9], [0, 1]),
        Detections.of([BOX], [0.2], [0]),
        NOTHING,  # a positive that scores 0
    ]
    first, second = class_rocs(pool(truths, found, 2))
    assert first.thresholds.tolist() == [math.inf, 0.6, 0.2, 0]
    assert first.true_positives.tolist() == [0, 1, 1, 2]
    assert first.false_positives.tolist() == [0, 1, 2, 2]
    assert first.auc == pytest.approx(pairs_won([0.6, 0, 0.6, 0.2], [True, True, False, False]))
    assert second.auc == 1


def test_a_picture_with_difficult_truths_only_is_left_out() -> None:
    truths = [
        Boxes.of([BOX], [0], difficult=[True]),  # left out
        Boxes.of([BOX], [0], crowd=[True]),  # left out
        Boxes.of([BOX, ELSEWHERE], [0, 0], difficult=[True, False]),  # positive
        Boxes.of([BOX], [1], difficult=[True]),  # negative: it is another class's
    ]
    found = [Detections.of([BOX], [s], [0]) for s in (0.9, 0.8, 0.7, 0.1)]
    ours = class_rocs(pool(truths, found, 2))[0]
    assert (ours.positives, ours.negatives, ours.auc) == (1, 1, 1)
    assert ours.thresholds.tolist() == [math.inf, 0.7, 0.1]


def random_rocs(count: int) -> list[Roc]:
    """Classes of a test of 300 pictures, some rare, with ties, and one class that has none."""
    rng = np.random.default_rng(1)
    curves = []
    for label in range(count):
        positive = rng.random(300) < 0.02 * label
        curves.append(roc((rng.normal(size=300) + 1.5 * positive).round(1), positive))
    return curves


def test_the_mean_of_curves_has_the_mean_of_their_areas() -> None:
    curves = random_rocs(8)
    mean = mean_roc(curves)
    assert mean is not None
    assert math.isnan(curves[0].auc)
    assert mean.auc == pytest.approx(np.mean([one.auc for one in curves[1:]]), abs=1e-15)
    x, y = mean.false_positive_rate, mean.true_positive_rate
    assert np.trapezoid(y, x) == pytest.approx(mean.auc, abs=2 / MEAN_STEPS)
    assert (np.diff(x) >= 0).all()
    assert (np.diff(y) >= -1e-12).all()
    assert (x[0], y[0], x[-1], y[-1]) == (0, 0, 1, 1)


def test_the_mean_is_of_the_curves_at_each_rate() -> None:
    """Where no curve has a step, the foot is the head, and NumPy interpolates the same."""
    curves = random_rocs(5)[1:]
    mean = mean_roc(curves)
    assert mean is not None
    inside = 0
    for index in range(0, len(mean.false_positive_rate), 2):
        rate = mean.false_positive_rate[index]
        ends = mean.true_positive_rate[index : index + 2]
        if any(np.isclose(one.false_positive_rate, rate, atol=1e-12).any() for one in curves):
            assert ends[0] <= ends[1]
            continue
        inside += 1
        pairs = [(one.false_positive_rate, one.true_positive_rate) for one in curves]
        expected = np.mean([np.interp(rate, *pair) for pair in pairs])
        np.testing.assert_allclose(ends, expected, atol=1e-12)
    assert inside > 100


def test_steps_of_a_perfect_class_stand_at_zero() -> None:
    perfect = roc(np.array([0.9, 0.8, 0.1]), np.array([True, True, False]))
    worst = roc(np.array([0.1, 0.2, 0.9]), np.array([True, True, False]))
    mean = mean_roc([perfect, worst])
    assert mean is not None
    assert mean.auc == 0.5
    assert mean.true_positive_rate[:4].tolist() == [0, 0.5, 0.5, 0.5]
    assert mean.true_positive_rate[-2:].tolist() == [0.5, 1]
    assert mean_roc([roc(np.array([0.5]), np.array([True]))]) is None
