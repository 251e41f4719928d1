"""Resize a map by a list of the samples that each output mixes, one axis at a time. ONNX Resize."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tatami.types import Float32, Float64, Real

Index = NDArray[np.int32]


@dataclass(frozen=True)
class ResizeTaps:
    """The two samples that each output along an axis mixes.

    Output i is x[first[i]] * (1 - weight[i]) + x[second[i]] * weight[i].

    Args:
        first: (length,).
        second: (length,).
        weight: (length,), in [0, 1].
    """

    first: Index
    second: Index
    weight: Float32


def resize(x: NDArray[Real], rows: ResizeTaps, columns: ResizeTaps) -> NDArray[Real]:
    """Resize maps: (n, c, h, w) -> (n, c, len(rows.first), len(columns.first)).

    Where no weight is set this copies samples, infinities and NaNs too. Otherwise it goes along the
    rows first, then along the columns, in x's own type.
    """
    if not rows.weight.any() and not columns.weight.any():
        return x[:, :, rows.first][..., columns.first]
    down, across = rows.weight[:, None], columns.weight
    one = np.float32(1)
    lines = x[:, :, rows.first] * (one - down) + x[:, :, rows.second] * down
    y = lines[..., columns.first] * (one - across) + lines[..., columns.second] * across
    return np.asarray(y, x.dtype)


def resize_backward(
    dy: NDArray[Real], shape: tuple[int, int, int, int], rows: ResizeTaps, columns: ResizeTaps
) -> NDArray[Real]:
    """Compute the gradient of ``resize``: each output gives its dy to the samples it mixed.

    Args:
        dy: (n, c, len(rows.first), len(columns.first)).
        shape: (n, c, h, w), of what was resized.
        rows: The taps of its rows.
        columns: The taps of its columns.

    Returns:
        (n, c, h, w).
    """
    down, across = _matrix(rows, shape[2]), _matrix(columns, shape[3])
    lines = np.matmul(dy, across.astype(dy.dtype))  # (n, c, outputs, w)
    return np.asarray(np.matmul(down.T.astype(dy.dtype), lines), dy.dtype)


def _matrix(one: ResizeTaps, length: int) -> Float64:
    """Write what each output takes of each sample along an axis: (outputs, length)."""
    takes = np.zeros((len(one.first), length))
    outputs = np.arange(len(one.first))
    takes[outputs, one.first] += np.float32(1) - one.weight
    takes[outputs, one.second] += one.weight
    return takes


def resize_taps(
    length: int, outputs: int, scale: float, mode: str, coordinates: str, rounding: str
) -> ResizeTaps:
    """Compute the taps of each of ``outputs`` samples among ``length``.

    Args:
        length: Samples along the axis.
        outputs: Samples of the result.
        scale: outputs / length as the network says it.
        mode: nearest or linear.
        coordinates: half_pixel, pytorch_half_pixel, align_corners or asymmetric.
        rounding: For nearest: round_prefer_floor, round_prefer_ceil, floor or ceil.

    Raises:
        ValueError: For other modes, coordinates and roundings.
    """
    place = _places(outputs, length, scale, coordinates)
    if mode == "nearest":
        if coordinates == "asymmetric":  # as runtimes divide: 1 / (1 / 3) is 3, and not less
            at = np.arange(outputs, dtype=np.float32)
            place = np.asarray(at / np.float32(scale), np.float64)
        index = _rounded(place, rounding)
        nearest = np.clip(index, 0, length - 1).astype(np.int32)
        return ResizeTaps(nearest, nearest, np.zeros(outputs, np.float32))
    if mode != "linear":
        raise ValueError(f"mode {mode}")
    held = np.clip(place, 0, length - 1)
    first = np.floor(held).astype(np.int32)
    second = np.minimum(first + 1, length - 1).astype(np.int32)
    return ResizeTaps(first, second, (held - first).astype(np.float32))


def _places(outputs: int, length: int, scale: float, coordinates: str) -> Float64:
    at = np.arange(outputs, dtype=np.float64)
    match coordinates:
        case "half_pixel":
            return (at + 0.5) / scale - 0.5
        case "pytorch_half_pixel":
            return (at + 0.5) / scale - 0.5 if outputs > 1 else np.zeros(1)
        case "align_corners":
            # ONNX's corner is that of the length that the scale says, which need not be whole.
            return at * ((length - 1) / (scale * length - 1)) if outputs > 1 else np.zeros(1)
        case "asymmetric":
            return at / scale
    raise ValueError(f"coordinates {coordinates}")


def _rounded(place: Float64, rounding: str) -> Float64:
    match rounding:
        case "round_prefer_floor":
            return np.asarray(np.ceil(place - 0.5))
        case "round_prefer_ceil":
            return np.asarray(np.floor(place + 0.5))
        case "floor":
            return np.asarray(np.floor(place))
        case "ceil":
            return np.asarray(np.ceil(place))
    raise ValueError(f"rounding {rounding}")


# Any axes, any number of taps -------------------------------------------------------------------


@dataclass(frozen=True)
class AxisTaps:
    """The samples that each output along an axis mixes, as many for every output.

    Output i is the sum of x[places[i, k]] * weights[i, k] over k.

    Args:
        places: (outputs, taps), each within the axis.
        weights: (outputs, taps).
        outside: (outputs,), whether an output lies outside what it is taken from.
    """

    places: Index
    weights: Float32
    outside: NDArray[np.bool_]

    @property
    def copies(self) -> bool:
        """Tell whether each output is one sample as it is."""
        return bool(self.places.shape[1] == 1)


@dataclass(frozen=True)
class Resampling:
    """Say how an axis is resized, with ONNX's words.

    Args:
        mode: nearest, linear or cubic.
        coordinates: ONNX's coordinate_transformation_mode.
        rounding: For nearest: ONNX's nearest_mode.
        cubic: The coefficient a of the cubic kernel.
        antialias: Whether the kernel is widened where the axis becomes shorter.
        exclude: Whether samples beyond the ends weigh nothing; otherwise the ends are repeated.
        start: For tf_crop_and_resize: where the part that is taken begins, in [0, 1].
        end: Where it ends.
    """

    mode: str = "nearest"
    coordinates: str = "half_pixel"
    rounding: str = "round_prefer_floor"
    cubic: float = -0.75
    antialias: bool = False
    exclude: bool = False
    start: float = 0.0
    end: float = 1.0


def axis_taps(length: int, outputs: int, scale: float, how: Resampling) -> AxisTaps:
    """Compute the taps of each of ``outputs`` samples among ``length``, in any of ONNX's ways.

    Args:
        length: Samples along the axis.
        outputs: Samples of the result.
        scale: outputs / length as the network says it.
        how: The way.

    Raises:
        ValueError: For other modes, coordinates and roundings.

    Source:
        Keys, Cubic convolution interpolation for digital image processing (1981), equation 4.
    """
    at = np.arange(outputs, dtype=np.float64)
    last = length - 1
    if how.coordinates == "half_pixel_symmetric":
        whole = outputs / (scale * length)
        place = length / 2 * (1 - whole) + (at + 0.5) / scale - 0.5
    elif how.coordinates == "tf_crop_and_resize":
        span = how.end - how.start
        middle = np.full(1, 0.5 * (how.start + how.end) * last)
        place = how.start * last + at * span * last / (outputs - 1) if outputs > 1 else middle
    else:
        place = _places(outputs, length, scale, how.coordinates)
    outside = np.zeros(outputs, np.bool_)
    if how.coordinates == "tf_crop_and_resize":
        outside = (place < 0) | (place > last)
    if how.mode == "nearest":
        nearest = np.clip(_rounded(place, how.rounding), 0, last).astype(np.int32)
        return AxisTaps(nearest[:, None], np.ones((outputs, 1), np.float32), outside)
    reach = {"linear": 1, "cubic": 2}.get(how.mode)
    if reach is None:
        raise ValueError(f"mode {how.mode}")
    shrink = min(scale, 1.0) if how.antialias else 1.0
    first = int(np.floor(-reach / shrink)) + 1
    base = np.floor(place)
    offsets = np.arange(first, 2 - first)  # as many before the place as after it
    distance = np.abs(offsets - (place - base)[:, None]) * shrink
    weights = np.clip(1 - distance, 0, None) if reach == 1 else _keys(distance, how.cubic)
    index = base[:, None] + offsets
    if how.exclude:
        weights = weights * ((index >= 0) & (index <= last))
    if how.exclude or how.antialias:
        total = weights.sum(axis=1, keepdims=True)
        weights = weights / np.where(total == 0, 1, total)
    held = np.clip(index, 0, last).astype(np.int32)
    return AxisTaps(held, weights.astype(np.float32), outside)


def _keys(distance: Float64, a: float) -> Float64:
    """Compute the cubic kernel at distances of 0 and more."""
    near = ((a + 2) * distance - (a + 3)) * distance * distance + 1
    far = ((distance - 5) * distance + 8) * distance * a - 4 * a
    return np.where(distance <= 1, near, np.where(distance < 2, far, 0.0))


def resize_axes(
    x: NDArray[Real], axes: Mapping[int, AxisTaps], beyond: float = 0.0
) -> NDArray[Real]:
    """Resize any axes of an array, the last first.

    Whole numbers are mixed as real numbers, and what is behind the point is left out.

    Args:
        x: Of any shape.
        axes: The taps of those axes that change.
        beyond: What outputs are that lie outside.
    """
    wide = np.result_type(x.dtype, np.float32) if x.dtype.kind == "f" else np.dtype(np.float32)
    y: NDArray[Any] = x
    for axis in sorted(axes, reverse=True):
        taps = axes[axis]
        if taps.copies:
            y = np.take(y, taps.places[:, 0], axis=axis)
            continue
        shape = [-1 if at == axis else 1 for at in range(x.ndim)]
        mixed = np.zeros((), wide)
        for k in range(taps.places.shape[1]):
            share = taps.weights[:, k].astype(wide).reshape(shape)
            mixed = mixed + np.take(y, taps.places[:, k], axis=axis).astype(wide) * share
        y = mixed
    y = np.array(y.astype(x.dtype))
    for axis, taps in axes.items():
        np.moveaxis(y, axis, 0)[taps.outside] = beyond
    return y


def resize_axes_backward(
    dy: NDArray[Real], shape: tuple[int, ...], axes: Mapping[int, AxisTaps]
) -> NDArray[Real]:
    """Compute the gradient of ``resize_axes``: each output gives its dy to the samples it mixed.

    Args:
        dy: Of the result's shape.
        shape: Of what was resized.
        axes: The taps of its axes that change.
    """
    dx: NDArray[Any] = dy
    for axis, taps in axes.items():
        takes = np.zeros((len(taps.places), shape[axis]))
        for k in range(taps.places.shape[1]):
            takes[np.arange(len(takes)), taps.places[:, k]] += taps.weights[:, k] * ~taps.outside
        dx = np.moveaxis(np.tensordot(takes.astype(dy.dtype), dx, axes=(0, axis)), 0, axis)
    return np.asarray(dx, dy.dtype)
