"""Fifteen katakana, ア to ソ, from the Japanese fonts of the machine, each picture of one class.

Dark on light, 28x28. A glyph is drawn as it is printed, or thinned to lines and redrawn by a pen,
each stroke that stands alone moved a little, as hands do; either is bent by a smooth random field
(Simard, Steinkraus and Platt 2003, "Best practices for convolutional neural networks applied to
visual document analysis", section 2). Then come the variations of data/augment/.

The same arguments and the same fonts give the same bytes (with the same versions of NumPy and
Pillow), and a picture depends on the seed, its split, class and number only. Both splits are drawn
from all fonts: the test split shows whether a network has learned, not whether it reads
handwriting.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFont

from tatami.data.augment import Augmentation, augmented_picture
from tatami.data.strokes import drawn, parts, thinned
from tatami.errors import TatamiError
from tatami.files import folder_written_atomically
from tatami.types import Float64, Int64, Picture, Size

CHARACTERS = "アイウエオカキクケコサシスセソ"
CLASSES = ("a", "i", "u", "e", "o", "ka", "ki", "ku", "ke", "ko", "sa", "shi", "su", "se", "so")
SIZE = Size(28, 28)
VARIATIONS = Augmentation(
    flip=0.0,
    scale=(0.8, 1.15),
    aspect=1.4,
    translate=0.06,
    hue=0.0,
    saturation=1.0,
    exposure=1.0,
    mosaic=0.0,
    pad=255,
    rotate=12.0,
    noise=8.0,
    occlusion=0.2,
    occlusion_size=(0.01, 0.05),
)

FOLDERS = (
    Path("/usr/share/fonts"),
    Path("/usr/local/share/fonts"),
    Path("~/.local/share/fonts"),
    Path("/System/Library/Fonts"),
    Path("/Library/Fonts"),
    Path("C:/Windows/Fonts"),
)

_MARKER = "katakana.json"
_SIDE = 96  # pixels of the square that a glyph is drawn and bent in
_INK = 66  # of its longer side
_PEN = (2.0, 6.5)  # radius of the pen, in pixels of that square
_PENNED = 0.8  # share of the pictures that a pen draws


@dataclass(frozen=True)
class _Glyph:
    """A character of a font: ink (_SIDE, _SIDE), its lines' points (n, 2), each one's part (n,)."""

    ink: NDArray[np.uint8]
    points: Float64
    part: Int64


def write_katakana(
    root: Path,
    *,
    per_class: int = 500,
    fonts: Sequence[Path] = (),
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Path, ...]:
    """Write ``root``/train/CLASS/00000.png and so on, whole or not at all.

    classes.txt has the order of the classes.

    Args:
        root: The folder. An older set of katakana in it is replaced.
        per_class: Pictures of each class to train on; a fifth of that number, at least one, go to
            ``test``.
        fonts: Files, or folders of them; empty: the machine's.
        seed: What is drawn depends on it.
        progress: Called with (pictures done, pictures in all) after each class.

    Returns:
        The fonts used.

    Raises:
        TatamiError: For an impossible request, where no font has the characters, and where ``root``
            is a folder of something else.
    """
    if not 1 <= per_class <= 100_000:
        raise TatamiError(f"{per_class} pictures a class", hint="ask for 1 to 100000")
    if root.exists() and not (root / _MARKER).is_file() and (root.is_file() or any(root.iterdir())):
        raise TatamiError("the folder holds something else", hint="name a new folder", file=root)
    used = usable_fonts(fonts)
    counts = {"train": per_class, "test": max(1, per_class // 5)}
    done, total = 0, sum(counts.values()) * len(CLASSES)
    with folder_written_atomically(root) as folder:
        (folder / "classes.txt").write_text("".join(f"{name}\n" for name in CLASSES))
        for label, name in enumerate(CLASSES):
            glyphs = [_glyph(path, CHARACTERS[label]) for path in used]
            for number, (split, count) in enumerate(counts.items()):
                own = folder / split / name
                own.mkdir(parents=True)
                for index in range(count):
                    rng = np.random.default_rng([seed, number, label, index])
                    picture = _picture(glyphs[int(rng.integers(len(glyphs)))], rng)
                    Image.fromarray(picture[..., 0]).save(own / f"{index:05d}.png")
                done += count
                if progress is not None:
                    progress(done, total)
        made_from = {"per_class": per_class, "seed": seed, "fonts": [path.name for path in used]}
        (folder / _MARKER).write_text(json.dumps(made_from) + "\n")
    return used


def usable_fonts(places: Sequence[Path] = ()) -> tuple[Path, ...]:
    """Find the font files that have all fifteen characters.

    Where files draw the same glyphs the first by name is taken.

    Args:
        places: Font files, or folders of them; empty: the machine's.

    Raises:
        TatamiError: Where there is no such font, and for a place that does not exist.
    """
    for place in places:
        if not place.exists():
            raise TatamiError("no such font or folder", hint="check the path", file=place)
    chosen: dict[bytes, Path] = {}
    for path in sorted({path.resolve() for path in _font_files(places or FOLDERS)}):
        drawing = _drawing(path)
        if drawing is not None:
            chosen.setdefault(drawing, path)
    if not chosen:
        where = ", ".join(str(place) for place in places or FOLDERS)
        raise TatamiError(
            f"no font with katakana in {where}",
            hint="apt-get install fonts-ipafont fonts-noto-cjk, or name font files",
        )
    return tuple(chosen.values())


def _font_files(places: Sequence[Path]) -> Iterator[Path]:
    for place in places:
        found = [place] if place.is_file() else place.expanduser().rglob("*")
        for path in found:
            if path.is_file() and path.suffix.lower() in (".ttf", ".ttc", ".otf"):
                yield path


def _drawing(path: Path) -> bytes | None:
    """Draw the fifteen characters with a font; None where it has not each of its own."""
    try:
        font = ImageFont.truetype(str(path), 24)
        missing = bytes(font.getmask("\uffff"))
        drawings = [bytes(font.getmask(character)) for character in CHARACTERS]
    except (OSError, ValueError):  # not a font that FreeType reads
        return None
    if missing in drawings or len(set(drawings)) < len(CHARACTERS) or b"" in drawings:
        return None
    return b"".join(drawings)


def _glyph(path: Path, character: str) -> _Glyph:
    font = ImageFont.truetype(str(path), _INK)
    mask = font.getmask(character)
    ink = np.array(mask, np.uint8).reshape(mask.size[::-1])
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    image = Image.fromarray(ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
    scale = _INK / max(image.size)
    image = image.resize((max(1, round(image.width * scale)), max(1, round(image.height * scale))))
    square = Image.new("L", (_SIDE, _SIDE))
    square.paste(image, ((_SIDE - image.width) // 2, (_SIDE - image.height) // 2))
    whole = np.asarray(square)
    line = thinned(whole >= 128)
    y, x = np.nonzero(line)
    points: Float64 = np.stack([x, y], axis=1).astype(np.float64) + 0.5
    return _Glyph(whole, points, parts(line)[y, x])


def _picture(glyph: _Glyph, rng: np.random.Generator) -> Picture:
    """Make one picture, uint8 (28, 28, 3), gray, dark on light."""
    field = _field(rng)
    if rng.random() < _PENNED:
        points = glyph.points.copy()
        for part in range(1, int(glyph.part.max()) + 1):
            own = glyph.part == part
            center = points[own].mean(axis=0)
            change = np.eye(2) + rng.normal(0, 0.12, (2, 2))
            points[own] = (points[own] - center) @ change + center + rng.normal(0, 2.5, 2)
        column, row = np.clip(points, 0, _SIDE - 1).astype(np.int64).T
        points = points + field[row, column]
        ink = drawn(points, rng.uniform(*_PEN), Size(_SIDE, _SIDE))
    else:
        y, x = np.mgrid[:_SIDE, :_SIDE]
        from_x = np.clip(np.rint(x - field[..., 0]), 0, _SIDE - 1).astype(np.int64)
        from_y = np.clip(np.rint(y - field[..., 1]), 0, _SIDE - 1).astype(np.int64)
        ink = glyph.ink[from_y, from_x]
    darkness = rng.uniform(0.7, 1.0)
    gray = np.rint(255 - darkness * ink).astype(np.uint8)
    return augmented_picture(np.repeat(gray[..., None], 3, axis=2), SIZE, VARIATIONS, rng)


def _field(rng: np.random.Generator) -> Float64:
    """Draw a smooth random shift of each pixel of the square.

    Returns:
        (_SIDE, _SIDE, 2): x and y in pixels.
    """
    strength = rng.uniform(0, 5)
    shifts = rng.normal(0, strength, (2, 4, 4)).astype(np.float32)
    planes = [
        np.asarray(Image.fromarray(plane).resize((_SIDE, _SIDE), Image.Resampling.BICUBIC))
        for plane in shifts
    ]
    shear = rng.normal(0, 0.15)
    across = shear * (np.arange(_SIDE)[:, None] - _SIDE / 2)
    return np.stack([planes[0] + across, planes[1]], axis=2).astype(np.float64)
