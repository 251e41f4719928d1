"""Draw hands of playing cards on tables, six ranks that look alike, with boxes in YOLO's format.

    python benchmarks/cards.py FOLDER [TRAIN [TEST]]

The third set of the accuracy tables (docs/results.md), beside BCCD and the digits: few pictures,
objects that differ by a corner's letter or by one pip, at any angle, covering one another, on
tables that differ. 296 pictures to learn from and 67 to test unless told otherwise; the same for
all time, since every picture is drawn from its own number. The tables are scikit-image's photos,
those of the test pictures others than those of the training pictures.
"""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

import numpy as np
import skimage.data
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

RANKS = ("nine", "ten", "jack", "queen", "king", "ace")
LETTERS = {"nine": "9", "ten": "10", "jack": "J", "queen": "Q", "king": "K", "ace": "A"}
SUITS = "♠♥♦♣"
CARD = (250, 350)
"""Pixels of a card before it is laid down, width by height."""
PICTURE = (416, 320)
TABLES = {
    "train": ("coffee", "brick", "grass", "retina", "chelsea", "moon", "page", "rocket"),
    "test": ("gravel", "astronaut", "immunohistochemistry", "text", "coins"),
}
PIPS = {
    "nine": [(x, y) for x in (0.3, 0.7) for y in (0.17, 0.39, 0.61, 0.83)] + [(0.5, 0.5)],
    "ten": [(x, y) for x in (0.3, 0.7) for y in (0.17, 0.39, 0.61, 0.83)]
    + [(0.5, 0.28), (0.5, 0.72)],
}
"""Where the pips of the number cards lie, in shares of the sides."""
MIN_VISIBLE = 0.3
"""A card of which others leave less is neither a truth nor in the picture's hand: it is redrawn."""


@cache
def font(size: int, bold: bool = True) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(f"DejaVuSans{'-Bold' if bold else ''}.ttf", size)


@cache
def card(rank: str, suit: str) -> Image.Image:
    """Draw a card, straight: RGBA, transparent outside its round corners."""
    width, height = CARD
    face = Image.new("RGBA", CARD, (0, 0, 0, 0))
    draw = ImageDraw.Draw(face)
    draw.rounded_rectangle((0, 0, width - 1, height - 1), 18, (250, 249, 244), (120, 120, 120), 2)
    color = (190, 20, 30) if suit in "♥♦" else (25, 25, 30)
    _pips(face, rank, suit, color)
    corner = Image.new("RGBA", CARD, (0, 0, 0, 0))
    pen = ImageDraw.Draw(corner)
    pen.text((28, 30), LETTERS[rank], color, font(40 if rank == "ten" else 46), "mm")
    pen.text((28, 74), suit, color, font(38), "mm")
    for turned in (corner, corner.rotate(180)):
        face.alpha_composite(turned)
    return face


def _pips(face: Image.Image, rank: str, suit: str, color: tuple[int, int, int]) -> None:
    """Draw what a card shows between its corners: pips, one large one, or a court figure."""
    width, height = CARD
    draw = ImageDraw.Draw(face)
    if rank == "ace":
        draw.text((width / 2, height / 2), suit, color, font(130), "mm")
        return
    if rank in PIPS:
        for x, y in PIPS[rank]:
            draw.text((x * width, y * height), suit, color, font(58), "mm")
        return
    # Courts differ little: a frame, two halves that mirror each other, a head, a robe, a crown.
    half = Image.new("RGBA", CARD, (0, 0, 0, 0))
    pen = ImageDraw.Draw(half)
    left, right, top, middle = 58, width - 58, 40, height // 2
    pen.rectangle((left, top, right, middle), (246, 226, 170))
    pen.polygon([(left, middle), (right, middle), (right - 25, 110), (left + 25, 110)], color)
    stripe = {"jack": (40, 70, 160), "queen": (220, 170, 30), "king": (30, 110, 60)}[rank]
    for at in range(left + 12, right - 8, 24):
        pen.line((at, middle, (at + width / 2) / 2, 118), stripe, 7)
    pen.ellipse((100, 62, 150, 118), (242, 214, 190), (60, 50, 40), 2)
    hair = (200, 160, 60) if rank == "queen" else (90, 60, 30)
    pen.arc((96, 56, 154, 124), 150 if rank == "queen" else 180, 390 if rank == "queen" else 360,
            hair, 9)  # fmt: skip
    if rank == "king":
        pen.polygon([(98, 66), (98, 42), (111, 56), (125, 40), (139, 56), (152, 42), (152, 66)],
                    (225, 180, 30))  # fmt: skip
        pen.chord((108, 92, 142, 132), 0, 180, hair)
    elif rank == "queen":
        pen.ellipse((118, 42, 132, 56), (225, 180, 30))
        pen.line((100, 64, 150, 64), (225, 180, 30), 7)
    else:
        pen.polygon([(98, 66), (152, 66), (146, 46), (104, 52)], (40, 70, 160))
    pen.text((left + 20, top + 26), suit, color, font(34), "mm")
    for turned in (half, half.rotate(180)):
        face.alpha_composite(turned)
    draw.rectangle((left, top, right, height - top), None, (40, 60, 150), 3)


def table(rng: np.random.Generator, split: str) -> Image.Image:
    """Draw what the cards lie on: a tinted part of a photo, or a plain cloth."""
    if rng.random() < 0.25:
        cloth = np.full((PICTURE[1], PICTURE[0], 3), rng.integers(20, 200, 3), np.float64)
        cloth += rng.normal(0, 6, cloth.shape)
        return Image.fromarray(np.clip(cloth, 0, 255).astype(np.uint8))
    photo = _photo(str(rng.choice(TABLES[split])))
    side = rng.uniform(0.5, 1.0)
    width, height = (max(8, int(side * length)) for length in photo.size)
    x, y = (
        int(rng.integers(0, a - b + 1)) for a, b in zip(photo.size, (width, height), strict=True)
    )
    part = photo.crop((x, y, x + width, y + height)).resize(PICTURE)
    tint = rng.uniform(0.5, 1.2, 3)
    return Image.fromarray(np.clip(np.asarray(part) * tint, 0, 255).astype(np.uint8))


@cache
def _photo(name: str) -> Image.Image:
    return Image.fromarray(getattr(skimage.data, name)()).convert("RGB")


def laid(face: Image.Image, corners: NDArray[np.float64]) -> tuple[Image.Image, NDArray[np.uint8]]:
    """Lay a card so that its corners (4, 2), from the upper left clockwise, are there."""
    width, height = CARD
    source = [(0, 0), (width, 0), (width, height), (0, height)]
    rows, right = [], []
    for (x, y), (u, v) in zip(corners.tolist(), source, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        right += [u, v]
    plane = np.linalg.solve(np.array(rows), np.array(right)).tolist()
    placed = face.transform(PICTURE, Image.Transform.PERSPECTIVE, plane, Image.Resampling.BICUBIC)
    return placed, np.asarray(placed)[..., 3]


def hand(
    rng: np.random.Generator,
) -> list[tuple[str, Image.Image, NDArray[np.uint8]]]:
    """Lay one to five cards, a fan or a scatter, each at least partly seen."""
    while True:
        fan = rng.random() < 0.5
        count = int(rng.integers(1, 6 if fan else 4))
        size = rng.uniform(0.32, 0.75) * PICTURE[1] / CARD[1]
        center = np.array(PICTURE) * rng.uniform(0.3, 0.7, 2)
        turn, spread = rng.uniform(0, 2 * np.pi), rng.uniform(0.2, 0.5)
        cards = []
        for place in range(count):
            if fan:
                angle = turn + spread * (place - count / 2)
                arm = np.array([np.sin(angle), -np.cos(angle)]) * size * CARD[1] * 0.8
                middle = center + arm * rng.uniform(0.9, 1.1)
            else:
                angle = rng.uniform(0, 2 * np.pi)
                middle = np.array(PICTURE) * rng.uniform(0.12, 0.88, 2)
            half = np.array(CARD) * size / 2
            square = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half
            turned = square @ np.array(
                [[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]
            )
            tilt = 1 + rng.uniform(-0.0012, 0.0012, 2) @ turned.T
            corners = middle + turned / tilt[:, None]
            rank = str(rng.choice(RANKS))
            cards.append((rank, *laid(card(rank, str(rng.choice(list(SUITS)))), corners)))
        if all(_visible(cards, place) >= MIN_VISIBLE for place in range(count)):
            return cards


def _visible(cards: list[tuple[str, Image.Image, NDArray[np.uint8]]], place: int) -> float:
    """Say how much of a whole card's area is in the picture and under no later card."""
    whole = cards[place][2] > 127
    seen = whole.copy()
    for _, _, later in cards[place + 1 :]:
        seen &= later <= 127
    if not whole.any() or not seen.any():
        return 0.0
    on_edge = whole[[0, -1]].sum() + whole[:, [0, -1]].sum()
    return float(seen.sum() / whole.sum()) if on_edge < 40 else 0.0


def scene(number: int, split: str) -> tuple[Image.Image, list[tuple[int, list[float]]]]:
    """Draw a picture and its boxes (class, [x1, y1, x2, y2]) of the parts that are seen."""
    rng = np.random.default_rng([20260101, int(split == "test"), number])
    picture, cards = table(rng, split), hand(rng)
    boxes = []
    for place, (rank, placed, alpha) in enumerate(cards):
        shade = Image.new("RGBA", PICTURE, (0, 0, 0, 255))
        shade.putalpha(Image.fromarray((alpha * 0.35).astype(np.uint8)))
        picture.paste(shade, (3, 4), shade)
        picture.paste(placed, (0, 0), placed)
        seen = alpha > 127
        for _, _, later in cards[place + 1 :]:
            seen &= later <= 127
        rows, columns = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
        edges = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
        boxes.append((RANKS.index(rank), [float(edge) for edge in edges]))
    return _seen_by_a_camera(picture, rng), boxes


def _seen_by_a_camera(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Light it from one side, blur it a little, add noise."""
    picture = picture.filter(ImageFilter.GaussianBlur(rng.uniform(0.2, 1.4)))
    down, across = np.mgrid[-1 : 1 : PICTURE[1] * 1j, -1 : 1 : PICTURE[0] * 1j]
    light = rng.uniform(0.6, 1.15) + rng.uniform(-0.3, 0.3) * down + rng.uniform(-0.3, 0.3) * across
    color = np.asarray(picture) * light[..., None] * rng.uniform(0.85, 1.1, 3)
    color = color + rng.normal(0, rng.uniform(1, 9), color.shape)
    return Image.fromarray(np.clip(color, 0, 255).astype(np.uint8))


def main(root: Path, counts: dict[str, int]) -> None:
    for split, count in counts.items():
        pictures, labels = root / split / "images", root / split / "labels"
        pictures.mkdir(parents=True, exist_ok=True)
        labels.mkdir(parents=True, exist_ok=True)
        for number in range(count):
            picture, boxes = scene(number, split)
            picture.save(pictures / f"{number:04}.jpg", quality=90)
            lines = []
            for label, (x1, y1, x2, y2) in boxes:
                center = (x1 + x2) / 2 / PICTURE[0], (y1 + y2) / 2 / PICTURE[1]
                sides = (x2 - x1) / PICTURE[0], (y2 - y1) / PICTURE[1]
                lines.append(" ".join([str(label), *(f"{v:.6f}" for v in (*center, *sides))]))
            (labels / f"{number:04}.txt").write_text("\n".join(lines) + "\n")
    names = "".join(f"  {at}: {name}\n" for at, name in enumerate(RANKS))
    paths = "".join(f"{split}: {split}/images\n" for split in counts)
    (root / "data.yaml").write_text(f"path: .\n{paths}names:\n{names}")


if __name__ == "__main__":
    asked = [int(text) for text in sys.argv[2:]]
    train, test = (asked + [296, 67][len(asked) :])[:2]
    main(Path(sys.argv[1]), {"train": train, "test": test})
