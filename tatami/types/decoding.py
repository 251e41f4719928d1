"""How raw maps become detections: the parameters of rules/decoding.py and rules/regions.py."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from tatami.types import strict
from tatami.types.geometry import Size

KEY = "tatami.decoding"

Kind = Literal["yolov1", "yolov2", "yolov3", "yolov5", "ssd", "distance", "heatmap"]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""Whose boxes raw maps hold: rules/decoding.py says how each is read."""


@dataclass(frozen=True)
class AnchorGrid:
    """The anchors at every cell of a raw map, or of an SSD's pair of raw maps.

    Args:
        anchors: (width, height) pairs in pixels of the network's input.
        stride: (x, y), the pixels of the input from one cell to the next.
        xy_scale: YOLOv4's scale_x_y: a center may leave its cell by (xy_scale - 1) / 2 of the cell.
    """

    anchors: tuple[tuple[float, float], ...]
    stride: tuple[float, float]
    xy_scale: float = 1.0

    @staticmethod
    def from_json(value: object, key: str = KEY) -> AnchorGrid:
        """Read what a file's metadata says of it. Raises TatamiError."""
        found = strict.members(key, value, AnchorGrid)
        pairs = found["anchors"]
        if not isinstance(pairs, list) or not pairs:
            raise strict.refuse(key, "has no anchors")
        anchors = [strict.positive(key, "anchors", pair, 2) for pair in pairs]
        x, y = strict.positive(key, "stride", found["stride"], 2)
        (scale,) = strict.positive(key, "xy_scale", [found["xy_scale"]], 1)
        return AnchorGrid(tuple((width, height) for width, height in anchors), (x, y), scale)


@dataclass(frozen=True)
class Decoding:
    """How raw maps become detections: see rules/decoding.py, which is the rule.

    Args:
        kind: Whose boxes they are.
        grids: One for each raw map; of an SSD and of distances one for each pair (boxes, scores) of
            them, of heat maps one for each three (heat, sides, offsets).
        scores: How the numbers of the classes become scores; ``linear``: they are scores, cut to
            0..1.
        variances: An SSD's offsets of the center and logarithms of the sides are multiplied by
            these.
        nms: What two boxes of a class must not have more of than ``iou_threshold``: their IoU, or
            that less a part that grows with the distance of their centers, darknet's ``greedynms``.
        score_threshold: Boxes below it are not reported where nothing else is asked for.
        iou_threshold: From which overlap on the worse of two boxes is suppressed.
        max_candidates: Boxes, the best, that suppression looks at.
        max_detections: Boxes of a picture that are reported.
        agnostic: Whether boxes of different classes suppress each other, too.
        bins: Of distances, how many numbers say one: its scores for 0, 1, 2, ... cells; 1: itself.
        center: Of distances, where in its cell the point lies that they are measured from.
    """

    kind: Kind
    grids: tuple[AnchorGrid, ...]
    scores: Literal["softmax", "sigmoid", "linear"]
    variances: tuple[float, float] = (1.0, 1.0)
    nms: Literal["iou", "diou"] = "iou"
    score_threshold: float = 0.25
    iou_threshold: float = 0.45
    max_candidates: int = 1000
    max_detections: int = 100
    agnostic: bool = False
    bins: int = 1
    center: float = 0.5

    def channels(self, grid: AnchorGrid, classes: int) -> tuple[int, ...]:
        """Count the channels of a grid's raw map, or pair of raw maps."""
        anchors = len(grid.anchors)
        if self.kind == "ssd":
            return 4 * anchors, (classes + 1) * anchors
        if self.kind == "distance":
            return 4 * self.bins * anchors, classes * anchors
        if self.kind == "heatmap":
            return classes, 2, 2
        if self.kind == "yolov1":
            return (5 * anchors + classes,)
        return (anchors * (5 + classes),)

    def maps(self, classes: int) -> tuple[tuple[AnchorGrid, int], ...]:
        """Give the grid and the channels of every raw map, in the order of the outputs."""
        return tuple((grid, c) for grid in self.grids for c in self.channels(grid, classes))

    @staticmethod
    def yolov2(anchors: Iterable[tuple[float, float]], stride: int = 32) -> Decoding:
        """Make YOLOv2's, with its anchors in cells, as the paper gives them."""
        in_pixels = tuple((width * stride, height * stride) for width, height in anchors)
        sides = (float(stride), float(stride))
        return Decoding("yolov2", (AnchorGrid(in_pixels, sides),), "softmax")

    def to_json(self) -> dict[str, Any]:
        """Give its members as plain values; those of distances only where it is one of them."""
        members = asdict(self)
        if self.kind != "distance":
            del members["bins"], members["center"]
        return members

    @staticmethod
    def from_json(value: object, key: str = KEY) -> Decoding:
        """Read what a file's metadata says of it. Raises TatamiError."""
        if isinstance(value, dict) and value.get("kind") != "distance":
            value = {"bins": 1, "center": 0.5, **value}
        found = strict.members(key, value, Decoding)
        grids = found["grids"]
        if not isinstance(grids, list) or not 0 < len(grids) <= 64:
            raise strict.refuse(key, "has no grids")
        common = _common(found, key)
        return Decoding(
            strict.one_of(key, "kind", found["kind"], KINDS),
            tuple(AnchorGrid.from_json(grid, key) for grid in grids),
            strict.one_of(key, "scores", found["scores"], ("softmax", "sigmoid", "linear")),
            **common,
            bins=strict.whole(key, "bins", found["bins"], 1, 64),
            center=strict.share(key, "center", found["center"]),
        )


_ON_DISK = {"min_side": "least_side"}
"""Keys of a RegionDecoding in files that are older than the names of its fields."""


@dataclass(frozen=True)
class RegionDecoding:
    """How regions of a picture become detections: see rules/regions.py, which is the rule.

    Args:
        kind: ``pool``, a region is max-pooled from the network's feature map; or ``warp``, cut out
            of the picture with its surroundings and warped to the network's input.
        bins: For ``pool`` what a region is pooled to.
        stride: Input pixels from one sample of the feature map to the next.
        context: For ``warp`` pixels of the input, at every edge, that show what is around the
            region.
        scores: ``softmax``, over the background, which is first, and the classes; or ``sigmoid``,
            of a number a class.
        variances: The offsets of the center and logarithms of the sides are multiplied by these.
        min_side: A region with a side of fewer pixels of the input is left out.
        max_regions: Regions, the best, that are looked at.
        nms: As in Decoding.
        agnostic: As in Decoding.
        score_threshold: As in Decoding.
        iou_threshold: As in Decoding.
        max_candidates: As in Decoding.
        max_detections: As in Decoding.
    """

    kind: Literal["pool", "warp"] = "pool"
    bins: Size = Size(7, 7)
    stride: int = 16
    context: int = 16
    scores: Literal["softmax", "sigmoid"] = "softmax"
    variances: tuple[float, float] = (0.1, 0.2)
    min_side: float = 1.0
    max_regions: int = 300
    nms: Literal["iou", "diou"] = "iou"
    agnostic: bool = False
    score_threshold: float = 0.25
    iou_threshold: float = 0.3
    max_candidates: int = 1000
    max_detections: int = 100

    def to_json(self) -> dict[str, Any]:
        """Give its members as plain values."""
        members = {_ON_DISK.get(name, name): value for name, value in asdict(self).items()}
        return members | {"bins": str(self.bins)}

    @staticmethod
    def from_json(value: object, key: str = KEY) -> RegionDecoding:
        """Read what a file's metadata says of it. Raises TatamiError."""
        found = strict.members(key, value, RegionDecoding, _ON_DISK)
        if not isinstance(found["bins"], str):
            raise strict.refuse(key, "has bins that are not text as '7x7'")
        common = _common(found, key)
        (min_side,) = strict.finite(key, "least_side", [found["least_side"]], 1)
        if min_side < 0:
            raise strict.refuse(key, "has a least_side below 0")
        bins = Size.parse(found["bins"])
        if max(bins.width, bins.height) > 64:
            raise strict.refuse(key, "has more than 64 bins a side")
        return RegionDecoding(
            strict.one_of(key, "kind", found["kind"], ("pool", "warp")),
            bins,
            strict.whole(key, "stride", found["stride"], 1, 1024),
            strict.whole(key, "context", found["context"], 0, 1024),
            strict.one_of(key, "scores", found["scores"], ("softmax", "sigmoid")),
            min_side=min_side,
            max_regions=strict.whole(key, "max_regions", found["max_regions"], 1, 10**6),
            **common,
        )


def _common(found: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Read what both kinds of decoding say of scores and suppression."""
    center, side = strict.positive(key, "variances", found["variances"], 2)
    return {
        "variances": (center, side),
        "nms": strict.one_of(key, "nms", found["nms"], ("iou", "diou")),
        "score_threshold": strict.share(key, "score_threshold", found["score_threshold"]),
        "iou_threshold": strict.share(key, "iou_threshold", found["iou_threshold"]),
        "max_candidates": strict.whole(key, "max_candidates", found["max_candidates"], 1, 10**6),
        "max_detections": strict.whole(key, "max_detections", found["max_detections"], 1, 10**6),
        "agnostic": strict.truth(key, "agnostic", found["agnostic"]),
    }
