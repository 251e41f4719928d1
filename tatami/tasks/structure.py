"""How the networks of a predictor belong together: one network, or several with rules between."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from tatami.graph.network import Network
from tatami.program.steps import Program
from tatami.rules.picture import prepare
from tatami.shrink.calibrate import Method, Observation, Range
from tatami.train.run import NETWORK
from tatami.types import Float32, Float64, Forward, InputSpec, Picture, Size

if TYPE_CHECKING:
    from torch import nn

    from tatami.tasks.training import Training
    from tatami.train.batches import Examples
    from tatami.train.loop import Step
    from tatami.train.run import Run


@dataclass(frozen=True)
class Part:
    """One network of a predictor.

    Args:
        name: What it is called among the parts: "" for the only one, else as "head".
        network: The network.
        file: Where it was read from.
    """

    name: str
    network: Network
    file: Path


class Rules(Protocol):
    """Puts a task's written rules around a function from images to raw maps."""

    def __call__(self, spec: Any, forward: Forward, answer: Size | None = None) -> Any:
        """Give what answers for a picture."""
        ...


class Structure(ABC):
    """How the networks of a predictor belong together. Abstract.

    The usual one is OneNetwork, below; tasks/two_stage.py has that of detectors in two stages.
    """

    @abstractmethod
    def names(self, spec: Any) -> tuple[str, ...]:
        """Name the parts of a predictor, in the order in which they run.

        The only network of most predictors has no name: ``("",)``. Where parts have names, each
        has rows of its own in the ledger.
        """

    @abstractmethod
    def begins(self, spec: Any) -> bool:
        """Say whether a network of this spec is the first of its predictor's parts."""

    def regions(self, spec: Any) -> int | None:
        """Say how often the last part runs for a picture, at most; None where it runs once."""
        return None

    @abstractmethod
    def parts(self, network: Network, file: Path) -> tuple[Part, ...]:
        """Find the networks that belong with a file's network, in the order in which they run.

        Raises:
            TatamiError: Where one is missing, or is of another training.
        """

    @abstractmethod
    def files(self, first: Path, spec: Any) -> tuple[Path, ...]:
        """Name the files of all parts, where the first one's is ``first``.

        Raises:
            TatamiError: Where the others' names cannot be made of it.
        """

    @abstractmethod
    def predictor(self, spec: Any, forwards: Sequence[Forward], answer: Size | None = None) -> Any:
        """Put the written rules around the parts.

        Args:
            spec: The spec of the first part.
            forwards: Each part as a function from inputs to raw maps.
            answer: The size of the first raw map, where it is known.
        """

    # Training ------------------------------------------------------------------------------------

    def examples(self, data: Any, run: Run, usual: Callable[[Any, Run], Examples]) -> Examples:
        """Say what is learned from in a split: usually what the task says."""
        return usual(data, run)

    def prepare_data(self, data: Any, training: Training) -> Any:
        """Add to a split what must be found in its pictures before a step is made."""
        return data

    def train(
        self, training: Training, data: Any, model: nn.Module, average: nn.Module
    ) -> Generator[Step, bool | None, None]:
        """Train a model, and yield every step; a True sent back makes it the last one.

        Args:
            training: The training.
            data: The split, as ``prepare_data`` gave it.
            model: What learns.
            average: What keeps the moving mean of its weights: what comes of the training.

        Raises:
            TatamiError: As the training loop does.
        """
        from tatami.train.loop import train

        run = training.run
        batches = training.batches(data)
        yield from train(model, average, batches, run.recipe, training.folder, training.team)

    def in_turns(self, run: Run) -> bool:
        """Say whether parts are trained one after another: figures say nothing before the end."""
        return False

    def complete(self, training: Training, data: Any, model: nn.Module) -> None:
        """Fit what is left of a model when the steps are over."""
        return  # usually nothing is

    # Artifacts -----------------------------------------------------------------------------------

    def find(self, spec: Any) -> Callable[[Picture], Float64] | None:
        """Give what finds the regions of a picture, for a network that does not find them itself.

        Returns:
            A picture to regions (n, 4) in its pixels; None where nothing is to be found.
        """
        return None

    @abstractmethod
    def forwards(self, model: nn.Module, spec: Any) -> tuple[Forward, ...]:
        """Give the parts of a torch model as functions of NumPy arrays."""

    @abstractmethod
    def export(self, model: nn.Module, spec: Any, folder: Path) -> None:
        """Write the parts of a torch model as ONNX files of a run folder."""

    @abstractmethod
    def inputs(
        self, spec: Any, forwards: Sequence[Forward], pictures: Sequence[Picture], most: int
    ) -> tuple[list[Float32], ...]:
        """Give what each part is fed with by these pictures: (n, channels, rows, columns) each.

        Args:
            spec: The spec of the first part.
            forwards: Each part as a function from inputs to raw maps.
            pictures: What is looked at.
            most: Regions of a picture, at most, where a part looks at regions.
        """

    def calls(
        self, spec: Any, parts: Sequence[Any], pictures: Sequence[Any]
    ) -> tuple[list[Any], ...] | None:
        """Give lists of calls of each part by what is looked at, where a call has several inputs.

        Two forms of such a predictor then answer alike, to the last token. Usually there is one
        input: None.

        Args:
            spec: The spec of the first part.
            parts: The forms of the parts of the reference; their ``forward`` takes calls.
            pictures: What is looked at.
        """
        return None

    @abstractmethod
    def folded(self, parts: Sequence[Part]) -> tuple[Part, ...]:
        """Fold normalization into the parts, where a user cannot do so with ``fold``."""

    @abstractmethod
    def shared(
        self,
        networks: Sequence[Network],
        observed: Sequence[Mapping[str, Observation]],
        method: Method,
    ) -> dict[str, Range]:
        """Choose the ranges of values that one part hands to the next, by their names."""

    @abstractmethod
    def programs(self, programs: Sequence[Program]) -> tuple[Program, ...]:
        """Give the parts' programs so that each takes what the one before makes.

        Raises:
            TatamiError: Where they do not fit.
        """


class OneNetwork(Structure):
    """The structure of a predictor that is one network with a task's rules around it.

    Args:
        rules: Puts the task's rules around a function, as ``Task.predictor``.
        image: Makes the network's input of what it looks at, as ``Task.image``.
    """

    def __init__(self, rules: Rules, image: Callable[[Any, Any], Float32]) -> None:
        self.rules, self.image = rules, image

    def names(self, spec: Any) -> tuple[str, ...]:
        """Name the only part: it has no name."""
        return ("",)

    def begins(self, spec: Any) -> bool:
        """Say yes: the only part is the first."""
        return True

    def parts(self, network: Network, file: Path) -> tuple[Part, ...]:
        """Give the network, the only part."""
        return (Part("", network, file),)

    def files(self, first: Path, spec: Any) -> tuple[Path, ...]:
        """Name the only file."""
        return (first,)

    def predictor(self, spec: Any, forwards: Sequence[Forward], answer: Size | None = None) -> Any:
        """Put the task's rules around the network."""
        (forward,) = forwards
        return self.rules(spec, forward, answer)

    def forwards(self, model: nn.Module, spec: Any) -> tuple[Forward, ...]:
        """Give the model as a function of NumPy arrays."""
        from tatami.models.forward import torch_forward

        return (torch_forward(model),)

    def export(self, model: nn.Module, spec: Any, folder: Path) -> None:
        """Write the model as the run folder's network.onnx."""
        from tatami.models.export import export_onnx

        export_onnx(model, spec, folder / NETWORK)

    def inputs(
        self, spec: Any, forwards: Sequence[Forward], pictures: Sequence[Picture], most: int
    ) -> tuple[list[Float32], ...]:
        """Prepare what is looked at by the written rule: (1, planes, rows, columns) each."""
        return ([self.image(picture, spec) for picture in pictures],)

    def folded(self, parts: Sequence[Part]) -> tuple[Part, ...]:
        """Leave the network as it is."""
        return tuple(parts)

    def shared(
        self,
        networks: Sequence[Network],
        observed: Sequence[Mapping[str, Observation]],
        method: Method,
    ) -> dict[str, Range]:
        """Choose nothing: no value leaves the network for another."""
        return {}

    def programs(self, programs: Sequence[Program]) -> tuple[Program, ...]:
        """Leave the program as it is."""
        return tuple(programs)


def prepared(picture: Picture, spec: InputSpec) -> Float32:
    """Make a network's input (1, 3, height, width) of a picture, by the written rule."""
    return np.ascontiguousarray(prepare(picture, spec)[0][None])
