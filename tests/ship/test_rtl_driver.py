"""The C99 driver: pixels to boxes on a simulated engine, the same that the network's C finds."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tatami import graph
from tatami.graph import Network
from tatami.pipeline.ship import ship
from tatami.ship.rtl import simulate
from tatami.ship.rtl.driver import memory_word, shape_word
from tatami.ship.rtl.frame import Frame
from tatami.ship.rtl.simulate import has_verilator
from tatami.types import ClassificationSpec, InputSpec, Size

pytestmark = pytest.mark.skipif(not has_verilator(), reason="needs Verilator and a C++ compiler")

BRIDGE = Path(__file__).parent / "rtl_driver"
STRICT = ("-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror")
COMPILERS = [name for name in ("gcc", "clang") if shutil.which(name)]
ENGINE = "LANES=4,BUS=4,RQ=4"
"""That of test_rtl_axi.py, whose simulator is built once."""


@pytest.fixture(scope="module")
def file(
    tmp_path_factory: pytest.TempPathFactory,
    small_detector: Callable[..., Network],
    small_spec: Callable[..., Any],
    quantized: Callable[[Network], Network],
) -> Path:
    path = tmp_path_factory.mktemp("driver") / "own.onnx"
    network = quantized(small_detector(path, small_spec(Size(40, 24)), spread=0.3))
    graph.write(network, path)
    return path


@pytest.fixture(scope="module")
def shipped(file: Path) -> tuple[Path, Frame]:
    """What ``ship --to rtl`` writes, and the bridge to a simulator beside it."""
    return shipped_with(file, ENGINE)


def shipped_with(file: Path, parameters: str) -> tuple[Path, Frame]:
    result = ship(file, file.parent / parameters, to="rtl", rtl=parameters)
    place = result.path / "driver"
    for name in ("bridge.h", "bridge.c"):
        shutil.copy(BRIDGE / name, place)
    return place, result.plan.networks[""].frame


def compiled(compiler: str, place: Path, *arguments: str) -> None:
    ran = subprocess.run([compiler, *STRICT, *arguments], cwd=place, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("compiler", COMPILERS)
def test_clean_for_bare_metal_and_for_linux(
    compiler: str, shipped: tuple[Path, Frame], tmp_path: Path
) -> None:
    place, _ = shipped
    for number, defines in enumerate((["-DTATAMI_RTL_UIO=1"], [])):
        for source in sorted(file.name for file in place.glob("*.c") if file.name != "bridge.c"):
            to = str(tmp_path / f"{source}-{number}.o")
            compiled(compiler, place, *defines, "-c", source, "-o", to)


def test_what_was_shipped_is_made(shipped: tuple[Path, Frame]) -> None:
    """Its Makefile, as it is; on this machine the example finds no engine."""
    place, _ = shipped
    subprocess.run(["make", "CFLAGS=-O0"], cwd=place, check=True, capture_output=True)
    ran = subprocess.run([place / "own_rtl"], capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (2, "the engine does not answer: -6\n")
    (place / "own_rtl").unlink()


SOURCES = ("main.c", "own.c", "own_rtl.c", "tatami_rtl.c", "own_weights.c", "own_rtl_image.S")
SIMULATED = ('-DTATAMI_RTL_CONFIG="bridge.h"', "-DOPEN_ENGINE=open_simulated")


ASKED = ("--threshold", "0.05", "a.ppm", "b.ppm")


@pytest.fixture(scope="module")
def found_in_c(file: Path) -> bytes:
    """What the network's C prints of two pictures."""
    rng = np.random.default_rng(3)
    for name, size in (("a.ppm", (53, 31)), ("b.ppm", (40, 24))):
        Image.fromarray(rng.integers(0, 256, (*size[::-1], 3), np.uint8)).save(file.parent / name)
    place = ship(file, file.parent / "c", build=False).path
    subprocess.run(["make", "CFLAGS=-O0"], cwd=place, check=True, capture_output=True)
    ran = subprocess.run([place / "own_detect", *ASKED], cwd=file.parent, capture_output=True)
    assert ran.returncode == 0, ran.stderr
    assert len(ran.stdout.splitlines()) > 8
    return ran.stdout


@pytest.fixture(scope="module")
def bench(shipped: tuple[Path, Frame]) -> Path:
    """The simulated wrapper of the engine that the detector's Verilog is for."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simulate, "TOP", "tatami_axi")
        patch.setattr(simulate, "BENCH", simulate.BENCH.with_name("axi_bench.cpp"))
        return simulate.build(shipped[1].core, level="-O0")


def printed_on_engine(bench: Path, place: Path, asked: tuple[str, ...], at: Path) -> bytes:
    """Compile a shipped example, let it drive the simulator, and give what it prints."""
    check = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g")
    compiled("gcc", place, *check, *SIMULATED, *SOURCES, "bridge.c", "-lm", "-o", "on_engine")
    to_bench, from_bench = os.pipe(), os.pipe()
    with subprocess.Popen([bench], stdin=to_bench[0], stdout=from_bench[1]) as engine:
        os.close(to_bench[0])
        os.close(from_bench[1])
        ran = subprocess.run(
            [place / "on_engine", *asked],
            cwd=at,
            capture_output=True,
            pass_fds=(to_bench[1], from_bench[0]),
            env={"BENCH_TO": f"/dev/fd/{to_bench[1]}", "BENCH_FROM": f"/dev/fd/{from_bench[0]}"},
        )
        os.close(to_bench[1])
        os.close(from_bench[0])
        engine.wait(60)
    assert ran.returncode == 0, ran.stderr
    assert int(ran.stderr.split()[0]) > 500
    return ran.stdout


@pytest.mark.parametrize("words", [0, 210])
def test_pixels_to_boxes(
    file: Path, shipped: tuple[Path, Frame], bench: Path, found_in_c: bytes, words: int
) -> None:
    """The example finds what the network's C finds, to the last digit; in strips, too."""
    place, frame = shipped
    if words:
        assert words < frame.core.map
        place, _ = shipped_with(file, f"{ENGINE},MAP={words}")
    assert printed_on_engine(bench, place, ASKED, file.parent) == found_in_c


def test_pixels_to_classes(
    tmp_path: Path,
    file: Path,
    shipped: tuple[Path, Frame],
    bench: Path,
    found_in_c: bytes,
    builder: Any,
    quantized: Callable[[Network], Network],
) -> None:
    """A classifier, whose last step the engine leaves to the processor."""
    b = builder()
    x = b.node("Relu", b.conv("images", 3, 8, strides=[2, 2], pads=[1] * 4))
    x = b.conv(b.node("GlobalAveragePool", x), 8, 5, (1, 1))
    x = b.node("Reshape", x, b.shape(1, 5))
    spec = ClassificationSpec(tuple("abcde"), InputSpec(Size(40, 24)))
    path = tmp_path / "own.onnx"
    graph.write(quantized(b.network(path, spec, x, Size(40, 24), (5,))), path)
    core = shipped[1].core
    place, frame = shipped_with(path, f"{ENGINE},MAP={core.map},RING={core.ring},ACC={core.acc}")
    assert frame.core == core
    assert len(frame.tail) == 1
    in_c = ship(path, tmp_path / "c", build=False).path
    subprocess.run(["make", "CFLAGS=-O0"], cwd=in_c, check=True, capture_output=True)
    asked = ("a.ppm", "b.ppm")
    expected = subprocess.run([in_c / "own_classify", *asked], cwd=file.parent, capture_output=True)
    assert len(expected.stdout.splitlines()) == 2 * 6
    assert printed_on_engine(bench, place, asked, file.parent) == expected.stdout


def test_linux_maps_and_refuses(shipped: tuple[Path, Frame], tmp_path: Path) -> None:
    """With files in place of devices: what is no engine, another shape, an engine that hangs."""
    folder, frame = shipped
    compiled(
        "gcc", folder, "-DTATAMI_RTL_UIO=1", "-DOWN_RTL_TRIES=3", *SOURCES, "-lm", "-o", "on_linux"
    )
    core = frame.core
    registers, memory = tmp_path / "uio0", tmp_path / "udmabuf0"
    memory.write_bytes(bytes(1 << 20))
    picture = tmp_path / "a.ppm"
    Image.fromarray(np.zeros((24, 40, 3), np.uint8)).save(picture)

    def run(*words: int) -> tuple[int, str]:
        registers.write_bytes(struct.pack(f"<{len(words)}I", *words).ljust(4096, b"\0"))
        ran = subprocess.run(
            [folder / "on_linux", picture],
            capture_output=True,
            text=True,
            env={
                "TATAMI_UIO": str(registers),
                "TATAMI_MEMORY": str(memory),
                "TATAMI_ADDRESS": "0x10000000",
            },
        )
        return ran.returncode, ran.stderr

    own = (0x54415441, 0x00010000, shape_word(core), memory_word(core))
    assert run(0) == (2, "the engine does not answer: -1\n")
    assert run(own[0], 0x00020000) == (2, "the engine does not answer: -1\n")
    assert run(*own[:2], shape_word(core) + 1, own[3]) == (2, "the engine does not answer: -2\n")
    assert run(*own[:3], own[3] - 1) == (2, "the engine does not answer: -2\n")
    status, said = run(*own)
    assert status == 2
    assert said.splitlines()[0] == "the engine fails: -4, status 0"
    content = memory.read_bytes()
    at = frame.constants_at
    assert content[at : at + len(frame.constants)] == frame.constants
    begun = struct.unpack("<6I", registers.read_bytes()[0x10:0x28])
    assert begun[0] == 1
    assert begun[4] == 0x10000000
    memory.unlink()
    assert run(*own) == (2, "the engine does not answer: -6\n")
