"""Classification held to scikit-learn, which computes each figure in its own way."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from sklearn import metrics

from tatami.evaluate.classification import evaluate


@pytest.mark.parametrize("classes", [6, 12])
def test_agrees_with_scikit_learn(classes: int) -> None:
    rng = np.random.default_rng(classes)
    labels = rng.integers(0, classes, 300)
    logits = rng.normal(size=(300, classes))
    logits[np.arange(300), labels] += 1.5
    scores = (np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)).astype(np.float32)
    found = evaluate(labels, scores, [str(c) for c in range(classes)])

    answers = scores.argmax(axis=1)
    everyone = list(range(classes))
    assert found.top1 == pytest.approx(metrics.accuracy_score(labels, answers))
    top5 = metrics.top_k_accuracy_score(labels, scores, k=5, labels=everyone)
    assert found.top5 == pytest.approx(top5)
    right = metrics.confusion_matrix(labels, answers, labels=everyone)
    np.testing.assert_array_equal(found.confusion, right)
    precision, recall, f1, support = metrics.precision_recall_fscore_support(
        labels, answers, labels=everyone, zero_division=0
    )
    for label, one in enumerate(found.classes):
        assert one.precision == pytest.approx(precision[label])
        assert one.recall == pytest.approx(recall[label])
        assert one.f1 == pytest.approx(f1[label])
        assert one.pictures == support[label]
        area = metrics.roc_auc_score(labels == label, scores[:, label])
        assert one.roc.auc == pytest.approx(area)
    assert found.auc == pytest.approx(np.mean([one.roc.auc for one in found.classes]))


def test_of_equal_scores_the_first_class_answers() -> None:
    scores = np.full((2, 3), 1 / 3, np.float32)
    found = evaluate(np.array([0, 2]), scores, ["a", "b", "c"])
    assert (found.top1, found.top5) == (0.5, 1.0)
    assert found.confusion[:, 0].tolist() == [1, 0, 1]


def test_what_is_undefined_is_nan_and_none_in_json() -> None:
    scores = np.array([[0.9, 0.1], [0.8, 0.2]], np.float32)
    found = evaluate(np.array([0, 0]), scores, ["a", "never"])
    never = found.classes[1]
    assert all(math.isnan(value) for value in (never.precision, never.recall, never.roc.auc))
    content = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert content["classes"][1]["precision"] is None
    assert content["auc"] is None
    assert content["error"] == 0


@pytest.mark.parametrize(
    ("labels", "scores"),
    [([0], [[math.nan, 1]]), ([2], [[0.5, 0.5]]), ([0, 1], [[0.5, 0.5]]), ([], np.zeros((0, 2)))],
)
def test_nonsense_is_refused(labels: list[int], scores: object) -> None:
    with pytest.raises(ValueError, match=r"score|label"):
        evaluate(np.array(labels, np.int64), np.array(scores, np.float32), ["a", "b"])
