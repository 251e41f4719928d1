"""``tatami shrink``: smaller networks, and what each costs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tatami.cli.options import AsJson, Data, Format, Skip, Split
from tatami.errors import TatamiError

if TYPE_CHECKING:
    from tatami.pipeline.resize import ResizeResult
    from tatami.pipeline.truncate import TruncateResult

EXAMPLES = {
    "resize": (
        "tatami shrink resize RUN --size 224x224 --out SMALLER",
        "tatami shrink resize RUN/network.onnx --size 352x288 --data DATA",
    ),
    "truncate": (
        "tatami shrink truncate RUN/head.onnx --keep fc6=256 --keep fc7=128",
        "tatami shrink truncate net.onnx --keep fc1=64 --out smaller.onnx",
    ),
}


def resize(
    network: Annotated[
        Path, typer.Argument(help="A run folder; or an ONNX file, which is not fine-tuned.")
    ],
    size: Annotated[
        str | None, typer.Option(help="The new input, width x height, as 352x288.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="The new run folder, or file; IN-352x288 and the like if left out."
        ),
    ] = None,
    epochs: Annotated[
        int, typer.Option(min=0, help="Epochs of fine-tuning on the run's own data; 0: none.")
    ] = 20,
    learning_rate: Annotated[
        float | None, typer.Option(help="Rate of fine-tuning; a fifth of the run's if left out.")
    ] = None,
    threads: Annotated[
        int | None, typer.Option(help="Threads of torch; those of the run if left out.")
    ] = None,
    data: Data = None,
    split: Split = None,
    format: Format = None,
    skip: Skip = None,
    as_json: AsJson = False,
) -> None:
    """Lower or raise the input size, and measure operations and mAP before and after."""
    from tatami.cli.output import bars
    from tatami.pipeline.resize import resize as resize_artifact

    if size is None:
        raise TatamiError("no new input size", hint="give --size, as 352x288")
    with bars() as progress:
        result = resize_artifact(
            network,
            size,
            out,
            epochs=epochs,
            learning_rate=learning_rate,
            threads=threads,
            data=data,
            split=split,
            format=format,
            skip=skip or (),
            progress=progress,
        )
    _print(result, as_json)


def truncate(
    network: Annotated[Path, typer.Argument(help="The network, an ONNX file, as head.onnx.")],
    keep: Annotated[
        list[str] | None,
        typer.Option(help="LAYER=N: keep N singular values of a layer; may be repeated."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Where to write; IN-truncated.onnx if left out."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make fully connected layers two smaller ones each, and tell what that saves."""
    from tatami.pipeline.truncate import truncate as truncate_artifact

    result = truncate_artifact(network, dict(map(_kept, keep or ())), out)
    _print(result, as_json)


def _kept(text: str) -> tuple[str, int]:
    name, _, number = text.rpartition("=")
    if not name or not number.isdecimal():
        raise TatamiError(f"{text} is not understood", hint="give LAYER=N", setting="keep")
    return name, int(number)


def _print(result: ResizeResult | TruncateResult, as_json: bool) -> None:
    from tatami.cli.output import print_lines, print_result

    print_result(result, as_json)
    if not as_json:
        print_lines([f"wrote {result.path}"])
