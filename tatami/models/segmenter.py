"""What every segmenter offers, and the loss that they share."""

from __future__ import annotations

from abc import abstractmethod

import torch.nn.functional as F
from torch import Tensor, nn

from tatami.types import VOID


class Segmenter(nn.Module):
    """Turn images (n, 3, H, W) into logits (n, classes, H, W). Abstract.

    A network of convolutions without padding gives the center of its input alone: (n, classes, h,
    w).

    Attributes:
        stride: An input's sides are multiples of it.
        class_weights: What a pixel of each class weighs in the loss, a number a class; empty where
            all weigh the same. Whoever trains sets it.
    """

    stride: int
    class_weights: tuple[float, ...] = ()

    @abstractmethod
    def forward(self, images: Tensor) -> Tensor:
        """Compute the logits (n, classes, H, W) of images (n, 3, H, W).

        Raises:
            TatamiError: For sides that the network cannot take.
        """

    def loss(self, raw: Tensor, masks: Tensor) -> dict[str, Tensor]:
        """Compute the parts whose sum is lowered: the cross-entropy of the pixels, under "pixels".

        It is a mean over all pixels that have a class, weighted by ``class_weights``.

        Args:
            raw: The logits (n, K, h, w) that ``forward`` gave.
            masks: The classes (n, H, W), int64, VOID where there is none; the center of a mask that
                is larger than the logits.
        """
        return {"pixels": cross_entropy(raw, center(masks, raw), self._weights(raw))}

    def _weights(self, raw: Tensor) -> Tensor | None:
        """Give the weights of the classes (K,), where they differ, beside logits."""
        return raw.new_tensor(self.class_weights) if self.class_weights else None


def cross_entropy(raw: Tensor, masks: Tensor, class_weights: Tensor | None = None) -> Tensor:
    """Compute the weighted mean of -log softmax at the class of each pixel; 0 where none has one.

    Args:
        raw: Logits (n, K, h, w).
        masks: Classes (n, h, w), int64, VOID where there is none.
        class_weights: What a pixel of each class weighs, (K,); None where all weigh the same.
    """
    if not bool((masks != VOID).any()):
        return raw.sum() * 0.0  # a mean of nothing is not a number
    return F.cross_entropy(raw, masks, weight=class_weights, ignore_index=VOID)


def center(masks: Tensor, raw: Tensor) -> Tensor:
    """Cut the middle out of masks (n, H, W), of the rows and columns of logits (n, K, h, w)."""
    (height, width), (rows, columns) = masks.shape[-2:], raw.shape[-2:]
    top, left = (height - rows) // 2, (width - columns) // 2
    return masks[:, top : top + rows, left : left + columns]
