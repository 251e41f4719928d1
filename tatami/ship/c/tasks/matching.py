"""Matching in C: one twin, the distance, and enrolment on the device."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from tatami.errors import TatamiError
from tatami.program.steps import Program
from tatami.rules.matching import EVEN
from tatami.ship.c.run.predictor import Compiled, Machine, request
from tatami.ship.c.tasks.base import Macro, TaskInC
from tatami.ship.c.text import filled, text
from tatami.types import Float32, Picture, Spec
from tatami.types.specs import MatchingSpec


class CompiledMatcher(Compiled[MatchingSpec]):
    """Implement ``rules.matching.Matcher`` with the C program of a shipped folder."""

    use = "match"

    def checked(self, spec: Spec) -> MatchingSpec:
        """Give a matcher's spec; raise TatamiError for another's."""
        if not isinstance(spec, MatchingSpec):
            raise TatamiError("the network matches no pictures", hint="give a matcher's")
        return spec

    def embed(self, picture: Picture) -> Float32:
        """Compute the embedding (numbers,) of a picture (height, width, 3)."""
        description = self.network.description
        size = description.values[description.outputs[0]].bytes
        return np.frombuffer(self.network.ask(b"E" + request(picture), size), "<f4")


class MatchingInC(TaskInC[MatchingSpec]):
    """Matching: net_embed, net_distance and net_match, kernels/match.c."""

    name = "match"
    noun = "matcher"
    letter = "E"

    def maps(self, spec: MatchingSpec) -> int:
        """Count one: the embedding."""
        return 1

    def macros(self, program: Program, spec: MatchingSpec) -> list[Macro]:
        """Say besides how long an embedding is."""
        (output,) = program.outputs
        length = program.values[output].bytes // 4
        return [*super().macros(program, spec), Macro("NUMBERS", length, "of an embedding")]

    def results(self, program: Program) -> Mapping[str, str]:
        """Name the embedding."""
        return {"embedding": program.outputs[0]}

    def names(self, spec: MatchingSpec) -> tuple[str, ...]:
        """Leave the classes out: a matcher names what its caller enrolls."""
        return ()

    def rules(self, program: Program, spec: MatchingSpec, values: Mapping[str, str]) -> str:
        """Say where the embedding lies, and which distance is even."""
        place = f"((const float *)({values[program.outputs[0]]}))"
        return f"#define NET_EMBEDDING {place}\n#define NET_EVEN {EVEN}f\n"

    def source(self, spec: MatchingSpec) -> tuple[str, ...]:
        """Give the functions."""
        return (text("match.c"),)

    def example(self) -> str:
        """Give a program that enrolls some pictures and matches others with them."""
        return filled(text("main.c"), ppm=text("ppm.c"), tell=text("tell_matches.c"))

    def open(self, folder: Path, machine: Machine) -> CompiledMatcher:
        """Run a shipped folder as a matcher."""
        return CompiledMatcher(folder, variant=machine.variant, target=machine.target)


MATCHING_IN_C = MatchingInC()
