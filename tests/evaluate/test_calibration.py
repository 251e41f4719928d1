"""Calibration: probabilities have a small error, other scores the error they were given."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tatami.evaluate.calibration import curve_reliability, reliability
from tatami.evaluate.curve import curve


def test_calibrated_scores() -> None:
    rng = np.random.default_rng(0)
    scores = rng.random(200_000)
    result = reliability(scores, rng.random(200_000) < scores)
    assert result.expected_error < 0.01
    np.testing.assert_allclose(result.accuracy, result.confidence, atol=0.02)
    np.testing.assert_allclose(
        result.confidence, (result.edges[1:] + result.edges[:-1]) / 2, atol=3e-3
    )


@pytest.mark.parametrize("gap", [-0.2, 0.1, 0.3])
def test_miscalibrated_scores_have_the_error_they_were_given(gap: float) -> None:
    rng = np.random.default_rng(0)
    scores = rng.uniform(0.3, 0.7, 200_000)
    result = reliability(scores, rng.random(200_000) < scores + gap)
    assert result.expected_error == pytest.approx(abs(gap), abs=0.01)


def test_a_sum_by_hand() -> None:
    scores = np.array([0.1, 0.3, 0.6, 0.8, 0.9])
    result = reliability(scores, np.array([False, True, False, True, True]), 2)
    assert result.counts.tolist() == [2, 3]
    np.testing.assert_allclose(result.confidence, [0.2, 2.3 / 3])
    np.testing.assert_allclose(result.accuracy, [0.5, 2 / 3])
    assert result.expected_error == pytest.approx(2 / 5 * 0.3 + 3 / 5 * 0.1)


def test_the_upper_edge_belongs_to_a_bin_and_0_to_the_first() -> None:
    result = reliability(np.array([0, 0.25, 0.5, 0.5000001, 1.0]), np.ones(5, bool), 4)
    assert result.counts.tolist() == [2, 1, 1, 1]


@given(st.lists(st.tuples(st.integers(0, 20), st.booleans()), max_size=30), st.integers(1, 7))
def test_a_naive_reading(rows: list[tuple[int, bool]], bins: int) -> None:
    scores = [s / 20 for s, _ in rows]
    right = [r for _, r in rows]
    error = 0.0
    for i in range(bins):
        edges = np.linspace(0, 1, bins + 1)
        inside = [
            k for k, s in enumerate(scores) if (s > edges[i] or s == i == 0) and s <= edges[i + 1]
        ]
        if inside:
            accuracy = sum(right[k] for k in inside) / len(inside)
            confidence = sum(scores[k] for k in inside) / len(inside)
            error += len(inside) / len(scores) * abs(accuracy - confidence)
    ours = reliability(np.array(scores), np.array(right, bool), bins)
    assert ours.counts.sum() == len(rows)
    if rows:
        assert ours.expected_error == pytest.approx(error)
    else:
        assert math.isnan(ours.expected_error)


def test_the_detections_of_a_curve() -> None:
    ours = curve_reliability(curve(np.array([0.9, 0.6, 0.3]), np.array([True, False, True]), 5), 1)
    assert (ours.counts[0], ours.confidence[0]) == (3, pytest.approx(0.6))
    assert ours.accuracy[0] == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("scores", "bins", "message"),
    [
        ([0.5], 3, "not alike"),
        ([0.5, 1.1], 3, "not in 0 to 1"),
        ([0.5, math.nan], 3, "not in 0 to 1"),
        ([0.5, 0.5], 0, "0 bins"),
    ],
)
def test_senseless_input_is_refused(scores: list[float], bins: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        reliability(np.array(scores), np.array([True, False]), bins)
