"""What every classifier offers, and what they share: the loss and the reading of logits."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from tatami.types import Float32, Int64

MEAN, SCALE = (123.675, 116.28, 103.53), (1 / 58.395, 1 / 57.12, 1 / 57.375)
"""How the input of a classifier, and of what is built on one, is normalized: by the mean and
deviation of ImageNet's pixels, as the weights that others publish expect it."""


@dataclass(frozen=True)
class Ranking:
    """The classes of one picture, the likeliest first.

    labels: (k,).  scores: (k,), their probabilities, of all classes together 1.
    """

    labels: Int64
    scores: Float32


class Classifier(nn.Module):
    """What a classifier is: images (n, 3, H, W) -> logits (n, classes). Abstract.

    smallest: the least side of an input, in pixels.  size: the side that the paper trains with.
    Both are sides of squares, and any rectangle whose sides are not below ``smallest`` will do.
    """

    smallest: int
    size: int = 224

    def current_name(self, name: str) -> str:
        """What a weight is called here that a published file gives an older name."""
        return name

    @abstractmethod
    def forward(self, images: Tensor) -> Tensor:
        """(n, 3, H, W) -> logits (n, classes). Raises TatamiError for an input too small."""

    @abstractmethod
    def loss(self, raw: Tensor, labels: Tensor, label_smoothing: float = 0.0) -> dict[str, Tensor]:
        """The parts whose sum is lowered. raw: what forward gave.  labels: (n,) int64."""

    @abstractmethod
    def decode(self, raw: Tensor, count: int = 5) -> list[Ranking]:
        """The ``count`` likeliest classes of each picture, all where there are fewer."""


def cross_entropy(raw: Tensor, labels: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """The mean of -sum(q log p) over n pictures, p the softmax of raw (n, K).

    q is 1 - label_smoothing at the label (n,), and label_smoothing / K more everywhere (C. Szegedy
    et al., "Rethinking the Inception Architecture for Computer Vision", CVPR 2016, section 7).
    """
    return F.cross_entropy(raw, labels, label_smoothing=label_smoothing)


def rankings(raw: Tensor, count: int = 5) -> list[Ranking]:
    """The ``count`` largest of the softmax of logits (n, K), picture by picture."""
    scores, labels = raw.detach().float().softmax(1).topk(min(count, raw.shape[1]), dim=1)
    return [
        Ranking(label, score)
        for label, score in zip(labels.cpu().numpy(), scores.cpu().numpy(), strict=True)
    ]
