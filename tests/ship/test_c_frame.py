"""A camera's frame, read where it lies: C gives the bits of the written rule, in every format."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from typing import Any

import numpy as np
import pytest

from tatami.errors import TatamiError
from tatami.rules.frame import FORMATS, Format, rgb_of
from tatami.ship.c.build import WARNINGS
from tatami.ship.c.text import text
from tatami.types import Size

SIZES = [Size(40, 20), Size(13, 7), Size(1, 1), Size(96, 64)]


class Frame(ctypes.Structure):
    """own_frame."""

    _fields_ = [
        ("format", ctypes.c_int),
        ("width", ctypes.c_int),
        ("height", ctypes.c_int),
        ("stride", ctypes.c_size_t),
        ("data", ctypes.c_void_p),
        ("chroma_stride", ctypes.c_size_t),
        ("chroma", ctypes.c_void_p),
    ]


@pytest.fixture(scope="module")
def spec(small_spec: Any) -> Any:
    return small_spec(Size(64, 32))


@pytest.fixture(scope="module")
def library(
    spec: Any,
    small_detector: Any,
    quantized: Any,
    module_ship_to: Any,
    tmp_path_factory: pytest.TempPathFactory,
) -> ctypes.CDLL:
    """The network in 8 bits as a library, with what takes frames."""
    place = tmp_path_factory.mktemp("library")
    folder = module_ship_to(quantized(small_detector(place / "n.onnx", spec)), "own", "array")
    flags = ("-std=c99", "-O1", *WARNINGS, "-DOWN_FRAMES", "-fPIC", "-shared")
    sources = [str(file) for file in (folder / "own.c", folder / "own_weights.c")]
    command = ["cc", *flags, *sources, "-lm", "-o", str(place / "own.so")]
    subprocess.run(command, check=True)
    return ctypes.CDLL(str(place / "own.so"))


def drawn(format: Format, size: Size, seed: int) -> tuple[Frame, list[np.ndarray], Any]:
    """A frame with more bytes a line than it needs, what keeps it alive, and its picture."""
    rng = np.random.default_rng(seed)
    w, h = size.width, size.height
    wide = {"rgb888": 3 * w, "bgr888": 3 * w, "nv12": w, "nv21": w, "grey": w}
    stride = wide.get(format, 4 * ((w + 1) // 2)) + int(rng.integers(0, 9))
    data = rng.integers(0, 256, h * stride, np.uint8)
    planes = [data]
    more: dict[str, Any] = {}
    if format in ("nv12", "nv21"):
        chroma_stride = 2 * ((w + 1) // 2) + int(rng.integers(0, 9))
        chroma = rng.integers(0, 256, (h + 1) // 2 * chroma_stride, np.uint8)
        planes.append(chroma)
        more = {"chroma": chroma, "chroma_stride": chroma_stride}
    second = planes[-1].ctypes.data if more else None
    frame = Frame(
        FORMATS.index(format), w, h, stride, data.ctypes.data, more.get("chroma_stride", 0), second
    )
    return frame, planes, rgb_of(format, data, size, stride, **more)


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
@pytest.mark.parametrize("format", FORMATS)
def test_c_prepares_and_detects_what_the_rule_says(library: ctypes.CDLL, format: Format) -> None:
    for seed, size in enumerate(SIZES):
        frame, kept, picture = drawn(format, size, seed)
        images = np.zeros((32, 64, 3), np.uint8)
        given = images.ctypes.data_as(ctypes.c_void_p)
        assert library.own_prepare_frame(ctypes.byref(frame), given) == 0
        again = np.zeros_like(images)
        rgb = picture.ctypes.data_as(ctypes.c_void_p)
        library.own_prepare(rgb, size.width, size.height, again.ctypes.data_as(ctypes.c_void_p))
        assert (images == again).all()
        assert kept
        found = [(ctypes.c_float * 6 * 20)() for _ in range(2)]
        score = ctypes.c_float(0.0)
        counts = (
            library.own_detect_frame(ctypes.byref(frame), score, found[0], 20),
            library.own_detect(rgb, size.width, size.height, score, found[1], 20),
        )
        assert counts[0] == counts[1] >= 0
        assert bytes(found[0]) == bytes(found[1])


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
def test_what_is_no_frame_is_refused(library: ctypes.CDLL) -> None:
    images = np.zeros((32, 64, 3), np.uint8)
    given = images.ctypes.data_as(ctypes.c_void_p)
    for field, value in (
        ("format", -1), ("format", len(FORMATS)), ("width", 0), ("height", 16385), ("data", None),
        ("stride", 39), ("chroma", None), ("chroma_stride", 39),
    ):  # fmt: skip
        frame, kept, _ = drawn("nv12", Size(40, 20), 1)
        assert library.own_prepare_frame(ctypes.byref(frame), given) == 0
        setattr(frame, field, value)
        assert library.own_prepare_frame(ctypes.byref(frame), given) == -1, field
        assert kept
    assert library.own_prepare_frame(None, given) == -1


def test_few_bits_become_the_nearest_byte() -> None:
    every = np.arange(1 << 16, dtype=np.uint16)
    picture = rgb_of("rgb565", every.astype("<u2").view(np.uint8), Size(1 << 8, 1 << 8), 1 << 9)
    flat = picture.reshape(-1, 3).astype(int)
    parts = (every >> 11, (every >> 5) & 63, every & 31)
    for channel, (part, most) in enumerate(zip(parts, (31, 63, 31), strict=True)):
        assert (flat[:, channel] == np.floor(part * 255 / most + 0.5)).all()


def test_luma_and_chroma_are_near_the_real_formula() -> None:
    """BT.601 in real numbers, within one level; grey has equal bytes, and full luma is white."""
    rng = np.random.default_rng(0)
    y, u, v = (rng.integers(0, 256, (50, 80)).astype(np.uint8) for _ in range(3))
    both = np.stack((u[::2, ::2], v[::2, ::2]), axis=-1)
    picture = rgb_of("nv12", y.ravel(), Size(80, 50), 80, both.ravel(), 80).astype(float)
    u, v = (np.repeat(np.repeat(one[::2, ::2], 2, 0), 2, 1).astype(float) for one in (u, v))
    luma = 255 / 219 * (y.astype(float) - 16)
    red = luma + 255 / 112 * 0.701 * (v - 128)
    blue = luma + 255 / 112 * 0.886 * (u - 128)
    assert np.abs(picture[..., 0] - red.clip(0, 255)).max() < 1
    assert np.abs(picture[..., 2] - blue.clip(0, 255)).max() < 1.01
    white = rgb_of("yuyv", np.array([235, 128, 235, 128], np.uint8), Size(2, 1), 4)
    assert (white == 255).all()


def test_planes_that_are_too_short_are_refused() -> None:
    with pytest.raises(TatamiError, match="a plane of 9 bytes, 3 a line, is too short"):
        rgb_of("rgb888", np.zeros(9, np.uint8), Size(2, 3), 3)
    with pytest.raises(TatamiError, match="nv21 has a second plane"):
        rgb_of("nv21", np.zeros(6, np.uint8), Size(2, 3), 2)


def test_the_numbers_of_formats_are_those_of_the_header() -> None:
    header = text("frame.h")
    listed = [line.split(",")[0].split()[0] for line in header.splitlines() if "NET_FRAME_" in line]
    names = [name.removeprefix("NET_FRAME_").lower().replace("_", "-") for name in listed[:9]]
    assert tuple(names) == FORMATS
