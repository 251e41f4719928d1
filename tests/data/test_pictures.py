"""Picture files: bounds before memory, every mode, every orientation, whole or refused."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile, ImageOps

from tatami.data.pictures import MAX_PIXELS, MAX_SIDE, picture_size, read_picture
from tatami.errors import TatamiError
from tatami.types import Size


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size, 8-bit RGB, with hardly any pixels behind."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IDAT", zlib.compress(b"\0" * 64))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + body + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("width", "height"),
    [(60_000, 60_000), (MAX_SIDE + 1, 1), (1, MAX_SIDE + 1), (16_000, 8_000), (10_001, 10_000)],
)
def test_a_picture_that_claims_too_much_is_refused_by_its_header(
    tmp_path: Path, width: int, height: int
) -> None:
    path = tmp_path / "huge.png"
    path.write_bytes(png_header(width, height))
    for read in (picture_size, read_picture):
        with pytest.raises(TatamiError, match=r"huge\.png: the picture is too large"):
            read(path)


def test_a_header_at_the_bound_is_accepted_without_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    path.write_bytes(png_header(10_000, 10_000))
    assert MAX_PIXELS == 10_000 * 10_000
    assert picture_size(path) == Size(10_000, 10_000)  # warnings are errors in these tests


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_once_to_size_and_pixels(
    tmp_path: Path, suffix: str, orientation: int
) -> None:
    """Held to a corner-marked picture turned by hand, after the EXIF standard's table."""
    stored = np.full((16, 32, 3), 128, np.uint8)
    stored[:8, :8], stored[8:, 24:] = (250, 0, 0), (0, 0, 250)
    # where the stored picture's row 0 and column 0 are shown (EXIF 2.3, tag 0x0112)
    shown = {
        1: stored,
        2: stored[:, ::-1],  # 0th row top, 0th column right
        3: stored[::-1, ::-1],  # bottom, right
        4: stored[::-1],  # bottom, left
        5: stored.transpose(1, 0, 2),  # left, top
        6: stored.transpose(1, 0, 2)[:, ::-1],  # right, top
        7: stored.transpose(1, 0, 2)[::-1, ::-1],  # right, bottom
        8: stored.transpose(1, 0, 2)[::-1],  # left, bottom
    }[orientation]
    path = tmp_path / f"turned.{suffix}"
    exif = Image.Exif()
    exif[0x0112] = orientation
    exact = {"webp": {"lossless": True}, "jpg": {"quality": 100, "subsampling": 0}}
    Image.fromarray(stored).save(path, exif=exif.tobytes(), **exact.get(suffix, {}))
    picture = read_picture(path)
    assert picture_size(path) == Size(shown.shape[1], shown.shape[0])
    assert picture.shape == shown.shape
    assert np.abs(picture.astype(int) - shown).max() <= (3 if suffix == "jpg" else 0)


def test_damaged_exif_leaves_the_picture_as_stored(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    Image.new("RGB", (6, 4)).save(path, exif=b"Exif\0\0II*\0\xff\xff\xff\xff garbage")
    assert picture_size(path) == Size(6, 4)
    assert read_picture(path).shape == (4, 6, 3)


def test_grayscale_of_8_and_16_bits_and_bilevel(tmp_path: Path) -> None:
    deep = np.array([[0, 255, 256, 65535]], np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    assert read_picture(tmp_path / "deep.png")[0].tolist() == [[v] * 3 for v in (0, 0, 1, 255)]
    Image.fromarray(deep).save(tmp_path / "deep.tif")
    assert read_picture(tmp_path / "deep.tif")[0].tolist() == [[v] * 3 for v in (0, 0, 1, 255)]
    Image.fromarray(np.array([[0, 7, 255]], np.uint8)).save(tmp_path / "gray.png")
    assert read_picture(tmp_path / "gray.png")[0].tolist() == [[0] * 3, [7] * 3, [255] * 3]
    Image.fromarray(np.array([[True, False]])).save(tmp_path / "ink.png")
    assert read_picture(tmp_path / "ink.png")[0].tolist() == [[255] * 3, [0] * 3]


def test_transparency_is_laid_over_white(tmp_path: Path) -> None:
    layered = np.array([[[10, 20, 30, 255], [10, 20, 30, 0], [0, 0, 0, 51]]], np.uint8)
    Image.fromarray(layered).save(tmp_path / "a.png")
    expected = [[10, 20, 30], [255, 255, 255], [204, 204, 204]]
    assert read_picture(tmp_path / "a.png")[0].tolist() == expected

    palette = Image.new("P", (2, 1))
    palette.putpalette([255, 0, 0, 0, 255, 0])
    palette.putdata([0, 1])
    palette.save(tmp_path / "p.png")
    assert read_picture(tmp_path / "p.png")[0].tolist() == [[255, 0, 0], [0, 255, 0]]
    for transparency in (1, b"\xff\x00"):
        palette.save(tmp_path / "t.png", transparency=transparency)
        assert read_picture(tmp_path / "t.png")[0].tolist() == [[255, 0, 0], [255, 255, 255]]
    Image.new("LA", (1, 1), (40, 0)).save(tmp_path / "la.png")
    assert read_picture(tmp_path / "la.png")[0].tolist() == [[255, 255, 255]]


def test_cmyk_jpeg_is_not_inverted(tmp_path: Path) -> None:
    ink = np.zeros((8, 8, 4), np.uint8)
    ink[..., 0] = 255  # all cyan: red is absorbed
    Image.fromarray(ink, mode="CMYK").save(tmp_path / "a.jpg", quality=100)
    middle = read_picture(tmp_path / "a.jpg")[4, 4].astype(int)
    assert np.abs(middle - (0, 255, 255)).max() <= 3


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_a_truncated_picture_is_refused_but_its_header_is_fine(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"cut.{suffix}"
    pixels = np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert picture_size(path) == Size(64, 64)
    with pytest.raises(TatamiError, match=r"cannot be decoded: .*truncated"):
        read_picture(path)
    assert not ImageFile.LOAD_TRUNCATED_IMAGES


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("hello")
    (tmp_path / "empty.png").touch()
    Image.new("F", (2, 2)).save(tmp_path / "float.tif")
    for name in ("text.jpg", "empty.png", "float.tif", "absent.png", "."):
        with pytest.raises(TatamiError) as caught:
            read_picture(tmp_path / name)
        assert caught.value.file == tmp_path / name


def encoded(suffix: str) -> bytes:
    out = io.BytesIO()
    pixels = np.random.default_rng(2).integers(0, 256, (9, 13, 3), np.uint8)
    Image.fromarray(pixels).save(out, suffix)
    return out.getvalue()


@settings(max_examples=60)
@given(
    source=st.sampled_from(
        [encoded(name) for name in ("JPEG", "PNG", "BMP", "GIF", "TIFF", "WEBP")]
    ),
    edits=st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=8),
    cut=st.integers(0, 2000),
)
def test_damaged_bytes_never_raise_anything_else(
    tmp_path_factory: pytest.TempPathFactory,
    source: bytes,
    edits: list[tuple[int, int]],
    cut: int,
) -> None:
    damaged = bytearray(source)
    for at, value in edits:
        damaged[at % len(damaged)] = value
    path = tmp_path_factory.mktemp("damaged") / "a"
    path.write_bytes(damaged[: cut or None])
    for read in (picture_size, read_picture):
        try:
            read(path)
        except TatamiError:
            continue


def test_agrees_with_pillow_on_real_photos(shared_data: Path) -> None:
    for path in sorted((shared_data / "detect" / "coco128" / "images").iterdir())[:10]:
        with Image.open(path) as image:
            expected = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
        assert np.array_equal(read_picture(path), expected)
        assert picture_size(path) == Size(expected.shape[1], expected.shape[0])
