"""What travels between rooms: plain frozen values over NumPy arrays, no behaviour of a stage.

Coordinates everywhere: pixels of the picture *as shown* (after EXIF orientation), x to the right
and y down, edges and not centres, so that a picture's own box is (0, 0, width, height) and a box's
area is (x2 - x1) * (y2 - y1) with no "+ 1".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from tatami.errors import TatamiError

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]
Int = NDArray[np.int64]
Bool = NDArray[np.bool_]
Real = TypeVar("Real", np.float32, np.float64)
"""The numbers an operation works in: float32 as networks do, float64 to check a gradient."""
Picture = NDArray[np.uint8]
"""A picture: uint8, shape (height, width, 3), RGB, upright."""
Mask = NDArray[np.uint8]
"""A class for every pixel of a picture: uint8, shape (height, width); VOID where none is stated."""
VOID = 255
"""In a Mask: a pixel of no stated class, neither learned from nor counted."""


@dataclass(frozen=True, order=True)
class Size:
    """Width and height in pixels, typed and printed as ``352x288``: width before height."""

    width: int
    height: int

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1:
            raise TatamiError(f"size {self} is empty", mend="give two positive sides, as 352x288")

    @staticmethod
    def parse(text: str) -> Size:
        """``352x288`` or, for a square, ``416``. Raises TatamiError for anything else."""
        match = re.fullmatch(r"(\d{1,6})(?:[xX×](\d{1,6}))?", text.strip())
        if match is None:
            raise TatamiError(f"'{text}' is not a size", mend="give width x height, as 352x288")
        width = int(match[1])
        return Size(width, int(match[2]) if match[2] else width)

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


@dataclass(frozen=True)
class Boxes:
    """The labelled boxes of one picture.

    xyxy: (n, 4) float64, pixel edges.  labels: (n,) int64, index into the class names.
    difficult: (n,) bool, VOC's mark: neither rewarded nor punished.
    crowd: (n,) bool, COCO's ``iscrowd``.
    areas: (n,) float64, COCO's ``area``, else the box's own.
    """

    xyxy: Float
    labels: Int
    difficult: Bool
    crowd: Bool
    areas: Float

    @staticmethod
    def of(
        xyxy: object,
        labels: object,
        difficult: object | None = None,
        crowd: object | None = None,
        areas: object | None = None,
    ) -> Boxes:
        """Boxes from anything array-like, missing marks filled in: not difficult, not a crowd."""
        boxes = np.asarray(xyxy, dtype=np.float64).reshape(-1, 4)
        count = len(boxes)
        sides = boxes[:, 2:] - boxes[:, :2]

        def mark(value: object | None) -> Bool:
            return np.asarray(np.zeros(count) if value is None else value, bool).reshape(count)

        own_areas = sides[:, 0] * sides[:, 1]
        return Boxes(
            boxes,
            np.asarray(labels, dtype=np.int64).reshape(count),
            mark(difficult),
            mark(crowd),
            own_areas if areas is None else np.asarray(areas, np.float64).reshape(count),
        )

    def __len__(self) -> int:
        return len(self.labels)

    def select(self, which: Bool | Int) -> Boxes:
        """The boxes that a mask (n,) or an index array picks, in that order."""
        return Boxes(
            self.xyxy[which],
            self.labels[which],
            self.difficult[which],
            self.crowd[which],
            self.areas[which],
        )


@dataclass(frozen=True)
class Detections:
    """What a detector says of one picture, best first.

    xyxy: (n, 4) float64, pixel edges.  scores: (n,) float64 in [0, 1].  labels: (n,) int64.
    """

    xyxy: Float
    scores: Float
    labels: Int

    @staticmethod
    def of(xyxy: object, scores: object, labels: object) -> Detections:
        """Detections from anything array-like."""
        return Detections(
            np.asarray(xyxy, dtype=np.float64).reshape(-1, 4),
            np.asarray(scores, dtype=np.float64).reshape(-1),
            np.asarray(labels, dtype=np.int64).reshape(-1),
        )

    def __len__(self) -> int:
        return len(self.labels)

    def select(self, which: Bool | Int) -> Detections:
        """The detections that a mask (n,) or an index array picks, in that order."""
        return Detections(self.xyxy[which], self.scores[which], self.labels[which])


@dataclass(frozen=True)
class Sample:
    """One labelled picture, not yet read: id is unique within its split (VOC's file stem)."""

    id: str
    path: Path
    size: Size
    boxes: Boxes


@dataclass(frozen=True)
class Dataset:
    """One split of a labelled set."""

    root: Path
    split: str
    classes: tuple[str, ...]
    samples: tuple[Sample, ...]

    def __len__(self) -> int:
        return len(self.samples)


@dataclass(frozen=True)
class LabelledPictures:
    """One split of a set with one class a picture.

    ids: unique within the split.  labels: (n,) int64, index into ``classes``.
    read: the picture at a place, (height, width, 3) whatever its file holds; it raises TatamiError
    for one that cannot be read.
    """

    root: Path
    split: str
    classes: tuple[str, ...]
    ids: tuple[str, ...]
    labels: Int
    read: Callable[[int], Picture]

    def __len__(self) -> int:
        return len(self.ids)

    def select(self, which: Int, split: str | None = None) -> LabelledPictures:
        """The pictures at these places, in that order, as a split of its own name."""
        places = [int(place) for place in which]
        return LabelledPictures(
            self.root,
            self.split if split is None else split,
            self.classes,
            tuple(self.ids[place] for place in places),
            self.labels[places],
            lambda index: self.read(places[index]),
        )


@dataclass(frozen=True)
class LabelledMasks:
    """One split of a set with a class for every pixel.

    colours: (red, green, blue) of each class, as it is drawn.  ids: unique within the split.
    read: the picture at a place and its mask, of one size; it raises TatamiError for a pair that
    cannot be read.
    """

    root: Path
    split: str
    classes: tuple[str, ...]
    colours: tuple[tuple[int, int, int], ...]
    ids: tuple[str, ...]
    read: Callable[[int], tuple[Picture, Mask]]

    def __len__(self) -> int:
        return len(self.ids)

    def select(self, which: Int) -> LabelledMasks:
        """The pictures at these places, in that order."""
        places = [int(place) for place in which]
        return LabelledMasks(
            self.root,
            self.split,
            self.classes,
            self.colours,
            tuple(self.ids[place] for place in places),
            lambda index: self.read(places[index]),
        )


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
    xy_scale: YOLOv4's scale_x_y: a centre may leave its cell by (xy_scale - 1) / 2 of the cell.
    """

    anchors: tuple[tuple[float, float], ...]
    stride: tuple[float, float]
    xy_scale: float = 1.0


@dataclass(frozen=True)
class Decoding:
    """How raw maps become detections: see tatami/decoding.py, which is the rule.

    grids: one for each raw map; of an SSD one for each pair (boxes, scores) of them.
    scores: how the numbers of the classes become scores; ``linear``: they are scores, cut to 0..1.
    variances: an SSD's offsets of the centre and logarithms of the sides are multiplied by these.
    nms: what two boxes of a class must not have more of than ``iou_threshold``: their IoU, or that
    less a part that grows with the distance of their centres, darknet's ``greedynms``.
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
    """How regions of a picture become detections: see tatami/two_stage.py, which is the rule.

    kind: ``pool``, a region is max-pooled from the network's feature map; or ``warp``, cut out of
    the picture with its surroundings and warped to the network's input.
    bins: of ``pool``: what a region is pooled to.  stride: input pixels from one sample of the
    feature map to the next.
    context: of ``warp``: pixels of the input, at every edge, that show what is around the region.
    scores: ``softmax``, over the background, which is first, and the classes; or ``sigmoid``, of a
    number a class.
    variances: the offsets of the centre and logarithms of the sides are multiplied by these.
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
class NetworkSpec:
    """What a detector's file must say beside its weights to be used right; it travels in the ONNX
    metadata."""

    task: Literal["detect"]
    classes: tuple[str, ...]
    input: InputSpec
    decoding: Decoding
    provenance: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ClassifierSpec:
    """As NetworkSpec, of a network whose one output is a logit a class: (n, classes)."""

    classes: tuple[str, ...]
    input: InputSpec
    provenance: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class SegmenterSpec:
    """As ClassifierSpec, of a network whose one output is a map a class: (n, classes, rows,
    columns), of the input's size or, around the same centre, of a smaller one."""

    classes: tuple[str, ...]
    input: InputSpec
    provenance: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class TwoStageSpec:
    """As NetworkSpec, of a detector that proposes regions first and looks at each of them then.

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


Spec = NetworkSpec | ClassifierSpec | SegmenterSpec | TwoStageSpec
"""What a network is for; ``tatami.task`` in its metadata tells which."""


def detector_spec(spec: Spec) -> NetworkSpec:
    """The spec of a detector. Raises TatamiError for another's."""
    if not isinstance(spec, NetworkSpec):
        if isinstance(spec, TwoStageSpec):
            raise TatamiError(
                "the network is half of a detector in two stages",
                mend="give the folder that holds its network.onnx and its head.onnx",
            )
        what = "classifier" if isinstance(spec, ClassifierSpec) else "segmenter"
        raise TatamiError(
            f"the network is a {what}: it finds no boxes", mend="give a detector's network"
        )
    return spec


RawMaps = tuple[Float32, ...]
"""What a network says of n images: its raw maps, each (n, channels, rows, columns) float32."""

Forward = Callable[[Float32], RawMaps]
"""Images (n, 3, height, width) float32 to the raw maps, in the order of the network's outputs."""


class Detector(Protocol):
    """Anything that finds boxes in a picture: a run folder, an ONNX file, a compiled C program."""

    @property
    def spec(self) -> NetworkSpec | TwoStageSpec: ...

    def detect(self, picture: Picture, score_threshold: float) -> Detections:
        """Boxes in the picture's own pixels, best first."""
        ...


class Classifier(Protocol):
    """Anything that names a picture: a run folder, an ONNX file, a compiled C program."""

    @property
    def spec(self) -> ClassifierSpec: ...

    def classify(self, picture: Picture) -> Float32:
        """(classes,): the probability of each class, by softmax."""
        ...


class Segmenter(Protocol):
    """Anything that names every pixel: a run folder, an ONNX file, a compiled C program."""

    @property
    def spec(self) -> SegmenterSpec: ...

    def segment(self, picture: Picture) -> Mask:
        """(height, width): the class of each of the picture's own pixels."""
        ...
