"""Intervals: the weights stand for the pictures themselves, and the ends are where they belong."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tatami.evaluate import bootstrap as bootstrap_module
from tatami.evaluate.bootstrap import bootstrap, resampled_maps
from tatami.evaluate.detections import evaluate
from tatami.evaluate.pool import pool
from tatami.types import Boxes, Detections

CLASSES = ("a", "b", "c")
BOX = [0, 0, 10, 10]
NO_TRUTH, NOTHING = Boxes.of([], []), Detections.of([], [], [])


def random_pictures(
    rng: np.random.Generator, pictures: int, most: int, classes: int = 3
) -> tuple[list[Boxes], list[Detections]]:
    """Detections near truths; scores are equal in different pictures only.

    In a list with a picture twice, equal scores within it would lie in another order than here.
    """
    truths, found = [], []
    for _ in range(pictures):
        n, m = rng.integers(0, most + 1, 2)
        corners = rng.integers(0, 40, (n, 2))
        boxes = np.hstack([corners, corners + rng.integers(4, 30, (n, 2))]).astype(float)
        labels = rng.integers(0, classes, n)
        truths.append(Boxes.of(boxes, labels, rng.random(n) < 0.2, rng.random(n) < 0.1))
        near = rng.integers(0, n, m) if n else np.empty(0, np.int64)
        moved = boxes[near] + rng.integers(-3, 4, (len(near), 4))
        moved[:, 2:] = np.maximum(moved[:, 2:], moved[:, :2] + 1)
        scores = rng.permutation(40)[: len(near)] / 40
        guesses = np.where(rng.random(len(near)) < 0.8, labels[near], 0)
        found.append(Detections.of(moved, scores, guesses))
    return truths, found


@settings(max_examples=40)
@given(st.integers(0, 2**32), st.sampled_from([0.3, 0.5, 0.75]))
def test_weights_stand_for_pictures(seed: int, threshold: float) -> None:
    rng = np.random.default_rng(seed)
    truths, found = random_pictures(rng, int(rng.integers(1, 9)), int(rng.choice([2, 12])))
    weights = rng.multinomial(len(truths), np.full(len(truths), 1 / len(truths)), 5)
    ours = resampled_maps(pool(truths, found, 3), weights, threshold)
    for row, drawn in zip(ours, weights, strict=True):
        order = np.repeat(np.arange(len(truths)), drawn)
        brute = evaluate(
            [truths[i] for i in order],
            [found[i] for i in order],
            CLASSES,
            iou_threshold=threshold,
        )
        expected = [brute.map_voc07, brute.map_voc10, brute.coco.ap50]
        np.testing.assert_allclose(row, expected, atol=1e-12, rtol=0)


def test_the_ends_are_quantiles_of_resampled_evaluations(monkeypatch: pytest.MonkeyPatch) -> None:
    table = pool(*random_pictures(np.random.default_rng(1), 30, 6), 3)
    result = bootstrap(table, resamples=200, seed=7)
    weights = bootstrap_module._weights(np.random.default_rng(7), 30, 200)
    assert (weights.sum(axis=1) == 30).all()
    maps = resampled_maps(table, weights)
    for column, interval in zip(
        maps.T, (result.map_voc07, result.map_voc10, result.ap50), strict=True
    ):
        ends = np.quantile(column, [0.025, 0.975])
        assert (interval.low, interval.high) == pytest.approx(tuple(ends), abs=1e-12)
        assert interval.low < np.median(column) < interval.high
    monkeypatch.setattr(bootstrap_module, "_BLOCK", 1000)  # in many small blocks
    again = bootstrap(table, resamples=200, seed=7).map_voc07
    assert (again.low, again.high) == pytest.approx((result.map_voc07.low, result.map_voc07.high))
    assert bootstrap(table, resamples=200, seed=8) != result


def test_a_detector_that_is_always_right_has_no_interval_to_speak_of() -> None:
    truths = [Boxes.of([BOX], [0])] * 5
    result = bootstrap(pool(truths, [Detections.of([BOX], [0.9], [0])] * 5, 1), resamples=20)
    assert (result.map_voc10.low, result.map_voc10.high) == (1, 1)
    assert result.ap50.low == pytest.approx(1)


def test_where_the_spread_is_known() -> None:
    """Every second picture's truth is found: recall, and so AP, is binomial in a resample."""
    truths = [Boxes.of([BOX], [0])] * 400
    found = [Detections.of([BOX], [0.9], [0]), NOTHING] * 200
    result = bootstrap(pool(truths, found, 1), resamples=2000).map_voc10
    spread = 1.96 * math.sqrt(0.5 * 0.5 / 400)
    assert result.low == pytest.approx(0.5 - spread, abs=0.01)
    assert result.high == pytest.approx(0.5 + spread, abs=0.01)


def test_nothing_to_find() -> None:
    for truths, found in (([], []), ([NO_TRUTH], [Detections.of([BOX], [0.9], [0])])):
        result = bootstrap(pool(truths, found, 2), resamples=3)
        assert math.isnan(result.map_voc07.low)
        assert math.isnan(result.ap50.high)


def test_resamples_without_truths_are_left_out() -> None:
    truths, found = [Boxes.of([BOX], [0]), NO_TRUTH], [Detections.of([BOX], [0.9], [0]), NOTHING]
    result = bootstrap(pool(truths, found, 1), resamples=50)  # a quarter of them has none
    assert (result.map_voc07.low, result.map_voc07.high) == (1, 1)


def test_no_resample_is_refused() -> None:
    with pytest.raises(ValueError, match="0 resamples"):
        bootstrap(pool([], [], 1), resamples=0)


def test_a_thousand_resamples_of_a_hundred_pictures_take_seconds() -> None:
    rng = np.random.default_rng(0)
    table = pool(*random_pictures(rng, 100, 40, 20), 20)
    started = time.process_time()
    bootstrap(table)
    assert time.process_time() - started < 10
