"""What each box of a picture is, and the confusions of boxes with their background."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tatami.evaluate.mistakes import KINDS, Judged, confusion, judge
from tatami.types import Boxes, Detections

TRUTH = [0.0, 0.0, 10.0, 10.0]
FAR = [50.0, 50.0, 60.0, 60.0]
HALF = [0.0, 0.0, 10.0, 5.0]  # IoU 0.5
NEAR = [0.0, 0.0, 10.0, 2.0]  # 0.2
APART = [0.0, 0.0, 10.0, 0.9]  # 0.09


def judged(
    boxes: list[list[float]], labels: list[int], found: list[tuple[list[float], float, int]]
) -> Judged:
    detections = Detections.of(
        [box for box, _, _ in found], [s for _, s, _ in found], [label for _, _, label in found]
    )
    return judge(Boxes.of(boxes, labels), detections)


@pytest.mark.parametrize(
    ("box", "label", "kind", "missed"),
    [
        (TRUTH, 0, "right", False),
        (HALF, 0, "right", False),
        (NEAR, 0, "badly placed", False),
        (APART, 0, "false", True),
        (TRUTH, 1, "wrong class", False),
        (NEAR, 1, "false", True),
        (FAR, 0, "false", True),
    ],
)
def test_one_box(box: list[float], label: int, kind: str, missed: bool) -> None:
    one = judged([TRUTH], [0], [(box, 0.9, label)])
    assert one.kinds == (kind,)
    assert one.missed.tolist() == [missed]
    assert one.unfound.tolist() == [kind not in ("right", "wrong class")]


def test_the_better_scored_box_has_the_truth() -> None:
    one = judged([TRUTH], [0], [(TRUTH, 0.3, 0), (HALF, 0.9, 0)])
    assert one.kinds == ("duplicate", "right")
    assert one.truth.tolist() == [-1, 0]
    assert one.counts == {**dict.fromkeys(KINDS, 0), "duplicate": 1}


def test_a_right_box_goes_before_a_surer_one_of_another_class() -> None:
    one = judged([TRUTH], [0], [(TRUTH, 0.9, 1), (HALF, 0.3, 0)])
    assert one.kinds == ("wrong class", "right")
    assert one.truth.tolist() == [-1, 0]
    assert not one.missed.any()


def test_what_is_difficult_counts_neither_way() -> None:
    truths = Boxes.of([TRUTH], [0], [True])
    found = Detections.of([TRUTH, HALF, NEAR, FAR], [0.9, 0.8, 0.7, 0.6], [0, 1, 0, 0])
    one = judge(truths, found)
    assert one.kinds == ("", "", "", "false")
    assert not one.missed.any()
    assert confusion([truths], [found], [one], 2).tolist() == [[0, 0, 0], [0, 0, 0], [1, 0, 0]]


def test_nothing_labeled_and_nothing_found() -> None:
    assert judged([], [], [(TRUTH, 0.9, 0)]).kinds == ("false",)
    alone = judged([TRUTH], [0], [])
    assert alone.kinds == ()
    assert alone.counts["missed"] == 1
    assert judged([], [], []).counts == dict.fromkeys(KINDS, 0)


def test_the_confusions_of_a_picture() -> None:
    truths = Boxes.of([TRUTH, FAR, [80, 80, 90, 90]], [0, 1, 1])
    found = Detections.of([TRUTH, FAR, [30, 0, 40, 10]], [0.9, 0.8, 0.7], [0, 0, 1])
    one = judge(truths, found)
    counts = confusion([truths], [found], [one], 2)
    assert counts.tolist() == [[1, 0, 0], [1, 0, 1], [0, 1, 0]]


sides = st.integers(0, 6)
boxes = st.lists(st.tuples(sides, sides, st.integers(0, 2)), max_size=5)


@given(labeled=boxes, drawn=boxes)
def test_every_box_and_every_truth_is_in_the_matrix_once(
    labeled: list[tuple[int, int, int]], drawn: list[tuple[int, int, int]]
) -> None:
    truths = Boxes.of([[x, y, x + 5, y + 5] for x, y, _ in labeled], [c for *_, c in labeled])
    found = Detections.of(
        [[x, y, x + 5, y + 5] for x, y, _ in drawn],
        np.linspace(0.9, 0.3, len(drawn)).tolist(),
        [c for *_, c in drawn],
    )
    one = judge(truths, found)
    counts = confusion([truths], [found], [one], 3)
    assert counts[:, :3].sum() == len(drawn)
    assert counts[:3].sum() == len(labeled)
    assert np.trace(counts[:3, :3]) == one.kinds.count("right")
    assert not (one.missed & ~one.unfound).any()
    held = one.truth[one.truth >= 0]
    assert len(held) == len(set(held.tolist()))
