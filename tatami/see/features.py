"""Feature maps, filters and heat maps as pictures: NumPy and Pillow alone.

A number's color is that of D. A. Green, "A color scheme for the display of astronomical intensity
images", Bulletin of the Astronomical Society of India 39, 2011: its lightness grows with the number
all the way, so that it is read right on any screen, in gray and with any kind of color vision.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from tatami.errors import TatamiError
from tatami.rules.picture import Placement
from tatami.see.contact_sheet import INK, MAX_SIDE, PAPER
from tatami.see.draw import fit, has_letters, text_font
from tatami.types import Float32, Float64, Picture, Size
from tatami.types.colors import Color

GAP = 2
"""Pixels between two tiles."""
STRIP = 22
"""Pixels of the line of text above a picture."""
ACROSS = 1024
"""About as many pixels are tiles together wide."""
LARGEST_TILE = 320
"""Pixels of a side, to which small tiles are enlarged at most."""
BETWEEN = (205, 205, 205)
"""Between tiles that are themselves as light as paper."""
NOT_A_NUMBER = (0, 158, 115)
"""Green: the color of NaN and infinity, which no number has."""


def colors(shares: Float64 | Float32) -> Picture:
    """Color numbers in [0, 1] of any shape (...) as (..., 3), uint8, from black to white.

    By violet, red and sand. Numbers outside are clipped; NaN is green.

    Source:
        Green 2011, equation 2 (cubehelix) with start 2.8, 0.6 rotations, hue 1.2 and gamma 1.
    """
    place = np.clip(np.asarray(shares, np.float64), 0, 1)[..., None]
    angle = 2 * np.pi * (2.8 / 3 + 1 + 0.6 * place)
    strength = 1.2 * place * (1 - place) / 2
    towards = np.array([[-0.14861, 1.78277], [-0.29227, -0.90649], [1.97294, 0.0]])
    with np.errstate(invalid="ignore"):
        turned = np.cos(angle) * towards[:, 0] + np.sin(angle) * towards[:, 1]
        painted = np.clip(place + strength * turned, 0, 1) * 255
    painted[np.isnan(place[..., 0])] = NOT_A_NUMBER
    return np.asarray(np.rint(painted), np.uint8)


def diverging(shares: Float64 | Float32) -> Picture:
    """Color numbers in [-1, 1]: blue below, light gray at 0, red above, darker as they grow.

    Shape (...) to (..., 3), uint8. Numbers outside are clipped; NaN is black.
    """
    held = np.clip(np.asarray(shares, np.float64), -1, 1)[..., None]
    middle = np.array([235.0, 235.0, 235.0])
    ends = np.where(held < 0, np.array([20.0, 70.0, 160.0]), np.array([170.0, 30.0, 30.0]))
    mixed = middle + (ends - middle) * np.abs(held)
    return np.asarray(np.rint(np.nan_to_num(mixed)), np.uint8)


def draw_maps(name: str, maps: Float32, limit: int = 64) -> Picture:
    """Draw the feature maps of one value of one picture side by side, with a line of text above.

    Each map's own smallest number is black and its largest white; the text says the range of all.

    Args:
        name: Of the value.
        maps: (c, h, w), or of any other number of axes: (c,) and (c, 1, 1) are drawn as one map
            with a square a number, axes beyond three are counted as channels.
        limit: How many maps are drawn, the first ones.

    Raises:
        TatamiError: For a limit below 1, and where the picture would be wider or higher than
            MAX_SIDE (before memory is taken).
    """
    drawn = tiled_maps(maps, limit)
    shape, count = "x".join(str(side) for side in maps.shape), len(_channels(maps))
    some = f", the first {limit}" if limit < count else ""
    return titled(f"{name}: {shape}{some}, {value_range(maps)}", drawn)


def tiled_maps(maps: Float32, limit: int = 64) -> Picture:
    """Draw the feature maps of one value of one picture side by side, without a word.

    Args:
        maps: As for ``draw_maps``.
        limit: How many maps are drawn, the first ones.

    Raises:
        TatamiError: As for ``draw_maps``.
    """
    if limit < 1:
        raise TatamiError(f"{limit} maps asked for", hint="ask for at least one")
    shown = _channels(maps)[:limit]
    _layout(len(shown), shown.shape[2], shown.shape[1])
    return _tiled([colors(_own_range(one)) for one in shown])


def draw_filters(
    name: str, weight: Float32, *, pictures: bool = False, bgr: bool = False, limit: int = 64
) -> Picture:
    """Draw the kernels of a convolution, with a line of text above.

    There is a row for each of the first ``limit`` outputs and in it a kernel for each of the first
    ``limit`` inputs, red above 0 and blue below, on one scale for all; those of a depthwise
    convolution, of one input each, stand side by side.

    Args:
        name: Of the convolution.
        weight: (o, c, kernel_h, kernel_w).
        pictures: Whether each filter sees red, green and blue (c = 3) and is drawn as a picture
            instead, 0 gray and the filter's own largest number as far from it as colors go.
        bgr: Whether it sees blue, green and red.
        limit: How many outputs and inputs are drawn.

    Raises:
        TatamiError: As for ``draw_maps``.
    """
    if limit < 1:
        raise TatamiError(f"{limit} filters asked for", hint="ask for at least one")
    outputs, inputs = weight.shape[:2]
    shape = "x".join(str(side) for side in weight.shape)
    text = f"filters of {name}: {shape}, {value_range(weight)}"
    if pictures and inputs == 3:
        some = f", the first {limit}" if limit < outputs else ""
        tiles = []
        for one in weight[:limit, ::-1] if bgr else weight[:limit]:
            share = 0.5 + one / (2 * max(_largest(one), 1e-30))
            tiles.append(np.rint(255 * np.clip(share, 0, 1)).astype(np.uint8).transpose(1, 2, 0))
        return titled(text + some, _tiled(tiles))
    across = min(limit, inputs) if inputs > 1 else None
    _layout(min(limit, outputs) * min(limit, inputs), weight.shape[3], weight.shape[2], across)
    some = f", the first {min(limit, outputs)} of {min(limit, inputs)} inputs"
    shown = weight[:limit, :limit] / max(_largest(weight), 1e-30)
    kernels = diverging(shown)  # (o, c, kernel_h, kernel_w, 3)
    tiles = [one for row in kernels for one in row]
    cut = limit < max(outputs, inputs)
    matrix = _tiled(tiles, columns=across, between=BETWEEN)
    return titled(text + (some if cut else ""), matrix)


def draw_heat(picture: Picture, heat: Float32, place: Placement, canvas: Size) -> Picture:
    """Lay a heat map over a picture, which turns gray, and dark where it is cold.

    The map is interpolated linearly; its largest number is hottest, and what is not finite is cold.

    Args:
        picture: (height, width, 3).
        heat: (rows, columns), at least 0, over the whole of a network's input.
        place: Where the picture lies on that input.
        canvas: The input's size.

    Returns:
        (height, width, 3).
    """
    height, width = picture.shape[:2]
    rows, columns = heat.shape
    across, down = columns / canvas.width, rows / canvas.height
    box = (
        place.left * across,
        place.top * down,
        (place.left + place.width) * across,
        (place.top + place.height) * down,
    )
    finite = np.where(np.isfinite(heat), heat, 0)
    shares = np.asarray(finite / max(_largest(finite), 1e-30), np.float32)
    image = Image.fromarray(shares).resize((width, height), Image.Resampling.BILINEAR, box=box)
    warm = np.clip(np.asarray(image, np.float64), 0, 1)[..., None]
    gray = (picture @ np.array([0.299, 0.587, 0.114]))[..., None]  # ITU-R BT.601 luma
    veil = 0.4 + 0.25 * warm
    mixed = (1 - veil) * gray + veil * colors(0.05 + 0.85 * warm[..., 0])
    return np.asarray(np.rint(mixed), np.uint8)


def titled(text: str, picture: Picture) -> Picture:
    """Put a picture under a line of text, widened where the text needs it.

    Letters that Pillow's own font lacks become question marks.
    """
    written = "".join(letter if has_letters(letter) else "?" for letter in text)
    font = text_font(13)
    height, width = picture.shape[:2]
    across = min(max(width, math.ceil(font.getlength(written)) + 2 * GAP), MAX_SIDE)
    sheet = Image.new("RGB", (across, height + STRIP), PAPER)
    ImageDraw.Draw(sheet).text((GAP, 2), written, fill=INK, font=font)
    sheet.paste(Image.fromarray(picture), (0, STRIP))
    return np.asarray(sheet)


def value_range(numbers: NDArray[Any]) -> str:
    """Write a range as ``-0.21 ... 3.4``, and how many of the numbers are NaN or infinite."""
    finite = np.isfinite(numbers)
    lost = numbers.size - int(finite.sum())
    if lost == numbers.size:
        return "not one finite number"
    low, high = numbers[finite].min(), numbers[finite].max()
    return f"{low:.3g} ... {high:.3g}" + (f", {lost} not finite" if lost else "")


def _channels(maps: Float32) -> Float32:
    """Arrange any value of one picture as (maps, rows, columns)."""
    if maps.ndim >= 3 and maps.shape[-1] * maps.shape[-2] > 1:
        return maps.reshape(-1, *maps.shape[-2:])
    if maps.ndim == 2 and min(maps.shape) > 1:
        return maps[None]
    numbers = maps.reshape(-1)
    columns = math.ceil(math.sqrt(numbers.size))
    square = np.full(columns * math.ceil(numbers.size / columns), numbers.min(), np.float32)
    square[: numbers.size] = numbers  # the empty places at the end are as cold as the coldest
    return square.reshape(1, -1, columns)


def _own_range(one: Float32) -> Float64:
    """Give a map's finite numbers as shares of its range; NaN for the others."""
    wide = np.where(np.isfinite(one), one, np.nan).astype(np.float64)
    if np.isnan(wide).all():
        return wide
    low, high = np.nanmin(wide), np.nanmax(wide)
    return np.asarray((wide - low) / (high - low) if high > low else wide - low)


def _largest(numbers: Float32) -> float:
    """Find the largest finite absolute number; 0 where there is none."""
    finite = np.abs(numbers[np.isfinite(numbers)])
    return float(finite.max(initial=0))


def _layout(count: int, width: int, height: int, columns: int | None = None) -> tuple[int, Size]:
    """Decide how many tiles of a size stand across, and how large each is drawn.

    Small tiles are enlarged by a whole number, large ones shrunk.

    Args:
        count: How many tiles.
        width: Of a tile.
        height: Of a tile.
        columns: Tiles across; None: about a square, with as few places left empty as can be.

    Raises:
        TatamiError: For a sheet of more than MAX_SIDE pixels either way.
    """
    if columns is None:
        least = min(count, max(1, round(math.sqrt(count * height / width))))
        most = min(count, 2 * least)
        columns = min(range(least, most + 1), key=lambda across: (-count % across, across))
    rows = -(-count // columns)
    room_x = min(max(ACROSS // columns - GAP, 4), LARGEST_TILE)
    room_y = min(max(2 * ACROSS // rows - GAP, 4), LARGEST_TILE)
    times = max(1, min(room_x // width, room_y // height))
    scale = min(times, room_x / width, room_y / height)
    cell = Size(max(1, round(width * scale)), max(1, round(height * scale)))
    sheet = columns * (cell.width + GAP) + GAP, rows * (cell.height + GAP) + GAP
    if max(sheet) + STRIP > MAX_SIDE:
        raise TatamiError(
            f"{count} pictures together would be {sheet[0]}x{sheet[1]} pixels",
            hint="ask for fewer",
        )
    return columns, cell


def _tiled(tiles: Sequence[Picture], columns: int | None = None, between: Color = PAPER) -> Picture:
    """Put pictures of one size side by side, as ``_layout`` says."""
    columns, cell = _layout(len(tiles), tiles[0].shape[1], tiles[0].shape[0], columns)
    rows = -(-len(tiles) // columns)
    sheet = np.full(
        (rows * (cell.height + GAP) + GAP, columns * (cell.width + GAP) + GAP, 3), between, np.uint8
    )
    for index, tile in enumerate(tiles):
        drawn, _, _ = fit(tile, cell)
        top = GAP + index // columns * (cell.height + GAP)
        left = GAP + index % columns * (cell.width + GAP)
        sheet[top : top + drawn.shape[0], left : left + drawn.shape[1]] = drawn
    return sheet
