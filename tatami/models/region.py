"""The detection loss of YOLOv2, whatever the body.

J. Redmon and A. Farhadi, "YOLO9000: Better,
Faster, Stronger", CVPR 2017, section 2, as their published training code has it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tatami.models.detector import Detector
from tatami.models.overlap import complete_iou, paired_iou
from tatami.models.task_aligned import BOX_WEIGHT, CLASS_WEIGHT, Truths, assign, cell_middles
from tatami.rules.boxes import iou_xyxy
from tatami.types import AnchorGrid, Boxes, Decoding, Float64, Int64, Size

ALIGNED_SCALE = 2.0
"""YOLOv4's scale_x_y where the loss is aligned: from half a cell before a cell to half after."""
Pairs = tuple[tuple[float, float], ...]
"""(width, height) of anchors in cells, as the paper gives them."""


class RegionDetector(Detector):
    """What YOLOv2 is whatever its body: one raw map (n, A * (5 + K), H / 32, W / 32). Abstract.

    decoding: as ``plan`` gives it.  anchors: of it, in cells.
    """

    stride = 32

    def __init__(self, classes: int, decoding: Decoding, width: float = 1.0) -> None:
        super().__init__(classes, decoding, width)
        (grid,) = decoding.grids
        self.anchors: Pairs = tuple((w / self.stride, h / self.stride) for w, h in grid.anchors)
        self.xy_scale = grid.xy_scale

    @classmethod
    def plan(cls, size: Size, anchors: Sequence[tuple[float, float]]) -> Decoding:
        """Lay the anchors at every cell of the raw map, whatever the input's size."""
        cell = (float(cls.stride), float(cls.stride))
        return Decoding("yolov2", (AnchorGrid(tuple(anchors), cell),), "softmax")

    @classmethod
    def aligned(cls, decoding: Decoding) -> Decoding:
        """Let a center leave its cell by half a cell: the cells around it may predict it, too."""
        grids = tuple(replace(grid, xy_scale=ALIGNED_SCALE) for grid in decoding.grids)
        return replace(decoding, grids=grids)

    def loss(self, raw: Tensor, targets: Sequence[Boxes]) -> dict[str, Tensor]:
        """Compute ``region_loss``, or ``aligned_region_loss`` where centers may leave their cells.

        raw: (n, A * (5 + K), rows, columns).
        """
        in_cells = [target.xyxy / self.stride for target in targets]
        labels = [target.labels for target in targets]
        if self.xy_scale > 1:
            return aligned_region_loss(raw, in_cells, labels, self.anchors, self.xy_scale)
        return region_loss(raw, in_cells, labels, self.anchors)


def init_near_anchors(last: nn.Conv2d, anchors: Pairs) -> None:
    """Boxes start at their anchors in the middle of their cells, and sure of little.

    last: the convolution that makes the raw map.
    """
    nn.init.normal_(last.weight, std=0.03)
    assert last.bias is not None
    with torch.no_grad():
        last.bias.zero_()
        last.bias.view(len(anchors), -1)[:, 4] = -2.0  # sigmoid(-2) = 0.12


def region_loss(
    raw: Tensor, truths: Sequence[Float64], labels: Sequence[Int64], anchors: Pairs
) -> dict[str, Tensor]:
    """Compute the loss, summed a picture, then meaned.

    raw: (n, A * (5 + K), rows, columns).  truths: n pictures' boxes (m, 4), xyxy in cells.
    labels: their classes (m,).
    Each truth is the duty of one predictor: the cell of its center, the anchor whose shape
    overlaps it best. That predictor is pulled to the box (section 2, "Direct location
    prediction"), its objectness to the overlap it reaches, its classes to the truth's. All
    others are told "nothing here", unless they happen to overlap a truth by more than 0.6.

    Returns the parts ``coordinates``, ``objectness``, ``background``, ``classes``: their sum
    is the loss. Errors are halved squares, so that the gradients are those of darknet's deltas.
    """
    pictures, _, rows, columns = raw.shape
    maps = raw.view(pictures, len(anchors), -1, rows, columns)
    xy, objectness = maps[:, :, 0:2].sigmoid(), maps[:, :, 4].sigmoid()
    with torch.no_grad():
        predicted = _boxes(xy, maps[:, :, 2:4], anchors)  # (n, A, rows, columns, 4) xyxy in cells
        overlap = _best_overlap(predicted, truths)

    duty = _assign(truths, labels, anchors, rows, columns)
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
    reached = paired_iou(predicted[picture, anchor, row, column], truth_boxes)
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


def aligned_region_loss(
    raw: Tensor,
    truths: Sequence[Float64],
    labels: Sequence[Int64],
    anchors: Pairs,
    xy_scale: float,
) -> dict[str, Tensor]:
    """Compute the loss of today for YOLOv2's raw map: ``task_aligned.assign`` and CIoU.

    raw: (n, A * (5 + K), rows, columns).  truths: n pictures' boxes (m, 4), xyxy in cells.
    labels: their classes (m,).  xy_scale: over 1; a predictor may answer for a truth whose center
    is within half of it, in cells, of the middle of the predictor's cell, either way.

    Returns the parts ``boxes``, ``objectness``, ``classes``: their sum is the loss. The objectness
    is to be the agreement that ``assign`` says, the classes have cross-entropy by it.
    """
    pictures, _, rows, columns = raw.shape
    maps = raw.view(pictures, len(anchors), -1, rows, columns)
    xy = maps[:, :, 0:2].sigmoid() * xy_scale - (xy_scale - 1) / 2
    boxes = _boxes(xy, maps[:, :, 2:4], anchors).flatten(1, 3)  # (n, p, 4)
    numbers = maps.permute(0, 1, 3, 4, 2).flatten(1, 3)[..., 4:]  # (n, p, 1 + K)
    sure, names = numbers[..., 0], numbers[..., 1:]

    there = Truths.of(truths, labels, raw.device)
    middles = cell_middles(rows, columns, raw.device).repeat(len(anchors), 1)  # (p, 2) x and y
    centers = (there.xyxy[..., :2] + there.xyxy[..., 2:]) / 2
    able = ((centers[:, :, None] - middles).abs() < xy_scale / 2).all(-1)
    with torch.no_grad():
        scores = sure.sigmoid()[..., None] * names.softmax(-1)
    given = assign(scores, boxes.detach(), able, there)
    reach, at = given.scores.sum(-1), given.positive
    total = reach.sum().clamp(min=1.0)
    overlap = complete_iou(boxes[at], given.boxes[at])
    wanted = given.scores[at].argmax(-1)
    entropy = F.cross_entropy(names[at], wanted, reduction="none")
    objectness = F.binary_cross_entropy_with_logits(sure, reach, reduction="sum")
    return {
        "boxes": BOX_WEIGHT * ((1 - overlap) * reach[at]).sum() / total,
        "objectness": CLASS_WEIGHT * objectness / total,
        "classes": CLASS_WEIGHT * (entropy * reach[at]).sum() / total,
    }


def _boxes(xy: Tensor, wh: Tensor, anchors: Pairs) -> Tensor:
    """Give the predicted boxes, xyxy in cells: section 2, "Direct location prediction".

    xy: (n, A, 2, rows, columns) in the cell.  wh: (n, A, 2, rows, columns), logarithms.
    Returns (n, A, rows, columns, 4).
    """
    rows, columns = xy.shape[-2:]
    pairs = xy.new_tensor(anchors).view(1, -1, 2, 1, 1)
    x = xy[:, :, 0] + torch.arange(columns, device=xy.device)
    y = xy[:, :, 1] + torch.arange(rows, device=xy.device)[:, None]
    half = 0.5 * pairs * wh.clamp(max=8).exp()
    w, h = half[:, :, 0], half[:, :, 1]
    return torch.stack((x - w, y - h, x + w, y + h), dim=-1)


def _assign(
    truths: Sequence[Float64], labels: Sequence[Int64], anchors: Pairs, rows: int, columns: int
) -> _Duty:
    """Give each truth its predictor; where two want the same one, the later keeps it."""
    pairs = np.array(anchors)
    shapes = np.hstack((np.zeros_like(pairs), pairs))  # anchors as boxes at the origin
    slots: dict[tuple[int, int, int, int], tuple[int, int]] = {}
    for picture, cells in enumerate(truths):
        if not len(cells):
            continue
        center, sides = (cells[:, :2] + cells[:, 2:]) / 2, cells[:, 2:] - cells[:, :2]
        at_origin = np.hstack((np.zeros_like(sides), sides))
        best = iou_xyxy(at_origin, shapes).argmax(axis=1)
        where = np.clip(center.astype(int), 0, (columns - 1, rows - 1))
        for index in range(len(cells)):
            column, row = where[index]
            slots[(picture, int(best[index]), int(row), int(column))] = (picture, index)
    predictor = np.array(list(slots), dtype=np.int64).reshape(-1, 4).T
    xyxy = np.array([truths[p][i] for p, i in slots.values()]).reshape(-1, 4)
    sides = xyxy[:, 2:] - xyxy[:, :2]
    center = (xyxy[:, :2] + xyxy[:, 2:]) / 2
    return _Duty(
        predictor=predictor,
        xyxy=xyxy,
        xy=center - predictor[[3, 2]].T,
        wh=np.log(np.maximum(sides, 1e-6) / pairs[predictor[1]]),
        area=sides.prod(axis=1) / (rows * columns),
        labels=np.array([labels[p][i] for p, i in slots.values()], dtype=np.int64),
    )


@dataclass(frozen=True)
class _Duty:
    """The m truths that train a predictor: who answers, and what for. Lengths in cells."""

    predictor: Int64  # (4, m): picture, anchor, row, column
    xyxy: Float64  # (m, 4)
    xy: Float64  # (m, 2), the center within its cell
    wh: Float64  # (m, 2), log(side / anchor's side)
    area: Float64  # (m,), share of the picture
    labels: Int64  # (m,)


def _best_overlap(predicted: Tensor, truths: Sequence[Float64]) -> Tensor:
    """Each predicted box's best IoU with a truth of its picture: (n, A, rows, columns)."""
    best = predicted.new_zeros(predicted.shape[:-1])
    for picture, boxes in enumerate(truths):
        if len(boxes):
            truth = torch.from_numpy(boxes).to(predicted)
            best[picture] = paired_iou(predicted[picture, ..., None, :], truth).amax(-1)
    return best
