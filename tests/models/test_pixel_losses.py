"""The losses of a segmenter against their definitions, pixel by pixel, and finite differences."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor

from tatami.errors import TatamiError
from tatami.evaluate.segmentation import Tally
from tatami.models.pixel_losses import EASY, LEAST, LOSSES, loss_named
from tatami.types import VOID

pytestmark = pytest.mark.usefixtures("one_thread")
WEIGHTS = torch.tensor([0.5, 2.0, 1.0, 3.0], dtype=torch.float64)


def batch() -> tuple[Tensor, Tensor]:
    """Logits of two pictures and four classes, the third of which is never labeled; some void."""
    rng = np.random.default_rng(4)
    masks = rng.choice([0, 1, 3, VOID], (2, 5, 6), p=[0.5, 0.2, 0.1, 0.2])
    return torch.from_numpy(rng.normal(0, 1.5, (2, 4, 5, 6))), torch.from_numpy(masks)


def pixels(raw: Tensor, masks: Tensor) -> Iterator[tuple[list[float], int]]:
    """The probabilities and the class of each pixel that has one."""
    for one, mask in zip(raw.tolist(), masks.tolist(), strict=True):
        for y, row in enumerate(mask):
            for x, label in enumerate(row):
                if label != VOID:
                    powers = [math.exp(plane[y][x]) for plane in one]
                    yield [power / sum(powers) for power in powers], label


def jaccard_loss(wrong: set[int], own: set[int]) -> float:
    """1 - IoU of a class, its pixels being ``own``, where the pixels ``wrong`` are wrong."""
    found = own ^ wrong
    return 1 - len(found & own) / len(found | own)


def by_hand(name: str, raw: Tensor, masks: Tensor, weights: list[float]) -> float:
    """A loss as its paper defines it, in loops."""
    known = list(pixels(raw, masks))
    if name in ("cross-entropy", "bootstrapped", "focal"):
        chosen = sorted((p[label], weights[label]) for p, label in known)
        if name == "bootstrapped":
            least = max(1, len(known) // LEAST)
            chosen = [(p, w) for at, (p, w) in enumerate(chosen) if at < least or p <= EASY]
        power = 2 if name == "focal" else 0
        total = sum(-w * (1 - p) ** power * math.log(p) for p, w in chosen)
        return total / sum(w for _, w in chosen)
    losses = {}
    for label in {label for _, label in known}:
        p = [each[label] for each, _ in known]
        own = {at for at, (_, of) in enumerate(known) if of == label}
        overlap = sum(p[at] for at in own)
        if name == "dice":
            losses[label] = 1 - 2 * overlap / (sum(each**2 for each in p) + len(own))
        elif name == "tversky":
            excess, lack = sum(p) - overlap, len(own) - overlap
            losses[label] = 1 - overlap / (overlap + 0.3 * excess + 0.7 * lack)
        else:  # the Lovász extension: steps of the set function, by falling errors
            errors = [1 - each if at in own else each for at, each in enumerate(p)]
            order = sorted(range(len(p)), key=lambda at: -errors[at])
            losses[label] = sum(
                errors[at]
                * (jaccard_loss({*order[: n + 1]}, own) - jaccard_loss({*order[:n]}, own))
                for n, at in enumerate(order)
            )
    return sum(weights[k] * loss for k, loss in losses.items()) / sum(weights[k] for k in losses)


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["alike", "weighted"])
@pytest.mark.parametrize("name", LOSSES)
def test_each_is_what_its_paper_says(name: str, weights: Tensor | None) -> None:
    raw, masks = batch()
    found = float(LOSSES[name](raw, masks, weights))
    each = [1.0] * 4 if weights is None else weights.tolist()
    assert found == pytest.approx(by_hand(name, raw, masks, each), rel=1e-12)
    sure = 9 * raw  # most pixels are easy, and a bootstrapped network keeps its least
    found = float(LOSSES[name](sure, masks, weights))
    assert found == pytest.approx(by_hand(name, sure, masks, each), rel=1e-9)


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_are_finite_differences(name: str) -> None:
    raw, masks = batch()
    raw.requires_grad_(True)
    assert torch.autograd.gradcheck(
        lambda logits: LOSSES[name](logits, masks, WEIGHTS), (raw,), eps=1e-6, atol=1e-7
    )


@pytest.mark.parametrize("name", LOSSES)
def test_void_and_classes_not_shown(name: str) -> None:
    """What void pixels say is of no matter; of nothing but void nothing is learned."""
    raw, masks = (one.clone() for one in batch())
    before = LOSSES[name](raw, masks, WEIGHTS)
    raw.transpose(0, 1)[:, masks == VOID] = 50.0 * torch.arange(4.0, dtype=torch.float64)[:, None]
    raw.requires_grad_(True)
    loss = LOSSES[name](raw, masks, WEIGHTS)
    assert loss.item() == before.item()
    (gradient,) = torch.autograd.grad(loss, raw)
    assert not gradient.transpose(0, 1)[:, masks == VOID].any()
    assert gradient.transpose(0, 1)[2, masks != VOID].abs().max() > 0  # the class not shown falls
    loss = LOSSES[name](raw, torch.full_like(masks, VOID), WEIGHTS)
    (gradient,) = torch.autograd.grad(loss, raw)
    assert loss.item() == 0
    assert not gradient.any()
    never = raw.detach().float() - torch.tensor([0.0, 0.0, 500.0, 0.0])[:, None, None]
    never.requires_grad_(True)  # a probability of exactly 0
    (gradient,) = torch.autograd.grad(LOSSES[name](never, masks, WEIGHTS.float()), never)
    assert gradient.isfinite().all()


def test_lovasz_of_answers_that_are_certain_is_one_minus_the_mean_iou() -> None:
    raw, masks = batch()
    answers = raw.argmax(1)
    answers[answers == 2] = 1  # IoU's mean counts a class that is answered, the loss one labeled
    sure = 1000.0 * torch.nn.functional.one_hot(answers, 4).movedim(-1, 1).double()
    tally = Tally("abcd")
    for mask, answer in zip(masks.numpy(), answers.numpy(), strict=True):
        tally.add(mask.astype(np.uint8), answer.astype(np.uint8))
    assert float(LOSSES["lovasz"](sure, masks, None)) == pytest.approx(1 - tally.result().mean_iou)


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(TatamiError, match="there is no loss 'hinge'") as refused:
        loss_named("hinge")
    assert (refused.value.setting, "lovasz" in refused.value.hint) == ("loss", True)
