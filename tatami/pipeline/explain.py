"""What a network makes of a picture inside, and where it looks for a class."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tatami.data.pictures import read_picture
from tatami.errors import TatamiError, printable
from tatami.files import folder_written_atomically, write_atomically
from tatami.graph.attributes import label, weight
from tatami.graph.costs import costs
from tatami.graph.network import Network
from tatami.graph.read import read
from tatami.pipeline.artifact import Source, network_file, path_of
from tatami.pipeline.drawings import check_replaceable, free_name, save_picture
from tatami.see.class_activation import (
    Target,
    class_activation,
    in_numbers,
    last_maps,
    makes_maps,
    target_in_scores,
)
from tatami.see.draw import draw_detections, draw_fitted, fit
from tatami.see.embed import as_html
from tatami.see.features import draw_filters, draw_heat, draw_maps, titled, value_range
from tatami.see.report import PICTURE_SIZE, Drawing
from tatami.tasks.inside import Inside, look_inside
from tatami.tasks.table import task_of
from tatami.types import Float32, InputSpec, Picture, Size
from tatami.types.table import Column, Table, words

RESULT = "features.json"
LAYERS = 4
"""Layers that are drawn where none is named, evenly from the first to the last."""
SMALL = 320
"""Pixels of a side, below which a picture is enlarged before heat is drawn on it."""
REPORTED = 16
"""Maps of a layer in a report."""
NAMED = 60
"""Layers that an error names, at most."""


@dataclass(frozen=True)
class Maps:
    """The feature maps of a layer, drawn.

    Args:
        layer: Its name.
        value: The value that it makes.
        shape: Of the value, without the batch.
        range: Its least and its largest number, in words.
        file: What the picture is called in the folder.
        drawn: The picture, (height, width, 3).
    """

    layer: str
    value: str
    shape: tuple[int, ...]
    range: str
    file: str
    drawn: Picture


@dataclass(frozen=True)
class Filters:
    """The filters of a convolution, drawn.

    Args:
        layer: Its name.
        shape: Of its weights: (outputs, inputs, rows, columns).
        file: What the picture is called in the folder.
        drawn: The picture, (height, width, 3).
    """

    layer: str
    shape: tuple[int, ...]
    file: str
    drawn: Picture


@dataclass(frozen=True)
class Activation:
    """Where a network looks for a class: its class activation, over the picture.

    Args:
        label: The class.
        score: The class's, in 0 to 1.
        layer: The value whose maps explain it.
        meaning: Which number of the answer is explained, in words.
        file: What the picture is called in the folder.
        drawn: The picture, (height, width, 3).
    """

    label: str
    score: float
    layer: str
    meaning: str
    file: str
    drawn: Picture


@dataclass(frozen=True)
class Explanation:
    """What a network makes of a picture.

    Args:
        network: The ONNX file.
        picture: The picture's file.
        input: The size of the network's input.
        assumed: How the picture became an input, where the network does not say it.
        maps: Feature maps of some layers.
        filters: Filters of the first convolution and of the layers that are shown.
        activation: Where the network looks; None where nothing explains it.
        no_activation: Why there is none.
        path: The folder that the pictures were written to.
    """

    network: Path
    picture: Path
    input: Size
    assumed: str
    maps: tuple[Maps, ...]
    filters: tuple[Filters, ...]
    activation: Activation | None
    no_activation: str
    path: Path | None = None

    def drawings(self) -> list[Maps | Filters | Activation]:
        """List everything that was drawn."""
        return [*self.maps, *self.filters, *([self.activation] if self.activation else [])]

    def save(self, out: str | Path) -> None:
        """Write the pictures and features.json to a folder, whole or not at all.

        Raises:
            TatamiError: For a folder that holds anything else.
        """
        folder = Path(out)
        check_writable(folder)
        with folder_written_atomically(folder) as made:
            for one in self.drawings():
                save_picture(one.drawn, made / one.file, folder)
            content = json.dumps(self.to_json(), indent=1, allow_nan=False)
            write_atomically(made / RESULT, content + "\n")

    def to_json(self) -> dict[str, Any]:
        """Give what was drawn and what it says, as plain values."""
        activation = self.activation
        return {
            "network": str(self.network),
            "picture": str(self.picture),
            "input": str(self.input),
            "assumed": self.assumed,
            "maps": [
                {
                    "layer": one.layer,
                    "value": one.value,
                    "shape": list(one.shape),
                    "range": one.range,
                    "file": one.file,
                }
                for one in self.maps
            ],
            "filters": [
                {"layer": one.layer, "shape": list(one.shape), "file": one.file}
                for one in self.filters
            ],
            "activation": None
            if activation is None
            else {
                "class": activation.label,
                "score": activation.score,
                "layer": activation.layer,
                "meaning": activation.meaning,
                "file": activation.file,
            },
            "no_activation": self.no_activation,
        }

    def tables(self) -> list[Table]:
        """List the pictures, a row a layer."""
        rows = [(one.layer, _sides(one.shape), one.range, one.file) for one in self.maps]
        rows += [(one.layer, _sides(one.shape), "filters", one.file) for one in self.filters]
        columns = (
            words("layer", flexible=True),
            Column("shape"),
            words("values"),
            words("picture", flexible=True),
        )
        return [Table(columns, tuple((printable(name), *rest) for name, *rest in rows))]

    def lines(self) -> list[str]:
        """Say where the network looks, and what was assumed and written."""
        found = [self.assumed] if self.assumed else []
        if self.activation is None:
            found.append(f"no class activation: {self.no_activation}")
        else:
            one = self.activation
            found.append(
                f"'{printable(one.label)}', score {one.score:.3f}: Grad-CAM at "
                f"{printable(one.layer)} of {printable(one.meaning)}"
            )
        if self.path is not None:
            count = len(self.drawings())
            found.append(f"wrote {printable(self.path)}: {count} pictures, {RESULT}")
        return found

    def _repr_html_(self) -> str:
        """Show all pictures in a notebook, where the network looks first."""
        first = [] if self.activation is None else [("where it looks", self.activation.drawn)]
        maps = [(f"maps of {one.layer}: {one.range}", one.drawn) for one in self.maps]
        return as_html([*first, *maps, *((f"filters of {o.layer}", o.drawn) for o in self.filters)])


def explain(
    network: Source,
    picture: str | Path,
    *,
    layers: Sequence[str] = (),
    label: str | None = None,
    cam_layer: str | None = None,
    maps: int = 64,
    out: str | Path | None = None,
) -> Explanation:
    """Draw feature maps, filters and the class activation (Grad-CAM) of a network for a picture.

    Args:
        network: An ONNX file or a run folder.
        picture: The picture's file.
        layers: Layers to draw the maps of, or any values of the network; none: some of different
            depth.
        label: The class to explain; None: the best one.
        cam_layer: The layer whose maps explain it; None: the last one that can.
        maps: Maps of a layer that are drawn, at most.
        out: A folder to write the pictures and features.json to; None: nothing is written.

    Raises:
        TatamiError: For a layer or a class that there is not, and for a layer that explains nothing
            where one is named.

    Source:
        Selvaraju et al., "Grad-CAM", ICCV 2017, section 3.
    """
    if maps < 1:
        raise TatamiError(f"{maps} draws nothing", hint="give at least 1", setting="maps")
    file = network_file(path_of(network))
    opened = read(file)
    chosen = [_find(opened, name, file) for name in layers] or default_layers(opened)
    if cam_layer is not None:
        cam_layer = _find(opened, cam_layer, file)[1]
    if out is not None:
        check_writable(Path(out))
    source = Path(picture)
    if not source.is_file():
        raise TatamiError("no such picture", hint="name one picture, a file", file=source)
    inside = look(opened, read_picture(source), file)
    found = _activation(inside, label, cam_layer, file)
    taken: set[str] = set()
    drawn_maps = tuple(
        Maps(
            name,
            value,
            tuple(inside.of_picture(value).shape),
            value_range(inside.of_picture(value)),
            free_name(_plain(f"maps-{name}"), taken),
            draw_maps(name, inside.of_picture(value), maps),
        )
        for name, value in chosen
    )
    named = {name for name, _ in chosen}
    drawn_filters = tuple(
        Filters(
            one.layer,
            tuple(one.weights.shape),
            free_name(_plain(f"filters-{one.layer}"), taken),
            draw_kernels(opened, one, maps),
        )
        for one in kernels_of(opened)
        if one.first or one.layer in named
    )
    explained = Explanation(
        file,
        source,
        inside.canvas,
        inside.assumed,
        drawn_maps,
        drawn_filters,
        None if isinstance(found, str) else found(free_name("class-activation", taken)),
        found if isinstance(found, str) else "",
        None if out is None else Path(out),
    )
    if out is not None:
        explained.save(out)
    return explained


def check_writable(out: Path) -> None:
    """Raise TatamiError for a folder that holds anything but an older explanation."""
    check_replaceable(out, {RESULT: _drawn_before}, "older feature map")


def look(network: Network, picture: Picture, file: Path | None = None) -> Inside:
    """Run a network on a picture and keep every value.

    Args:
        network: What looks.
        picture: (height, width, 3).
        file: Where the network was read from: the others of its predictor lie beside it.

    Raises:
        TatamiError: For a network whose input is not a picture of three planes; it names the file.
    """
    spec = network.spec
    structure = None if spec is None or file is None else task_of(spec).structure(spec)
    parts = structure.parts(network, file) if structure and file and structure.begins(spec) else ()
    try:
        return look_inside(network, picture, parts)
    except TatamiError as error:
        raise error if file is None else error.at(file) from error


def default_layers(network: Network) -> list[tuple[str, str]]:
    """Choose some layers of different depth that make feature maps: (name, value) each."""
    outputs = {str(value.name) for value in network.graph.outputs}
    found = [cost for cost in costs(network) if makes_maps(cost)]
    inside = [cost for cost in found if cost.output not in outputs] or found
    count = min(LAYERS, len(inside))
    which = [round(i * (len(inside) - 1) / max(1, count - 1)) for i in range(count)]
    return [(inside[i].name, in_numbers(network, inside[i].output)) for i in which]


def target_of(inside: Inside, label: str | None = None) -> Target:
    """Choose the number of a network's answer that a class activation explains.

    Args:
        inside: The network's values for a picture.
        label: The class to explain; None: the best one.

    Raises:
        TatamiError: For an unknown class, and for outputs of no known meaning.
    """
    spec = inside.network.spec
    if spec is None:
        return target_in_scores(inside.network, inside.computed, None, label)
    return task_of(spec).explained(inside, label)


def activation(
    inside: Inside, label: str | None = None, layer: str | None = None
) -> tuple[Picture, Target, str]:
    """Draw a class activation over the picture, a small one enlarged.

    For a detector the box that is explained is drawn, too.

    Args:
        inside: The network's values for a picture.
        label: The class to explain; None: the best one.
        layer: The value whose maps explain it; None: the last one that can.

    Returns:
        The picture, what is explained, and the value at which.

    Raises:
        TatamiError: Where the network does not allow it.
    """
    target = target_of(inside, label)
    at = layer or last_maps(inside.network, target)
    heat = class_activation(inside.network, inside.images, inside.computed, target, at)
    picture = inside.picture
    if max(picture.shape) < SMALL:
        picture, _, _ = fit(picture, Size(SMALL, SMALL))
    drawn = draw_heat(picture, heat, inside.place, inside.canvas)
    spec = inside.network.spec
    if spec is not None:
        size = Size(picture.shape[1], picture.shape[0])
        found = task_of(spec).boxes(inside, size, 0.999 * target.score)
        if found is not None:
            wanted = found.labels == spec.classes.index(target.name)
            drawn = draw_detections(drawn, found.select(np.flatnonzero(wanted)[:1]), spec.classes)
    return drawn, target, at


def what_it_sees(network: Network, picture: Picture, caption: str, file: Path) -> list[Drawing]:
    """Draw what a report shows: what is found, where the network looks, the maps of some layers.

    Args:
        network: What looks.
        picture: (height, width, 3).
        caption: What the picture is called.
        file: Where the network was read from.
    """
    inside = look(network, picture, file)
    spec = network.spec
    size = Size(picture.shape[1], picture.shape[0])
    found = None if spec is None else task_of(spec).boxes(inside, size, None)
    if found is None or spec is None:
        shown = [Drawing(caption, picture)]
    else:
        drawn = draw_fitted(picture, found, spec.classes, PICTURE_SIZE)
        shown = [Drawing(f"{caption}: found {len(found)}", drawn)]
    try:
        heat, target, at = activation(inside)
    except TatamiError as error:  # a report tells what there is
        shown.append(Drawing(f"no class activation: {error.reason}", picture))
    else:
        where = f"where it looks for {target.name}, score {target.score:.2f}: Grad-CAM at {at}"
        shown.append(Drawing(f"{where} of {target.meaning}", heat))
    for name, value in default_layers(network):
        shown.append(Drawing(f"layer {name}", draw_maps(name, inside.of_picture(value), REPORTED)))
    return shown


def _activation(
    inside: Inside, wanted: str | None, layer: str | None, file: Path
) -> Callable[[str], Activation] | str:
    """Draw the class activation, its file's name left out; or say why there is none.

    Raises:
        TatamiError: Where there is none although a class or a layer was asked for.
    """
    try:
        drawn, target, at = activation(inside, wanted, layer)
    except TatamiError as error:
        if wanted is not None or layer is not None:
            raise error.at(file) from error
        return f"{error.reason} ({error.hint})"
    titled_drawn = titled(f"Grad-CAM of {target.name}, score {target.score:.3f}, at {at}", drawn)
    return lambda name: Activation(
        target.name, target.score, at, target.meaning, name, titled_drawn
    )


def _find(network: Network, name: str, file: Path) -> tuple[str, str]:
    """Find a layer's name and the value that it makes; or a value's own name, twice."""
    layers = costs(network)
    for cost in layers:
        if cost.name == name:
            return name, in_numbers(network, cost.output)
    values = [str(value.name) for node in network.graph for value in node.outputs]
    if name in values:
        return name, name
    known = list(dict.fromkeys(cost.name for cost in layers))
    some = ", ".join(known[:NAMED]) + (", ..." if len(known) > NAMED else "")
    raise TatamiError(f"no layer '{name}'", hint=f"the layers are {some}", file=file)


@dataclass(frozen=True)
class Kernels:
    """The weights of a convolution.

    Args:
        layer: What it is called.
        weights: (outputs, inputs, rows, columns), float32.
        first: Whether it is the network's first one, which looks at the picture.
    """

    layer: str
    weights: Float32
    first: bool


def kernels_of(network: Network) -> list[Kernels]:
    """List the convolutions whose weights are known, in the order in which they run."""
    found = []
    convolutions = [node for node in network.graph if node.op_type == "Conv"]
    for index, node in enumerate(convolutions):
        kernels = weight(node, 1)
        if kernels is not None:
            found.append(Kernels(label(node), np.asarray(kernels, np.float32), index == 0))
    return found


def draw_kernels(network: Network, kernels: Kernels, limit: int) -> Picture:
    """Draw the kernels of one of a network's convolutions, in the order of its picture's planes.

    Args:
        network: The network.
        kernels: Those of one of its convolutions.
        limit: How many outputs and inputs are drawn.
    """
    rule = None if network.spec is None else network.spec.input
    bgr = isinstance(rule, InputSpec) and rule.channels == "bgr"
    pictures = kernels.first and kernels.weights.shape[1] == 3
    return draw_filters(kernels.layer, kernels.weights, pictures=pictures, bgr=bgr, limit=limit)


def _plain(stem: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", stem)[:80]


def _sides(shape: Sequence[int]) -> str:
    return "x".join(str(side) for side in shape)


def _drawn_before(older: Any) -> list[str]:
    """Name the pictures that an older RESULT lists."""
    activation = [older["activation"]] if older["activation"] else []
    return [one["file"] for one in (*older["maps"], *older["filters"], *activation)]
