"""``tatami summary``: what every layer of a network costs, and all of them together."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tatami.cli.options import AsJson, Rtl

EXAMPLES = {
    "summary": (
        "tatami summary resnet18 --size 160x160 --width 0.25",
        "tatami summary RUN --rtl LANES=16",
        "tatami summary yolov2-tiny --size 352x288 --fit zynq-7020",
    ),
}


def summary(
    network: Annotated[
        str,
        typer.Argument(
            help="A model's name, an ONNX file or a run folder. A name that is none lists them.",
            metavar="NAME",
        ),
    ],
    size: Annotated[
        str | None,
        typer.Option(help="Input, width x height; the file's own or the paper's if left out."),
    ] = None,
    width: Annotated[
        float | None,
        typer.Option(help="For a model's name: multiply every layer's channels by this."),
    ] = None,
    classes: Annotated[
        int | None,
        typer.Option(help="For a model's name: the number of classes; the paper's if left out."),
    ] = None,
    anchors: Annotated[
        int | None,
        typer.Option(help="For a detector's name: anchors a cell; the paper's if left out."),
    ] = None,
    table: Annotated[
        Path | None, typer.Option("--csv", help="Write the layers here as a table.")
    ] = None,
    rtl: Rtl = "",
    fit: Annotated[
        str, typer.Option(help="An FPGA, as zynq-7020: the fastest engine in Verilog for it.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Count multiply-adds, parameters and bytes of every layer.

    One multiply-add is two operations. A normalization or activation belongs to the layer before.
    Bytes are those of the weights as stored, and of the maps that a layer reads and writes. With
    --rtl or --fit: the cycles and DDR bytes of every layer on that engine, as its counters will
    say.
    """
    from tatami.cli.output import print_json, print_lines, print_result, print_table
    from tatami.pipeline.summary import summary as count
    from tatami.types import Size

    wanted = None if size is None else Size.parse(size)
    if rtl or fit:
        from tatami.errors import TatamiError
        from tatami.pipeline.engine import engine_summary

        for setting, given in (("classes", classes), ("anchors", anchors), ("table", table)):
            if given is not None:
                raise TatamiError(
                    "an engine has no use for it", hint="leave it out", setting=setting
                )
        print_result(engine_summary(network, rtl, fit=fit, size=wanted, width=width), as_json)
        return
    found = count(network, size=wanted, width=width, classes=classes, anchors=anchors)
    if table is not None:
        found.save(table)
    if as_json:
        print_json(found.to_json())
        return
    for heading, part, layers in zip(found.headings(), found.parts, found.tables(), strict=True):
        print_lines([heading] if heading else [])
        print_table(layers)
        print_lines(found.lines_of(part))
    print_lines(found.lines())
    if table is not None:
        print_lines([f"wrote {table}"])
