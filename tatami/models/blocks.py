"""Blocks that several papers share."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn

from tatami.errors import TatamiError


class ConvNormLeaky(nn.Module):
    """Convolve without bias, normalize, apply leaky ReLU 0.1: darknet's ``convolutional``.

    (n, inputs, h, w) -> (n, outputs, ceil(h / stride), ceil(w / stride)), the kernel being odd.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)
        self.norm = nn.BatchNorm2d(outputs, eps=1e-5)
        nn.init.kaiming_normal_(self.conv.weight, a=0.1, nonlinearity="leaky_relu")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Compute the layers' result, whose shape the class states."""
        return F.leaky_relu(self.norm(self.conv(x)), 0.1, inplace=True)


def max_pool_same(x: torch.Tensor) -> torch.Tensor:
    """Pool with size 2 and stride 1, keeping (h, w): darknet pads the right and lower edges."""
    return F.max_pool2d(F.pad(x, (0, 1, 0, 1), value=float("-inf")), kernel_size=2, stride=1)


def space_to_depth(x: torch.Tensor, block: int) -> torch.Tensor:
    """Lay ``block`` x ``block`` samples side by side as channels: ONNX's operator of that name.

    (n, c, h, w) -> (n, block^2 * c, h / block, w / block): the samples of a block by row and
    column, all channels of one before those of the next.
    """
    n, c, h, w = x.shape
    apart = x.reshape(n, c, h // block, block, w // block, block)
    moved = apart.permute(0, 3, 5, 1, 2, 4)
    return moved.reshape(n, block * block * c, h // block, w // block)


def scale_channels(channels: int, width: float) -> int:
    """Multiply a layer's channels by the network's width: exactly by 1, else to a multiple of 8.

    Vector units stay full that way.

    Raises:
        TatamiError: For a width that is not in 0 to 8.
    """
    if not 0 < width <= 8:
        raise TatamiError(f"width is {width:g}", hint="give a factor as 0.5, at most 8")
    return channels if width == 1 else max(8, 8 * round(channels * width / 8))


def check_stride(images: torch.Tensor, stride: int) -> None:
    """Raise TatamiError for images (n, c, H, W) whose sides are no multiples of the stride."""
    height, width = images.shape[-2:]
    if height % stride or width % stride:
        raise TatamiError(
            f"an input of {width}x{height} does not divide by {stride}",
            hint=f"give sides that are multiples of {stride}",
        )


def check_min_side(images: torch.Tensor, min_side: int) -> None:
    """Raise TatamiError for images (n, c, H, W) of which some layer would see nothing."""
    height, width = images.shape[-2:]
    if min(height, width) < min_side:
        raise TatamiError(
            f"an input of {width}x{height} is too small for this network",
            hint=f"give one of at least {min_side}x{min_side}",
        )


def init_he(module: nn.Module) -> None:
    """Initialize every convolution after He, and every normalization so that it changes nothing.

    Source: K. He et al., "Delving Deep into Rectifiers", ICCV 2015, section 2.2, by the outputs.
    """
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")
            if part.bias is not None:
                nn.init.zeros_(part.bias)
        elif isinstance(part, nn.BatchNorm2d):
            nn.init.ones_(part.weight)
            nn.init.zeros_(part.bias)


class ConvNormRelu(nn.Module):
    """Convolve without bias, normalize, apply ReLU.

    (n, inputs, h, w) -> (n, outputs, ceil(h / stride), ceil(w / stride)), the kernel being odd.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int = 3,
        stride: int = 1,
        groups: int = 1,
        dilation: int = 1,
    ) -> None:
        super().__init__()
        padding = dilation * (kernel // 2)
        self.conv = nn.Conv2d(
            inputs, outputs, kernel, stride, padding, dilation, groups=groups, bias=False
        )
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Compute the layers' result, whose shape the class states."""
        return F.relu(self.norm(self.conv(x)), inplace=True)


def average_bins(x: torch.Tensor, rows: int, columns: int) -> torch.Tensor:
    """Compute the mean of each bin: (n, c, h, w) -> (n, c, rows, columns).

    Bin i of n covers the samples floor(i h / n) to ceil((i + 1) h / n): adaptive pooling. Where the
    bins are all alike that is a plain pool, and where each is one sample, nearest resizing.
    """
    plain = _plain_bins(x, rows, columns, F.avg_pool2d)
    return uneven_bins(x, rows, columns, F.adaptive_avg_pool2d) if plain is None else plain


def max_bins(x: torch.Tensor, rows: int, columns: int) -> torch.Tensor:
    """Compute the maximum of each bin: (n, c, h, w) -> (n, c, rows, columns), as average_bins."""
    plain = _plain_bins(x, rows, columns, F.max_pool2d)
    return uneven_bins(x, rows, columns, F.adaptive_max_pool2d) if plain is None else plain


def uneven_bins(
    x: torch.Tensor, rows: int, columns: int, pool: Callable[..., torch.Tensor]
) -> torch.Tensor:
    """Pool bins that are not all of one size: (n, c, h, w) -> (n, c, rows, columns)."""
    return pool(x, (rows, columns))


def _plain_bins(
    x: torch.Tensor, rows: int, columns: int, pool: Callable[..., torch.Tensor]
) -> torch.Tensor | None:
    """Make the bins by one plain operator; None where there is none that does."""
    height, width = x.shape[2:]
    down, across = _even_bins(height, rows), _even_bins(width, columns)
    if down is not None and across is not None:
        kernel, stride = zip(down, across, strict=True)
        return x if kernel == stride == (1, 1) else pool(x, kernel, stride)
    if rows % height == 0 and columns % width == 0:
        return F.interpolate(x, (rows, columns), mode="nearest")
    return None


def _even_bins(length: int, bins: int) -> tuple[int, int] | None:
    """(kernel, stride) of a pool whose windows are the bins; None where there is no such pool."""
    starts = [i * length // bins for i in range(bins)]
    ends = [-(-(i + 1) * length // bins) for i in range(bins)]
    kernel, stride = ends[0], max(starts[1], 1) if bins > 1 else 1
    same = all((i * stride, i * stride + kernel) == (starts[i], ends[i]) for i in range(bins))
    fits = (length - kernel) // stride + 1 == bins
    return (kernel, stride) if same and fits else None


def max_pool_with_places(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Compute the max pool of 2 x 2 and where each maximum lay, of equal ones the first.

    (n, c, h, w) -> (n, c, h / 2, w / 2), and int64 of that shape for ``max_unpool``.
    """
    return F.max_pool2d(x, 2, return_indices=True)


def max_unpool(x: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """Put samples back to their places, among zeros: (n, c, h, w) -> (n, c, 2 h, 2 w)."""
    # F.max_unpool2d has no deterministic form, which training asks for: every sample of a window
    # takes its own, or zero.
    h, w = x.shape[2:]
    own = torch.arange(4 * h * w, device=x.device).reshape(2 * h, 2 * w)
    return torch.where(_doubled(places) == own, _doubled(x), 0)


def _doubled(x: torch.Tensor) -> torch.Tensor:
    """Every sample of (n, c, h, w) twice each way: (n, c, 2 h, 2 w)."""
    n, c, h, w = x.shape
    return x[:, :, :, None, :, None].expand(n, c, h, 2, w, 2).reshape(n, c, 2 * h, 2 * w)
