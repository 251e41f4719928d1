"""``tatami fold``: batch normalization into the convolutions before it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tatami.cli.options import AsJson

EXAMPLES = {
    "fold": (
        "tatami fold RUN",
        "tatami fold net.onnx --out folded.onnx",
        "tatami fold net.onnx --epsilon darknet:1e-6",
    ),
}


def fold(
    network: Annotated[Path, typer.Argument(help="The network, an ONNX file or a run folder.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="The file to write; IN-folded.onnx if left out."),
    ] = None,
    epsilon: Annotated[
        str | None,
        typer.Option(
            help="Use this epsilon and not the nodes' own: 1e-5, or darknet:1e-6, which is "
            "added to the square root."
        ),
    ] = None,
    depthwise: Annotated[
        bool | None,
        typer.Option(
            "--depthwise/--no-depthwise",
            help="Make a normalization that no convolution can take up a convolution of its own, "
            "or refuse it; if left out, the first in networks of Tatami's, the second in others.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Fold normalization, scale and bias into the convolutions, and measure what it changed."""
    from tatami.cli.output import print_result
    from tatami.pipeline.fold import fold as fold_file

    result = fold_file(network, out, epsilon=epsilon, depthwise=depthwise)
    print_result(result, as_json)
