"""SegNet, segmenters.

V. Badrinarayanan, A. Kendall and R. Cipolla, "SegNet: A Deep Convolutional
Encoder-Decoder Architecture for Image Segmentation", PAMI 2017: SegNet and SegNet-Basic.

The encoder's max pools remember where each sample lay, and the decoder puts samples back there
(figure 3), so that borders come through without maps that are kept. 29.5 M parameters, and 1.4 M.
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn

from tatami.models import blocks
from tatami.models.blocks import check_stride, init_he, scale_channels
from tatami.models.segmenter import Segmenter
from tatami.models.vgg import CHANNELS, D, convolutions


class SegNet(Segmenter):
    """The network: images (n, 3, H, W), H and W multiples of 32.

    The encoder is VGG-16's convolutions, each with normalization; the decoder is its mirror image.
    width: multiplies every layer's channels.
    """

    stride = 32

    def __init__(self, classes: int = 11, width: float = 1.0) -> None:
        super().__init__()
        self.features = convolutions(D, width, norm=True)  # (n, 512, H / 32, W / 32)
        self.decoders = nn.ModuleList()
        for stage in reversed(range(len(D))):
            inputs = scale_channels(CHANNELS[stage], width)
            outputs = scale_channels(CHANNELS[stage - 1], width) if stage else None
            self.decoders.append(_decoder(inputs, outputs, D[stage], classes))
        init_he(self)

    def forward(self, images: Tensor) -> Tensor:
        """(n, 3, H, W) -> logits (n, classes, H, W). Raises TatamiError for other sides."""
        check_stride(images, self.stride)
        x, places = images, []
        for layer in self.features:
            if isinstance(layer, nn.MaxPool2d):
                x, place = blocks.max_pool_with_places(x)
                places.append(place)
            else:
                x = layer(x)
        for decoder, place in zip(self.decoders, reversed(places), strict=True):
            x = decoder(blocks.max_unpool(x, place))
        return x


def _decoder(inputs: int, outputs: int | None, count: int, classes: int) -> nn.Sequential:
    """``count`` convolutions of 3x3, the last to ``outputs`` channels, or to scores for None."""
    layers: list[nn.Module] = []
    for index in range(count):
        last = index == count - 1
        if last and outputs is None:
            layers.append(nn.Conv2d(inputs, classes, kernel_size=3, padding=1))
            break
        channels = outputs if last and outputs is not None else inputs
        layers += (
            nn.Conv2d(inputs, channels, kernel_size=3, padding=1),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
        )
    return nn.Sequential(*layers)


class SegNetBasic(Segmenter):
    """Four encoders and four decoders of one 7x7 convolution each (section 3.1).

    No bias before a normalization, and no ReLU in the decoder. Images are (n, 3, H, W), H and W
    multiples of 16.  width: multiplies every layer's channels.
    """

    stride = 16

    def __init__(self, classes: int = 11, width: float = 1.0) -> None:
        super().__init__()
        channels = scale_channels(64, width)

        def convolution(inputs: int) -> Iterator[nn.Module]:
            yield nn.Conv2d(inputs, channels, kernel_size=7, padding=3, bias=False)
            yield nn.BatchNorm2d(channels)

        self.encoders = nn.ModuleList(
            nn.Sequential(*convolution(3 if index == 0 else channels), nn.ReLU(inplace=True))
            for index in range(4)
        )
        self.decoders = nn.ModuleList(nn.Sequential(*convolution(channels)) for _ in range(4))
        self.classifier = nn.Conv2d(channels, classes, kernel_size=1)
        init_he(self)

    def forward(self, images: Tensor) -> Tensor:
        """(n, 3, H, W) -> logits (n, classes, H, W). Raises TatamiError for other sides."""
        check_stride(images, self.stride)
        x, places = images, []
        for encoder in self.encoders:
            x, place = blocks.max_pool_with_places(encoder(x))  # (n, 64, H / 2, W / 2), ...
            places.append(place)
        for decoder, place in zip(self.decoders, reversed(places), strict=True):
            x = decoder(blocks.max_unpool(x, place))
        logits: Tensor = self.classifier(x)
        return logits
