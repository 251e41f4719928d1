"""Default boxes, their matching, their encoding and the loss of SSD, whatever the network.

W. Liu, D. Anguelov, D. Erhan, C. Szegedy, S. Reed, C. Fu and A. Berg, "SSD: Single Shot MultiBox
Detector", ECCV 2016, section 2.2 ("Training"): equations 1 to 4. Default boxes are numbered as the
decoding rule numbers its candidates: by (grid, anchor, row, column).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import sqrt
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from tatami.errors import TatamiError
from tatami.models.detector import Detector
from tatami.rules.boxes import cxcywh_to_xyxy, iou_xyxy, xyxy_to_cxcywh
from tatami.types import AnchorGrid, Boxes, Decoding, Float32, Int64, Size

VARIANCES = (0.1, 0.2)
"""What offsets of centers and logarithms of sides are multiplied by: those of the paper's code."""
BACKGROUND, NEITHER = -1, -2
"""In a matching: a box of no truth, and one that overlaps a truth too much to be background."""
MAX_MIN_SCALE = 0.4
"""Of the input: the smallest boxes' scale is below it, for the others lie between it and 0.9."""
NEGATIVES = 3
"""At most so many boxes of the background for each that is matched (section 2.2, "Hard negative
mining")."""


class DefaultBoxDetector(Detector):
    """A detector whose boxes the paper has laid down: an SSD of any kind. Abstract.

    min_scale: the side of the smallest boxes as a share of the input's, by the paper.
    """

    stride = 1
    min_scale: ClassVar[float]

    @classmethod
    def plan(
        cls,
        size: Size,
        anchors: Sequence[tuple[float, float]] = (),
        min_scale: float | None = None,
    ) -> Decoding:
        """Lay the default boxes for an input of that size.

        min_scale: where objects are smaller than the paper's, what the scales begin with.
        Raises TatamiError for one that is not between 0 and 0.4, and for a side too short.
        """
        smallest = cls.min_scale if min_scale is None else min_scale
        if not 0 < smallest < MAX_MIN_SCALE:
            raise TatamiError(
                f"smallest default boxes of {smallest:g} of the input",
                hint=f"give a share above 0 and below {MAX_MIN_SCALE}",
            )
        return cls.boxes_from(smallest, size)

    @classmethod
    @abstractmethod
    def boxes_from(cls, min_scale: float, size: Size) -> Decoding:
        """Lay the paper's boxes, their scales beginning with ``min_scale``."""

    def loss(self, raw: Sequence[Tensor], targets: Sequence[Boxes]) -> dict[str, Tensor]:
        """Compute the paper's loss: see ``multibox_loss``."""
        return multibox_loss(raw, targets, self.decoding)


# Where the boxes lie -----------------------------------------------------------------------------


Shapes = Sequence[tuple[float, float]]
"""(width, height) of boxes in pixels of the input."""


def grids_of(
    size: Size, cells: Sequence[tuple[int, int]], boxes: Sequence[Shapes]
) -> tuple[AnchorGrid, ...]:
    """Make a grid for each map, whose (rows, columns) are ``cells``, of each stage's boxes.

    A cell's center is ((column + 0.5) / columns, (row + 0.5) / rows) of the input (section 2.2,
    "Choosing scales and aspect ratios for default boxes"). A small input has fewer maps than there
    are stages: what the stages that are left out would have at their one cell, the last map has.
    """
    last = len(cells) - 1
    of_map = [list(own) for own in boxes[: last + 1]]
    for more in boxes[last + 1 :]:
        of_map[last] += more
    return tuple(
        AnchorGrid(
            tuple((round(width, 4), round(height, 4)) for width, height in own),
            (size.width / columns, size.height / rows),
        )
        for (rows, columns), own in zip(cells, of_map, strict=True)
    )


def scales(min_scale: float, max_scale: float, count: int) -> list[float]:
    """Space the scales of ``count`` maps evenly, and add one step more.

    The last map's ``larger`` box is made of that.

    Source: Equation 4.
    """
    return [min_scale + (max_scale - min_scale) / (count - 1) * k for k in range(count + 1)]


def ssd_scales(min_scale: float, maps: int) -> list[float]:
    """Give an SSD's scales: the first map's, then evenly from twice that to 0.9, and one more.

    Source: Section 3.1.
    """
    return [min_scale, *scales(2 * min_scale, 0.9, maps - 1)]


def shapes(
    scale: float, larger: float, ratios: Sequence[float], size: Size
) -> list[tuple[float, float]]:
    """Give one map's default boxes (width, height) in pixels: equation 4 and what follows.

    scale: of the sides to the input's.  larger: the scale of the next map; the square between the
    two is a box too.  ratios: width over height, beside 1; each stands for its inverse as well.

    An input that is no square counts as one of the same area, so that a ratio is one in pixels.
    """
    side = sqrt(size.width * size.height)
    between = side * sqrt(scale * larger)
    found = [(side * scale, side * scale), (between, between)]
    for ratio in ratios:
        long, short = side * scale * sqrt(ratio), side * scale / sqrt(ratio)
        found += [(long, short), (short, long)]
    return found


@lru_cache(maxsize=16)
def default_boxes(grids: tuple[AnchorGrid, ...], cells: tuple[tuple[int, int], ...]) -> Float32:
    """All default boxes (n, 4) as centers and sides in pixels of the input; read only.

    cells: the (rows, columns) of each grid's map.
    """
    found = []
    for one, (rows, columns) in zip(grids, cells, strict=True):
        x = (np.arange(columns) + 0.5) * one.stride[0]
        y = (np.arange(rows) + 0.5) * one.stride[1]
        boxes = np.empty((len(one.anchors), rows, columns, 4), np.float32)
        boxes[..., 0], boxes[..., 1] = x, y[:, None]
        boxes[..., 2:] = np.array(one.anchors)[:, None, None]
        found.append(boxes.reshape(-1, 4))
    joined = np.concatenate(found)
    joined.flags.writeable = False
    return joined


# Which truth a box is for ------------------------------------------------------------------------


def match(
    boxes: Float32, truths: Float32, threshold: float = 0.5, background: float | None = None
) -> Int64:
    """Find the truth that each box (n, 4) answers for, of (m, 4), both xyxy: (n,) indices.

    First each truth gets its best box, the best pair first, so that two truths never share one;
    then each other box whose IoU with some truth exceeds ``threshold`` the truth that it overlaps
    most (section 2.2, "Matching strategy"). All others are BACKGROUND, or, where ``background`` is
    given, NEITHER if their best IoU is not below it, as a region proposal network has it
    (Ren et al. 2015, section 3.1.2). Of equal overlaps the lower index wins; a truth that overlaps
    no box at all gets none.
    """
    if not len(truths):
        return np.full(len(boxes), BACKGROUND)
    overlap = iou_xyxy(truths.astype(np.float32), boxes)  # (m, n)
    best = overlap.argmax(axis=0)  # (n,)
    reached = np.take_along_axis(overlap, best[None], axis=0)[0]
    found: Int64 = np.where(reached > threshold, best, BACKGROUND)
    if background is not None:
        found[(found == BACKGROUND) & (reached >= background)] = NEITHER
    # Best pairs first. A truth's best box is searched anew only where another truth has taken it.
    box_of = overlap.argmax(axis=1)  # (m,)
    value = np.take_along_axis(overlap, box_of[:, None], axis=1)[:, 0]
    for _ in range(min(len(truths), len(boxes))):
        truth = int(value.argmax())
        if value[truth] <= 0:
            break
        box = int(box_of[truth])
        found[box] = truth
        value[truth] = -1
        overlap[:, box] = -1
        for other in np.flatnonzero((box_of == box) & (value > 0)):
            box_of[other] = overlap[other].argmax()
            value[other] = overlap[other, box_of[other]]
    return found


# What a box is asked to say ----------------------------------------------------------------------


def encode(
    truths: NDArray[np.float32],
    boxes: Float32,
    variances: tuple[float, float] = VARIANCES,
) -> Float32:
    """Offsets (n, 4) from default boxes (n, 4) to truths (n, 4), both as centers and sides.

    Equation 2, divided by the variances: what rules/decoding.py makes a box of again.
    """
    center, side = variances
    moved = (truths[:, :2] - boxes[:, :2]) / boxes[:, 2:] / np.float32(center)
    grown = np.log(np.maximum(truths[:, 2:], 1e-3) / boxes[:, 2:]) / np.float32(side)
    return np.concatenate([moved, grown], axis=1).astype(np.float32)


@dataclass(frozen=True)
class Targets:
    """What all default boxes of n pictures are to say.

    places: (2, m) int64, the matched boxes: their picture, and their number among its d boxes.
    offsets: (m, 4) float32.  labels: (n, d) int64: 0 the background, k + 1 class k.
    """

    places: Tensor
    offsets: Tensor
    labels: Tensor


def targets_of(
    pictures: Sequence[Boxes], boxes: Float32, decoding: Decoding, threshold: float = 0.5
) -> Targets:
    """Match each picture's labeled boxes, in pixels of the input, to default boxes (d, 4)."""
    edges = cxcywh_to_xyxy(boxes)
    labels = np.zeros((len(pictures), len(boxes)), np.int64)
    places, offsets = [], []
    for picture, truth in enumerate(pictures):
        found = match(edges, truth.xyxy.astype(np.float32), threshold)
        (matched,) = np.nonzero(found >= 0)
        chosen = found[matched]
        labels[picture, matched] = truth.labels[chosen] + 1
        places.append(np.stack([np.full(len(matched), picture), matched]))
        own = xyxy_to_cxcywh(truth.xyxy[chosen].astype(np.float32))
        offsets.append(encode(own, boxes[matched], decoding.variances))
    return Targets(
        torch.from_numpy(np.concatenate(places, axis=1)),
        torch.from_numpy(np.concatenate(offsets)),
        torch.from_numpy(labels),
    )


# The loss ----------------------------------------------------------------------------------------


def multibox_loss(
    raw: Sequence[Tensor], pictures: Sequence[Boxes], decoding: Decoding
) -> dict[str, Tensor]:
    """Equation 1 with alpha 1: the parts ``coordinates`` and ``classes``, whose sum is the loss.

    raw: the pairs of maps of an SSD, (n, 4 A, rows, columns) and (n, (K + 1) A, rows, columns) for
    each grid of ``decoding``, in the order of ``decoding.maps``.  pictures: n pictures' boxes in
    pixels of the input.

    ``coordinates``: smooth L1 of the matched boxes' offsets (equation 2).  ``classes``: softmax
    cross-entropy of the matched boxes, and of those boxes of the background that it is highest of,
    at most NEGATIVES for each matched one of the same picture (equation 3). Both are divided by the
    number of matched boxes of all n pictures; 0 where there are none.
    """
    cells = tuple((int(one.shape[2]), int(one.shape[3])) for one in raw[::2])
    boxes = default_boxes(decoding.grids, cells)
    offsets = _by_box(raw[::2], decoding, 4)
    scores = _by_box(raw[1::2], decoding, None)
    targets = targets_of(pictures, boxes, decoding)
    picture, box = (part.to(offsets.device) for part in targets.places)
    labels = targets.labels.to(offsets.device)
    count = max(1, len(box))

    wanted = targets.offsets.to(offsets.device, offsets.dtype)
    coordinates = F.smooth_l1_loss(offsets[picture, box], wanted, reduction="sum")
    with torch.no_grad():
        chosen = hard_negatives(scores, labels) | (labels > 0)
    classes = F.cross_entropy(scores[chosen], labels[chosen], reduction="sum")
    return {"coordinates": coordinates / count, "classes": classes / count}


def hard_negatives(scores: Tensor, labels: Tensor, ratio: int = NEGATIVES) -> Tensor:
    """Which boxes of the background are learned from: (n, d) bool.

    scores: (n, d, K + 1).  labels: (n, d), 0 for the background.  Of each picture those of the
    highest cross-entropy, ``ratio`` times as many as are matched, or all that there are.
    """
    matched = labels > 0
    loss = scores.logsumexp(dim=2) - scores[..., 0]  # (n, d): -log p(background)
    loss = loss.masked_fill(matched, -torch.inf)
    wanted = torch.minimum(matched.sum(1) * ratio, (~matched).sum(1))  # (n,)
    most = int(wanted.max()) if len(wanted) else 0
    order = loss.topk(most, dim=1).indices  # (n, most)
    within = torch.arange(most, device=loss.device) < wanted[:, None]
    return torch.zeros_like(matched).scatter(1, order, within)


def _by_box(maps: Sequence[Tensor], decoding: Decoding, numbers: int | None) -> Tensor:
    """Lay maps (n, A * numbers, rows, columns) of each grid out as (n, d, numbers)."""
    found = []
    for one, grid in zip(maps, decoding.grids, strict=True):
        n, channels, rows, columns = one.shape
        each = channels // len(grid.anchors) if numbers is None else numbers
        split = one.reshape(n, len(grid.anchors), each, rows, columns)
        found.append(split.permute(0, 1, 3, 4, 2).reshape(n, -1, each))
    return torch.cat(found, dim=1)


# Parts of networks -------------------------------------------------------------------------------


class Heads(nn.Module):
    """For each map a convolution for the boxes and one for the scores (section 2.1).

    channels: of each map.  kernel: of the convolutions, odd; the padding keeps a map's size.
    (n, channels, rows, columns) each -> the pairs of raw maps that ``multibox_loss`` takes.

    They begin by saying next to nothing, where the paper's Xavier start says at random: behind
    maps of few channels that made the first gradients ten times as large, and learning later.
    """

    def __init__(
        self, channels: Sequence[int], decoding: Decoding, classes: int, kernel: int
    ) -> None:
        super().__init__()
        pairs = [
            nn.ModuleList(nn.Conv2d(own, made, kernel, padding=kernel // 2) for made in made_of)
            for own, made_of in zip(
                channels, (decoding.channels(one, classes) for one in decoding.grids), strict=True
            )
        ]
        self.pairs = nn.ModuleList(pairs)
        for part in self.modules():
            if isinstance(part, nn.Conv2d):
                nn.init.normal_(part.weight, std=0.01)
                assert part.bias is not None
                nn.init.zeros_(part.bias)

    def forward(self, maps: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Compute the layers' result, whose shape the class states."""
        raw: list[Tensor] = []
        for pair, x in zip(self.pairs, maps, strict=True):
            assert isinstance(pair, nn.ModuleList)
            raw += [head(x) for head in pair]
        return tuple(raw)


def check_batch(images: Tensor, module: nn.Module) -> None:
    """Raise TatamiError for a batch of 1 that is to be normalized by its own statistics.

    The last maps may have a single cell, of which there are none.
    """
    if not module.training or len(images) > 1:
        return
    if any(isinstance(part, nn.BatchNorm2d) for part in module.modules()):
        raise TatamiError(
            "a batch of 1 cannot be normalized", hint="give 2 or more", setting="batch"
        )


def check_input_size(size: Size, min_side: int) -> None:
    """Raise TatamiError for an input with a side of fewer pixels."""
    if min(size.width, size.height) < min_side:
        raise TatamiError(
            f"an input of {size} is too small for this network",
            hint=f"give one of at least {min_side}x{min_side}",
        )
