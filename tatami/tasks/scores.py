"""What tasks share that give a probability to each class of a whole picture, sound or series."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, TypeVar, cast

import numpy as np

from tatami.evaluate.classification import Classification, evaluate
from tatami.tasks.base import Difference, Evaluated, Merit, P, Task
from tatami.tasks.settings import read_settings
from tatami.tasks.walk import class_order, figure, walk
from tatami.types import Float32, Int64, LabeledPictures, LabeledSeries, LabeledSounds, Seen
from tatami.types.progress import Progress, quiet
from tatami.types.table import Column, Table, numbers, words

if TYPE_CHECKING:  # torch is heavy: it is imported where training really starts
    from torch import nn

    from tatami.models.classifier import Classifier as Module
    from tatami.train.run import Run

Look = Callable[[Seen], Float32]
"""What is looked at to the probabilities (classes,)."""


SHOWN = 15
"""Classes up to which the confusion matrix is among the tables; JSON always has it."""
N = TypeVar("N", LabeledPictures, LabeledSounds, LabeledSeries)
"""A split with one class for each picture, sound or series."""


class NamesWhole(Task[N, P, Classification]):
    """A task that gives one class to the whole of what it looks at. Abstract.

    Its settings have a ``label_smoothing``.
    """

    measure = "top-1"
    merits = (
        Merit("top1", "top1", "top-1 accuracy", "top-1", lambda result: result.top1),
        Merit("top5", "top5", "top-5 accuracy", "top-5", lambda result: result.top5),
    )

    def strata(self, data: N) -> Sequence[int]:
        """Give each of them its class."""
        return [int(label) for label in data.labels]

    def select(self, data: N, places: Int64) -> N:
        """Give those at these places as a split."""
        return data.select(places)

    def picture(self, data: N, place: int) -> Seen:
        """Read the one at a place."""
        return data.read(place)

    def identity(self, data: N, place: int) -> str:
        """Name the one at a place."""
        return data.ids[place]

    def prepare_model(self, model: nn.Module, run: Run) -> None:
        """Let the loss smooth its targets."""
        settings = read_settings(self.settings, run.settings)
        cast("Module", model).label_smoothing = settings.label_smoothing or 0.0

    def figure(self, result: Classification) -> float:
        """Give the top-1 accuracy."""
        return result.top1

    def row(self, result: Classification) -> dict[str, float]:
        """Give the top-1 accuracy for evaluations.jsonl."""
        return {"top1": round(result.top1, 5)}

    def tables(self, result: Classification) -> list[Table]:
        """Lay out a row a class, and what else there is."""
        few: bool = len(result.classes) <= SHOWN
        return [_per_class(result), *([_confusion(result)] if few else [])]

    def lines(self, result: Classification) -> list[str]:
        """Say the figures over all classes."""
        error = 100 * (1 - result.top1)
        return [
            f"{result.pictures} {self.units}",
            f"top-1 {figure(result.top1)} (error {error:.2f} %)   "
            f"top-5 {figure(result.top5)}   mean AUC {figure(result.auc)}",
        ]


def evaluate_scores(
    look: Look,
    classes: Sequence[str],
    data: LabeledPictures | LabeledSounds | LabeledSeries,
    *,
    skip: Collection[str] = (),
    progress: Progress = quiet,
    stage: str = "",
) -> Evaluated[Classification]:
    """Look at all of a split and measure the classes.

    Args:
        look: What is run.
        classes: The classes of the network.
        data: The split.
        skip: Kinds of problems to leave out, as unreadable-picture.
        progress: Takes up how far it is.
        stage: What progress calls it.

    Raises:
        TatamiError: Where the classes differ, and for what cannot be read.
    """
    to_data = class_order(classes, data.classes)
    places, rows, seconds = [], [], 0.0
    unreadable: list[int] = []
    for one in walk(
        look,
        range(len(data)),
        data.read,
        unreadable,
        file=data.root,
        skip=skip,
        stage=stage,
        progress=progress,
    ):
        row = np.empty_like(one.found)
        row[to_data] = one.found
        rows.append(row)
        places.append(one.item)
        seconds += one.seconds
    chosen: Int64 = np.array(places, np.int64)
    result = evaluate(data.labels[chosen], np.stack(rows), data.classes)
    return Evaluated(result, rows, chosen, len(unreadable), seconds)


def compare_scores(look: Look, reference: Look, seen: Sequence[Seen]) -> Difference:
    """Find the largest difference of the probabilities of two predictors."""
    worst = 0.0
    for one in seen:
        expected = reference(one).astype(np.float64)
        apart = float(np.abs(look(one) - expected).max())
        worst = apart if math.isnan(apart) else max(worst, apart)
    return Difference("scores", worst, "", 0.0)


def _per_class(result: Classification) -> Table:
    rows = tuple(
        (
            one.name,
            f"{one.pictures:,}",
            f"{one.predicted:,}",
            *map(figure, (one.precision, one.recall, one.f1, one.roc.auc)),
        )
        for one in result.classes
    )
    heads = numbers("pictures", "predicted", "precision", "recall", "F1", "AUC")
    return Table((words("class", flexible=True), *heads), rows)


def _confusion(result: Classification) -> Table:
    """Count the pictures of each class, a row each, by the class that is predicted."""
    names = [one.name for one in result.classes]
    rows = tuple(
        (name, *(f"{count}" if count else "" for count in row))
        for name, row in zip(names, result.confusion.tolist(), strict=True)
    )
    heads = (Column(name, flexible=True) for name in names)
    return Table((words("true, predicted", flexible=True), *heads), rows)
