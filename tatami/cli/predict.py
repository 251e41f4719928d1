"""``tatami predict``: what a network finds in pictures, drawn, and as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tatami.cli import options

EXAMPLES = {
    "predict": (
        "tatami predict RUN PICTURES --out predictions",
        "tatami predict RUN/c-int8 PICTURE.jpg --score 0.5 --json",
    ),
}


def predict(
    artifact: options.Artifact,
    pictures: Annotated[list[Path], typer.Argument(help="Pictures, or folders of pictures.")],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder for the drawn pictures and the JSON.")
    ] = Path("predictions"),
    min_score: Annotated[
        float | None,
        typer.Option(
            "--score", help="Detection: report what scores above this; else the network's own."
        ),
    ] = None,
    tiling: options.Tiling = None,
    tta: options.Tta = False,
    beam: options.Beam = None,
    penalty: options.Penalty = None,
    skip: Annotated[
        list[str] | None,
        typer.Option(help="Leave out pictures with a problem: unreadable-picture."),
    ] = None,
    trust: options.Trust = False,
    as_json: options.AsJson = False,
) -> None:
    """Find what is in pictures; write them with it drawn, and a JSON that lists it.

    Boxes go to OUT/detections.json. For classification the likeliest classes go to
    OUT/classes.json. For segmentation the classes are laid over the pictures and lie beside them as
    index pictures; the share of each class goes to OUT/segments.json.
    """
    from tatami.cli.output import bars, print_result
    from tatami.pipeline.predict import predict as predict_pictures

    with bars() as progress:
        result = predict_pictures(
            artifact,
            pictures,
            out,
            min_score=min_score,
            tiling=tiling,
            tta=tta,
            beam=beam,
            penalty=penalty,
            skip=skip or (),
            trust=trust,
            progress=progress,
        )
    print_result(result, as_json)
