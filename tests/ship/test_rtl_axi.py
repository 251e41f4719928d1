"""The wrapper in Verilator: any stall, the same answers; AXI's rules are kept by the bench."""

from __future__ import annotations

import shutil
import struct
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tatami.errors import TatamiError
from tatami.graph import Network
from tatami.program import interpret
from tatami.program.lower import lower as program_of
from tatami.ship.rtl import simulate
from tatami.ship.rtl.core import MODULES, Core, core_with
from tatami.ship.rtl.engine import Engine
from tatami.ship.rtl.lower import Lowered, lower
from tatami.ship.rtl.simulate import Bench, Counters, verilator
from tatami.ship.rtl.yosys import has_yosys, run
from tatami.types import Size

pytestmark = pytest.mark.skipif(not has_yosys(), reason="needs the extra rtl")

PARTS = ("blocks", "fifo", "program", "read_port", "reader", "registers", "write_port")
WRAPPERS: tuple[dict[str, int], ...] = (
    {},
    {"LANES": 4, "BUS": 4},
    {"LANES": 8, "BUS": 8, "PIXELS": 2, "RQ": 8, "ADDRESS": 40},
)
DONE, READ, WRITE, WORD, PROGRAM = 2, 0x10, 0x20, 0x40, 0x80
"""Bits of the status: over; and what went wrong."""
QUICK = "-O0"


def lint(top: str, parameters: dict[str, int]) -> None:
    tool = verilator()
    ran = subprocess.run(
        [
            str(tool.command), "--lint-only", "-Wall", "--language", "1364-2005",
            "-y", str(MODULES), "--top-module", top,
            *(f"-G{name}={value}" for name, value in parameters.items()),
            str(MODULES / f"{top}.v"),
        ],
        capture_output=True, text=True, env={"VERILATOR_ROOT": str(tool.root)},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == ""


@pytest.mark.parametrize("part", PARTS)
def test_a_part_is_clean(part: str) -> None:
    lint(f"axi_{part}", {})


@pytest.mark.parametrize("parameters", WRAPPERS)
def test_the_wrapper_is_clean(parameters: dict[str, int]) -> None:
    lint("tatami_axi", parameters)


def test_no_latch_and_one_clock() -> None:
    ran = run(
        [
            f"read_verilog {MODULES}/*.v",
            "hierarchy -check -top tatami_axi -chparam LANES 4 -chparam BUS 4",
            *("proc", "check -assert", "flatten", "opt_clean"),
            "select -assert-none t:$dlatch t:$adlatch t:$dlatchsr t:$sr t:$adff t:$dffsr",
            "select -assert-none t:$dff w:aclk %co1:+$dff[CLK] %d",  # a clock that is not aclk
            "select -assert-none t:$dff r:CLK_POLARITY=0 %i",
        ]
    )
    assert ran.finished, ran.log[-2000:]


# A small network ---------------------------------------------------------------------------------


class Wrapped(Bench):
    """The simulated wrapper, and its registers; a program that hangs ends soon."""

    def go(self, program: int, *, stall: int = 0, seed: int = 1, limit: int = 200_000) -> Counters:
        return super().go(program, stall=stall, seed=seed, limit=limit)

    def set(self, register: int, value: int) -> None:
        self._send(b"P" + struct.pack("<II", register, value))

    def get(self, register: int) -> int:
        self._send(b"Q" + struct.pack("<I", register))
        return int(struct.unpack("<I", self._answer(4))[0])

    def fail_next(self, which: int) -> None:
        self._send(b"E" + struct.pack("<I", which))

    def wait(self) -> int:
        """Wait until a program is over, and give the status."""
        for _ in range(20_000):
            status = self.get(0x14)
            if status & DONE:
                return status
        raise AssertionError("never over")


@pytest.fixture(scope="module")
def detector(
    tmp_path_factory: pytest.TempPathFactory,
    small_detector: Callable[..., Network],
    small_spec: Callable[..., Any],
    quantized: Callable[[Network], Network],
) -> Network:
    path = tmp_path_factory.mktemp("axi") / "small.onnx"
    return quantized(small_detector(path, small_spec(Size(40, 24)), spread=0.3))


@pytest.fixture(scope="module")
def wrapped() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simulate, "TOP", "tatami_axi")
        patch.setattr(simulate, "BENCH", simulate.BENCH.with_name("axi_bench.cpp"))
        yield


def lowered_for(network: Network, core: Core) -> Lowered:
    """Lower a network, its program across the end of a page, where a burst must be cut."""
    lowered = lower(program_of(network), core, observe=True)
    at = (lowered.end // 4096 + 2) * 4096 - 64 - core.bus
    return replace(lowered, program_at=at, end=at + 4 * len(lowered.words))


def picture(lowered: Lowered) -> np.ndarray[Any, Any]:
    (name,) = lowered.program.inputs
    return np.random.default_rng(5).integers(0, 256, lowered.program.values[name].shape, np.uint8)


def same_with_any_stall(lowered: Lowered) -> None:
    given = picture(lowered)
    expected = interpret.values(lowered.program, [given])
    found = []
    for stall in (0, 150, 500, 850):
        with Wrapped(lowered.core, level=QUICK) as bench:
            values, counters = Engine(lowered, bench).made([given], stall=stall, seed=stall + 1)
        assert set(values) == set(lowered.made)
        for name, value in values.items():
            np.testing.assert_array_equal(value, expected[name], err_msg=f"{name}, {stall}")
        found.append(counters)
    assert (
        len({(each.run, each.bytes_in, each.bytes_out, each.bytes_constants) for each in found})
        == 1
    )
    assert [each.cycles for each in found] == sorted({each.cycles for each in found})


SMALL = core_with({"lanes": 4, "bus": 4, "rq": 4})


@pytest.mark.usefixtures("wrapped")
def test_a_network_with_any_stall(detector: Network) -> None:
    same_with_any_stall(lowered_for(detector, SMALL))


@pytest.mark.slow
@pytest.mark.usefixtures("wrapped")
@pytest.mark.parametrize("pixels", [1, 2])
def test_wide_buses(detector: Network, pixels: int) -> None:
    same_with_any_stall(
        lowered_for(detector, core_with({"lanes": 16, "bus": 16, "pixels": pixels}))
    )


@pytest.mark.slow
@pytest.mark.usefixtures("wrapped")
@pytest.mark.parametrize(
    ("module", "old", "new", "said"),
    [
        ("axi_blocks", "{4'b0, capped} > page_beats", "1'b0", "a burst crosses 4 KiB"),
        ("axi_write_port", "wlast = left == 9'd1", "wlast = left == 9'd2", "wlast is not at"),
        ("axi_read_port", "!asking || arready", "1'b1", "an address changed while it waited"),
    ],
)
def test_the_bench_minds_the_rules(
    detector: Network,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    module: str,
    old: str,
    new: str,
    said: str,
) -> None:
    lowered = lowered_for(detector, SMALL)
    for file in MODULES.glob("*.v"):
        shutil.copy(file, tmp_path)
    text = (tmp_path / f"{module}.v").read_text("utf-8")
    assert old in text
    (tmp_path / f"{module}.v").write_text(text.replace(old, new), "utf-8")
    with (
        Wrapped(lowered.core, level=QUICK, modules=tmp_path) as bench,
        pytest.raises(TatamiError, match="the simulator has ended"),
    ):
        Engine(lowered, bench).made([picture(lowered)], stall=500)
    assert said in capfd.readouterr().err


@pytest.mark.usefixtures("wrapped")
def test_the_registers(detector: Network) -> None:
    """What it is, what goes wrong and that it goes on after a reset."""
    lowered = lowered_for(detector, SMALL)
    given = picture(lowered)
    words = np.asarray(lowered.words, "<u4").tobytes()
    with Wrapped(lowered.core, level=QUICK) as bench:
        engine = Engine(lowered, bench)
        right, _ = engine.made([given])
        core = lowered.core
        assert bench.get(0x00) == 0x54415441  # "ATAT" from the lowest byte
        assert bench.get(0x04) == 0x00010000
        assert bench.get(0x08) == core.lanes | core.pixels << 16 | core.rq << 24
        assert bench.get(0x0C) == core.map | core.acc << 18 | core.ring << 24 | 2 << 29

        def begin(at: int, length: int) -> int:
            bench.set(0x28, at)
            bench.set(0x2C, length)
            bench.set(0x10, 1)
            return bench.wait()

        def again() -> None:
            """A reset, and the network as before."""
            bench.set(0x10, 2)
            assert any(bench.get(0x14) & 1 == 0 for _ in range(5000))
            values, _ = engine.made([given], stall=300)
            for name, value in values.items():
                np.testing.assert_array_equal(value, right[name])

        aside = lowered.end + 4096 & ~4095
        bench.write(aside, bytes(4))  # END
        assert begin(aside, 4) == DONE
        assert begin(lowered.program_at, 0) == DONE | PROGRAM
        bench.write(aside, struct.pack("<II", 0x21 | 1 << 8, 0))
        assert begin(aside, 8) & ~1 == DONE | WORD
        again()
        assert begin(lowered.program_at, len(words) - 4) & ~1 == DONE | PROGRAM
        again()
        bench.fail_next(1)
        assert begin(lowered.program_at, len(words)) & READ
        again()
        bench.fail_next(2)
        assert begin(lowered.program_at, len(words)) & WRITE
        again()
        assert bench.get(0x54) > bench.get(0x40) > 0
