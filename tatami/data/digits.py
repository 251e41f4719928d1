"""The embedded set: real handwritten digits drawn onto real photos, made in seconds, offline.

The handwriting is the 1,797 samples (8 x 8, values 0 to 16) of the UCI "Optical Recognition of
Handwritten Digits" test set as scikit-learn bundles it; the photos are those inside scikit-image's
wheel that show no printed letters or digits. Train and test share neither a sample nor a photo.

What is promised of every picture:

- A box is the bounding box of the pixels of which the digit's own ink, before any later digit is
  drawn over it, covers at least a quarter (coverage >= INK of 255). Ink is never cut by the border.
- Later digits hide at most MAX_HIDDEN of a digit's ink, and two boxes share at most MAX_SHARED of
  the smaller one. A digit that finds no such place is not drawn, so nothing unlabeled is visible.
- Of the pixels under the box at least CLEAR differ from the ink in luma, times the ink's opacity,
  by CONTRAST of 255 levels or more. A digit that finds no such color at its place is moved.
- The same arguments give the same bytes (with the same versions of NumPy and Pillow), and a picture
  depends on the seed, its split and its number only, not on how many others are made.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, cos, radians, sin
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tatami.errors import TatamiError
from tatami.files import folder_written_atomically
from tatami.types import Bool, Float64, Int64, Picture, Size

CLASSES = tuple("0123456789")

TRAIN_PHOTOS = (
    "brick.png",
    "camera.png",
    "chelsea.png",
    "coffee.png",
    "grass.png",
    "hubble_deep_field.jpg",
    "ihc.png",
)
TEST_PHOTOS = (
    "cell.png",
    "coins.png",
    "gravel.png",
    "moon.png",
    "retina.jpg",
    "rocket.jpg",
)

INK = 64
MAX_HIDDEN = 0.08
MAX_SHARED = 0.1
CLEAR = 0.8
CONTRAST = 70.0

_MOST_DIGITS = 4
_HEIGHTS = (44.0, 92.0)  # pixels, before slant; drawn log-uniformly
_TRIES = 12
_MARKER = "digits.json"
_LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601


@dataclass(frozen=True)
class _Glyph:
    """A digit as drawn: its label, coverage (h, w) uint8, and its ink's box inside that patch."""

    label: int
    coverage: NDArray[np.uint8]
    box: tuple[int, int, int, int]


def write_digits(
    root: Path,
    *,
    train: int = 3000,
    test: int = 300,
    size: Size | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write the set to the folder ``root`` in PASCAL VOC layout, whole or not at all.

    Args:
        root: The folder. An older set of digits in it is replaced.
        train: How many pictures to train on.
        test: How many pictures to test with.
        size: Of every picture; None: 128x128.
        seed: What is drawn depends on it.
        progress: Called with (pictures done, pictures in all) after each.

    Raises:
        TatamiError: For an impossible request, where scikit-learn or scikit-image is missing, and
            where ``root`` is a folder of something else.
    """
    size = size or Size(128, 128)
    if train < 1 or test < 1:
        raise TatamiError(
            f"{train} train and {test} test pictures asked for", hint="ask for at least 1 of each"
        )
    if min(size.width, size.height) < 64:
        raise TatamiError(f"digits need more room than {size}", hint="use at least 64x64")
    if root.exists() and not (root / _MARKER).is_file() and (root.is_file() or any(root.iterdir())):
        raise TatamiError("the folder holds something else", hint="name a new folder", file=root)

    samples = _handwriting(seed)
    with folder_written_atomically(root) as folder:
        pictures, annotations = folder / "JPEGImages", folder / "Annotations"
        lists = folder / "ImageSets" / "Main"
        for made in (pictures, annotations, lists):
            made.mkdir(parents=True)
        done = 0
        for number, (split, count, photo_names) in enumerate(
            (("train", train, TRAIN_PHOTOS), ("test", test, TEST_PHOTOS))
        ):
            photos = [_photo(name) for name in photo_names]
            ids = [f"{split}_{index:05d}" for index in range(count)]
            for index, name in enumerate(ids):
                rng = np.random.default_rng([seed, number, index])
                picture, boxes, labels = _draw(photos, samples[split], size, rng)
                Image.fromarray(picture).save(pictures / f"{name}.png", compress_level=1)
                (annotations / f"{name}.xml").write_text(_voc_xml(name, size, boxes, labels))
                done += 1
                if progress is not None:
                    progress(done, train + test)
            (lists / f"{split}.txt").write_text("".join(f"{name}\n" for name in ids))
        made_from = {"train": train, "test": test, "size": str(size), "seed": seed}
        (folder / _MARKER).write_text(json.dumps(made_from) + "\n")


def _handwriting(seed: int) -> dict[str, list[NDArray[np.uint8]]]:
    """Give for each split the samples of each class (n, 8, 8); one in five is for test."""
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise TatamiError(
            "scikit-learn, which holds the handwriting, is not installed",
            hint="pip install 'tatami-nn[demo]'",
        ) from error
    data = load_digits()
    images, targets = data.images.astype(np.uint8), data.target
    rng = np.random.default_rng([seed, 2])
    splits: dict[str, list[NDArray[np.uint8]]] = {"train": [], "test": []}
    for label in range(len(CLASSES)):
        of_class = rng.permutation(images[targets == label])
        held_out = len(of_class) // 5
        splits["test"].append(of_class[:held_out])
        splits["train"].append(of_class[held_out:])
    return splits


def _photo(name: str) -> Image.Image:
    """Open a photo inside scikit-image's own folder: nothing is ever fetched."""
    try:
        import skimage
    except ImportError as error:
        raise TatamiError(
            "scikit-image, which holds the photos, is not installed",
            hint="pip install 'tatami-nn[demo]'",
        ) from error
    path = Path(skimage.__file__).parent / "data" / name
    if not path.is_file():
        raise TatamiError(
            "this scikit-image does not hold the photo",
            hint="pip install 'scikit-image>=0.24'",
            file=path,
        )
    with Image.open(path) as photo:
        return photo.convert("RGB")


def _draw(
    photos: Sequence[Image.Image],
    samples: Sequence[NDArray[np.uint8]],
    size: Size,
    rng: np.random.Generator,
) -> tuple[Picture, Int64, list[int]]:
    """Draw one picture; give it with its boxes (n, 4), in integer pixel edges, and their labels."""
    canvas = _background(photos, size, rng)
    top_digit = np.zeros((size.height, size.width), np.int64)  # whose ink shows; 0: the photo's
    boxes: list[tuple[int, int, int, int]] = []
    labels: list[int] = []
    areas, shown = np.zeros(0), np.zeros(0)  # ink pixels of each digit: in all, and still visible
    for _ in range(int(rng.integers(1, _MOST_DIGITS + 1))):
        label = int(rng.integers(len(CLASSES)))
        glyph = _glyph(label, samples[label], size, rng)
        inked = glyph.coverage >= INK
        height, width = inked.shape
        for _ in range(_TRIES):
            x = int(rng.integers(size.width - width + 1))
            y = int(rng.integers(size.height - height + 1))
            box = (glyph.box[0] + x, glyph.box[1] + y, glyph.box[2] + x, glyph.box[3] + y)
            place = (slice(y, y + height), slice(x, x + width))
            left = shown - np.bincount(top_digit[place][inked], minlength=len(areas) + 1)[1:]
            if (areas - left > MAX_HIDDEN * areas).any() or any(
                _shared(box, other) > MAX_SHARED for other in boxes
            ):
                continue
            ink = _ink(canvas[box[1] : box[3], box[0] : box[2]], rng)
            if ink is not None:
                break
        else:
            continue
        boxes.append(box)
        labels.append(label)
        top_digit[place][inked] = len(boxes)
        areas, shown = np.append(areas, inked.sum()), np.append(left, inked.sum())
        color, opacity = ink
        canvas[place] += (color - canvas[place]) * (glyph.coverage[..., None] * (opacity / 255))
    return np.rint(canvas).astype(np.uint8), np.array(boxes, np.int64), labels


def _background(photos: Sequence[Image.Image], size: Size, rng: np.random.Generator) -> Float64:
    """Cut a random part of a random photo, at a random zoom, mirrored or not.

    Returns:
        (h, w, 3) in 0..255.
    """
    photo = photos[int(rng.integers(len(photos)))]
    zoom = rng.uniform(0.5, 2.0)  # photo pixels a canvas pixel
    zoom = min(zoom, photo.width / size.width, photo.height / size.height)
    width, height = size.width * zoom, size.height * zoom
    left, top = rng.uniform(0, photo.width - width), rng.uniform(0, photo.height - height)
    part = photo.resize(
        (size.width, size.height),
        Image.Resampling.BILINEAR,
        box=(left, top, min(left + width, photo.width), min(top + height, photo.height)),
    )
    canvas = np.asarray(part, np.float64)
    if rng.random() < 0.5:
        canvas = canvas[:, ::-1]
    mean = canvas.mean()
    # Paler than the photo, so that the ink stands out for a person, too.
    varied = mean + (canvas - mean) * rng.uniform(0.3, 0.7) + rng.uniform(-32, 32)
    return np.ascontiguousarray(np.clip(varied, 0, 255))


def _glyph(label: int, samples: NDArray[np.uint8], size: Size, rng: np.random.Generator) -> _Glyph:
    """Draw a sample at a random height, width, slant and stroke, cropped to where any ink falls."""
    sample = samples[int(rng.integers(len(samples)))]
    margin = 2
    source = Image.fromarray(np.pad(sample * 15, margin))  # 0..240; blank around for the cubic
    tallest = min(_HEIGHTS[1], 0.7 * min(size.width, size.height))
    scale_y = float(np.exp(rng.uniform(np.log(_HEIGHTS[0]), np.log(tallest)))) / 8
    scale_x = scale_y * rng.uniform(0.75, 1.15)
    turn, shear = radians(rng.uniform(-10, 10)), rng.uniform(-0.25, 0.25)
    rotate = np.array([[cos(turn), -sin(turn)], [sin(turn), cos(turn)]])
    matrix = rotate @ np.array([[scale_x, shear * scale_y], [0.0, scale_y]])  # sample to canvas
    half = 4 + margin / 2
    corners = matrix @ np.array([[-half, -half, half, half], [-half, half, -half, half]])
    width, height = (ceil(side) for side in np.ptp(corners, axis=1))
    inverse = np.linalg.inv(matrix)
    offset = 4 + margin - inverse @ np.array([width / 2, height / 2])
    drawn = source.transform(
        (width, height),
        Image.Transform.AFFINE,
        (*inverse[0], offset[0], *inverse[1], offset[1]),
        Image.Resampling.BICUBIC,
    )
    gain, level = rng.uniform(1.5, 3.0), rng.uniform(0.38, 0.50) * 240
    table = np.clip(np.rint(127.5 + gain * (np.arange(256) - level)), 0, 255)
    table[: INK // 2] = np.minimum(table[: INK // 2], 8 * np.arange(INK // 2))  # no ink, no haze
    coverage = table.astype(np.uint8)[np.asarray(drawn)]
    left, top, right, bottom = _bounds(coverage > 0)
    x1, y1, x2, y2 = _bounds(coverage >= INK)
    box = (x1 - left, y1 - top, x2 - left, y2 - top)
    return _Glyph(label, coverage[top:bottom, left:right], box)


def _bounds(mask: Bool) -> tuple[int, int, int, int]:
    """Find the bounding box of a mask that is not empty, in pixel edges."""
    columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _ink(under: Float64, rng: np.random.Generator) -> tuple[Float64, float] | None:
    """Choose a color (3,) in 0..255 and an opacity that can be read on the pixels under the box."""
    luma = under @ _LUMA
    for _ in range(_TRIES):
        kind = rng.integers(3)
        if kind == 0:
            color = np.full(3, rng.uniform(0, 60))
        elif kind == 1:
            color = np.full(3, rng.uniform(195, 255))
        else:
            color = rng.uniform(0, 255, 3)
        opacity = rng.uniform(0.75, 1.0)
        clear = np.abs(luma - color @ _LUMA) * opacity >= CONTRAST
        if np.count_nonzero(clear) >= CLEAR * clear.size:
            return color, float(opacity)
    return None


def _shared(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> float:
    """Compute the area that two boxes share, as a part of the smaller one's."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    smaller = min((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b))
    return max(0, width) * max(0, height) / smaller


def _voc_xml(name: str, size: Size, boxes: Int64, labels: Sequence[int]) -> str:
    """Write an annotation as VOC does: corners are 1-based pixels, both inside the box."""
    objects = "".join(
        f"  <object>\n    <name>{CLASSES[label]}</name>\n"
        "    <truncated>0</truncated>\n    <difficult>0</difficult>\n"
        f"    <bndbox><xmin>{x1 + 1}</xmin><ymin>{y1 + 1}</ymin>"
        f"<xmax>{x2}</xmax><ymax>{y2}</ymax></bndbox>\n  </object>\n"
        for (x1, y1, x2, y2), label in zip(boxes.tolist(), labels, strict=True)
    )
    return (
        f"<annotation>\n  <folder>JPEGImages</folder>\n  <filename>{name}.png</filename>\n"
        f"  <size><width>{size.width}</width><height>{size.height}</height>"
        f"<depth>3</depth></size>\n{objects}</annotation>\n"
    )
