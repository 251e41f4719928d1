"""How much boxes overlap, in torch: for losses, whose targets it is."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def paired_iou(a: Tensor, b: Tensor) -> Tensor:
    """IoU of boxes xyxy (..., 4), broadcast against each other."""
    left_top = torch.maximum(a[..., :2], b[..., :2])
    right_bottom = torch.minimum(a[..., 2:], b[..., 2:])
    shared = (right_bottom - left_top).clamp(min=0).prod(-1)
    area_a = (a[..., 2:] - a[..., :2]).prod(-1)
    area_b = (b[..., 2:] - b[..., :2]).prod(-1)
    return shared / (area_a + area_b - shared).clamp(min=1e-9)


def complete_iou(a: Tensor, b: Tensor) -> Tensor:
    """CIoU of boxes xyxy (n, 4), pair by pair: below 0 where they lie apart.

    Source: Zheng et al. 2020, "Distance-IoU Loss", equations 10 and 11.
    """
    sides_a, sides_b = a[:, 2:] - a[:, :2], b[:, 2:] - b[:, :2]
    hull = torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])
    apart = (a[:, :2] + a[:, 2:] - b[:, :2] - b[:, 2:]) / 2
    away = (apart**2).sum(1) / (hull**2).sum(1).clamp(min=1e-9)
    angle_a, angle_b = (
        torch.atan(sides[:, 0] / sides[:, 1].clamp(min=1e-6)) for sides in (sides_a, sides_b)
    )
    overlap = paired_iou(a, b)
    shape = (4 / math.pi**2) * (angle_a - angle_b) ** 2
    with torch.no_grad():  # the paper takes the trade-off for a constant
        trade = shape / (1 - overlap + shape).clamp(min=1e-9)
    return overlap - away - trade * shape
