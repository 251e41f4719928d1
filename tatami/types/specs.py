"""What a network's file must say beside its weights to be used right, a class for each task."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from tatami.errors import TatamiError
from tatami.types.geometry import Size


@dataclass(frozen=True)
class InputSpec:
    """How a picture becomes a network's input: parameters of the rule in docs/picture-rule.md.

    value = (pixel - mean[c]) * scale[c] in float32, planes in the order of ``channels``.
    filter: ``triangle``, the exact rule, or ``darknet``, darknet's own interpolation in float32.
    """

    size: Size
    resize: Literal["letterbox", "stretch"] = "letterbox"
    filter: Literal["triangle", "darknet"] = "triangle"
    channels: Literal["rgb", "bgr"] = "rgb"
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    scale: tuple[float, float, float] = (1 / 255, 1 / 255, 1 / 255)
    pad: float = 128


@dataclass(frozen=True)
class AnchorGrid:
    """The anchors at every cell of a raw map, or of an SSD's pair of raw maps.

    anchors: (width, height) pairs in pixels of the network's input.
    stride: (x, y), the pixels of the input from one cell to the next.
    xy_scale: YOLOv4's scale_x_y: a center may leave its cell by (xy_scale - 1) / 2 of the cell.
    """

    anchors: tuple[tuple[float, float], ...]
    stride: tuple[float, float]
    xy_scale: float = 1.0


@dataclass(frozen=True)
class Decoding:
    """How raw maps become detections: see tatami/rules/decoding.py, which is the rule.

    grids: one for each raw map; of an SSD one for each pair (boxes, scores) of them.
    scores: how the numbers of the classes become scores; ``linear``: they are scores, cut to 0..1.
    variances: an SSD's offsets of the center and logarithms of the sides are multiplied by these.
    nms: what two boxes of a class must not have more of than ``iou_threshold``: their IoU, or that
    less a part that grows with the distance of their centers, darknet's ``greedynms``.
    agnostic: whether that holds for boxes of different classes too.
    """

    kind: Literal["yolov1", "yolov2", "yolov3", "ssd"]
    grids: tuple[AnchorGrid, ...]
    scores: Literal["softmax", "sigmoid", "linear"]
    variances: tuple[float, float] = (1.0, 1.0)
    nms: Literal["iou", "diou"] = "iou"
    score_threshold: float = 0.25
    iou_threshold: float = 0.45
    max_candidates: int = 1000
    max_detections: int = 100
    agnostic: bool = False

    def channels(self, grid: AnchorGrid, classes: int) -> tuple[int, ...]:
        """The channels of a grid's raw map, or pair of raw maps."""
        anchors = len(grid.anchors)
        if self.kind == "ssd":
            return 4 * anchors, (classes + 1) * anchors
        if self.kind == "yolov1":
            return (5 * anchors + classes,)
        return (anchors * (5 + classes),)

    def maps(self, classes: int) -> tuple[tuple[AnchorGrid, int], ...]:
        """The grid and the channels of every raw map, in the order of the network's outputs."""
        return tuple((grid, c) for grid in self.grids for c in self.channels(grid, classes))

    @staticmethod
    def yolov2(anchors: Iterable[tuple[float, float]], stride: int = 32) -> Decoding:
        """YOLOv2's, with its anchors in cells, as the paper gives them."""
        in_pixels = tuple((width * stride, height * stride) for width, height in anchors)
        sides = (float(stride), float(stride))
        return Decoding("yolov2", (AnchorGrid(in_pixels, sides),), "softmax")


@dataclass(frozen=True)
class RegionDecoding:
    """How regions of a picture become detections: see tatami/rules/regions.py, which is the rule.

    kind: ``pool``, a region is max-pooled from the network's feature map; or ``warp``, cut out of
    the picture with its surroundings and warped to the network's input.
    bins: of ``pool``: what a region is pooled to.  stride: input pixels from one sample of the
    feature map to the next.
    context: of ``warp``: pixels of the input, at every edge, that show what is around the region.
    scores: ``softmax``, over the background, which is first, and the classes; or ``sigmoid``, of a
    number a class.
    variances: the offsets of the center and logarithms of the sides are multiplied by these.
    least_side: a region with a side of fewer pixels of the input is left out.  max_regions: so many
    are looked at, the best.
    """

    kind: Literal["pool", "warp"] = "pool"
    bins: Size = Size(7, 7)
    stride: int = 16
    context: int = 16
    scores: Literal["softmax", "sigmoid"] = "softmax"
    variances: tuple[float, float] = (0.1, 0.2)
    least_side: float = 1.0
    max_regions: int = 300
    nms: Literal["iou", "diou"] = "iou"
    agnostic: bool = False
    score_threshold: float = 0.25
    iou_threshold: float = 0.3
    max_candidates: int = 1000
    max_detections: int = 100


@dataclass(frozen=True)
class DetectionSpec:
    """What a detector's file must say beside its weights to be used right; it travels in the ONNX
    metadata."""

    task: Literal["detect"]
    classes: tuple[str, ...]
    input: InputSpec
    decoding: Decoding
    provenance: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ClassificationSpec:
    """As DetectionSpec, of a network whose one output is a logit a class: (n, classes)."""

    classes: tuple[str, ...]
    input: InputSpec
    provenance: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class SegmentationSpec:
    """As ClassificationSpec, of a network whose one output is a map a class: (n, classes, rows,
    columns), of the input's size or, around the same center, of a smaller one."""

    classes: tuple[str, ...]
    input: InputSpec
    provenance: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class TwoStageSpec:
    """As DetectionSpec, of a detector that proposes regions first and looks at each of them then.

    proposals: how the first network's maps, which follow its feature map, become regions; None
    where regions come from elsewhere, as from selective search.
    part: which of the two networks this one is: ``features``, of the whole picture, or ``head``, of
    what a region was pooled or warped to. Both files say all the rest alike.
    """

    classes: tuple[str, ...]
    input: InputSpec
    proposals: Decoding | None
    decoding: RegionDecoding
    part: Literal["features", "head"] = "features"
    provenance: Mapping[str, str] = field(default_factory=dict)


Spec = DetectionSpec | ClassificationSpec | SegmentationSpec | TwoStageSpec
"""What a network is for; ``tatami.task`` in its metadata tells which."""


def detector_spec(spec: Spec) -> DetectionSpec:
    """The spec of a detector. Raises TatamiError for another's."""
    if not isinstance(spec, DetectionSpec):
        if isinstance(spec, TwoStageSpec):
            raise TatamiError(
                "the network is half of a detector in two stages",
                hint="give the folder that holds its network.onnx and its head.onnx",
            )
        what = "classifier" if isinstance(spec, ClassificationSpec) else "segmenter"
        raise TatamiError(
            f"the network is a {what}: it finds no boxes", hint="give a detector's network"
        )
    return spec
