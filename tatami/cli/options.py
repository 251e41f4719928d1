"""Options that several commands share, each said once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Artifact = Annotated[Path, typer.Argument(help="A run folder, an ONNX file or a shipped C folder.")]
Data = Annotated[
    Path | None,
    typer.Option(help="The labeled set: its folder, or the file that describes it."),
]
Split = Annotated[str | None, typer.Option(help="The split of the set to use, as test.")]
Format = Annotated[
    str | None,
    typer.Option(
        help="The set's format, where it is not recognized; `tatami data formats` lists them. Or "
        "name the folders: --images DIR --labels DIR."
    ),
]
HoldOut = Annotated[
    str | None,
    typer.Option(
        help="Evaluate on images held out of the split that is trained on: 0.2 of every class, or "
        "a number as 10000; with a seed, 0.2:SEED."
    ),
]
Skip = Annotated[
    list[str] | None,
    typer.Option(
        help="Leave out what has this kind of problem, of `tatami list problems`; may be repeated. "
        "--clip cuts boxes at the edge instead, --background takes pictures without a label."
    ),
]
Inputs = Annotated[
    str | None,
    typer.Option(
        help="For a network without a task: a .npy or .npz file, a folder of arrays or pictures, "
        "or random."
    ),
]
Tiling = Annotated[
    int | None,
    typer.Option(
        help="Run segmentation in tiles at full resolution, overlapping by this many pixels."
    ),
]
Tta = Annotated[
    bool,
    typer.Option(
        "--tta",
        help="Average segmentation over flips and 90-degree rotations (test-time augmentation).",
    ),
]
Beam = Annotated[
    int | None, typer.Option(help="Translation: hypotheses followed at once; 1 is greedy.")
]
Penalty = Annotated[
    float | None, typer.Option(help="Translation: favor longer ones by this, 0 to 2.")
]
Rtl = Annotated[
    str,
    typer.Option(
        help="The engine in Verilog: LANES=16,PIXELS=2. With MAP, larger maps come in strips."
    ),
]
Trust = Annotated[
    bool,
    typer.Option(
        "--trust", help="Run a shipped folder that was not shipped here: it is a program."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
