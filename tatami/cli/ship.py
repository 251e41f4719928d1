"""``tatami ship``: a network as a program for a device."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal, cast

import typer
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tatami import graph
from tatami.errors import TatamiError
from tatami.files import folder_written_atomically
from tatami.pipeline.artifact import TwoStageFiles, onnx_of, with_head
from tatami.program.lower import lower
from tatami.program.steps import Program
from tatami.ship.c.build import build
from tatami.ship.c.emit import Shipped, c_name, emit, example
from tatami.ship.c.footprint import (
    Cost,
    Footprint,
    footprint,
    footprint_two_stage,
    parse_bytes,
)
from tatami.ship.c.operator import Options
from tatami.ship.c.targets import TARGETS, target_of
from tatami.ship.c.two_stage import ShippedTwoStage, emit_two_stage
from tatami.shrink.fold import fold
from tatami.types import TwoStageSpec

WIDTH = 80
COSTLY = 5
"""Layers that a refusal names."""


def ship(
    network: Annotated[
        Path,
        typer.Argument(
            help="The network, a folded ONNX file; of two stages the folder of both, or the first."
        ),
    ],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The folder.")] = None,
    to: Annotated[str, typer.Option(help="What for: c, C99 that needs no runtime.")] = "c",
    target: Annotated[
        str, typer.Option(help=f"The machine: {', '.join(TARGETS)}. What it lacks is left out.")
    ] = "any",
    threads: Annotated[
        int, typer.Option(min=1, max=64, help="The most threads that it may be compiled for.")
    ] = 1,
    ram: Annotated[
        str | None, typer.Option(help="Refuse a program that needs more, as 512K.")
    ] = None,
    flash: Annotated[
        str | None, typer.Option(help="Refuse weights and code that need more, as 2M.")
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Begins every C name; else made of the file's name.")
    ] = None,
    weights: Annotated[
        str, typer.Option(help="auto, array (a C array) or binary (included by the assembler).")
    ] = "auto",
    no_build: Annotated[bool, typer.Option("--no-build", help="Do not compile it.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, no table.")] = False,
) -> None:
    """Write a network as C that goes from pixels to boxes or classes, and compile its example."""
    if to != "c":
        raise TatamiError(f"nothing ships to '{to}'", hint="give --to c")
    if weights not in ("auto", "array", "binary"):
        raise TatamiError(
            f"no weights are written as '{weights}'", hint="give auto, array or binary"
        )
    if output is None:
        raise TatamiError("no folder given to write to", hint="name it with -o")
    machine = target_of(target)
    limits = {
        "RAM": None if ram is None else parse_bytes(ram, "--ram"),
        "flash": None if flash is None else parse_bytes(flash, "--flash"),
    }
    _refuse_to_replace(output)
    how = cast(Literal["auto", "array", "binary"], weights)
    opened = graph.read(onnx_of(network))
    options = Options(target, threads)
    if isinstance(opened.spec, TwoStageSpec):
        two = with_head(opened, onnx_of(network))
        stem = network.resolve().name if network.is_dir() else network.stem
        both = _both(two, name or c_name(stem), how, options)
        needs = footprint_two_stage(both, machine)
        _refuse_too_large(needs, limits, network, _in_integers(both.programs.values()))
        built = f"{both.name}_detect" if not no_build and not machine.compiler else None
        halves = [one.name for one in both.networks.values()]
        _write(both.files, output, both.name, built, threads, halves)
        if as_json:
            typer.echo(json.dumps(_json_of_both(both, needs, output), indent=2, ensure_ascii=False))
        else:
            _print_both(both, two.spec, needs, output, built)
        return
    try:
        program = lower(opened)
    except TatamiError as error:
        raise TatamiError(error.reason, hint=error.hint, file=network) from error
    shipped = emit(program, name or c_name(network.stem), how, options)
    needs = footprint(program, shipped, machine)
    _refuse_too_large(needs, limits, network, _in_integers([program]))
    built = None
    if program.spec is not None and not no_build and not machine.compiler:
        built = example(shipped.name, program.spec)
    _write(shipped.files, output, shipped.name, built, threads)
    if as_json:
        typer.echo(json.dumps(_json(shipped, needs, output), indent=2, ensure_ascii=False))
    else:
        _print(shipped, needs, output, built)


def _both(
    two: TwoStageFiles, name: str, weights: Literal["auto", "array", "binary"], options: Options
) -> ShippedTwoStage:
    """The networks of a detector in two stages, folded, and the C between them."""
    networks = (two.head,) if two.features is None else (two.features, two.head)
    programs = []
    for network, file in zip(networks, two.files, strict=True):
        try:
            folded, _ = fold(network)
            programs.append(lower(folded))
        except TatamiError as error:
            raise TatamiError(error.reason, hint=error.hint, file=file) from error
    *features, head = programs
    return emit_two_stage(features[0] if features else None, head, name, weights, options)


def _in_integers(programs: Iterable[Program]) -> bool:
    return any(value.quantized for program in programs for value in program.values.values())


def _write(
    files: Mapping[str, bytes],
    output: Path,
    name: str,
    built: str | None,
    threads: int,
    halves: Sequence[str] = (),
) -> None:
    """The folder, whole, with its example compiled to the file ``built`` where there is one."""
    with folder_written_atomically(output) as folder:
        for file, content in files.items():
            (folder / file).write_bytes(content)
        if built is not None:
            build(folder, name, folder / built, threads=threads, halves=halves)


def _refuse_too_large(
    needs: Footprint, limits: Mapping[str, int | None], network: Path, integers: bool
) -> None:
    """Raise TatamiError, after a table of the layers that cost most, for what a device lacks."""
    for what, limit in limits.items():
        need = needs.ram if what == "RAM" else needs.flash
        if limit is None or need <= limit:
            continue
        console = Console(stderr=True, width=WIDTH, highlight=False)
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), width=WIDTH)
        table.add_column("layers that cost most", overflow="ellipsis", no_wrap=True, ratio=1)
        for title in ("step", f"bytes of {what}"):
            table.add_column(title, justify="right", no_wrap=True)

        def cost(layer: Cost, what: str = what) -> int:
            return layer.ram if what == "RAM" else layer.flash

        for layer in sorted(needs.layers, key=cost, reverse=True)[:COSTLY]:
            table.add_row(escape(layer.layer), layer.operator, f"{cost(layer):,}")
        if needs.measured:
            rest = needs.variables if what == "RAM" else needs.code
            beside = "tables and variables" if what == "RAM" else "code and its constants"
            table.add_section()
            table.add_row(f"beside all layers: {beside}", "", f"{rest:,}")
        console.print(table)
        raise TatamiError(
            f"the program needs {need:,} bytes of {what}, and there are {limit:,}",
            hint="train it narrower or for a smaller input"
            + ("" if integers else ", or quantize it"),
            file=network,
        )


def _refuse_to_replace(folder: Path) -> None:
    """Only an empty folder, or one that an earlier ``tatami ship`` wrote, is written over."""
    if folder.is_dir() and (folder / "network.json").is_file():
        return
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise TatamiError(
            "is there already, and `tatami ship` did not write it",
            hint="name another folder",
            file=folder,
        )


def _sizes(shipped: Shipped) -> dict[str, int]:
    """Bytes of memory and of files."""
    weights = sum(len(c) for f, c in shipped.files.items() if f.startswith(f"{shipped.name}_we"))
    code = len(shipped.files[f"{shipped.name}.c"]) + len(shipped.files[f"{shipped.name}.h"])
    return {
        "arena": shipped.layout.plan.size,
        "lower_bound": shipped.layout.plan.lower_bound,
        "weights": shipped.layout.constant_bytes,
        "weights_files": weights,
        "code_files": code,
    }


def _json(shipped: Shipped, needs: Footprint, output: Path) -> dict[str, object]:
    return {
        "output": str(output),
        "name": shipped.name,
        **_sizes(shipped),
        **_needs(needs),
        "steps": [asdict(row) for row in shipped.table],
    }


def _needs(needs: Footprint) -> dict[str, object]:
    """What it takes of a device, in bytes."""
    return {
        "values": needs.values,
        "ram": needs.ram,
        "flash": needs.flash,
        "measured": needs.measured,
    }


def _json_of_both(both: ShippedTwoStage, needs: Footprint, output: Path) -> dict[str, object]:
    keys = ("network", "multiply_adds", "arena", "weights")
    return {
        "output": str(output),
        "name": both.name,
        "networks": [dict(zip(keys, row, strict=True)) for row in _halves(both)],
        **_needs(needs),
    }


def _halves(both: ShippedTwoStage) -> list[tuple[str, int, int, int]]:
    """Of each network its multiply-adds, and the bytes of its arena and weights."""
    return [
        (half, sum(row.multiply_adds for row in one.table), one.layout.plan.size,
         one.layout.constant_bytes)
        for half, one in both.networks.items()
    ]  # fmt: skip


def _print_both(
    both: ShippedTwoStage, spec: TwoStageSpec, needs: Footprint, output: Path, built: str | None
) -> None:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), width=WIDTH)
    table.add_column("network", no_wrap=True, ratio=1)
    for title in ("multiply-adds", "arena bytes", "weights bytes"):
        table.add_column(title, justify="right", no_wrap=True)
    for half, *figures in _halves(both):
        table.add_row(half, *(f"{figure:,}" for figure in figures))
    console = Console(width=WIDTH, highlight=False)
    console.print(table)
    console.print(f"the head's are of one region; at most {spec.decoding.max_regions} a picture")
    _print_end(console, needs, output, built)


def _print(shipped: Shipped, needs: Footprint, output: Path, built: str | None) -> None:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), width=WIDTH)
    table.add_column("layer", overflow="ellipsis", no_wrap=True, ratio=1)
    table.add_column("step", no_wrap=True)
    for title in ("output", "multiply-adds", "parameters", "at byte"):
        table.add_column(title, justify="right", no_wrap=True)
    for row in shipped.table:
        table.add_row(
            escape(row.layer),
            row.operator,
            "x".join(map(str, row.shape)),
            f"{row.multiply_adds:,}" if row.multiply_adds else "",
            f"{row.parameters:,}" if row.parameters else "",
            f"{row.offset:,}",
        )
    table.add_section()
    multiply_adds = sum(row.multiply_adds for row in shipped.table)
    parameters = sum(row.parameters for row in shipped.table)
    table.add_row("all", "", "", f"{multiply_adds:,}", f"{parameters:,}", "")
    sizes = _sizes(shipped)
    console = Console(width=WIDTH, highlight=False)
    console.print(table)
    ratio = sizes["arena"] / max(1, needs.values)
    console.print(
        f"arena {sizes['arena']:,} bytes, {ratio:.2f} x the {needs.values:,} of the tensors alive "
        f"at once;\nno plan can go below {needs.values:,}, or with scratch {sizes['lower_bound']:,}"
    )
    console.print(f"weights {sizes['weights']:,} bytes, source {sizes['code_files']:,} bytes")
    _print_end(console, needs, output, built)


def _print_end(console: Console, needs: Footprint, output: Path, built: str | None) -> None:
    """What it takes of a device, and where it is."""
    how = "as compiled" if needs.measured else "without code and tables: there is no compiler"
    console.print(f"on the device {needs.ram:,} bytes of RAM and {needs.flash:,} of flash, {how}")
    done = f", compiled to {output / built}" if built else ""
    console.print(f"wrote {output}{done}", markup=False, soft_wrap=True)
