"""Quantize a float network to 8 bits, calibrated on pictures."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tatami import graph
from tatami.errors import TatamiError
from tatami.graph.attributes import label
from tatami.graph.network import Network
from tatami.graph.state import states_of, whole_calls
from tatami.pipeline.artifact import Source, onnx_of, path_of, read_parts, read_run, spec_of
from tatami.pipeline.bare import is_bare, samples_of
from tatami.pipeline.run_data import folded_of, is_one_network, learned_from
from tatami.program.forward import numpy_forward
from tatami.see.html import result_html
from tatami.shrink.calibrate import (
    METHODS,
    Method,
    Observation,
    Range,
    choose_range,
    merge,
    observe,
)
from tatami.shrink.equalize import equalize as equalize_network
from tatami.shrink.equalize import may_help
from tatami.shrink.floats import Float, floats_of
from tatami.shrink.quantize import Layer, measure, output_sqnr
from tatami.shrink.quantize import quantize as quantize_network
from tatami.tasks.structure import Part, Structure
from tatami.tasks.table import task_of
from tatami.train.run import SETTINGS
from tatami.types import Float32, Int64
from tatami.types.progress import Progress, quiet, tracked
from tatami.types.table import Table, numbers, words

PAIRS = ("fewest", "everywhere")
"""Where values become bytes: see ``quantize``."""
PICTURES = 32
MEASURED = 4
"""Calibration pictures on which the noise of every layer is measured."""
CHOSEN = 8
"""Calibration pictures on which it is chosen whether a network is equalized."""
REGIONS = 16
"""Of a picture, that a network which looks at regions is calibrated with."""


@dataclass(frozen=True)
class Tried:
    """What equalization gains a network, by the noise of its outputs on calibration pictures.

    Args:
        plain: Signal to quantization noise of the outputs without it, in dB.
        equalized: The same with it.
        pictures: On how many pictures.
    """

    plain: float
    equalized: float
    pictures: int

    @property
    def helps(self) -> bool:
        """Whether it is used: its outputs are less noisy."""
        return self.equalized > self.plain

    def to_json(self) -> dict[str, Any]:
        """Give both figures and what was chosen as plain values."""
        return {**_finite(asdict(self)), "chosen": self.helps}

    def line(self) -> str:
        """Say both figures and what was chosen."""
        return (
            f"equalization: outputs {self.plain:.1f} dB without, {self.equalized:.1f} dB with it, "
            f"on {self.pictures} calibration pictures: {'used' if self.helps else 'not used'}"
        )


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
    """

    path: Path
    more: Mapping[str, Path]
    pictures: int
    layers: tuple[Layer, ...]
    kept: tuple[str, ...]
    skipped: Mapping[str, int]
    tried: Tried | None = None
    floats: tuple[Float, ...] = ()

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
            "layers": [_finite(asdict(layer)) for layer in self.layers],
            "floats": [asdict(each) for each in self.floats],
            **({} if self.tried is None else {"equalization": self.tried.to_json()}),
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
        layers = Table(columns, rows, strong=strong)
        if not self.floats:
            return [layers]
        columns = (words("stays float", flexible=True), words("kind"), words("why", flexible=True))
        floats = tuple((each.layer, each.operator, each.reason) for each in self.floats)
        return [layers, Table(columns, floats)]

    def lines(self) -> list[str]:
        """Say what the numbers are, which layer is worst and what was written."""
        lines = ["dB: signal to quantization noise, all layers before quantized too"]
        worst = self.worst
        if worst is not None:
            lines.append(f"worst: {worst.name}, {worst.sqnr:.1f} dB")
        if self.tried is not None:
            lines.append(self.tried.line())
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
    everywhere = pairs == "everywhere"
    if is_bare(path_of(network)):
        if inputs is None:
            raise TatamiError(
                "no tatami metadata: how pictures go in is unknown",
                file=path_of(network),
                hint='name what it is calibrated with (a .npy file, a folder, "random"), or import '
                "it again with a task",
                setting="inputs",
            )
        work = _Work(method, bias_correction, tuple(keep_float), everywhere, str(inputs), None)
        return _quantize_bare(path_of(network), inputs, pictures, out, work, equalize, progress)
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
    held = used.hold_out
    dataset = opened.data if held is None else task.hold_out(opened.data, held)[0]
    dataset = task.select(dataset, _spread(len(dataset), pictures))
    dataset, unreadable = task.readable(dataset, used.skip)
    seen = [task.picture(dataset, place) for place in range(len(dataset))]
    parts = structure.folded(parts)
    forwards = [numpy_forward(part.network) for part in parts]
    images = structure.inputs(spec, forwards, seen, REGIONS)
    for part, given in zip(parts, images, strict=True):
        if not given:
            raise TatamiError(
                "not one region is found in the pictures",
                hint="give others, or train it first",
                file=part.file,
            )
    note = f"{len(seen)} pictures {task.fingerprint(dataset)[:12]}"
    work = _Work(method, bias_correction, tuple(keep_float), everywhere, note, structure)
    done = work.quantize(parts, images, targets, equalize, progress)
    more = dict(zip((part.name for part in parts[1:]), targets[1:], strict=True))
    skipped = Counter(opened.skipped) + Counter({"unreadable-picture": unreadable})
    kept = tuple(keep_float)
    return QuantizeResult(
        targets[0], more, len(seen), done.layers, kept, skipped, done.tried, done.floats
    )


def _quantize_bare(
    path: Path,
    inputs: str | Path,
    count: int,
    out: str | Path | None,
    work: _Work,
    equalize: bool | None,
    progress: Progress,
) -> QuantizeResult:
    """Quantize a network without a task, calibrated on arrays."""
    network = graph.read(path)
    samples: list[Any] = whole_calls(network, samples_of(network, inputs, count))
    target = _beside(path) if out is None else Path(out)
    parts = [Part("", network, path)]
    done = work.quantize(parts, [samples], [target], equalize, progress)
    return QuantizeResult(
        target, {}, len(samples), done.layers, work.kept, {}, done.tried, done.floats
    )


def _beside(file: Path) -> Path:
    """Name the usual file of the integers that come of a folded one."""
    return file.with_name(f"{file.stem.removesuffix('-folded')}-int8.onnx")


def _folded(path: Path) -> Path:
    """Give the folded network of a run folder; every other path as it is."""
    if (path / SETTINGS).is_file() and is_one_network(read_run(path)):
        return folded_of(path)
    return path


@dataclass(frozen=True)
class _Made:
    """Float networks, and what they are in 8 bits."""

    sources: Sequence[Network]
    results: Sequence[Network]


@dataclass(frozen=True)
class _Done:
    """What quantization did: the noise of each layer, what equalization gains, what stays float."""

    layers: tuple[Layer, ...]
    tried: Tried | None
    floats: tuple[Float, ...]


@dataclass(frozen=True)
class _Work:
    """How networks are quantized, as ``quantize`` says.

    Args:
        method: How ranges are chosen.
        bias_correction: Whether the mean error of rounded weights is taken off the biases.
        kept: Names of layers that stay float.
        everywhere: Whether activations that do not clamp are rounded apart from their layers.
        note: How they were calibrated, for the provenance.
        structure: How they belong together; None: the only one, without a task.
    """

    method: Method
    bias_correction: bool
    kept: tuple[str, ...]
    everywhere: bool
    note: str
    structure: Structure | None

    def quantize(
        self,
        parts: Sequence[Part],
        inputs: Sequence[Sequence[Float32]],
        targets: Sequence[Path],
        equalize: bool | None,
        progress: Progress,
    ) -> _Done:
        """Calibrate, quantize, measure and write; choose whether to equalize where that is open.

        Raises:
            TatamiError: Before anything is written; it names the file.
        """
        both_ways = equalize is None and any(may_help(part.network) for part in parts)
        made = self._made(parts, inputs, bool(equalize), progress)
        tried = None
        if both_ways:
            other = self._made(parts, inputs, True, progress)
            tried = _tried(parts, inputs, made, other)
            made = other if tried.helps else made
        layers: list[Layer] = []
        floats: list[Float] = []
        for part, result in zip(parts, made.results, strict=True):
            with _naming(part.file):
                floats += floats_of(result, self.kept)
        every = list(zip(made.sources, made.results, inputs, strict=True))
        for source, result, given in tracked(every, "Measuring", progress):
            layers += measure(source, result, given[:MEASURED])
        for result, target in zip(made.results, targets, strict=True):
            graph.write(result, target)
        return _Done(tuple(layers), tried, tuple(floats))

    def _made(
        self,
        parts: Sequence[Part],
        inputs: Sequence[Sequence[Float32]],
        equalize: bool,
        progress: Progress,
    ) -> _Made:
        """Calibrate and quantize, equalized or not."""
        sources = [equalize_network(part.network) if equalize else part.network for part in parts]
        more = ", equalized" if equalize else ""
        observed = []
        for part, source, given in zip(parts, sources, inputs, strict=True):
            stage = f"Calibrating the {part.name}{more}" if part.name else f"Calibrating{more}"
            with _naming(part.file):
                observed.append(
                    observe(
                        source,
                        given,
                        len(given),
                        lambda done, total, stage=stage: progress(stage, done, total),  # type: ignore[misc]
                    )
                )
        joined = self.structure
        shared = None if joined is None else joined.shared(sources, observed, self.method)
        if joined is None:
            shared = _shared_by_calls(sources[0], observed[0], self.method)
        results = []
        for place, (part, source) in enumerate(zip(parts, sources, strict=True)):
            with _naming(part.file):
                results.append(
                    quantize_network(
                        source,
                        observed[place],
                        method=self.method,
                        bias_correction=self.bias_correction,
                        keep_float=self._kept_of(sources, place),
                        pairs_everywhere=self.everywhere,
                        shared=shared,
                        note=f"{self.note}{more}",
                    )
                )
        return _Made(sources, results)

    def _kept_of(self, networks: Sequence[Any], place: int) -> list[str]:
        """Give each network the names of its own layers that stay float, the last one the rest.

        A name that none of them has is refused there.
        """
        names = [{label(node) for node in network.graph} for network in networks[:-1]]

        def owner(layer: str) -> int:
            return next((at for at, known in enumerate(names) if layer in known), len(names))

        return [layer for layer in self.kept if owner(layer) == place]


def _shared_by_calls(
    network: Network, observed: Mapping[str, Observation], method: Method
) -> dict[str, Range]:
    """Choose a range for what lives from call to call: the same where it is made and found."""
    found = {}
    for pair in states_of(network).items():
        known = [observed[name] for name in pair if name in observed]
        if known:
            found.update(dict.fromkeys(pair, choose_range(merge(known), method)))
    return found


def _tried(
    parts: Sequence[Part], inputs: Sequence[Sequence[Float32]], plain: _Made, equalized: _Made
) -> Tried:
    """Compare both ways with the float networks: the mean over parts, on CHOSEN pictures."""

    def noise(made: _Made) -> float:
        every = zip(parts, made.results, inputs, strict=True)
        return float(np.mean([output_sqnr(p.network, r, given[:CHOSEN]) for p, r, given in every]))

    return Tried(noise(plain), noise(equalized), min(CHOSEN, *map(len, inputs)))


def _finite(values: dict[str, Any]) -> dict[str, Any]:
    """Give None for a ratio that is not finite: of a layer without noise it is no number."""
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in values.items()
    }


@contextmanager
def _naming(file: Path) -> Iterator[None]:
    """Name the file in an error of what is done to its network."""
    try:
        yield
    except TatamiError as error:
        raise error.at(file) from error


def _spread(count: int, wanted: int) -> Int64:
    """Choose places spread over a whole split, the same ones every time."""
    return np.unique(np.linspace(0, count - 1, min(wanted, count)).astype(np.int64))
