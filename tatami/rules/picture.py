"""The picture rule: how a picture becomes a network's input, in exact integer arithmetic.

docs/picture-rule.md is the rule in words, for whoever writes it in another language; this file is
the rule in NumPy. Both the C that Tatami writes and this file must give the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import gcd
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from tatami.errors import TatamiError
from tatami.rules.picture_darknet import resize_darknet
from tatami.types import Float32, Float64, InputSpec, Int64, Picture, Size

MAX_SIDE = 16384
"""The longest side that the rule takes, in or out: within it every sum fits 64 unsigned bits."""

_BLOCK = 16  # output lines computed by one matrix product; a tap matrix is nearly all zeros beyond


@dataclass(frozen=True)
class Placement:
    """Where the resized picture lies inside the canvas, in canvas pixels.

    Args:
        left: Its left edge.
        top: Its top edge.
        width: Its width.
        height: Its height.
        shift_x: How far boxes are moved beyond ``left``: the half pixel that darknet rounds away
            for pixels, and not for boxes.
        shift_y: The same beyond ``top``.
    """

    left: int
    top: int
    width: int
    height: int
    shift_x: float = 0.0
    shift_y: float = 0.0

    def to_picture(self, xyxy: Float64, picture_size: Size) -> Float64:
        """Map boxes (n, 4) from canvas pixels to pixels of the picture of that size.

        They are not clipped.
        """
        boxes = np.asarray(xyxy, np.float64).reshape(-1, 4)
        return (boxes - self._offset) * self._ratio(picture_size)

    def to_canvas(self, xyxy: Float64, picture_size: Size) -> Float64:
        """Map boxes (n, 4) from pixels of the picture of that size to canvas pixels.

        They are not clipped.
        """
        boxes = np.asarray(xyxy, np.float64).reshape(-1, 4)
        return boxes / self._ratio(picture_size) + self._offset

    @property
    def _offset(self) -> Float64:
        x, y = self.left + self.shift_x, self.top + self.shift_y
        return np.array([x, y, x, y], np.float64)

    def _ratio(self, picture_size: Size) -> Float64:
        x, y = picture_size.width / self.width, picture_size.height / self.height
        return np.array([x, y, x, y], np.float64)


def placement(size: Size, spec: InputSpec) -> Placement:
    """Compute where a picture of ``size`` goes on the canvas of ``spec``.

    ``letterbox`` keeps the aspect (the shorter side rounded to the nearest pixel, at least 1) and
    centers, an odd pixel of padding going right and below; ``stretch`` fills the canvas. darknet
    rounds the shorter side down.

    Raises:
        TatamiError: For a side longer than MAX_SIDE.
    """
    _refuse_long_sides(size)
    _refuse_long_sides(spec.size)
    w, h = size.width, size.height
    width, height = spec.size.width, spec.size.height
    darknet = spec.filter == "darknet"
    if spec.resize == "letterbox":
        if width * h <= height * w:
            height = max(1, h * width // w if darknet else (2 * h * width + w) // (2 * w))
        else:
            width = max(1, w * height // h if darknet else (2 * w * height + h) // (2 * h))
    across, down = spec.size.width - width, spec.size.height - height
    shifts = ((across % 2) / 2, (down % 2) / 2) if darknet else (0.0, 0.0)
    return Placement(across // 2, down // 2, width, height, *shifts)


def resize(picture: Picture, size: Size) -> Picture:
    """Resize by the triangle filter, widened when shrinking, with one rounding at the end.

    Args:
        picture: uint8 (h, w, 3).
        size: The size that it gets.

    Returns:
        uint8 (size.height, size.width, 3), a new array.

    Raises:
        TatamiError: For a side longer than MAX_SIDE, and where a very large picture is to become so
            few pixels (1x1, 1x2 or 2x1) that a sum would not fit 64 bits.
    """
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
        raise ValueError(f"a picture is uint8 (h, w, 3), not {picture.dtype} {picture.shape}")
    source = Size(picture.shape[1], picture.shape[0])
    _refuse_long_sides(source)
    _refuse_long_sides(size)
    if source == size:
        return picture.copy()

    vertical = _axis(source.height, size.height)
    horizontal = _axis(source.width, size.width)
    largest = int(vertical.sums.max()) * int(horizontal.sums.max())
    if 255 * largest + largest // 2 >= 2**64:
        raise TatamiError(
            f"a picture of {source} cannot be resized to {size} in 64-bit arithmetic",
            hint="ask for at least 3 pixels on the longer side",
        )
    # Every number below is an integer that its type holds exactly, so the order of the additions
    # in a matrix product, and a fused multiply-add, cannot change a bit.
    first = _exact_type(255 * int(vertical.sums.max()))
    last = _exact_type(255 * largest + largest // 2)
    rows = vertical.apply(picture.reshape(source.height, -1), first)
    columns = np.ascontiguousarray(
        rows.reshape(size.height, source.width, 3).transpose(1, 0, 2), dtype=last
    ).reshape(source.width, -1)
    total = horizontal.apply(columns, last).reshape(size.width, size.height, 3)
    weight = horizontal.sums[:, None, None] * vertical.sums[:, None]
    total += (weight // 2).astype(last)
    # The cast truncates, which is the floor. The division may be a float's: its quotient q < 256
    # has an error of at most 2^-46 (2^-17 in float32), while an exact q below an integer stays
    # 1/S below it, and S < 2^53/255 (2^24/255) makes that larger: it cannot round up to it.
    if last is np.uint64:
        total //= weight.astype(last)
    else:
        total /= weight.astype(last)
    return np.ascontiguousarray(total.astype(np.uint8).transpose(1, 0, 2))


def letterbox(picture: Picture, spec: InputSpec) -> Picture:
    """Place a picture on its canvas.

    Args:
        picture: uint8 (h, w, 3).
        spec: How it is placed.

    Returns:
        uint8 (spec.size.height, spec.size.width, 3).
    """
    place = placement(Size(picture.shape[1], picture.shape[0]), spec)
    canvas: Picture = np.full((spec.size.height, spec.size.width, 3), int(spec.pad), np.uint8)
    canvas[place.top : place.top + place.height, place.left : place.left + place.width] = resize(
        picture, Size(place.width, place.height)
    )
    return canvas


def normalize(canvas: Picture, spec: InputSpec) -> Float32:
    """Turn a canvas into planes, in the order of ``spec.channels``.

    value = (float32(pixel) - float32(mean[c])) * float32(scale[c]), c counting planes in that
    order: for ``bgr``, mean[0] belongs to blue.

    Args:
        canvas: uint8 (h, w, 3), RGB.
        spec: Channels, mean and scale.

    Returns:
        float32 (3, h, w).
    """
    order = [0, 1, 2] if spec.channels == "rgb" else [2, 1, 0]
    mean = np.array(spec.mean, np.float32)[:, None, None]
    scale = np.array(spec.scale, np.float32)[:, None, None]
    planes = canvas.transpose(2, 0, 1)[order].astype(np.float32)
    planes -= mean
    planes *= scale
    return planes


def prepare(picture: Picture, spec: InputSpec) -> tuple[Float32, Placement]:
    """Follow the whole rule: from a picture, uint8 (h, w, 3), to planes, float32 (3, H, W).

    Returns:
        The planes, and where the picture lies on them.
    """
    place = placement(Size(picture.shape[1], picture.shape[0]), spec)
    if spec.filter == "darknet":
        return _prepare_darknet(picture, spec, place), place
    return normalize(letterbox(picture, spec), spec), place


def _prepare_darknet(picture: Picture, spec: InputSpec, place: Placement) -> Float32:
    """Normalize first, then interpolate in float32: section 5 of the rule."""
    resized = resize_darknet(normalize(picture, spec), Size(place.width, place.height))
    around = (np.float32(spec.pad) - np.array(spec.mean, np.float32)) * np.array(
        spec.scale, np.float32
    )
    planes = np.empty((3, spec.size.height, spec.size.width), np.float32)
    planes[:] = around[:, None, None]
    rows = slice(place.top, place.top + place.height)
    planes[:, rows, place.left : place.left + place.width] = resized
    return planes


@dataclass(frozen=True)
class _Axis:
    """The taps of one axis: ``blocks`` of (first output, first source, weights (outputs, sources)).

    sums: (m,) int64, the sum of the weights of each output.
    """

    blocks: tuple[tuple[int, int, Int64], ...]
    sums: Int64

    def apply(self, lines: NDArray[Any], dtype: DTypeLike) -> NDArray[Any]:
        """Compute weighted sums, not divided: lines (n, k) to (m, k) of ``dtype``."""
        result = np.empty((len(self.sums), lines.shape[1]), dtype)
        for output, source, weights in self.blocks:
            outputs, sources = weights.shape
            np.matmul(
                weights.astype(dtype),
                lines[source : source + sources].astype(dtype, copy=False),
                out=result[output : output + outputs],
            )
        return result


@lru_cache(maxsize=256)
def _axis(n: int, m: int) -> _Axis:
    """Make the triangle filter from n pixels to m; weights are divided by gcd(n, m).

    W(i, j) = max(0, 2M - |(2j+1)m - (2i+1)n|), M = max(n, m): with pixel j's center at (2j+1)/2n of
    the axis, the distance of the centers in units of 1/(2nm) under a triangle as wide as two pixels
    of whichever side has the larger ones.
    """
    common = gcd(n, m)
    step, pitch = n // common, m // common  # between output centers; between source centers
    reach = 2 * max(step, pitch)
    blocks = []
    sums = []
    for start in range(0, m, _BLOCK):
        outputs = np.arange(start, min(start + _BLOCK, m), dtype=np.int64)
        centers = (2 * outputs + 1) * step
        # the sources with (2j+1) * pitch within reach of a center, and inside the picture
        first = max(0, int(centers[0] - reach - pitch) // (2 * pitch))
        stop = min(n, int(centers[-1] + reach + pitch) // (2 * pitch) + 1)
        sources = np.arange(first, stop, dtype=np.int64)
        weights = np.maximum(0, reach - np.abs((2 * sources + 1) * pitch - centers[:, None]))
        weights.setflags(write=False)
        blocks.append((start, first, weights))
        sums.append(weights.sum(axis=1))
    return _Axis(tuple(blocks), np.concatenate(sums))


def _exact_type(largest: int) -> type[np.float32] | type[np.float64] | type[np.uint64]:
    """Find the fastest type that holds every integer up to ``largest``."""
    if largest < 2**24:
        return np.float32
    return np.float64 if largest < 2**53 else np.uint64


def _refuse_long_sides(size: Size) -> None:
    if max(size.width, size.height) > MAX_SIDE:
        raise TatamiError(
            f"a side of {size} is longer than {MAX_SIDE} pixels", hint="make the picture smaller"
        )
