"""``tatami generate``: a sound that a network makes, as a WAV file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tatami.cli import options

EXAMPLES = {
    "generate": (
        "tatami generate RUN/c-int8 seven --seed 3 --out seven.wav",
        "tatami generate RUN seven --seconds 0.5 --sharpness 1.2",
    ),
}


def generate(
    artifact: options.Artifact,
    label: Annotated[str, typer.Argument(help="The class of the sound.", metavar="CLASS")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The WAV file.")] = Path("sound.wav"),
    seconds: Annotated[float, typer.Option(help="The length of the sound.")] = 1.0,
    seed: Annotated[int, typer.Option(help="The same one makes the same sound.")] = 0,
    sharpness: Annotated[
        float, typer.Option(help="1: as the network has learned; more: likelier samples.")
    ] = 1.0,
    trust: options.Trust = False,
    as_json: options.AsJson = False,
) -> None:
    """Make a sound of a class, sample by sample, and write it as a WAV file.

    The same seed makes the same sound on every machine. A shipped folder is the fastest.
    """
    from tatami.cli.output import print_result
    from tatami.pipeline.generate import generate as make

    made = make(artifact, label, out, seconds=seconds, seed=seed, sharpness=sharpness, trust=trust)
    print_result(made, as_json)
