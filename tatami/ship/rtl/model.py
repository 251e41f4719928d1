"""How long a frame takes and what it moves, without simulating it: equal to the counters.

Each part of the engine is a recursion over what it does in order: commands, rows of constants,
units of a layer. Streams are taken to be always there, as from a memory that is fast enough; each
cycle that the engine waits is counted apart, by what it waits for.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tatami.ship.rtl.commands import (
    AFTER_LAYER,
    AFTER_LOAD,
    Constants,
    End,
    Layer,
    Load,
    Lookup,
    Transfer,
)
from tatami.ship.rtl.core import Core
from tatami.ship.rtl.lower import Lowered, Run
from tatami.ship.rtl.place import ceil_div

START = 2
"""Cycles from a layer's command to its first row of parameters."""
EMIT = 11
"""Cycles from the last step of a unit to its first results, before the requantizer."""
FREED = 5
"""Cycles from a step to its row being free."""
HERE = 2
"""Cycles from a row's last beat to its first use."""


@dataclass(frozen=True)
class LayerTime:
    """Say how long a layer took, or a strip of it.

    Args:
        name: Of the step.
        operator: Its kind.
        start: The cycle of its command.
        cycles: Until the next command may go.
        run: Steps of the array.
        weights: Cycles that waited for constants.
        maps: The same, for maps from DDR, before it began.
        out: The same, for room to leave.
        products: Multiply-adds that were asked for.
        constants: Bytes of constants that it brought.
        read: Bytes of maps that it brought.
        written: Bytes of maps that left.
    """

    name: str
    operator: str
    start: int
    cycles: int
    run: int
    weights: int
    maps: int
    out: int
    products: int
    constants: int
    read: int
    written: int

    def utilization(self, core: Core) -> float:
        """Give the share of the multiplications that were asked for, waits for memory aside."""
        busy = self.cycles - self.weights - self.out
        return self.products / (core.products * busy) if busy else 0.0

    @property
    def bytes(self) -> int:
        """Bytes across DDR."""
        return self.constants + self.read + self.written


@dataclass(frozen=True)
class FrameTime:
    """Say how long a frame takes.

    Args:
        core: The engine.
        cycles: From the first word of the program until all is done.
        run: Steps of the array.
        weights: Cycles that waited for constants.
        maps: The same, for maps.
        out: The same, for room to leave.
        layers: Each layer.
        constants: Bytes of constants from DDR.
        read: Bytes of maps from DDR.
        written: Bytes to DDR.
        words: Of commands.
    """

    core: Core
    cycles: int
    run: int
    weights: int
    maps: int
    out: int
    layers: tuple[LayerTime, ...]
    constants: int
    read: int
    written: int
    words: int

    @property
    def products(self) -> int:
        """Multiply-adds that were asked for."""
        return sum(layer.products for layer in self.layers)

    @property
    def utilization(self) -> float:
        """Give the share of all multiplications of the layers' cycles that were asked for.

        The first layer's wait for its picture is aside: it passes while the one before is computed.
        """
        busy = self.cycles - self.maps
        return self.products / (self.core.products * busy) if busy else 0.0

    @property
    def bytes(self) -> int:
        """Bytes across DDR, commands too."""
        return self.constants + self.read + self.written + 4 * self.words

    def rate(self, clock: float) -> float:
        """Frames a second at a clock in Hz, where the memory is fast enough."""
        return clock / self.cycles

    def bandwidth(self, clock: float) -> float:
        """Bytes a second that the memory must give on average."""
        return self.bytes * self.rate(clock)

    def lines(self, clock: float) -> list[str]:
        """Say in words what a frame takes.

        Args:
            clock: In Hz.
        """
        asked = self.core.products
        return [
            f"{self.cycles:,} cycles a frame on {asked:,} multipliers, of them {self.maps:,} for "
            f"the picture to come in; else {100 * self.utilization:.2f} % of the products are used",
            f"{self.rate(clock):.1f} frames a second at {clock / 1e6:g} MHz, "
            f"{self.bytes:,} bytes of DDR a frame, {self.bandwidth(clock) / 1e6:,.0f} MB a second",
        ]

    def to_json(self) -> dict[str, Any]:
        """Give all as plain values."""
        return {
            "parameters": self.core.verilog,
            "multipliers": self.core.products,
            "cycles": self.cycles,
            "steps": self.run,
            "waits": {"weights": self.weights, "maps": self.maps, "out": self.out},
            "utilization": self.utilization,
            "multiply_adds": self.products,
            "bytes": {
                "constants": self.constants, "maps_in": self.read, "maps_out": self.written,
                "commands": 4 * self.words,
            },
            "layers": [
                {
                    "layer": one.name, "operator": one.operator, "cycles": one.cycles,
                    "utilization": one.utilization(self.core), "bytes": one.bytes,
                    "bytes_per_cycle": one.bytes / one.cycles,
                }
                for one in self.layers
            ],
        }  # fmt: skip


class _Ring:
    """The rows of constants: when each is here, and when its place is free again."""

    def __init__(self, core: Core) -> None:
        self.beats = core.row // core.bus
        self.depth = core.rows
        self.here: list[int] = []  # the cycle from which each row can be used
        self.freed: list[int] = []  # the cycle from which each row's place is free
        self.last = -1  # cycle of the last beat
        self.next = 0  # row to be read

    def arrive(self, row: int) -> int:
        """Give the cycle from which a row can be used."""
        while len(self.here) <= row:
            begin = self.last + 1
            blocking = len(self.here) - self.depth
            if blocking >= 0:
                begin = max(begin, self.freed[blocking])
            self.last = begin + self.beats - 1
            self.here.append(self.last + HERE)
        return self.here[row]


def frame_time(lowered: Lowered) -> FrameTime:
    """Compute what the counters of a frame will say."""
    core, ring = lowered.core, _Ring(lowered.core)
    runs = iter(lowered.runs)
    outlets = {True: _Outlet(core, 4), False: _Outlet(core, 1)}
    layers: list[LayerTime] = []
    word = 0  # the cycle in which the next word of a command can be taken
    layer_idle = load_idle = empty = 0
    read = written = constants = 0
    layer_read = layer_written = 0
    totals = dict.fromkeys(("run", "weights", "maps", "out"), 0)
    for command in lowered.commands:
        if isinstance(command, Constants):
            constants += command.bytes
            continue
        if isinstance(command, Transfer):
            if command.code == 17:
                read += command.total
                layer_read += command.total
            else:
                written += command.total
                layer_written += command.total
            continue
        if isinstance(command, Lookup):
            word = max(word + 1, layer_idle) + 66
            continue
        arrive = word + len(command.words())
        flags = command.flags
        clear_layer = layer_idle if flags & AFTER_LAYER or not isinstance(command, Load) else 0
        clear_load = load_idle if flags & AFTER_LOAD or not isinstance(command, Layer) else 0
        go = max(arrive, clear_layer, clear_load, empty if isinstance(command, End) else 0)
        word = go + 1
        if isinstance(command, Load):
            words = command.rows * command.columns * command.planes * command.per_pixel
            kept = command.planes * command.per_pixel <= command.written  # the last word
            load_idle = go + 1 + words + int(kept)
        elif isinstance(command, Layer):
            run = next(runs)
            waited = go - max(arrive, clear_layer)
            found = _follow(core, run, ring, outlets, go)
            layer_idle = found.idle
            if found.outlet is not None:
                empty = found.outlet.empty
            layers.append(
                LayerTime(
                    run.work.name, run.work.operator, go, layer_idle - go, found.steps,
                    found.weights, waited, found.out, run.work.products,
                    run.constants * core.row, layer_read, layer_written,
                )
            )  # fmt: skip
            layer_read = layer_written = 0
            totals["maps"] += waited
            totals["run"] += found.steps
            totals["weights"] += found.weights
            totals["out"] += found.out
        else:
            cycles = go
    return FrameTime(
        core, cycles, totals["run"], totals["weights"], totals["maps"], totals["out"],
        tuple(layers), constants, read, written, len(lowered.words),
    )  # fmt: skip


class _Outlet:
    """The FIFO of results that leave: when each of its entries is free again."""

    def __init__(self, core: Core, spacing: int) -> None:
        self.depth = 2**core.fifo
        self.spacing = spacing  # cycles of an entry
        self.popped: deque[int] = deque()  # of entries that are not surely gone
        self.last = -(2**60)

    def room(self, cycle: int, entries: int) -> int:
        """Give the first cycle, from one on, in which there is room for some entries."""
        while self.popped and self.popped[0] < cycle:
            self.popped.popleft()
        over = len(self.popped) + entries - self.depth
        return cycle if over <= 0 else max(cycle, self.popped[over - 1] + 1)

    def take(self, pushed: int, entries: int) -> None:
        """Put entries in, a cycle each, the first at a given cycle."""
        for entry in range(entries):
            self.last = max(pushed + entry + 1, self.last + self.spacing)
            self.popped.append(self.last)

    @property
    def empty(self) -> int:
        """Give the cycle from which it is empty."""
        return self.last + self.spacing + 2


@dataclass
class _Layer:
    """Follows a layer tile by tile, unit by unit."""

    core: Core
    run: Run
    ring: _Ring
    outlet: _Outlet | None
    now: int  # the next cycle
    steps: int = 0
    weights: int = 0
    out: int = 0
    emitted: int = -(2**60)  # the last step of the last unit
    results: int = 0  # of that unit

    def tile(self, words: int) -> None:
        """Follow a tile."""
        core, layer = self.core, self.run.layer
        pool, keep = layer["pool"], layer["keep"]
        at_once = 1 if pool else core.pixels
        places = layer["out_rows"] * layer["out_columns"]
        units, subs = ceil_div(places, at_once), 4 // core.pixels if pool else 1
        pieces = (layer["last_piece_y"] + 1) * (layer["last_piece_x"] + 1)
        steps = (words if layer["by_tile"] else layer["steps"]) * (1 + layer["two"])
        window = steps * pieces
        held = 0 if layer["by_word"] else steps if layer["same"] else window
        leave = core.steps if self.outlet else ceil_div(words, core.rq // 4)
        freed = [self._row()]
        first = self.ring.next
        begins: list[int] = []  # of the rows in the last pass
        for unit in range(units):
            pixels = places - unit * at_once if unit == units - 1 else at_once
            for sub in range(subs):
                begins = self._window(first, held, window, new=unit == 0 and sub == 0)
                if sub == subs - 1:
                    self._emit(leave * (1 if pool else pixels))
        self.steps += window * units * subs
        self.ring.next += held
        if held and not keep:
            freed += [*begins[:-1], self.emitted]
        if not keep:
            self.ring.freed += [cycle + FREED for cycle in freed]

    def _row(self) -> int:
        """Read a row of parameters."""
        cycle = max(self.now, self.ring.arrive(self.ring.next))
        self.weights += cycle - self.now
        self.ring.next += 1
        self.now = cycle + 1
        return cycle

    def _window(self, first: int, held: int, window: int, *, new: bool) -> list[int]:
        """Go through a window; give the cycles in which its last rows were read."""
        if not new:
            self.now += window
            return list(range(self.now - held, self.now))
        begins = []
        for row in range(held):
            cycle = max(self.now, self.ring.arrive(first + row))
            self.weights += cycle - self.now
            begins.append(cycle)
            self.now = cycle + 1
        self.now += window - held
        return begins if window == held else list(range(self.now - held, self.now))

    def _emit(self, results: int) -> None:
        """Let a unit's results go: its last step waits for those before it, and for room."""
        last = max(self.now - 1, self.emitted + self.results)
        if self.outlet is not None:
            cycle = self.outlet.room(last, results)
            self.out += cycle - last
            last = cycle
            raw = self.run.layer["raw"]
            self.outlet.take(last + EMIT + (0 if raw else self.core.rq_registers + 1), results)
        self.emitted, self.results = last, results
        self.now = last + 1

    @property
    def idle(self) -> int:
        """Give the cycle in which the next command may go."""
        after = 0 if self.run.layer["raw"] else self.core.rq_registers + 1
        return self.emitted + EMIT + after + self.results + 1


def _follow(core: Core, run: Run, ring: _Ring, outlets: Mapping[bool, _Outlet], go: int) -> _Layer:
    """Follow a layer whose command goes in a given cycle."""
    layer = run.layer
    outlet = outlets[bool(layer["raw"])] if layer["raw"] or layer["to_stream"] else None
    if outlet is not None:
        outlet.last = max(each.last for each in outlets.values())
    found = _Layer(core, run, ring, outlet, go + START)
    first, left = ring.next, layer["out_words"]
    for _ in range(layer["tiles"]):
        found.tile(min(core.lanes // 4, left))
        left -= core.lanes // 4
    if layer["keep"]:
        ring.next = first
    return found
