"""Segmentation in C: the class of every pixel of a picture."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from tatami.errors import TatamiError
from tatami.program.steps import Program
from tatami.ship.c.run.predictor import Compiled, Machine, ppm, request
from tatami.ship.c.tasks.base import LARGEST_SIDE, Macro, TaskInC, check_input, common_macros
from tatami.ship.c.text import filled, text
from tatami.types import VOID, Mask, Picture, SegmentationSpec, Spec


class CompiledSegmenter(Compiled[SegmentationSpec]):
    """Implement ``types.Segmenter`` with the C program of a shipped folder."""

    use = "segment"

    def checked(self, spec: Spec) -> SegmentationSpec:
        """Give a segmenter's spec; raise TatamiError for another's."""
        if not isinstance(spec, SegmentationSpec):
            raise TatamiError("the network names no pixels", hint="give a segmenter's")
        return spec

    def segment(self, picture: Picture) -> Mask:
        """Compute the class of each pixel, (height, width), of a picture (height, width, 3)."""
        height, width = picture.shape[:2]
        if self._as_shipped:
            head = b"P5\n%d %d\n255\n" % (width, height)
            answer = self.shipped().ask(ppm(picture), len(head) + height * width)[len(head) :]
        else:
            answer = self.network.ask(b"M" + request(picture), height * width)
        return np.frombuffer(answer, np.uint8).reshape(height, width)


class SegmentationInC(TaskInC[SegmentationSpec]):
    """Segmentation: net_segment, kernels/segment.c."""

    name = "segment"
    noun = "segmenter"
    letter = "M"

    def maps(self, spec: SegmentationSpec) -> int:
        """Count one: the logits."""
        return 1

    def check(self, program: Program, spec: SegmentationSpec) -> None:
        """Check a program as every task does, and that a byte holds every class."""
        check_input(spec.input)
        if len(spec.classes) > VOID:
            raise TatamiError(
                f"{len(spec.classes)} classes do not fit a byte a pixel",
                hint=f"ship a network of at most {VOID}",
            )
        super().check(program, spec)

    def macros(self, program: Program, spec: SegmentationSpec) -> list[Macro]:
        """List the size of the logits beside what is common."""
        _, rows, columns = program.values[program.outputs[0]].shape
        return [
            *common_macros(program, spec),
            Macro("ROWS", rows, "of what the network names: the middle"),
            Macro("COLUMNS", columns),
            LARGEST_SIDE,
        ]

    def results(self, program: Program) -> Mapping[str, str]:
        """Name the logits."""
        return {"logits": program.outputs[0]}

    def source(self, spec: SegmentationSpec) -> tuple[str, ...]:
        """Give the function."""
        return (text("segment.c"),)

    def example(self) -> str:
        """Give a program that writes masks as PGM."""
        return filled(text("main_segment.c"), ppm=text("ppm.c"))

    def open(self, folder: Path, machine: Machine) -> CompiledSegmenter:
        """Run a shipped folder as a segmenter."""
        return CompiledSegmenter(folder, variant=machine.variant, target=machine.target)


SEGMENTATION_IN_C = SegmentationInC()
