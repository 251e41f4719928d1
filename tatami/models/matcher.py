"""What every network that matches pictures offers, and the loss that they share."""

from __future__ import annotations

from abc import abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tatami.errors import TatamiError
from tatami.rules.matching import EVEN
from tatami.types import Size


class Matcher(nn.Module):
    """Turn images (n, 3, H, W) into embeddings (n, numbers), one twin of a siamese net. Abstract.

    Args:
        size: Of the images, which fully connected layers fix.

    Attributes:
        ranked: Whether the loss has the part "nearest", too; whoever trains sets it.
    """

    ranked: bool = False

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.size = size

    @abstractmethod
    def forward(self, images: Tensor) -> Tensor:
        """Compute the embeddings (n, numbers) of images (n, 3, H, W).

        Raises:
            TatamiError: For images of another size.
        """

    def loss(self, raw: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Compute the parts whose sum is lowered: the cross-entropy of pairs, under "pairs".

        The first n embeddings are compared with the last n, each with each. Pairs of one class
        weigh as much, all together, as pairs of two. Where it is ``ranked``, "nearest" is the
        cross-entropy of the right one among all n that a picture is compared with, likelier as
        they are nearer, over both halves: what a one-shot trial asks.

        Args:
            raw: Embeddings (2 n, numbers).
            labels: The classes (n,), int64: the embeddings i and n + i are of class i's.

        Source:
            K. Sohn, "Improved Deep Metric Learning with Multi-class N-pair Loss Objective", NIPS
            2016, equation 7, of distances and in both directions.
        """
        first, second = raw.float().chunk(2)
        apart = (first[:, None] - second[None]).abs().sum(-1)  # (n, n)
        same = (labels[:, None] == labels[None]).to(apart)
        surprise = F.binary_cross_entropy_with_logits(EVEN - apart, same, reduction="none")
        of_one = (surprise * same).sum() / same.sum()
        of_two = (surprise * (1 - same)).sum() / (1 - same).sum().clamp(min=1)
        parts = {"pairs": (of_one + of_two) / 2}
        if self.ranked:
            # Another pair of the same class is neither right nor wrong: it is left out.
            other = same.bool() & ~torch.eye(len(same), dtype=torch.bool, device=same.device)
            scores = (-apart).masked_fill(other, -torch.inf)
            right = torch.arange(len(same), device=same.device)
            ways = F.cross_entropy(scores, right) + F.cross_entropy(scores.T, right)
            parts["nearest"] = ways / 2
        return parts

    def check_size(self, images: Tensor) -> None:
        """Raise TatamiError for images (n, 3, H, W) of another size than the network's."""
        height, width = images.shape[-2:]
        if (width, height) != (self.size.width, self.size.height):
            raise TatamiError(
                f"images of {width}x{height} do not fit a network of {self.size}",
                hint=f"give {self.size}",
            )


def flat_length(layers: nn.Sequential, size: Size, least: int) -> int:
    """Count the numbers that layers make of an image of some size.

    Args:
        layers: Convolutions of stride 1, pools that halve, and what keeps the shape.
        size: Of the image.
        least: The shortest side that they can take, in pixels.

    Raises:
        TatamiError: For a shorter side.
    """
    if min(size.width, size.height) < least:
        raise TatamiError(
            f"an input of {size} is too small", hint=f"give sides of at least {least}"
        )
    rows, columns, channels = size.height, size.width, 3
    for layer in layers:
        if isinstance(layer, nn.Conv2d):
            assert not isinstance(layer.padding, str)
            (down, across), (taps, wide) = layer.padding, layer.kernel_size
            rows, columns = rows + 2 * down - taps + 1, columns + 2 * across - wide + 1
            channels = layer.out_channels
        elif isinstance(layer, nn.MaxPool2d):
            rows, columns = rows // 2, columns // 2
    return rows * columns * channels
