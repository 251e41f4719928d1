"""Recognition in C: the probability of every class of a sound, or of what a stream brought."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from tatami.errors import TatamiError
from tatami.program.steps import Program
from tatami.ship.backend import Array
from tatami.ship.c.files import Answering
from tatami.ship.c.operator import c_type, number
from tatami.ship.c.run.network import unpacked
from tatami.ship.c.run.predictor import Compiled, Machine
from tatami.ship.c.tasks.base import Macro, TaskInC
from tatami.ship.c.tasks.sound import sound_macros, sound_rule
from tatami.ship.c.text import defines, text
from tatami.types import Float32, Samples, SoundSpec, Spec


class CompiledRecognizer(Compiled[SoundSpec]):
    """Implement ``types.Recognizer`` with the C program of a shipped folder."""

    use = "recognize"

    def checked(self, spec: Spec) -> SoundSpec:
        """Give a recognizer's spec; raise TatamiError for another's."""
        if not isinstance(spec, SoundSpec):
            raise TatamiError("the network takes no sound", hint="give a recognizer's")
        return spec

    def prepare(self, samples: Samples) -> Array:
        """Compute the C sound rule alone: (1, frames, features), float32 or uint8."""
        answer = self.network.ask(b"P" + _request(samples), self.input.bytes)
        return unpacked(answer, [self.input])[0]

    def recognize(self, samples: Samples) -> Float32:
        """Compute the probabilities (classes,) of a sound (n,)."""
        answer = self.network.ask(b"R" + _request(samples), 4 * len(self.spec.classes))
        return np.frombuffer(answer, "<f4")


def _request(samples: Samples) -> bytes:
    """Write a sound as proof.c reads it."""
    return np.array([len(samples)], "<i4").tobytes() + samples.astype("<i2").tobytes()


class RecognitionInC(TaskInC[SoundSpec]):
    """Recognition: net_recognize, and for a stream net_listen and net_decide; recognize.c."""

    name = "recognize"
    noun = "recognizer"
    letter = "R"

    def maps(self, spec: SoundSpec) -> int:
        """Count one: the logits."""
        return 1

    def check_input(self, spec: SoundSpec) -> None:
        """Check nothing: a spec of frames and features is one that C can fill."""

    def macros(self, program: Program, spec: SoundSpec) -> list[Macro]:
        """List the sound rule's, and what the ends are."""
        first, last = program.values[program.inputs[0]], program.values[program.outputs[0]]
        return [
            *sound_macros(spec.input),
            Macro("INPUT", c_type(first), "a sample of the network's input"),
            Macro("OUTPUT", c_type(last), "a sample of the network's output"),
            Macro("CLASSES", len(spec.classes)),
        ]

    def results(self, program: Program) -> Mapping[str, str]:
        """Name the logits."""
        return {"logits": program.outputs[0]}

    def kernels(self, spec: SoundSpec) -> tuple[str, ...]:
        """Name what turns features into bytes."""
        return ("int8/quantize",)

    def input_rules(self, program: Program, spec: SoundSpec, values: Mapping[str, str]) -> str:
        """Write the sound rule, and how a feature becomes a number of the input."""
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
            "MEAN": number(float(np.float32(spec.input.mean))),
            "SCALE": number(float(np.float32(spec.input.scale))),
            "INPUT_IS_BYTES": int(quantization is not None),
            **bytes_,
            "FRAMES_IN": f"({values[image]})",
        }
        return f"{defines(macros)}\n{sound_rule(spec.input)}"

    def input_files(self, spec: SoundSpec) -> tuple[str, ...]:
        """Name none: the rule is among the macros, with its tables."""
        return ()

    def source(self, spec: SoundSpec) -> tuple[str, ...]:
        """Give softmax and the functions."""
        return text("probabilities.c"), text("recognize.c")

    def example(self) -> str:
        """Give a program that names WAV files, and follows a stream."""
        return text("main_recognize.c")

    def proof(self) -> Answering:
        """Give what proof.c answers for a sound."""
        own = text("proof_recognize.c")
        return Answering(self.letter, self.name, own, text("proof_sound.c"))

    def open(self, folder: Path, machine: Machine) -> CompiledRecognizer:
        """Run a shipped folder as a recognizer."""
        return CompiledRecognizer(folder, variant=machine.variant, target=machine.target)


RECOGNITION_IN_C = RecognitionInC()
