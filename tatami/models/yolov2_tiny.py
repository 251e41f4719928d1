"""YOLOv2-tiny: J. Redmon and A. Farhadi, "YOLO9000: Better, Faster, Stronger", CVPR 2017.

The paper's detector (section 2) on the small body that the authors published with it
(tiny-yolo-voc): nine convolutions, six max pools, one raw map of ``anchors x (5 + classes)``
channels at 1/32 of the input. 3.4855 G multiply-adds and 15.87 M parameters at 416x416 for VOC.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tatami.boxes import iou_xyxy
from tatami.errors import TatamiError
from tatami.models.blocks import ConvNormLeaky, max_pool_same
from tatami.models.detector import Detector
from tatami.types import AnchorGrid, Boxes, Decoding, Float, Int, Size


class YoloV2Tiny(Detector):
    """The network: images (n, 3, H, W) in, H and W multiples of 32, raw map out.

    decoding: as ``plan`` gives it.  width: multiplies every layer's channels, rounded to a multiple
    of 8 so that vector units stay full.  Raises TatamiError for a width that is not in 0 to 8.
    """

    size = Size(416, 416)
    stride = 32
    multi_scale = 0.25
    anchor_count = 5

    def __init__(self, classes: int, decoding: Decoding, width: float = 1.0) -> None:
        super().__init__(classes, decoding, width)
        if not 0 < width <= 8:
            raise TatamiError(f"width is {width:g}", mend="give a factor as 0.5, at most 8")
        (grid,) = decoding.grids
        # (width, height) pairs in cells, as the paper has them.
        self.anchors = tuple((w / self.stride, h / self.stride) for w, h in grid.anchors)

        def wide(channels: int) -> int:
            return max(8, 8 * round(channels * width / 8))

        self.conv1 = ConvNormLeaky(3, wide(16))
        self.conv2 = ConvNormLeaky(wide(16), wide(32))
        self.conv3 = ConvNormLeaky(wide(32), wide(64))
        self.conv4 = ConvNormLeaky(wide(64), wide(128))
        self.conv5 = ConvNormLeaky(wide(128), wide(256))
        self.conv6 = ConvNormLeaky(wide(256), wide(512))
        self.conv7 = ConvNormLeaky(wide(512), wide(1024))
        self.conv8 = ConvNormLeaky(wide(1024), wide(1024))
        self.conv9 = nn.Conv2d(wide(1024), len(self.anchors) * (5 + classes), kernel_size=1)
        self._start_near_the_anchors()

    def forward(self, images: Tensor) -> Tensor:
        """(n, 3, H, W) -> (n, A * (5 + K), H / 32, W / 32)."""
        x = F.max_pool2d(self.conv1(images), 2)  # (n, 16, H/2, W/2)
        x = F.max_pool2d(self.conv2(x), 2)  # (n, 32, H/4, W/4)
        x = F.max_pool2d(self.conv3(x), 2)  # (n, 64, H/8, W/8)
        x = F.max_pool2d(self.conv4(x), 2)  # (n, 128, H/16, W/16)
        x = F.max_pool2d(self.conv5(x), 2)  # (n, 256, H/32, W/32)
        x = max_pool_same(self.conv6(x))  # (n, 512, H/32, W/32)
        x = self.conv7(x)  # (n, 1024, H/32, W/32)
        x = self.conv8(x)  # (n, 1024, H/32, W/32)
        raw: Tensor = self.conv9(x)
        return raw

    def loss(self, raw: Tensor, targets: Sequence[Boxes]) -> dict[str, Tensor]:
        """The detection loss of the paper's published training code, summed a picture, then meaned.

        raw: (n, A * (5 + K), rows, columns).  targets: n pictures' boxes in input pixels.
        Each truth is the duty of one predictor: the cell of its centre, the anchor whose shape
        overlaps it best. That predictor is pulled to the box (section 2, "Direct location
        prediction"), its objectness to the overlap it reaches, its classes to the truth's. All
        others are told "nothing here", unless they happen to overlap a truth by more than 0.6.

        Returns the parts ``coordinates``, ``objectness``, ``background``, ``classes``: their sum
        is the loss. Errors are halved squares, so that the gradients are those of darknet's deltas.
        """
        pictures, _, rows, columns = raw.shape
        maps = raw.view(pictures, len(self.anchors), 5 + self.classes, rows, columns)
        xy, objectness = maps[:, :, 0:2].sigmoid(), maps[:, :, 4].sigmoid()
        with torch.no_grad():
            predicted = self._boxes(xy, maps[:, :, 2:4])  # (n, A, rows, columns, 4) xyxy in cells
            overlap = _best_overlap(predicted, [target.xyxy / self.stride for target in targets])

        duty = self._assign(targets, rows, columns)
        at = tuple(torch.from_numpy(part).to(raw.device) for part in duty.predictor)
        picture, anchor, row, column = at
        truth_xy = torch.from_numpy(duty.xy).to(raw.device, raw.dtype)  # within the cell
        truth_wh = torch.from_numpy(duty.wh).to(raw.device, raw.dtype)  # log(size / anchor)
        truth_class = torch.from_numpy(duty.labels).to(raw.device)
        truth_boxes = torch.from_numpy(duty.xyxy).to(raw.device, raw.dtype)
        # Small boxes weigh up to twice as much as one that fills the picture.
        weight = torch.from_numpy(2 - duty.area).to(raw.device, raw.dtype)[:, None]

        chosen = maps[picture, anchor, :, row, column]  # (m, 5 + K)
        chosen_xy = xy[picture, anchor, :, row, column]
        reached = _paired_iou(predicted[picture, anchor, row, column], truth_boxes)
        background = overlap <= 0.6
        background[picture, anchor, row, column] = False

        coordinates = weight * ((chosen_xy - truth_xy) ** 2 + (chosen[:, 2:4] - truth_wh) ** 2)
        hit = (objectness[picture, anchor, row, column] - reached) ** 2
        classes = F.cross_entropy(chosen[:, 5:], truth_class, reduction="sum")
        return {
            "coordinates": 0.5 * coordinates.sum() / pictures,
            "objectness": 5 * 0.5 * hit.sum() / pictures,
            "background": 0.5 * (objectness[background] ** 2).sum() / pictures,
            "classes": classes / pictures,
        }

    @classmethod
    def plan(cls, size: Size, anchors: Sequence[tuple[float, float]]) -> Decoding:
        """The anchors at every cell of the raw map, whatever the input's size."""
        cell = (float(cls.stride), float(cls.stride))
        return Decoding("yolov2", (AnchorGrid(tuple(anchors), cell),), "softmax")

    def _start_near_the_anchors(self) -> None:
        """Boxes start at their anchors in the middle of their cells, and sure of little."""
        nn.init.normal_(self.conv9.weight, std=0.03)
        assert self.conv9.bias is not None
        with torch.no_grad():
            self.conv9.bias.zero_()
            self.conv9.bias.view(len(self.anchors), -1)[:, 4] = -2.0  # sigmoid(-2) = 0.12

    def _boxes(self, xy: Tensor, wh: Tensor) -> Tensor:
        """The predicted boxes, xyxy in cells: section 2, "Direct location prediction".

        xy: (n, A, 2, rows, columns) in the cell.  wh: (n, A, 2, rows, columns), logarithms.
        Returns (n, A, rows, columns, 4).
        """
        rows, columns = xy.shape[-2:]
        anchors = xy.new_tensor(self.anchors).view(1, -1, 2, 1, 1)
        x = xy[:, :, 0] + torch.arange(columns, device=xy.device)
        y = xy[:, :, 1] + torch.arange(rows, device=xy.device)[:, None]
        half = 0.5 * anchors * wh.clamp(max=8).exp()
        w, h = half[:, :, 0], half[:, :, 1]
        return torch.stack((x - w, y - h, x + w, y + h), dim=-1)

    def _assign(self, targets: Sequence[Boxes], rows: int, columns: int) -> _Duty:
        """Give each truth its predictor; where two want the same one, the later keeps it."""
        anchors = np.array(self.anchors)
        shapes = np.hstack((np.zeros_like(anchors), anchors))  # anchors as boxes at the origin
        slots: dict[tuple[int, int, int, int], tuple[int, int]] = {}
        for picture, boxes in enumerate(targets):
            if not len(boxes):
                continue
            cells = boxes.xyxy / self.stride
            centre, sides = (cells[:, :2] + cells[:, 2:]) / 2, cells[:, 2:] - cells[:, :2]
            at_origin = np.hstack((np.zeros_like(sides), sides))
            best = iou_xyxy(at_origin, shapes).argmax(axis=1)
            where = np.clip(centre.astype(int), 0, (columns - 1, rows - 1))
            for index in range(len(boxes)):
                column, row = where[index]
                slots[(picture, int(best[index]), int(row), int(column))] = (picture, index)
        predictor = np.array(list(slots), dtype=np.int64).reshape(-1, 4).T
        xyxy = np.array([targets[p].xyxy[i] for p, i in slots.values()]).reshape(-1, 4)
        xyxy = xyxy / self.stride
        sides = xyxy[:, 2:] - xyxy[:, :2]
        centre = (xyxy[:, :2] + xyxy[:, 2:]) / 2
        return _Duty(
            predictor=predictor,
            xyxy=xyxy,
            xy=centre - predictor[[3, 2]].T,
            wh=np.log(np.maximum(sides, 1e-6) / anchors[predictor[1]]),
            area=sides.prod(axis=1) / (rows * columns),
            labels=np.array([targets[p].labels[i] for p, i in slots.values()], dtype=np.int64),
        )


@dataclass(frozen=True)
class _Duty:
    """The m truths that train a predictor: who answers, and what for. Lengths in cells."""

    predictor: Int  # (4, m): picture, anchor, row, column
    xyxy: Float  # (m, 4)
    xy: Float  # (m, 2), the centre within its cell
    wh: Float  # (m, 2), log(side / anchor's side)
    area: Float  # (m,), share of the picture
    labels: Int  # (m,)


def _paired_iou(a: Tensor, b: Tensor) -> Tensor:
    """IoU of boxes xyxy (..., 4), broadcast against each other."""
    left_top = torch.maximum(a[..., :2], b[..., :2])
    right_bottom = torch.minimum(a[..., 2:], b[..., 2:])
    shared = (right_bottom - left_top).clamp(min=0).prod(-1)
    area_a = (a[..., 2:] - a[..., :2]).prod(-1)
    area_b = (b[..., 2:] - b[..., :2]).prod(-1)
    return shared / (area_a + area_b - shared).clamp(min=1e-9)


def _best_overlap(predicted: Tensor, truths: Sequence[Float]) -> Tensor:
    """Each predicted box's best IoU with a truth of its picture: (n, A, rows, columns)."""
    best = predicted.new_zeros(predicted.shape[:-1])
    for picture, boxes in enumerate(truths):
        if len(boxes):
            truth = torch.from_numpy(boxes).to(predicted)
            best[picture] = _paired_iou(predicted[picture, ..., None, :], truth).amax(-1)
    return best
