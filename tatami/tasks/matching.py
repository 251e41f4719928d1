"""Matching: whether two pictures show the same, of things that no training has seen."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast

import numpy as np

from tatami.data.augment import Augmentation, augmented_picture
from tatami.data.drawings import alphabet_of, drawers_of, places_by_class
from tatami.data.hold_out import HoldOut, held_places
from tatami.errors import TatamiError
from tatami.evaluate.one_shot import OneShot, Run, draw_runs, judge
from tatami.models.table import Model
from tatami.rules.matching import (
    ForwardMatcher,
    Matcher,
    distances,
    kept_embeddings,
    probability,
)
from tatami.see.draw import draw_classes
from tatami.see.plots import Panel
from tatami.see.report import Report
from tatami.ship.c.tasks.matching import MATCHING_IN_C
from tatami.tasks.base import Answer, Difference, Evaluated, Merit, Opened, Task
from tatami.tasks.classification import CLASSIFICATION, TOP
from tatami.tasks.inspected import Inspected
from tatami.tasks.settings import read_settings
from tatami.tasks.style import Style
from tatami.tasks.walk import figure, timed, walk
from tatami.train.recipe import Recipe
from tatami.types import Boxes, Float32, Forward, Int64, LabeledPictures, Picture, Size
from tatami.types.names import as_class_name
from tatami.types.progress import Progress, quiet
from tatami.types.specs import MatchingSpec
from tatami.types.table import Table, numbers, words

if TYPE_CHECKING:  # torch is heavy: it is imported where training really starts
    from torch import Tensor, nn

    from tatami.models.matcher import Matcher as Twin
    from tatami.train.batches import Examples
    from tatami.train.run import Run as Training

SAME = "same"
"""The one thing that a matcher says of two pictures."""


@dataclass(frozen=True)
class MatchingSettings:
    """Say what is particular to a matcher's training; None: as the recipe's style says.

    Args:
        loss: "pairs", whether two pictures show the same, as in the paper; "nearest", also which of
            a batch's pictures shows the same.
        turned: Whether each class turned by 90, 180 and 270 degrees is a class of its own, too
            (Santoro et al. 2016, "Meta-Learning with Memory-Augmented Neural Networks", section
            4.1).
    """

    loss: Literal["pairs", "nearest"] | None = None
    turned: bool | None = None

    def __post_init__(self) -> None:
        if self.loss not in (None, "pairs", "nearest"):
            raise TatamiError(
                f"'{self.loss}' is no loss", hint="give pairs or nearest", setting="loss"
            )
        if self.turned not in (None, True, False):
            raise TatamiError("it is no yes or no", hint="give true or false", setting="turned")


MODERN = Style(
    Recipe(epochs=6, batch=64, learning_rate=3e-3, optimizer="adamw", closing_epochs=0),
    {"loss": "nearest", "turned": True},
)
"""Ranked by a loss that asks what a trial asks, with every character turned four ways."""


@dataclass(frozen=True)
class MatchingOptions:
    """Say how matching is measured, by the runs of evaluate/one_shot.py.

    Args:
        ways: Characters of a run.
        trials: Of all runs, at least.
        seed: Of what is drawn.
    """

    ways: int = 20
    trials: int = 400
    seed: int = 0


class Matching(Task[LabeledPictures, Matcher, OneShot]):
    """Tell whether two pictures show the same."""

    name = "match"
    noun = "matcher"
    measure = "one-shot"
    specs = (MatchingSpec,)
    augmentation = replace(
        Augmentation.none(255), rotate=10.0, scale=(0.8, 1.2), aspect=1.2, translate=0.07
    )
    """Affine distortions, as in Koch et al. 2015, section 4.1, on white."""
    styles: ClassVar[Mapping[str, Style]] = {
        "paper": Style(settings={"loss": "pairs", "turned": False}),
        "modern": MODERN,
    }
    settings = MatchingSettings
    options = MatchingOptions
    c = MATCHING_IN_C
    labels = "classes"
    doing = "Embedding"
    finds = "embeddings"
    merits = (
        Merit("oneshot", "accuracy", "one-shot accuracy", "one-shot", lambda one: one.accuracy),
    )
    answers_file = "matches.json"
    unvaried = ("mosaic",)

    # Data: as a classifier's, whose classes a matcher pairs ---------------------------------------

    def splits(self, root: Path, format: str | None) -> tuple[str, ...]:
        """Name the splits of a set with classes."""
        return CLASSIFICATION.splits(root, format)

    def open(
        self, root: Path, *, split: str | None, format: str | None, skip: Collection[str] = ()
    ) -> Opened[LabeledPictures]:
        """Open one split of a set with classes."""
        return CLASSIFICATION.open(root, split=split, format=format, skip=skip)

    def hold_out(self, data: LabeledPictures, rule: str) -> tuple[LabeledPictures, LabeledPictures]:
        """Hold out whole alphabets, or of one alphabet whole characters.

        Args:
            data: The split.
            rule: How many, or which share, as ``Task.hold_out``.

        Raises:
            TatamiError: Where nothing would be left.
        """
        alphabets = [alphabet_of(name) for name in data.classes]
        several = len({*alphabets}) > 1
        kinds = [alphabets[label] if several else data.classes[label] for label in data.labels]
        names, how = sorted({*kinds}), HoldOut.parse(rule)
        _, held = held_places([0] * len(names), how, data.root)
        out = np.isin(kinds, [names[place] for place in held.tolist()])
        return (
            self.renamed(self.select(data, np.flatnonzero(~out)), f"{data.split} without {how}"),
            self.renamed(self.select(data, np.flatnonzero(out)), f"{how} of {data.split}"),
        )

    def fingerprint(self, data: LabeledPictures) -> str:
        """Give one number for the names, the pictures and the classes of a split."""
        return CLASSIFICATION.fingerprint(data)

    def select(self, data: LabeledPictures, places: Int64) -> LabeledPictures:
        """Give the pictures at these places as a split."""
        return data.select(places)

    def picture(self, data: LabeledPictures, place: int) -> Picture:
        """Read the picture at a place."""
        return data.read(place)

    def identity(self, data: LabeledPictures, place: int) -> str:
        """Name the picture at a place."""
        return data.ids[place]

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
        return CLASSIFICATION.inspect(root, split=split, format=format, progress=progress)

    def varied(
        self,
        data: LabeledPictures,
        place: int,
        canvas: Size,
        options: Augmentation,
        rng: np.random.Generator,
    ) -> tuple[Picture, Boxes]:
        """Draw a picture as training would vary it."""
        return CLASSIFICATION.varied(data, place, canvas, options, rng)

    # Training ------------------------------------------------------------------------------------

    def check_training(
        self,
        model: Model[Any],
        recipe: Recipe,
        settings: MatchingSettings,
        augmentation: Augmentation,
    ) -> None:
        """Refuse a mosaic, which shows several things."""
        if augmentation.mosaic:
            raise TatamiError("a mosaic shows several things", hint="leave it out")

    def plan(
        self,
        model: Model[Any],
        data: LabeledPictures,
        recipe: Recipe,
        settings: MatchingSettings,
        progress: Progress = quiet,
    ) -> tuple[MatchingSpec, MatchingSettings]:
        """Make a spec that knows no class of the data."""
        return model.spec((SAME,), recipe.size), settings

    def examples(self, data: LabeledPictures, run: Training) -> Examples:
        """Draw a picture and another of its class, by another drawer where that is known.

        A batch is of as few alphabets as can be: a character is hardest told from its neighbors.
        Where classes are turned, a picture is drawn four times an epoch, each turned otherwise.

        Raises:
            TatamiError: Where no class has two pictures, or there is one class.
        """
        import torch

        from tatami.train.batches import Examples, normalized, stacked

        settings: MatchingSettings = read_settings(self.settings, run.settings)
        ways = 4 if settings.turned else 1
        varied, drawers = Augmentation(**run.augmentation), drawers_of(data)
        there = places_by_class(data.labels)
        chosen = [one for places in there.values() if len(places) > 1 for one in places]
        if not chosen or len(there) < 2:
            raise TatamiError(
                "no two classes with two pictures to pair", hint="add some", file=data.root
            )

        def draw(index: int, size: Size, _: bool, rng: np.random.Generator) -> tuple[Any, int]:
            place, quarter = chosen[index // ways], index % ways
            label, drawer = int(data.labels[place]), drawers[place]
            others = [one for one in there[label] if one != place]
            strangers = [one for one in others if not drawer or drawers[one] != drawer]
            pair = (place, int(rng.choice(strangers or others)))
            turned = (np.rot90(data.read(one), quarter) for one in pair)
            drawn = [augmented_picture(one, size, varied, rng) for one in turned]
            return drawn, ways * label + quarter

        def images(pairs: Sequence[Any], rule: Any) -> Tensor:
            return torch.cat([normalized(side, rule) for side in zip(*pairs, strict=True)])

        _, alphabets = np.unique(
            [alphabet_of(data.classes[label]) for label in data.labels[chosen]], return_inverse=True
        )
        # An alphabet that is turned is another alphabet.
        alike = (ways * alphabets[:, None] + np.arange(ways)).ravel()
        return Examples(
            ways * len(chosen), draw, stacked, images, alike if alphabets.any() else None
        )

    def prepare_model(self, model: nn.Module, run: Training) -> None:
        """Let the loss be the one asked for."""
        settings: MatchingSettings = read_settings(self.settings, run.settings)
        cast("Twin", model).ranked = settings.loss == "nearest"

    # Answers -------------------------------------------------------------------------------------

    def predictor(self, spec: Any, forward: Forward, answer: Size | None = None) -> Matcher:
        """Put the written rule around a function from images to embeddings."""
        return ForwardMatcher(spec, forward)

    def look(self, predictor: Matcher, picture: Picture) -> Float32:
        """Embed a picture."""
        return predictor.embed(picture)

    def answer(self, predictor: Matcher, picture: Picture, score: float | None = None) -> Answer:
        """Name what is enrolled and nearest to a picture.

        Raises:
            TatamiError: Where nothing is enrolled.
        """
        kept, names = kept_embeddings(predictor.spec), list(predictor.spec.enrolled)
        found, seconds = timed(lambda: predictor.embed(picture))
        apart = distances(found, kept)
        scores = probability(apart)
        best = np.argsort(apart, kind="stable")[:TOP].tolist()
        content = {
            "size": str(Size(picture.shape[1], picture.shape[0])),
            "seconds": seconds,
            "matches": [
                {"name": names[one], "distance": float(apart[one]), "score": float(scores[one])}
                for one in best
            ],
        }
        line = ", ".join(f"{names[one]} {scores[one]:.2f}" for one in best[:3])
        drawn = draw_classes(picture, best, scores[best].tolist(), names)
        return Answer(drawn, content, line, seconds)

    def enrolled(self, predictor: Matcher, picture: Picture, name: str) -> MatchingSpec:
        """Keep the embedding of a picture under a name.

        Raises:
            TatamiError: For a name that is empty or unprintable.
        """
        clean = as_class_name(name)
        if clean is None:
            raise TatamiError(f"'{name}' is no name", hint="give letters", setting="name")
        found = tuple(predictor.embed(picture).tolist())
        spec = predictor.spec
        return spec.changed(enrolled={**spec.enrolled, clean: found})

    # Metrics -------------------------------------------------------------------------------------

    def check_classes(self, spec: Any, classes: Sequence[str]) -> None:
        """Take any classes: a matcher is measured on those that it has not seen."""

    def runs(self, data: LabeledPictures, options: MatchingOptions) -> list[Run]:
        """Draw the runs of an evaluation.

        Raises:
            TatamiError: Where no alphabet has two characters with two pictures each.
        """
        drawers = drawers_of(data)
        alphabets: dict[str, dict[int, dict[str, list[int]]]] = {}
        for label, places in places_by_class(data.labels).items():
            own = alphabets.setdefault(alphabet_of(data.classes[label]), {}).setdefault(label, {})
            for place in places:
                own.setdefault(drawers[place], []).append(place)
        found = list(draw_runs(alphabets, options.ways, options.trials, options.seed))
        if not found:
            raise TatamiError(
                "no two classes with two pictures to match", hint="add some", file=data.root
            )
        return found

    def evaluate(
        self,
        predictor: Matcher,
        data: LabeledPictures,
        *,
        options: MatchingOptions | None = None,
        skip: Collection[str] = (),
        progress: Progress = quiet,
        stage: str = "",
    ) -> Evaluated[OneShot]:
        """Embed the pictures of the runs, each once, and count the trials that are right."""
        how = options or MatchingOptions()
        runs = self.runs(data, how)
        unreadable: list[int] = []
        embeddings: dict[int, Float32] = {}
        seconds = 0.0
        for one in walk(
            predictor.embed,
            sorted({int(place) for run in runs for place in (*run.supports, *run.queries)}),
            data.read,
            unreadable,
            file=data.root,
            skip=skip,
            stage=stage or self.doing,
            progress=progress,
        ):
            embeddings[one.item] = one.found
            seconds += one.seconds
        right, trials, ties = dict[str, int](), dict[str, int](), 0
        for run, apart in _apart(runs, embeddings):
            hits, even = judge(apart)
            right[run.alphabet] = right.get(run.alphabet, 0) + hits
            trials[run.alphabet] = trials.get(run.alphabet, 0) + len(apart)
            ties += even
        result = OneShot(max(len(run.queries) for run in runs), right, trials, ties)
        places = np.array(sorted(embeddings), np.int64)
        return Evaluated(result, (), places, len(unreadable), seconds)

    def figure(self, result: OneShot) -> float:
        """Give the share of trials that were right."""
        return result.accuracy

    def row(self, result: OneShot) -> dict[str, float]:
        """Give the share of trials that were right for evaluations.jsonl."""
        return {"one-shot": round(result.accuracy, 5)}

    def tables(self, result: OneShot) -> list[Table]:
        """Lay out a row an alphabet."""
        rows = tuple(
            (name or "all", f"{count}", f"{result.right[name]}", figure(result.right[name] / count))
            for name, count in result.trials.items()
        )
        heads = numbers("trials", "right", "accuracy")
        return [Table((words("alphabet", flexible=True), *heads), rows)]

    def lines(self, result: OneShot) -> list[str]:
        """Say the share of trials that were right."""
        return [
            f"{sum(result.trials.values())} trials, one of {result.ways} each, {result.ties} ties",
            f"one-shot accuracy {figure(result.accuracy)}",
        ]

    def page(
        self,
        page: Report,
        predictor: Matcher,
        data: LabeledPictures,
        evaluated: Evaluated[OneShot],
    ) -> Report:
        """Add the figures to a report's page."""
        result = evaluated.result
        told = {"one-shot": figure(result.accuracy), "trials": f"{sum(result.trials.values())}"}
        panels = (
            Panel("Loss", ("loss",), logarithmic=True),
            Panel("Learning rate", ("learning_rate",)),
            Panel("one-shot", ("one-shot",)),
        )
        return replace(page, measure="one-shot", summary={**told, **page.summary}, panels=panels)

    def compare(
        self, predictor: Matcher, reference: Matcher, pictures: Sequence[Picture]
    ) -> Difference:
        """Compare two predictors' embeddings."""
        apart = (np.abs(predictor.embed(one) - reference.embed(one)).max() for one in pictures)
        return Difference("embeddings", float(max(apart, default=0.0)), "", 0.0)


def _apart(runs: Sequence[Run], embeddings: dict[int, Float32]) -> Iterator[tuple[Run, Float32]]:
    """Give the distances (ways, ways) of each run's queries from its supports.

    A run is left out where one of its pictures could not be read.
    """
    for run in runs:
        if all(int(place) in embeddings for place in (*run.supports, *run.queries)):
            supports = [embeddings[place] for place in run.supports.tolist()]
            queries = [embeddings[place] for place in run.queries.tolist()]
            yield run, np.stack([distances(one, supports) for one in queries])


MATCHING = Matching()
