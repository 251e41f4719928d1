"""``tatami enroll``: a picture that a matcher knows by name from now on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tatami.cli.options import AsJson

EXAMPLES = {"enroll": ("tatami enroll RUN ka.png ka", "tatami enroll net-int8.onnx ka.png ka")}


def enroll(
    network: Annotated[Path, typer.Argument(help="A matcher: an ONNX file or a run folder.")],
    picture: Annotated[Path, typer.Argument(help="One picture of what is to be known.")],
    name: Annotated[str, typer.Argument(help="Its name; one that is known is replaced.")],
    as_json: AsJson = False,
) -> None:
    """Let a matcher know what one picture shows, by a name."""
    from tatami.cli.output import print_result
    from tatami.pipeline.enroll import enroll as keep

    print_result(keep(network, picture, name), as_json)
