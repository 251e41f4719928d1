"""What is fitted to R-CNN's network: against scikit-learn, and against a problem that is known."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

from tatami.errors import TatamiError
from tatami.models.rcnn import RCNN
from tatami.models.svm import RIDGE, fit, ridge, svm
from tatami.models.table import MODELS
from tatami.models.two_stage import PROPOSAL
from tatami.types import Boxes, Size, TwoStageSpec


@pytest.mark.parametrize("count", [30, 200])
def test_ridge_is_scikit_learns(count):
    rng = np.random.default_rng(0)
    x = 8 * rng.standard_normal((count, 60)).astype(np.float32)
    y = rng.standard_normal((count, 4)).astype(np.float32)
    slope, start = ridge(x, y)
    expected = Ridge(alpha=RIDGE).fit(x.astype(np.float64), y)
    np.testing.assert_allclose(slope, expected.coef_, rtol=1e-5, atol=1e-8)
    np.testing.assert_allclose(start, expected.intercept_, rtol=1e-5, atol=1e-8)


def test_ridge_of_nothing_moves_nothing():
    slope, start = ridge(np.zeros((0, 7), np.float32), np.zeros((0, 4), np.float32))
    assert not slope.any()
    assert not start.any()


def test_hard_negatives_are_mined():
    """A few of very many negatives lie beside the positives: a first draw has hardly any."""
    rng = np.random.default_rng(1)
    positives = rng.normal((6, 2), 0.7, (60, 2))
    easy = rng.normal((-8, 0), 1, (20_000, 2))
    hard = rng.normal((6, -2), 0.7, (60, 2))
    features = 5 * np.concatenate([positives, easy, hard]).astype(np.float32)
    own = np.arange(len(features)) < 60
    weight, bias = svm(features, own, ~own, seed=0)
    margin = features @ weight + bias
    assert (margin[:60] > 0).mean() > 0.9
    assert (margin[-60:] < 0).mean() > 0.9
    assert (margin[60:-60] < 0).all()


def colored(rng):
    """A picture with a red and a blue square, its truths and its proposals."""
    picture = rng.integers(90, 130, (96, 128, 3), dtype=np.uint8)
    boxes = []
    for left, color in ((8, (250, 20, 20)), (72, (20, 20, 250))):
        x, y = left + int(rng.integers(0, 10)), int(rng.integers(4, 50))
        picture[y : y + 36, x : x + 36] = color
        boxes.append((x, y, x + 36, y + 36))
    near = np.repeat(boxes, 5, axis=0) + rng.integers(-4, 5, (10, 4))
    corners = rng.integers(0, 60, (10, 2))
    away = np.hstack([corners, corners + rng.integers(12, 30, (10, 2))])
    every = np.concatenate([boxes, near, away])
    return picture, Boxes.of(every, [0, 1, *[PROPOSAL] * 20])


def test_fitted_it_knows_red_from_blue():
    torch.manual_seed(0)
    size = Size(63, 63)
    proposals, decoding = RCNN.plan(size, "alexnet")
    model = RCNN(2, proposals, decoding, 0.25).eval()
    spec = TwoStageSpec(("red", "blue"), MODELS["rcnn"].input_spec(size), None, decoding)
    rng = np.random.default_rng(0)
    fit(model, [colored(rng) for _ in range(12)], spec, regions=20, seed=0)
    from tatami.rules.regions import warp

    right = 0
    for _ in range(5):
        picture, boxes = colored(rng)
        crops = torch.from_numpy(warp(picture, boxes.xyxy[:2].astype(np.float32), spec))
        with torch.no_grad():
            numbers, offsets = model.head(crops)
        right += int((numbers.argmax(dim=1) == torch.tensor([0, 1])).sum())
        assert offsets.abs().max() < 1
    assert right >= 8


def test_a_class_without_a_truth_is_said():
    size = Size(63, 63)
    _, decoding = RCNN.plan(size, "alexnet")
    model = RCNN(3, None, decoding, 0.1)
    spec = TwoStageSpec(("red", "blue", "none"), MODELS["rcnn"].input_spec(size), None, decoding)
    with pytest.raises(TatamiError, match="no truth of class 'none'"):
        fit(model, [colored(np.random.default_rng(0))], spec, regions=20, seed=0)


def test_without_scikit_learn_it_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.svm", None)
    with pytest.raises(TatamiError, match="scikit-learn"):
        svm(np.zeros((2, 2), np.float32), np.array([True, False]), np.array([False, True]), 0)
