"""Which pictures a report shows, and what it says of a mask."""

from __future__ import annotations

import numpy as np

from tatami.tasks.segmentation_report import _mostly
from tatami.tasks.walk import SHOWN, SHOWN_BY_KIND, spread, worst_first
from tatami.types import VOID


def test_the_worst_come_first_and_every_kind_is_there() -> None:
    mistakes = [{"missed": 0, "false": 0} for _ in range(50)]
    for place in range(20, 40):
        mistakes[place]["missed"] = place
    for place in (3, 4, 5, 6):
        mistakes[place]["false"] = 1
    chosen = worst_first(mistakes, [sum(one.values()) for one in mistakes])
    assert chosen[:SHOWN] == list(range(39, 39 - SHOWN, -1))
    assert chosen[SHOWN:] == [3, 4, 5][:SHOWN_BY_KIND]


def test_where_little_is_wrong_others_follow() -> None:
    mistakes = [{"missed": int(place == 7)} for place in range(9)]
    assert worst_first(mistakes, [one["missed"] for one in mistakes]) == [7, 0, 1, 2, 3, 4, 5, 6, 8]
    assert worst_first([], []) == []


def test_spread() -> None:
    assert list(spread(3, 12)) == [0, 1, 2]
    assert list(spread(100, 4)) == [0, 25, 50, 75]
    assert list(spread(0, 4)) == []


def test_the_commonest_mistake_of_a_mask() -> None:
    labeled = np.array([[0, 0, 0, 1], [1, 1, 2, VOID]], np.uint8)
    found = np.array([[0, 2, 2, 1], [0, 1, 2, 0]], np.uint8)
    classes = ("ground", "cat", "dog")
    assert _mostly(labeled, found, classes) == "mostly ground taken for dog"
    assert _mostly(labeled, np.where(labeled == VOID, 0, labeled), classes) == ""
