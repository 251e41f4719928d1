"""What every one-stage detector offers to training and to the commands."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

from torch import Tensor, nn

from tatami.errors import TatamiError
from tatami.types import Boxes, Decoding, InputSpec, Size


class Detector(nn.Module):
    """Turn images (n, 3, H, W) into a raw map, or raw maps, of boxes. Abstract.

    Attributes:
        stride: An input's sides are multiples of it.
    """

    stride: ClassVar[int]

    def __init__(self, classes: int, decoding: Decoding, width: float = 1.0) -> None:
        super().__init__()
        self.classes = classes
        self.decoding = decoding

    @classmethod
    def input_spec(cls, size: Size) -> InputSpec:
        """Say how a picture becomes an input of that size."""
        return InputSpec(size)

    @classmethod
    @abstractmethod
    def plan(cls, size: Size, anchors: Sequence[tuple[float, float]]) -> Decoding:
        """Say how the raw maps of an input of that size are read.

        Args:
            size: Of the input.
            anchors: (width, height) pairs in pixels of the input; none for a network with its own.
        """

    @classmethod
    def aligned(cls, decoding: Decoding) -> Decoding:
        """Change how raw maps are read to what models/task_aligned.py's loss wants of them.

        Args:
            decoding: As ``plan`` gives it. By what is changed the same network has another loss.

        Raises:
            TatamiError: For a network that has its own loss alone.
        """
        raise TatamiError("the network has its own loss", hint="leave the loss as it is")

    @abstractmethod
    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Compute the raw map, or the raw maps in the order of ``Decoding.maps``."""

    @abstractmethod
    def loss(self, raw: Any, targets: Sequence[Boxes]) -> dict[str, Tensor]:
        """Compute the parts whose sum is lowered.

        Args:
            raw: What ``forward`` gave.
            targets: The boxes of n pictures, in pixels of the input.
        """


def as_maps(raw: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Give what a network's forward gave as maps in their order."""
    return (raw,) if isinstance(raw, Tensor) else raw
