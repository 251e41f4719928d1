"""Anything that answers for a picture: a run folder, an ONNX file, a compiled C program."""

from __future__ import annotations

from typing import Protocol

from tatami.types.arrays import Float32, Mask, Picture
from tatami.types.geometry import Detections
from tatami.types.specs import ClassificationSpec, DetectionSpec, SegmentationSpec, TwoStageSpec


class Detector(Protocol):
    """Anything that finds boxes in a picture: a run folder, an ONNX file, a compiled C program."""

    @property
    def spec(self) -> DetectionSpec | TwoStageSpec: ...

    def detect(self, picture: Picture, score_threshold: float) -> Detections:
        """Boxes in the picture's own pixels, best first."""
        ...


class Classifier(Protocol):
    """Anything that names a picture: a run folder, an ONNX file, a compiled C program."""

    @property
    def spec(self) -> ClassificationSpec: ...

    def classify(self, picture: Picture) -> Float32:
        """(classes,): the probability of each class, by softmax."""
        ...


class Segmenter(Protocol):
    """Anything that names every pixel: a run folder, an ONNX file, a compiled C program."""

    @property
    def spec(self) -> SegmentationSpec: ...

    def segment(self, picture: Picture) -> Mask:
        """(height, width): the class of each of the picture's own pixels."""
        ...
