"""Classification of series in C: the probability of every class of a series of numbers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from tatami.errors import TatamiError
from tatami.program.steps import Program
from tatami.rules.series import LARGEST
from tatami.ship.backend import Array
from tatami.ship.c.files import Answering
from tatami.ship.c.operator import c_type, number
from tatami.ship.c.run.network import unpacked
from tatami.ship.c.run.predictor import Compiled, Machine
from tatami.ship.c.tasks.base import Macro, TaskInC
from tatami.ship.c.text import defines, filled, number_lines, text
from tatami.types import Float32, SeriesSpec, Spec


class CompiledSeriesClassifier(Compiled[SeriesSpec]):
    """Implement ``types.SeriesClassifier`` with the C program of a shipped folder."""

    use = "classify_series"

    def checked(self, spec: Spec) -> SeriesSpec:
        """Give a series classifier's spec; raise TatamiError for another's."""
        if not isinstance(spec, SeriesSpec):
            raise TatamiError("the network takes no series", hint="give a series classifier's")
        return spec

    def prepare(self, series: Float32) -> Array:
        """Compute the C series rule alone: (1, steps, channels), float32 or uint8."""
        answer = self.network.ask(b"P" + self._request(series), self.input.bytes)
        return unpacked(answer, [self.input])[0]

    def classify_series(self, series: Float32) -> Float32:
        """Compute the probabilities (classes,) of a series (steps, channels)."""
        answer = self.network.ask(b"V" + self._request(series), 4 * len(self.spec.classes))
        return np.frombuffer(answer, "<f4")

    def _request(self, series: Float32) -> bytes:
        """Write a series as proof.c reads it."""
        count = len(self.spec.input.channels)
        if series.ndim != 2 or series.shape[1] != count or not len(series):
            raise TatamiError(
                f"an array {series.shape} is no series of {count} channels",
                hint="give (steps, channels)",
            )
        return np.array([len(series)], "<i4").tobytes() + series.astype("<f4").tobytes()


class SeriesInC(TaskInC[SeriesSpec]):
    """Classification of series: net_classify_series, kernels/classify_series.c."""

    name = "classify_series"
    noun = "series classifier"
    letter = "V"

    def maps(self, spec: SeriesSpec) -> int:
        """Count one: the logits."""
        return 1

    def check_input(self, spec: SeriesSpec) -> None:
        """Check nothing: a spec of steps and channels is one that C can fill."""

    def macros(self, program: Program, spec: SeriesSpec) -> list[Macro]:
        """List the steps and channels, and what the ends are."""
        first, last = program.values[program.inputs[0]], program.values[program.outputs[0]]
        return [
            Macro("STEPS", spec.input.steps, "that the network looks at"),
            Macro("CHANNELS", len(spec.input.channels), "numbers of a step"),
            Macro("INPUT", c_type(first), "a sample of the network's input"),
            Macro("OUTPUT", c_type(last), "a sample of the network's output"),
            Macro("CLASSES", len(spec.classes)),
        ]

    def results(self, program: Program) -> Mapping[str, str]:
        """Name the logits."""
        return {"logits": program.outputs[0]}

    def kernels(self, spec: SeriesSpec) -> tuple[str, ...]:
        """Name what turns numbers into bytes."""
        return ("int8/quantize",)

    def input_rules(self, program: Program, spec: SeriesSpec, values: Mapping[str, str]) -> str:
        """Write the means and scales of the channels, and what a number of the input is."""
        image = program.inputs[0]
        quantization = program.values[image].quantization
        macros = {
            "INPUT_IS_BYTES": int(quantization is not None),
            "SERIES_IN": f"({values[image]})",
        }
        if quantization is not None:
            macros["INPUT_SCALE"] = number(quantization.scale)
            macros["INPUT_ZERO_POINT"] = quantization.zero_point
        tables = "".join(
            f"static const float net_{name}[NET_CHANNELS] = {{\n"
            + "\n".join(number_lines(np.array(each, np.float32)))
            + "\n};\n"
            for name, each in (("mean", spec.input.mean), ("scale", spec.input.scale))
        )
        return f"{defines(macros)}\n{tables}"

    def input_files(self, spec: SeriesSpec) -> tuple[str, ...]:
        """Name none: the rule is among the task's own functions."""
        return ()

    def source(self, spec: SeriesSpec) -> tuple[str, ...]:
        """Give softmax and the functions."""
        return text("probabilities.c"), text("classify_series.c")

    def example(self) -> str:
        """Give a program that names the series of CSV files."""
        return filled(text("main_classify_series.c"), largest=f"{LARGEST:g}")

    def proof(self) -> Answering:
        """Give what proof.c answers for a series."""
        own = text("proof_classify_series.c")
        return Answering(self.letter, self.name, own, text("proof_series.c"))

    def open(self, folder: Path, machine: Machine) -> CompiledSeriesClassifier:
        """Run a shipped folder as a series classifier."""
        return CompiledSeriesClassifier(folder, variant=machine.variant, target=machine.target)


SERIES_IN_C = SeriesInC()
