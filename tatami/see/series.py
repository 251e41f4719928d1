"""A series as a picture: a line a channel over its steps; of one step, a bar a channel."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from tatami.types import Float32, Float64, Picture
from tatami.types.colors import class_color

WIDTH, HEIGHT, MARGIN = 480, 240, 8
"""Pixels of the picture, and around what is drawn."""
MOST = 400
"""Channels that are drawn: of more, so many evenly chosen ones."""
_PAPER, _LINE = (255, 255, 255), (190, 190, 190)


def series_picture(series: Float32) -> Picture:
    """Draw a series, each channel from its least number to its largest.

    The numbers of one step are drawn as bars from zero, all to one scale.

    Args:
        series: (steps, channels).

    Returns:
        (240, 480, 3).
    """
    count = series.shape[1]
    chosen = np.unique(np.linspace(0, count - 1, min(count, MOST)).astype(np.int64))
    values = series[:, chosen].astype(np.float64)
    picture = Image.new("RGB", (WIDTH, HEIGHT), _PAPER)
    draw = ImageDraw.Draw(picture)
    if len(values) == 1:
        _bars(draw, values[0])
    else:
        _lines(draw, values)
    return np.array(picture)


def _lines(draw: ImageDraw.ImageDraw, values: Float64) -> None:
    low, high = values.min(axis=0), values.max(axis=0)
    span = np.where(high > low, high - low, 1)
    shares = np.where(high > low, (values - low) / span, 0.5)
    across = MARGIN + np.arange(len(values)) / (len(values) - 1) * (WIDTH - 1 - 2 * MARGIN)
    down = MARGIN + (1 - shares) * (HEIGHT - 1 - 2 * MARGIN)
    for channel in range(values.shape[1]):
        points = list(zip(across.tolist(), down[:, channel].tolist(), strict=True))
        draw.line(points, class_color(channel), 2)


def _bars(draw: ImageDraw.ImageDraw, values: Float64) -> None:
    largest = max(float(np.abs(values).max()), np.finfo(np.float32).tiny)
    top = HEIGHT / 2 - MARGIN
    each = (WIDTH - 2 * MARGIN) / len(values)
    middle = HEIGHT // 2
    for at, value in enumerate(values.tolist()):
        left = int(MARGIN + at * each)
        right = max(left, int(MARGIN + (at + 1) * each) - (2 if each >= 4 else 1))
        end = round(middle - value / largest * top)
        draw.rectangle((left, min(middle, end), right, max(middle, end)), class_color(at))
    draw.line((MARGIN, middle, WIDTH - 1 - MARGIN, middle), _LINE)
