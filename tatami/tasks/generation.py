"""Generation: sound of a class, made sample by sample."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from tatami.data.augment import Augmentation
from tatami.data.sounds import sound_bytes
from tatami.errors import TatamiError
from tatami.evaluate.likelihood import Likelihood, evaluate
from tatami.models.table import Model
from tatami.rules.generation import CHOSEN, UNHEARD, ForwardGenerator, as_numbers, planes
from tatami.rules.mu_law import SILENCE, encode
from tatami.see.draw import draw_classes
from tatami.see.plots import Panel
from tatami.see.report import Heard, Report
from tatami.see.spectrogram import spectrogram
from tatami.ship.c.tasks.generation import GENERATION_IN_C
from tatami.tasks.base import Answer, Difference, Evaluated, Merit
from tatami.tasks.classification import TOP
from tatami.tasks.settings import refuse_variations
from tatami.tasks.sounds import OfSounds
from tatami.tasks.style import Style
from tatami.tasks.walk import class_order, timed
from tatami.train.recipe import Recipe
from tatami.types import (
    Float32,
    Forward,
    GenerationSpec,
    Generator,
    Int64,
    LabeledSounds,
    Picture,
    Samples,
    Size,
    SoundInput,
    WaveInput,
)
from tatami.types.progress import Progress, quiet, tracked
from tatami.types.table import Table, numbers, words

if TYPE_CHECKING:  # torch is heavy: it is imported where training really starts
    from numpy.typing import NDArray
    from torch import Tensor

    from tatami.train.batches import Examples
    from tatami.train.run import Run

COMPARED = 256
"""Samples of a made sound by which two forms of a network are compared."""
SHOWN = 10
"""Classes of which a report's page has a sound that was made."""
SECONDS = 1.0
"""Of a sound on a report's page, at most."""
PAPER = Style(
    Recipe(
        epochs=8,
        batch=1,
        learning_rate=0.002,
        warmup_epochs=0.25,
        optimizer="adamw",
        weight_decay=0.0,
        clip_norm=1.0,
        multi_scale=0.0,
        closing_epochs=0,
    )
)
"""How generators are trained; docs/results.md."""
PANELS = (
    Panel("Loss, nats a sample", ("loss",)),
    Panel("Learning rate", ("learning_rate",)),
    Panel("bits a sample", ("bits",)),
)


@dataclass(frozen=True)
class GenerationSettings:
    """Say what is particular to a generator's training: nothing is, beside the recipe."""


@dataclass(frozen=True)
class GenerationOptions:
    """Say what may be set of a generator's evaluation: nothing may."""


class Generation(OfSounds[Generator, Likelihood]):
    """Make a sound."""

    name = "generate"
    noun = "generator"
    measure = "bits saved"
    specs = (GenerationSpec,)
    augmentation = Augmentation.none()
    styles: ClassVar[Mapping[str, Style]] = {"paper": PAPER}
    settings = GenerationSettings
    options = GenerationOptions
    c = GENERATION_IN_C
    doing = "Listening"
    rule = "generation rule"
    finds = "samples"
    merits = (
        Merit("saved", "saved", "share of 8 bits saved", "saved", lambda result: result.saved),
    )
    answers_file = "likelihoods.json"

    # Training ------------------------------------------------------------------------------------

    def check_training(
        self,
        model: Model[Any],
        recipe: Recipe,
        settings: GenerationSettings,
        augmentation: Augmentation,
    ) -> None:
        """Refuse variations: what is learned is how sounds are."""
        refuse_variations(augmentation, "a generator learns sounds as they are, without")

    def plan(
        self,
        model: Model[Any],
        data: LabeledSounds,
        recipe: Recipe,
        settings: GenerationSettings,
        progress: Progress = quiet,
    ) -> tuple[GenerationSpec, GenerationSettings]:
        """Take the rate of a split."""
        spec: GenerationSpec = model.spec(data.classes, recipe.size)
        return replace(spec, input=replace(spec.input, rate=data.rate)), settings

    def examples(self, data: LabeledSounds, run: Run) -> Examples:
        """Draw a sound, or of a longer one a piece, every sample of which is to be told.

        Of a piece that is not the beginning, nothing is learned from samples before which there is
        less than what the network sees.
        """
        import torch

        from tatami.train.batches import Examples, stacked

        spec = run.spec
        assert isinstance(spec, GenerationSpec)
        wave = spec.input

        def draw(
            index: int, size: Size, closing: bool, rng: np.random.Generator
        ) -> tuple[NDArray[Any], Int64]:
            codes = encode(data.read(index))
            spare = max(0, len(codes) - size.width)
            start = int(rng.integers(0, spare + 1))
            piece = codes[start : start + size.width]
            canvas = np.full((1 + wave.classes, 1, size.width), SILENCE, np.uint8)
            canvas[0, 0, 1 : len(piece)] = piece[:-1]
            if start:
                canvas[0, 0, 0] = codes[start - 1]
            canvas[1 + int(data.labels[index])] = CHOSEN
            target = np.full(size.width, UNHEARD, np.int64)
            target[: len(piece)] = piece
            if start:
                target[: wave.receptive - 1] = UNHEARD
            return canvas, target

        def images(found: Sequence[NDArray[Any]], rule: Any) -> Tensor:
            return torch.from_numpy(as_numbers(np.stack(found)))

        return Examples(len(data), draw, stacked, images)

    # Answers -------------------------------------------------------------------------------------

    def image(self, picture: Samples, spec: GenerationSpec) -> Float32:
        """Make a network's input of the beginning of a sound, of the first class."""
        wave = spec.input
        codes = np.full(wave.samples, SILENCE, np.uint8)
        given = encode(picture)[: wave.samples]
        codes[: len(given)] = given
        return planes(SILENCE, codes, 0, wave)[None]

    def predictor(self, spec: Any, forward: Forward, answer: Size | None = None) -> Generator:
        """Put the written rule around a function from samples to logits."""
        return ForwardGenerator(spec, forward)

    def look(self, predictor: Generator, picture: Samples) -> Float32:
        """Measure how many bits a sample of a sound takes as each class, (classes,)."""
        found = [
            predictor.surprise(picture, label).mean()
            for label in range(len(predictor.spec.classes))
        ]
        return np.array(found, np.float32)

    def answer(self, predictor: Generator, picture: Samples, score: float | None = None) -> Answer:
        """Draw the spectrogram of a sound, and say as which class it takes the fewest bits."""
        classes = predictor.spec.classes
        bits, seconds = timed(lambda: self.look(predictor, picture))
        best = np.argsort(bits, kind="stable")[:TOP].tolist()
        content = {
            "size": f"{len(picture) / predictor.spec.input.rate:.2f} s",
            "seconds": seconds,
            "classes": [{"class": classes[label], "bits": float(bits[label])} for label in best],
        }
        line = ", ".join(f"{classes[label]} {bits[label]:.3f} bits" for label in best[:3])
        drawn = spectrogram(picture, heard_by(predictor.spec.input))
        drawn = draw_classes(drawn, best, bits[best].tolist(), classes)
        return Answer(drawn, content, line, seconds)

    # Metrics -------------------------------------------------------------------------------------

    def evaluate(
        self,
        predictor: Generator,
        data: LabeledSounds,
        *,
        options: GenerationOptions | None = None,
        skip: Collection[str] = (),
        progress: Progress = quiet,
        stage: str = "",
    ) -> Evaluated[Likelihood]:
        """Measure how many bits the samples of a split take, each told from those before."""
        spec = predictor.spec
        if spec.input.rate != data.rate:
            raise TatamiError(
                f"the sounds have {data.rate} samples a second, the network makes "
                f"{spec.input.rate}",
                hint="bring the sounds to the network's rate",
                file=data.root,
            )
        of_network = np.argsort(class_order(spec.classes, data.classes))
        found, places, seconds, unreadable = [], [], 0.0, 0
        for place in tracked(range(len(data)), stage or self.doing, progress):
            try:
                samples = data.read(place)
            except TatamiError:
                if "unreadable-picture" not in skip:
                    raise
                unreadable += 1
                continue
            label = int(of_network[data.labels[place]])
            bits, taken = timed(partial(predictor.surprise, samples, label))
            found.append(bits)
            places.append(place)
            seconds += taken
        if not found:
            raise TatamiError("not one sound can be read", hint="check them", file=data.root)
        chosen: Int64 = np.array(places, np.int64)
        result = evaluate(data.labels[chosen], found, data.classes)
        return Evaluated(result, found, chosen, unreadable, seconds)

    def figure(self, result: Likelihood) -> float:
        """Give the share of 8 bits that is saved."""
        return result.saved

    def row(self, result: Likelihood) -> dict[str, float]:
        """Give the bits a sample for evaluations.jsonl."""
        return {"bits": round(result.bits, 5), "saved": round(result.saved, 5)}

    def tables(self, result: Likelihood) -> list[Table]:
        """Lay out a row a class."""
        rows = tuple(
            (
                one.name,
                f"{one.sounds:,}",
                f"{one.samples:,}",
                "-" if math.isnan(one.bits) else f"{one.bits:.4f}",
            )
            for one in result.classes
        )
        heads = numbers("sounds", "samples", "bits a sample")
        return [Table((words("class", flexible=True), *heads), rows)]

    def lines(self, result: Likelihood) -> list[str]:
        """Say the bits over all samples."""
        return [
            f"{result.sounds} sounds, {result.samples:,} samples",
            f"{result.bits:.4f} bits a sample, {result.saved:.4f} of 8 saved",
        ]

    def page(
        self,
        page: Report,
        predictor: Generator,
        data: LabeledSounds,
        evaluated: Evaluated[Likelihood],
    ) -> Report:
        """Add the figures, and for each class a sound of the split and one that was made."""
        result, wave = evaluated.result, predictor.spec.input
        rule, order = heard_by(wave), np.argsort(class_order(predictor.spec.classes, data.classes))
        heard = []
        for label, name in enumerate(data.classes[:SHOWN]):
            own = [int(place) for place in evaluated.places if data.labels[place] == label]
            if not own:
                continue
            given = data.read(own[0])[: round(SECONDS * wave.rate)]
            made = predictor.generate(int(order[label]), len(given), seed=label)
            for caption, samples in (
                (f"{name}: {data.ids[own[0]]}", given),
                (f"{name}: made, seed {label}", made),
            ):
                drawn: Picture = spectrogram(samples, rule)
                heard.append(Heard(caption, drawn, sound_bytes(samples, wave.rate)))
        return replace(
            page,
            measure=self.measure,
            summary={
                "bits a sample": f"{result.bits:.3f}",
                "of 8 saved": f"{100 * result.saved:.1f} %",
                **page.summary,
            },
            sounds=heard,
            panels=PANELS,
        )

    def compare(
        self, predictor: Generator, reference: Generator, pictures: Sequence[Samples]
    ) -> Difference:
        """Compare what a predictor draws with what the rule draws of its logits: code by code."""
        assert isinstance(reference, ForwardGenerator)
        label = len(predictor.spec.classes) - 1
        count = min(COMPARED, predictor.spec.input.samples)
        worst = 0
        for seed in range(min(2, len(pictures))):
            codes = encode(predictor.generate(label, count, seed))
            chosen = reference.chosen(codes, label, seed)
            worst = max(worst, int(np.abs(codes.astype(int) - chosen.astype(int)).max()))
        return Difference("samples", float(worst), "", 0.0)


GENERATION = Generation()


def heard_by(wave: WaveInput) -> SoundInput:
    """Give the sound rule by which a generator's sounds are drawn: frames of 32 ms, every 8 ms."""
    window, step = (max(16, wave.rate * part // 1000) for part in (32, 8))
    return SoundInput(rate=wave.rate, window=window, step=step, bands=32, high=wave.rate // 2)
