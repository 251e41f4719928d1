"""GoogLeNet: C. Szegedy et al., "Going Deeper with Convolutions", CVPR 2015, Table 1 and section 5.

Layers, names and shapes are those of torchvision's ``googlenet``, so that its weights load: it has
batch normalization after every convolution in place of local response normalization, and 3x3
convolutions where the paper has 5x5 ones. 6.6 M parameters (13.0 M with the two auxiliary
classifiers) and 1.5 G multiply-adds at 224x224.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tatami.models.blocks import average_bins, check_min_side, init_he, scale_channels
from tatami.models.classifier import Classifier, cross_entropy

AUXILIARY_WEIGHT = 0.3
"""Of each auxiliary loss (section 5)."""


class GoogLeNet(Classifier):
    """The network: images (n, 3, H, W).

    auxiliary: with the two classifiers that send gradients into the middle; they take part in
    training only. transform_input: the images are normalized by the means and deviations of
    ImageNet, and the weights want them by 0.5 and 0.5, as the published ones do.
    width: multiplies every layer's channels.
    """

    min_side = 32

    def __init__(
        self,
        classes: int = 1000,
        width: float = 1.0,
        auxiliary: bool = True,
        transform_input: bool = False,
        dropout: float = 0.2,
        auxiliary_dropout: float = 0.7,
    ) -> None:
        super().__init__()

        def inception(inputs: int, *channels: int) -> Inception:
            return Inception(inputs, *(scale_channels(number, width) for number in channels))

        stem = scale_channels(64, width)
        self.transform_input = transform_input
        self.conv1 = BasicConv2d(3, stem, kernel=7, stride=2)
        self.maxpool1 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.conv2 = BasicConv2d(stem, stem, kernel=1)
        self.conv3 = BasicConv2d(stem, scale_channels(192, width), kernel=3)
        self.maxpool2 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        # Inputs, then the 1x1 branch, the 3x3 one and what reduces it, the "5x5" one, the pool's.
        self.inception3a = inception(scale_channels(192, width), 64, 96, 128, 16, 32, 32)
        self.inception3b = inception(self.inception3a.outputs, 128, 128, 192, 32, 96, 64)
        self.maxpool3 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.inception4a = inception(self.inception3b.outputs, 192, 96, 208, 16, 48, 64)
        self.inception4b = inception(self.inception4a.outputs, 160, 112, 224, 24, 64, 64)
        self.inception4c = inception(self.inception4b.outputs, 128, 128, 256, 24, 64, 64)
        self.inception4d = inception(self.inception4c.outputs, 112, 144, 288, 32, 64, 64)
        self.inception4e = inception(self.inception4d.outputs, 256, 160, 320, 32, 128, 128)
        self.maxpool4 = nn.MaxPool2d(2, stride=2, ceil_mode=True)
        self.inception5a = inception(self.inception4e.outputs, 256, 160, 320, 32, 128, 128)
        self.inception5b = inception(self.inception5a.outputs, 384, 192, 384, 48, 128, 128)
        self.aux1: Auxiliary | None = None
        self.aux2: Auxiliary | None = None
        if auxiliary:
            sizes = scale_channels(128, width), scale_channels(1024, width)
            self.aux1 = Auxiliary(self.inception4a.outputs, *sizes, classes, auxiliary_dropout)
            self.aux2 = Auxiliary(self.inception4d.outputs, *sizes, classes, auxiliary_dropout)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(self.inception5b.outputs, classes)
        self._auxiliary_logits: tuple[Tensor, Tensor] | None = None
        init_he(self)

    def forward(self, images: Tensor) -> Tensor:
        """(n, 3, H, W) -> logits (n, classes).

        In training the auxiliary logits of these images are laid aside for ``loss``.
        """
        check_min_side(images, self.min_side)
        x = self._transformed(images) if self.transform_input else images
        x = self.maxpool1(self.conv1(x))  # (n, 64, H/4, W/4)
        x = self.maxpool2(self.conv3(self.conv2(x)))  # (n, 192, H/8, W/8)
        x = self.inception3b(self.inception3a(x))  # (n, 480, H/8, W/8)
        fourth = self.inception4a(self.maxpool3(x))  # (n, 512, H/16, W/16)
        seventh = self.inception4d(self.inception4c(self.inception4b(fourth)))  # (n, 528, ...)
        x = self.maxpool4(self.inception4e(seventh))  # (n, 832, H/32, W/32)
        x = self.inception5b(self.inception5a(x))  # (n, 1024, H/32, W/32)
        if self.training and self.aux1 is not None and self.aux2 is not None:
            self._auxiliary_logits = self.aux1(fourth), self.aux2(seventh)
        logits: Tensor = self.fc(self.dropout(average_bins(x, 1, 1).flatten(1)))
        return logits

    def loss(self, raw: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Compute the cross-entropy, and in training 0.3 times that of each auxiliary classifier.

        The auxiliary logits are those of the last forward, and are used once.

        Args:
            raw: The logits (n, classes) that ``forward`` gave.
            labels: The classes (n,), int64.
        """
        parts = super().loss(raw, labels)
        if self.training and self._auxiliary_logits is not None:
            first, second = self._auxiliary_logits
            self._auxiliary_logits = None
            for name, logits in (("auxiliary 1", first), ("auxiliary 2", second)):
                entropy = cross_entropy(logits, labels, self.label_smoothing)
                parts[name] = AUXILIARY_WEIGHT * entropy
        return parts

    def _transformed(self, images: Tensor) -> Tensor:
        """(x deviation + mean - 0.5) / 0.5, of ImageNet's deviations and means."""
        scale = [0.229 / 0.5, 0.224 / 0.5, 0.225 / 0.5]
        shift = [(0.485 - 0.5) / 0.5, (0.456 - 0.5) / 0.5, (0.406 - 0.5) / 0.5]
        return images * images.new_tensor(scale).view(1, 3, 1, 1) + images.new_tensor(shift).view(
            1, 3, 1, 1
        )


class Inception(nn.Module):
    """Four branches side by side (figure 2b): 1x1; 3x3; 3x3 again, the paper's 5x5; a pool.

    (n, inputs, h, w) -> (n, outputs, h, w). reduce3, reduce5: the 1x1 convolutions in front.
    """

    def __init__(
        self, inputs: int, one: int, reduce3: int, three: int, reduce5: int, five: int, pool: int
    ) -> None:
        super().__init__()
        self.branch1 = BasicConv2d(inputs, one, kernel=1)
        self.branch2 = nn.Sequential(
            BasicConv2d(inputs, reduce3, kernel=1), BasicConv2d(reduce3, three, kernel=3)
        )
        self.branch3 = nn.Sequential(
            BasicConv2d(inputs, reduce5, kernel=1), BasicConv2d(reduce5, five, kernel=3)
        )
        self.branch4 = nn.Sequential(
            nn.MaxPool2d(kernel_size=3, stride=1, padding=1, ceil_mode=True),
            BasicConv2d(inputs, pool, kernel=1),
        )
        self.outputs = one + three + five + pool

    def forward(self, x: Tensor) -> Tensor:
        """Compute the layers' result, whose shape the class states."""
        branches = (self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x))
        return torch.cat(branches, dim=1)


class Auxiliary(nn.Module):
    """A classifier of a map in the middle: (n, inputs, h, w) -> logits (n, classes)."""

    def __init__(
        self, inputs: int, channels: int, hidden: int, classes: int, dropout: float
    ) -> None:
        super().__init__()
        self.conv = BasicConv2d(inputs, channels, kernel=1)
        self.fc1 = nn.Linear(channels * 4 * 4, hidden)
        self.fc2 = nn.Linear(hidden, classes)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the layers' result, whose shape the class states."""
        x = self.conv(average_bins(x, 4, 4)).flatten(1)
        logits: Tensor = self.fc2(self.dropout(F.relu(self.fc1(x), inplace=True)))
        return logits


class BasicConv2d(nn.Module):
    """Convolution without bias, batch normalization with epsilon 0.001, ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the layers' result, whose shape the class states."""
        return F.relu(self.bn(self.conv(x)), inplace=True)
