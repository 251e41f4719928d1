"""Attention drawn over the words: a row for each word that is written, a column for each read."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from tatami.see.draw import text_font
from tatami.types import Float32, Picture

CELL = 28
"""Pixels of a side of a word's square."""
MARGIN = 6
LETTERS = 15
"""Pixels of a letter's height."""
PAPER, DARK, INK, LINE = (255, 255, 255), (8, 48, 107), (20, 20, 20), (200, 200, 200)


def attention_map(weights: Float32, written: Sequence[str], read: Sequence[str]) -> Picture:
    """Draw how much each word that is written looks at each word that is read.

    Args:
        weights: (rows, columns) in 0 to 1; a row adds up to 1.
        written: The words of the rows.
        read: The words of the columns.

    Returns:
        (height, width, 3).
    """
    font = text_font(LETTERS)
    left = round(max(map(font.getlength, written), default=0)) + 2 * MARGIN
    top = round(max(map(font.getlength, read), default=0)) + 2 * MARGIN
    paper = Image.new("RGB", (left + CELL * len(read) + 1, top + CELL * len(written) + 1), PAPER)
    draw = ImageDraw.Draw(paper)
    for column, word in enumerate(read):
        across = round(font.getlength(word)) + 2
        label = Image.new("RGB", (across, CELL - 2), PAPER)
        ImageDraw.Draw(label).text((0, 4), word, fill=INK, font=font)
        turned = label.transpose(Image.Transpose.ROTATE_90)
        paper.paste(turned, (left + column * CELL + 1, top - MARGIN - across))
    for row, word in enumerate(written):
        start = (left - MARGIN - font.getlength(word), top + row * CELL + 4)
        draw.text(start, word, fill=INK, font=font)
        for column in range(len(read)):
            share = float(np.clip(weights[row, column], 0, 1))
            color = tuple(
                round(paper_ + share * (dark - paper_))
                for paper_, dark in zip(PAPER, DARK, strict=True)
            )
            x, y = left + column * CELL, top + row * CELL
            draw.rectangle((x, y, x + CELL, y + CELL), fill=color, outline=LINE)
    return np.array(paper, np.uint8)


def by_word(
    weights: Float32, written: Sequence[Sequence[int]], read: Sequence[Sequence[int]]
) -> Float32:
    """Bring weights of tokens to words: what is read is added up, what is written averaged.

    Args:
        weights: (rows, columns) of tokens.
        written: For each word the rows of its tokens.
        read: For each word the columns of its tokens.
    """
    columns = np.stack([weights[:, list(one)].sum(axis=1) for one in read], axis=1)
    rows: Float32 = np.stack([columns[list(one)].mean(axis=0) for one in written])
    return rows
