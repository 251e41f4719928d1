from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tatami.evaluate.curve import Curve, curve, merged
from tatami.evaluate.threshold import at_threshold, best_f1


@st.composite
def curves(draw: st.DrawFn) -> Curve:
    scores = sorted(draw(st.lists(st.integers(0, 8), max_size=12)), reverse=True)
    hits = draw(st.lists(st.booleans(), min_size=len(scores), max_size=len(scores)))
    return curve(np.array(scores) / 8, np.array(hits, bool), sum(hits) + draw(st.integers(0, 3)))


def test_known_point() -> None:
    point = at_threshold(curve(np.array([0.9, 0.6, 0.3]), np.array([True, False, True]), 4), 0.5)
    assert (point.true_positives, point.false_positives, point.truths) == (1, 1, 4)
    assert (point.precision, point.recall) == (0.5, 0.25)
    assert point.f1 == pytest.approx(1 / 3)


@given(curves(), st.integers(-1, 9))
def test_only_scores_above_the_threshold_count(ours: Curve, eighths: int) -> None:
    point = at_threshold(ours, eighths / 8)
    hits = np.diff(ours.true_positives, prepend=0)[ours.scores > eighths / 8]
    assert point.true_positives == hits.sum()
    assert point.false_positives == len(hits) - hits.sum()


@given(curves())
def test_no_threshold_has_a_better_f1_than_the_best(ours: Curve) -> None:
    best = best_f1(ours)
    for threshold in [*ours.scores, 0.0, 1.0]:
        f1 = at_threshold(ours, threshold).f1
        assert f1 == 0 or math.isnan(f1) or best.f1 >= f1
    assert at_threshold(ours, best.threshold) == best


def test_the_best_threshold_survives_rounding() -> None:
    scores = np.array([0.9, 0.7, 0.4, 0.1])
    best = best_f1(curve(scores, np.array([True, True, False, False]), 2))
    assert best.threshold == pytest.approx(0.55)
    assert (best.precision, best.recall, best.f1) == (1, 1, 1)


def test_equal_scores_are_never_parted() -> None:
    scores = np.array([0.8, 0.8, 0.2])
    best = best_f1(curve(scores, np.array([True, False, True]), 2))
    assert (best.true_positives, best.false_positives) == (2, 1)


def test_where_there_is_nothing_the_figures_do_not_exist() -> None:
    nothing = at_threshold(curve(np.empty(0), np.empty(0, bool), 0), 0.5)
    assert all(math.isnan(v) for v in (nothing.precision, nothing.recall, nothing.f1))
    silent = best_f1(curve(np.array([0.5]), np.array([False]), 3))
    assert math.isnan(silent.precision)
    assert (silent.recall, silent.f1) == (0, 0)


@given(st.lists(curves(), max_size=4))
def test_merging_keeps_every_detection_and_truth(parts: list[Curve]) -> None:
    whole = merged(parts)
    assert whole.truths == sum(p.truths for p in parts)
    assert len(whole) == sum(map(len, parts))
    assert (np.diff(whole.scores) <= 0).all()
    for threshold in (0.0, 0.25, 0.5):
        points = [at_threshold(p, threshold) for p in parts]
        assert at_threshold(whole, threshold).true_positives == sum(
            p.true_positives for p in points
        )


def test_equal_scores_are_merged_in_the_order_of_the_classes() -> None:
    scores = np.repeat([0.9, 0.5, 0.1], 50)
    whole = merged([curve(scores, np.full(150, right), 150) for right in (True, False)])
    hits = np.diff(whole.true_positives, prepend=0).reshape(3, 2, 50)
    assert (hits[:, 0] == 1).all()
    assert (hits[:, 1] == 0).all()
