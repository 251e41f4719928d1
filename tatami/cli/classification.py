"""A classifier run over labeled pictures, and how it did: for every command that tells it."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tatami.evaluate.classification import Classification, evaluate
from tatami.tasks.walk import WIDTH, answers, class_order
from tatami.types import Classifier, Float32, Int64, LabeledPictures

SHOWN = 15
"""Up to so many classes the confusion matrix is printed; --json always has it."""


@dataclass(frozen=True)
class Classified:
    """places: of the pictures that could be read.  scores: (n, classes), in the data's order.

    seconds: in the classifier alone, from decoded pixels to probabilities.
    """

    result: Classification
    places: Int64
    scores: Float32
    unreadable: int
    seconds: float

    @property
    def pictures_per_second(self) -> float | None:
        return len(self.places) / self.seconds if self.seconds > 0 else None


def classify_all(
    classifier: Classifier,
    pictures: LabeledPictures,
    *,
    skip: Collection[str] = (),
    title: str | None = None,
) -> Classified:
    """Run a classifier over a split, with a progress bar where a title is given.

    Raises TatamiError where the classes differ, and for the first picture that cannot be read,
    unless ``skip`` holds unreadable-picture.
    """
    to_data = class_order(classifier.spec.classes, pictures.classes)
    places, rows, seconds = [], [], 0.0
    unreadable: list[int] = []
    for answer in answers(
        classifier.classify,
        range(len(pictures)),
        pictures.read,
        unreadable,
        file=pictures.root,
        skip=skip,
        title=title,
    ):
        row = np.empty_like(answer.found)
        row[to_data] = answer.found
        rows.append(row)
        places.append(answer.item)
        seconds += answer.seconds
    chosen, scores = np.array(places, np.int64), np.stack(rows)
    result = evaluate(pictures.labels[chosen], scores, pictures.classes)
    return Classified(result, chosen, scores, len(unreadable), seconds)


def print_classification(console: Console, result: Classification) -> None:
    """A row a class, what is taken for what, and the figures over all."""
    table = Table(box=box.SIMPLE, pad_edge=False, padding=(0, 1, 0, 0), width=WIDTH)
    table.add_column("class", overflow="ellipsis", no_wrap=True, ratio=1)
    for name in ("pictures", "taken for it", "precision", "recall", "F1", "AUC"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in result.classes:
        figures = (one.precision, one.recall, one.f1, one.roc.auc)
        counts = (f"{one.pictures:,}", f"{one.taken_for:,}")
        table.add_row(escape(one.name), *counts, *map(_figure, figures))
    console.print(table)
    if len(result.classes) <= SHOWN:
        console.print(_confusion(result))
    console.print(f"{result.pictures} pictures", markup=False)
    console.print(
        f"top-1 {_figure(result.top1)} (error {100 * (1 - result.top1):.2f} %)   "
        f"top-5 {_figure(result.top5)}   mean AUC {_figure(result.auc)}",
        markup=False,
    )


def _confusion(result: Classification) -> Table:
    table = Table(box=box.SIMPLE, pad_edge=False, padding=(0, 1, 0, 0), width=WIDTH)
    table.add_column("is, taken for", overflow="ellipsis", no_wrap=True, ratio=2)
    for one in result.classes:
        table.add_column(
            escape(one.name), justify="right", overflow="ellipsis", no_wrap=True, ratio=1
        )
    for one, row in zip(result.classes, result.confusion.tolist(), strict=True):
        table.add_row(escape(one.name), *(f"{count}" if count else "" for count in row))
    return table


def _figure(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.4f}"
