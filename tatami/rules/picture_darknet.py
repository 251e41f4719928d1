"""darknet's own way to make a picture fit, for networks that were trained or measured with it.

As image.c of pjreddie/darknet has it, in float32, every operation rounded by itself and in that
order: bilinear between the corner samples (which darknet puts on the corners of the result), first
across, then down. A shrunk picture aliases; docs/picture-rule.md says what is better. The C that
Tatami writes (ship/c/kernels/picture_darknet.c) does the same to the bit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tatami.types import Float32, Int64, Size


@dataclass(frozen=True)
class Taps:
    """The samples that bilinear interpolation mixes along one axis.

    Output i is (1 - part[i]) * source[first[i]] + part[i] * source[second[i]].

    Args:
        first: (m,) int64.
        second: (m,) int64.
        part: (m,) float32.
    """

    first: Int64
    second: Int64
    part: Float32


def taps(n: int, m: int) -> Taps:
    """Compute the taps of m outputs of n samples."""
    step = np.float32(n - 1) / np.float32(max(1, m - 1))
    place = np.arange(m, dtype=np.float32) * step
    first = np.minimum(place.astype(np.int64), n - 1)
    part = place - first.astype(np.float32)
    return Taps(first, np.minimum(first + 1, n - 1), part)


def resize_darknet(planes: Float32, size: Size) -> Float32:
    """Resize planes (3, h, w), float32, to (3, size.height, size.width).

    Across, the last output is the last sample, whatever the rounding of its place. Down, darknet
    does not add the second sample to the last line, which its place may have missed by a rounding;
    neither is it added here.
    """
    _, height, width = planes.shape
    across, down = taps(width, size.width), taps(height, size.height)
    one = np.float32(1)
    lines = (one - across.part) * planes[:, :, across.first]
    lines += across.part * planes[:, :, across.second]
    lines[:, :, -1] = planes[:, :, -1]
    part = down.part[:, None]
    result: Float32 = (one - part) * lines[:, down.first]
    if height > 1:
        result[:, :-1] += part[:-1] * lines[:, down.second[:-1]]
    return result
