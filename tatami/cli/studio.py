"""``tatami studio``: look inside networks, in a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tatami.cli import options

EXAMPLES = {"studio": ("tatami studio RUN", "tatami studio RUN network.onnx --port 8800")}


def studio(
    artifacts: Annotated[
        list[Path], typer.Argument(help="Run folders, ONNX files or shipped folders.")
    ],
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="The port on 127.0.0.1; 0: any free one.")
    ] = 0,
    trust: options.Trust = False,
) -> None:
    """Show networks in a browser: layers, answers of every stage, trainings as they go on."""
    from tatami.studio.server import serve

    serve(artifacts, port=port, trust=trust, ready=typer.echo)
