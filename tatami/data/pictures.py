"""Picture files: RGB, upright, bounded before memory is taken, and whole or refused.

What comes out is always uint8 RGB of shape (height, width, 3), whatever the file holds:
grayscale is repeated, 16-bit keeps its high byte, a palette is looked up, CMYK is converted
without color profiles, and transparency is laid over white. The EXIF orientation is applied here
and nowhere else, so every size and every box of the package speaks of the picture as shown.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError

from tatami.errors import TatamiError
from tatami.rules.picture import MAX_SIDE
from tatami.types import Picture, Size

MAX_PIXELS = 100_000_000
"""Beside MAX_SIDE, up to which the picture rule is proved, the bound of a picture's header."""

SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif"}
    | {".ppm", ".pgm", ".pbm", ".pnm"}
)
"""File names that count as pictures when a folder is listed, in lower case."""

_FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "TIFF", "GIF", "PPM")

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientation (tag 0x0112) to what brings the picture upright; 1 is upright already."""

_warnings_are_global = threading.Lock()


def picture_size(path: Path) -> Size:
    """Read width and height of the picture as shown, from its header alone.

    Raises:
        TatamiError: Where ``read_picture`` raises it, except for damage behind the header.
    """
    with _opened(path) as image:
        width, height = image.size
        turned = _orientation(image) >= 5
    return Size(height, width) if turned else Size(width, height)


def read_picture(path: Path) -> Picture:
    """Read a picture as shown: uint8, (height, width, 3), RGB.

    Raises:
        TatamiError: For a file that is missing, is no picture, is truncated, or whose header claims
            more than MAX_PIXELS or a side above MAX_SIDE (before memory is taken for it).
    """
    with _opened(path) as image:
        return _rgb(_turned(image))


def read_numbers(path: Path) -> NDArray[np.uint8]:
    """Read the number of every pixel, upright: a level of gray as shown, or a place in the palette.

    Returns:
        (height, width) uint8.

    Raises:
        TatamiError: Where ``read_picture`` raises it, and for pixels that have a color, more than 8
            bits, or levels that were not kept as they were (JPEG).
    """
    with _opened(path) as image:
        _refuse_lossy(image, path)
        if image.mode not in ("L", "P", "1"):
            raise TatamiError(
                f"its pixels are colors or more than a byte ({image.mode}): not an index picture",
                hint="save it as PNG with a byte a pixel, or describe the classes by color",
                file=path,
            )
        upright = _turned(image)
        return np.array(upright.convert("L") if upright.mode == "1" else upright, np.uint8)


def read_colors(path: Path) -> Picture:
    """Read the color of every pixel, upright, whatever its transparency.

    Returns:
        (height, width, 3) uint8.

    Raises:
        TatamiError: Where ``read_picture`` raises it, and for colors that were not kept as they
            were (JPEG).
    """
    with _opened(path) as image:
        _refuse_lossy(image, path)
        return np.array(_turned(image).convert("RGB"), np.uint8)


def holds_colors(path: Path) -> bool:
    """Tell whether the pixels of a file are colors, and not levels of gray or places in a palette.

    Raises:
        TatamiError: Where ``picture_size`` raises it.
    """
    with _opened(path) as image:
        return image.mode not in ("L", "P", "1")


def has_palette(path: Path) -> bool:
    """Tell whether the pixels of a file are places in a palette.

    Raises:
        TatamiError: Where ``picture_size`` raises it.
    """
    with _opened(path) as image:
        return image.mode == "P"


def _refuse_lossy(image: Image.Image, path: Path) -> None:
    if image.format == "JPEG":
        raise TatamiError(
            "a JPEG does not keep the values of a mask", hint="save masks as PNG", file=path
        )


def _turned(image: Image.Image) -> Image.Image:
    """Decode a picture and bring it upright."""
    orientation = _orientation(image)
    image.load()
    return image.transpose(_UPRIGHT[orientation]) if orientation != 1 else image


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """Open a picture within bounds; whatever its decoder raises becomes one TatamiError."""
    try:
        # Pillow warns of large pictures and odd metadata here; our bounds are stricter than its own
        with _warnings_are_global, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = Image.open(path, formats=_FORMATS)
        with image:
            _check_bounds(path, *image.size)
            yield image
    except TatamiError:
        raise
    except Image.DecompressionBombError as error:
        raise _too_large(path, "its header claims hundreds of millions of pixels") from error
    except FileNotFoundError as error:
        raise TatamiError("no such picture", hint="check the path", file=path) from error
    except UnidentifiedImageError as error:
        raise TatamiError(
            "not a picture that can be read",
            hint="give JPEG, PNG, BMP, WebP, TIFF, GIF or PPM",
            file=path,
        ) from error
    except MemoryError as error:
        raise _too_large(path, "no memory to decode it") from error
    except Exception as error:  # decoders raise a dozen types for damaged bytes
        text = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise TatamiError(
            f"the picture cannot be decoded: {text or type(error).__name__}",
            hint="copy or export it again",
            file=path,
        ) from error


def _check_bounds(path: Path, width: int, height: int) -> None:
    if width < 1 or height < 1:
        raise TatamiError("the picture is empty", hint="copy or export it again", file=path)
    if width > MAX_SIDE or height > MAX_SIDE or width * height > MAX_PIXELS:
        raise _too_large(path, f"its header claims {width}x{height} pixels")


def _too_large(path: Path, reason: str) -> TatamiError:
    return TatamiError(
        f"the picture is too large: {reason}",
        hint=f"scale it down: at most {MAX_SIDE} a side and {MAX_PIXELS // 10**6} million in all",
        file=path,
    )


def _orientation(image: Image.Image) -> int:
    """Read the EXIF orientation, 1 to 8, of a picture not yet decoded; 1 where there is none.

    A PNG may carry EXIF behind its pixels; that is not looked for, so that a header suffices.
    TIFF's own tag is applied by Pillow, in the size at once and in the pixels when they load.
    """
    if image.format == "TIFF" or (image.format == "PNG" and "exif" not in image.info):
        return 1
    try:
        value = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # damaged EXIF: the picture is shown as stored, as every viewer does
        return 1
    return value if isinstance(value, int) and value in _UPRIGHT else 1


def _rgb(image: Image.Image) -> Picture:
    """Convert any of Pillow's modes to RGB; transparency over white."""
    if image.mode.startswith("I"):  # 16 bits, in 16 or 32: the high byte, as decoders do for RGB
        deep = np.asarray(image).astype(np.int64)
        if deep.min() < 0 or deep.max() > 65535:
            raise ValueError("32-bit pixels outside 0 to 65535")
        gray = (deep >> 8).astype(np.uint8)
        return np.repeat(gray[:, :, None], 3, axis=2)
    if image.mode == "F":
        raise ValueError("floating-point pixels have no stated white")
    if image.has_transparency_data:
        with image.convert("RGBA") as layered:
            pixels = np.asarray(layered).astype(np.uint16)
        color, alpha = pixels[:, :, :3], pixels[:, :, 3:]
        return ((color * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
    return np.array(image if image.mode == "RGB" else image.convert("RGB"), dtype=np.uint8)
