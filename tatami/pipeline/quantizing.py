"""Float networks that belong together, observed on pictures once and quantized in any way."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tatami.errors import TatamiError
from tatami.graph.attributes import label
from tatami.graph.network import Network
from tatami.graph.state import states_of
from tatami.shrink.calibrate import Method, Observation, Range, choose_range, merge, observe
from tatami.shrink.equalize import equalize, may_help
from tatami.shrink.floats import Float, floats_of
from tatami.shrink.quantize import Layer, measure, output_sqnr, quantize
from tatami.tasks.structure import Part, Structure
from tatami.types import Float32, Int64
from tatami.types.progress import Progress, tracked

MEASURED = 4
"""Calibration pictures on which the noise of every layer is measured."""
CHOSEN = 8
"""Calibration pictures on which it is chosen whether a network is equalized."""


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
        return {**finite(asdict(self)), "chosen": self.helps}

    def line(self) -> str:
        """Say both figures and what was chosen."""
        return (
            f"equalization: outputs {self.plain:.1f} dB without, {self.equalized:.1f} dB with it, "
            f"on {self.pictures} calibration pictures: {'used' if self.helps else 'not used'}"
        )


@dataclass(frozen=True)
class How:
    """Say how networks are quantized.

    Args:
        method: How ranges are chosen.
        bias_correction: Whether the mean error of rounded weights is taken off the biases.
        equalize: Whether channels are equalized across layers first.
        kept: Names of layers that stay float.
        everywhere: Whether activations that do not clamp are rounded apart from their layers.
    """

    method: Method = "mse"
    bias_correction: bool = True
    equalize: bool = False
    kept: tuple[str, ...] = ()
    everywhere: bool = False


@dataclass(frozen=True)
class Made:
    """Float networks, and what they are in 8 bits.

    Args:
        sources: The float networks, equalized where that was asked for.
        results: The same in 8 bits.
    """

    sources: Sequence[Network]
    results: Sequence[Network]


class Calibration:
    """Float networks that belong together, and what they are given on calibration pictures.

    Args:
        parts: The networks.
        inputs: Of each, what it is given.
        structure: How they belong together; None: there is one, without a task.
        note: How they are calibrated, for the provenance.
        progress: Takes up how far it is.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        inputs: Sequence[Sequence[Float32]],
        structure: Structure | None,
        note: str,
        progress: Progress,
    ) -> None:
        self.parts, self.inputs = parts, inputs
        self._structure, self._note, self._progress = structure, note, progress
        self._observed: dict[
            bool, tuple[Sequence[Network], Sequence[Mapping[str, Observation]]]
        ] = {}

    def made(self, how: How) -> Made:
        """Quantize the networks in one way.

        Raises:
            TatamiError: As ``shrink.quantize`` does; it names the file.
        """
        sources, observed = self._seen(how.equalize)
        joined = self._structure
        shared = None if joined is None else joined.shared(sources, observed, how.method)
        if joined is None:
            shared = _shared_by_calls(sources[0], observed[0], how.method)
        more = ", equalized" if how.equalize else ""
        results = []
        for place, (part, source) in enumerate(zip(self.parts, sources, strict=True)):
            with naming(part.file):
                results.append(
                    quantize(
                        source,
                        observed[place],
                        method=how.method,
                        bias_correction=how.bias_correction,
                        keep_float=_kept_of(how.kept, sources, place),
                        pairs_everywhere=how.everywhere,
                        shared=shared,
                        note=f"{self._note}{more}",
                    )
                )
        return Made(sources, results)

    @property
    def may_equalize(self) -> bool:
        """Whether it is worth trying: there are depthwise convolutions."""
        return any(may_help(part.network) for part in self.parts)

    def equalized_or_not(self, how: How) -> tuple[How, Made, Tried]:
        """Quantize both ways, and choose by the noise of the outputs on calibration pictures."""
        ways = [replace(how, equalize=one) for one in (False, True)]
        made = [self.made(way) for way in ways]
        plain, equalized = map(self.output_sqnr, made)
        tried = Tried(plain, equalized, min(CHOSEN, *map(len, self.inputs)))
        return ways[tried.helps], made[tried.helps], tried

    def output_sqnr(self, made: Made) -> float:
        """Measure the outputs' signal to noise in dB, the mean over parts, on CHOSEN pictures."""
        every = zip(self.parts, made.results, self.inputs, strict=True)
        return float(np.mean([output_sqnr(p.network, r, given[:CHOSEN]) for p, r, given in every]))

    def layers(self, made: Made) -> tuple[Layer, ...]:
        """Measure the noise of every layer, on MEASURED pictures."""
        every = list(zip(made.sources, made.results, self.inputs, strict=True))
        layers: list[Layer] = []
        for source, result, given in tracked(every, "Measuring", self._progress):
            layers += measure(source, result, given[:MEASURED])
        return tuple(layers)

    def floats(self, made: Made, how: How) -> tuple[Float, ...]:
        """Find what stays float, and why."""
        floats: list[Float] = []
        for part, result in zip(self.parts, made.results, strict=True):
            with naming(part.file):
                floats += floats_of(result, how.kept)
        return tuple(floats)

    def _seen(
        self, equalized: bool
    ) -> tuple[Sequence[Network], Sequence[Mapping[str, Observation]]]:
        """Observe the activations, of the networks as they are or equalized: each once."""
        if equalized not in self._observed:
            sources = [equalize(p.network) if equalized else p.network for p in self.parts]
            more, observed = ", equalized" if equalized else "", []
            for part, source, given in zip(self.parts, sources, self.inputs, strict=True):
                stage = f"Calibrating the {part.name}{more}" if part.name else f"Calibrating{more}"
                with naming(part.file):
                    observed.append(
                        observe(
                            source,
                            given,
                            len(given),
                            lambda done, total, stage=stage: self._progress(stage, done, total),  # type: ignore[misc]
                        )
                    )
            self._observed[equalized] = sources, observed
        return self._observed[equalized]


def spread(count: int, wanted: int) -> Int64:
    """Choose places spread over a whole split, the same ones every time."""
    return np.unique(np.linspace(0, count - 1, min(wanted, count)).astype(np.int64))


def finite(values: dict[str, Any]) -> dict[str, Any]:
    """Give None for a ratio that is not finite: of a layer without noise it is no number."""
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in values.items()
    }


@contextmanager
def naming(file: Path) -> Iterator[None]:
    """Name the file in an error of what is done to its network."""
    try:
        yield
    except TatamiError as error:
        raise error.at(file) from error


def _kept_of(kept: Sequence[str], networks: Sequence[Network], place: int) -> list[str]:
    """Give each network the names of its own layers that stay float, the last one the rest.

    A name that none of them has is refused there.
    """
    names = [{label(node) for node in network.graph} for network in networks[:-1]]

    def owner(layer: str) -> int:
        return next((at for at, known in enumerate(names) if layer in known), len(names))

    return [layer for layer in kept if owner(layer) == place]


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
