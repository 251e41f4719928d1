"""``tatami see features``: what a network makes of a picture inside, and where it looks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tatami.cli.options import AsJson

Out = Annotated[Path, typer.Option("--out", "-o", help="The folder to write the pictures to.")]

EXAMPLES = {
    "features": (
        "tatami see features RUN/network.onnx PICTURE.jpg",
        "tatami see features RUN/network.onnx PICTURE.jpg --maps 4",
    ),
}


def features(
    network: Annotated[Path, typer.Argument(help="An ONNX file or a run folder.")],
    picture: Annotated[Path, typer.Argument(help="A picture.")],
    layers: Annotated[
        list[str] | None,
        typer.Option(
            "--layer",
            help="Draw the maps of this layer of `tatami summary`, or of any value of the "
            "network; may be repeated. Four layers of different depth if left out.",
        ),
    ] = None,
    label: Annotated[
        str | None,
        typer.Option("--class", help="The class to explain; the best one if left out."),
    ] = None,
    cam_layer: Annotated[
        str | None,
        typer.Option(help="The layer whose maps explain the class; the last one if left out."),
    ] = None,
    maps: Annotated[int, typer.Option(help="Draw at most this many maps of a layer.")] = 64,
    out: Out = Path("features"),
    as_json: AsJson = False,
) -> None:
    """Draw feature maps, filters and the class activation (Grad-CAM) of a picture."""
    from tatami.cli.output import print_result
    from tatami.pipeline.explain import explain

    found = explain(
        network,
        picture,
        layers=layers or (),
        label=label,
        cam_layer=cam_layer,
        maps=maps,
        out=out,
    )
    print_result(found, as_json)
