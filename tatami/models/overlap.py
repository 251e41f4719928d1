"""How much boxes overlap, in torch: for losses, whose targets it is."""

from __future__ import annotations

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
