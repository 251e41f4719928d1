"""Anything that answers for a picture: a run folder, an ONNX file, a compiled C program."""

from __future__ import annotations

from typing import Protocol

from tatami.types.arrays import Float32, Float64, Mask, Picture, Samples
from tatami.types.geometry import Detections
from tatami.types.specs import (
    ClassificationSpec,
    DetectionSpec,
    GenerationSpec,
    SegmentationSpec,
    SeriesSpec,
    SoundSpec,
    TwoStageSpec,
)


class Detector(Protocol):
    """Anything that finds boxes in a picture: a run folder, an ONNX file, a compiled C program."""

    @property
    def spec(self) -> DetectionSpec | TwoStageSpec:
        """What the network is for."""
        ...

    def detect(self, picture: Picture, score_threshold: float) -> Detections:
        """Find boxes in a picture.

        Args:
            picture: (height, width, 3).
            score_threshold: Boxes must score above it.

        Returns:
            Boxes in the picture's own pixels, best first.
        """
        ...


class Classifier(Protocol):
    """Anything that names a picture: a run folder, an ONNX file, a compiled C program."""

    @property
    def spec(self) -> ClassificationSpec:
        """What the network is for."""
        ...

    def classify(self, picture: Picture) -> Float32:
        """Give the probability of each class, (classes,), by softmax."""
        ...


class Segmenter(Protocol):
    """Anything that names every pixel: a run folder, an ONNX file, a compiled C program."""

    @property
    def spec(self) -> SegmentationSpec:
        """What the network is for."""
        ...

    def segment(self, picture: Picture) -> Mask:
        """Give the class of each of the picture's own pixels, (height, width)."""
        ...


class Recognizer(Protocol):
    """Anything that names a sound: a run folder, an ONNX file, a compiled C program."""

    @property
    def spec(self) -> SoundSpec:
        """What the network is for."""
        ...

    def recognize(self, samples: Samples) -> Float32:
        """Give the probability of each class, (classes,), by softmax."""
        ...


class SeriesClassifier(Protocol):
    """Anything that names a series: a run folder, an ONNX file, a compiled C program."""

    @property
    def spec(self) -> SeriesSpec:
        """What the network is for."""
        ...

    def classify_series(self, series: Float32) -> Float32:
        """Give the probability of each class, (classes,), of a series (steps, channels)."""
        ...


class Generator(Protocol):
    """Anything that makes sound: a run folder, an ONNX file, a compiled C program."""

    @property
    def spec(self) -> GenerationSpec:
        """What the network is for."""
        ...

    def surprise(self, samples: Samples, label: int) -> Float64:
        """Give -log2 of the probability of every sample (n,), told from those before, in bits."""
        ...

    def generate(self, label: int, count: int, seed: int = 0, sharpness: float = 1.0) -> Samples:
        """Draw a sound (count,) of a class; the same seed draws the same sound."""
        ...
