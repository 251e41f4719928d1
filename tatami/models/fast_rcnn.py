"""Fast R-CNN: R. Girshick, "Fast R-CNN", ICCV 2015.

One forward a picture; regions, which selective search finds, are max-pooled from the feature map
(section 2.1) and classified and moved by two layers that are learned together (section 2.3). The
backbone is VGG-16 unless another is named.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from tatami.models.backbone import BACKBONES, bins_of
from tatami.models.two_stage import RegionHead, Sampling, TwoStage, split
from tatami.types import Boxes, Decoding, RegionDecoding, Size


class FastRCNN(TwoStage):
    """The network: images (n, 3, H, W), H and W multiples of 16, to the feature map; and its head.

    decoding: as ``plan`` gives it.  width: multiplies every layer's channels.
    """

    stride = 16

    def __init__(
        self,
        classes: int,
        proposals: Decoding | None,
        decoding: RegionDecoding,
        width: float = 1.0,
        backbone: str = "vgg16",
    ) -> None:
        super().__init__()
        self.backbone = BACKBONES[backbone](width)
        self.channels = self.backbone.channels
        self.regions = RegionHead(self.backbone, classes, decoding, Sampling())

    @classmethod
    def plan(cls, size: Size, backbone: str) -> tuple[Decoding | None, RegionDecoding]:
        """Of selective search's regions, 2,000."""
        return None, RegionDecoding(bins=bins_of(backbone), stride=cls.stride, max_regions=2000)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """(n, 3, H, W) -> (n, channels, H / 16, W / 16), alone."""
        return (self.backbone.trunk(images),)

    def head(self, pooled: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the numbers of the classes and the offsets of pooled regions."""
        numbers, offsets = self.regions(self.backbone.tail(pooled))
        return numbers, offsets

    def loss(self, raw: tuple[Tensor, ...], targets: Sequence[Boxes]) -> dict[str, Tensor]:
        """Compute the multi-task loss: ``classes`` and ``coordinates``."""
        truths, proposals = zip(*(split(each) for each in targets), strict=True)
        return self.regions.loss(self.backbone, raw[0], proposals, truths)
