"""What every segmenter offers, and the loss they share."""

from __future__ import annotations

from abc import abstractmethod

import torch.nn.functional as F
from torch import Tensor, nn

from tatami.types import VOID, Size


class Segmenter(nn.Module):
    """What a segmenter is: images (n, 3, H, W) -> logits (n, classes, H, W). Abstract.

    A network of valid convolutions gives the center of its input alone: (n, classes, h, w).
    size: the input that it is trained with by default.  stride: an input's sides are multiples of
    it; 1: any.
    """

    size: Size
    stride: int

    @abstractmethod
    def forward(self, images: Tensor) -> Tensor:
        """(n, 3, H, W) -> logits (n, classes, H, W)."""

    def loss(
        self, raw: Tensor, masks: Tensor, class_weights: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Cross-entropy, a mean over all pixels that have a class.

        raw: (n, K, h, w).  masks: (n, H, W) int64, VOID where there is no class; of a larger one
        the center counts.  class_weights: (K,), what a pixel of each class weighs.
        """
        return {"pixels": cross_entropy(raw, center(masks, raw), class_weights)}


def cross_entropy(raw: Tensor, masks: Tensor, class_weights: Tensor | None = None) -> Tensor:
    """The weighted mean of -log softmax at the class of each pixel that has one; 0 for none.

    raw: (n, K, h, w).  masks: (n, h, w) int64, VOID where there is no class.
    """
    if not bool((masks != VOID).any()):
        return raw.sum() * 0.0  # a mean of nothing is not a number
    return F.cross_entropy(raw, masks, weight=class_weights, ignore_index=VOID)


def center(masks: Tensor, raw: Tensor) -> Tensor:
    """The middle of masks (n, H, W) that maps (n, K, h, w) speak of: (n, h, w)."""
    (height, width), (rows, columns) = masks.shape[-2:], raw.shape[-2:]
    top, left = (height - rows) // 2, (width - columns) // 2
    return masks[:, top : top + rows, left : left + columns]
