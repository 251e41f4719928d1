"""Ways to quantize are tried until no more is lost than is allowed, the cheapest first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tatami.errors import TatamiError
from tatami.pipeline.accuracy_control import MEASURED_ON, Chosen, held_places, search
from tatami.pipeline.quantizing import How
from tatami.types.progress import quiet

NOISE = {"first": 3.0, "middle": 9.0, "last": 6.0}
"""What the outputs gain by each layer in float, in dB."""


@dataclass
class Calibration:
    """Stands for networks: what is made of them is how it is made."""

    more: bool = False
    parts: tuple[Any, ...] = (SimpleNamespace(network="float"),)

    def made(self, how: How) -> Any:
        return SimpleNamespace(results=[(how, self.more)])

    def layers(self, made: Any) -> Any:
        return [SimpleNamespace(name=name) for name in NOISE]

    def output_sqnr(self, made: Any) -> float:
        return sum(NOISE[name] for name in made.results[0][0].kept)


class Held:
    """Stands for a measurement: 90 % in float, and 8 bits by their way."""

    task = SimpleNamespace(measure="mAP")
    data, learned, progress = (1, 2, 3), True, staticmethod(quiet)

    def __init__(self, worth: Callable[[How, bool], float]) -> None:
        self.worth = worth

    def figure(self, networks: Any, stage: str) -> float:
        return 90.0 if networks == ["float"] else 90.0 - self.worth(*networks[0])


def searched(
    worth: Callable[[How, bool], float], allowed: float = 0.5, more: bool = True
) -> Chosen:
    larger: Any = lambda: (Calibration(True), 128) if more else None  # noqa: E731
    given: Any = (Calibration().made(How()), Calibration(), 32, larger, Held(worth))
    return search(allowed, How(), *given)


def test_what_holds_at_once_is_taken_as_asked() -> None:
    found = searched(lambda how, more: 0.5)
    assert (found.how, found.pictures) == (How(), 32)
    assert found.within.reached
    assert [way.words for way in found.within.ways] == ["mse"]


def test_each_stage_goes_on_from_the_best_before() -> None:
    """Percentile is better, equalization too, the biases' correction is not, more pictures are."""

    def worth(how: How, more: bool) -> float:
        lost = {"mse": 5.0, "minmax": 7.0, "percentile": 4.0}[how.method]
        return lost - how.equalize - how.bias_correction - more - len(how.kept) * 0.7

    found = searched(worth)
    assert [way.words for way in found.within.ways] == [
        "mse", "minmax", "percentile", "percentile, equalized",
        "percentile, equalized, biases as they were", "percentile, equalized",
        "percentile, equalized, float: middle",
    ]  # fmt: skip
    assert (found.how.kept, found.pictures, found.calibration) == (
        ("middle",),
        128,
        Calibration(True),
    )
    assert found.within.reached
    table = found.within.table()
    assert table.rows[-1] == ("percentile, equalized, float: middle", "128", "89.70", "0.30")
    assert table.strong == {6}
    said = found.within.to_json()
    assert (said["float"], said["reached"], said["learned"]) == (90.0, True, True)
    assert [way["taken"] for way in said["ways"]] == [False] * 6 + [True]
    assert said["ways"][-1]["float_layers"] == ["middle"]


def test_what_is_never_reached_is_said_and_the_least_loss_is_taken() -> None:
    found = searched(lambda how, more: 8.0 - len(how.kept), more=False)
    assert not found.within.reached
    assert found.how.kept == ("middle", "last")  # of four there are three, so two was the most
    assert "NOT REACHED: allowed were 0.5" in found.within.line()
    assert "which it learned from" in found.within.line()
    assert max(way.pictures for way in found.within.ways) == 32


@pytest.mark.parametrize(("count", "calibrated"), [(40, 32), (292, 32), (5000, 64), (3, 2)])
def test_nothing_is_measured_on_what_it_is_calibrated_with(count: int, calibrated: int) -> None:
    used = np.linspace(0, count - 1, calibrated).astype(np.int64)
    held, spare = held_places(count, used)
    everything = np.sort(np.concatenate((held, spare, used)))
    assert everything.tolist() == list(range(count))  # each once
    assert 0 < len(held) <= MEASURED_ON


def test_no_picture_is_left() -> None:
    with pytest.raises(TatamiError, match="of 2 pictures none is left to measure on") as caught:
        held_places(2, np.arange(2))
    assert caught.value.setting == "pictures"
