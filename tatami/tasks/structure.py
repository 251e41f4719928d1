"""How the networks of a predictor belong together: one network, or several with rules between."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tatami.graph.network import Network
from tatami.types import Float32, Forward, Picture

if TYPE_CHECKING:
    from torch import nn


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


class Structure(ABC):
    """How the networks of a predictor belong together. Abstract.

    The usual one is OneNetwork, below; tasks/two_stage.py has that of detectors in two stages.
    """

    @abstractmethod
    def parts(self, network: Network, file: Path) -> tuple[Part, ...]:
        """Find the networks that belong with a file's network, in the order in which they run.

        Raises:
            TatamiError: Where one is missing, or is of another training.
        """

    @abstractmethod
    def predictor(self, spec: Any, forwards: Sequence[Forward]) -> Any:
        """Put the written rules around the parts, each a function from inputs to raw maps."""

    @abstractmethod
    def forwards(self, model: nn.Module) -> tuple[Forward, ...]:
        """Give the parts of a torch model as functions of NumPy arrays."""

    @abstractmethod
    def export(self, model: nn.Module, spec: Any, folder: Path) -> None:
        """Write the parts of a torch model as ONNX files of a run folder."""

    @abstractmethod
    def inputs(
        self, parts: Sequence[Part], pictures: Sequence[Picture], most: int
    ) -> list[list[Float32]]:
        """Give what each part is fed with by these pictures: (n, channels, rows, columns) each.

        Args:
            parts: The networks.
            pictures: What is looked at.
            most: Regions of a picture, at most, where a part looks at regions.
        """
