"""What a program takes of a device: RAM and flash, measured where there is the compiler for it."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tatami.errors import TatamiError
from tatami.ship.backend import Files, Footprint, Need, Share, Shipped
from tatami.ship.c.build import compiler
from tatami.ship.c.emit import NetworkInC, PlanInC
from tatami.ship.c.targets import Target, target_of


@dataclass(frozen=True)
class Cost:
    """Hold a layer's share.

    Args:
        layer: The step's name.
        operator: Its kind.
        ram: Bytes alive while it runs, scratch included.
        flash: Bytes of its constants.
    """

    layer: str
    operator: str
    ram: int
    flash: int


@dataclass(frozen=True)
class FootprintInC(Footprint):
    """Hold what a program in C takes of a device, in bytes.

    Args:
        ram: The arena, tables and variables.
        flash: Weights and code.
        measured: Whether a compiler measured it; else it is the arena and the weights alone.
        values: The largest sum of tensors alive at once, which no arena can go below.
        layers: Each layer's share.
        variables: The part of ``ram`` that no layer is to blame for; 0 where not measured.
        code: The same of ``flash``.
    """

    ram: int
    flash: int
    measured: bool
    values: int
    layers: tuple[Cost, ...]
    variables: int = 0
    code: int = 0

    @property
    def needs(self) -> tuple[Need, ...]:
        """List RAM and flash."""
        ram = tuple(Share(one.layer, one.operator, one.ram) for one in self.layers)
        flash = tuple(Share(one.layer, one.operator, one.flash) for one in self.layers)
        rest = ("tables and variables", "code and its constants") if self.measured else ("", "")
        return (
            Need("RAM", "bytes", self.ram, ram, rest[0], self.variables),
            Need("flash", "bytes", self.flash, flash, rest[1], self.code),
        )

    def to_json(self) -> dict[str, Any]:
        """Give the sums as plain values."""
        return {
            "values": self.values,
            "ram": self.ram,
            "flash": self.flash,
            "measured": self.measured,
        }

    def lines(self) -> list[str]:
        """Say the sums."""
        unknown = "without code and tables, which nothing measures here"
        how = "as compiled" if self.measured else unknown
        return [f"on the device {self.ram:,} bytes of RAM and {self.flash:,} of flash, {how}"]


def footprint(plan: PlanInC, shipped: Shipped) -> FootprintInC:
    """Measure the RAM and flash of a program for its target, and each layer's share of them.

    Each of several networks has an arena of its own; what lies between them, as regions and their
    features, counts as variables.
    """
    each = {part: _planned(network) for part, network in plan.networks.items()}
    layers = [
        replace(layer, layer=f"{part}: {layer.layer}" if part else layer.layer)
        for part, needs in each.items()
        for layer in needs.layers
    ]
    planned = FootprintInC(
        sum(needs.ram for needs in each.values()),
        sum(needs.flash for needs in each.values()),
        False,
        max(needs.values for needs in each.values()),
        tuple(layers),
    )
    names = dict.fromkeys((plan.name, *(one.name for one in plan.networks.values())))
    sources = [f"{name}.c" for name in names]
    return _measured(planned, _code(shipped.files, sources, target_of(plan.options.target)))


def _planned(network: NetworkInC) -> FootprintInC:
    """Count the arena and the weights, which are known without a compiler."""
    program, layout = network.program, network.layout
    lifetimes = program.lifetimes()
    layers = []
    values = 0
    for index, (step, decision) in enumerate(zip(program.steps, layout.decisions, strict=True)):
        alive = {
            layout.offsets[name]: program.values[name].bytes
            for name, life in lifetimes.items()
            if life.first <= index <= life.last
        }
        constants = sum(one.numbers.nbytes for one in layout.step_constants[index].values())
        values = max(values, sum(alive.values()))
        ram = sum(alive.values()) + decision.scratch
        layers.append(Cost(step.name, type(step).__name__, ram, constants))
    values += network.state
    return FootprintInC(network.memory, network.weights, False, values, tuple(layers))


def _measured(planned: FootprintInC, built: tuple[int, int, int] | None) -> FootprintInC:
    """Add what the compiler made; where there is none, it stays as planned."""
    if built is None:
        return planned
    text, data, bss = built
    ram, code = data + bss, text + data
    return replace(
        planned,
        ram=ram,
        flash=code + planned.flash,
        measured=True,
        variables=max(0, ram - planned.ram),
        code=max(0, code),
    )


def _code(files: Files, sources: Sequence[str], target: Target) -> tuple[int, int, int] | None:
    """Measure bytes of code, of initialized and of other variables; None without tools."""
    try:
        command: Sequence[str] = target.compiler or compiler()
    except TatamiError:
        return None
    # What one clang makes for many machines, the `size` of this one does not read.
    of_clang = len(target.compiler) > 1
    size = "llvm-size" if of_clang else re.sub(r"(gcc|clang|cc)(-[\d.]+)?$", "size", command[0])
    if shutil.which(command[0]) is None or shutil.which(size) is None:
        return None
    with tempfile.TemporaryDirectory(prefix="tatami-") as temporary:
        folder = Path(temporary)
        files.write(folder, [file for file in files if file.endswith((".c", ".h"))])
        line = [*command, "-std=c99", "-O2", *target.options, "-c", *sources]
        built = subprocess.run(line, cwd=folder, capture_output=True, check=False)
        if built.returncode != 0:
            said = built.stderr.decode(errors="replace").splitlines()
            raise TatamiError(
                f"{target.name}'s compiler refuses the program: {' '.join(said[:1])}",
                hint="report it with the network: what is written should compile everywhere",
            )
        objects = [Path(source).with_suffix(".o").name for source in sources]
        printed = subprocess.run(
            [size, *objects], cwd=folder, capture_output=True, text=True, check=False
        )
    rows = [line.split()[:3] for line in printed.stdout.splitlines()[1:]]
    if printed.returncode != 0 or len(rows) != len(objects):
        return None
    text, data, bss = (sum(int(row[part]) for row in rows) for part in range(3))
    return text, data, bss
