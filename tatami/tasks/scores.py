"""What tasks share that give a probability to each class: their metrics, and how two differ."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence

import numpy as np

from tatami.evaluate.classification import Classification, evaluate
from tatami.tasks.base import Difference, Evaluated
from tatami.tasks.walk import class_order, walk
from tatami.types import Float32, Int64, LabeledPictures, LabeledSounds, Seen
from tatami.types.progress import Progress, quiet

Look = Callable[[Seen], Float32]
"""What is looked at to the probabilities (classes,)."""


def evaluate_scores(
    look: Look,
    classes: Sequence[str],
    data: LabeledPictures | LabeledSounds,
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
