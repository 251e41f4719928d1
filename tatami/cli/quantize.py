"""``tatami quantize``: a float network to 8 bits, calibrated on pictures."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from tatami import graph
from tatami.cli.labelled import open_part
from tatami.data.fingerprint import fingerprint, labelled_fingerprint, mask_fingerprint
from tatami.data.open import open_dataset, open_masks
from tatami.data.pictures import read_picture
from tatami.errors import TatamiError
from tatami.picture import prepare
from tatami.shrink.calibrate import METHODS, observe
from tatami.shrink.equalize import equalize as equalize_network
from tatami.shrink.quantize import Layer, measure
from tatami.shrink.quantize import quantize as quantize_network
from tatami.types import ClassifierSpec, Float32, Int, Picture, SegmenterSpec, Spec

WIDTH = 80
PICTURES = 32
MEASURED = 4
"""Calibration pictures on which the noise of every layer is measured."""


def quantize(
    network: Annotated[Path, typer.Argument(help="The network, a folded ONNX file.")],
    data: Annotated[Path | None, typer.Option(help="The set with calibration pictures.")] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Where to write; IN-int8.onnx if left out."),
    ] = None,
    split: Annotated[str | None, typer.Option(help="The set's split, as train.")] = None,
    format: Annotated[
        str | None, typer.Option(help="As voc, coco, folders, masks, voc-masks; else recognised.")
    ] = None,
    hold_out: Annotated[
        str | None, typer.Option(help="Of a classifier's one split: leave so many alone, as 10000.")
    ] = None,
    skip: Annotated[
        list[str] | None, typer.Option(help="Accept this kind of problem; may be repeated.")
    ] = None,
    pictures: Annotated[int, typer.Option(min=1, help="Calibrate with so many.")] = PICTURES,
    method: Annotated[str, typer.Option(help="minmax, percentile or mse.")] = "mse",
    bias_correction: Annotated[
        bool, typer.Option(help="Take the mean error of rounded weights off the biases.")
    ] = True,
    equalize: Annotated[
        bool, typer.Option(help="Equalize channels across layers first: for depthwise networks.")
    ] = False,
    keep_float: Annotated[
        list[str] | None, typer.Option(help="A layer that stays float; may be repeated.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, no table.")] = False,
) -> None:
    """Quantize a network to standard QDQ ONNX, and tell each layer's signal to noise ratio."""
    if data is None:
        raise TatamiError("no pictures to calibrate with", mend="name a set with --data")
    if method not in METHODS:
        raise TatamiError(f"no method '{method}'", mend=f"give {', '.join(METHODS)}")
    opened = graph.read(network)
    if opened.spec is None:
        raise TatamiError(
            "no tatami metadata: how a picture becomes its input is unknown",
            file=network,
            mend="export it with tatami",
        )
    if isinstance(opened.spec, ClassifierSpec):
        part = open_part(data, split, format, skip or (), hold_out, rest=True).pictures
        named = part.select(_spread(len(part), pictures))
        images = [_image(named.read(index), opened.spec) for index in range(len(named))]
        marks = labelled_fingerprint(named)
    elif isinstance(opened.spec, SegmenterSpec):
        masks = open_masks(data, split=split, format=format, skip=skip or ()).masks
        masks = masks.select(_spread(len(masks), pictures))
        images = [_image(masks.read(index)[0], opened.spec) for index in range(len(masks))]
        marks = mask_fingerprint(masks)
    else:
        dataset = open_dataset(data, split=split, format=format, skip=skip or ()).dataset
        samples = tuple(dataset.samples[index] for index in _spread(len(dataset), pictures))
        images = [_image(read_picture(sample.path), opened.spec) for sample in samples]
        marks = fingerprint(replace(dataset, samples=samples))
    errors = Console(stderr=True)
    with Progress(console=errors, transient=True, disable=not errors.is_terminal) as progress:
        try:
            source = equalize_network(opened) if equalize else opened
            bar = progress.add_task("Calibrating")
            seen = observe(
                source,
                images,
                len(images),
                lambda done, total: progress.update(bar, completed=done, total=total),
            )
            note = f"{len(images)} pictures {marks[:12]}"
            if equalize:
                note += ", equalized"
            result = quantize_network(
                source,
                seen,
                method=method,
                bias_correction=bias_correction,
                keep_float=keep_float or (),
                note=note,
            )
        except TatamiError as error:
            raise TatamiError(error.reason, mend=error.mend, file=network) from error
        progress.add_task("Measuring", total=None)
        layers = measure(source, result, images[:MEASURED])
    target = output or network.with_name(f"{network.stem.removesuffix('-folded')}-int8.onnx")
    graph.write(result, target)
    if as_json:
        answer = {
            "output": str(target),
            "pictures": len(images),
            "layers": [asdict(layer) for layer in layers],
        }
        typer.echo(json.dumps(answer, indent=2, ensure_ascii=False, default=str))
    else:
        _print(layers, keep_float or [], target)


def _spread(count: int, wanted: int) -> Int:
    """Places spread over a whole split, the same ones every time."""
    return np.unique(np.linspace(0, count - 1, min(wanted, count)).astype(np.int64))


def _image(picture: Picture, spec: Spec) -> Float32:
    image, _ = prepare(picture, spec.input)
    return np.ascontiguousarray(image[None])


def _print(layers: list[Layer], kept: list[str], target: Path) -> None:
    console = Console(width=WIDTH, highlight=False)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), width=WIDTH)
    table.add_column("layer", overflow="ellipsis", no_wrap=True, ratio=1)
    for title in ("kind", "weights dB", "output dB"):
        table.add_column(title, justify="left" if title == "kind" else "right", no_wrap=True)
    integer = [layer for layer in layers if layer.name not in kept]
    worst = min(integer, key=lambda layer: layer.sqnr, default=None)
    for layer in layers:
        table.add_row(
            escape(layer.name),
            layer.operator + (" (float)" if layer.name in kept else ""),
            "" if layer.weight_sqnr is None else f"{layer.weight_sqnr:.1f}",
            f"{layer.sqnr:.1f}",
            style="bold" if layer is worst else None,
        )
    console.print(table)
    console.print("dB: signal to quantization noise, all layers before quantized too")
    if worst is not None:
        console.print(f"worst: {worst.name}, {worst.sqnr:.1f} dB", markup=False)
    console.print(f"wrote {target}", markup=False, soft_wrap=True)
