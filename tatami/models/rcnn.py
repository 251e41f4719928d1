"""R-CNN, a detector in two stages.

R. Girshick, J. Donahue, T. Darrell and J. Malik, "Rich feature hierarchies for accurate
object detection and semantic segmentation", CVPR 2014.

AlexNet on each of the regions that selective search finds, warped to the network's input (section
2.1). It is fine-tuned as a classifier of the classes and the background; then a linear SVM a class
judges its fc7 and a ridge regression moves the box by its pool5 (section 2.3 and appendices B and
C): ``tatami.models.svm`` fits both.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from tatami.models.alexnet import AlexNet
from tatami.models.blocks import average_bins, check_min_side
from tatami.models.classifier import cross_entropy
from tatami.models.two_stage import TwoStage
from tatami.types import Decoding, RegionDecoding, Size

SIDE = 227
"""Of the squares that the paper warps regions to."""


class RCNN(TwoStage):
    """The network: warped regions (n, 3, H, W) to pool5 and fc7.

    decoding: as ``plan`` gives it.  width: multiplies every layer's channels.
    svms: a number a class, of fc7.  boxes: the offsets of every class, of pool5. What learns by
    gradients is AlexNet alone.
    """

    stride = 1
    part = "alexnet"
    channels = 3

    def __init__(
        self,
        classes: int,
        proposals: Decoding | None,
        decoding: RegionDecoding,
        width: float = 1.0,
        backbone: str = "alexnet",
    ) -> None:
        super().__init__()
        self.alexnet = AlexNet(classes + 1, width)
        first, last = self.alexnet.classifier[1], self.alexnet.classifier[-1]
        assert isinstance(first, nn.Linear)
        assert isinstance(last, nn.Linear)
        self.svms = nn.Linear(last.in_features, classes)
        self.boxes = nn.Linear(first.in_features, 4 * classes)
        for layer in (self.svms, self.boxes):
            layer.requires_grad_(False)
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    @classmethod
    def plan(cls, size: Size, backbone: str) -> tuple[Decoding | None, RegionDecoding]:
        """Of selective search's regions, 2,000, with 16 of 227 pixels around them."""
        context = round(16 * min(size.width, size.height) / SIDE)
        return None, RegionDecoding(
            "warp",
            context=context,
            scores="sigmoid",
            variances=(1.0, 1.0),
            max_regions=2000,
            score_threshold=0.5,
        )

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """(n, 3, H, W) -> pool5 (n, 9216) and fc7 (n, 4096)."""
        check_min_side(images, self.alexnet.min_side)
        pool5 = average_bins(self.alexnet.features(images), 6, 6).flatten(1)
        return pool5, self.alexnet.classifier[:-1](pool5)

    def head(self, pooled: Tensor) -> tuple[Tensor, Tensor]:
        """(k, 3, H, W) -> numbers of the classes (k, K), without a background, and offsets."""
        pool5, fc7 = self(pooled)
        return self.svms(fc7), self.boxes(pool5)

    def loss(self, raw: tuple[Tensor, ...], targets: Tensor) -> dict[str, Tensor]:
        """Cross-entropy. targets: (n,), 0 the background, k + 1 class k."""
        logits = self.alexnet.classifier[-1](raw[1])
        return {"classes": cross_entropy(logits, targets)}

    def set_svms(self, weights: Sequence[Tensor], biases: Sequence[float]) -> None:
        """Each class's: weights (fc7,) and a bias."""
        with torch.no_grad():
            self.svms.weight.copy_(torch.stack(list(weights)))
            self.svms.bias.copy_(torch.tensor(biases))

    def set_boxes(self, label: int, weight: Tensor, bias: Tensor) -> None:
        """One class's regression: weight (4, pool5) and bias (4,)."""
        with torch.no_grad():
            self.boxes.weight[4 * label : 4 * label + 4] = weight
            self.boxes.bias[4 * label : 4 * label + 4] = bias
