"""Blocks that several papers share."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


class ConvNormLeaky(nn.Module):
    """Convolution without bias, batch normalization, leaky ReLU 0.1: darknet's ``convolutional``.

    (n, inputs, h, w) -> (n, outputs, h, w): the padding keeps the size (kernel is odd).
    """

    def __init__(self, inputs: int, outputs: int, kernel: int = 3) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
        self.norm = nn.BatchNorm2d(outputs, eps=1e-5)
        nn.init.kaiming_normal_(self.conv.weight, a=0.1, nonlinearity="leaky_relu")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.leaky_relu(self.norm(self.conv(x)), 0.1, inplace=True)


def max_pool_same(x: torch.Tensor) -> torch.Tensor:
    """The size-2, stride-1 max pool that keeps (h, w): darknet pads the right and lower edges."""
    return F.max_pool2d(F.pad(x, (0, 1, 0, 1), value=float("-inf")), kernel_size=2, stride=1)
