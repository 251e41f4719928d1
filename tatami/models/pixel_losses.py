"""What a segmenter's training lowers: cross-entropy, and what has been put in its place.

A loss takes the logits (n, K, h, w) of pictures, the classes (n, h, w) of their pixels, int64, and
the weights (K,) of the classes, or None where all weigh the same; it gives one number. A pixel
without a class (VOID) is left out. Of pixels that all lack a class the loss is 0, whose gradient is
0. Losses of areas are means over the classes that the batch shows: a class that it does not show
has no area to be found, and an overlap with nothing would be 0 however good the network is.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from tatami.errors import TatamiError
from tatami.types import VOID

Loss = Callable[[Tensor, Tensor, Tensor | None], Tensor]
"""Logits, classes and weights to a number, ()."""
EASY = 0.7
"""A pixel whose class is given this probability teaches a bootstrapped network nothing more ..."""
LEAST = 16
"""... so long as one pixel of so many is left to learn from."""
FOCUS = 2.0
"""The exponent gamma of the focal loss, which did best in its paper."""
EXCESS, LACK = 0.3, 0.7
"""What of Tversky's index a pixel too many costs and a pixel too few: alpha and beta."""


def cross_entropy(raw: Tensor, masks: Tensor, class_weights: Tensor | None = None) -> Tensor:
    """Compute the weighted mean of -log softmax at the class of each pixel."""
    if not bool((masks != VOID).any()):
        return raw.sum() * 0.0  # a mean of nothing is not a number
    return F.cross_entropy(raw, masks, weight=class_weights, ignore_index=VOID)


def bootstrapped(raw: Tensor, masks: Tensor, class_weights: Tensor | None = None) -> Tensor:
    """Compute the cross-entropy of the hard pixels: those whose class has a low probability.

    Source:
        Wu, Shen and van den Hengel 2016, "High-performance semantic segmentation using very deep
        fully convolutional networks", online bootstrapping.
    """
    surprise, weights = _pixels(raw, masks, class_weights)
    if not len(surprise):
        return surprise.sum()
    probability = torch.exp(-surprise.detach())
    least = max(1, len(surprise) // LEAST)
    limit = probability.kthvalue(least).values.clamp(min=EASY)
    return _mean(surprise, weights * (probability <= limit))


def focal(raw: Tensor, masks: Tensor, class_weights: Tensor | None = None) -> Tensor:
    """Compute the mean of -(1 - p)^2 log p, p being the probability of each pixel's class.

    Source:
        Lin, Goyal, Girshick, He and Dollár 2017, "Focal loss for dense object detection",
        equations 4 and 5; the weights of the classes are its alpha.
    """
    surprise, weights = _pixels(raw, masks, class_weights)
    return _mean((1 - torch.exp(-surprise)) ** FOCUS * surprise, weights)


def dice(raw: Tensor, masks: Tensor, class_weights: Tensor | None = None) -> Tensor:
    """Compute 1 - 2 sum(p g) / (sum(p^2) + sum(g^2)), a mean over the classes.

    p is the probability of the class at a pixel, and g is 1 where the pixel is of the class.

    Source:
        Milletari, Navab and Ahmadi 2016, "V-Net", section 3.
    """
    probability, truth, weights = _areas(raw, masks, class_weights)
    overlap = (probability * truth).sum(1)
    both = (probability**2).sum(1) + truth.sum(1)
    return _mean(1 - 2 * overlap / both, weights)


def tversky(raw: Tensor, masks: Tensor, class_weights: Tensor | None = None) -> Tensor:
    """Compute 1 - TP / (TP + 0.3 FP + 0.7 FN), a mean over the classes: missing costs more.

    TP is the sum of the probabilities of a class over its pixels, FP the same over other pixels,
    and FN what TP lacks.

    Source:
        Salehi, Erdogmus and Gholipour 2017, "Tversky loss function for image segmentation using 3D
        fully convolutional deep networks", equation 3.
    """
    probability, truth, weights = _areas(raw, masks, class_weights)
    found = (probability * truth).sum(1)
    excess = (probability * (1 - truth)).sum(1)
    lack = ((1 - probability) * truth).sum(1)
    return _mean(1 - found / (found + EXCESS * excess + LACK * lack), weights)


def lovasz(raw: Tensor, masks: Tensor, class_weights: Tensor | None = None) -> Tensor:
    """Compute the Lovász extension of 1 - IoU at the errors of the probabilities, class by class.

    The error of a pixel is 1 - p where it is of the class, and p elsewhere. Where every probability
    is 0 or 1, the loss is 1 - IoU of those answers; between, it is the convex surface through them.

    Source:
        Berman, Rannen Triki and Blaschko 2018, "The Lovász-softmax loss", equations 8 to 11 and
        algorithm 1.
    """
    probability, truth, weights = _areas(raw, masks, class_weights)
    errors, order = (truth - probability).abs().sort(dim=1, descending=True)
    own = truth.gather(1, order)
    size = own.sum(1, keepdim=True)
    # 1 - IoU if the pixels so far were wrong: what is still found, over the class and the rest
    jaccard = 1 - (size - own.cumsum(1)) / (size + (1 - own).cumsum(1))
    steps = torch.cat((jaccard[:, :1], jaccard.diff(dim=1)), dim=1)
    return _mean((errors * steps).sum(1), weights)


CROSS_ENTROPY = "cross-entropy"
LOSSES: dict[str, Loss] = {
    CROSS_ENTROPY: cross_entropy,
    "bootstrapped": bootstrapped,
    "focal": focal,
    "dice": dice,
    "tversky": tversky,
    "lovasz": lovasz,
}
"""The losses by the names that settings have for them."""


def loss_named(name: str) -> Loss:
    """Give the loss of a name.

    Raises:
        TatamiError: For a name that none has.
    """
    if name not in LOSSES:
        raise TatamiError(
            f"there is no loss '{name}'", hint=f"known: {', '.join(LOSSES)}", setting="loss"
        )
    return LOSSES[name]


def _pixels(raw: Tensor, masks: Tensor, class_weights: Tensor | None) -> tuple[Tensor, Tensor]:
    """Give -log p of the class of each pixel that has one, and what the pixel weighs: (pixels,)."""
    log, labels = _stated(raw, masks)
    surprise = -log.gather(0, labels[None])[0]
    return surprise, _weights(raw, class_weights).to(surprise)[labels]


def _areas(
    raw: Tensor, masks: Tensor, class_weights: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Give what losses of areas are made of, of the classes that the masks show.

    Returns:
        The probability of each such class at the pixels that have one, (shown, pixels); the truth,
        1 or 0, likewise; and what the classes weigh, (shown,).
    """
    log, labels = _stated(raw, masks)
    shown = labels.bincount(minlength=raw.shape[1]).nonzero()[:, 0]
    probability = log.exp()[shown]
    truth = (labels == shown[:, None]).to(probability)
    return probability, truth, _weights(raw, class_weights).to(probability)[shown]


def _stated(raw: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
    """Give log softmax (K, pixels) and the classes (pixels,) of the pixels that have one."""
    known = masks != VOID
    return raw.transpose(0, 1)[:, known].log_softmax(0), masks[known]


def _weights(raw: Tensor, class_weights: Tensor | None) -> Tensor:
    """Give the weights of the classes, (K,): ones where none are given."""
    return raw.new_ones(raw.shape[1]) if class_weights is None else class_weights


def _mean(losses: Tensor, weights: Tensor) -> Tensor:
    """Average losses (n,) by their weights (n,); 0 where there is nothing to average."""
    return (weights * losses).sum() / weights.sum().clamp(min=1e-12)
