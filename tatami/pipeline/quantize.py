"""Quantize a float network to 8 bits, calibrated on pictures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tatami import graph
from tatami.errors import TatamiError
from tatami.graph.state import whole_calls
from tatami.pipeline.accuracy_control import LARGER, Held, Within, held_places, search
from tatami.pipeline.artifact import Source, onnx_of, path_of, read_parts, read_run, spec_of
from tatami.pipeline.bare import is_bare, samples_of
from tatami.pipeline.quantizing import Calibration, How, Made, Tried, finite, spread
from tatami.pipeline.run_data import folded_of, is_one_network, learned_from
from tatami.program.forward import numpy_forward
from tatami.see.html import result_html
from tatami.shrink.calibrate import METHODS, Method
from tatami.shrink.floats import Float
from tatami.shrink.quantize import Layer
from tatami.tasks.structure import Part
from tatami.tasks.table import task_of
from tatami.train.run import SETTINGS
from tatami.types import Int64
from tatami.types.progress import Progress, quiet
from tatami.types.table import Table, numbers, words

PAIRS = ("fewest", "everywhere")
"""Where values become bytes: see ``quantize``."""
PICTURES = 32
REGIONS = 16
"""Of a picture, that a network which looks at regions is calibrated with."""


@dataclass(frozen=True)
class QuantizeResult:
    """A network of integers, and what that cost each layer.

    Args:
        path: The ONNX file that was written.
        more: The files of the networks that belong to it, by what they are called, as "head".
        pictures: How many pictures it was calibrated with.
        layers: The signal to noise ratio of each layer.
        kept: Names of the layers that stayed float.
        skipped: How many problems of each accepted kind were left out of the set.
        tried: What equalization gains, where it was for this function to choose.
        floats: The nodes with arithmetic that stay float, and why.
        within: What was tried to lose no more than was allowed; None where nothing was asked.
    """

    path: Path
    more: Mapping[str, Path]
    pictures: int
    layers: tuple[Layer, ...]
    kept: tuple[str, ...]
    skipped: Mapping[str, int]
    tried: Tried | None = None
    floats: tuple[Float, ...] = ()
    within: Within | None = None

    @property
    def worst(self) -> Layer | None:
        """The integer layer of the lowest signal to noise ratio."""
        integer = [layer for layer in self.layers if layer.name not in self.kept]
        return min(integer, key=lambda layer: layer.sqnr, default=None)

    def to_json(self) -> dict[str, Any]:
        """Give the result as plain values."""
        return {
            "output": str(self.path),
            **{name: str(path) for name, path in self.more.items()},
            "pictures": self.pictures,
            "layers": [finite(asdict(layer)) for layer in self.layers],
            "floats": [asdict(each) for each in self.floats],
            **({} if self.tried is None else {"equalization": self.tried.to_json()}),
            **({} if self.within is None else {"accuracy_drop": self.within.to_json()}),
        }

    def tables(self) -> list[Table]:
        """Lay out the layers, of which the worst is to be seen first, and what stays float."""
        columns = (
            words("layer", flexible=True),
            words("kind"),
            *numbers("weights dB", "output dB"),
        )
        rows = tuple(
            (
                layer.name,
                layer.operator + (" (float)" if layer.name in self.kept else ""),
                "" if layer.weight_sqnr is None else f"{layer.weight_sqnr:.1f}",
                f"{layer.sqnr:.1f}",
            )
            for layer in self.layers
        )
        worst = self.worst
        strong = frozenset(place for place, layer in enumerate(self.layers) if layer is worst)
        tables = [Table(columns, rows, strong=strong)]
        if self.within is not None:
            tables.append(self.within.table())
        if not self.floats:
            return tables
        columns = (words("stays float", flexible=True), words("kind"), words("why", flexible=True))
        floats = tuple((each.layer, each.operator, each.reason) for each in self.floats)
        return [*tables, Table(columns, floats)]

    def lines(self) -> list[str]:
        """Say what the numbers are, which layer is worst and what was written."""
        lines = ["dB: signal to quantization noise, all layers before quantized too"]
        worst = self.worst
        if worst is not None:
            lines.append(f"worst: {worst.name}, {worst.sqnr:.1f} dB")
        if self.tried is not None:
            lines.append(self.tried.line())
        if self.within is not None:
            lines.append(self.within.line())
        return [*lines, f"wrote {' and '.join(map(str, (self.path, *self.more.values())))}"]

    def _repr_html_(self) -> str:
        """Show the tables and lines in a notebook."""
        return result_html(self.tables(), self.lines())


def quantize(
    network: Source,
    data: str | Path | None = None,
    out: str | Path | None = None,
    *,
    split: str | None = None,
    format: str | None = None,
    hold_out: str | None = None,
    skip: Collection[str] = (),
    pictures: int = PICTURES,
    inputs: str | Path | None = None,
    method: Method | str = "mse",
    bias_correction: bool = True,
    equalize: bool | None = None,
    keep_float: Sequence[str] = (),
    pairs: str = "fewest",
    accuracy_drop: float | None = None,
    progress: Progress = quiet,
) -> QuantizeResult:
    """Quantize a network to standard QDQ ONNX, and measure the noise of each layer.

    Args:
        network: A run folder, of which the folded network is taken, and made where it is not there;
            or a folded ONNX file, for a detector in two stages its first one.
        data: The labeled set with calibration pictures; None: that of the run.
        out: The file to write; None: NAME-int8.onnx beside it.
        split: The set's split, as "train"; None: in the set of the run the one it learned from.
        format: The set's format, where it is not recognized.
        hold_out: For a set with one split: leave this many pictures alone, as "10000".
        skip: Kinds of problems to leave out.
        pictures: How many pictures to calibrate with.
        inputs: What a network without a task is calibrated with: a .npy or .npz file, a folder of
            arrays or pictures, or "random".
        method: How ranges are chosen: "minmax", "percentile" or "mse".
        bias_correction: Whether to take the mean error of rounded weights off the biases.
        equalize: Whether to equalize channels across layers first. None: a network with depthwise
            convolutions is quantized both ways, and the one stays whose outputs are less noisy on
            calibration pictures; others are not equalized.
        keep_float: Names of layers that stay float.
        pairs: Where bytes are made: "fewest", once for a layer and its activation; "everywhere",
            also between a layer and an activation that does not clamp, as leaky ReLU. Other
            programs run such a file faster, our own slower.
        accuracy_drop: Points of the task's figure that 8 bits may lose. Other ways are tried until
            one loses no more, from other ranges to layers that stay float, measured on pictures
            that validate in the run, else on pictures that it learned from and is not calibrated
            with. None: nothing is measured, and the way is as asked.
        progress: Takes up how far it is.

    Raises:
        TatamiError: For a network that is not folded or is quantized already, for a layer that
            does not exist, and for a set that cannot be used.
    """
    if method not in METHODS:
        raise TatamiError(
            f"no method '{method}'", hint=f"give {', '.join(METHODS)}", setting="method"
        )
    if pairs not in PAIRS:
        raise TatamiError(
            f"'{pairs}' is no choice", hint=f"give {' or '.join(PAIRS)}", setting="pairs"
        )
    if accuracy_drop is not None and not accuracy_drop >= 0:
        raise TatamiError(
            f"a loss of {accuracy_drop} points",
            hint="give 0 or more, as 0.5",
            setting="accuracy_drop",
        )
    everywhere = pairs == "everywhere"
    how = How(method, bias_correction, bool(equalize), tuple(keep_float), everywhere)
    if is_bare(path_of(network)):
        if inputs is None:
            raise TatamiError(
                "no tatami metadata: how pictures go in is unknown",
                file=path_of(network),
                hint='name what it is calibrated with (a .npy file, a folder, "random"), or import '
                "it again with a task",
                setting="inputs",
            )
        if accuracy_drop is not None:
            raise TatamiError(
                "no tatami metadata: what it loses cannot be measured",
                file=path_of(network),
                hint="import it again with a task",
                setting="accuracy_drop",
            )
        return _quantize_bare(path_of(network), inputs, pictures, out, how, equalize, progress)
    used = learned_from(
        path_of(network), data, split=split, format=format, skip=skip, hold_out=hold_out
    )
    path = _folded(path_of(network))
    parts, file = read_parts(path), onnx_of(path)
    spec = spec_of(parts[0].network, file)
    task = task_of(spec)
    structure = task.structure(spec)
    first = _beside(file) if out is None else Path(out)
    targets = structure.files(first, spec)  # refused before all the work
    if used.remark:
        progress(used.remark, 0, 0)
    opened = task.open(used.root, split=used.split, format=used.format, skip=used.skip)
    parted = None if used.hold_out is None else task.hold_out(opened.data, used.hold_out)
    dataset = opened.data if parted is None else parted[0]
    parts = structure.folded(parts)
    places = spread(len(dataset), pictures)

    def calibrated(places: Int64) -> tuple[Calibration, int, int]:
        """Look at the pictures at these places; give how many can be read, and cannot."""
        chosen, unreadable = task.readable(task.select(dataset, places), used.skip)
        seen = [task.picture(chosen, place) for place in range(len(chosen))]
        forwards = [numpy_forward(part.network) for part in parts]
        images = structure.inputs(spec, forwards, seen, REGIONS)
        for part, given in zip(parts, images, strict=True):
            if not given:
                raise TatamiError(
                    "not one region is found in the pictures",
                    hint="give others, or train it first",
                    file=part.file,
                )
        note = f"{len(seen)} pictures {task.fingerprint(chosen)[:12]}"
        return Calibration(parts, images, structure, note, progress), len(seen), unreadable

    calibration, count, unreadable = calibrated(places)
    how, made, tried = _usual(calibration, how, equalize)
    within = None
    if accuracy_drop is not None:
        if parted is not None and used.validates:
            data_held, spare = parted[1], np.setdiff1d(np.arange(len(dataset)), places)
        else:
            held_at, spare = held_places(len(dataset), places)
            data_held = task.select(dataset, held_at)
        held = Held(task, structure, spec, data_held, used.skip, not used.validates, progress)
        more = np.sort(np.concatenate((places, spare[: (LARGER - 1) * len(places)])))

        def larger() -> tuple[Calibration, int] | None:
            return calibrated(more)[:2] if len(more) > len(places) else None

        found = search(accuracy_drop, how, made, calibration, count, larger, held)
        how, made, calibration, count = found.how, found.made, found.calibration, found.pictures
        within = found.within
    layers, floats = _written(calibration, how, made, targets)
    others = dict(zip((part.name for part in parts[1:]), targets[1:], strict=True))
    skipped = Counter(opened.skipped) + Counter({"unreadable-picture": unreadable})
    return QuantizeResult(
        targets[0], others, count, layers, how.kept, skipped, tried, floats, within
    )


def _usual(
    calibration: Calibration, how: How, equalize: bool | None
) -> tuple[How, Made, Tried | None]:
    """Quantize as was asked; choose whether to equalize where that is open."""
    if equalize is None and calibration.may_equalize:
        return calibration.equalized_or_not(how)
    return how, calibration.made(how), None


def _written(
    calibration: Calibration, how: How, made: Made, targets: Sequence[Path]
) -> tuple[tuple[Layer, ...], tuple[Float, ...]]:
    """Write the networks; give the noise of the layers, and what stays float."""
    floats, layers = calibration.floats(made, how), calibration.layers(made)
    for result, target in zip(made.results, targets, strict=True):
        graph.write(result, target)
    return layers, floats


def _quantize_bare(
    path: Path,
    inputs: str | Path,
    count: int,
    out: str | Path | None,
    how: How,
    equalize: bool | None,
    progress: Progress,
) -> QuantizeResult:
    """Quantize a network without a task, calibrated on arrays."""
    network = graph.read(path)
    samples: list[Any] = whole_calls(network, samples_of(network, inputs, count))
    target = _beside(path) if out is None else Path(out)
    calibration = Calibration([Part("", network, path)], [samples], None, str(inputs), progress)
    how, made, tried = _usual(calibration, how, equalize)
    layers, floats = _written(calibration, how, made, [target])
    return QuantizeResult(target, {}, len(samples), layers, how.kept, {}, tried, floats)


def _beside(file: Path) -> Path:
    """Name the usual file of the integers that come of a folded one."""
    return file.with_name(f"{file.stem.removesuffix('-folded')}-int8.onnx")


def _folded(path: Path) -> Path:
    """Give the folded network of a run folder; every other path as it is."""
    if (path / SETTINGS).is_file() and is_one_network(read_run(path)):
        return folded_of(path)
    return path
