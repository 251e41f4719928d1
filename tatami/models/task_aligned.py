"""A detector's loss of today: which places answer for an object, and what they learn.

Places are given to objects by how well their class and their box agree already (C. Feng et al.,
"TOOD: Task-aligned One-stage Object Detection", ICCV 2021, section 3.2); the score that a place is
to reach is that agreement, so that the best box of an object is also the surest. Boxes learn by the
complete IoU (Z. Zheng et al., "Distance-IoU Loss", AAAI 2020, section 3.3).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from tatami.models.overlap import complete_iou, paired_iou
from tatami.types import Boxes, Float64, Int64

TOP = 10
"""Places, the best aligned ones, that answer for an object."""
SCORE_POWER, OVERLAP_POWER = 0.5, 6.0
"""alpha and beta of TOOD's equation 1, as its successors have them."""
BOX_WEIGHT, CLASS_WEIGHT = 7.5, 0.5
"""What the two parts count for: YOLOv8's published numbers."""


@dataclass(frozen=True)
class Truths:
    """Hold the objects of n pictures side by side, at most m of one.

    Args:
        xyxy: (n, m, 4); zeros where a picture has fewer.
        labels: (n, m) int64.
        there: (n, m) bool.
    """

    xyxy: Tensor
    labels: Tensor
    there: Tensor

    @staticmethod
    def of(boxes: Sequence[Float64], labels: Sequence[Int64], device: torch.device) -> Truths:
        """Lay the boxes (m, 4) and the labels (m,) of each of n pictures side by side."""
        pictures, most = len(boxes), max(1, *map(len, labels))
        xyxy = torch.zeros(pictures, most, 4)
        names = torch.zeros(pictures, most, dtype=torch.int64)
        there = torch.zeros(pictures, most, dtype=torch.bool)
        for picture, (corners, of_each) in enumerate(zip(boxes, labels, strict=True)):
            xyxy[picture, : len(of_each)] = torch.from_numpy(corners)
            names[picture, : len(of_each)] = torch.from_numpy(of_each)
            there[picture, : len(of_each)] = True
        return Truths(xyxy.to(device), names.to(device), there.to(device))


@dataclass(frozen=True)
class Assignment:
    """Say what each of p places learns.

    Args:
        scores: (n, p, k), what each class is to score; all 0 where a place sees nothing.
        boxes: (n, p, 4), of the object that a place answers for.
        positive: (n, p) bool, where there is one.
    """

    scores: Tensor
    boxes: Tensor
    positive: Tensor


@torch.no_grad()
def assign(scores: Tensor, boxes: Tensor, able: Tensor, truths: Truths) -> Assignment:
    """Give every object the places that suit it best; a place answers for one object at most.

    Args:
        scores: (n, p, k) in 0..1, of p places.
        boxes: (n, p, 4) xyxy, in the unit of the truths.
        able: (n, m, p) bool, which places may answer for which object.
        truths: The objects.
    """
    classes, count = scores.shape[2], scores.shape[1]
    able = able & truths.there[..., None]
    overlap = paired_iou(truths.xyxy[:, :, None], boxes[:, None])
    wanted = truths.labels[..., None].expand(-1, -1, count)  # (n, m, p)
    of_class = scores.transpose(1, 2).gather(1, wanted)
    aligned = of_class**SCORE_POWER * overlap**OVERLAP_POWER * able

    best = aligned.topk(min(TOP, count), dim=2).indices
    chosen = torch.zeros_like(able).scatter_(2, best, True) & (aligned > 0)  # (n, m, p)
    # A place that several objects want answers for the one that it overlaps best.
    owner = torch.where(chosen, overlap, -1.0).argmax(1, keepdim=True)  # (n, 1, p)
    chosen &= torch.zeros_like(chosen).scatter_(1, owner, True)
    positive, owner = chosen.any(1), owner[:, 0]

    # An object's best place is to score the best overlap of its places, the others less.
    most_aligned = (aligned * chosen).amax(2, keepdim=True)
    most_overlap = (overlap * chosen).amax(2, keepdim=True)
    reach = (aligned * chosen * most_overlap / most_aligned.clamp(min=1e-9)).amax(1)  # (n, p)
    label = truths.labels.gather(1, owner)
    wanted_scores = F.one_hot(label, classes) * (reach * positive)[..., None]
    own = truths.xyxy.gather(1, owner[..., None].expand(-1, -1, 4))
    return Assignment(wanted_scores, own, positive)


def task_aligned_loss(
    logits: Tensor, boxes: Tensor, points: Tensor, targets: Sequence[Boxes]
) -> dict[str, Tensor]:
    """Compute the parts ``boxes`` and ``classes``, whose sum is the loss.

    Args:
        logits: (n, p, k), what the sigmoid turns into scores.
        boxes: (n, p, 4) xyxy in pixels, with gradients.
        points: (p, 2) x and y in pixels, of the p places that predict.
        targets: The objects of n pictures.
    """
    boxes_of, labels_of = [one.xyxy for one in targets], [one.labels for one in targets]
    truths = Truths.of(boxes_of, labels_of, logits.device)
    corners = truths.xyxy[:, :, None]  # (n, m, 1, 4)
    inside = ((points > corners[..., :2]) & (points < corners[..., 2:])).all(-1)
    given = assign(logits.detach().sigmoid(), boxes.detach(), inside, truths)
    total = given.scores.sum().clamp(min=1.0)
    classes = F.binary_cross_entropy_with_logits(logits, given.scores, reduction="sum") / total
    weight = given.scores.sum(-1)[given.positive]
    overlap = complete_iou(boxes[given.positive], given.boxes[given.positive])
    return {
        "boxes": BOX_WEIGHT * ((1 - overlap) * weight).sum() / total,
        "classes": CLASS_WEIGHT * classes,
    }


def cell_middles(rows: int, columns: int, device: torch.device) -> Tensor:
    """Give the middles of a map's cells, in cells: (rows * columns, 2), x and y, row by row."""
    x = torch.arange(columns, device=device) + 0.5
    y = torch.arange(rows, device=device) + 0.5
    return torch.stack(torch.meshgrid(x, y, indexing="xy"), -1).reshape(-1, 2)
