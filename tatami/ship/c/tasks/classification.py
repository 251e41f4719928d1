"""Classification in C: the probability of every class of a picture."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from tatami.errors import TatamiError
from tatami.program.steps import Program
from tatami.ship.c.run.predictor import Compiled, Machine, request
from tatami.ship.c.tasks.base import TaskInC, pictures_of
from tatami.ship.c.tasks.picture import frame_header
from tatami.ship.c.text import filled, text
from tatami.types import ClassificationSpec, Float32, Picture, Spec


class CompiledClassifier(Compiled[ClassificationSpec]):
    """Implement ``types.Classifier`` with the C program of a shipped folder."""

    use = "classify"

    def checked(self, spec: Spec) -> ClassificationSpec:
        """Give a classifier's spec; raise TatamiError for another's."""
        if not isinstance(spec, ClassificationSpec):
            raise TatamiError("the network names no whole picture", hint="give a classifier's")
        return spec

    def classify(self, picture: Picture) -> Float32:
        """Compute the probabilities (classes,) of a picture (height, width, 3)."""
        count = len(self.spec.classes)
        if self._as_shipped:
            scores = np.zeros(count, np.float32)
            for row in self.rows("--top", str(count), picture):
                scores[int(row[1])] = np.float32(row[0])
            return scores
        return np.frombuffer(self.network.ask(b"S" + request(picture), 4 * count), "<f4")


class ClassificationInC(TaskInC[ClassificationSpec]):
    """Classification: net_classify, kernels/classify.c."""

    name = "classify"
    noun = "classifier"
    letter = "S"

    def maps(self, spec: ClassificationSpec) -> int:
        """Count one: the logits."""
        return 1

    def results(self, program: Program) -> Mapping[str, str]:
        """Name the logits."""
        return {"logits": program.outputs[0]}

    def frames(self, spec: ClassificationSpec) -> str:
        """Declare net_classify_frame."""
        return frame_header(pictures_of(spec), text("classify_frame.h"))

    def source(self, spec: ClassificationSpec) -> tuple[str, ...]:
        """Give softmax and the function."""
        return text("probabilities.c"), text("classify.c")

    def example(self) -> str:
        """Give a program that prints the likeliest classes."""
        return filled(text("main.c"), ppm=text("ppm.c"), tell=text("tell_classes.c"))

    def open(self, folder: Path, machine: Machine) -> CompiledClassifier:
        """Run a shipped folder as a classifier."""
        return CompiledClassifier(folder, variant=machine.variant, target=machine.target)


CLASSIFICATION_IN_C = ClassificationInC()
