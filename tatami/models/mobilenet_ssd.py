"""MobileNet-SSD, a detector.

The SSD of W. Liu et al. (ECCV 2016) on the body of A. Howard et al. (2017), in
the layout that chuanqi305 published and that most devices run.

Maps of conv11 and conv13 and of four extra stages, ReLU and not ReLU6, heads of one tap. 1,917
default boxes and 1.1485 G multiply-adds at 300x300 for VOC's 20 classes and the background.
"""

from __future__ import annotations

from torch import Tensor, nn

from tatami.models.blocks import ConvNormRelu, init_he, scale_channels
from tatami.models.default_boxes import (
    VARIANCES,
    DefaultBoxDetector,
    Heads,
    check_batch,
    check_input_size,
    grids_of,
    scales,
    shapes,
)
from tatami.models.mobilenet_v1 import LAYERS, Separable
from tatami.types import Decoding, InputSpec, Size

MAPS, MAX_SCALE = 6, 0.95
"""Boxes of 60 of 300 pixels to 285, evenly; the larger one of the last map lies between that and
the whole input."""
EXTRA = ((256, 512), (128, 256), (128, 256), (64, 128))
"""Channels of conv14_1 and conv14_2 to conv17_1 and conv17_2."""
CONV11 = 11


class MobileNetSSD(DefaultBoxDetector):
    """The network: images (n, 3, H, W) of any sides from 32 up.

    width: multiplies every layer's channels.
    """

    min_scale = 0.2

    def __init__(self, classes: int, decoding: Decoding, width: float = 1.0) -> None:
        super().__init__(classes, decoding, width)
        channels = scale_channels(32, width)
        layers: list[nn.Module] = [ConvNormRelu(3, channels, stride=2)]  # conv0
        for outputs, stride in LAYERS:
            layers.append(Separable(channels, scale_channels(outputs, width), stride))
            channels = scale_channels(outputs, width)
        self.body = nn.Sequential(*layers[: CONV11 + 1])
        self.rest = nn.Sequential(*layers[CONV11 + 1 :])
        maps = [scale_channels(LAYERS[CONV11 - 1][0], width), channels]
        extra = []
        for between, outputs in EXTRA[: len(decoding.grids) - 2]:
            extra.append(
                nn.Sequential(
                    ConvNormRelu(channels, scale_channels(between, width), kernel=1),
                    ConvNormRelu(
                        scale_channels(between, width), scale_channels(outputs, width), stride=2
                    ),
                )
            )
            channels = scale_channels(outputs, width)
            maps.append(channels)
        self.extra = nn.ModuleList(extra)
        init_he(self)
        self.heads = Heads(maps, decoding, classes, kernel=1)

    @classmethod
    def input_spec(cls, size: Size) -> InputSpec:
        """Stretched, and from -1 to 1."""
        middle, half = (127.5, 127.5, 127.5), (1 / 127.5, 1 / 127.5, 1 / 127.5)
        return InputSpec(size, resize="stretch", mean=middle, scale=half)

    @classmethod
    def boxes_from(cls, min_scale: float, size: Size) -> Decoding:
        """Lay the default boxes: at conv11 three a cell, then six.

        conv11 has no larger square box and no ratio of 3.
        """
        steps = [*scales(min_scale, MAX_SCALE, MAPS)[:MAPS], 1.0]
        boxes = [shapes(steps[at], steps[at + 1], (2.0, 3.0), size) for at in range(MAPS)]
        small = shapes(steps[0], steps[1], (2.0,), size)
        boxes[0] = [small[0], *small[2:]]
        grids = grids_of(size, cls.cells(size), boxes)
        return Decoding("ssd", grids, "softmax", VARIANCES, iou_threshold=0.45)

    @staticmethod
    def cells(size: Size) -> list[tuple[int, int]]:
        """(rows, columns) of the maps: 19, 10, 5, 3, 2 and 1 either way for 300x300.

        The extra stages end with the first map that has one cell along a side.
        Raises TatamiError for a side of less than 32 pixels.
        """
        check_input_size(size, 32)
        found = [(-(-size.height // 16), -(-size.width // 16))]
        while len(found) < 2 + len(EXTRA) and (len(found) < 2 or min(found[-1]) > 1):
            rows, columns = found[-1]
            found.append(((rows + 1) // 2, (columns + 1) // 2))
        return found

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """(n, 3, H, W) -> boxes and scores of each map."""
        check_batch(images, self)
        maps = [self.body(images)]  # (n, 512, H/16, W/16)
        maps.append(self.rest(maps[-1]))  # (n, 1024, H/32, W/32)
        for stage in self.extra:
            maps.append(stage(maps[-1]))  # half as many cells
        raw: tuple[Tensor, ...] = self.heads(maps)
        return raw
