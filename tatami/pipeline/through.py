"""One picture through every form of a network: what each answers, and every layer inside."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from tatami.errors import TatamiError
from tatami.graph.costs import costs
from tatami.graph.gradient import gradient
from tatami.graph.network import Network
from tatami.graph.read import read
from tatami.graph.receptive import receptive_field
from tatami.pipeline.artifact import Source, network_file, path_of
from tatami.pipeline.explain import activation, draw_kernels, kernels_of, look
from tatami.pipeline.judge import Judged, judge
from tatami.pipeline.ledger import Stage, signal_to_noise
from tatami.pipeline.run_data import UsedData
from tatami.pipeline.stages import open_stage, stages_of
from tatami.rules.picture import letterbox
from tatami.see.class_activation import in_numbers
from tatami.see.features import tiled_maps, titled, value_range
from tatami.see.field import draw_field
from tatami.tasks.base import Answer
from tatami.types import Float32, InputSpec, Picture

DIFFERENCE = "difference"
"""What is drawn of a layer beside its forms: 8 bits less float."""
BARS = 40
"""Bars of a histogram."""


@dataclass(frozen=True)
class Layer:
    """Say what a layer is and where it stands among the others.

    Args:
        name: What it is called.
        operators: What it computes, the first first.
        value: What it makes, by the name it has in ONNX.
        shape: Of the value, without the batch.
        multiply_adds: Of one picture.
        parameters: Its numbers that were learned.
        reads: The layers whose values it takes.
        depth: How many layers stand before it, on the longest way.
        lane: Its place among those of the same depth.
        filters: Whether it has kernels that can be drawn.
    """

    name: str
    operators: tuple[str, ...]
    value: str
    shape: tuple[int, ...]
    multiply_adds: int
    parameters: int
    reads: tuple[str, ...]
    depth: int
    lane: int
    filters: bool


@dataclass(frozen=True)
class Values:
    """Say how the numbers of a layer are spread.

    Args:
        range: The least and the largest, in words.
        edges: Of the bars, one more than there are.
        counts: Numbers in each bar.
    """

    range: str
    edges: tuple[float, ...]
    counts: tuple[int, ...]


class Through:
    """A network with all its forms, to look through with one picture after another.

    Several threads may use it: one looks at a time.

    Args:
        source: A run folder, an ONNX file or a shipped folder.
        trust: Whether to run shipped folders that this installation did not write.

    Raises:
        TatamiError: For anything else, and for a network without a task.
    """

    def __init__(self, source: Source, *, trust: bool = False) -> None:
        self.path = path_of(source)
        self.stages = [open_stage(path, trust=trust) for path in stages_of(self.path)]
        self.spec = self.stages[0].spec
        self._lock = threading.Lock()
        self._picture: Picture | None = None
        self._values: dict[str, Mapping[str, Float32]] = {}
        self._answers: tuple[float | None, dict[str, Answer]] = (None, {})

    @cached_property
    def network(self) -> Network:
        """The network as ONNX, before folding where there is such a file."""
        return read(network_file(self.path))

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """List the layers in the order in which they run."""
        return layers_of(self.network)

    @property
    def forms(self) -> dict[str, Stage]:
        """Give the stages that tell every layer's value, by name."""
        return {stage.name: stage for stage in self.stages if stage.values is not None}

    def give(self, picture: Picture) -> None:
        """Take a picture, (height, width, 3), which is asked about from now on."""
        with self._lock:
            self._picture = picture
            self._values = {}
            self._answers = (None, {})

    def answers(self, score: float | None = None) -> dict[str, Answer]:
        """Ask every stage for its answer to the picture; the last ones are kept.

        Args:
            score: The lowest score of a box; None: as usual.

        Raises:
            TatamiError: Without a picture.
        """
        with self._lock:
            picture = self._given()
            if self._answers[0] != score or not self._answers[1]:
                found = {
                    stage.name: stage.task.answer(stage.predictor, picture, score)
                    for stage in self.stages
                }
                self._answers = (score, found)
            return self._answers[1]

    def values(self, layer: str, form: str) -> Float32:
        """Give what a layer makes of the picture in a form, or DIFFERENCE: (channels, ...).

        Raises:
            TatamiError: For a layer or a form that there is not, and without a picture.
        """
        value = self._layer(layer).value
        if form == DIFFERENCE:
            plain, integer = self._pair()
            return self._of(integer, value) - self._of(plain, value)
        return self._of(form, value)

    def maps(self, layer: str, form: str, limit: int = 64) -> Picture:
        """Draw what a layer makes of the picture, channel by channel, each on its own scale."""
        return tiled_maps(self.values(layer, form), limit)

    def spread(self, layer: str, form: str) -> Values:
        """Count the numbers of a layer in bars of equal width."""
        numbers = self.values(layer, form)
        counts, edges = np.histogram(numbers, BARS)
        return Values(value_range(numbers), tuple(edges.tolist()), tuple(counts.tolist()))

    def losses(self) -> dict[str, float]:
        """Measure what 8 bits lose in each layer of the picture: signal to noise, in dB.

        Empty where there is no network in 8 bits; a layer without noise is left out.
        """
        try:
            plain, integer = self._pair()
        except TatamiError:
            return {}
        values = self._all(integer), self._all(plain)
        ratios = signal_to_noise([values], self.forms[integer].equalized)
        # What is fused into another layer has no value of its own.
        return {one.name: ratios[one.value] for one in self.layers if one.value in ratios}

    def filters(self, layer: str, limit: int = 64) -> Picture:
        """Draw the kernels of a convolution.

        Raises:
            TatamiError: For a layer that has none.
        """
        self._layer(layer)
        for kernels in kernels_of(self.network):
            if kernels.layer == layer:
                return draw_kernels(self.network, kernels, limit)
        raise TatamiError(f"'{layer}' has no kernels", hint="name a convolution")

    def activation(self, wanted: str | None = None) -> Picture:
        """Draw where the network looks for a class (Grad-CAM), under a line that says which.

        Args:
            wanted: The class; None: the best one.

        Raises:
            TatamiError: Where the network does not allow it.
        """
        drawn, target, at = activation(
            look(self.network, self._given(), network_file(self.path)), wanted
        )
        return titled(f"Grad-CAM of {target.name}, score {target.score:.3f}, at {at}", drawn)

    def receptive(self, layer: str, row: int, column: int) -> Picture:
        """Draw on the network's input what a place of a layer can see of it, and what it did see.

        A frame is around what it can see; the brighter a pixel, the more the sum of the place's
        channels changes with it. A quantized network has no derivative: it has the frame alone.

        Args:
            layer: The layer.
            row: Of the place.
            column: Of the place.

        Raises:
            TatamiError: Without a picture, and for a place that is not on the layer's maps.
        """
        spec = self.spec.input
        if not isinstance(spec, InputSpec):
            raise TatamiError("it looks at no pictures", hint="see its layers' maps")
        value = self._layer(layer).value
        field = receptive_field(self.network, value, row, column)
        with self._lock:
            picture = self._given()
            image = self.stages[0].task.image(picture, self.spec)
            try:
                seed = np.zeros((1, *self._layer(layer).shape), np.float32)
                seed[0, :, row, column] = 1
                name = str(self.network.graph.inputs[0].name)
                slope = gradient(self.network, image, {value: seed}, (name,))[name][0]
            except TatamiError:
                slope = np.zeros(image.shape[1:], np.float32)
        return draw_field(letterbox(picture, spec), field, np.abs(slope).sum(axis=0))

    def judged(self, name: str, used: UsedData) -> Judged:
        """Run a stage over labeled pictures.

        Args:
            name: Of the stage.
            used: The pictures.

        Raises:
            TatamiError: Where there is no such stage, and as ``evaluate`` does.
        """
        with self._lock:
            for stage in self.stages:
                if stage.name == name:
                    return judge(stage, used)
        raise TatamiError(f"no stage '{name}'", hint="name one that is shown")

    def close(self) -> None:
        """End what runs."""
        for stage in self.stages:
            close = getattr(stage.predictor, "close", None)
            if close is not None:
                close()

    def _given(self) -> Picture:
        if self._picture is None:
            raise TatamiError("no picture was given yet", hint="open one first")
        return self._picture

    def _layer(self, name: str) -> Layer:
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise TatamiError(f"no layer '{name}'", hint="name one of the network's")

    def _pair(self) -> tuple[str, str]:
        """Name the first float form and the first in 8 bits."""
        files = {name: one for name, one in self.forms.items() if not one.compiled}
        plain = [name for name, one in files.items() if one.integers is None]
        integer = [name for name, one in files.items() if one.integers is not None]
        if not plain or not integer:
            raise TatamiError("there are not both forms", hint="quantize the network first")
        return plain[-1], integer[0]  # what was quantized is the folded one, the last

    def _all(self, form: str) -> Mapping[str, Float32]:
        """Give every value of the picture in a form, computed once."""
        with self._lock:
            stage = self.forms.get(form)
            if stage is None or stage.values is None:
                raise TatamiError(f"no form '{form}'", hint=f"give one of {', '.join(self.forms)}")
            if form not in self._values:
                image = stage.task.image(self._given(), stage.spec)
                self._values[form] = stage.values(image)
            return self._values[form]

    def _of(self, form: str, value: str) -> Float32:
        found = self._all(form).get(value)
        if found is None:
            raise TatamiError(
                f"{form} does not make '{value}' by itself", hint="it is part of the next layer"
            )
        return np.asarray(found[0], np.float32)


def layers_of(network: Network) -> tuple[Layer, ...]:
    """List the layers of a network with what each reads, and where a drawing has it."""
    found = costs(network)
    owner = {cost.output: cost.name for cost in found}
    made = {str(value.name): node for node in network.graph for value in node.outputs}
    depths: dict[str, int] = {}
    used: dict[int, int] = {}
    layers = []
    kernels = {one.layer for one in kernels_of(network)}
    for cost in found:
        reads = tuple(dict.fromkeys(_read_by(cost.output, owner, made)))
        depth = 1 + max((depths.get(one, 0) for one in reads), default=0)
        depths[cost.name] = depth
        lane = used.get(depth, 0)
        used[depth] = lane + 1
        layers.append(
            Layer(
                cost.name,
                cost.operators,
                in_numbers(network, cost.output),
                tuple(cost.shape[1:]),
                cost.multiply_adds,
                cost.parameters,
                reads,
                depth,
                lane,
                cost.name in kernels,
            )
        )
    return tuple(layers)


def _read_by(value: str, owner: Mapping[str, str], made: Mapping[str, Any]) -> list[str]:
    """Walk from a layer's value up to the values of other layers, in the order of reading."""
    seen, reads = {value}, []
    waiting = [value]
    while waiting:
        node = made.get(waiting.pop(0))
        for given in () if node is None else node.inputs:
            name = "" if given is None else str(given.name)
            if not name or name in seen:
                continue
            seen.add(name)
            if name in owner:
                reads.append(owner[name])
            else:
                waiting.append(name)
    return reads
