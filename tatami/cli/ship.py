"""``tatami ship``: a network as a program for a device."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tatami.cli import options
from tatami.cli.options import AsJson

EXAMPLES = {
    "ship": (
        "tatami ship RUN",
        "tatami ship RUN --target cortex-m7 --ram 512K --flash 2M",
        "tatami ship RUN --to wasm",
    ),
}


def ship(
    network: Annotated[
        Path,
        typer.Argument(help="A run folder, or a folded ONNX file; for two stages the first one."),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="The folder to write; RUN/c and RUN/c-int8 if left out of a run."
        ),
    ] = None,
    to: Annotated[
        str, typer.Option(help="What for: c, C99; wasm, a page for browsers; rtl, Verilog.")
    ] = "c",
    target: Annotated[
        str,
        typer.Option(help="The machine, as cortex-m7, of `tatami list targets`."),
    ] = "any",
    threads: Annotated[
        int, typer.Option(min=1, max=64, help="The most threads that it may be compiled for.")
    ] = 1,
    ram: Annotated[
        str | None, typer.Option(help="Refuse a program that needs more, as 512K.")
    ] = None,
    flash: Annotated[
        str | None, typer.Option(help="Refuse weights and code that need more, as 2M.")
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Begin every C name with this, not with the file's name.")
    ] = None,
    weights: Annotated[
        str, typer.Option(help="auto, array (a C array) or binary (included by the assembler).")
    ] = "auto",
    rtl: options.Rtl = "",
    no_build: Annotated[bool, typer.Option("--no-build", help="Do not compile it.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write a network as C that goes from pixels to boxes or classes, and compile its example."""
    from tatami.cli.output import print_result, print_table
    from tatami.pipeline.ship import TooLargeError
    from tatami.pipeline.ship import ship as ship_network

    try:
        result = ship_network(
            network,
            out,
            to=to,
            target=target,
            threads=threads,
            ram=ram,
            flash=flash,
            name=name,
            weights=weights,
            rtl=rtl,
            build=not no_build,
        )
    except TooLargeError as error:
        print_table(error.table(), error=True)
        raise
    print_result(result, as_json)
