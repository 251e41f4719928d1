"""U-Net, a segmenter.

O. Ronneberger, P. Fischer and T. Brox, "U-Net: Convolutional Networks for Biomedical
Image Segmentation", MICCAI 2015.

A contracting path, an expansive one, and at every level the map of the first copied and cropped
into the second (figure 1). Convolutions see no padding, so a tile of 572x572 gives the classes of
its inner 388x388. 31.0 M parameters.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tatami.errors import TatamiError
from tatami.models.blocks import check_stride, init_he, scale_channels
from tatami.models.pixel_losses import CROSS_ENTROPY
from tatami.models.segmenter import Segmenter, center
from tatami.types import VOID

CHANNELS = (64, 128, 256, 512, 1024)
"""Of the levels, downwards."""


class UNet(Segmenter):
    """The network: images (n, 3, H, W) -> the inner (n, classes, H - 184, W - 184).

    H and W are 12 more than a multiple of 16, and at least 188, for at each of the four pools the
    sides must be even.
    same: convolutions padded by zeros: logits of all pixels, H and W being multiples of 16.
    norm: batch normalization after every 3x3 convolution, which the paper had not yet.
    border: w0 of the loss (equation 2), by which pixels between near cells weigh more; the paper
    takes 10.  width: multiplies every layer's channels.
    """

    stride = 4

    def __init__(
        self,
        classes: int = 2,
        width: float = 1.0,
        same: bool = False,
        norm: bool = False,
        border: float = 0.0,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.same = same
        self.border = border
        if same:
            self.stride = 16
        levels = [scale_channels(number, width) for number in CHANNELS]
        self.down = nn.ModuleList(
            _twice(inputs, outputs, same, norm)
            for inputs, outputs in zip((3, *levels), levels, strict=False)
        )
        self.upward = nn.ModuleList(
            nn.ConvTranspose2d(levels[level + 1], levels[level], kernel_size=2, stride=2)
            for level in reversed(range(4))
        )
        self.up = nn.ModuleList(
            _twice(2 * levels[level], levels[level], same, norm) for level in reversed(range(4))
        )
        self.dropout = nn.Dropout(dropout)
        self.scores = nn.Conv2d(levels[0], classes, kernel_size=1)
        init_he(self)

    def forward(self, images: Tensor) -> Tensor:
        """(n, 3, H, W) -> logits (n, classes, h, w), of the middle where ``same`` is not set.

        Raises TatamiError for other sides.
        """
        self._check(images)
        x, copies = images, []
        for level, layers in enumerate(self.down):
            x = layers(x if level == 0 else F.max_pool2d(x, 2))
            if level >= 3:
                x = self.dropout(x)  # section 3.1: at the end of the contracting path
            copies.append(x)
        for level, upward, layers in zip(range(3, -1, -1), self.upward, self.up, strict=True):
            x = upward(x)
            x = layers(torch.cat((cropped(copies[level], x), x), dim=1))
        logits: Tensor = self.scores(x)
        return logits

    def _check(self, images: Tensor) -> None:
        if self.same:
            check_stride(images, self.stride)
            return
        height, width = images.shape[-2:]
        if height % 16 != 12 or width % 16 != 12 or min(height, width) < 188:
            raise TatamiError(
                f"a tile of {width}x{height} has odd sides at some pool",
                hint="give sides from 188 on that are 12 more than a multiple of 16, as 572",
            )

    def loss(self, raw: Tensor, masks: Tensor) -> dict[str, Tensor]:
        """Compute the cross-entropy, in which the pixels between near cells weigh more.

        It is ``Segmenter.loss`` where ``border`` is 0, or another loss than the cross-entropy is
        asked for. Otherwise it is a mean by the weights of the classes alone, so that what a border
        adds does not take from the rest.

        Args:
            raw: The logits (n, K, h, w) that ``forward`` gave.
            masks: The classes (n, H, W), int64, VOID where there is none.

        Source: Section 3, equations 1 and 2.
        """
        if not self.border or self.criterion != CROSS_ENTROPY:
            return super().loss(raw, masks)
        labels = center(masks, raw)
        extra = center(border_weights(masks, self.border), raw)
        known = labels != VOID
        chosen = labels * known
        of_classes = self._weights(raw)
        ones = torch.ones_like(raw[0, :, 0, 0])
        weights = (ones if of_classes is None else of_classes)[chosen] * known
        surprise = F.cross_entropy(raw, chosen, reduction="none")
        total = ((weights + extra * known) * surprise).sum()
        return {"pixels": total / weights.sum().clamp(min=1e-12)}


def _twice(inputs: int, outputs: int, same: bool, norm: bool) -> nn.Sequential:
    """Two 3x3 convolutions, each with its ReLU: without padding each takes 2 off the sides."""
    layers: list[nn.Module] = []
    for channels in (inputs, outputs):
        layers.append(nn.Conv2d(channels, outputs, kernel_size=3, padding=int(same)))
        if norm:
            layers.append(nn.BatchNorm2d(outputs))
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)


def cropped(x: Tensor, other: Tensor) -> Tensor:
    """Cut the middle out of a map (n, c, h, w), of the other's rows and columns."""
    height, width = other.shape[-2:]
    top, left = (x.shape[-2] - height) // 2, (x.shape[-1] - width) // 2
    return x[:, :, top : top + height, left : left + width] if top or left else x


# Equation 2 --------------------------------------------------------------------------------------


def border_weights(masks: Tensor, w0: float = 10.0, sigma: float = 5.0) -> Tensor:
    """w0 exp(-(d1 + d2)^2 / (2 sigma^2)) of every pixel: float32 (n, H, W), as masks.

    masks: (n, H, W) whole numbers. A cell is a connected part, by the four neighbors, of one class
    that is neither 0, what lies between cells, nor VOID.  d1, d2: how far the nearest cell is and
    the nearest but one, in pixels from center to center, 0 inside. Without a second cell the weight
    is 0, and so it is where that is 6 sigma away or more: there it would be below 2e-8 w0.
    """
    reach = math.ceil(6 * sigma)
    far = float(2 * reach * reach)
    cells = numbered_cells(masks)
    nothing = torch.zeros_like(cells)
    none = torch.full(cells.shape, far, dtype=torch.float32, device=masks.device)
    # The nearest two cells in the column of each pixel; then, among those of the columns around,
    # the nearest two: a third of a column can be neither, for two of it are nearer everywhere.
    own = torch.where(cells > 0, 0.0, none)
    near = _Nearest(cells, own, nothing, none.clone())
    for step in range(1, reach + 1):
        for turn in (step, -step):
            near.meet(_moved(cells, turn, 1), _moved(own, turn, 1, far) + step * step)
    column = near.copy()
    for step in range(1, reach + 1):
        for turn in (step, -step):
            for which, squared in ((column.first, column.d1), (column.second, column.d2)):
                near.meet(_moved(which, turn, 2), _moved(squared, turn, 2, far) + step * step)
    apart = near.d1.sqrt() + near.d2.sqrt()
    weights = w0 * torch.exp(-(apart**2) / (2 * sigma**2))
    return torch.where(near.d2 < reach * reach, weights, torch.zeros_like(weights))


class _Nearest:
    """The nearest two cells known so far of every pixel.

    Their numbers, 0 for none, and squared distances; (n, H, W) each.
    """

    def __init__(self, first: Tensor, d1: Tensor, second: Tensor, d2: Tensor) -> None:
        self.first, self.d1, self.second, self.d2 = first, d1, second, d2

    def copy(self) -> _Nearest:
        return _Nearest(self.first, self.d1, self.second, self.d2)

    def meet(self, cells: Tensor, squared: Tensor) -> None:
        """One more cell for each pixel."""
        nearest = squared < self.d1
        replaces = nearest & (cells != self.first)  # what was first is second now
        nearer = (squared < self.d2) & (cells != self.first) & ~nearest
        self.second = torch.where(replaces, self.first, torch.where(nearer, cells, self.second))
        self.d2 = torch.where(replaces, self.d1, torch.where(nearer, squared, self.d2))
        self.first = torch.where(nearest, cells, self.first)
        self.d1 = torch.where(nearest, squared, self.d1)


def _moved(x: Tensor, by: int, axis: int, fill: float = 0) -> Tensor:
    """Give what lies ``by`` samples further along an axis, ``fill`` beyond the end."""
    length = x.shape[axis]
    moved = torch.full_like(x, fill)
    if abs(by) < length:
        kept = length - abs(by)
        moved.narrow(axis, max(0, -by), kept).copy_(x.narrow(axis, max(0, by), kept))
    return moved


def numbered_cells(masks: Tensor) -> Tensor:
    """Count each pixel's cell in masks (n, H, W), from 1 on, 0 where there is none.

    Roots meet by pairs and paths are halved (Y. Shiloach and U. Vishkin, "An O(log n) Parallel
    Connectivity Algorithm", J. Algorithms 3, 1982): some ten rounds for any shape.
    """
    inside = (masks != 0) & (masks != VOID)
    places = torch.arange(masks.numel(), device=masks.device).reshape(masks.shape)
    pairs = []
    for axis in (1, 2):
        count = masks.shape[axis] - 1
        one, other = (masks.narrow(axis, start, count) for start in (0, 1))
        joined = (one == other) & inside.narrow(axis, 0, count)
        pairs.append([places.narrow(axis, start, count)[joined] for start in (0, 1)])
    first, second = (torch.cat([pair[end] for pair in pairs]) for end in (0, 1))
    root = places.flatten().clone()
    while True:
        a, b = root[first], root[second]
        if torch.equal(a, b):
            break
        root.scatter_reduce_(0, torch.maximum(a, b), torch.minimum(a, b), "amin")
        while not torch.equal(root, root[root]):
            root = root[root]
    return torch.where(inside, root.reshape(masks.shape) + 1, torch.zeros_like(places))
