"""What every segmenter offers, and how its loss is made."""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor, nn

from tatami.models.pixel_losses import CROSS_ENTROPY, loss_named


class Segmenter(nn.Module):
    """Turn images (n, 3, H, W) into logits (n, classes, H, W). Abstract.

    A network of convolutions without padding gives the center of its input alone: (n, classes, h,
    w).

    Attributes:
        stride: An input's sides are multiples of it.
        class_weights: What a pixel of each class weighs in the loss, a number a class; empty where
            all weigh the same. Whoever trains sets it.
        criterion: The name of its loss in ``pixel_losses``. Whoever trains sets it.
    """

    stride: int
    class_weights: tuple[float, ...] = ()
    criterion: str = CROSS_ENTROPY

    @abstractmethod
    def forward(self, images: Tensor) -> Tensor:
        """Compute the logits (n, classes, H, W) of images (n, 3, H, W).

        Raises:
            TatamiError: For sides that the network cannot take.
        """

    def loss(self, raw: Tensor, masks: Tensor) -> dict[str, Tensor]:
        """Compute the parts whose sum is lowered: the loss named ``criterion``, under "pixels".

        Usually it is the cross-entropy of the pixels that have a class. It is weighted by
        ``class_weights``.

        Args:
            raw: The logits (n, K, h, w) that ``forward`` gave.
            masks: The classes (n, H, W), int64, VOID where there is none; the center of a mask that
                is larger than the logits.
        """
        loss = loss_named(self.criterion)
        return {"pixels": loss(raw, center(masks, raw), self._weights(raw))}

    def _weights(self, raw: Tensor) -> Tensor | None:
        """Give the weights of the classes (K,), where they differ, beside logits."""
        return raw.new_tensor(self.class_weights) if self.class_weights else None


def center(masks: Tensor, raw: Tensor) -> Tensor:
    """Cut the middle out of masks (n, H, W), of the rows and columns of logits (n, K, h, w)."""
    (height, width), (rows, columns) = masks.shape[-2:], raw.shape[-2:]
    top, left = (height - rows) // 2, (width - columns) // 2
    return masks[:, top : top + rows, left : left + columns]
