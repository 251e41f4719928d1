"""The engine's parameters: how much of it there is, in the names that its Verilog has for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from tatami.errors import TatamiError

MODULES = Path(__file__).parent / "modules"
"""Where the engine's Verilog lies, a module a file."""
TOP = "tatami_core"
LARGEST_MAP = 2**16
"""Words of a bank: an address has 16 bits."""
PRODUCTS = 36
"""Of a lane and a pixel in a cycle: 3 x 3 taps of 4 channels."""


@dataclass(frozen=True)
class Core:
    """Say how large an engine is; its Verilog has the same parameters in capital letters.

    Args:
        lanes: Output channels at once.
        pixels: Places of the window at once.
        rq: Requantizers: so many results leave in a cycle.
        rq_registers: Registers of each.
        bus: Bytes of a beat of its streams.
        acc: Bits of a sum, its sign included; 0: as many as the network's weights ask for. 32 is
            always enough.
        map: Words of four bytes in each of the nine banks of the map memory; 0: as many as the
            network takes.
        ring: Base 2 logarithm of the rows of weights that are held; 0: as many as it takes.
        fifo: The same of the results that may wait to leave.
        pack: Two products in a multiplier: 1 in one of 25 by 18 bits, 18 in one of 18 by 18; 0:
            each has its own.
    """

    lanes: int = 16
    pixels: int = 1
    rq: int = 4
    rq_registers: int = 3
    bus: int = 8
    acc: int = 0
    map: int = 0
    ring: int = 0
    fifo: int = 6
    pack: int = 1

    def __post_init__(self) -> None:
        for name, known, what in (
            ("lanes", self.lanes in (4, 8, 16, 32, 64), "4, 8, 16, 32 or 64"),
            ("pixels", self.pixels in (1, 2), "1 or 2"),
            ("bus", self.bus in (4, 8, 16, 32) and self.lanes % self.bus == 0,
             "4, 8, 16 or 32, and LANES a multiple of it"),
            ("rq", self.rq in (4, 8, 16) and self.bus % self.rq == 0, "4, 8 or 16, at most BUS"),
            ("rq_registers", self.rq_registers in (3, 5), "3 or 5"),
            ("acc", self.acc == 0 or 23 <= self.acc <= 32, "23 to 32"),
            ("map", 0 <= self.map <= LARGEST_MAP, f"at most {LARGEST_MAP}"),
            ("ring", self.ring == 0 or 3 <= self.ring <= 14, "3 to 14"),
            ("fifo", 4 <= self.fifo <= 12 and 2**self.fifo >= self.lanes // self.rq * self.pixels,
             "4 to 12"),
            ("pack", self.pack in (0, 1, 18), "0, 1 or 18"),
        ):  # fmt: skip
            if not known:
                raise TatamiError(
                    f"no engine has {name.upper()}={getattr(self, name)}",
                    hint=f"{name.upper()} is {what}",
                    setting="rtl",
                )

    @property
    def products(self) -> int:
        """Multiplications in a cycle."""
        return self.lanes * self.pixels * PRODUCTS

    @property
    def row(self) -> int:
        """Bytes of a row of constants."""
        return self.lanes * PRODUCTS

    @property
    def rows(self) -> int:
        """Rows of constants that are held."""
        return int(2**self.ring)

    @property
    def steps(self) -> int:
        """Cycles in which the results of a pixel of a full tile leave."""
        return self.lanes // self.rq

    @property
    def verilog(self) -> dict[str, int]:
        """The parameters in Verilog's names."""
        return {name.upper(): value for name, value in asdict(self).items()}

    def __str__(self) -> str:
        """Say what is not usual, as it is written: ``LANES=16,PIXELS=2``."""
        usual = Core().verilog
        changed = {n: v for n, v in self.verilog.items() if v != usual[n] or n == "LANES"}
        return ",".join(f"{name}={value}" for name, value in changed.items())


def core_of(text: str) -> Core:
    """Read parameters as ``LANES=16,PIXELS=2``; what is left out is usual, and fits together.

    Raises:
        TatamiError: For a parameter or a value that no engine has.
    """
    known = {field.name for field in fields(Core)}
    given: dict[str, int] = {}
    for part in filter(None, (each.strip() for each in text.split(","))):
        name, _, value = part.partition("=")
        if name.strip().lower() not in known or not value.strip().isdecimal():
            raise TatamiError(
                f"no parameter of the engine is '{part}'",
                hint="write LANES=16; there are "
                + ", ".join(sorted(each.upper() for each in known)),
                setting="rtl",
            )
        given[name.strip().lower()] = int(value)
    return core_with(given)


def core_with(given: Mapping[str, int]) -> Core:
    """Make an engine of some parameters; the others are usual for its lanes and pixels."""
    lanes, pixels = given.get("lanes", 16), given.get("pixels", 1)
    rate = 8 if lanes * pixels >= 32 else 4
    bus = {4: 4, 8: 8, 16: 8 * min(pixels, 2), 32: 16 * min(pixels, 2)}.get(lanes, 32)
    usual = {"rq": min(rate, given.get("bus", bus)), "bus": max(bus, given.get("rq", 0))}
    return Core(**{**usual, **given})


def sized(core: Core, *, map_words: int, ring_rows: int, acc: int) -> Core:
    """Give an engine the sizes that a network takes, where it leaves them open.

    Args:
        core: The engine.
        map_words: Of a bank.
        ring_rows: Rows of constants that must be held at once.
        acc: Bits of the network's largest sum.
    """
    ring = core.ring or max(9, (ring_rows - 1).bit_length())
    return replace(
        core, map=core.map or max(256, map_words), ring=ring, acc=core.acc or max(23, acc)
    )
