"""Classification: the class of a whole picture."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from tatami.data.augment import Augmentation, augmented_picture
from tatami.data.fingerprint import labeled_fingerprint
from tatami.data.inspect import inspect_labeled
from tatami.data.open import labeled_splits, open_labeled
from tatami.errors import TatamiError
from tatami.evaluate.classification import Classification as Figures
from tatami.evaluate.curve import Curve, curve, merged
from tatami.evaluate.mistakes import MISSED, WRONG_CLASS
from tatami.models.table import Model
from tatami.rules.classification import ForwardClassifier
from tatami.see.class_activation import Target, target_in_scores
from tatami.see.draw import draw_classes
from tatami.see.report import Report, Shown
from tatami.ship.c.tasks.classification import CLASSIFICATION_IN_C
from tatami.tasks.base import Answer, Difference, Evaluated, Opened
from tatami.tasks.classification_report import classification_page, shown_class
from tatami.tasks.inside import Inside
from tatami.tasks.inspected import Inspected, InspectedClasses
from tatami.tasks.mistake import Mistake
from tatami.tasks.scores import NamesWhole, compare_scores, evaluate_scores
from tatami.tasks.settings import number
from tatami.tasks.style import Style
from tatami.tasks.walk import timed
from tatami.train.recipe import Recipe
from tatami.types import (
    Boxes,
    ClassificationSpec,
    Classifier,
    Float32,
    Forward,
    Int64,
    LabeledPictures,
    Picture,
    Size,
)
from tatami.types.progress import Progress, quiet

if TYPE_CHECKING:  # torch is heavy: it is imported where training really starts
    from tatami.train.batches import Examples
    from tatami.train.run import Run

TOP = 5
"""Classes that are named of a picture."""


@dataclass(frozen=True)
class ClassificationSettings:
    """Say what is particular to a classifier's training.

    Args:
        label_smoothing: The share of every target that is spread over all classes; None: as the
            recipe says, which is 0 unless it is modern.

    Source:
        Szegedy et al. 2016, section 7.
    """

    label_smoothing: float | None = None

    def __post_init__(self) -> None:
        if self.label_smoothing is None:
            return
        if not (number(self.label_smoothing) and 0 <= self.label_smoothing < 1):
            raise TatamiError(
                f"{self.label_smoothing} is out of range",
                hint="give a number from 0 to below 1",
                setting="label_smoothing",
            )


MODERN = Style(
    Recipe(learning_rate=0.05, batch=64, closing_epochs=0),
    settings={"label_smoothing": 0.1},
    augment=(
        *("scale=1,1", "aspect=1", "translate=0.125", "hue=0", "saturation=1", "exposure=1"),
        *("occlusion=0.5", "occlusion_size=0.05,0.25"),
    ),
)
"""How small pictures are learned today: pad and crop by an eighth, mirror (He et al. 2016, section
4.2), hide a part (Zhong et al. 2020), smooth the labels (Szegedy et al. 2016, section 7)."""


@dataclass(frozen=True)
class ClassificationOptions:
    """Say how classes are measured: there is nothing to choose."""


class Classification(NamesWhole[LabeledPictures, Classifier]):
    """Name what a picture shows."""

    name = "classify"
    noun = "classifier"
    specs = (ClassificationSpec,)
    augmentation = replace(Augmentation(), mosaic=0.0, scale=(0.8, 1.25), translate=0.1, aspect=1.1)
    """The one thing in a picture stays in sight."""
    styles: ClassVar[Mapping[str, Style]] = {"paper": Style(), "modern": MODERN}
    settings = ClassificationSettings
    options = ClassificationOptions
    c = CLASSIFICATION_IN_C
    labels = "classes"
    judged_by = "mistakes"
    doing = "Classifying"
    finds = "classes"
    answers_file = "classes.json"
    unvaried = ("mosaic",)

    # Data ----------------------------------------------------------------------------------------

    def splits(self, root: Path, format: str | None) -> tuple[str, ...]:
        """Name the splits of a set with classes."""
        return labeled_splits(root, format)

    def open(
        self, root: Path, *, split: str | None, format: str | None, skip: Collection[str] = ()
    ) -> Opened[LabeledPictures]:
        """Open one split of a set with classes."""
        opened = open_labeled(root, split=split, format=format, skip=skip)
        return Opened(opened.pictures, opened.skipped, opened.notes)

    def fingerprint(self, data: LabeledPictures) -> str:
        """Give one number for the names, the pictures and the classes of a split."""
        return labeled_fingerprint(data)

    def inspect(
        self,
        root: Path,
        *,
        split: str | None,
        format: str | None,
        repairs: Collection[str] = (),
        progress: Progress = quiet,
    ) -> Inspected:
        """Read all of a set with classes, and find everything that is wrong with it."""
        told = partial(progress, "Checking")
        return InspectedClasses(inspect_labeled(root, split=split, format=format, progress=told))

    def varied(
        self,
        data: LabeledPictures,
        place: int,
        canvas: Size,
        options: Augmentation,
        rng: np.random.Generator,
    ) -> tuple[Picture, Boxes]:
        """Draw a picture as training would vary it."""
        return augmented_picture(data.read(place), canvas, options, rng), Boxes.of([], [])

    # Training ------------------------------------------------------------------------------------

    def check_training(
        self,
        model: Model[Any],
        recipe: Recipe,
        settings: ClassificationSettings,
        augmentation: Augmentation,
    ) -> None:
        """Refuse variations and settings that such networks have no use for."""
        if augmentation.mosaic:
            raise TatamiError(
                "a mosaic of pictures has no one class",
                hint="leave out mosaic",
                setting="augment",
            )

    def examples(self, data: LabeledPictures, run: Run) -> Examples:
        """Draw a picture, which teaches its class."""
        from tatami.train.batches import Examples, stacked

        varied = Augmentation(**run.augmentation)

        def draw(index: int, size: Size, _: bool, rng: np.random.Generator) -> tuple[Picture, int]:
            canvas = augmented_picture(data.read(index), size, varied, rng)
            return canvas, int(data.labels[index])

        return Examples(len(data), draw, stacked)

    # Answers -------------------------------------------------------------------------------------

    def predictor(self, spec: Any, forward: Forward, answer: Size | None = None) -> Classifier:
        """Put the written rule around a function from images to raw maps."""
        return ForwardClassifier(spec, forward)

    def look(self, predictor: Classifier, picture: Picture) -> Float32:
        """Find the classes of a picture."""
        return predictor.classify(picture)

    def answer(self, predictor: Classifier, picture: Picture, score: float | None = None) -> Answer:
        """Draw the classes that are found in a picture, and say what they are."""
        classes = predictor.spec.classes
        scores, seconds = timed(lambda: predictor.classify(picture))
        best = np.argsort(-scores, kind="stable")[:TOP].tolist()
        content = {
            "size": str(Size(picture.shape[1], picture.shape[0])),
            "seconds": seconds,
            "classes": [{"class": classes[label], "score": float(scores[label])} for label in best],
        }
        line = ", ".join(f"{classes[label]} {scores[label]:.2f}" for label in best[:3])
        drawn = draw_classes(picture, best, scores[best].tolist(), classes)
        return Answer(drawn, content, line, seconds)

    # Looking inside ------------------------------------------------------------------------------

    def explained(self, inside: Inside, label: str | None) -> Target:
        """Choose what a class activation explains."""
        network = inside.network
        classes = None if network.spec is None else network.spec.classes
        return target_in_scores(network, inside.computed, classes, label)

    # Metrics -------------------------------------------------------------------------------------

    def evaluate(
        self,
        predictor: Classifier,
        data: LabeledPictures,
        *,
        options: ClassificationOptions | None = None,
        skip: Collection[str] = (),
        progress: Progress = quiet,
        stage: str = "",
    ) -> Evaluated[Figures]:
        """Run a predictor over a split and measure its classes."""
        return evaluate_scores(
            predictor.classify,
            predictor.spec.classes,
            data,
            skip=skip,
            progress=progress,
            stage=stage or self.doing,
        )

    def curves(self, data: LabeledPictures, evaluated: Evaluated[Figures]) -> Mapping[str, Curve]:
        """Say what becomes of the answers if those that are not sure enough are left out."""
        answers = np.stack(evaluated.answers)
        labels = data.labels[evaluated.places]
        best, score = answers.argmax(axis=1), answers.max(axis=1).astype(np.float64)
        found = {}
        for label, name in enumerate(data.classes):
            mine = np.flatnonzero(best == label)
            mine = mine[np.argsort(-score[mine], kind="stable")]
            hits = labels[mine] == label
            found[name] = curve(score[mine], hits, int((labels == label).sum()))
        return {"": merged(list(found.values())), **found}

    def mistakes(
        self, data: LabeledPictures, evaluated: Evaluated[Figures], score: float
    ) -> Sequence[Sequence[Mistake]]:
        """Say of each picture whether its class is missed, or another was found."""
        return [
            self._mistake(data, place, scores, score)
            for place, scores in zip(evaluated.places.tolist(), evaluated.answers, strict=True)
        ]

    def confusion(
        self, data: LabeledPictures, evaluated: Evaluated[Figures], score: float
    ) -> Int64:
        """Count pictures; the last column is those without an answer above the score."""
        count = len(data.classes)
        answers = np.stack(evaluated.answers)
        found = np.where(answers.max(axis=1) > score, answers.argmax(axis=1), count)
        counts: Int64 = np.zeros((count + 1, count + 1), np.int64)
        np.add.at(counts, (data.labels[evaluated.places], found), 1)
        return counts

    def _mistake(
        self, data: LabeledPictures, place: int, scores: Float32, least: float
    ) -> list[Mistake]:
        best, own = int(scores.argmax()), int(data.labels[place])
        sure = float(scores[best]) > least
        if sure and best == own:
            return []
        height, width = data.read(place).shape[:2]
        side = math.sqrt(width * height)
        if sure:
            return [Mistake(WRONG_CLASS, best, side, float(scores[best]))]
        return [Mistake(MISSED, own, side, 1.0)]

    def shown(
        self, data: LabeledPictures, evaluated: Evaluated[Figures], number: int, score: float
    ) -> Shown:
        """Draw the labeled and the found class."""
        place, scores = int(evaluated.places[number]), evaluated.answers[number]
        kinds = Counter(one.kind for one in self._mistake(data, place, scores, score))
        return shown_class(data, place, scores, kinds)

    def page(
        self,
        page: Report,
        predictor: Classifier,
        data: LabeledPictures,
        evaluated: Evaluated[Figures],
    ) -> Report:
        """Add the figures, the pictures and the classes to a report's page."""
        return classification_page(page, data, evaluated)

    def compare(
        self, predictor: Classifier, reference: Classifier, pictures: Sequence[Picture]
    ) -> Difference:
        """Compare the classes of a predictor with those of its reference."""
        return compare_scores(predictor.classify, reference.classify, pictures)


CLASSIFICATION = Classification()
