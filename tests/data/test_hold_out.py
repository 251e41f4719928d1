"""Holding out a share of a split, class by class, for every task."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tatami.data.hold_out import HoldOut, held_places, rarest
from tatami.errors import TatamiError
from tatami.tasks.classification import CLASSIFICATION
from tatami.tasks.detection import DETECTION
from tatami.tasks.segmentation import SEGMENTATION
from tatami.types import Boxes, Dataset, LabeledMasks, LabeledPictures, Sample, Size

Save = Callable[..., Path]


@pytest.mark.parametrize(
    ("text", "written"), [("0.2", "0.2"), (".25:3", "0.25:3"), ("10", "10"), ("10:7", "10:7")]
)
def test_how_it_is_written(text: str, written: str) -> None:
    assert str(HoldOut.parse(text)) == written


@pytest.mark.parametrize("text", ["0", "0.0", "1.0", "1.5", "-0.2", "20%", "0.2:x", "٣", ""])
def test_what_is_no_hold_out(text: str) -> None:
    with pytest.raises(TatamiError, match="is not a number of pictures"):
        HoldOut.parse(text)


@given(
    st.lists(st.integers(-1, 4), min_size=2, max_size=80),
    st.floats(0.05, 0.95),
    st.integers(0, 9),
)
def test_a_share_is_of_every_class(strata: list[int], share: float, seed: int) -> None:
    how = HoldOut(0, seed, share)
    wanted = round(share * len(strata))
    if not 0 < wanted < len(strata):
        with pytest.raises(TatamiError, match="cannot be held out"):
            held_places(strata, how, Path("set"))
        return
    rest, held = held_places(strata, how, Path("set"))
    assert sorted([*rest.tolist(), *held.tolist()]) == list(range(len(strata)))
    assert len(held) == wanted
    again = held_places(strata, how, Path("set"))[1]
    assert np.array_equal(held, again)
    sizes = Counter(strata)
    if all(share * size >= 1 and size - share * size >= 1 for size in sizes.values()):
        taken = Counter(strata[place] for place in held.tolist())
        assert all(abs(taken[one] - share * size) <= 1 for one, size in sizes.items())


def test_a_number_gives_the_parts_that_it_always_gave() -> None:
    held = held_places([0] * 20, HoldOut.parse("5"), Path("set"))[1]
    order = np.random.default_rng([0, 3]).permutation(20)
    assert held.tolist() == sorted(order[:5].tolist())


def test_the_rarest_class_of_a_picture_is_its_stratum() -> None:
    assert rarest([[0, 0], [0, 1], [0], [], [1, 2]]) == [0, 1, 0, -1, 2]


def test_every_task_holds_out(tmp_path: Path, save_picture: Save) -> None:
    path = save_picture(tmp_path / "a.png")
    labels = np.array([0] * 8 + [1] * 2)
    pictures = LabeledPictures(
        tmp_path, "all", ("a", "b"), tuple("abcdefghij"), labels, lambda at: np.zeros((1, 1, 3))
    )
    samples = tuple(
        Sample(str(at), path, Size(20, 10), Boxes.of([[0, 0, 5, 5]], [label]))
        for at, label in enumerate(labels.tolist())
    )
    masks = LabeledMasks(
        tmp_path,
        "all",
        ("a", "b"),
        ((0, 0, 0), (1, 1, 1)),
        tuple("abcdefghij"),
        lambda at: (np.zeros((1, 1, 3), np.uint8), np.full((1, 1), labels[at], np.uint8)),
    )
    found = []
    for task, data in (
        (CLASSIFICATION, pictures),
        (DETECTION, Dataset(tmp_path, "all", ("a", "b"), samples)),
        (SEGMENTATION, masks),
    ):
        rest, held = task.hold_out(data, "0.5")  # type: ignore[attr-defined]
        assert (rest.split, held.split) == ("all without 0.5", "0.5 of all")
        names = [task.identity(held, place) for place in range(5)]  # type: ignore[attr-defined]
        found.append([name if name.isdecimal() else str(ord(name) - ord("a")) for name in names])
        assert sum(int(name) >= 8 for name in found[-1]) == 1
    assert found[0] == found[1] == found[2]


def test_a_truncated_picture_is_found_before_anything_begins(
    tmp_path: Path, save_picture: Save
) -> None:
    paths = [save_picture(tmp_path / f"{name}.jpg", 64, 48, seed) for seed, name in enumerate("ab")]
    paths[1].write_bytes(paths[1].read_bytes()[:-400])
    samples = tuple(Sample(p.stem, p, Size(64, 48), Boxes.of([], [])) for p in paths)
    data = Dataset(tmp_path, "all", ("a",), samples)
    with pytest.raises(TatamiError, match="cannot be decoded") as caught:
        DETECTION.readable(data)
    assert caught.value.file == paths[1]
    kept, left = DETECTION.readable(data, ("unreadable-picture",))
    assert ([sample.id for sample in kept.samples], left) == (["a"], 1)
