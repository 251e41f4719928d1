"""Sizes and boxes.

Coordinates everywhere: pixels of the picture *as shown* (after EXIF orientation), x to the right
and y down, edges and not centers, so that a picture's own box is (0, 0, width, height) and a box's
area is (x2 - x1) * (y2 - y1) with no "+ 1".
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from tatami.errors import TatamiError
from tatami.types.arrays import Bool, Float64, Int64


@dataclass(frozen=True, order=True)
class Size:
    """Width and height in pixels, typed and printed as ``352x288``: width before height.

    Args:
        width: At least 1.
        height: At least 1.

    Raises:
        TatamiError: For a side below 1.
    """

    width: int
    height: int

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1:
            raise TatamiError(f"size {self} is empty", hint="give two positive sides, as 352x288")

    @staticmethod
    def parse(text: str) -> Size:
        """Read ``352x288`` or, for a square, ``416``.

        Raises:
            TatamiError: For anything else.
        """
        match = re.fullmatch(r"(\d{1,6})(?:[xX×](\d{1,6}))?", text.strip())
        if match is None:
            raise TatamiError(f"'{text}' is not a size", hint="give width x height, as 352x288")
        width = int(match[1])
        return Size(width, int(match[2]) if match[2] else width)

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


@dataclass(frozen=True)
class Boxes:
    """The labeled boxes of one picture.

    Args:
        xyxy: (n, 4) float64, the edges in pixels.
        labels: (n,) int64, index into the class names.
        difficult: (n,) bool, VOC's mark: neither rewarded nor punished.
        crowd: (n,) bool, COCO's ``iscrowd``.
        areas: (n,) float64, COCO's ``area``, else the box's own.
    """

    xyxy: Float64
    labels: Int64
    difficult: Bool
    crowd: Bool
    areas: Float64

    @staticmethod
    def of(
        xyxy: object,
        labels: object,
        difficult: object | None = None,
        crowd: object | None = None,
        areas: object | None = None,
    ) -> Boxes:
        """Make boxes of anything array-like.

        Args:
            xyxy: (n, 4), the edges in pixels.
            labels: (n,), index into the class names.
            difficult: (n,); None: no box is difficult.
            crowd: (n,); None: no box is a crowd.
            areas: (n,) in square pixels; None: the boxes' own.
        """
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

    def select(self, which: Bool | Int64) -> Boxes:
        """Pick boxes by a mask (n,) or by an array of indices, in that order."""
        return Boxes(
            self.xyxy[which],
            self.labels[which],
            self.difficult[which],
            self.crowd[which],
            self.areas[which],
        )


@dataclass(frozen=True)
class Detections:
    """What a detector finds in one picture, best first.

    Args:
        xyxy: (n, 4) float64, the edges in pixels.
        scores: (n,) float64 in [0, 1].
        labels: (n,) int64, index into the class names.
    """

    xyxy: Float64
    scores: Float64
    labels: Int64

    @staticmethod
    def of(xyxy: object, scores: object, labels: object) -> Detections:
        """Make detections of anything array-like.

        Args:
            xyxy: (n, 4), the edges in pixels.
            scores: (n,) in [0, 1].
            labels: (n,), index into the class names.
        """
        return Detections(
            np.asarray(xyxy, dtype=np.float64).reshape(-1, 4),
            np.asarray(scores, dtype=np.float64).reshape(-1),
            np.asarray(labels, dtype=np.int64).reshape(-1),
        )

    def __len__(self) -> int:
        return len(self.labels)

    def select(self, which: Bool | Int64) -> Detections:
        """Pick detections by a mask (n,) or by an array of indices, in that order."""
        return Detections(self.xyxy[which], self.scores[which], self.labels[which])
