"""Make sound with a network, and write it as a WAV file."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tatami.data.sounds import sound_bytes
from tatami.errors import TatamiError, choose_from, printable
from tatami.files import write_atomically
from tatami.pipeline.artifact import Artifact, Source, network_file, open_artifact, path_of
from tatami.see.html import picture_html
from tatami.see.spectrogram import spectrogram
from tatami.tasks.generation import Generation, heard_by
from tatami.tasks.walk import timed
from tatami.train.run import SETTINGS
from tatami.types import Samples
from tatami.types.table import Table

LONGEST = 600.0
"""Seconds of a sound, at most."""


@dataclass(frozen=True)
class Generated:
    """A sound that a network made.

    Args:
        artifact: Where the network is.
        label: The class.
        seed: What the random numbers begin with: the same one makes the same sound.
        samples: int16 (n,).
        rate: Samples a second.
        drawn: The spectrogram, (height, width, 3).
        seconds: What making it took.
        path: The WAV file; None where none was asked for.
    """

    artifact: Path
    label: str
    seed: int
    samples: Samples
    rate: int
    drawn: Any
    seconds: float
    path: Path | None

    @property
    def skipped(self) -> Mapping[str, int]:
        """Nothing: no set is looked at."""
        return {}

    def to_json(self) -> dict[str, Any]:
        """Say what was made as plain values."""
        return {
            "artifact": str(self.artifact),
            "class": self.label,
            "seed": self.seed,
            "samples": len(self.samples),
            "rate": self.rate,
            "seconds": self.seconds,
            "output": None if self.path is None else str(self.path),
        }

    def tables(self) -> list[Table]:
        """Give none."""
        return []

    def lines(self) -> list[str]:
        """Say what was made, and how fast."""
        length = len(self.samples) / self.rate
        said = f"{self.label}, seed {self.seed}: {length:.2f} s in {self.seconds:.2f} s"
        return [said, *([] if self.path is None else [f"wrote {printable(self.path)}"])]

    def save(self, file: str | Path) -> None:
        """Write the sound as a WAV file."""
        write_atomically(Path(file), sound_bytes(self.samples, self.rate))

    def _repr_html_(self) -> str:
        """Show the spectrogram and a player in a notebook."""
        data = base64.b64encode(sound_bytes(self.samples, self.rate)).decode()
        player = f'<audio controls src="data:audio/wav;base64,{data}"></audio>'
        return picture_html(self.drawn, f"{self.label}, seed {self.seed}") + player


def generate(
    artifact: Source | Artifact,
    label: str,
    out: str | Path | None = None,
    *,
    seconds: float = 1.0,
    seed: int = 0,
    sharpness: float = 1.0,
    trust: bool = False,
) -> Generated:
    """Make a sound of a class, sample by sample.

    Args:
        artifact: A run folder, an ONNX file or a shipped folder, which is the fastest.
        label: The class.
        out: The WAV file; None: none is written.
        seconds: Of the sound.
        seed: What the random numbers begin with: the same one makes the same sound.
        sharpness: What logits are multiplied with: 1 draws as the network has learned, more draws
            likelier samples.
        trust: Whether to run a shipped folder that this installation did not write.

    Raises:
        TatamiError: For a network that makes no sound, for a class that it does not know, and for
            numbers out of their range.
    """
    for setting, value, low, high in (
        ("seconds", seconds, 0.001, LONGEST),
        ("sharpness", sharpness, 0.01, 100.0),
        ("seed", seed, 0, 2**64 - 1),
    ):
        if not low <= value <= high:
            raise TatamiError(
                f"{setting} {value} is out of range",
                hint=f"give {low} to {high}",
                setting=setting,
            )
    if not isinstance(artifact, Artifact):
        place = path_of(artifact)
        # torch would compute all samples anew for each: the run's file takes one after the other.
        whole = network_file(place) if (place / SETTINGS).is_file() else place
        artifact = open_artifact(whole, trust=trust)
    if not isinstance(artifact.task, Generation):
        raise TatamiError(
            f"a {artifact.task.noun} makes no sound", hint="give a generator's", file=artifact.path
        )
    classes = artifact.spec.classes
    if label not in classes:
        hint = choose_from(label, classes, "the classes are")
        raise TatamiError(f"no class '{label}'", hint=hint, setting="label")
    predictor: Any = artifact.predictor
    wave = predictor.spec.input
    count = max(1, round(seconds * wave.rate))
    predictor.generate(classes.index(label), 1)  # a shipped folder is compiled at its first sample
    samples, taken = timed(lambda: predictor.generate(classes.index(label), count, seed, sharpness))
    made = Generated(
        artifact.path,
        label,
        seed,
        samples,
        wave.rate,
        spectrogram(samples, heard_by(wave)),
        taken,
        None if out is None else Path(out),
    )
    if made.path is not None:
        made.save(made.path)
    return made
