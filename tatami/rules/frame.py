"""The camera rule, docs/camera-rule.md: a camera's frame as a picture of red, green and blue.

The C that ships reads such a frame where it lies; this is what it reads.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from tatami.errors import TatamiError
from tatami.types import Picture, Size

Format = Literal[
    "rgb888", "bgr888", "rgb565", "rgb565-swapped", "yuyv", "uyvy", "nv12", "nv21", "grey"
]
FORMATS: tuple[Format, ...] = get_args(Format)
"""In the order of their numbers in C."""

Bytes = NDArray[np.uint8]
Int = NDArray[np.int64]


def rgb_of(
    format: Format,
    data: Bytes,
    size: Size,
    stride: int,
    chroma: Bytes | None = None,
    chroma_stride: int = 0,
) -> Picture:
    """Read a frame as a picture.

    Args:
        format: How its pixels lie.
        data: The bytes of the first plane, (n,).
        size: In pixels.
        stride: Bytes from one line to the next.
        chroma: The bytes of the second plane, of nv12 and nv21.
        chroma_stride: Its bytes from one line to the next.

    Returns:
        The picture, uint8 (height, width, 3).

    Raises:
        TatamiError: For planes that are too short for the frame, and a second one that is missing.
    """
    w, h = size.width, size.height
    pairs = (w + 1) // 2
    bytes_of_line = {"yuyv": 4 * pairs, "uyvy": 4 * pairs, "rgb888": 3 * w, "bgr888": 3 * w}
    two = ("rgb565", "rgb565-swapped")
    needed = bytes_of_line.get(format, 2 * w if format in two else w)
    line = _lines(data, h, needed, stride).astype(np.int64)
    if format in ("rgb888", "bgr888"):
        picture = line.reshape(h, w, 3)[..., :: 1 if format == "rgb888" else -1]
    elif format in two:
        low, high = (0, 1) if format == "rgb565" else (1, 0)
        picture = _from_565(line[:, high::2], line[:, low::2])
    elif format in ("yuyv", "uyvy"):
        y, u, v = (0, 1, 3) if format == "yuyv" else (1, 0, 2)
        quads = line.reshape(h, pairs, 4)
        luma = quads[..., [y, y + 2]].reshape(h, 2 * pairs)[:, :w]
        picture = _from_yuv(luma, _twice(quads[..., u])[:, :w], _twice(quads[..., v])[:, :w])
    elif format in ("nv12", "nv21"):
        if chroma is None:
            raise TatamiError(f"{format} has a second plane", hint="give it", setting="chroma")
        both = _lines(chroma, (h + 1) // 2, 2 * pairs, chroma_stride).astype(np.int64)
        u, v = (0, 1) if format == "nv12" else (1, 0)
        planes = [_twice(np.repeat(both[:, at::2], 2, axis=0)[:h])[:, :w] for at in (u, v)]
        picture = _from_yuv(line, *planes)
    else:
        picture = np.repeat(line[..., None], 3, axis=2)
    return np.ascontiguousarray(picture).astype(np.uint8)


def _lines(data: Bytes, count: int, needed: int, stride: int) -> Bytes:
    """Give the lines of a plane, (count, needed)."""
    if stride < needed or data.size < (count - 1) * stride + needed:
        raise TatamiError(
            f"a plane of {data.size} bytes, {stride} a line, is too short",
            hint=f"it has {count} lines of {needed} bytes",
            setting="stride",
        )
    whole = np.zeros(count * stride, np.uint8)
    whole[: min(data.size, whole.size)] = data[: whole.size]
    return whole.reshape(count, stride)[:, :needed]


def _twice(columns: Int) -> Int:
    """Give each column to two pixels."""
    return np.repeat(columns, 2, axis=1)


def _from_565(high: Int, low: Int) -> Int:
    """Section 2: the nearest of 0 to 255 for each of 0 to 31, or 63."""
    red, green, blue = high >> 3, (high & 7) << 3 | low >> 5, low & 31
    return np.stack(
        ((red * 527 + 23) >> 6, (green * 259 + 33) >> 6, (blue * 527 + 23) >> 6), axis=-1
    )


def _from_yuv(y: Int, u: Int, v: Int) -> Int:
    """Section 3: ITU-R BT.601 with luma of 16 to 235, in 256ths."""
    luma, u, v = 298 * (y - 16), u - 128, v - 128
    every = (luma + 409 * v, luma - 100 * u - 208 * v, luma + 516 * u)
    return np.stack([np.clip((each + 128) >> 8, 0, 255) for each in every], axis=-1)
