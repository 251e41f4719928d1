"""A form of a network on labeled pictures, each judged by itself: so two are compared."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tatami.pipeline.evaluate import open_used
from tatami.pipeline.ledger import Stage
from tatami.pipeline.run_data import UsedData
from tatami.tasks.base import Evaluated
from tatami.tasks.mistake import Mistake
from tatami.types import Picture
from tatami.types.progress import Progress, quiet


@dataclass(frozen=True)
class Judged:
    """What a form of a network made of a split.

    Args:
        stage: The form.
        data: The split.
        evaluated: Its answers, and its metrics.
    """

    stage: Stage
    data: Any
    evaluated: Evaluated[Any]

    @cached_property
    def names(self) -> list[str]:
        """The names of the pictures that were looked at."""
        task = self.stage.task
        return [task.identity(self.data, place) for place in self.evaluated.places.tolist()]

    def mistakes(self, score: float) -> Sequence[Sequence[Mistake]]:
        """List what is wrong in each picture, where answers count above a score."""
        return self.stage.task.mistakes(self.data, self.evaluated, score)

    def confusion(self, score: float) -> list[list[int]]:
        """Count [label, answer], where answers count above a score."""
        found: list[list[int]] = self.stage.task.confusion(
            self.data, self.evaluated, score
        ).tolist()
        return found

    def drawn(self, number: int, score: float) -> list[Picture]:
        """Draw what is labeled in a picture, what was found and, for some tasks, what is wrong.

        Args:
            number: Of the picture among ``names``.
            score: Answers count above it.

        Returns:
            Pictures (height, width, 3).
        """
        sides = self.stage.task.shown(self.data, self.evaluated, number, score).sides
        return [drawn for _, _, drawn in sides]

    def to_json(self) -> dict[str, Any]:
        """Give the metrics, as ``evaluate`` does, and what pictures are chosen and ordered by.

        That are the curves that a score is chosen on, or how far each class agrees in each picture,
        with the classes' colors.
        """
        task = self.stage.task
        curves = task.curves(self.data, self.evaluated)
        agreement, colors = None, None
        if task.judged_by == "agreement":
            rows = task.agreement(self.data, self.evaluated).tolist()
            agreement = [[None if math.isnan(one) else one for one in row] for row in rows]
            colors = [list(color) for color in self.data.colors]
        return {
            "classes": list(self.data.classes),
            "pictures": self.names,
            "score": task.sure,
            "measure": task.measure,
            "figure": task.figure(self.evaluated.result),
            "result": self.evaluated.result.to_json(),
            "agreement": agreement,
            "colors": colors,
            "curves": [
                {
                    "name": name,
                    "scores": curve.scores.tolist(),
                    "true_positives": curve.true_positives.tolist(),
                    "truths": curve.truths,
                }
                for name, curve in curves.items()
            ],
        }


def judge(stage: Stage, used: UsedData, progress: Progress = quiet) -> Judged:
    """Run a form of a network over a split.

    Args:
        stage: The form.
        used: The split.
        progress: Takes up how far it is.

    Raises:
        TatamiError: As ``evaluate`` does, and for a task that judges no picture by itself.
    """
    stage.task.check_judged()
    data = open_used(stage.task, used).data
    found = stage.task.evaluate(
        stage.predictor, data, options=stage.task.judging, skip=used.skip, progress=progress
    )
    return Judged(stage, data, found)


def as_rows(mistakes: Sequence[Sequence[Mistake]]) -> list[list[dict[str, Any]]]:
    """Give mistakes as plain values."""
    return [[dataclasses.asdict(one) for one in row] for row in mistakes]
