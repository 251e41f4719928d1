"""Resize a map by a list of the samples that each output mixes, one axis at a time. ONNX Resize."""

from __future__ import annotations

from dataclasses import dataclass

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
