"""What a program takes of a device: RAM and flash, measured where there is the compiler for it."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tatami.errors import TatamiError
from tatami.program.steps import Program
from tatami.ship.c.build import compiler
from tatami.ship.c.emit import Shipped
from tatami.ship.c.targets import Target
from tatami.ship.c.two_stage import ShippedTwoStage

SUFFIXES = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3}


@dataclass(frozen=True)
class Cost:
    """A layer's share.  ram: bytes alive while it runs, scratch included.  flash: its constants."""

    layer: str
    operator: str
    ram: int
    flash: int


@dataclass(frozen=True)
class Footprint:
    """ram: the arena, tables and variables.  flash: weights and code.  measured: by a compiler;
    else the arena and the weights alone.  values: the largest sum of tensors alive at once, which
    no arena can go below.  variables, code: the parts of ram and flash that no layer is to blame
    for, 0 where not measured."""

    ram: int
    flash: int
    measured: bool
    values: int
    layers: tuple[Cost, ...]
    variables: int = 0
    code: int = 0


def parse_bytes(text: str, option: str) -> int:
    """``512K`` is 512 * 1,024 bytes, ``2M`` 2 * 1,024 * 1,024. Raises TatamiError."""
    match = re.fullmatch(r"(\d{1,12})([KMG]?)(i?B)?", text.strip(), re.IGNORECASE)
    if match is None or int(match[1]) == 0:
        raise TatamiError(f"{option} {text} is no number of bytes", hint="give one as 512K or 2M")
    return int(match[1]) * SUFFIXES[match[2].upper()]


def footprint(program: Program, shipped: Shipped, target: Target) -> Footprint:
    """The RAM and flash of a program for a target, and each layer's share of them."""
    needs = _planned(program, shipped)
    return _measured(needs, _code(shipped.files, [f"{shipped.name}.c"], target))


def footprint_two_stage(shipped: ShippedTwoStage, target: Target) -> Footprint:
    """Those of a detector in two stages. Each network has an arena of its own; what lies between
    them, as the regions and their features, counts as variables."""
    both = {half: _planned(shipped.programs[half], one) for half, one in shipped.networks.items()}
    layers = [
        replace(layer, layer=f"{half}: {layer.layer}")
        for half, needs in both.items()
        for layer in needs.layers
    ]
    planned = Footprint(
        sum(needs.ram for needs in both.values()),
        sum(needs.flash for needs in both.values()),
        False,
        max(needs.values for needs in both.values()),
        tuple(layers),
    )
    names = (shipped.name, *(one.name for one in shipped.networks.values()))
    return _measured(planned, _code(shipped.files, [f"{name}.c" for name in names], target))


def _planned(program: Program, shipped: Shipped) -> Footprint:
    """The arena and the weights, which are known without a compiler."""
    lifetimes = program.lifetimes()
    layout = shipped.layout
    layers = []
    values = 0
    for index, (step, decision) in enumerate(zip(program.steps, layout.decisions, strict=True)):
        alive = {
            layout.offsets[name]: program.values[name].bytes
            for name, life in lifetimes.items()
            if life.first <= index <= life.last
        }
        constants = sum(constant.array.nbytes for constant in layout.step_constants[index].values())
        values = max(values, sum(alive.values()))
        ram = sum(alive.values()) + decision.scratch
        layers.append(Cost(step.name, type(step).__name__, ram, constants))
    return Footprint(layout.plan.size, layout.constant_bytes, False, values, tuple(layers))


def _measured(planned: Footprint, built: tuple[int, int, int] | None) -> Footprint:
    """With what the compiler made; as planned, where there is none."""
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


def _code(
    files: Mapping[str, bytes], sources: Sequence[str], target: Target
) -> tuple[int, int, int] | None:
    """Bytes of code and constants, of initialised and of other variables; None without tools."""
    try:
        command: Sequence[str] = target.compiler or compiler()
    except TatamiError:
        return None
    size = re.sub(r"(gcc|clang|cc)(-[\d.]+)?$", "size", command[0])
    if shutil.which(command[0]) is None or shutil.which(size) is None:
        return None
    with tempfile.TemporaryDirectory(prefix="tatami-") as temporary:
        folder = Path(temporary)
        for file, content in files.items():
            if file.endswith((".c", ".h")):
                (folder / file).write_bytes(content)
        line = [*command, "-std=c99", "-O2", *target.options, "-c", *sources]
        built = subprocess.run(line, cwd=folder, capture_output=True, check=False)
        if built.returncode != 0:
            return None
        objects = [Path(source).with_suffix(".o").name for source in sources]
        told = subprocess.run(
            [size, *objects], cwd=folder, capture_output=True, text=True, check=False
        )
    rows = [line.split()[:3] for line in told.stdout.splitlines()[1:]]
    if told.returncode != 0 or len(rows) != len(objects):
        return None
    text, data, bss = (sum(int(row[part]) for row in rows) for part in range(3))
    return text, data, bss
