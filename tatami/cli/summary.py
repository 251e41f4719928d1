"""``tatami summary``: what every layer of a network costs, and all of them together.

Of a detector in two stages both networks are told: the first runs once a picture, the head once for
each of the regions.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tatami import graph
from tatami.errors import TatamiError
from tatami.files import write_atomically
from tatami.graph.costs import Cost, costs, total
from tatami.graph.network import Network, shape_of
from tatami.pipeline.artifact import head_of, network_file
from tatami.see.text import count, ending, readable
from tatami.shrink.resize import resize
from tatami.types import DetectionSpec, Size, TwoStageSpec

if TYPE_CHECKING:  # torch is heavy, and of no use for a file
    from torch import nn

WIDTH = 80
CLASSES = 20
"""Of a detector that is given by its name: as published, for PASCAL VOC. A classifier's are its
paper's."""
MAX_PIXELS = 2**24

_SHORT = {
    "BatchNormalization": "norm",
    "ConvTranspose": "ConvT",
    "DequantizeLinear": "Dequantize",
    "GlobalAveragePool": "GlobalAverage",
    "GlobalMaxPool": "GlobalMax",
    "LeakyRelu": "leaky",
    "QuantizeLinear": "Quantize",
}
"""Operators whose names are too long for a table."""
OPERATORS = 17
"""Letters of a layer's operators in the table."""
_OF_OPERATORS = (".conv", "/conv", ".norm", "/norm")
"""Endings of names that say only which operator of a layer the name is of."""


def summary(
    network: Annotated[
        str, typer.Argument(help="A model's name, an ONNX file or a run folder.", metavar="NAME")
    ],
    size: Annotated[
        str | None, typer.Option(help="Input, width x height; else the file's own, or the paper's.")
    ] = None,
    width: Annotated[
        float | None, typer.Option(help="Of a name: multiplies every layer's channels.")
    ] = None,
    classes: Annotated[
        int | None, typer.Option(min=1, max=10_000, help="Of a name: how many, else the paper's.")
    ] = None,
    anchors: Annotated[
        int | None, typer.Option(min=1, max=100, help="Of a detector: how many a cell, else 5.")
    ] = None,
    table: Annotated[
        Path | None, typer.Option("--csv", help="Write the layers here as a table.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, no table.")] = False,
) -> None:
    """Multiply-adds, parameters and bytes a layer, of a file or of a model that is not trained yet.

    One multiply-add is two operations. A normalization or activation belongs to the layer before.
    Bytes are those of the weights as stored, and of the maps that a layer reads and writes.
    """
    wanted = None if size is None else Size.parse(size)
    if wanted is not None and wanted.width * wanted.height > MAX_PIXELS:
        raise TatamiError(
            f"an input of {wanted} is too large", hint=f"give at most {MAX_PIXELS:,} pixels"
        )
    if _is_path(network):
        for option, value in (("width", width), ("classes", classes), ("anchors", anchors)):
            if value is not None:
                raise TatamiError(
                    f"--{option} is for a model's name: a file has its own", hint="leave it out"
                )
        opened = _from_file(Path(network), wanted)
    else:
        opened = _from_name(network, wanted, 1.0 if width is None else width, classes, anchors)
    layers = [costs(one) for one in opened]
    if table is not None:
        write_atomically(table, _csv([layer for each in layers for layer in each]))
    regions = _regions(opened)
    if as_json:
        typer.echo(json.dumps(_json(network, opened, layers, regions), indent=2))
        return
    console = Console(width=WIDTH, highlight=False)
    for one, each in zip(opened, layers, strict=True):
        if regions is not None:
            console.print("the head, of one region:" if _is_head(one) else "once a picture:")
        console.print(_table(each))
        for line in _lines(one, total(each)):
            console.print(line, markup=False)
    if regions is not None:
        for line in _lines_of_both([total(each) for each in layers], regions):
            console.print(line, markup=False)
    if table is not None:
        console.print(f"wrote {table}", markup=False, soft_wrap=True)


def _is_path(text: str) -> bool:
    """Whether a file or a run folder is meant, and no name: there is one, or it looks like one."""
    path = Path(text)
    return (
        path.is_file()
        or (path / "run.json").is_file()
        or path.suffix == ".onnx"
        or len(path.parts) != 1
    )


def _from_file(path: Path, size: Size | None) -> tuple[Network, ...]:
    file = network_file(path)
    network = graph.read(file)
    if size is None:
        head = head_of(network, file)
        return (network,) if head is None else (network, head)
    try:
        return (resize(network, size),)
    except TatamiError as error:
        raise TatamiError(error.reason, hint=error.hint, file=path) from error


def _from_name(
    name: str, size: Size | None, width: float, classes: int | None, anchors: int | None
) -> tuple[Network, ...]:
    """A model of the tables, with weights at random: its network, or both of two stages.

    Raises TatamiError, naming the models.
    """
    from tatami.models import CLASSIFIERS, DETECTORS, SEGMENTERS, TWO_STAGE

    if name in DETECTORS:
        return (_detector(name, size, width, classes or CLASSES, anchors),)
    if name in TWO_STAGE:
        return _two_stages(name, size, width, classes or CLASSES, anchors)
    makers: dict[str, Callable[..., nn.Module]] = {**CLASSIFIERS, **SEGMENTERS}
    if name not in makers:
        tables = (DETECTORS, TWO_STAGE, CLASSIFIERS, SEGMENTERS)
        known = ", ".join(name for table in tables for name in sorted(table))
        raise TatamiError(
            f"no model and no file '{name}'", hint=f"the models are {known}; or give an ONNX file"
        )
    if anchors is not None:
        kind = "classifier" if name in CLASSIFIERS else "segmenter"
        raise TatamiError(f"a {kind} has no anchors", hint="leave --anchors out")
    return (_other(makers[name], size, width, classes),)


def _detector(
    name: str, size: Size | None, width: float, classes: int, anchors: int | None
) -> Network:
    from tatami.models import DETECTORS
    from tatami.models.export import to_network

    kind = DETECTORS[name]
    size = size or kind.size
    if anchors is not None and not kind.anchor_count:
        raise _own_boxes(name)
    _check_stride(size, kind.stride)
    decoding = kind.plan(size, [(32.0, 32.0)] * (anchors or kind.anchor_count))
    names = tuple(f"class {index}" for index in range(classes))
    spec = DetectionSpec("detect", names, kind.input_spec(size), decoding)
    return to_network(kind(classes, decoding, width), spec)


def _two_stages(
    name: str, size: Size | None, width: float, classes: int, anchors: int | None
) -> tuple[Network, ...]:
    """Both networks; of one that warps regions the head, which is all."""
    from tatami.models import TWO_STAGE
    from tatami.models.export import to_head_network, to_network
    from tatami.models.two_stage import Head

    kind, backbone = TWO_STAGE[name]
    size = size or kind.size
    if anchors is not None:
        raise _own_boxes(name)
    _check_stride(size, kind.stride)
    proposals, decoding = kind.plan(size, backbone)
    names = tuple(f"class {index}" for index in range(classes))
    spec = TwoStageSpec(names, kind.input_spec(size), proposals, decoding)
    model = kind(classes, proposals, decoding, width, backbone)
    for learned in model.parameters():
        if not learned.any():  # a bias of zeros, as before training, would be left out of a file
            learned.data.fill_(1)
    head = to_head_network(Head(model), spec, model.channels)
    return (head,) if decoding.kind == "warp" else (to_network(model, spec), head)


def _own_boxes(name: str) -> TatamiError:
    return TatamiError(f"{name} has its own boxes", hint="leave --anchors out")


def _check_stride(size: Size, stride: int) -> None:
    if size.width % stride or size.height % stride:
        raise TatamiError(
            f"an input of {size} does not divide by the stride, {stride}",
            hint="give multiples of it, as 352x288",
        )


def _is_head(network: Network) -> bool:
    return isinstance(network.spec, TwoStageSpec) and network.spec.part == "head"


def _regions(networks: Sequence[Network]) -> int | None:
    """The most regions of a picture; None for what has one stage, or is not whole."""
    spec = networks[-1].spec
    whole = isinstance(spec, TwoStageSpec) and (len(networks) > 1 or spec.decoding.kind == "warp")
    return spec.decoding.max_regions if whole and isinstance(spec, TwoStageSpec) else None


def _other(
    make: Callable[..., nn.Module], size: Size | None, width: float, classes: int | None
) -> Network:
    """A classifier or a segmenter."""
    from tatami.models.export import to_model

    model = make(width=width) if classes is None else make(classes, width=width)
    usual: Any = model.size  # a square's side, or a Size
    own = usual if isinstance(usual, Size) else Size(usual, usual)
    return Network(to_model(model, size or own), None)


def _size(network: Network) -> Size:
    """Of the network's input."""
    *_, height, width = shape_of(network.graph.inputs[0])
    return Size(width, height)


def _table(layers: Sequence[Cost]) -> Table:
    """A row a layer and one for all, at most 80 columns wide."""
    titles = ("mult.-\nadds", "para-\nmeters", "weight\nbytes", "map\nbytes", "m.-a. a\nbyte")
    cells = [
        [
            " ".join(_SHORT.get(operator, operator) for operator in layer.operators)[:OPERATORS],
            "x".join(map(str, layer.shape[1:] if layer.shape[:1] == (1,) else layer.shape)),
            *_numbers(layer),
        ]
        for layer in layers
    ]
    heads = ("operators", "output", *(max(title.split("\n"), key=len) for title in titles))
    columns = zip(heads, *cells, strict=True)
    room = WIDTH - 3 - sum(2 + max(map(len, column)) for column in columns)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), width=WIDTH)
    table.add_column("layer", no_wrap=True, ratio=1)
    table.add_column("operators", no_wrap=True)
    table.add_column("output", justify="right", no_wrap=True)
    for title in titles:
        table.add_column(title, justify="right", no_wrap=True)
    for layer, row in zip(layers, cells, strict=True):
        table.add_row(escape(ending(readable(_bare(layer)), max(room, 4))), *row)
    table.add_section()
    table.add_row("all", "", "", *_numbers(total(layers)))
    return table


def _bare(layer: Cost) -> str:
    """Its name without what says only which of its operators the name is of."""
    for last in _OF_OPERATORS:
        if layer.name.endswith(last):
            return layer.name.removesuffix(last)
    return layer.name


def _numbers(layer: Cost) -> list[str]:
    """Three digits each; nothing for 0."""
    counts = (layer.multiply_adds, layer.parameters, layer.weight_bytes, layer.activation_bytes)
    told = [count(number) if number else "" for number in counts]
    return [*told, f"{layer.intensity:.2f}" if layer.multiply_adds else ""]


def _lines(network: Network, whole: Cost) -> list[str]:
    return [
        f"input {'x'.join(map(str, shape_of(network.graph.inputs[0])))}",
        f"{whole.multiply_adds:,} multiply-adds (m.-a.), each of two operations: "
        f"{count(whole.operations)}",
        f"{whole.parameters:,} parameters, {whole.weight_bytes:,} bytes as stored",
        f"{whole.activation_bytes:,} bytes of maps read and written",
        f"{whole.intensity:.2f} multiply-adds a byte moved, weights and maps",
    ]


def _lines_of_both(wholes: Sequence[Cost], regions: int) -> list[str]:
    """wholes: the totals of the networks, the head's last."""
    most = f"{_of_picture(wholes, regions):,} multiply-adds a picture of {regions:,} regions"
    return [
        f"{sum(whole.parameters for whole in wholes):,} parameters in all",
        f"{most}, the most",
    ]


def _of_picture(wholes: Sequence[Cost], regions: int) -> int:
    """Multiply-adds of a picture with so many regions."""
    *first, head = (whole.multiply_adds for whole in wholes)
    return sum(first) + regions * head


_COLUMNS = (
    *("name", "operators", "output", "multiply_adds", "operations", "parameters"),
    *("weight_bytes", "activation_bytes", "multiply_adds_per_byte"),
)


def _row(layer: Cost) -> dict[str, Any]:
    """A layer's numbers, by the names in ``_COLUMNS``."""
    numbers = (layer.multiply_adds, layer.operations, layer.parameters)
    further = (layer.weight_bytes, layer.activation_bytes, layer.intensity)
    known = (layer.name, list(layer.operators), list(layer.shape), *numbers, *further)
    return dict(zip(_COLUMNS, known, strict=True))


def _json(
    asked: str,
    networks: Sequence[Network],
    layers: Sequence[Sequence[Cost]],
    regions: int | None,
) -> dict[str, Any]:
    told = [_of_one(network, each) for network, each in zip(networks, layers, strict=True)]
    if regions is None:
        return {"network": asked, **told[0]}
    wholes = [total(each) for each in layers]
    return {
        "network": asked,
        **dict(zip(("features", "head") if len(told) > 1 else ("head",), told, strict=True)),
        "regions": regions,
        "total": {
            "parameters": sum(whole.parameters for whole in wholes),
            "multiply_adds": _of_picture(wholes, regions),
        },
    }


def _of_one(network: Network, layers: Sequence[Cost]) -> dict[str, Any]:
    whole = _row(total(layers))
    for name in ("name", "operators", "output"):
        del whole[name]
    return {
        "input": list(shape_of(network.graph.inputs[0])),
        "layers": [_row(layer) for layer in layers],
        "total": whole,
    }


def _csv(layers: Sequence[Cost]) -> str:
    """A line a layer; the operators are joined by "+", the sides of the output by "x"."""
    text = io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    for layer in layers:
        joined = {"operators": "+".join(layer.operators), "output": "x".join(map(str, layer.shape))}
        writer.writerow(_row(layer) | joined)
    return text.getvalue()
