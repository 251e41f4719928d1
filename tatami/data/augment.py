"""Random variations of a labelled picture for training; the boxes move with the pixels.

Resize by a random factor and aspect, shift, mirror and distort colours as Redmon and Farhadi train
YOLOv2 (YOLO9000, section 2, "Training for detection"; Redmon et al. 2016, section 2.2, for the
colours), and put four pictures into one (mosaic; Bochkovskiy et al. 2020, YOLOv4, section 3.4).

Resizing for training is Pillow's bilinear filter: the same widened triangle as the picture rule,
within 2 levels of it, computed only where it will be seen. With nothing to vary the picture rule
itself is used, so ``Augmentation.none()`` gives ``picture.letterbox`` to the bit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, floor, sqrt

import numpy as np
from PIL import Image, ImageFilter

from tatami.errors import TatamiError
from tatami.picture import placement, resize
from tatami.types import Bool, Boxes, Dataset, Float32, InputSpec, Picture, Sample, Size


@dataclass(frozen=True)
class Augmentation:
    """How far a training picture may be varied. 1 or 0, as the field has it, varies nothing.

    flip: probability of mirroring left to right (0 where a mirrored object is another one: digits).
    scale: (least, most) factor on the letterboxed size, drawn log-uniformly.
    aspect: most factor by which width over height is changed, or its inverse.
    translate: most shift of the picture from the centre, as a share of the canvas's sides.
    hue: most turn of the hue, either way, as a share of the circle.
    saturation, exposure: most factor on HSV's saturation and value, or its inverse.
    mosaic: probability of putting four pictures into one; mosaic_scale: their scale then.
    min_visible: a box of which a smaller share of the area is left by the canvas's border is
    dropped: that object has been cut away, it is not lost. So is one under 2 pixels either way.
    pad: the grey of the canvas where there is no picture; InputSpec's.
    """

    flip: float = 0.5
    scale: tuple[float, float] = (0.6, 1.5)
    aspect: float = 1.25
    translate: float = 0.15
    hue: float = 0.05
    saturation: float = 1.5
    exposure: float = 1.5
    mosaic: float = 0.5
    mosaic_scale: tuple[float, float] = (0.5, 1.0)
    min_visible: float = 0.25
    pad: int = 128

    def __post_init__(self) -> None:
        for name in ("flip", "translate", "hue", "mosaic", "min_visible"):
            if not 0 <= getattr(self, name) <= 1:
                raise TatamiError(
                    f"augmentation {name}={getattr(self, name)}", mend="give a number from 0 to 1"
                )
        for name in ("aspect", "saturation", "exposure"):
            if not 1 <= getattr(self, name) <= 100:
                raise TatamiError(
                    f"augmentation {name}={getattr(self, name)}",
                    mend="give a factor of at least 1; 1 changes nothing",
                )
        for name in ("scale", "mosaic_scale"):
            least, most = getattr(self, name)
            if not 0.01 <= least <= most <= 100:
                raise TatamiError(
                    f"augmentation {name}={least},{most}",
                    mend="give the least and the most factor, as 0.6,1.5",
                )
        if not 0 <= self.pad <= 255:
            raise TatamiError(f"augmentation pad={self.pad}", mend="give a grey from 0 to 255")

    @staticmethod
    def none(pad: int = 128) -> Augmentation:
        """Nothing varied: the picture letterboxed by the picture rule."""
        return Augmentation(
            flip=0.0,
            scale=(1.0, 1.0),
            aspect=1.0,
            translate=0.0,
            hue=0.0,
            saturation=1.0,
            exposure=1.0,
            mosaic=0.0,
            pad=pad,
        )


def augmented(
    dataset: Dataset,
    index: int,
    size: Size,
    options: Augmentation,
    rng: np.random.Generator,
    load: Callable[[Sample], Picture],
) -> tuple[Picture, Boxes]:
    """Sample ``index`` varied: a canvas, uint8 (size.height, size.width, 3), and boxes on it.

    A pure function of its arguments and of the state of ``rng``. ``load`` reads a sample's picture;
    it is called once, or four times for a mosaic, whose other samples are drawn from the dataset.
    Safe to call from threads that each have their own ``rng``: the pixel work releases the GIL.
    """
    canvas: Picture = np.full((size.height, size.width, 3), options.pad, np.uint8)
    if rng.random() < options.mosaic:
        x = round(size.width * rng.uniform(0.3, 0.7))
        y = round(size.height * rng.uniform(0.3, 0.7))
        windows = [
            _Area(0, 0, x, y),
            _Area(x, 0, size.width, y),
            _Area(0, y, x, size.height),
            _Area(x, y, size.width, size.height),
        ]
        scale = options.mosaic_scale
        numbers = [index, *rng.integers(len(dataset), size=3).tolist()]
    else:
        windows = [_Area(0, 0, size.width, size.height)]
        scale = options.scale
        numbers = [index]

    parts = []
    for number, window in zip(numbers, windows, strict=True):
        sample = dataset.samples[number]
        fit = placement(sample.size, InputSpec(size))
        factor = _log_uniform(*scale, rng)
        stretch = sqrt(_log_uniform(1 / options.aspect, options.aspect, rng))
        width = max(1, round(fit.width * factor * stretch))
        height = max(1, round(fit.height * factor / stretch))
        if len(windows) == 1:
            shift = rng.uniform(-options.translate, options.translate, 2)
            left = (size.width - width) // 2 + round(float(shift[0]) * size.width)
            top = (size.height - height) // 2 + round(float(shift[1]) * size.height)
        else:  # anywhere in the window or, where the picture is the larger, any part of it
            left = window.left + round(rng.random() * (window.width - width))
            top = window.top + round(rng.random() * (window.height - height))
        placed = _Area(left, top, left + width, top + height)
        mirrored = rng.random() < options.flip
        table = _colour_table(options, rng)
        seen = placed.cut(window)
        if seen.width > 0 and seen.height > 0:
            by_rule = (width, height) == (fit.width, fit.height)
            pixels = _resized(load(sample), placed, seen, mirrored, table, by_rule)
            canvas[seen.top : seen.bottom, seen.left : seen.right] = pixels
        parts.append(_moved(sample, placed, seen, mirrored, options.min_visible))
    return canvas, _joined(parts)


@dataclass(frozen=True)
class _Area:
    """A rectangle of whole canvas pixels; its right and bottom edges are outside."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def height(self) -> int:
        return self.bottom - self.top

    def cut(self, window: _Area) -> _Area:
        """What of it lies inside the window; a side is 0 or less where nothing does."""
        return _Area(
            max(self.left, window.left),
            max(self.top, window.top),
            min(self.right, window.right),
            min(self.bottom, window.bottom),
        )


def _log_uniform(least: float, most: float, rng: np.random.Generator) -> float:
    """A factor between the two, as likely to double as to halve."""
    return float(least * (most / least) ** rng.random())


def _resized(
    picture: Picture,
    placed: _Area,
    seen: _Area,
    mirrored: bool,
    table: ImageFilter.Color3DLUT | None,
    by_rule: bool,
) -> Picture:
    """The pixels (seen.height, seen.width, 3) of the picture resized to ``placed``, where seen."""
    left = placed.right - seen.right if mirrored else seen.left - placed.left
    top = seen.top - placed.top
    if by_rule:
        whole = resize(picture, Size(placed.width, placed.height))
        pixels = whole[top : top + seen.height, left : left + seen.width]
        if table is not None:
            pixels = np.asarray(Image.fromarray(np.ascontiguousarray(pixels)).filter(table))
    else:
        height, width = picture.shape[:2]
        x, y = width / placed.width, height / placed.height  # picture pixels a canvas pixel
        # hand over only the pixels that the filter's triangle can reach
        x1, y1 = max(0, floor((left - 1) * x) - 1), max(0, floor((top - 1) * y) - 1)
        x2 = min(width, ceil((left + seen.width + 1) * x) + 1)
        y2 = min(height, ceil((top + seen.height + 1) * y) + 1)
        part = Image.fromarray(np.ascontiguousarray(picture[y1:y2, x1:x2]))
        image = part.resize(
            (seen.width, seen.height),
            Image.Resampling.BILINEAR,
            box=(
                max(0.0, left * x - x1),
                max(0.0, top * y - y1),
                min(part.width, (left + seen.width) * x - x1),
                min(part.height, (top + seen.height) * y - y1),
            ),
        )
        pixels = np.asarray(image if table is None else image.filter(table))
    return pixels[:, ::-1] if mirrored else pixels


def _moved(sample: Sample, placed: _Area, seen: _Area, mirrored: bool, min_visible: float) -> Boxes:
    """The sample's boxes on the canvas, cut to what is seen, without those cut away."""
    x, y = placed.width / sample.size.width, placed.height / sample.size.height
    xyxy = sample.boxes.xyxy * np.array([x, y, x, y])
    if mirrored:
        xyxy = np.stack(
            [placed.width - xyxy[:, 2], xyxy[:, 1], placed.width - xyxy[:, 0], xyxy[:, 3]], axis=1
        )
    xyxy = xyxy + np.array([placed.left, placed.top, placed.left, placed.top], np.float64)
    cut = np.maximum(xyxy, np.array([seen.left, seen.top] * 2, np.float64))
    cut = np.minimum(cut, np.array([seen.right, seen.bottom] * 2, np.float64))
    sides = cut[:, 2:] - cut[:, :2]
    whole = np.prod(xyxy[:, 2:] - xyxy[:, :2], axis=1)
    left = np.prod(np.maximum(sides, 0), axis=1)
    kept: Bool = (sides >= 2).all(axis=1) & (left >= min_visible * whole)
    boxes = sample.boxes.select(kept)
    areas = boxes.areas * (x * y) * left[kept] / whole[kept]
    return Boxes(cut[kept], boxes.labels, boxes.difficult, boxes.crowd, areas)


def _joined(parts: list[Boxes]) -> Boxes:
    return Boxes(
        np.concatenate([part.xyxy for part in parts]),
        np.concatenate([part.labels for part in parts]),
        np.concatenate([part.difficult for part in parts]),
        np.concatenate([part.crowd for part in parts]),
        np.concatenate([part.areas for part in parts]),
    )


def _colour_table(options: Augmentation, rng: np.random.Generator) -> ImageFilter.Color3DLUT | None:
    """A random distortion of hue, saturation and value as a table of colours; None for none.

    A table, because the way to HSV and back for every pixel costs more than all the rest.
    """
    hue = rng.uniform(-options.hue, options.hue)
    saturation = _log_uniform(1 / options.saturation, options.saturation, rng)
    exposure = _log_uniform(1 / options.exposure, options.exposure, rng)
    if (hue, saturation, exposure) == (0, 1, 1):
        return None
    colours = _distorted(_GRID, hue, saturation, exposure)
    return ImageFilter.Color3DLUT(_NODES, colours.ravel())


def _distorted(rgb: Float32, hue: float, saturation: float, exposure: float) -> Float32:
    """Colours (n, 3) in [0, 1] with the hue turned and saturation and value multiplied, in HSV.

    Each of red, green and blue is value * (1 - saturation * w), w a trapezium of the hue
    (Smith 1978, "Color gamut transform pairs", in the form without cases).
    """
    value = rgb.max(axis=1)
    spread = value - rgb.min(axis=1)
    safe = np.where(spread > 0, spread, 1)
    red, green, blue = rgb.T
    sixth = np.where(
        value == red,
        (green - blue) / safe,
        np.where(value == green, 2 + (blue - red) / safe, 4 + (red - green) / safe),
    )
    old_saturation = spread / np.where(value > 0, value, 1)
    new_saturation = np.minimum(old_saturation * saturation, 1)
    new_value = np.minimum(value * exposure, 1)
    turn = (sixth + 6 * hue)[:, None] + np.array([5, 3, 1])
    turn %= 6
    weight = np.clip(np.minimum(turn, 4 - turn), 0, 1)
    mixed = new_value[:, None] * (1 - new_saturation[:, None] * weight)
    return np.asarray(mixed, np.float32)


def _grid() -> Float32:
    """Every node of the colour table, red fastest, as Pillow wants it: (nodes ** 3, 3)."""
    level = np.linspace(0, 1, _NODES, dtype=np.float32)
    blue, green, red = np.meshgrid(level, level, level, indexing="ij")
    return np.stack([red, green, blue], axis=-1).reshape(-1, 3)


_NODES = 17  # a side of the colour table; between its nodes Pillow interpolates
_GRID = _grid()
