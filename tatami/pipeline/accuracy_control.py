"""Eight bits that lose no more than is allowed: other ways are tried until the figure holds.

The ways go from what costs nothing to what costs speed: how ranges are chosen, equalization, the
biases' correction, more calibration pictures, and at last layers that stay float, first those that
the outputs gain most by. What is measured on are never pictures of a test split, nor those that the
network is calibrated with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tatami.errors import TatamiError
from tatami.graph.network import Network
from tatami.pipeline.quantizing import Calibration, How, Made, spread
from tatami.program.forward import numpy_forward
from tatami.shrink.calibrate import METHODS
from tatami.tasks.base import Task
from tatami.tasks.structure import Structure
from tatami.types import Int64
from tatami.types.progress import Progress, tracked
from tatami.types.table import Table, numbers, words

MEASURED_ON = 200
"""Pictures that a way is measured on, at most."""
LARGER = 4
"""So many times the calibration pictures are tried, where there are as many."""
FLOATS = (1, 2, 4, 8)
"""How many layers stay float, one after another."""


@dataclass(frozen=True)
class Held:
    """The pictures that a way is measured on, and what measures.

    Args:
        task: The task.
        structure: How the networks belong together.
        spec: That of the first network.
        data: The pictures, as a split.
        skip: Kinds of problems to leave out.
        learned: Whether the network learned from these pictures.
        progress: Takes up how far it is.
    """

    task: Task[Any, Any, Any]
    structure: Structure
    spec: Any
    data: Any
    skip: tuple[str, ...]
    learned: bool
    progress: Progress

    def figure(self, networks: Sequence[Network], stage: str) -> float:
        """Measure networks that belong together: the task's figure in percent."""
        forwards = [numpy_forward(network) for network in networks]
        predictor = self.structure.predictor(self.spec, forwards)
        found = self.task.evaluate(
            predictor, self.data, skip=self.skip, progress=self.progress, stage=stage
        )
        return 100 * self.task.figure(found.result)


@dataclass(frozen=True)
class Way:
    """A way that was tried.

    Args:
        how: What was done.
        pictures: How many pictures it was calibrated with.
        figure: The task's figure in percent.
    """

    how: How
    pictures: int
    figure: float

    @property
    def words(self) -> str:
        """Say it in a line of a table."""
        how = self.how
        parts: list[str] = [how.method]
        parts += ["equalized"] * how.equalize
        parts += ["biases as they were"] * (not how.bias_correction)
        parts += [f"float: {', '.join(how.kept)}"] if how.kept else []
        return ", ".join(parts)


@dataclass(frozen=True)
class Within:
    """What was tried to lose no more than is allowed.

    Args:
        allowed: The loss that is allowed, in points.
        measure: The name of the figure.
        original: The figure in float, in percent.
        pictures: How many pictures it was measured on.
        learned: Whether the network learned from them.
        ways: What was tried, in this order.
    """

    allowed: float
    measure: str
    original: float
    pictures: int
    learned: bool
    ways: tuple[Way, ...]

    @property
    def best(self) -> Way:
        """The way that was taken: the first of those with the highest figure."""
        return max(self.ways, key=lambda way: way.figure)

    @property
    def reached(self) -> bool:
        """Whether no more is lost than is allowed."""
        return self.lost(self.best) <= self.allowed

    def lost(self, way: Way) -> float:
        """Give what a way loses, in points."""
        return self.original - way.figure

    def to_json(self) -> dict[str, Any]:
        """Give it as plain values."""
        return {
            "allowed": self.allowed,
            "reached": self.reached,
            "measure": self.measure,
            "float": self.original,
            "pictures": self.pictures,
            "learned": self.learned,
            "ways": [
                {
                    "method": way.how.method,
                    "equalized": way.how.equalize,
                    "bias_correction": way.how.bias_correction,
                    "float_layers": list(way.how.kept),
                    "calibration_pictures": way.pictures,
                    "figure": way.figure,
                    "taken": way is self.best,
                }
                for way in self.ways
            ],
        }

    def table(self) -> Table:
        """Lay out the ways, the taken one strong."""
        columns = (
            words("way", flexible=True),
            *numbers("calibrated", f"{self.measure} %", "lost"),
        )
        rows = tuple(
            (way.words, str(way.pictures), f"{way.figure:.2f}", f"{self.lost(way):.2f}")
            for way in self.ways
        )
        strong = frozenset(place for place, way in enumerate(self.ways) if way is self.best)
        return Table(columns, rows, strong=strong)

    def line(self) -> str:
        """Say what was reached, and on what."""
        lost, seen = self.lost(self.best), ", which it learned from" if self.learned else ""
        what = f"{self.measure} {self.original:.2f} % in float, {lost:.2f} points lost in 8 bits"
        held = "allowed were" if self.reached else "NOT REACHED: allowed were"
        return f"{what} ({held} {self.allowed:g}), on {self.pictures} held-out pictures{seen}"


@dataclass(frozen=True)
class Chosen:
    """The way that was taken, and what came of it.

    Args:
        how: What was done.
        made: The networks.
        calibration: What they were calibrated with.
        pictures: With how many pictures.
        within: What was tried.
    """

    how: How
    made: Made
    calibration: Calibration
    pictures: int
    within: Within


def search(
    allowed: float,
    how: How,
    made: Made,
    calibration: Calibration,
    pictures: int,
    larger: Callable[[], tuple[Calibration, int] | None],
    held: Held,
) -> Chosen:
    """Try ways to quantize networks, until one loses no more than is allowed.

    Args:
        allowed: The loss that is allowed, in points of the task's figure.
        how: The first way.
        made: What comes of it.
        calibration: The networks, with the usual calibration pictures.
        pictures: How many these are.
        larger: Gives the networks with more of them, and how many; None where there are no more.
        held: What is measured on.

    Returns:
        The first way that loses no more, or else the one that loses least.
    """
    original = held.figure([part.network for part in calibration.parts], "Measuring float")
    ways: list[Way] = []
    best: list[tuple[How, Made, Calibration, int]] = []

    def holds(how: How, calibration: Calibration, pictures: int, made: Made | None = None) -> bool:
        """Try a way, keep it where it is the best so far, and say whether it is good enough."""
        made = made or calibration.made(how)
        way = Way(how, pictures, held.figure(made.results, f"Measuring way {len(ways) + 1}"))
        if not ways or way.figure > max(one.figure for one in ways):
            best[:] = [(how, made, calibration, pictures)]
        ways.append(way)
        return original - way.figure <= allowed

    def attempts() -> Iterator[bool]:
        """Try one way after another; each stage goes on from what was best before."""
        yield holds(how, calibration, pictures, made)
        for method in METHODS:
            if method != how.method:
                yield holds(replace(how, method=method), calibration, pictures)
        now = best[0][0]
        yield holds(replace(now, equalize=not now.equalize), calibration, pictures)
        now = best[0][0]
        yield holds(replace(now, bias_correction=not now.bias_correction), calibration, pictures)
        more = larger()
        if more is not None:
            yield holds(best[0][0], *more)
        now, _, by, count = best[0]
        order = layers_by_gain(by, now, held.progress)
        for kept in FLOATS:
            if kept <= len(order):
                yield holds(replace(now, kept=(*now.kept, *order[:kept])), by, count)

    any(attempts())
    way, taken, by, count = best[0]
    measured = Within(
        allowed, held.task.measure, original, len(held.data), held.learned, tuple(ways)
    )
    return Chosen(way, taken, by, count, measured)


def layers_by_gain(calibration: Calibration, how: How, progress: Progress) -> tuple[str, ...]:
    """Order the layers by how much less noise the outputs have where each alone stays float."""
    layers = [each.name for each in calibration.layers(calibration.made(how))]
    layers = [name for name in dict.fromkeys(layers) if name not in how.kept]
    gains = {}
    for name in tracked(layers, "Trying layers in float", progress):
        made = calibration.made(replace(how, kept=(*how.kept, name)))
        gains[name] = calibration.output_sqnr(made)
    return tuple(sorted(gains, key=lambda name: -gains[name]))


def held_places(count: int, calibrated: Int64) -> tuple[Int64, Int64]:
    """Part the pictures that a network is not calibrated with.

    Args:
        count: How many pictures there are.
        calibrated: The places of those that it is calibrated with.

    Returns:
        The places to measure on, two of three and MEASURED_ON at most, spread over all; and the
        rest, with which it may be calibrated, too.

    Raises:
        TatamiError: Where none is left to measure on.
    """
    rest = np.setdiff1d(np.arange(count, dtype=np.int64), calibrated)
    wanted = min(MEASURED_ON, -(-2 * len(rest) // 3))
    if wanted == 0:
        raise TatamiError(
            f"of {count} pictures none is left to measure on",
            hint="calibrate with fewer",
            setting="pictures",
        )
    held = rest[spread(len(rest), wanted)]
    return held, np.setdiff1d(rest, held)
