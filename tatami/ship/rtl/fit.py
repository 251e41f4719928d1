"""What an engine takes of a device, and which engine fits one: multipliers, memory blocks, LUTs.

The counts are yosys' own, which tests hold to these rules: multipliers and blocks to the last
one, LUTs within a tenth. They are what the engine with its wrapper takes, nothing else beside it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from tatami.errors import TatamiError
from tatami.program.steps import Program
from tatami.ship.rtl.core import Core, core_with
from tatami.ship.rtl.lower import Lowered, lower
from tatami.ship.rtl.model import FrameTime, frame_time
from tatami.ship.rtl.place import ceil_div
from tatami.ship.rtl.strips import lower_to_fit

AHEAD = 7
"""Base 2 logarithm of the beats that each stream of the wrapper may be ahead."""
CLOCK = 150e6
"""Hz, where none is said. What a device reaches, its own tools tell."""
SHARE = 0.8
"""Of a device's LUTs: what is fuller is hard to wire."""


@dataclass(frozen=True)
class Family:
    """Say how much one multiplier and one memory block of a family of devices can do.

    Args:
        name: As yosys has it: synth_xilinx -family, or synth_ecp5.
        wide: The widest factor, its sign included, of a multiplier whose other one has 18 bits.
        pack: The engine's PACK that puts two products of bytes into one multiplier.
        luts: LUTs of an engine: those that are always there, and those for each of its products
            in a cycle; a line through two engines that yosys synthesized, of 144 and 288 products.
            None: they were not counted.
        table: Blocks of the table of bytes behind a requantizer, where it is not made of LUTs.
    """

    name: str
    wide: int
    pack: int
    luts: tuple[int, float] | None
    table: int = 0


XC7 = Family("xc7", 25, 1, (7_080, 36.4))
XCUP = Family("xcup", 27, 1, (7_080, 36.4))
ECP5 = Family("ecp5", 18, 18, None, 2)
BLOCK = 36, 512
"""Bits and words of half a block RAM of Xilinx, and of a block of an ECP5: 18 kbit."""


@dataclass(frozen=True)
class Device:
    """Say what there is of a device.

    Args:
        part: Its name.
        family: What its parts can do.
        multipliers: DSP48E1, DSP48E2 or MULT18X18D.
        blocks: Memory of 18 kbit: halves of a BRAM36, or a DP16KD.
        luts: Of six inputs; of an ECP5, four.
        source: The maker's data sheet.
    """

    part: str
    family: Family
    multipliers: int
    blocks: int
    luts: int
    source: str


DEVICES: dict[str, Device] = {
    "zynq-7020": Device("XC7Z020", XC7, 220, 280, 53_200, "AMD DS190, table 1"),
    "zu3eg": Device("XCZU3EG", XCUP, 360, 432, 70_560, "AMD DS891, table 3"),
    "artix-200t": Device("XC7A200T", XC7, 740, 730, 134_600, "AMD DS180, table 4"),
    "ecp5-85": Device("LFE5U-85F", ECP5, 156, 208, 83_640, "Lattice FPGA-DS-02012, table 1.1"),
    "kria-k26": Device("XCK26", XCUP, 1_248, 288, 117_120, "AMD DS987, table 1"),
}
"""What ``fit`` knows, by name. A K26 also has 64 UltraRAM blocks, which are not used."""


@dataclass(frozen=True)
class Needs:
    """Say what an engine takes of a device.

    Args:
        multipliers: As ``Device`` has them.
        blocks: The same.
        luts: The same, about; 0 where they were not counted.
    """

    multipliers: int
    blocks: int
    luts: int


def needs(core: Core, family: Family) -> Needs:
    """Count what an engine with its wrapper takes.

    Args:
        core: The engine; none of its parameters is open.
        family: Of the device.
    """
    pairs = core.products // 2 if core.pack else core.products
    across = ceil_div(25, family.wide) if core.pack == 1 else 1  # multipliers of a product
    requantizer = 2 * ceil_div(core.acc, family.wide)
    words = 4 * core.pixels * ceil_div(23, family.wide)
    columns = core.row // core.bus
    ring = columns * _blocks(8 * core.bus, core.rows)
    maps = 9 * core.pixels * _blocks(32, core.map)
    streams = 3 * _blocks(8 * core.bus, 2**AHEAD)
    fixed, each = family.luts or (0, 0.0)
    return Needs(
        pairs * across + core.rq * requantizer + words,
        ring + maps + streams + core.rq * family.table,
        fixed + round(each * core.products),
    )


def _blocks(bits: int, words: int) -> int:
    return ceil_div(bits, BLOCK[0]) * ceil_div(words, BLOCK[1])


@dataclass(frozen=True)
class Fit:
    """Hold the engine that fits a device.

    Args:
        device: The device's name.
        needs: What the engine takes of it.
        lowered: The network, lowered for the engine.
        time: How long a frame takes.
        clock: In Hz.
    """

    device: str
    needs: Needs
    lowered: Lowered
    time: FrameTime
    clock: float

    @property
    def core(self) -> Core:
        """The engine."""
        return self.lowered.core

    @property
    def rate(self) -> float:
        """Frames a second."""
        return self.time.rate(self.clock)

    def line(self) -> str:
        """Say what it takes of the device, and of how much."""
        device, needs = DEVICES[self.device], self.needs
        return (
            f"{needs.multipliers} of {device.multipliers} multipliers, {needs.blocks} of "
            f"{device.blocks} blocks of 18 Kbit; {self.rate:.2f} frames a second at "
            f"{self.clock / 1e6:g} MHz"
        )

    def to_json(self) -> dict[str, Any]:
        """Give all as plain values."""
        device = DEVICES[self.device]
        return {
            "device": self.device,
            "parameters": self.core.verilog,
            "multipliers": [self.needs.multipliers, device.multipliers],
            "blocks_of_18_kbit": [self.needs.blocks, device.blocks],
            "luts": [self.needs.luts, device.luts],
            "clock": self.clock,
            "frames_per_second": self.rate,
            "bytes_per_second": self.time.bandwidth(self.clock),
        }


def device_named(name: str) -> Device:
    """Find a device.

    Raises:
        TatamiError: For one that is not in the table.
    """
    if name not in DEVICES:
        raise TatamiError(
            f"no device is called '{name}'", hint="there are " + ", ".join(DEVICES), setting="fit"
        )
    return DEVICES[name]


def fit(name: str, program: Program, *, clock: float = CLOCK) -> Fit:
    """Choose the engine that computes a network fastest of those that a device holds.

    Args:
        name: Of the device, as in ``DEVICES``.
        program: The network's program, in 8 bits.
        clock: In Hz.

    Raises:
        TatamiError: For an unknown device, for a network that no engine can do, and where not even
            the smallest engine fits; it says what binds.
    """
    device = device_named(name)
    sizes = sorted(
        ((lanes, pixels) for lanes in (4, 8, 16, 32, 64) for pixels in (1, 2)),
        key=lambda size: (-size[0] * size[1], size[1]),
    )
    found: list[Fit] = []
    why = ""
    for lanes, pixels in sizes:
        if found and lanes * pixels < found[0].core.lanes * found[0].core.pixels:
            break
        core = core_with({"lanes": lanes, "pixels": pixels, "pack": device.family.pack})
        try:
            lowered = _lowered(device, program, core)
        except _Binds as error:
            why = error.reason
            continue
        core = lowered.core
        found.append(Fit(name, needs(core, device.family), lowered, frame_time(lowered), clock))
    if not found:
        raise TatamiError(
            f"no engine for this network fits a {name}: {why}",
            hint="take a larger device, or a network of a smaller size",
            setting="fit",
        )
    return min(found, key=lambda each: each.time.cycles)


class _Binds(Exception):
    """An engine does not fit, and why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def _lowered(device: Device, program: Program, core: Core) -> Lowered:
    """Lower for an engine of some lanes, with as much map memory as there is room for."""
    smallest = needs(replace(core, acc=23, map=BLOCK[1], ring=3), device.family)
    _check(device, core, "multipliers", smallest.multipliers, device.multipliers)
    _check(device, core, "LUTs", smallest.luts, int(SHARE * device.luts))
    whole = lower(program, core)
    if needs(whole.core, device.family).blocks > device.blocks:
        beside = needs(replace(whole.core, map=0), device.family).blocks
        rest = (device.blocks - beside) // (9 * core.pixels) * BLOCK[1]
        least = (
            f"{whole.core.map:,} words a bank for its maps, and there is room for {max(0, rest):,}"
        )
        if rest <= 0:
            raise _Binds(f"memory blocks: LANES={core.lanes}, PIXELS={core.pixels} takes {least}")
        try:
            whole = lower_to_fit(program, replace(core, map=rest))
        except TatamiError as error:
            raise _Binds(
                f"memory blocks: LANES={core.lanes}, PIXELS={core.pixels} takes {least}"
            ) from error
    taken = needs(whole.core, device.family)
    _check(device, core, "multipliers", taken.multipliers, device.multipliers)
    _check(device, core, "memory blocks", taken.blocks, device.blocks)
    return whole


def _check(device: Device, core: Core, what: str, takes: int, has: int) -> None:
    if takes > has:
        raise _Binds(
            f"{what}: LANES={core.lanes}, PIXELS={core.pixels} takes {takes:,}, "
            f"{device.part} has {has:,}"
        )
