"""Boxes drawn on a picture, so that the line covers exactly the pixels the box has at its border.

A box (x1, y1, x2, y2) in pixel edges has the pixels x1 ... x2 - 1 across and y1 ... y2 - 1 down;
its outermost ring of pixels is painted in the color of its class, inwards by the line's width.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from tatami.see.text import shortened
from tatami.types import Boxes, Detections, Float64, Picture, Size
from tatami.types.colors import Color, class_color

_Place = tuple[int, int, int, int]
"""A rectangle of pixels, x1, y1, x2, y2, the last two beyond it."""


def class_name(label: int, classes: Sequence[str]) -> str:
    """Give the class's name, or ``class 7`` where there is none."""
    return classes[label] if 0 <= label < len(classes) else f"class {label}"


def draw_boxes(
    picture: Picture,
    boxes: Boxes,
    classes: Sequence[str],
    *,
    labels: bool = True,
    notes: Sequence[str] = (),
    text_height: int = 0,
) -> Picture:
    """Draw labeled boxes on a copy of a picture.

    A difficult box is marked ``name?`` and a crowd ``name*``.

    Args:
        picture: (height, width, 3).
        boxes: In its pixels.
        classes: The names of the classes.
        labels: Whether to write names; False draws lines only.
        notes: A word for each box, written behind its name; empty: none.
        text_height: Of the labels, in pixels; 0: one that suits the picture.
    """
    marks = zip(boxes.labels.tolist(), boxes.difficult.tolist(), boxes.crowd.tolist(), strict=True)
    texts = [
        printable_class(label, classes) + "?" * difficult + "*" * crowd
        for label, difficult, crowd in marks
    ]
    noted = _noted(texts, notes) if labels else None
    return _draw(picture, boxes.xyxy, boxes.labels.tolist(), noted, text_height)


def draw_detections(
    picture: Picture,
    detections: Detections,
    classes: Sequence[str],
    *,
    labels: bool = True,
    notes: Sequence[str] = (),
    text_height: int = 0,
) -> Picture:
    """Draw detections on a copy of a picture, the best on top.

    A label is the class's name and the score in hundredths.

    Args:
        picture: (height, width, 3).
        detections: In its pixels.
        classes: The names of the classes.
        labels: Whether to write names; False draws lines only.
        notes: A word for each, written behind its name and score; empty: none.
        text_height: Of the labels, in pixels; 0: one that suits the picture.
    """
    texts = [
        f"{printable_class(label, classes)} {score:.2f}"
        for label, score in zip(detections.labels.tolist(), detections.scores.tolist(), strict=True)
    ]
    noted = _noted(texts, notes) if labels else None
    return _draw(picture, detections.xyxy, detections.labels.tolist(), noted, text_height)


def draw_classes(
    picture: Picture, labels: Sequence[int], scores: Sequence[float], classes: Sequence[str]
) -> Picture:
    """Write a picture's likeliest classes on it, the best first; a small picture is enlarged.

    A line is the class's name and its probability in hundredths.

    Args:
        picture: (height, width, 3).
        labels: The classes to write.
        scores: Their probabilities.
        classes: The names of the classes.
    """
    height, width = picture.shape[:2]
    canvas = picture if min(height, width) >= 160 else fit(picture, Size(320, 320))[0]
    image = Image.fromarray(np.ascontiguousarray(canvas))
    draw = ImageDraw.Draw(image)
    height, width = canvas.shape[:2]
    font = text_font(max(11, (width + height) // 50))
    down = int(font.getbbox("Ag")[3]) + 4
    for line, (label, score) in enumerate(zip(labels, scores, strict=True)):
        if (line + 2) * down > height:
            break  # most of the picture stays in sight
        text = f"{printable_class(label, classes)} {score:.2f}"
        color = class_color(label)
        across = int(font.getlength(text)) + 5
        draw.rectangle((0, line * down, across, (line + 1) * down - 1), fill=color)
        draw.text((2, line * down + 1), text, fill=ink_on(color), font=font)
    return np.array(image)


def draw_texts(
    picture: Picture, xyxy: Float64, labels: Sequence[int], texts: Sequence[str]
) -> Picture:
    """Draw boxes in the colors of their classes, each with a text of its own, the first on top.

    Args:
        picture: (height, width, 3).
        xyxy: (n, 4).
        labels: (n,), which color each has.
        texts: (n,).
    """
    return _draw(picture, xyxy, labels, texts)


def fit(picture: Picture, into: Size) -> tuple[Picture, float, float]:
    """Resize a picture to be as large as a size holds, its shape kept.

    It is for looking only: tatami/rules/picture.py resizes what a network takes.

    Args:
        picture: (height, width, 3).
        into: The size.

    Returns:
        The picture and its two scales (x, y).
    """
    height, width = picture.shape[:2]
    scale = min(into.width / width, into.height / height)
    fitted = (max(1, round(width * scale)), max(1, round(height * scale)))
    # NEAREST keeps the pixels of a tiny picture crisp; BOX averages when it shrinks.
    method = Image.Resampling.NEAREST if scale >= 2 else Image.Resampling.LANCZOS
    resized = Image.fromarray(picture).resize(fitted, method)
    return np.asarray(resized), fitted[0] / width, fitted[1] / height


def draw_fitted(
    picture: Picture,
    found: Boxes | Detections,
    classes: Sequence[str],
    into: Size,
    *,
    notes: Sequence[str] = (),
    text_height: int = 0,
) -> Picture:
    """Fit a picture into a size, then draw on it: lines and labels keep their thickness.

    Args:
        picture: (height, width, 3).
        found: Boxes in its pixels.
        classes: The names of the classes.
        into: The size.
        notes: A word for each box, written behind its label; empty: none.
        text_height: Of the labels, in pixels; 0: one that suits the size.
    """
    canvas, scale_x, scale_y = fit(picture, into)
    xyxy = found.xyxy * np.array([scale_x, scale_y, scale_x, scale_y])
    if isinstance(found, Detections):
        moved = Detections(xyxy, found.scores, found.labels)
        return draw_detections(canvas, moved, classes, notes=notes, text_height=text_height)
    boxes = Boxes(xyxy, found.labels, found.difficult, found.crowd, found.areas)
    return draw_boxes(canvas, boxes, classes, notes=notes, text_height=text_height)


@cache
def text_font(pixels: int) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    """Load the font that comes inside Pillow: the same on every machine."""
    return ImageFont.load_default(pixels)


def _noted(texts: Sequence[str], notes: Sequence[str]) -> list[str]:
    """Write each box's note behind its text."""
    if not notes:
        return list(texts)
    return [f"{text} {note}".rstrip() for text, note in zip(texts, notes, strict=True)]


def _draw(
    picture: Picture,
    xyxy: Float64,
    labels: Sequence[int],
    texts: Sequence[str] | None,
    text_height: int = 0,
) -> Picture:
    height, width = picture.shape[:2]
    canvas = np.array(picture)
    line = max(1, round((width + height) / 350), text_height // 4)
    pixels = [_pixels_of(box, width, height) for box in xyxy.tolist()]
    worst_first = range(len(pixels) - 1, -1, -1)
    for index in worst_first:
        x1, y1, x2, y2 = pixels[index]
        own, color = canvas[y1:y2, x1:x2], class_color(labels[index])
        # A thin lining of the opposite lightness: the line shows on a background of its own color,
        # and where the page shows the picture at less than half its size.
        if min(x2 - x1, y2 - y1) > 4 * (line + 1):
            _paint_ring(own[line:-line, line:-line], max(1, line // 2), ink_on(color))
        _paint_ring(own, line, color)
    if texts is None:
        return canvas
    image = Image.fromarray(canvas)
    draw = ImageDraw.Draw(image)
    font = text_font(text_height or max(11, (width + height) // 75))
    places: list[_Place | None] = []
    for box, text in zip(pixels, texts, strict=True):  # the best choose first where they stand
        there = [place for place in places if place is not None]
        places.append(_label_place(draw.im.size, box, text, font, there))
    for index in worst_first:
        _write_label(draw, places[index], texts[index], class_color(labels[index]), font)
    return np.array(image)


def _pixels_of(box: Sequence[float], width: int, height: int) -> tuple[int, int, int, int]:
    """Give a box's pixels as slices x1:x2 and y1:y2, at least one pixel, all in the picture."""
    x1 = round(min(max(box[0], 0), width - 1))
    y1 = round(min(max(box[1], 0), height - 1))
    x2 = round(min(max(box[2], 0), width))
    y2 = round(min(max(box[3], 0), height))
    return x1, y1, max(x1 + 1, x2), max(y1 + 1, y2)


def _paint_ring(own: Picture, line: int, color: Color) -> None:
    """Paint the outermost ``line`` pixels of a box, in place (Pillow's outline strays)."""
    own[:line] = own[-line:] = color
    own[:, :line] = own[:, -line:] = color


def _label_place(
    size: tuple[int, int],
    box: _Place,
    text: str,
    font: ImageFont.ImageFont | ImageFont.FreeTypeFont,
    taken: Sequence[_Place],
) -> _Place | None:
    """Choose where a box's label stands: where it hides least of the labels that stand already.

    Of equals the first: above the box, inside under its top edge where there is no room above,
    below it, inside above its bottom edge. There is none where it would hide the picture: in one
    less than three lines of text high.
    """
    across = int(font.getlength(text)) + 5
    down = int(font.getbbox("Ag")[3]) + 4
    width, height = size
    if height < 3 * down:
        return None
    x = max(0, min(box[0], width - across))
    tops = (box[1] - down, box[1], box[3], box[3] - down)
    places = [(x, y, x + across, y + down) for y in tops if 0 <= y <= height - down]
    if not places:
        return x, box[1], x + across, box[1] + down
    return min(places, key=lambda place: sum(_shared(place, other) for other in taken))


def _shared(a: _Place, b: _Place) -> int:
    """Compute the area that two rectangles of pixels share."""
    return max(0, min(a[2], b[2]) - max(a[0], b[0])) * max(0, min(a[3], b[3]) - max(a[1], b[1]))


def _write_label(
    draw: ImageDraw.ImageDraw,
    place: _Place | None,
    text: str,
    color: Color,
    font: ImageFont.ImageFont | ImageFont.FreeTypeFont,
) -> None:
    """Write a text box at its place, where it has one."""
    if place is None:
        return
    x1, y1, x2, y2 = place
    draw.rectangle((x1, y1, x2 - 1, y2 - 1), fill=color)
    draw.text((x1 + 2, y1 + 1), text, fill=ink_on(color), font=font)


def ink_on(color: Color) -> Color:
    """Choose black or white, whichever reads better on a color (ITU-R BT.601 luma)."""
    luma = 0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2]
    return (0, 0, 0) if luma > 115 else (255, 255, 255)


def printable_class(label: int, classes: Sequence[str]) -> str:
    """Give the class's name, cut at 24 letters; ``class 3`` where the font lacks its letters."""
    name = class_name(label, classes).strip()
    return shortened(name, 24) if has_letters(name) else f"class {label}"


def has_letters(text: str) -> bool:
    """Tell whether Pillow's own font can write the text: it holds the printable ASCII letters."""
    return bool(text) and text.isascii() and text.isprintable()
