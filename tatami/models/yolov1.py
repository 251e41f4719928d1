"""YOLO, detectors, and the classifier that they begin from.

J. Redmon, S. Divvala, R. Girshick and A. Farhadi, "You Only Look Once: Unified, Real-Time
Object Detection", CVPR 2016.

Three networks: the paper's of 24 convolutions (figure 3); Fast YOLO, of 9 and fewer filters
(section 2.1), as the authors published it; and the small one that they published later. The first
20 convolutions of the 24 learn as a classifier before (section 2.2), which is here, too. Behind the
convolutions, at 1/64 of the input, fully connected layers see the whole picture and say, for every
cell of a grid, B boxes and one class vector. At 448x448 for VOC (S = 7, B = 2): 20.29 G
multiply-adds and 271.7 M parameters; the fast one 2.42 G and 45.1 M; the small one 1.61 G and
27.1 M.

The grid is no property of the convolutions, for the last layer is fully connected. A side has the
paper's 7 cells from 224 pixels on, one for every 64 pixels beyond 448, and one for every 32 of a
small input: each cell has weights of its own, and learns of its own truths alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from math import sqrt

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tatami.errors import TatamiError
from tatami.models.blocks import ConvNormLeaky, average_bins, check_min_side, scale_channels
from tatami.models.classifier import Classifier
from tatami.models.detector import Detector
from tatami.models.overlap import paired_iou
from tatami.types import AnchorGrid, Boxes, Decoding, Float64, Int64, Size

CELLS = 7
"""The paper's S."""
BOXES = 2
"""The paper's B."""
COORDINATES, NOTHING = 5.0, 0.5
"""Equation 3's lambda_coord and lambda_noobj."""


class YoloV1(Detector):
    """The network: images (n, 3, H, W) of one size in, raw map (n, 5 * B + K, rows, columns) out.

    decoding: as ``plan`` gives it; the size of the input is that of its anchors.
    width: multiplies every layer's channels, the fully connected ones' too.
    norm: batch normalization, the fully connected layers aside, as the authors' later
    configuration has it. The paper has none and trains its convolutions on ImageNet first; from
    random weights 24 layers do not learn without (``norm=False`` is the paper's network).
    Raises TatamiError for a width that is not in 0 to 8 and for sides that 64 does not divide.
    """

    stride = 64

    def __init__(
        self, classes: int, decoding: Decoding, width: float = 1.0, *, norm: bool = True
    ) -> None:
        super().__init__(classes, decoding, width)
        (grid,) = decoding.grids
        (across, down), self.boxes = grid.anchors[0], len(grid.anchors)
        self.input = Size(round(across), round(down))
        if self.input.width % self.stride or self.input.height % self.stride:
            raise TatamiError(
                f"an input of {self.input} does not divide by {self.stride}",
                hint=f"give sides that are multiples of {self.stride}",
            )
        self.rows = round(self.input.height / grid.stride[1])
        self.columns = round(self.input.width / grid.stride[0])
        self.convolutions, depth = self._convolutions(width, norm)
        places = (self.input.width // self.stride) * (self.input.height // self.stride)
        self.hidden, features = self._hidden(depth * places, width)
        self.last = nn.Linear(features, (5 * self.boxes + classes) * self.rows * self.columns)
        self._init()

    def _convolutions(self, width: float, norm: bool) -> tuple[nn.Sequential, int]:
        """Figure 3 up to the fully connected layers: (n, 3, H, W) -> (n, c, H / 64, W / 64); c."""
        layers = _first_20(width, norm)
        layers.conv(1024, 3).conv(1024, 3, stride=2)
        layers.conv(1024, 3).conv(1024, 3)
        return nn.Sequential(*layers.made), layers.channels

    def _hidden(self, inputs: int, width: float) -> tuple[nn.Sequential, int]:
        """Make the fully connected layers before the last: (n, inputs) -> (n, c), c = 4096; c."""
        outputs = scale_channels(4096, width)
        layers = nn.Linear(inputs, outputs), nn.LeakyReLU(0.1), nn.Dropout(0.5)
        return nn.Sequential(*layers), outputs

    def forward(self, images: Tensor) -> Tensor:
        """(n, 3, H, W) -> (n, 5 * B + K, rows, columns).

        Raises TatamiError for images of another size than that of the decoding.
        """
        height, width = images.shape[-2:]
        if (width, height) != (self.input.width, self.input.height):
            raise TatamiError(
                f"an input of {width}x{height} for a network of {self.input}",
                hint="its fully connected layers are of one size: build it for the other",
            )
        seen = self.convolutions(images).flatten(1)  # (n, c * H/64 * W/64)
        said: Tensor = self.last(self.hidden(seen))  # (n, (5 * B + K) * rows * columns)
        return said.reshape(len(said), -1, self.rows, self.columns)

    def loss(self, raw: Tensor, targets: Sequence[Boxes]) -> dict[str, Tensor]:
        """Equation 3, summed a picture, then meaned.

        raw: (n, 5 * B + K, rows, columns).  targets: n pictures' boxes in pixels of the input.
        The cell of a truth's center is responsible for it; of several truths the first, as in the
        published code: a cell has one class vector. Of the cell's B predictors it is the one whose
        box overlaps the truth most; where none does, the one whose edges are nearest. x and y count
        in cells, w and h in inputs. The confidence is to be the overlap that the predictor reaches,
        which is a target and has no gradient. The network says the square roots of w and h, so that
        one below zero, which decoding squares, is pulled above it.

        Returns the parts ``coordinates``, ``objectness``, ``background``, ``classes``.
        """
        duty = _assign(targets, self.input, self.rows, self.columns)
        pictures, boxes = len(raw), 5 * self.boxes
        picture, row, column = (torch.from_numpy(part).to(raw.device) for part in duty.cell)
        truth = torch.from_numpy(duty.truth).to(raw)  # (m, 4): x, y in the cell, roots of w, h
        at_cell = raw[picture, :, row, column]  # (m, 5 * B + K)
        said = at_cell[:, :boxes].reshape(-1, self.boxes, 5)  # (m, B, 5)
        with torch.no_grad():
            mine, theirs = self._edges(said[..., :4]), self._edges(truth[:, None])
            overlap = paired_iou(mine, theirs)  # (m, B)
            apart = ((mine - theirs) ** 2).sum(-1)
            nearness = torch.where(overlap.amax(1, keepdim=True) > 0, overlap, -apart)
            best = nearness.argmax(1)
            each = torch.arange(len(best), device=raw.device)
            reached = overlap[each, best]

        chosen = said[each, best]  # (m, 5)
        confidence = raw[:, 4:boxes:5]  # (n, B, rows, columns)
        nothing = torch.ones_like(confidence, dtype=torch.bool)
        nothing[picture, best, row, column] = False
        labels = F.one_hot(torch.from_numpy(duty.labels), self.classes).to(raw)
        return {
            "coordinates": COORDINATES * ((chosen[:, :4] - truth) ** 2).sum() / pictures,
            "objectness": ((chosen[:, 4] - reached) ** 2).sum() / pictures,
            "background": NOTHING * (confidence[nothing] ** 2).sum() / pictures,
            "classes": ((at_cell[:, boxes:] - labels) ** 2).sum() / pictures,
        }

    @classmethod
    def plan(cls, size: Size, anchors: Sequence[tuple[float, float]]) -> Decoding:
        """Lay the grid over an input of that size; every box is measured by the whole input."""
        sides = (size.width, size.height)
        columns, rows = (max(min(CELLS, side // 32), side // cls.stride) for side in sides)
        stride = (size.width / columns, size.height / rows)
        whole = ((float(size.width), float(size.height)),) * BOXES
        return Decoding("yolov1", (AnchorGrid(whole, stride),), "linear")

    def _edges(self, said: Tensor) -> Tensor:
        """Turn boxes (..., 4), x and y in the cell, roots of w and h, into edges.

        The edges are shares of the input, from the corner of their cell.
        """
        x, y = said[..., 0] / self.columns, said[..., 1] / self.rows
        w, h = said[..., 2] ** 2 / 2, said[..., 3] ** 2 / 2
        return torch.stack((x - w, y - h, x + w, y + h), dim=-1)

    def _init(self) -> None:
        """Initialize all but the last layer after He, and boxes in the middle of their cells.

        The B boxes of a cell are of as many sizes, so that each finds truths to answer for.

        Begun smaller than He's, the fully connected layers hand so little on that what a cell
        holds is not learned. With as many and as large features a high rate overshoots: where there
        are hidden ones, 0.003 serves.
        """
        _init_leaky(self.convolutions)
        _init_leaky(self.hidden)
        nn.init.normal_(self.last.weight, std=0.01)
        with torch.no_grad():
            bias = self.last.bias.view(-1, self.rows, self.columns)
            bias.zero_()
            for box in range(self.boxes):
                bias[5 * box : 5 * box + 2] = 0.5
                bias[5 * box + 2 : 5 * box + 4] = self._initial_root(box)

    def _initial_root(self, box: int) -> float:
        """How large one of the B boxes begins: the square root of its sides, in inputs."""
        return (box + 1) / (self.boxes + 1)


class FastYoloV1(YoloV1):
    """Fast YOLO: nine convolutions, and a fully connected layer of 256 before that of 4096."""

    def _convolutions(self, width: float, norm: bool) -> tuple[nn.Sequential, int]:
        layers = _Layers(width, norm)
        for channels in (16, 32, 64, 128, 256, 512):
            layers.conv(channels, 3).pool()
        layers.conv(1024, 3).conv(1024, 3).conv(1024, 3)
        return nn.Sequential(*layers.made), layers.channels

    def _hidden(self, inputs: int, width: float) -> tuple[nn.Sequential, int]:
        first, second = scale_channels(256, width), scale_channels(4096, width)
        layers = (
            *(nn.Linear(inputs, first), nn.LeakyReLU(0.1)),
            *(nn.Linear(first, second), nn.LeakyReLU(0.1), nn.Dropout(0.5)),
        )
        return nn.Sequential(*layers), second


class TinyYoloV1(YoloV1):
    """The authors' later small network: eight convolutions, the last of 256, and one layer.

    The fully connected layer that says the boxes is right behind them. It is the one of the three
    that learns from few pictures: what a cell says is one step away from what the convolutions see
    there.

    Its last layer begins as a convolution. Begun at random, each cell has to find out by itself
    where in the picture it lies, and until then the convolutions learn nothing that serves all. Of
    the two boxes one begins small: a truth belongs to the box that meets it best, and where both
    began large, neither came to know small objects.

    With a few hundred pictures it had best stay one: freeze ``last`` (docs/decisions/0017). That is
    for inputs of 448 pixels a side or more, where each cell has a place of the map to itself; cells
    of a smaller input that share one could not be told apart.
    """

    def _convolutions(self, width: float, norm: bool) -> tuple[nn.Sequential, int]:
        layers = _Layers(width, norm)
        for channels in (16, 32, 64, 128, 256, 512):
            layers.conv(channels, 3).pool()
        layers.conv(1024, 3).conv(256, 3)
        return nn.Sequential(*layers.made), layers.channels

    def _hidden(self, inputs: int, width: float) -> tuple[nn.Sequential, int]:
        return nn.Sequential(), inputs

    def _init(self) -> None:
        """Besides, begin the last layer as a convolution.

        A cell's numbers are at first a weighted sum of the features where it lies, the same one in
        every cell, and of none elsewhere.

        Each feature begins with a mean of zero, as a leaky ReLU 0.1 of N(-0.9, 1) has it, and so
        small that its squares add up to one over the map: with larger ones the last layer
        overshoots, and with a mean it is slow (LeCun et al. 1998, "Efficient BackProp", section 5).
        """
        super()._init()
        down, across = self.input.height // self.stride, self.input.width // self.stride
        depth = self.last.in_features // (down * across)
        gain, block = 1.0, self.convolutions[-1]
        if isinstance(block, ConvNormLeaky):
            gain = 3 / sqrt(down * across)
            nn.init.constant_(block.norm.weight, gain)
            nn.init.constant_(block.norm.bias, -0.9 * gain)
        every = self.last.weight.view(-1, self.rows, self.columns, depth, down, across)
        shared = torch.randn(every.shape[0], depth) * (0.3 / (gain * sqrt(depth)))
        with torch.no_grad():
            every.zero_()
            for row, column in np.ndindex(self.rows, self.columns):
                y = (2 * row + 1) * down // (2 * self.rows)
                x = (2 * column + 1) * across // (2 * self.columns)
                every[:, row, column, :, y, x] = shared

    def _initial_root(self, box: int) -> float:
        return float(0.5 ** (self.boxes - box))  # 1/4 and 1/2


class YoloV1Classifier(Classifier):
    """What the 24 layers begin from (section 2.2): a classifier with the first 20 convolutions.

    Behind them are the mean over the picture and a fully connected layer. At 224x224 for ImageNet
    4.21 G multiply-adds and 23.4 M parameters. A training of ``yolov1`` may take the 20 from it.

    width, norm: as of ``YoloV1``.
    """

    min_side = 32

    def __init__(self, classes: int = 1000, width: float = 1.0, *, norm: bool = True) -> None:
        super().__init__()
        layers = _first_20(width, norm)
        self.convolutions = nn.Sequential(*layers.made)
        self.last = nn.Linear(layers.channels, classes)
        _init_leaky(self.convolutions)

    def forward(self, images: Tensor) -> Tensor:
        """(n, 3, H, W) -> logits (n, classes). Raises TatamiError for a side below 32."""
        check_min_side(images, self.min_side)
        seen = self.convolutions(images)  # (n, 1024, H / 32, W / 32)
        logits: Tensor = self.last(average_bins(seen, 1, 1).flatten(1))
        return logits


class _Layers:
    """Convolutions with leaky ReLU 0.1, and pools, one after the other; at first 3 channels."""

    def __init__(self, width: float, norm: bool) -> None:
        self.made: list[nn.Module] = []
        self.channels = 3
        self.norm = norm
        self.scaled = partial(scale_channels, width=width)

    def conv(self, channels: int, kernel: int, stride: int = 1) -> _Layers:
        outputs = self.scaled(channels)
        if self.norm:
            self.made.append(ConvNormLeaky(self.channels, outputs, kernel, stride))
        else:
            plain = nn.Conv2d(self.channels, outputs, kernel, stride, padding=kernel // 2)
            self.made.append(nn.Sequential(plain, nn.LeakyReLU(0.1)))
        self.channels = outputs
        return self

    def pool(self) -> _Layers:
        self.made.append(nn.MaxPool2d(2))
        return self


def _first_20(width: float, norm: bool) -> _Layers:
    """Figure 3 up to where it stops to be a classifier: (n, 3, H, W) -> (n, 1024, H/32, W/32)."""
    layers = _Layers(width, norm)
    layers.conv(64, 7, stride=2).pool()
    layers.conv(192, 3).pool()
    layers.conv(128, 1).conv(256, 3).conv(256, 1).conv(512, 3).pool()
    for _ in range(4):
        layers.conv(256, 1).conv(512, 3)
    layers.conv(512, 1).conv(1024, 3).pool()
    for _ in range(2):
        layers.conv(512, 1).conv(1024, 3)
    return layers


def _init_leaky(module: nn.Module) -> None:
    """He initialization of every convolution and fully connected layer, for what follows them."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(part.weight, a=0.1, nonlinearity="leaky_relu")
            if part.bias is not None:
                nn.init.zeros_(part.bias)


@dataclass(frozen=True)
class _Duty:
    """The m truths that a cell is responsible for."""

    cell: Int64  # (3, m): picture, row, column
    truth: Float64  # (m, 4): center in the cell, in cells; square roots of the sides, in inputs
    labels: Int64  # (m,)


def _assign(targets: Sequence[Boxes], size: Size, rows: int, columns: int) -> _Duty:
    """Give each truth its cell; of two that want the same one, the first has it."""
    sides = np.array([size.width, size.height], np.float64)
    cells = np.array([columns, rows])
    taken: dict[tuple[int, int, int], tuple[Float64, int]] = {}
    for picture, boxes in enumerate(targets):
        centers = (boxes.xyxy[:, :2] + boxes.xyxy[:, 2:]) / 2 / sides * cells
        where = np.clip(np.floor(centers), 0, cells - 1)
        roots = np.sqrt(np.maximum(boxes.xyxy[:, 2:] - boxes.xyxy[:, :2], 0) / sides)
        for index, (column, row) in enumerate(where.astype(int)):
            truth = np.concatenate((centers[index] - where[index], roots[index]))
            taken.setdefault((picture, int(row), int(column)), (truth, int(boxes.labels[index])))
    return _Duty(
        np.array(list(taken), np.int64).reshape(-1, 3).T.copy(),
        np.array([truth for truth, _ in taken.values()], np.float64).reshape(-1, 4),
        np.array([label for _, label in taken.values()], np.int64),
    )
