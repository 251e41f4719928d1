"""``tatami quantize``: a float network to 8 bits, calibrated on pictures."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
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
from tatami.cli.labeled import open_part
from tatami.data.fingerprint import fingerprint, labeled_fingerprint, mask_fingerprint
from tatami.data.open import open_dataset, open_masks
from tatami.data.pictures import read_picture
from tatami.errors import TatamiError
from tatami.graph.attributes import label
from tatami.graph.network import Network
from tatami.pipeline.artifact import TwoStageFiles, head_beside, onnx_of, with_head
from tatami.rules.picture import prepare
from tatami.shrink.calibrate import METHODS, Method, Range, Seen, choose, joined, observe
from tatami.shrink.equalize import equalize
from tatami.shrink.fold import fold
from tatami.shrink.quantize import Layer, measure
from tatami.shrink.quantize import quantize as quantize_network
from tatami.types import (
    ClassificationSpec,
    Float32,
    Int64,
    Picture,
    SegmentationSpec,
    Spec,
    TwoStageSpec,
)

WIDTH = 80
PICTURES = 32
MEASURED = 4
"""Calibration pictures on which the noise of every layer is measured."""
REGIONS = 16
"""Of a picture, that the head of a detector in two stages is calibrated with."""


def quantize(
    network: Annotated[
        Path,
        typer.Argument(help="The network, a folded ONNX file; of two stages the first, or a run."),
    ],
    data: Annotated[Path | None, typer.Option(help="The set with calibration pictures.")] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Where to write; IN-int8.onnx if left out."),
    ] = None,
    split: Annotated[str | None, typer.Option(help="The set's split, as train.")] = None,
    format: Annotated[
        str | None, typer.Option(help="As voc, coco, folders, masks, voc-masks; else recognized.")
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
    equalize_: Annotated[
        bool,
        typer.Option(
            "--equalize/--no-equalize",
            help="Equalize channels across layers first: for depthwise networks.",
        ),
    ] = False,
    keep_float: Annotated[
        list[str] | None, typer.Option(help="A layer that stays float; may be repeated.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, no table.")] = False,
) -> None:
    """Quantize a network to standard QDQ ONNX, and tell each layer's signal to noise ratio."""
    if data is None:
        raise TatamiError("no pictures to calibrate with", hint="name a set with --data")
    if method not in METHODS:
        raise TatamiError(f"no method '{method}'", hint=f"give {', '.join(METHODS)}")
    file = onnx_of(network)
    opened = graph.read(file)
    if opened.spec is None:
        raise TatamiError(
            "no tatami metadata: how a picture becomes its input is unknown",
            file=file,
            hint="export it with tatami",
        )
    target = output or file.with_name(f"{file.stem.removesuffix('-folded')}-int8.onnx")
    two = with_head(opened, file) if isinstance(opened.spec, TwoStageSpec) else None
    if isinstance(opened.spec, ClassificationSpec):
        part = open_part(data, split, format, skip or (), hold_out, rest=True).pictures
        named = part.select(_spread(len(part), pictures))
        seen = [named.read(index) for index in range(len(named))]
        marks = labeled_fingerprint(named)
    elif isinstance(opened.spec, SegmentationSpec):
        masks = open_masks(data, split=split, format=format, skip=skip or ()).masks
        masks = masks.select(_spread(len(masks), pictures))
        seen = [masks.read(index)[0] for index in range(len(masks))]
        marks = mask_fingerprint(masks)
    else:
        dataset = open_dataset(data, split=split, format=format, skip=skip or ()).dataset
        samples = tuple(dataset.samples[index] for index in _spread(len(dataset), pictures))
        seen = [read_picture(sample.path) for sample in samples]
        marks = fingerprint(replace(dataset, samples=samples))
    if two is None:
        images = [_image(picture, opened.spec) for picture in seen]
        parts = [_Part(opened, images, file, target)]
    else:
        parts = _two_parts(two, seen, target)
    note = f"{len(seen)} pictures {marks[:12]}{', equalized' if equalize_ else ''}"
    kept = keep_float or []
    layers = _quantize_parts(parts, method, bias_correction, equalize_, kept, note)
    if as_json:
        answer = {
            "output": str(target),
            **({"head": str(parts[1].target)} if len(parts) > 1 else {}),
            "pictures": len(seen),
            "layers": [asdict(layer) for layer in layers],
        }
        typer.echo(json.dumps(answer, indent=2, ensure_ascii=False, default=str))
    else:
        _print(layers, kept, [part.target for part in parts])


@dataclass(frozen=True)
class _Part:
    """A network to quantize.

    inputs: what it is calibrated by, (n, channels, rows, columns) each.  file: where it is from.
    """

    network: Network
    inputs: list[Float32]
    file: Path
    target: Path


def _two_parts(two: TwoStageFiles, pictures: Sequence[Picture], target: Path) -> list[_Part]:
    """The networks of a detector in two stages, folded: the head's inputs are the regions that the
    pictures have. Raises TatamiError where they have none."""
    beside = target if two.features is None else head_beside(target)  # refused before all the work
    head, _ = fold(two.head)
    folded = None if two.features is None else fold(two.features)[0]
    detector = replace(two, features=folded, head=head).in_numpy()
    looked = (detector.look(picture).some(REGIONS) for picture in pictures)
    regions = [some for some in looked if some is not None]
    if not regions:
        raise TatamiError(
            "not one region is found in the pictures", hint="give others, or train it first",
            file=two.files[0],
        )  # fmt: skip
    if folded is None:
        return [_Part(head, regions, two.files[0], beside)]
    images = [_image(picture, two.spec) for picture in pictures]
    return [
        _Part(folded, images, two.files[0], target),
        _Part(head, regions, two.files[1], beside),
    ]


def _quantize_parts(
    parts: Sequence[_Part],
    method: Method,
    bias_correction: bool,
    equalized: bool,
    kept: Sequence[str],
    note: str,
) -> list[Layer]:
    """Calibrate, quantize, measure and write. Raises TatamiError, naming the file, before anything
    is written."""
    errors = Console(stderr=True)
    layers: list[Layer] = []
    results = []
    with Progress(console=errors, transient=True, disable=not errors.is_terminal) as progress:
        sources = [equalize(part.network) if equalized else part.network for part in parts]
        seen = []
        for part, source in zip(parts, sources, strict=True):
            bar = progress.add_task("Calibrating")
            with _naming(part.file):
                seen.append(
                    observe(
                        source,
                        part.inputs,
                        len(part.inputs),
                        lambda done, total, bar=bar: progress.update(  # type: ignore[misc]
                            bar, completed=done, total=total
                        ),
                    )
                )
        shared = _shared(sources, seen, method) if len(parts) > 1 else {}
        known = {label(node) for node in sources[0].graph} if len(parts) > 1 else {*kept}
        for index, (part, source) in enumerate(zip(parts, sources, strict=True)):
            own = [name for name in kept if (name in known) == (index == 0)]
            with _naming(part.file):
                results.append(
                    quantize_network(
                        source,
                        seen[index],
                        method=method,
                        bias_correction=bias_correction,
                        keep_float=own,
                        shared=shared,
                        note=note,
                    )
                )
        progress.add_task("Measuring", total=None)
        for part, source, result in zip(parts, sources, results, strict=True):
            layers += measure(source, result, part.inputs[:MEASURED])
    for part, result in zip(parts, results, strict=True):
        graph.write(result, part.target)
    return layers


def _shared(
    networks: Sequence[Network], seen: Sequence[Mapping[str, Seen]], method: Method
) -> dict[str, Range]:
    """The one range of a feature map and of what regions of it are pooled to: of bytes with one
    scale the largest is the largest of the numbers, so that nothing is rounded between the two."""
    ends = str(networks[0].graph.outputs[0].name), str(networks[1].graph.inputs[0].name)
    one = choose(joined(each[end] for each, end in zip(seen, ends, strict=True)), method)
    return dict.fromkeys(ends, one)


@contextlib.contextmanager
def _naming(file: Path) -> Iterator[None]:
    """An error of what is done to a network names its file."""
    try:
        yield
    except TatamiError as error:
        raise TatamiError(error.reason, hint=error.hint, file=file) from error


def _spread(count: int, wanted: int) -> Int64:
    """Places spread over a whole split, the same ones every time."""
    return np.unique(np.linspace(0, count - 1, min(wanted, count)).astype(np.int64))


def _image(picture: Picture, spec: Spec) -> Float32:
    image, _ = prepare(picture, spec.input)
    return np.ascontiguousarray(image[None])


def _print(layers: list[Layer], kept: Sequence[str], targets: Sequence[Path]) -> None:
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
    written = " and ".join(map(str, targets))
    console.print(f"wrote {written}", markup=False, soft_wrap=True)
