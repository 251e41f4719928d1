"""What yosys makes of the engine: multipliers and block RAM as counted, and the same answers."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tatami.graph import Network
from tatami.program import interpret
from tatami.program.lower import lower as program_of
from tatami.ship.rtl.core import MODULES, Core, core_with
from tatami.ship.rtl.engine import Engine
from tatami.ship.rtl.fit import DEVICES, ECP5, XC7, XCUP, Family, needs
from tatami.ship.rtl.lower import lower
from tatami.ship.rtl.simulate import Bench
from tatami.ship.rtl.yosys import has_yosys, run
from tatami.types import Size

pytestmark = pytest.mark.skipif(not has_yosys(), reason="needs pyosys")

MULTIPLIERS = {"DSP48E1": 1, "DSP48E2": 1, "MULT18X18D": 1}
BLOCKS = {"RAMB18E1": 1, "RAMB36E1": 2, "RAMB18E2": 1, "RAMB36E2": 2, "DP16KD": 1}
"""Cells, and how many of 18 kbit each is."""
SMALL = {"lanes": 4, "bus": 4, "rq": 4, "acc": 24, "map": 1024, "ring": 9}


def cells(
    family: Family, top: str, parameters: Mapping[str, int], folder: Path, *, whole: bool = False
) -> dict[str, int]:
    """Synthesize a module, up to its multipliers and memories or wholly, and count its cells."""
    command = "synth_ecp5" if family is ECP5 else f"synth_xilinx -family {family.name} -noiopad"
    flat = "" if family is ECP5 else " -flatten"
    part = "" if whole else " -run begin:map_ffram"
    chosen = "".join(f" -chparam {name} {value}" for name, value in parameters.items())
    counted = folder / "cells.json"
    ran = run(
        [
            f"read_verilog {MODULES}/*.v",
            f"hierarchy -check -top {top}{chosen}",
            f"{command}{flat} -top {top}{part}",
            f"tee -q -o {counted} stat -json",
        ]
    )
    assert ran.finished, ran.log[-2000:]
    found: dict[str, int] = json.loads(counted.read_text())["design"]["num_cells_by_type"]
    return found


def total(found: Mapping[str, int], weights: Mapping[str, int]) -> int:
    return sum(found.get(name, 0) * weight for name, weight in weights.items())


PARTS: list[tuple[str, dict[str, int], dict[str, tuple[int, int]]]] = [
    (
        "ring",
        {"LANES": 8, "BUS": 8, "DEPTH": 9},
        {"xc7": (0, 72), "xcup": (0, 72), "ecp5": (0, 72)},
    ),
    ("maps", {"MAP": 2048, "AD": 11}, {"xc7": (0, 36), "xcup": (0, 36), "ecp5": (0, 36)}),
    ("packed_product", {"MODE": 18}, {"xc7": (1, 0), "xcup": (1, 0), "ecp5": (1, 0)}),
    ("requantize", {"A": 26}, {"xc7": (4, 0), "xcup": (2, 0), "ecp5": (4, 0)}),
    ("words", {"ACC": 24}, {"xc7": (4, 0), "xcup": (4, 0), "ecp5": (8, 0)}),
    ("axi_fifo", {"W": 64, "DEPTH": 7}, {"xc7": (0, 2), "xcup": (0, 2), "ecp5": (0, 2)}),
]
"""Modules, and the multipliers and blocks of 18 kbit that each is, by family."""


@pytest.mark.parametrize(("top", "parameters", "counts"), PARTS)
@pytest.mark.parametrize("family", [XC7, pytest.param(XCUP, marks=pytest.mark.slow), ECP5])
def test_parts(
    top: str,
    parameters: dict[str, int],
    counts: dict[str, tuple[int, int]],
    family: Family,
    tmp_path: Path,
) -> None:
    found = cells(family, top, parameters, tmp_path)
    assert (total(found, MULTIPLIERS), total(found, BLOCKS)) == counts[family.name], found


@pytest.mark.slow
@pytest.mark.parametrize("family", [XC7, XCUP, ECP5])
def test_the_whole_is_as_counted(family: Family, tmp_path: Path) -> None:
    core = core_with({**SMALL, "pack": family.pack})
    found = cells(family, "tatami_axi", core.verilog, tmp_path, whole=family is XC7)
    wanted = needs(core, family)
    assert total(found, MULTIPLIERS) == wanted.multipliers
    assert total(found, BLOCKS) == wanted.blocks
    if family is XC7:
        luts = sum(found.get(f"LUT{n}", 0) for n in range(1, 7))
        luts += 4 * (found.get("RAM32M", 0) + found.get("RAM64M", 0)) + found.get("SRL16E", 0)
        assert abs(luts - wanted.luts) < 0.1 * wanted.luts


@pytest.mark.slow
def test_the_engine_of_a_zynq_7020(tmp_path: Path) -> None:
    """What fit chooses for YOLOv2-tiny at 352x288: 20.96 frames a second at 150 MHz."""
    core = core_with({"lanes": 8, "acc": 28, "map": 11_264, "ring": 9})
    found = cells(XC7, "tatami_axi", core.verilog, tmp_path)
    device, wanted = DEVICES["zynq-7020"], needs(core, XC7)
    assert total(found, MULTIPLIERS) == wanted.multipliers <= device.multipliers == 220
    assert total(found, BLOCKS) == wanted.blocks <= device.blocks == 280


def netlist(core: Core, folder: Path) -> None:
    """Write the core as yosys' netlist, words and memories, behind the core's own ports."""
    chosen = "".join(f" -chparam {name} {value}" for name, value in core.verilog.items())
    ran = run(
        [
            f"read_verilog {MODULES}/*.v",
            f"hierarchy -check -top tatami_core{chosen}",
            "synth -flatten -top tatami_core -run begin:fine",
            *("maccmap -unmap", "techmap t:$alu", "techmap t:$lcu", "opt -fast"),
            "rename -top netlist",
            f"write_verilog -noattr {folder / 'netlist.txt'}",
        ]
    )
    assert ran.finished, ran.log[-2000:]
    text = (MODULES / "tatami_core.v").read_text("utf-8")
    head = text[text.index("module tatami_core") : text.index("\n);") + 3]
    ports = re.findall(r"^ {4}(?:in|out)put +(?:wire|reg) +(?:\[[^]]*\] )?(.*)$", head, re.M)
    names = re.findall(r"\w+", " ".join(re.sub(r"//.*", "", port) for port in ports))
    links = ", ".join(f".{name}({name})" for name in names)
    head = head.replace("output reg ", "output wire")
    for file in MODULES.glob("*.v"):  # none of which the netlist uses
        shutil.copy(file, folder)
    text = f"{head}\n    netlist all ({links});\nendmodule\n"
    (folder / "tatami_core.v").write_text(text + (folder / "netlist.txt").read_text())


@pytest.mark.slow
def test_the_netlist_computes_the_same(
    tmp_path: Path,
    small_detector: Callable[..., Network],
    small_spec: Callable[..., Any],
    quantized: Callable[[Network], Network],
) -> None:
    network = quantized(small_detector(tmp_path / "n.onnx", small_spec(Size(40, 24)), spread=0.3))
    lowered = lower(program_of(network), core_with({"lanes": 4, "bus": 4, "rq": 4}), observe=True)
    netlist(lowered.core, tmp_path)
    (name,) = lowered.program.inputs
    shape = lowered.program.values[name].shape
    given = np.random.default_rng(5).integers(0, 256, shape, np.uint8)
    expected = interpret.values(lowered.program, [given])
    with Bench(lowered.core, level="-O0", modules=tmp_path) as bench:
        values, _ = Engine(lowered, bench).made([given], stall=200)
    assert set(values) == set(lowered.made)
    for each, value in values.items():
        np.testing.assert_array_equal(value, expected[each], err_msg=each)
