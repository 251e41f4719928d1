"""Recognition: the class of a sound, as the word that is spoken."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from tatami.data.augment import Augmentation
from tatami.data.augment.sound import USED, varied_sound
from tatami.errors import TatamiError
from tatami.evaluate.classification import Classification as Figures
from tatami.models.table import Model
from tatami.rules.recognition import ForwardRecognizer
from tatami.rules.sound import features_of, fitted, normalize, prepare
from tatami.see.draw import draw_classes
from tatami.see.report import Report
from tatami.see.spectrogram import spectrogram
from tatami.ship.c.tasks.recognition import RECOGNITION_IN_C
from tatami.tasks.base import Answer, Difference, Evaluated
from tatami.tasks.classification import TOP, ClassificationOptions
from tatami.tasks.classification_report import classification_page
from tatami.tasks.scores import NamesWhole, compare_scores, evaluate_scores
from tatami.tasks.settings import number, read_settings
from tatami.tasks.sounds import OfSounds
from tatami.tasks.walk import timed
from tatami.types import (
    Float32,
    Forward,
    LabeledPictures,
    LabeledSounds,
    Recognizer,
    Samples,
    Size,
    SoundInput,
    SoundSpec,
)
from tatami.types.progress import Progress, quiet, tracked
from tatami.types.sound import Gain

if TYPE_CHECKING:  # torch is heavy: it is imported where training really starts
    from numpy.typing import NDArray
    from torch import Tensor

    from tatami.train.batches import Examples
    from tatami.train.recipe import Recipe
    from tatami.train.run import Run

HEARING = ("window", "step", "gain", "masks")
"""Settings that a user types together."""
GAIN = Gain()
"""How a network takes loudness off that does."""


@dataclass(frozen=True)
class RecognitionSettings:
    """Say what is particular to a recognizer's training.

    Args:
        label_smoothing: The share of every target that is spread over all classes (Szegedy et al.
            2016, section 7).
        window: Milliseconds of a frame.
        step: Milliseconds from frame to frame.
        gain: Whether loudness is taken off each band (docs/sound-rule.md, section 5).
        masks: Stretches of time and of pitch, so many of each at most, that are hidden from a
            training example (Park et al. 2019, "SpecAugment", section 2).
    """

    label_smoothing: float = 0.0
    window: float = 40.0
    step: float = 20.0
    gain: bool = False
    masks: int = 0

    def __post_init__(self) -> None:
        for name, low, high in (
            ("label_smoothing", 0, 0.999),
            ("window", 1, 1000),
            ("step", 1, 1000),
            ("masks", 0, 10),
        ):
            value = getattr(self, name)
            if not number(value) or not low <= value <= high:
                raise TatamiError(
                    f"{name} {value} is out of range",
                    hint=f"give {low} to {high}",
                    setting="hearing" if name in HEARING else name,
                )


def heard(texts: Sequence[str]) -> dict[str, Any]:
    """Read settings as typed: ``window=40``, ``gain=1``.

    Raises:
        TatamiError: For a name that there is not, and for what is no number.
    """
    usual = RecognitionSettings()
    found: dict[str, Any] = {}
    for text in texts:
        name, _, value = text.partition("=")
        try:
            found[name] = type(getattr(usual, name))(float(value))
        except (ValueError, OverflowError, AttributeError):
            found.pop(name, None)
        if name not in HEARING or name not in found:
            raise TatamiError(
                f"'{text}' is not understood",
                hint=f"give NAME=NUMBER with one of {', '.join(HEARING)}",
                setting="hearing",
            )
    return found


class Recognition(OfSounds[Recognizer, Figures], NamesWhole[LabeledSounds, Recognizer]):
    """Name what a sound is."""

    name = "recognize"
    noun = "recognizer"
    specs = (SoundSpec,)
    augmentation = replace(
        Augmentation(),
        flip=0.0,
        mosaic=0.0,
        hue=0.0,
        saturation=1.0,
        aspect=1.0,
        scale=(0.85, 1.15),
        translate=0.1,
        exposure=2.0,
        noise=0.02,
    )
    """Of what sounds have: speed, time, loudness and noise."""
    settings = RecognitionSettings
    options = ClassificationOptions
    c = RECOGNITION_IN_C
    doing = "Recognizing"
    rule = "sound rule"
    finds = "classes"
    answers_file = "sounds.json"

    # Training ------------------------------------------------------------------------------------

    def check_training(
        self,
        model: Model[Any],
        recipe: Recipe,
        settings: RecognitionSettings,
        augmentation: Augmentation,
    ) -> None:
        """Refuse variations that sounds do not have."""
        nothing = Augmentation.none()
        for name in vars(augmentation):
            value = getattr(augmentation, name)
            if name not in USED and value not in (
                getattr(nothing, name),
                getattr(self.augmentation, name),
            ):
                raise TatamiError(
                    f"sounds have no {name}", hint=f"use {', '.join(USED)}", setting="augment"
                )

    def plan(
        self,
        model: Model[Any],
        data: LabeledSounds,
        recipe: Recipe,
        settings: RecognitionSettings,
        progress: Progress = quiet,
    ) -> tuple[SoundSpec, RecognitionSettings]:
        """Fit the sound rule to the rate of a split, and its numbers to what is heard there."""
        spec: SoundSpec = model.spec(data.classes, recipe.size)
        sound = replace(
            spec.input,
            rate=data.rate,
            window=round(data.rate * settings.window / 1000),
            step=round(data.rate * settings.step / 1000),
            high=data.rate // 2,
            gain=GAIN if settings.gain else None,
        )
        total, squares, count = 0.0, 0.0, 0
        for place in tracked(range(len(data)), "Listening", progress):
            found = features_of(fitted(data.read(place), sound), sound).astype(np.float64)
            total, squares = total + float(found.sum()), squares + float((found**2).sum())
            count += found.size
        mean = total / count
        deviation = max(1.0, math.sqrt(max(0.0, squares / count - mean**2)))
        sound = replace(sound, mean=round(mean, 1), scale=float(f"{1 / deviation:.4g}"))
        return replace(spec, input=sound), settings

    def examples(self, data: LabeledSounds, run: Run) -> Examples:
        """Draw a sound, which teaches its class."""
        import torch

        from tatami.train.batches import Examples, stacked

        varied = Augmentation(**run.augmentation)
        settings: RecognitionSettings = read_settings(self.settings, run.settings)
        sound = cast(SoundSpec, run.spec).input

        def draw(
            index: int, size: Size, closing: bool, rng: np.random.Generator
        ) -> tuple[NDArray[Any], int]:
            heard = varied_sound(data.read(index), sound, varied, rng)
            found = normalize(features_of(heard, sound), sound)
            for _ in range(settings.masks):
                for side in found, found.T:
                    width = int(rng.integers(0, len(side) // 5 + 1))
                    first = int(rng.integers(0, len(side) - width + 1))
                    side[first : first + width] = 0
            return found, int(data.labels[index])

        def images(found: Sequence[NDArray[Any]], rule: Any) -> Tensor:
            return torch.from_numpy(np.stack(found)[:, None])

        return Examples(len(data), draw, stacked, images)

    # Answers -------------------------------------------------------------------------------------

    def image(self, picture: Samples, spec: SoundSpec) -> Float32:
        """Make a network's input (1, 1, frames, features) of a sound, by the written rule."""
        return np.ascontiguousarray(prepare(picture, spec.input)[None])

    def predictor(self, spec: Any, forward: Forward, answer: Size | None = None) -> Recognizer:
        """Put the written rule around a function from features to logits."""
        return ForwardRecognizer(spec, forward)

    def look(self, predictor: Recognizer, picture: Samples) -> Float32:
        """Find the classes of a sound."""
        return predictor.recognize(picture)

    def answer(self, predictor: Recognizer, picture: Samples, score: float | None = None) -> Answer:
        """Draw the spectrogram of a sound with its classes, and say what they are."""
        classes = predictor.spec.classes
        scores, seconds = timed(lambda: predictor.recognize(picture))
        best = np.argsort(-scores, kind="stable")[:TOP].tolist()
        content = {
            "size": f"{len(picture) / predictor.spec.input.rate:.2f} s",
            "seconds": seconds,
            "classes": [{"class": classes[label], "score": float(scores[label])} for label in best],
        }
        line = ", ".join(f"{classes[label]} {scores[label]:.2f}" for label in best[:3])
        drawn = spectrogram(picture, predictor.spec.input)
        drawn = draw_classes(drawn, best, scores[best].tolist(), classes)
        return Answer(drawn, content, line, seconds)

    # Metrics -------------------------------------------------------------------------------------

    def evaluate(
        self,
        predictor: Recognizer,
        data: LabeledSounds,
        *,
        options: ClassificationOptions | None = None,
        skip: Collection[str] = (),
        progress: Progress = quiet,
        stage: str = "",
    ) -> Evaluated[Figures]:
        """Run a predictor over a split and measure its classes."""
        _check_rate(predictor.spec.input, data)
        return evaluate_scores(
            predictor.recognize,
            predictor.spec.classes,
            data,
            skip=skip,
            progress=progress,
            stage=stage or self.doing,
        )

    def page(
        self,
        page: Report,
        predictor: Recognizer,
        data: LabeledSounds,
        evaluated: Evaluated[Figures],
    ) -> Report:
        """Add the figures, the spectrograms and the classes to a report's page."""
        rule = predictor.spec.input
        drawn = LabeledPictures(
            data.root,
            data.split,
            data.classes,
            data.ids,
            data.labels,
            lambda place: spectrogram(data.read(place), rule),
        )
        return classification_page(page, drawn, evaluated)

    def compare(
        self, predictor: Recognizer, reference: Recognizer, pictures: Sequence[Samples]
    ) -> Difference:
        """Compare the classes of a predictor with those of its reference."""
        return compare_scores(predictor.recognize, reference.recognize, pictures)


RECOGNITION = Recognition()


def _check_rate(sound: SoundInput, data: LabeledSounds) -> None:
    if sound.rate != data.rate:
        raise TatamiError(
            f"the sounds have {data.rate} samples a second, the network hears {sound.rate}",
            hint="bring the sounds to the network's rate",
            file=data.root,
        )
