"""Generation in C: sound, a sample a call, from rings of what was before."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np

from tatami.errors import TatamiError
from tatami.program.steps import Program
from tatami.program.stream import receptive_field, streamed
from tatami.rules.generation import bits, planes
from tatami.rules.mu_law import LEVELS, SILENCE, encode, levels, thresholds
from tatami.ship.backend import Array
from tatami.ship.c.files import Answering
from tatami.ship.c.operator import c_type, number
from tatami.ship.c.run.network import CompiledNetwork, unpacked
from tatami.ship.c.run.predictor import Compiled, Machine
from tatami.ship.c.run.streamed import StreamedNetwork
from tatami.ship.c.tasks.base import Macro, TaskInC
from tatami.ship.c.text import defines, filled, number_lines, text
from tatami.types import Float64, GenerationSpec, Samples, Spec


class CompiledGenerator(Compiled[GenerationSpec]):
    """Implement ``types.Generator`` with the C program of a shipped folder."""

    use = "generate"
    network_type: ClassVar[type[CompiledNetwork]] = StreamedNetwork

    def checked(self, spec: Spec) -> GenerationSpec:
        """Give a generator's spec; raise TatamiError for another's."""
        if not isinstance(spec, GenerationSpec):
            raise TatamiError("the network makes no sound", hint="give a generator's")
        return spec

    @property
    def own_rule(self) -> None:
        """Give none: a sound is no input that a program makes by itself."""
        return

    def column(self, code: int, label: int) -> Array:
        """Compute one column of the network's input, (1 + classes, 1, 1), float32 or uint8."""
        value = self.network.description.values[self.network.description.inputs[0]]
        request = np.array([code, label], "<i4").tobytes()
        return unpacked(self.network.ask(b"P" + request, value.bytes), [value])[0]

    def surprise(self, samples: Samples, label: int) -> Float64:
        """Compute -log2 of the probability of every sample (n,), told from those before."""
        codes = encode(samples)
        (logits,) = self.network.run([planes(SILENCE, codes, label, self.spec.input)])
        return bits(logits[:, 0], codes)

    def generate(self, label: int, count: int, seed: int = 0, sharpness: float = 1.0) -> Samples:
        """Draw a sound (count,) of a class."""
        return self.go_on(np.zeros(0, np.int16), label, count, seed, sharpness)

    def go_on(
        self, heard: Samples, label: int, count: int, seed: int = 0, sharpness: float = 1.0
    ) -> Samples:
        """Draw what follows a sound: count samples of a class after heard ones."""
        if not 0 <= label < len(self.spec.classes):
            raise TatamiError(
                f"there is no class {label}", hint=f"give 0 to {len(self.spec.classes) - 1}"
            )
        request = b"".join(
            (
                b"G",
                np.array([label, count, len(heard)], "<i4").tobytes(),
                np.array([sharpness], "<f4").tobytes(),
                np.array([seed % 2**64], "<u8").tobytes(),
                heard.astype("<i2").tobytes(),
            )
        )
        return np.frombuffer(self.network.ask(request, 2 * count), "<i2").astype(np.int16)


class GenerationInC(TaskInC[GenerationSpec]):
    """Generation: net_begin, net_next, net_hear and net_generate; generate.c."""

    name = "generate"
    noun = "generator"
    letter = "G"

    def maps(self, spec: GenerationSpec) -> int:
        """Count one: the logits."""
        return 1

    def arranged(self, program: Program, spec: GenerationSpec) -> Program:
        """Give the program that is given one sample a call, and remembers those before.

        Raises:
            TatamiError: For a network that looks ahead, or further back than its file says.
        """
        program = streamed(program)
        if receptive_field(program) > spec.input.receptive:
            raise TatamiError(
                f"the network sees {receptive_field(program)} samples, its file says "
                f"{spec.input.receptive}",
                hint="export the network again",
            )
        return program

    def check_input(self, spec: GenerationSpec) -> None:
        """Check nothing: a column is an input that C can fill."""

    def macros(self, program: Program, spec: GenerationSpec) -> list[Macro]:
        """List what a caller may want to know."""
        first, last = program.values[program.inputs[0]], program.values[program.outputs[0]]
        return [
            Macro("RATE", spec.input.rate, "samples a second"),
            Macro("RECEPTIVE", spec.input.receptive, "samples from which the next one is told"),
            Macro("CODES", LEVELS, "of the mu law"),
            Macro("SILENCE", SILENCE, "the code of a sample of 0"),
            Macro("INPUT", c_type(first), "a sample of the network's input"),
            Macro("OUTPUT", c_type(last), "a sample of the network's output"),
            Macro("CLASSES", len(spec.classes)),
        ]

    def results(self, program: Program) -> Mapping[str, str]:
        """Name the logits."""
        return {"logits": program.outputs[0]}

    def kernels(self, spec: GenerationSpec) -> tuple[str, ...]:
        """Name what turns numbers into bytes."""
        return ("int8/quantize",)

    def input_rules(self, program: Program, spec: GenerationSpec, values: Mapping[str, str]) -> str:
        """Write how a code becomes a number of the input."""
        image = program.inputs[0]
        quantization = program.values[image].quantization
        bytes_ = (
            {}
            if quantization is None
            else {
                "INPUT_SCALE": number(quantization.scale),
                "INPUT_ZERO_POINT": quantization.zero_point,
            }
        )
        macros = {
            "INPUT_IS_BYTES": int(quantization is not None),
            **bytes_,
            "COLUMN": f"({values[image]})",
        }
        return defines(macros)

    def input_files(self, spec: GenerationSpec) -> tuple[str, ...]:
        """Name none: generate.c makes the input too."""
        return ()

    def source(self, spec: GenerationSpec) -> tuple[str, ...]:
        """Give the functions, with the tables of the mu law."""
        tables = {
            "thresholds": "\n".join(number_lines(thresholds())),
            "levels": "\n".join(number_lines(levels())),
        }
        return (filled(text("generate.c"), **tables),)

    def example(self) -> str:
        """Give a program that writes a WAV file."""
        return text("main_generate.c")

    def proof(self) -> Answering:
        """Give what proof.c answers for a sound."""
        return Answering(self.letter, self.name, text("proof_generate.c"), "")

    def open(self, folder: Path, machine: Machine) -> CompiledGenerator:
        """Run a shipped folder as a generator."""
        return CompiledGenerator(folder, variant=machine.variant, target=machine.target)


GENERATION_IN_C = GenerationInC()
