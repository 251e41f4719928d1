"""Many pictures on one sheet, each in a cell with its caption and its boxes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from tatami.errors import TatamiError
from tatami.see.draw import draw_fitted, has_letters, text_font
from tatami.types import Boxes, Detections, Picture, Size

MARGIN = 8
CAPTION_HEIGHT = 20
MAX_SIDE = 16384  # a sheet's longest side in pixels: what every viewer still opens
PAPER = (245, 245, 245)
INK = (40, 40, 40)


def contact_sheet(
    pictures: Sequence[tuple[str, Picture, Boxes | Detections]],
    classes: Sequence[str],
    columns: int = 4,
    cell: Size = Size(320, 240),
) -> Picture:
    """Put pictures on one sheet, row by row.

    Every picture is fitted into a cell with its shape kept.

    Args:
        pictures: Caption, picture (height, width, 3) and boxes of each.
        classes: The names of the classes.
        columns: Pictures in a row.
        cell: The size of a cell.

    Returns:
        (height, width, 3).

    Raises:
        TatamiError: For no pictures, and for a sheet of more than MAX_SIDE pixels either way
            (before memory is taken).
    """
    if not pictures:
        raise TatamiError("no pictures for a contact sheet", hint="choose at least one picture")
    columns = max(1, min(columns, len(pictures)))
    rows = -(-len(pictures) // columns)
    pitch_x, pitch_y = cell.width + MARGIN, cell.height + CAPTION_HEIGHT + MARGIN
    width, height = columns * pitch_x + MARGIN, rows * pitch_y + MARGIN
    if max(width, height) > MAX_SIDE:
        raise TatamiError(
            f"a contact sheet of {len(pictures)} pictures would be {width}x{height} pixels",
            hint="choose fewer pictures, more columns or smaller cells",
        )
    sheet = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(sheet)
    for index, (caption, picture, boxes) in enumerate(pictures):
        left = MARGIN + index % columns * pitch_x
        top = MARGIN + index // columns * pitch_y
        drawn = Image.fromarray(draw_fitted(picture, boxes, classes, cell))
        inset = (cell.width - drawn.width) // 2, (cell.height - drawn.height) // 2
        draw.rectangle((left, top, left + cell.width - 1, top + cell.height - 1), fill=(225,) * 3)
        sheet.paste(drawn, (left + inset[0], top + inset[1]))
        text = _shortened(caption, cell.width)
        draw.text((left, top + cell.height + 2), text, fill=INK, font=text_font(13))
    return np.asarray(sheet)


def _shortened(caption: str, width: int) -> str:
    """Cut a caption in its middle to a width in pixels: a file's name says most at its ends."""
    text = "".join(letter if has_letters(letter) else "?" for letter in caption)
    font = text_font(13)
    if font.getlength(text) <= width:
        return text
    keep = len(text) // 2
    while keep and font.getlength(f"{text[:keep]}…{text[-keep:]}") > width:
        keep -= 1
    return f"{text[:keep]}…{text[-keep:]}" if keep else ""
