"""What every layer of a network costs, and all of them together.

A detector in two stages has two networks: the first runs once a picture, the head once for each of
the regions.
"""

from __future__ import annotations

import csv
import html
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tatami.errors import TatamiError, choose_from, printable
from tatami.files import write_atomically
from tatami.ops.counting import Cost, total
from tatami.see.text import count, ending, readable
from tatami.types import Size, Spec
from tatami.types.table import Column, Table, words

if TYPE_CHECKING:  # a model's name needs torch alone, and nothing of ONNX
    from tatami.pipeline.artifact import Source

MAX_PIXELS = 2**24
MAX_CLASSES, MAX_ANCHORS = 10_000, 100
ANCHOR = (32.0, 32.0)
"""Sides in pixels of the anchors of a network that is not trained yet: their number counts."""
SHORT = {
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
WIDTH = 80
"""Letters of a line of the table."""
OF_OPERATORS = (".conv", "/conv", ".norm", "/norm")
"""Endings of names that say only which operator of a layer the name is of."""
COLUMNS = (
    *("name", "operators", "output", "multiply_adds", "operations", "parameters"),
    *("weight_bytes", "activation_bytes", "multiply_adds_per_byte"),
)
"""What a table file says of a layer."""


@dataclass(frozen=True)
class NetworkCosts:
    """What one network of a predictor costs.

    Args:
        name: Of the network among the predictor's, as "head"; "" for the only one.
        input: The shape of its input.
        layers: What each layer costs, in the order in which they run.
        learned: The parameters that training changes, as papers count them; None for a file, which
            does not say which of its numbers those are.
    """

    name: str
    input: tuple[int, ...]
    layers: tuple[Cost, ...]
    learned: int | None = None

    @property
    def total(self) -> Cost:
        """The sum of all layers."""
        return total(self.layers)

    def to_json(self) -> dict[str, Any]:
        """Give the layers and their sum as plain values."""
        whole = _row(self.total)
        for name in ("name", "operators", "output"):
            del whole[name]
        return {
            "input": list(self.input),
            "layers": [_row(layer) for layer in self.layers],
            "total": whole,
            **({} if self.learned is None else {"learned": self.learned}),
        }


@dataclass(frozen=True)
class EachSample:
    """What a network that makes sound costs, where it is given a sample a call.

    Args:
        receptive: The newest samples from which the next one is told.
        multiply_adds: Of a sample.
    """

    receptive: int
    multiply_adds: int

    @staticmethod
    def of(spec: Spec | None, part: NetworkCosts) -> EachSample | None:
        """Count it by the layers of a network; None for one that makes no sound."""
        if spec is None or spec.looks_back is None:
            return None
        columns = part.input[-1]
        one = (
            layer.multiply_adds // (columns if layer.shape[-1] == columns else 1)
            for layer in part.layers
        )
        return EachSample(spec.looks_back, sum(one))


@dataclass(frozen=True)
class Summary:
    """What a predictor costs.

    Args:
        network: What was asked for: the name of a model, or a path.
        parts: Its networks, in the order in which they run.
        regions: How often the last of them runs for a picture, at most; None where it is once.
        sample: What a sample costs, of a network that makes sound.
    """

    network: str
    parts: tuple[NetworkCosts, ...]
    regions: int | None = None
    sample: EachSample | None = None

    @property
    def parameters(self) -> int:
        """Numbers that are learned, of all networks."""
        return sum(part.total.parameters for part in self.parts)

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds of a picture: at most, where regions are looked at."""
        *first, last = (part.total.multiply_adds for part in self.parts)
        return sum(first) + (self.regions or 1) * last

    def to_json(self) -> dict[str, Any]:
        """Give the figures as plain values."""
        if self.regions is None:
            sample = {} if self.sample is None else {"sample": asdict(self.sample)}
            return {"network": self.network, **self.parts[0].to_json(), **sample}
        return {
            "network": self.network,
            **{part.name: part.to_json() for part in self.parts},
            "regions": self.regions,
            "total": {"parameters": self.parameters, "multiply_adds": self.multiply_adds},
        }

    def to_csv(self) -> str:
        """Write a line a layer; "+" joins the operators, "x" the sides of the output."""
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for layer in (layer for part in self.parts for layer in part.layers):
            joined = {
                "operators": "+".join(layer.operators),
                "output": "x".join(map(str, layer.shape)),
            }
            writer.writerow(_row(layer) | joined)
        return text.getvalue()

    def save(self, file: str | Path) -> None:
        """Write the layers as a table in CSV."""
        write_atomically(Path(file), self.to_csv())

    def headings(self) -> list[str]:
        """Say how often each network runs; "" where there is one that runs once a picture."""
        if self.regions is None:
            return [""]
        return [*["once a picture:"] * (len(self.parts) - 1), "the head, of one region:"]

    def tables(self) -> list[Table]:
        """Lay out a table a network, a row a layer."""
        return [_table(part.layers) for part in self.parts]

    def lines_of(self, part: NetworkCosts) -> list[str]:
        """Say what one network costs."""
        whole = part.total
        stored = f"{whole.parameters:,} parameters, {whole.weight_bytes:,} bytes as stored"
        if part.learned is not None:
            stored = (
                f"{part.learned:,} parameters; a file holds {whole.parameters:,} numbers, "
                f"{whole.weight_bytes:,} bytes"
            )
        return [
            f"input {'x'.join(map(str, part.input))}",
            f"{whole.multiply_adds:,} multiply-adds (m.-a.), each of two operations: "
            f"{count(whole.operations)}",
            stored,
            f"{whole.activation_bytes:,} bytes of maps read and written",
            f"{whole.intensity:.2f} multiply-adds a byte moved, weights and maps",
        ]

    def lines(self) -> list[str]:
        """Say what all networks cost together, where there are several, and what a sample does."""
        if self.sample is not None:
            return [
                f"a sample a call: {self.sample.multiply_adds:,} multiply-adds; it is told from "
                f"the {self.sample.receptive:,} before (the receptive field)"
            ]
        if self.regions is None:
            return []
        return [
            f"{self.parameters:,} parameters in all",
            f"{self.multiply_adds:,} multiply-adds a picture of {self.regions:,} regions, the most",
        ]

    def _repr_html_(self) -> str:
        """Show the sums in a notebook."""
        lines = [line for part in self.parts for line in self.lines_of(part)] + self.lines()
        said = (html.escape(printable(one)) for one in [self.network, *lines])
        return f"<p>{'<br>'.join(said)}</p>"


def summary(
    network: Source,
    *,
    size: Size | None = None,
    width: float | None = None,
    classes: int | None = None,
    anchors: int | None = None,
) -> Summary:
    """Count multiply-adds, parameters and bytes of every layer.

    One multiply-add is two operations. A normalization or activation belongs to the layer before.
    Bytes are those of the weights as stored, and of the maps that a layer reads and writes.

    Args:
        network: The name of a model that is not trained yet, an ONNX file or a run folder.
        size: Of the input; None: the file's own, or the paper's.
        width: For a model, multiplies every layer's channels; None: 1.
        classes: For a model, how many; None: the paper's.
        anchors: For a detector, how many a cell; None: the paper's.

    Raises:
        TatamiError: For a name that no model and no file has, and a size that does not suit it.
    """
    if size is not None and size.width * size.height > MAX_PIXELS:
        raise TatamiError(
            f"an input of {size} is too large", hint=f"give at most {MAX_PIXELS:,} pixels"
        )
    if not _is_path(network):
        return _of_model(str(network), size, 1.0 if width is None else width, classes, anchors)
    for setting, value in (("width", width), ("classes", classes), ("anchors", anchors)):
        if value is not None:
            raise TatamiError(
                "it is for a model's name: a file has its own",
                hint="leave it out",
                setting=setting,
            )
    return _of_file(network, size)


def _is_path(network: Source) -> bool:
    """Whether a file or a run folder is meant, and no name: there is one, or it looks like one."""
    if not isinstance(network, str):
        return True
    path = Path(network)
    return (
        path.is_file()
        or (path / "run.json").is_file()
        or path.suffix == ".onnx"
        or len(path.parts) != 1
    )


def _of_file(source: Source, size: Size | None) -> Summary:
    from tatami.graph.costs import costs
    from tatami.graph.network import shape_of
    from tatami.graph.read import read
    from tatami.pipeline.artifact import network_file, path_of
    from tatami.shrink.resize import resize
    from tatami.tasks.structure import Part
    from tatami.tasks.table import task_of

    path = path_of(source)
    file = network_file(path)
    network, regions = read(file), None
    parts: Sequence[Part] = (Part("", network, file),)
    if size is not None:
        try:
            parts = (Part("", resize(network, size), file),)
        except TatamiError as error:
            raise error.at(path) from error
    elif network.spec is not None:
        structure = task_of(network.spec).structure(network.spec)
        if structure.begins(network.spec):
            parts, regions = structure.parts(network, file), structure.regions(network.spec)
    counted = tuple(
        NetworkCosts(part.name, shape_of(part.network.graph.inputs[0]), costs(part.network))
        for part in parts
    )
    return Summary(str(path), counted, regions, EachSample.of(network.spec, counted[0]))


def _of_model(
    name: str, size: Size | None, width: float, classes: int | None, anchors: int | None
) -> Summary:
    from tatami.models.table import FORMER, MODELS, model_named, names
    from tatami.tasks.settings import check_size

    if name not in {*MODELS, *FORMER}:
        hint = choose_from(name, names(), "the models are")
        raise TatamiError(f"no model and no file '{name}'", hint=f"{hint} Or give an ONNX file")
    for setting, value, most in (
        ("classes", classes, MAX_CLASSES),
        ("anchors", anchors, MAX_ANCHORS),
    ):
        if value is not None and not 1 <= value <= most:
            raise TatamiError(f"{value} of them", hint=f"give 1 to {most:,}", setting=setting)
    model = model_named(name)
    if size is not None:
        check_size(size, model.stride)
    labels = [f"class {index}" for index in range(classes or model.classes)]
    spec = model.spec(labels, size, None if anchors is None else [ANCHOR] * anchors)
    from tatami.models.count import count_model  # it needs torch, and what is wrong is said first

    counted = tuple(
        NetworkCosts(one.part, one.shape, one.layers, one.learned)
        for one in count_model(model, spec, width)
    )
    return Summary(name, counted, model.regions(spec), EachSample.of(spec, counted[0]))


def _table(layers: Sequence[Cost]) -> Table:
    titles = ("mult.-\nadds", "para-\nmeters", "weight\nbytes", "map\nbytes", "m.-a. a\nbyte")
    cells = [
        [
            " ".join(SHORT.get(operator, operator) for operator in layer.operators)[:OPERATORS],
            "x".join(map(str, layer.shape[1:] if layer.shape[:1] == (1,) else layer.shape)),
            *_numbers(layer),
        ]
        for layer in layers
    ]
    heads = ("operators", "output", *(max(title.split("\n"), key=len) for title in titles))
    others = zip(heads, *cells, strict=True)
    room = WIDTH - 3 - sum(2 + max(map(len, column)) for column in others)
    rows = tuple(
        (ending(readable(_bare(layer)), max(room, 4)), *row)
        for layer, row in zip(layers, cells, strict=True)
    )
    columns = (
        words("layer", flexible=True),
        words("operators"),
        Column("output"),
        *map(Column, titles),
    )
    return Table(columns, rows, ("all", "", "", *_numbers(total(layers))))


def _bare(layer: Cost) -> str:
    """Give its name without what says only which of its operators the name is of."""
    for last in OF_OPERATORS:
        if layer.name.endswith(last):
            return layer.name.removesuffix(last)
    return layer.name


def _numbers(layer: Cost) -> list[str]:
    """Write three digits each; nothing for 0."""
    counts = (layer.multiply_adds, layer.parameters, layer.weight_bytes, layer.activation_bytes)
    written = [count(number) if number else "" for number in counts]
    return [*written, f"{layer.intensity:.2f}" if layer.multiply_adds else ""]


def _row(layer: Cost) -> dict[str, Any]:
    """Give a layer's numbers, by the names in ``COLUMNS``."""
    numbers = (layer.multiply_adds, layer.operations, layer.parameters)
    further = (layer.weight_bytes, layer.activation_bytes, layer.intensity)
    known = (layer.name, list(layer.operators), list(layer.shape), *numbers, *further)
    return dict(zip(COLUMNS, known, strict=True))
