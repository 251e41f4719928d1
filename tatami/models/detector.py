"""What every one-stage detector offers to training and to the commands."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

from torch import Tensor, nn

from tatami.types import Boxes, Decoding, InputSpec, Size


class Detector(nn.Module):
    """What a detector is: images (n, 3, H, W) -> its raw map, or maps. Abstract.

    size: the paper's input.  stride: an input's sides are multiples of it.
    multi_scale: the share by which training varies the input's size; 0 where it cannot.
    anchor_count: how many anchors k-means finds by default; 0 where the paper has its own boxes.
    """

    size: ClassVar[Size]
    stride: ClassVar[int]
    multi_scale: ClassVar[float]
    anchor_count: ClassVar[int]

    def __init__(self, classes: int, decoding: Decoding, width: float = 1.0) -> None:
        super().__init__()
        self.classes = classes
        self.decoding = decoding

    @classmethod
    def input_spec(cls, size: Size) -> InputSpec:
        """How a picture becomes an input of that size."""
        return InputSpec(size)

    @classmethod
    @abstractmethod
    def plan(cls, size: Size, anchors: Sequence[tuple[float, float]]) -> Decoding:
        """How the raw maps of an input of that size are read.

        anchors: (width, height) pairs in pixels of the input; none where anchor_count is 0.
        """

    @abstractmethod
    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, ...]:
        """The raw map, or the raw maps in the order of ``Decoding.maps``."""

    @abstractmethod
    def loss(self, raw: Any, targets: Sequence[Boxes]) -> dict[str, Tensor]:
        """The parts whose sum is lowered. raw: what forward gave.  targets: n pictures' boxes, in
        pixels of the input."""


def as_maps(raw: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """What a network's forward gave, as maps in their order."""
    return (raw,) if isinstance(raw, Tensor) else raw
