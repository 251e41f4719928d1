"""What every classifier offers, and the loss that they share."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn


class Classifier(nn.Module):
    """Turn images (n, 3, H, W) into logits (n, classes). Abstract.

    Attributes:
        min_side: The shortest side that an input may have, in pixels.
        label_smoothing: How much of the target is spread over all classes alike; whoever trains
            sets it.
    """

    min_side: ClassVar[int]
    label_smoothing: float = 0.0

    def current_name(self, name: str) -> str:
        """Translate the name of a weight in a published file that has an older one."""
        return name

    @abstractmethod
    def forward(self, images: Tensor) -> Tensor:
        """Compute the logits (n, classes) of images (n, 3, H, W).

        Raises:
            TatamiError: For an input that is too small.
        """

    def loss(self, raw: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Compute the parts whose sum is lowered: the cross-entropy, under "classes".

        Args:
            raw: The logits (n, classes) that ``forward`` gave.
            labels: The classes (n,), int64.
        """
        return {"classes": cross_entropy(raw, labels, self.label_smoothing)}


def cross_entropy(raw: Tensor, labels: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Compute the mean over n pictures of -sum(q log p), p being the softmax of the logits.

    Args:
        raw: Logits (n, K).
        labels: Classes (n,), int64.
        label_smoothing: What is spread: q is 1 - label_smoothing at the label, and
            label_smoothing / K more everywhere.

    Source: C. Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", CVPR
        2016, section 7.
    """
    return F.cross_entropy(raw, labels, label_smoothing=label_smoothing)
