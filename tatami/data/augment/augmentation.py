"""Random variations of a labeled picture for training; boxes and masks move with the pixels.

Resize by a random factor and aspect, shift, mirror and distort colors as Redmon and Farhadi train
YOLOv2 (YOLO9000, section 2, "Training for detection"; Redmon et al. 2016, section 2.2, for the
colors), and put four pictures into one (mosaic; Bochkovskiy et al. 2020, YOLOv4, section 3.4).
Rotate it, by right angles or any, add noise, and hide a part of it (random erasing; Zhong et al.
2020, section 3.2). Deform it, as U-Net is trained (elastic.py). Zoom out and cut a patch that holds
something, as Liu et al. train SSD (2016, section 2.2, "Data augmentation"; section 3.6 for zooming
out).

Where things go is in affine.py; what is chosen at random is here. With nothing to vary the picture
rule itself resizes, so ``Augmentation.none()`` gives ``picture.letterbox`` to the bit. A variation
that is not used draws no random number: the older ones are the same, to the bit, as without the
newer ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from math import sqrt
from typing import Literal

import numpy as np
from PIL import Image, ImageFilter

from tatami.data.augment.affine import Area, Transform, quarter_turned
from tatami.data.augment.elastic import Elastic
from tatami.errors import TatamiError
from tatami.rules.boxes import iou_xyxy
from tatami.rules.picture import placement
from tatami.types import (
    VOID,
    Boxes,
    Dataset,
    Float32,
    Float64,
    InputSpec,
    Mask,
    Picture,
    Sample,
    Size,
)

Resizing = Literal["letterbox", "stretch"]
"""How a picture comes to the canvas: the picture rule's two ways."""

OVERLAPS = (None, 0.0, 0.1, 0.3, 0.5, 0.7, 0.9)
"""The smallest IoU of a cropped patch with some object; None: the whole picture, no patch."""
_TRIALS = 50  # patches drawn before another overlap is tried


@dataclass(frozen=True)
class Augmentation:
    """How far a training picture may be varied. The values 1 or 0, as is usual, vary nothing.

    Args:
        flip: Probability of mirroring left to right (0 where a mirrored object is another one:
            digits).
        scale: Smallest and largest factor on the letterboxed size, drawn log-uniformly.
        aspect: Largest factor by which width over height is changed, or its inverse.
        translate: Largest shift of the picture from the center, as a share of the canvas's sides.
        hue: Largest turn of the hue, either way, as a share of the circle.
        saturation: Largest factor on HSV's saturation, or its inverse.
        exposure: Largest factor on HSV's value, or its inverse.
        mosaic: Probability of putting four pictures into one.
        mosaic_scale: The ``scale`` of the four.
        min_visible: A box is dropped where the canvas's border and the occlusion leave a smaller
            share of its area, or a side under 2 pixels: that object has been hidden. An occlusion
            that hides less leaves the box as it was.
        pad: The gray of the canvas where there is no picture; InputSpec's.
        rotate: Largest rotation about the picture's center, either way, in degrees. A box becomes
            the hull of the rotated box, which is more than the object needs: keep it small for
            detectors.
        noise: Standard deviation, in gray levels, of what is added to each channel of each pixel.
        occlusion: Probability of hiding a rectangle of the canvas under the pad's gray.
        occlusion_size: Smallest and largest share of the canvas's area that it hides. It is at most
            three times as wide as high, or as high as wide.
        crop: Probability of cutting a patch: any, or one whose IoU with some object is at least
            0.1, 0.3, 0.5, 0.7 or 0.9, each equally likely, as is no patch at all. A patch's sides
            are 0.1 to 1 times the whole's, its aspect 1/2 to 2 times the whole's. Objects stay
            whose center is in it. A picture that is expanded or cropped is not scaled, stretched
            and shifted besides; one of a mosaic is neither expanded nor cropped.
        expand: Probability of laying the picture anywhere on a larger canvas.
        expand_most: How many times as wide and high that canvas may be.
        brightness: The most gray levels that are added, either way.
        quarter: Probability of turning the picture by one, two or three right angles: for pictures
            that have no up, as a microscope's; 0.75 makes the four equally likely. No pixel is
            mixed.
        elastic: Standard deviation of the displacements of elastic deformation, as a share of the
            canvas's shorter side: for classes and masks; it is not supported for boxes.

    Raises:
        TatamiError: For a value that a setting cannot have.
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
    rotate: float = 0.0
    noise: float = 0.0
    occlusion: float = 0.0
    occlusion_size: tuple[float, float] = (0.02, 0.2)
    crop: float = 0.0
    expand: float = 0.0
    expand_most: float = 4.0
    brightness: float = 0.0
    quarter: float = 0.0
    elastic: float = 0.0

    def __post_init__(self) -> None:
        shares = (
            "flip",
            "translate",
            "hue",
            "mosaic",
            "occlusion",
            "min_visible",
            "crop",
            "expand",
            "quarter",
            "elastic",
        )
        for name in shares:
            if not 0 <= getattr(self, name) <= 1:
                raise TatamiError(
                    f"augmentation {name}={getattr(self, name)}", hint="give a number from 0 to 1"
                )
        for name in ("aspect", "saturation", "exposure", "expand_most"):
            if not 1 <= getattr(self, name) <= 100:
                raise TatamiError(
                    f"augmentation {name}={getattr(self, name)}",
                    hint="give a factor of at least 1; 1 changes nothing",
                )
        for name in ("scale", "mosaic_scale"):
            low, high = getattr(self, name)
            if not 0.01 <= low <= high <= 100:
                raise TatamiError(
                    f"augmentation {name}={low},{high}",
                    hint="give the smallest and the largest factor, as 0.6,1.5",
                )
        low, high = self.occlusion_size
        if not 0 < low <= high <= 1:
            raise TatamiError(
                f"augmentation occlusion_size={low},{high}",
                hint="give the smallest and the largest share of the canvas, as 0.02,0.2",
            )
        for name, limit, unit in (
            ("rotate", 180, "degrees"),
            ("noise", 255, "gray levels"),
            ("brightness", 255, "gray levels"),
        ):
            if not 0 <= getattr(self, name) <= limit:
                raise TatamiError(
                    f"augmentation {name}={getattr(self, name)}",
                    hint=f"give {unit}, from 0 to {limit}; 0 changes nothing",
                )
        if not 0 <= self.pad <= 255:
            raise TatamiError(f"augmentation pad={self.pad}", hint="give a gray from 0 to 255")

    @staticmethod
    def none(pad: int = 128) -> Augmentation:
        """Vary nothing: the picture is letterboxed by the picture rule."""
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

    def with_settings(self, settings: Sequence[str]) -> Augmentation:
        """Change settings as typed: ``flip=0`` or, for a range, ``scale=0.8,1.25``.

        Raises:
            TatamiError: For a name that there is not, or for a value that it cannot have.
        """
        known = asdict(self)
        chosen: dict[str, object] = {}
        for setting in settings:
            name, _, text = setting.partition("=")
            try:
                numbers = tuple(float(number) for number in text.split(","))
            except ValueError:
                numbers = ()
            pair = isinstance(known.get(name), tuple)
            if name not in known or len(numbers) != (2 if pair else 1):
                raise TatamiError(
                    f"'{setting}' is not understood",
                    hint=f"give NAME=VALUE (two values for a range) with one of {', '.join(known)}",
                    setting="augment",
                )
            chosen[name] = numbers if pair else type(known[name])(numbers[0])
        return replace(self, **chosen)  # type: ignore[arg-type]


def augmented(
    dataset: Dataset,
    index: int,
    size: Size,
    options: Augmentation,
    rng: np.random.Generator,
    load: Callable[[Sample], Picture],
    resize: Resizing = "letterbox",
) -> tuple[Picture, Boxes]:
    """Vary sample ``index`` of a dataset.

    A pure function of its arguments and of the state of ``rng``. Safe to call from threads that
    each have their own ``rng``: the pixel work releases the GIL.

    Args:
        dataset: The split, from which a mosaic's other samples are drawn.
        index: Which sample.
        size: The canvas's size.
        options: How far it may be varied.
        rng: What is chosen comes from it.
        load: Reads a sample's picture; called once, or four times for a mosaic.
        resize: How an unvaried picture comes to the canvas: as the network's InputSpec says.

    Returns:
        The canvas, uint8 (size.height, size.width, 3), and the boxes on it.

    Raises:
        TatamiError: For elastic deformation, which is not supported for boxes.
    """
    if options.elastic:
        raise TatamiError(
            "elastic deformation is not supported for boxes",
            hint="leave it to classes and masks",
            setting="augment",
        )
    canvas = _empty(size, options)
    windows, numbers = [Area(0, 0, size.width, size.height)], [index]
    if rng.random() < options.mosaic:
        x = round(size.width * rng.uniform(0.3, 0.7))
        y = round(size.height * rng.uniform(0.3, 0.7))
        windows = [
            Area(0, 0, x, y),
            Area(x, 0, size.width, y),
            Area(0, y, x, size.height),
            Area(x, y, size.width, size.height),
        ]
        numbers = [index, *rng.integers(len(dataset), size=3).tolist()]

    samples = [dataset.samples[number] for number in numbers]
    moves = []
    for sample, window in zip(samples, windows, strict=True):
        move = _drawn_transform(sample.size, sample.boxes, size, window, options, resize, rng)
        _paint(canvas, move, partial(load, sample), options, rng)
        moves.append(move)
    hidden = _occlude(canvas, options, rng)
    return canvas, _joined(
        [
            move.boxes(sample.boxes, options.min_visible, hidden)
            for sample, move in zip(samples, moves, strict=True)
        ]
    )


def augmented_picture(
    picture: Picture, size: Size, options: Augmentation, rng: np.random.Generator
) -> Picture:
    """Vary a picture without boxes, as for classification.

    A pure function of its arguments and of the state of ``rng``. There is no mosaic, because there
    is one picture only: it is what ``augmented`` gives with ``mosaic`` 0.

    Args:
        picture: (height, width, 3).
        size: The canvas's size.
        options: How far it may be varied.
        rng: What is chosen comes from it.

    Returns:
        uint8 (size.height, size.width, 3).
    """
    return _varied(picture, size, options, rng)[0]


def augmented_mask(
    picture: Picture,
    mask: Mask,
    size: Size,
    options: Augmentation,
    rng: np.random.Generator,
    void: int = VOID,
) -> tuple[Picture, Mask]:
    """Vary a picture and the class of each of its pixels as one.

    The mask goes the same way as the pixels, by nearest neighbor. The picture is
    ``augmented_picture``'s of the same ``rng``.

    Args:
        picture: (height, width, 3).
        mask: uint8 (height, width).
        size: The canvas's size.
        options: How far it may be varied.
        rng: What is chosen comes from it.
        void: The class of what no picture covers, and of what is hidden.

    Returns:
        uint8 (size.height, size.width, 3) and (size.height, size.width).

    Raises:
        ValueError: For a mask of another size than the picture's.
    """
    if mask.shape != picture.shape[:2] or mask.dtype != np.uint8:
        raise ValueError(f"a mask is uint8 {picture.shape[:2]}, not {mask.dtype} {mask.shape}")
    canvas, move, bent, hidden = _varied(picture, size, options, rng)
    moved: Mask = np.full((size.height, size.width), void, np.uint8)
    if not move.visible.empty:
        moved[move.visible.slices] = move.mask(mask, void)
    if bent is not None:
        moved = bent.mask(moved)
    if hidden is not None:
        moved[hidden.slices] = void
    return canvas, moved


def _varied(
    picture: Picture, size: Size, options: Augmentation, rng: np.random.Generator
) -> tuple[Picture, Transform, Elastic | None, Area | None]:
    """Put one picture on a canvas.

    Returns:
        The canvas, the way the picture went there, how the canvas was deformed then, and what of it
        is hidden.
    """
    canvas = _empty(size, options)
    source, window = Size(picture.shape[1], picture.shape[0]), Area(0, 0, size.width, size.height)
    rng.random()  # where a picture of a set draws whether it becomes a mosaic
    move = _drawn_transform(source, Boxes.of([], []), size, window, options, "letterbox", rng)
    _paint(canvas, move, lambda: picture, options, rng)
    bent = Elastic.random(size, options.elastic, rng) if options.elastic else None
    if bent is not None:
        canvas = bent.pixels(canvas)
    return canvas, move, bent, _occlude(canvas, options, rng)


def _empty(size: Size, options: Augmentation) -> Picture:
    return np.full((size.height, size.width, 3), options.pad, np.uint8)


def _drawn_transform(
    source: Size,
    boxes: Boxes,
    size: Size,
    window: Area,
    options: Augmentation,
    resize: Resizing,
    rng: np.random.Generator,
) -> Transform:
    """Choose where a picture of ``source`` goes on a canvas of ``size``, visible in ``window``."""
    quarters = _drawn_quarters(options, rng)
    if quarters % 2:
        source = Size(source.height, source.width)
    boxes = quarter_turned(boxes, source, quarters)
    alone = (window.width, window.height) == (size.width, size.height)
    patch = _drawn_patch(source, boxes, options, rng) if alone else None
    if patch is not None:
        placed, window = _patch_on_canvas(source, patch, size, resize)
        mirrored, degrees = _drawn_turn(options, rng)
        return Transform(
            source, placed, window, mirrored, degrees, by_center=True, quarters=quarters
        )
    fit = placement(source, InputSpec(size, resize=resize))
    factor = _log_uniform(*(options.scale if alone else options.mosaic_scale), rng)
    stretch = sqrt(_log_uniform(1 / options.aspect, options.aspect, rng))
    width = max(1, round(fit.width * factor * stretch))
    height = max(1, round(fit.height * factor / stretch))
    if alone:
        shift = rng.uniform(-options.translate, options.translate, 2)
        left = (size.width - width) // 2 + round(float(shift[0]) * size.width)
        top = (size.height - height) // 2 + round(float(shift[1]) * size.height)
    else:  # anywhere in the window or, where the picture is the larger, any part of it
        left = window.left + round(rng.random() * (window.width - width))
        top = window.top + round(rng.random() * (window.height - height))
    placed = Area(left, top, left + width, top + height)
    by_rule = (width, height) == (fit.width, fit.height)
    mirrored, degrees = _drawn_turn(options, rng)
    return Transform(source, placed, window, mirrored, degrees, by_rule=by_rule, quarters=quarters)


def _drawn_quarters(options: Augmentation, rng: np.random.Generator) -> int:
    """Choose by how many right angles a picture is turned."""
    if not options.quarter or rng.random() >= options.quarter:
        return 0
    return int(rng.integers(1, 4))


def _drawn_turn(options: Augmentation, rng: np.random.Generator) -> tuple[bool, float]:
    """Choose whether a picture is mirrored, and the degrees by which it is rotated."""
    mirrored = bool(rng.random() < options.flip)
    return mirrored, float(rng.uniform(-options.rotate, options.rotate)) if options.rotate else 0.0


def _drawn_patch(
    source: Size, boxes: Boxes, options: Augmentation, rng: np.random.Generator
) -> Float64 | None:
    """Choose the edges (4,), in pixels of the picture, of what is to be visible.

    They lie beyond the picture where it is zoomed out; None where it is neither expanded nor
    cropped.
    """
    whole = np.array([0, 0, source.width, source.height], np.float64)
    expands = options.expand > 0 and rng.random() < options.expand
    if expands:
        sides = whole[2:]
        larger = sides * rng.uniform(1, options.expand_most)
        corner = -rng.random(2) * (larger - sides)
        whole = np.concatenate([corner, corner + larger])
    if options.crop > 0 and rng.random() < options.crop:
        return _cropped(whole, boxes, rng)
    return whole if expands else None


def _cropped(whole: Float64, boxes: Boxes, rng: np.random.Generator) -> Float64:
    """Choose a patch of ``whole`` (4,), or all of it.

    Any of OVERLAPS that some draw meets, each equally likely.
    """
    for place in rng.permutation(len(OVERLAPS)):
        min_iou = OVERLAPS[int(place)]
        patch = whole if min_iou is None else _overlapping(whole, boxes, min_iou, rng)
        if patch is not None:
            return patch
    raise AssertionError  # the whole is among them


def _overlapping(
    whole: Float64, boxes: Boxes, min_iou: float, rng: np.random.Generator
) -> Float64 | None:
    """Draw patches (4,) until one has at least that IoU with some box.

    Without boxes any will do; None where no draw has it.
    """
    draws = rng.random((_TRIALS, 4))
    scale = 0.1 + 0.9 * draws[:, 0]
    low, high = np.maximum(0.5, scale**2), np.minimum(2, 1 / scale**2)  # no side beyond the whole's
    stretch = np.sqrt(low + (high - low) * draws[:, 1])
    shares = np.stack([scale * stretch, scale / stretch], axis=1)  # (trials, 2)
    sides = whole[2:] - whole[:2]
    corners = whole[:2] + draws[:, 2:] * (1 - shares) * sides
    patches: Float64 = np.hstack([corners, corners + shares * sides])
    if not min_iou or not len(boxes):
        return np.asarray(patches[0])
    enough = np.flatnonzero((iou_xyxy(patches, boxes.xyxy) >= min_iou).any(axis=1))
    return np.asarray(patches[enough[0]]) if len(enough) else None


def _patch_on_canvas(
    source: Size, patch: Float64, size: Size, resize: Resizing
) -> tuple[Area, Area]:
    """Place the whole picture so that a patch of it fills the canvas.

    Returns:
        Where the picture is placed, and the part of the canvas that the patch fills.
    """
    sides = patch[2:] - patch[:2]
    short = np.maximum(1, np.rint(sides * min(1, 4096 / sides.max()))).astype(int)  # aspect alone
    fit = placement(Size(int(short[0]), int(short[1])), InputSpec(size, resize=resize))
    scale = np.array([fit.width, fit.height]) / sides
    corner = np.array([fit.left, fit.top]) - patch[:2] * scale
    far = corner + np.array([source.width, source.height]) * scale
    (left, top), (right, bottom) = np.rint(corner).astype(int), np.rint(far).astype(int)
    placed = Area(
        int(left), int(top), max(int(left) + 1, int(right)), max(int(top) + 1, int(bottom))
    )
    return placed, Area(fit.left, fit.top, fit.left + fit.width, fit.top + fit.height)


def _paint(
    canvas: Picture,
    move: Transform,
    load: Callable[[], Picture],
    options: Augmentation,
    rng: np.random.Generator,
) -> None:
    """Put a picture onto the canvas, in place, its colors distorted and noise added."""
    table = _color_table(options, rng)
    if move.visible.empty:
        return
    pixels = move.pixels(load())
    if table is not None:
        pixels = np.asarray(Image.fromarray(np.ascontiguousarray(pixels)).filter(table))
    if options.noise:
        pixels = _noisy(pixels, options.noise, rng)
    own = canvas[move.visible.slices]
    if move.degrees:
        np.copyto(own, pixels, where=move.covered()[..., None])
    else:
        own[:] = pixels


def _noisy(pixels: Picture, deviation: float, rng: np.random.Generator) -> Picture:
    """Add normal noise of that many gray levels to a picture, rounded and clipped to 0 to 255."""
    noise = rng.standard_normal(pixels.shape, np.float32) * np.float32(deviation)
    return np.clip(np.rint(pixels + noise), 0, 255).astype(np.uint8)


def _occlude(canvas: Picture, options: Augmentation, rng: np.random.Generator) -> Area | None:
    """Perhaps hide a rectangle of the canvas, in place, and say which."""
    if not options.occlusion or rng.random() >= options.occlusion:
        return None
    height, width = canvas.shape[:2]
    share = rng.uniform(*options.occlusion_size)
    stretch = sqrt(_log_uniform(1 / 3, 3, rng))
    side = sqrt(share * width * height)
    across = min(width, max(1, round(side * stretch)))
    down = min(height, max(1, round(side / stretch)))
    left, top = int(rng.integers(width - across + 1)), int(rng.integers(height - down + 1))
    hidden = Area(left, top, left + across, top + down)
    canvas[hidden.slices] = options.pad
    return hidden


def _log_uniform(low: float, high: float, rng: np.random.Generator) -> float:
    """Draw a factor between the two, as likely to double as to halve."""
    return float(low * (high / low) ** rng.random())


def _joined(parts: list[Boxes]) -> Boxes:
    return Boxes(
        np.concatenate([part.xyxy for part in parts]),
        np.concatenate([part.labels for part in parts]),
        np.concatenate([part.difficult for part in parts]),
        np.concatenate([part.crowd for part in parts]),
        np.concatenate([part.areas for part in parts]),
    )


def _color_table(options: Augmentation, rng: np.random.Generator) -> ImageFilter.Color3DLUT | None:
    """Draw a distortion of hue, saturation, value and brightness as a table of colors.

    A table, because the way to HSV and back for every pixel costs more than all the rest.

    Returns:
        None where nothing is distorted.
    """
    hue = rng.uniform(-options.hue, options.hue)
    saturation = _log_uniform(1 / options.saturation, options.saturation, rng)
    exposure = _log_uniform(1 / options.exposure, options.exposure, rng)
    added = rng.uniform(-options.brightness, options.brightness) if options.brightness else 0.0
    if (hue, saturation, exposure, added) == (0, 1, 1, 0):
        return None
    colors = _distorted(_GRID, hue, saturation, exposure)
    if added:
        colors = np.clip(colors + np.float32(added / 255), 0, 1)
    return ImageFilter.Color3DLUT(_NODES, colors.ravel())


def _distorted(rgb: Float32, hue: float, saturation: float, exposure: float) -> Float32:
    """Turn the hue of colors (n, 3) in [0, 1] and multiply saturation and value, in HSV.

    Each of red, green and blue is value * (1 - saturation * w), w a trapezium of the hue.

    Source:
        Smith 1978, "Color gamut transform pairs", in the form without cases.
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
    """List every node of the color table, red fastest, as Pillow wants it: (nodes ** 3, 3)."""
    level = np.linspace(0, 1, _NODES, dtype=np.float32)
    blue, green, red = np.meshgrid(level, level, level, indexing="ij")
    return np.stack([red, green, blue], axis=-1).reshape(-1, 3)


_NODES = 17  # a side of the color table; between its nodes Pillow interpolates
_GRID = _grid()
