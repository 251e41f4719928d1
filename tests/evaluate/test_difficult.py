"""Difficult truths: what each rule makes of a detection on one, and of one that is missed."""

from __future__ import annotations

import pytest

from tatami.evaluate.detections import evaluate
from tatami.evaluate.difficult import RULES, Difficult, treat_difficult
from tatami.types import Boxes, Detections

EASY, HARD, CROWD = [0, 0, 40, 40], [100, 100, 140, 140], [200, 0, 300, 100]
TRUTHS = Boxes.of([EASY, HARD, CROWD], [0] * 3, [False, True, False], [False, False, True])


@pytest.mark.parametrize(
    ("rule", "seen", "missed"),
    [("ignore", (1.0, 1.0), 1.0), ("drop", (0.5, 1.0), 1.0), ("count", (1.0, 1.0), 0.5)],
)
def test_a_difficult_truth_seen_and_missed(
    rule: Difficult, seen: tuple[float, float], missed: float
) -> None:
    treated = [treat_difficult(TRUTHS, rule)]
    both = [Detections.of([EASY, HARD, CROWD], [0.8, 0.9, 0.95], [0] * 3)]  # a crowd never counts
    result = evaluate(treated, both, ["a"])
    assert (result.at.precision, result.at.recall) == seen
    result = evaluate(treated, [both[0].select(both[0].scores == 0.8)], ["a"])
    assert result.at.recall == missed


def test_nothing_else_changes() -> None:
    easy = TRUTHS.select(~TRUTHS.difficult)
    for rule in RULES:
        treated = treat_difficult(easy, rule)
        assert treated.xyxy.tolist() == easy.xyxy.tolist()
        assert treated.crowd.tolist() == [False, True]
        assert treated.areas.tolist() == easy.areas.tolist()
