"""``tatami see features``: what a network makes of a picture inside, and where it looks."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tatami import graph
from tatami.pipeline.drawings import check_replaceable, free_name, save_picture
from tatami.data.pictures import read_picture
from tatami.errors import TatamiError, printable
from tatami.files import folder_written_atomically, write_atomically
from tatami.graph.attributes import label, weight
from tatami.graph.costs import costs
from tatami.graph.network import Network, shape_of
from tatami.pipeline.artifact import head_of, network_file, numpy_forward, proposer
from tatami.rules.decoding import detections
from tatami.rules.picture import Placement, prepare
from tatami.rules.regions import Regions, TwoStageDetector
from tatami.see.class_activation import (
    Target,
    class_activation,
    in_numbers,
    last_maps,
    makes_maps,
    target_in_regions,
    target_of,
)
from tatami.see.draw import draw_detections, draw_fitted, fit
from tatami.see.features import draw_filters, draw_heat, draw_maps, titled, value_range
from tatami.see.report import PICTURE_SIZE, Drawing
from tatami.types import (
    Detections,
    DetectionSpec,
    Float32,
    InputSpec,
    Picture,
    Size,
    TwoStageSpec,
)

WIDTH = 80
RESULT = "features.json"
LAYERS = 4
"""Layers that are drawn where none is named, evenly from the first to the last."""
SMALL = 320
"""Pixels of a side, below which a picture is enlarged before heat is drawn on it."""
REPORTED = 16
"""Maps of a layer in a report."""

see_app = typer.Typer(name="see", help="Look inside networks and at data.", no_args_is_help=True)


@dataclass(frozen=True)
class Insight:
    """All values of a network for one picture.

    images: (1, 3, H, W), or as many copies as the network's batch.  computed: the values of the
    first, by name, (1, ...) each where the batch is its first axis.  place: where the picture lies
    on the input ``canvas``.  assumed: how it became an input, where the network does not say it.
    head: of a detector in two stages the second network.
    """

    network: Network
    picture: Picture
    images: Float32
    computed: dict[str, Float32]
    place: Placement
    canvas: Size
    assumed: str = ""
    head: Network | None = None

    def of_picture(self, value: str) -> Float32:
        """A value without the axis of the batch."""
        array = self.computed[value]
        return np.asarray(array[0] if len(array) == 1 else array)

    def found(self, size: Size, threshold: float) -> Detections:
        """What a detector finds above a score, in the picture at a size."""
        spec = self.network.spec
        if isinstance(spec, TwoStageSpec):
            detector, regions = self.in_regions
            return detector.detect_in(regions, size, threshold)
        assert isinstance(spec, DetectionSpec)
        raw = [self.computed[str(value.name)][0] for value in self.network.graph.outputs]
        return detections(raw, spec, self.place, size, threshold)

    @cached_property
    def in_regions(self) -> tuple[TwoStageDetector, Regions]:
        """A detector in two stages, and the regions of the picture."""
        spec = self.network.spec
        assert isinstance(spec, TwoStageSpec)
        assert self.head is not None
        raw = tuple(self.computed[str(value.name)] for value in self.network.graph.outputs)
        detector = TwoStageDetector(spec, lambda _: raw, numpy_forward(self.head), proposer(spec))
        return detector, detector.regions_of(self.picture)


@see_app.callback()
def _see() -> None: ...


@see_app.command("features")
def features(
    network: Annotated[Path, typer.Argument(help="An ONNX file or a run folder.")],
    picture: Annotated[Path, typer.Argument(help="A picture.")],
    layer: Annotated[
        list[str] | None,
        typer.Option(
            help="A layer of `tatami summary`, or any value of the network; may be repeated. "
            "Four from the first to the last if left out."
        ),
    ] = None,
    wanted: Annotated[
        str | None,
        typer.Option("--class", help="The class to explain; the best one if left out."),
    ] = None,
    cam_layer: Annotated[
        str | None,
        typer.Option(help="The layer whose maps explain it; the last one if left out."),
    ] = None,
    maps: Annotated[int, typer.Option(help="Draw so many maps of a layer at most.")] = 64,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the pictures.")] = Path(
        "features"
    ),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, no table.")] = False,
) -> None:
    """Draw feature maps, filters and the class activation (Grad-CAM) of a picture, as PNG."""
    if maps < 1:
        raise TatamiError(f"--maps {maps} draws nothing", hint="give at least 1")
    file = network_file(network)
    opened = graph.read(file)
    chosen = [_find(opened, name, file) for name in layer or []] or default_layers(opened)
    if cam_layer is not None:
        cam_layer = _find(opened, cam_layer, file)[1]
    check_replaceable(out, {RESULT: _drawn_before}, "older feature map")
    if not picture.is_file():
        raise TatamiError("no such picture", hint="name one picture, a file", file=picture)
    seen = look(opened, read_picture(picture), file)
    explained = _explain(seen, wanted, cam_layer, file)

    answer: dict[str, Any] = {
        "network": str(file),
        "picture": str(picture),
        "input": str(seen.canvas),
        "assumed": seen.assumed,
        "maps": [],
        "filters": [],
        "activation": None if isinstance(explained, str) else explained[1],
        "no_activation": explained if isinstance(explained, str) else "",
    }
    taken: set[str] = set()
    # Everything is written beside OUT and moved there at the end: an error leaves nothing behind.
    with folder_written_atomically(out) as folder:
        for name, value in chosen:
            numbers = seen.of_picture(value)
            written = _save(draw_maps(name, numbers, maps), folder, f"maps-{name}", taken, out)
            answer["maps"].append(
                {
                    "layer": name,
                    "value": value,
                    "shape": list(numbers.shape),
                    "range": value_range(numbers),
                    "file": written,
                }
            )
        for name, kernels, pictures in _filters(opened, [name for name, _ in chosen]):
            spec = opened.spec
            bgr = spec is not None and spec.input.channels == "bgr"
            drawn = draw_filters(name, kernels, pictures=pictures, bgr=bgr, limit=maps)
            written = _save(drawn, folder, f"filters-{name}", taken, out)
            answer["filters"].append({"layer": name, "shape": list(kernels.shape), "file": written})
        if not isinstance(explained, str):
            drawn, told = explained
            told["file"] = _save(drawn, folder, "class-activation", taken, out)
        write_atomically(folder / RESULT, json.dumps(answer, indent=1, allow_nan=False) + "\n")

    if as_json:
        print(json.dumps(answer, indent=2, allow_nan=False))
        return
    console = Console(width=WIDTH, highlight=False)
    console.print(_table(answer))
    if seen.assumed:
        console.print(seen.assumed, markup=False)
    if isinstance(explained, str):
        console.print(f"no class activation: {explained}", markup=False)
    else:
        told = explained[1]
        console.print(
            f"'{printable(told['class'])}', score {told['score']:.3f}: Grad-CAM at "
            f"{printable(told['layer'])} of {printable(told['meaning'])}",
            markup=False,
        )
    console.print(f"wrote {printable(out)}: {len(taken)} pictures, {RESULT}", markup=False)


def look(network: Network, picture: Picture, file: Path | None = None) -> Insight:
    """Run a network on a picture (height, width, 3) and keep every value.

    One without metadata is given the picture stretched to its input, in numbers from 0 to 1. With
    the first network of a detector in two stages goes the second, which lies beside its file.
    Raises TatamiError, naming the file, for a network whose input is not a picture of three planes.
    """
    shape = shape_of(network.graph.inputs[0])
    if len(shape) != 4 or shape[1] != 3:
        raise TatamiError(
            f"the network takes arrays of shape {shape}, and a picture has three planes",
            hint="take a network of color pictures",
            file=file,
        )
    batch, _, rows, columns = shape
    spec, assumed = network.spec, ""
    description = InputSpec(Size(columns, rows), "stretch") if spec is None else spec.input
    if spec is None:
        assumed = "no tatami metadata: the picture is stretched, RGB, its numbers from 0 to 1"
    planes_of, place = prepare(picture, description)  # (3, H, W)
    images = np.repeat(planes_of[None], batch, axis=0)
    computed = {
        name: array[: max(1, len(array) // batch)]
        for name, array in graph.values(network, images).items()
    }
    head = None if file is None else head_of(network, file)
    return Insight(network, picture, images, computed, place, Size(columns, rows), assumed, head)


def default_layers(network: Network) -> list[tuple[str, str]]:
    """Some layers that make feature maps, of different depth: (name, value)."""
    outputs = {str(value.name) for value in network.graph.outputs}
    found = [cost for cost in costs(network) if makes_maps(cost)]
    inside = [cost for cost in found if cost.output not in outputs] or found
    count = min(LAYERS, len(inside))
    which = [round(i * (len(inside) - 1) / max(1, count - 1)) for i in range(count)]
    return [(inside[i].name, in_numbers(network, inside[i].output)) for i in which]


def explain(
    seen: Insight, wanted: str | None = None, layer: str | None = None
) -> tuple[Picture, Target, str]:
    """Grad-CAM over the picture, a small one enlarged; what is explained; the value at which.

    Of a detector, the box that is explained is drawn too.  layer: the name of a value.
    Raises TatamiError where the network does not allow it.
    """
    if seen.head is not None:
        name = str(seen.network.graph.outputs[0].name)
        detector, regions = seen.in_regions
        features = name, seen.computed[name]
        target = target_in_regions(detector, seen.head, features, regions, wanted)
    else:
        target = target_of(seen.network, seen.computed, wanted)
    at = layer or last_maps(seen.network, target)
    heat = class_activation(seen.network, seen.images, seen.computed, target, at)
    picture = seen.picture
    if max(picture.shape) < SMALL:
        picture, _, _ = fit(picture, Size(SMALL, SMALL))
    drawn = draw_heat(picture, heat, seen.place, seen.canvas)
    spec = seen.network.spec
    if isinstance(spec, DetectionSpec) or seen.head is not None:  # the box that is explained
        found = seen.found(Size(picture.shape[1], picture.shape[0]), 0.999 * target.score)
        classes = spec.classes if spec is not None else ()
        best = found.select(np.flatnonzero(found.labels == classes.index(target.name))[:1])
        drawn = draw_detections(drawn, best, classes)
    return drawn, target, at


def what_it_sees(network: Network, picture: Picture, caption: str, file: Path) -> list[Drawing]:
    """A report's pictures: what is found, the maps of some layers, where the network looks."""
    seen = look(network, picture, file)
    shown = []
    spec = network.spec
    if isinstance(spec, DetectionSpec) or (isinstance(spec, TwoStageSpec) and seen.head):
        size = Size(picture.shape[1], picture.shape[0])
        found = seen.found(size, spec.decoding.score_threshold)
        drawn = draw_fitted(picture, found, spec.classes, PICTURE_SIZE)
        shown.append(Drawing(f"{caption}: found {len(found)}", drawn))
    else:
        shown.append(Drawing(caption, picture))
    try:
        heat, target, at = explain(seen)
    except TatamiError as error:  # a report tells what there is
        shown.append(Drawing(f"no class activation: {error.reason}", picture))
    else:
        words = f"where it looks for {target.name}, score {target.score:.2f}: Grad-CAM at {at}"
        shown.append(Drawing(f"{words} of {target.meaning}", heat))
    for name, value in default_layers(network):
        shown.append(Drawing(f"layer {name}", draw_maps(name, seen.of_picture(value), REPORTED)))
    return shown


def _explain(
    seen: Insight, wanted: str | None, layer: str | None, file: Path
) -> tuple[Picture, dict[str, Any]] | str:
    """The class activation drawn, and told; the reason where there is none and none was asked."""
    try:
        drawn, target, at = explain(seen, wanted, layer)
    except TatamiError as error:
        if wanted is not None or layer is not None:
            raise TatamiError(error.reason, hint=error.hint, file=file) from error
        return f"{error.reason} ({error.hint})"
    title = f"Grad-CAM of {target.name}, score {target.score:.3f}, at {at}"
    return titled(title, drawn), {
        "class": target.name,
        "score": target.score,
        "layer": at,
        "meaning": target.meaning,
    }


def _find(network: Network, name: str, file: Path) -> tuple[str, str]:
    """A layer's name and the value that it makes; or a value's own name, twice."""
    layers = costs(network)
    for cost in layers:
        if cost.name == name:
            return name, in_numbers(network, cost.output)
    values = [str(value.name) for node in network.graph for value in node.outputs]
    if name in values:
        return name, name
    known = list(dict.fromkeys(cost.name for cost in layers))
    some = ", ".join(known[:60]) + (", ..." if len(known) > 60 else "")
    raise TatamiError(f"no layer '{name}'", hint=f"the layers are {some}", file=file)


def _filters(network: Network, names: Sequence[str]) -> list[tuple[str, Float32, bool]]:
    """(layer, weight, whether it sees the picture) of the first convolution and the named ones."""
    found = []
    convolutions = [node for node in network.graph if node.op_type == "Conv"]
    for index, node in enumerate(convolutions):
        kernels = weight(node, 1)
        if kernels is not None and (index == 0 or label(node) in names):
            pictures = index == 0 and kernels.shape[1] == 3
            found.append((label(node), np.asarray(kernels, np.float32), pictures))
    return found


def _save(drawn: Picture, folder: Path, stem: str, taken: set[str], out: Path) -> str:
    """Write a PNG under a name that no file of the folder has; give the name."""
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "-", stem)[:80]
    name = free_name(plain, taken)
    save_picture(drawn, folder / name, out)
    return name


def _table(answer: dict[str, Any]) -> Table:
    """A row a layer, at most 80 columns wide."""
    table = Table(box=box.SIMPLE, pad_edge=False, padding=(0, 1, 0, 0), width=WIDTH)
    table.add_column("layer", overflow="ellipsis", no_wrap=True, ratio=1)
    table.add_column("shape", justify="right", no_wrap=True)
    table.add_column("values", no_wrap=True)
    table.add_column("picture", overflow="ellipsis", no_wrap=True, ratio=1)
    for one in answer["maps"]:
        shape = "x".join(str(side) for side in one["shape"])
        table.add_row(escape(printable(one["layer"])), shape, one["range"], escape(one["file"]))
    for one in answer["filters"]:
        shape = "x".join(str(side) for side in one["shape"])
        table.add_row(escape(printable(one["layer"])), shape, "filters", escape(one["file"]))
    return table


def _drawn_before(older: Any) -> list[str]:
    """The pictures that an older RESULT tells of."""
    activation = [older["activation"]] if older["activation"] else []
    return [one["file"] for one in (*older["maps"], *older["filters"], *activation)]
