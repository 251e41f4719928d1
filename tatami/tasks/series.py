"""Classification of series: the class of a vector, or of numbers over time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from tatami.data.augment import Augmentation
from tatami.data.csv_rows import is_csv_name
from tatami.data.fingerprint import series_fingerprint
from tatami.data.inspect_series import channels_of, inspect_series
from tatami.data.open import open_series, series_splits
from tatami.data.series_given import read_given
from tatami.errors import TatamiError
from tatami.evaluate.classification import Classification as Figures
from tatami.models.table import Model
from tatami.rules.series import ForwardSeriesClassifier, prepare
from tatami.see.draw import draw_classes
from tatami.see.report import Report
from tatami.see.series import series_picture
from tatami.ship.c.tasks.series import SERIES_IN_C
from tatami.tasks.base import Answer, Difference, Evaluated, Opened
from tatami.tasks.classification import TOP, ClassificationOptions
from tatami.tasks.classification_report import classification_page
from tatami.tasks.inspected import Inspected
from tatami.tasks.inspected_series import InspectedSeries
from tatami.tasks.scores import NamesWhole, compare_scores, evaluate_scores
from tatami.tasks.settings import number, refuse_variations
from tatami.tasks.walk import timed
from tatami.types import (
    Float32,
    Forward,
    LabeledPictures,
    LabeledSeries,
    SeriesClassifier,
    SeriesInput,
    SeriesSpec,
    Size,
)
from tatami.types.progress import Progress, quiet

if TYPE_CHECKING:  # torch is heavy: it is imported where training really starts
    from numpy.typing import NDArray
    from torch import Tensor

    from tatami.train.batches import Examples
    from tatami.train.recipe import Recipe
    from tatami.train.run import Run


@dataclass(frozen=True)
class SeriesSettings:
    """Say what is particular to a series classifier's training.

    Args:
        label_smoothing: The share of every target that is spread over all classes (Szegedy et al.
            2016, section 7).
    """

    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        if not (number(self.label_smoothing) and 0 <= self.label_smoothing < 1):
            raise TatamiError(
                f"{self.label_smoothing} is out of range",
                hint="give a number from 0 to below 1",
                setting="label_smoothing",
            )


class SeriesClassification(NamesWhole[LabeledSeries, SeriesClassifier]):
    """Name what a vector or a series of numbers is of."""

    name = "classify-series"
    noun = "series classifier"
    specs = (SeriesSpec,)
    augmentation = Augmentation.none()
    settings = SeriesSettings
    options = ClassificationOptions
    c = SERIES_IN_C
    labels = "series"
    doing = "Classifying"
    units = "series"
    rule = "series rule"
    finds = "classes"
    unvaried = tuple(vars(Augmentation.none()))
    answers_file = "series.json"

    # Data ----------------------------------------------------------------------------------------

    def splits(self, root: Path, format: str | None) -> tuple[str, ...]:
        """Name the splits of a set of series."""
        return series_splits(root, format)

    def open(
        self, root: Path, *, split: str | None, format: str | None, skip: Collection[str] = ()
    ) -> Opened[LabeledSeries]:
        """Open one split of a set of series."""
        opened = open_series(root, split=split, format=format, skip=skip)
        return Opened(opened.series, opened.skipped, opened.notes)

    def fingerprint(self, data: LabeledSeries) -> str:
        """Give one number for the names, the numbers and the classes of a split."""
        return series_fingerprint(data)

    def is_input(self, file: Path) -> bool:
        """Tell whether a file's name is a CSV file's."""
        return is_csv_name(file)

    def read(self, file: Path, spec: Any) -> Float32:
        """Read the series of a CSV file, (n, steps, channels), fitted to a network."""
        return read_given(file, cast(SeriesSpec, spec).input)

    def inspect(
        self,
        root: Path,
        *,
        split: str | None,
        format: str | None,
        repairs: Collection[str] = (),
        progress: Progress = quiet,
    ) -> Inspected:
        """Read all of a set of series, and find everything that is wrong with it."""
        told = partial(progress, "Checking")
        return InspectedSeries(inspect_series(root, split=split, format=format, progress=told))

    # Training ------------------------------------------------------------------------------------

    def check_training(
        self,
        model: Model[Any],
        recipe: Recipe,
        settings: SeriesSettings,
        augmentation: Augmentation,
    ) -> None:
        """Refuse variations: series are learned as they are."""
        refuse_variations(augmentation, "series have no")

    def plan(
        self,
        model: Model[Any],
        data: LabeledSeries,
        recipe: Recipe,
        settings: SeriesSettings,
        progress: Progress = quiet,
    ) -> tuple[SeriesSpec, SeriesSettings]:
        """Fit the series rule to a split: its channels and lengths, the range of its numbers.

        The network looks at as many steps as the longest series has, unless a size says others.

        Raises:
            TatamiError: For a size of other channels than the data's.
        """
        spec: SeriesSpec = model.spec(data.classes, recipe.size)
        size, count = cast(Size, recipe.size), len(data.channels)
        steps = max(map(len, data.series))
        if size != model.size:
            if size.width != count:
                raise TatamiError(
                    f"the data have {count} channels, not {size.width}",
                    hint=f"give channels x steps, as {count}x{steps}",
                    setting="size",
                )
            steps = size.height
        found = channels_of([data])
        scales = np.zeros(count)
        np.divide(1, found.deviation, out=scales, where=found.low != found.high)
        rule = SeriesInput(
            steps,
            data.channels,
            tuple(float(f"{value:.7g}") for value in found.mean),
            tuple(float(f"{value:.7g}") for value in scales),
        )
        return replace(spec, input=rule), settings

    def examples(self, data: LabeledSeries, run: Run) -> Examples:
        """Draw a series, which teaches its class."""
        import torch

        from tatami.train.batches import Examples, stacked

        rule = cast(SeriesSpec, run.spec).input

        def draw(
            index: int, size: Size, closing: bool, rng: np.random.Generator
        ) -> tuple[NDArray[Any], int]:
            return prepare(data.read(index), rule), int(data.labels[index])

        def images(found: Sequence[NDArray[Any]], rule: Any) -> Tensor:
            return torch.from_numpy(np.stack(found))

        return Examples(len(data), draw, stacked, images)

    # Answers -------------------------------------------------------------------------------------

    def image(self, picture: Float32, spec: SeriesSpec) -> Float32:
        """Make a network's input (1, 1, steps, channels) of a series, by the written rule."""
        return prepare(picture, spec.input)[None]

    def predictor(
        self, spec: Any, forward: Forward, answer: Size | None = None
    ) -> SeriesClassifier:
        """Put the written rule around a function from numbers to logits."""
        return ForwardSeriesClassifier(spec, forward)

    def look(self, predictor: SeriesClassifier, picture: Float32) -> Float32:
        """Find the classes of a series."""
        return predictor.classify_series(picture)

    def answer(
        self, predictor: SeriesClassifier, picture: Float32, score: float | None = None
    ) -> Answer:
        """Draw a series with its classes, and say what they are; of several, the first.

        Args:
            predictor: What looks.
            picture: A series (steps, channels), or several, (n, steps, channels).
            score: Of no use here.
        """
        spec = predictor.spec
        several = picture if picture.ndim == 3 else picture[None]
        found, seconds = timed(lambda: [predictor.classify_series(one) for one in several])
        named = [_named(scores, spec.classes) for scores in found]
        shown = series_picture(several[0])
        best = np.argsort(-found[0], kind="stable")[:TOP].tolist()
        drawn = draw_classes(shown, best, found[0][best].tolist(), spec.classes)
        content: dict[str, Any] = {"size": f"{len(several)} x {spec.input.size}"}
        content["seconds"] = seconds
        if len(named) == 1:
            content["classes"] = named[0]
            line = ", ".join(f"{one['class']} {one['score']:.2f}" for one in named[0][:3])
        else:
            content["series"] = named
            counts = Counter(one[0]["class"] for one in named).most_common()
            line = ", ".join(f"{count} {name}" for name, count in counts[:3])
        return Answer(drawn, content, line, seconds)

    # Metrics -------------------------------------------------------------------------------------

    def evaluate(
        self,
        predictor: SeriesClassifier,
        data: LabeledSeries,
        *,
        options: ClassificationOptions | None = None,
        skip: Collection[str] = (),
        progress: Progress = quiet,
        stage: str = "",
    ) -> Evaluated[Figures]:
        """Run a predictor over a split and measure its classes."""
        if predictor.spec.input.channels != data.channels:
            raise TatamiError(
                f"the data have the channels {_shown(data.channels)}, the network knows "
                f"{_shown(predictor.spec.input.channels)}",
                hint="name them alike, in one order",
                file=data.root,
            )
        return evaluate_scores(
            predictor.classify_series,
            predictor.spec.classes,
            data,
            skip=skip,
            progress=progress,
            stage=stage or self.doing,
        )

    def page(
        self,
        page: Report,
        predictor: SeriesClassifier,
        data: LabeledSeries,
        evaluated: Evaluated[Figures],
    ) -> Report:
        """Add the figures, the series and the classes to a report's page."""
        drawn = LabeledPictures(
            data.root,
            data.split,
            data.classes,
            data.ids,
            data.labels,
            lambda place: series_picture(data.read(place)),
        )
        return classification_page(page, drawn, evaluated)

    def compare(
        self,
        predictor: SeriesClassifier,
        reference: SeriesClassifier,
        pictures: Sequence[Float32],
    ) -> Difference:
        """Compare the classes of a predictor with those of its reference."""
        return compare_scores(predictor.classify_series, reference.classify_series, pictures)


SERIES_CLASSIFICATION = SeriesClassification()


def _named(scores: Float32, classes: Sequence[str]) -> list[dict[str, Any]]:
    best = np.argsort(-scores, kind="stable")[:TOP].tolist()
    return [{"class": classes[label], "score": float(scores[label])} for label in best]


def _shown(channels: Sequence[str]) -> str:
    return ", ".join(channels[:5]) + (f" and {len(channels) - 5} more" if channels[5:] else "")
