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

from tatami.graph import Network
from tatami.program.lower import lower as program_of
from tatami.ship.rtl import simulate
from tatami.ship.rtl.core import core_with
from tatami.ship.rtl.driver import driver_files, memory_word, shape_word
from tatami.ship.rtl.lower import Lowered, lower
from tatami.ship.rtl.yosys import has_yosys
from tatami.types import Size

pytestmark = pytest.mark.skipif(not has_yosys(), reason="needs the extra rtl")

BRIDGE = Path(__file__).parent / "rtl_driver"
STRICT = ("-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror")
COMPILERS = [name for name in ("gcc", "clang") if shutil.which(name)]
SMALL = core_with({"lanes": 4, "bus": 4, "rq": 4})


@pytest.fixture(scope="module")
def network(
    tmp_path_factory: pytest.TempPathFactory,
    small_detector: Callable[..., Network],
    small_spec: Callable[..., Any],
    quantized: Callable[[Network], Network],
) -> Network:
    path = tmp_path_factory.mktemp("driver") / "small.onnx"
    return quantized(small_detector(path, small_spec(Size(40, 24)), spread=0.3))


@pytest.fixture(scope="module")
def lowered(network: Network) -> Lowered:
    return lower(program_of(network), SMALL)


@pytest.fixture(scope="module")
def folder(network: Network, lowered: Lowered, module_ship_to: Callable[..., Path]) -> Path:
    """The network's C, with the driver's files beside it."""
    place = module_ship_to(network, "own", "array")
    for name, content in driver_files(lowered, "own").items():
        (place / name).write_bytes(content)
    for name in ("bridge.h", "bridge.c"):
        shutil.copy(BRIDGE / name, place)
    return place


def compiled(compiler: str, place: Path, *arguments: str) -> None:
    ran = subprocess.run([compiler, *STRICT, *arguments], cwd=place, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("compiler", COMPILERS)
def test_clean_for_bare_metal_and_for_linux(compiler: str, folder: Path, tmp_path: Path) -> None:
    for number, defines in enumerate((["-DTATAMI_RTL_UIO=1"], [])):
        for source in ("tatami_rtl.c", "main_rtl.c", "own_rtl.c"):
            to = str(tmp_path / f"{source}-{number}.o")
            compiled(compiler, folder, *defines, "-c", source, "-o", to)


SOURCES = ("main_rtl.c", "own_rtl.c", "tatami_rtl.c", "own_weights.c", "own_rtl_image.S")
SIMULATED = ('-DTATAMI_RTL_CONFIG="bridge.h"', "-DOPEN_ENGINE=open_simulated")


def test_pixels_to_boxes(folder: Path, lowered: Lowered, monkeypatch: pytest.MonkeyPatch) -> None:
    """The example finds what the network's C finds, to the last digit."""
    monkeypatch.setattr(simulate, "TOP", "tatami_axi")
    monkeypatch.setattr(simulate, "BENCH", simulate.BENCH.with_name("axi_bench.cpp"))
    bench = simulate.build(lowered.core, level="-O0")
    check = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g")
    compiled("gcc", folder, *check, *SIMULATED, *SOURCES, "bridge.c", "-lm", "-o", "on_engine")
    compiled("gcc", folder, "main.c", "own.c", "own_weights.c", "-lm", "-o", "in_c")
    rng = np.random.default_rng(3)
    for name, size in (("a.ppm", (53, 31)), ("b.ppm", (40, 24))):
        Image.fromarray(rng.integers(0, 256, (*size[::-1], 3), np.uint8)).save(folder / name)
    asked = ["--threshold", "0.05", "a.ppm", "b.ppm"]
    expected = subprocess.run(
        [folder / "in_c", *asked], cwd=folder, capture_output=True, check=True
    )
    assert len(expected.stdout.splitlines()) > 8
    to_bench, from_bench = os.pipe(), os.pipe()
    with subprocess.Popen([bench], stdin=to_bench[0], stdout=from_bench[1]) as engine:
        os.close(to_bench[0])
        os.close(from_bench[1])
        ran = subprocess.run(
            [folder / "on_engine", *asked],
            cwd=folder,
            capture_output=True,
            pass_fds=(to_bench[1], from_bench[0]),
            env={"BENCH_TO": f"/dev/fd/{to_bench[1]}", "BENCH_FROM": f"/dev/fd/{from_bench[0]}"},
        )
        os.close(to_bench[1])
        os.close(from_bench[0])
        engine.wait(60)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == expected.stdout
    assert int(ran.stderr.split()[0]) > 500


def test_linux_maps_and_refuses(folder: Path, lowered: Lowered, tmp_path: Path) -> None:
    """With files in place of devices: what is no engine, another shape, an engine that hangs."""
    compiled(
        "gcc", folder, "-DTATAMI_RTL_UIO=1", "-DOWN_RTL_TRIES=3", *SOURCES, "-lm", "-o", "on_linux"
    )
    core = lowered.core
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
    at = lowered.constants_at
    assert content[at : at + len(lowered.constants)] == lowered.constants
    begun = struct.unpack("<6I", registers.read_bytes()[0x10:0x28])
    assert begun[0] == 1
    assert begun[4] == 0x10000000
    memory.unlink()
    assert run(*own) == (2, "the engine does not answer: -6\n")
