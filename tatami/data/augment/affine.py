"""Where a picture goes on a canvas: one affine transform for its pixels, its boxes and its mask.

A picture is perhaps turned by right angles, resized to a rectangle of whole canvas pixels, perhaps
mirrored, then rotated about the rectangle's center; only what falls into a window of the canvas is
visible. Pixels, boxes and masks all go by the same ``Transform``, so that they cannot disagree.

Resizing is Pillow's bilinear filter: the same widened triangle as the picture rule, within 2 levels
of it, computed only where it will be visible. Where the size is the picture rule's own, so is the
resizing. Rotation is bilinear interpolation of the resized picture.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil, cos, floor, radians, sin

import numpy as np
from PIL import Image

from tatami.rules.picture import resize
from tatami.types import Bool, Boxes, Float64, Mask, Picture, Size

MIN_SIDE = 2  # pixels; a box with a shorter side is no object to learn from


@dataclass(frozen=True)
class Area:
    """A rectangle of whole canvas pixels; its right and bottom edges are outside.

    Args:
        left: The first column.
        top: The first row.
        right: The column after the last.
        bottom: The row after the last.
    """

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        """Columns; 0 or less for an empty area."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """Rows; 0 or less for an empty area."""
        return self.bottom - self.top

    @property
    def empty(self) -> bool:
        """Whether it holds no pixel."""
        return self.width <= 0 or self.height <= 0

    @property
    def slices(self) -> tuple[slice, slice]:
        """Its rows and columns, as slices of a canvas that holds it."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    @property
    def corners(self) -> Float64:
        """Its corners (4, 2), clockwise from the top left."""
        x1, y1, x2, y2 = self.left, self.top, self.right, self.bottom
        return np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]], np.float64)

    def cut(self, window: Area) -> Area:
        """Cut it to a window; a side is 0 or less where nothing is left."""
        return Area(
            max(self.left, window.left),
            max(self.top, window.top),
            min(self.right, window.right),
            min(self.bottom, window.bottom),
        )


@dataclass(frozen=True)
class Transform:
    """The way of a picture onto a canvas.

    Args:
        source: The picture's size, once it is turned by ``quarters``.
        placed: The area that the whole picture is resized to; it may reach beyond the canvas.
        window: The part of the canvas in which it may be visible.
        mirrored: Whether left and right are exchanged, before it is rotated.
        degrees: The rotation about the center of ``placed``, counter-clockwise on the screen.
        by_rule: Whether it is resized by the picture rule itself, in place of Pillow.
        by_center: Whether a box stays where its center is visible, however much of it is cut away.
        quarters: Right angles by which it is turned first, 0 to 3, counter-clockwise on the screen:
            no pixel is mixed.
    """

    source: Size
    placed: Area
    window: Area
    mirrored: bool = False
    degrees: float = 0.0
    by_rule: bool = False
    by_center: bool = False
    quarters: int = 0

    @property
    def matrix(self) -> Float64:
        """The map (2, 3) from a point (x, y, 1) of the picture to a point of the canvas.

        Points are in pixel edges, and of the picture after its quarter turns.
        """
        x, y = self.placed.width / self.source.width, self.placed.height / self.source.height
        upright = np.array([[x, 0, self.placed.left], [0, y, self.placed.top], [0, 0, 1]])
        if self.mirrored:
            upright[0] = -x, 0, self.placed.right
        return np.asarray(self._turn @ upright, np.float64)[:2]

    @property
    def visible(self) -> Area:
        """The smallest area that holds all of the picture that is visible."""
        if not self.degrees:
            return self.placed.cut(self.window)
        return _hull(_moved(self.placed.corners, self._turn)).cut(self.window)

    def pixels(self, picture: Picture) -> Picture:
        """Move a picture (height, width, 3): uint8, of the size of ``visible``.

        Where the area is not ``covered`` the values mean nothing.
        """
        area, picture = self.visible, np.rot90(picture, self.quarters)
        if not self.degrees:
            return self._upright(picture, area)
        back: Float64 = np.linalg.inv(self._turn).astype(np.float64)
        reached = _hull(_moved(area.corners, back))
        needed = Area(reached.left - 2, reached.top - 2, reached.right + 2, reached.bottom + 2).cut(
            self.placed
        )
        if needed.empty:
            return np.zeros((area.height, area.width, 3), np.uint8)
        # A rim of the outermost pixels, for Pillow has nothing to say beyond the last centers.
        part = np.pad(self._upright(picture, needed), ((1, 1), (1, 1), (0, 0)), "edge")
        offset = back[:2, :2] @ (area.left, area.top) + back[:2, 2]
        offset -= (needed.left - 1, needed.top - 1)
        turned = Image.fromarray(part).transform(
            (area.width, area.height),
            Image.Transform.AFFINE,
            (*back[0, :2], offset[0], *back[1, :2], offset[1]),
            Image.Resampling.BILINEAR,
        )
        return np.asarray(turned)

    def covered(self) -> Bool:
        """Tell which pixels of ``visible`` show the picture, by their centers: (h, w) bool."""
        if not self.degrees:
            return np.ones((self.visible.height, self.visible.width), np.bool_)
        x, y = self._sources()
        inside = (x >= 0) & (x < self.source.width) & (y >= 0) & (y < self.source.height)
        return np.asarray(inside, np.bool_)

    def mask(self, mask: Mask, void: int) -> Mask:
        """Move the picture's mask (height, width), by nearest neighbor, to the size of ``visible``.

        A pixel gets the class of that pixel of the picture in which its center lies, and ``void``
        where the picture does not cover it.
        """
        mask = np.rot90(mask, self.quarters)
        x, y = self._sources()
        column = np.clip(x, 0, self.source.width - 1).astype(np.int64)
        row = np.clip(y, 0, self.source.height - 1).astype(np.int64)
        return np.where(self.covered(), mask[row, column], np.uint8(void))

    def boxes(self, boxes: Boxes, min_visible: float, hidden: Area | None = None) -> Boxes:
        """Move the picture's boxes onto the canvas, without those that are hardly visible.

        Each is cut to what is visible. For a rotated picture the result is the hull, along the
        axes, of the rotated box cut to the window: it holds the object, but tightly only if the
        object filled its box, since where the object lay in its box is not known. A box is dropped
        when one side is under MIN_SIDE, or when less than ``min_visible`` of its area, or nothing,
        is neither cut away nor ``hidden``; one that is only partly hidden keeps its extent.
        ``areas`` shrink by what is cut away. With ``by_center`` a box is dropped when its center is
        not visible, and cutting hides nothing.

        Args:
            boxes: The picture's boxes.
            min_visible: The share of a box's area that must stay, in [0, 1].
            hidden: A part of the canvas that is covered.
        """
        boxes = quarter_turned(boxes, self.source, self.quarters)
        way = self._turned if self.degrees else self._straight
        cut, whole, left, shown = way(boxes, hidden)
        sides = cut[:, 2:] - cut[:, :2]
        of = left if self.by_center else whole
        kept: Bool = (sides >= MIN_SIDE).all(axis=1) & (shown >= min_visible * of)
        if self.by_center:
            center = _moved((boxes.xyxy[:, :2] + boxes.xyxy[:, 2:]) / 2, self.matrix)
            first, _, last, _ = self.visible.corners
            kept &= ((center >= first) & (center < last)).all(axis=1)
        if hidden is not None:
            kept &= shown > 0
        own = boxes.select(kept)
        x, y = self.placed.width / self.source.width, self.placed.height / self.source.height
        areas = own.areas * (x * y) * left[kept] / whole[kept]
        return Boxes(cut[kept], own.labels, own.difficult, own.crowd, areas)

    @property
    def _turn(self) -> Float64:
        """The rotation alone (3, 3), about the center of ``placed``."""
        x = (self.placed.left + self.placed.right) / 2
        y = (self.placed.top + self.placed.bottom) / 2
        c, s = cos(radians(self.degrees)), sin(radians(self.degrees))
        return np.array([[c, s, x - c * x - s * y], [-s, c, y + s * x - c * y], [0.0, 0.0, 1.0]])

    def _sources(self) -> tuple[Float64, Float64]:
        """Find where in the picture the centers of the pixels of ``visible`` lie: x, y (h, w)."""
        area = self.visible
        back = np.linalg.inv(np.vstack([self.matrix, [0.0, 0.0, 1.0]]))
        x = np.arange(area.left, area.right)[None, :] + 0.5
        y = np.arange(area.top, area.bottom)[:, None] + 0.5
        across, down = (row[0] * x + row[1] * y + row[2] for row in back[:2])
        return across, down

    def _upright(self, picture: Picture, area: Area) -> Picture:
        """Resize the picture to ``placed``, not yet rotated, and give the pixels in an area."""
        placed = self.placed
        left = placed.right - area.right if self.mirrored else area.left - placed.left
        top = area.top - placed.top
        if self.by_rule:
            whole = resize(picture, Size(placed.width, placed.height))
            pixels = whole[top : top + area.height, left : left + area.width]
        else:
            height, width = picture.shape[:2]
            x, y = width / placed.width, height / placed.height  # picture pixels a canvas pixel
            # hand over only the pixels that the filter's triangle can reach
            x1, y1 = max(0, floor((left - 1) * x) - 1), max(0, floor((top - 1) * y) - 1)
            x2 = min(width, ceil((left + area.width + 1) * x) + 1)
            y2 = min(height, ceil((top + area.height + 1) * y) + 1)
            part = Image.fromarray(np.ascontiguousarray(picture[y1:y2, x1:x2]))
            image = part.resize(
                (area.width, area.height),
                Image.Resampling.BILINEAR,
                box=(
                    max(0.0, left * x - x1),
                    max(0.0, top * y - y1),
                    min(part.width, (left + area.width) * x - x1),
                    min(part.height, (top + area.height) * y - y1),
                ),
            )
            pixels = np.asarray(image)
        return pixels[:, ::-1] if self.mirrored else pixels

    def _straight(
        self, boxes: Boxes, hidden: Area | None
    ) -> tuple[Float64, Float64, Float64, Float64]:
        """Cut boxes (n, 4) to what is visible.

        Returns:
            The boxes, and areas (n,): whole, left by the cut, and shown.
        """
        placed = self.placed
        x, y = placed.width / self.source.width, placed.height / self.source.height
        xyxy = boxes.xyxy * np.array([x, y, x, y])
        if self.mirrored:
            x1, y1, x2, y2 = xyxy.T
            xyxy = np.stack([placed.width - x2, y1, placed.width - x1, y2], axis=1)
        xyxy = xyxy + np.array([placed.left, placed.top, placed.left, placed.top], np.float64)
        cut = _cut(xyxy, self.visible)
        left = _areas(cut)
        under = np.zeros(len(boxes)) if hidden is None else _areas(_cut(cut, hidden))
        return cut, _areas(xyxy), left, left - under

    def _turned(
        self, boxes: Boxes, hidden: Area | None
    ) -> tuple[Float64, Float64, Float64, Float64]:
        """Cut the boxes of a rotated picture as the polygons that they are.

        Returns:
            As for ``_straight``.
        """
        count, matrix = len(boxes), self.matrix
        cut, left, under = np.zeros((count, 4)), np.zeros(count), np.zeros(count)
        picture = Area(0, 0, self.source.width, self.source.height)
        for index, (x1, y1, x2, y2) in enumerate(_cut(boxes.xyxy, picture).tolist()):
            if x1 >= x2 or y1 >= y2:
                continue
            corners = np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]])
            polygon = _clipped(_moved(corners, matrix), self.window)
            if len(polygon):
                cut[index] = *polygon.min(axis=0), *polygon.max(axis=0)
                left[index] = _polygon_area(polygon)
                if hidden is not None:
                    under[index] = _polygon_area(_clipped(polygon, hidden))
        whole = _areas(boxes.xyxy) * abs(float(np.linalg.det(matrix[:, :2])))
        return cut, whole, left, left - under


def quarter_turned(boxes: Boxes, size: Size, quarters: int) -> Boxes:
    """Turn the boxes of a picture by right angles, counter-clockwise on the screen.

    Args:
        boxes: The boxes.
        size: The picture's size once it is turned.
        quarters: How many right angles, 0 to 3.
    """
    if quarters == 0:
        return boxes
    x1, y1, x2, y2 = boxes.xyxy.T
    across, down = size.width, size.height
    edges = {
        1: (y1, down - x2, y2, down - x1),
        2: (across - x2, down - y2, across - x1, down - y1),
        3: (across - y2, x1, across - y1, x2),
    }
    return replace(boxes, xyxy=np.stack(edges[quarters], axis=1))


def _moved(points: Float64, matrix: Float64) -> Float64:
    """Send points (n, 2) through a matrix (2, 3) or (3, 3)."""
    return np.asarray(points @ matrix[:2, :2].T + matrix[:2, 2], np.float64)


def _hull(points: Float64) -> Area:
    """Find the smallest area of whole pixels that holds the points (n, 2)."""
    (x1, y1), (x2, y2) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    return Area(floor(x1), floor(y1), ceil(x2), ceil(y2))


def _cut(xyxy: Float64, area: Area) -> Float64:
    """Cut boxes (n, 4) to an area; a side is negative where nothing is left."""
    low = np.maximum(xyxy, np.array([area.left, area.top] * 2, np.float64))
    return np.minimum(low, np.array([area.right, area.bottom] * 2, np.float64))


def _areas(xyxy: Float64) -> Float64:
    """Compute the areas (n,) of boxes (n, 4)."""
    return np.asarray(np.prod(np.maximum(xyxy[:, 2:] - xyxy[:, :2], 0), axis=1), np.float64)


def _clipped(polygon: Float64, area: Area) -> Float64:
    """Cut a convex polygon (n, 2) to an area: (m, 2), m = 0 where nothing is left.

    Source:
        Sutherland and Hodgman 1974, "Reentrant polygon clipping": one edge of the area after
        another.
    """
    edges = ((0, area.left, 1), (0, area.right, -1), (1, area.top, 1), (1, area.bottom, -1))
    for axis, edge, inward in edges:
        depth = (polygon[:, axis] - edge) * inward  # how far inside each corner lies
        result = []
        for at in range(len(polygon)):
            before, after = depth[at - 1], depth[at]
            if (before >= 0) != (after >= 0):
                share = before / (before - after)
                crossing = polygon[at - 1] + share * (polygon[at] - polygon[at - 1])
                crossing[axis] = edge
                result.append(crossing)
            if after >= 0:
                result.append(polygon[at])
        polygon = np.array(result).reshape(-1, 2)
    return polygon


def _polygon_area(polygon: Float64) -> float:
    """Compute the area of a polygon (n, 2) by the shoelace formula."""
    if len(polygon) < 3:
        return 0.0
    x, y = (polygon - polygon[0]).T
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2
