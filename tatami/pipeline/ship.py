"""Ship a network: write it as a program for a device, and build its example."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from tatami import graph
from tatami.errors import TatamiError
from tatami.files import folder_written_atomically
from tatami.pipeline.artifact import Source, network_file, onnx_of, path_of, read_run
from tatami.pipeline.run_data import INTEGERS, folded_of, is_one_network, run_folder_of
from tatami.program.forward import is_quantized
from tatami.program.lower import lower
from tatami.program.steps import Program
from tatami.see.html import result_html
from tatami.ship.backend import Backend, Files, Footprint, Need, Plan, Shipped
from tatami.ship.seal import RECORDS, seal
from tatami.ship.table import backend_named
from tatami.tasks.base import Task
from tatami.tasks.structure import Part
from tatami.tasks.table import task_of
from tatami.train.run import SETTINGS
from tatami.types.table import Table, numbers, words

COSTLY = 5
"""Layers that a refusal names."""
USUAL = {"target": "any", "threads": 1, "weights": "auto", "rtl": ""}
"""How what a back end may be told usually is."""
PREFIXES = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3}


class TooLargeError(TatamiError):
    """A program needs more than a device has.

    Args:
        need: What it needs.
        limit: What there is.
        file: The network.
        quantized: Whether it is in integers already.
    """

    def __init__(self, need: Need, limit: int, file: Path, *, quantized: bool) -> None:
        self.need = need
        super().__init__(
            f"the program needs {need.amount:,} {need.unit} of {need.name}, "
            f"and there are {limit:,}",
            hint="train it narrower or for a smaller input"
            + ("" if quantized else ", or quantize it"),
            file=file,
        )

    def table(self) -> Table:
        """Lay out the layers that cost most."""
        need = self.need
        columns = (
            words("layers that cost most", flexible=True),
            *numbers("step", f"{need.unit} of {need.name}"),
        )
        costly = sorted(need.shares, key=lambda share: share.amount, reverse=True)[:COSTLY]
        rows = tuple((share.layer, share.operator, f"{share.amount:,}") for share in costly)
        rest = (f"beside all layers: {need.rest}", "", f"{need.rest_amount:,}")
        return Table(columns, rows, total=rest if need.rest else None)


@dataclass(frozen=True)
class ShipResult:
    """A shipped folder.

    Args:
        path: The folder.
        plan: What the back end made of each network.
        shipped: The files.
        footprint: What it needs of a device.
        built: The example that was built in the folder; None where there is none.
        regions: How many regions the last network looks at, at most; None where it looks at none.
        also: The run's network in integers, shipped too, where a run folder was given.
        left_out: What of a run folder did not fit on the device, a line each.
        recorded: Whether it could be recorded that the folder was shipped here (ship/seal.py).
    """

    path: Path
    plan: Plan[Any, Any]
    shipped: Shipped
    footprint: Footprint
    built: Path | None
    regions: int | None
    also: ShipResult | None = None
    left_out: tuple[str, ...] = ()
    recorded: bool = True

    @property
    def skipped(self) -> Mapping[str, int]:
        """Nothing: shipping looks at no set."""
        return {}

    @property
    def _parted(self) -> bool:
        """Whether the networks have names, and a row each."""
        return "" not in self.plan.networks

    def to_json(self) -> dict[str, Any]:
        """Give the result as plain values; that of the integers, if any, under "also"."""
        more = {} if self.also is None else {"also": self.also.to_json()}
        return {**self._to_json(), **more}

    def _to_json(self) -> dict[str, Any]:
        named = {"output": str(self.path), "name": self.shipped.name}
        needs = self.footprint.to_json()
        if self._parted:
            keys = ("network", "multiply_adds", "arena", "weights")
            networks = [dict(zip(keys, row, strict=True)) for row in self._networks()]
            return {**named, "networks": networks, **needs}
        network = self.plan.networks[""]
        return {
            **named,
            "arena": network.memory,
            **({"state": network.state} if network.state else {}),
            "lower_bound": network.lower_bound,
            "weights": network.weights,
            **self._file_sizes(),
            **needs,
            "steps": [asdict(row) for row in network.rows],
        }

    def tables(self) -> list[Table]:
        """Lay out the steps of the only network, or a row for each of several.

        What was shipped in integers, too, has the same steps, and no table.
        """
        if self._parted:
            columns = (
                words("network", flexible=True),
                *numbers("multiply-adds", "arena bytes", "weights bytes"),
            )
            rows = tuple(
                (name, *(f"{figure:,}" for figure in figures))
                for name, *figures in self._networks()
            )
            return [Table(columns, rows)]
        columns = (
            words("layer", flexible=True),
            words("step"),
            *numbers("output", "multiply-adds", "parameters", "at byte"),
        )
        steps = self.plan.networks[""].rows
        rows = tuple(
            (
                row.layer,
                row.operator,
                "x".join(map(str, row.shape)),
                f"{row.multiply_adds:,}" if row.multiply_adds else "",
                f"{row.parameters:,}" if row.parameters else "",
                f"{row.offset:,}",
            )
            for row in steps
        )
        multiply_adds = sum(row.multiply_adds for row in steps)
        parameters = sum(row.parameters for row in steps)
        total = ("all", "", "", f"{multiply_adds:,}", f"{parameters:,}", "")
        return [Table(columns, rows, total=total)]

    def lines(self) -> list[str]:
        """Say what it takes of a device and where it is."""
        done = f", compiled to {self.built}" if self.built else ""
        lines = [*self._about(), *self.footprint.lines(), f"wrote {self.path}{done}"]
        also = (
            [] if self.also is None else ["", f"in 8 bits, {self.also.path}:", *self.also.lines()]
        )
        if not self.recorded:
            lines.append(f"not recorded, for want of a writable {RECORDS}: to open it, trust it")
        return [*self.left_out, *lines, *also]

    def _about(self) -> list[str]:
        if self._parted:
            last = list(self.plan.networks)[-1]
            if self.regions is None:
                return [f"the {last}'s are of one call"]
            return [f"the {last}'s are of one region; at most {self.regions} a picture"]
        network = self.plan.networks[""]
        needs = self.footprint.to_json()
        alive = needs["values"]
        if "map_memory" in needs:
            return [
                f"map memory {network.memory:,} bytes, {alive:,} of them alive at once; Verilog "
                f"{self._file_sizes()['code_files']:,} bytes"
            ]
        return [
            f"arena {network.memory:,} bytes, {network.memory / max(1, alive):.2f} x the {alive:,} "
            "of the tensors alive at once;",
            f"no plan can go below {alive:,}, or with scratch {network.lower_bound:,}",
            *([f"{network.state:,} bytes of it live from call to call"] if network.state else []),
            f"weights {network.weights:,} bytes, source {self._file_sizes()['code_files']:,} bytes",
        ]

    def _networks(self) -> list[tuple[str, int, int, int]]:
        """Give for each network its multiply-adds, and the bytes of its memory and weights."""
        return [
            (name, sum(row.multiply_adds for row in one.rows), one.memory, one.weights)
            for name, one in self.plan.networks.items()
        ]

    def _file_sizes(self) -> dict[str, int]:
        files, name = self.shipped.files, self.shipped.name
        weights = (f"{name}_we", f"{name}_rtl.bin")
        sources = (f"{name}.c", f"{name}.h")
        code = [f for f in files if Path(f).name in sources or f.endswith(".v")]
        return {
            "weights_files": sum(
                files.size(file) for file in files if Path(file).name.startswith(weights)
            ),
            "code_files": sum(files.size(file) for file in code),
        }

    def _repr_html_(self) -> str:
        """Show the tables and lines in a notebook."""
        return result_html(self.tables(), self.lines())


def ship(
    network: Source,
    out: str | Path | None = None,
    *,
    to: str = "c",
    target: str = "any",
    threads: int = 1,
    ram: str | int | None = None,
    flash: str | int | None = None,
    name: str | None = None,
    weights: str = "auto",
    rtl: str = "",
    build: bool = True,
) -> ShipResult:
    """Write a network as a program that goes from pixels to answers, and build its example.

    Args:
        network: A run folder, of which the folded network is taken, and made where it is not there;
            or a folded ONNX file, for a detector in two stages its first one or their folder.
        out: The folder to write. One that was shipped before is replaced. None: of a run folder
            both its folded network, to RUN/c, and that in 8 bits, to RUN/c-int8; of a file that
            lies in a run folder the one of the two that it is. A back end of integers alone takes
            of a run folder the network in 8 bits, to RUN/rtl.
        to: The back end: "c", C99 that needs no runtime, "wasm", a page for browsers that runs it,
            or "rtl", Verilog.
        target: The machine: what it lacks is left out.
        threads: The most threads that it may be compiled for.
        ram: Refuse a program that needs more, as "512K" or in bytes.
        flash: Refuse weights and code that need more, as "2M" or in bytes.
        name: Begins every name in C; None: it is made of the file's name.
        weights: "auto", "array" (a C array) or "binary" (included by the assembler).
        rtl: For Verilog: the engine's parameters, as "LANES=16,PIXELS=2".
        build: Whether to compile the example, where it runs on this machine.

    Raises:
        TatamiError: For a network that cannot be shipped, and for a folder that holds anything
            else. TooLargeError where the device is too small.
    """
    backend, path = backend_named(to), path_of(network)
    if out is None:
        of_run = run_folder_of(path)
        if of_run is None:
            raise TatamiError("no folder given to write to", hint="name one", setting="out")
        usual = of_run / to, of_run / f"{to}-int8"
        if backend.only_integers:
            out = usual[0]
        elif (path / SETTINGS).is_file():
            return _ship_run(
                path,
                usual,
                to=to,
                target=target,
                threads=threads,
                ram=ram,
                flash=flash,
                name=name,
                weights=weights,
                build=build,
            )
        else:
            out = usual[is_quantized(graph.read(onnx_of(path)))]
    folder = Path(out)
    if (path / SETTINGS).is_file() and backend.only_integers:
        path = integers_of(path)
    elif (path / SETTINGS).is_file() and is_one_network(read_run(path)):
        path = folded_of(path)
    settings = {"target": target, "threads": threads, "weights": weights, "rtl": rtl}
    options = backend.options(**{k: v for k, v in settings.items() if v != USUAL[k]})
    limits = {"RAM": parse_bytes(ram, "ram"), "flash": parse_bytes(flash, "flash")}
    _check_replaceable(folder, backend)
    file = onnx_of(path)
    task, parts, regions = _parts(file)
    programs = {part.name: _lowered(part) for part in parts}
    stem = path.resolve().name if path.is_dir() else path.stem
    try:
        plan = backend.plan(programs, name or backend.name_of(stem), options, task)
    except TatamiError as error:
        raise error if error.setting else error.at(path) from error
    program = backend.emit(plan)
    footprint = backend.footprint(plan, program)
    known = {need.name for need in footprint.needs}
    for name_of_limit, limit in limits.items():
        if limit is not None and name_of_limit not in known:
            raise TatamiError(
                f"{backend.what} needs no {name_of_limit}",
                hint=f"it needs {' and '.join(sorted(known))}",
                setting=name_of_limit.lower(),
            )
    over = footprint.exceeded(limits)
    if over is not None:
        quantized = any(_quantized(program) for program in programs.values())
        raise TooLargeError(over, limits[over.name] or 0, path, quantized=quantized)
    beside = {file: content.encode() for file, content in backend.beside(plan).items()}
    shipped = replace(program, files=Files({**program.files.contents, **beside}))
    with folder_written_atomically(folder) as place:
        shipped.files.write(place)
        built = backend.build(plan, shipped, place) if build else None
        # Of what lies beside the program, only C is ever compiled.
        sealed = [*program.files, *(file for file in beside if file.endswith(".c"))]
        recorded = seal(place, [*sealed, *([] if built is None else [built])])
    return ShipResult(
        folder,
        plan,
        shipped,
        footprint,
        None if built is None else folder / built,
        regions,
        recorded=recorded,
    )


def _ship_run(run: Path, folders: tuple[Path, Path], **options: Any) -> ShipResult:
    """Ship the networks of a run: the folded one, and the one in 8 bits where there is one.

    Raises:
        TatamiError: As ship does; TooLargeError where none of them fits.
    """
    first = network_file(run)
    floats = folded_of(run) if is_one_network(read_run(run)) else first
    sources = [floats, *(path for path in [run / INTEGERS] if path.is_file())]
    done: list[ShipResult] = []
    left_out: list[str] = []
    for source, folder in zip(sources, folders, strict=False):
        try:
            done.append(ship(source, folder, **options))
        except TooLargeError as error:
            if source is sources[-1] and not done:
                raise
            left_out.append(f"not shipped: {error}")
    also = done[1] if len(done) > 1 else None
    return replace(done[0], also=also, left_out=tuple(left_out))


def integers_of(run: Path) -> Path:
    """Find a run's network in 8 bits.

    Raises:
        TatamiError: Where there is none.
    """
    file = run / INTEGERS
    if not file.is_file():
        raise TatamiError(
            "there is no network in 8 bits, and the engine runs no other",
            hint="quantize it first",
            file=run,
        )
    return file


def _parts(file: Path) -> tuple[Task[Any, Any, Any] | None, tuple[Part, ...], int | None]:
    """Read the networks of a file: one of another program is bare, and has no task.

    Returns:
        The task, the networks, and how many regions the last of them looks at, at most.
    """
    network = graph.read(file)
    if network.spec is None:
        return None, (Part("", network, file),), None
    task = task_of(network.spec)
    structure = task.structure(network.spec)
    parts = structure.folded(structure.parts(network, file))
    return task, parts, structure.regions(network.spec)


def _lowered(part: Part) -> Program:
    try:
        return lower(part.network)
    except TatamiError as error:
        raise error.at(part.file) from error


def _quantized(program: Program) -> bool:
    return any(value.quantized for value in program.values.values())


def parse_bytes(text: str | int | None, setting: str) -> int | None:
    """Read a number of bytes: ``512K`` is 512 * 1,024 of them, ``2M`` 2 * 1,024 * 1,024.

    Args:
        text: What is read; a number is given back, and None, too.
        setting: The parameter that an error names.

    Raises:
        TatamiError: For anything else.
    """
    if text is None or isinstance(text, int):
        return text
    match = re.fullmatch(r"(\d{1,12})([KMG]?)(i?B)?", text.strip(), re.IGNORECASE)
    if match is None or int(match[1]) == 0:
        raise TatamiError(
            f"{text} is no number of bytes", hint="give one as 512K or 2M", setting=setting
        )
    return int(match[1]) * PREFIXES[match[2].upper()]


def _check_replaceable(folder: Path, backend: Backend[Any, Any]) -> None:
    """Write over an empty folder only, or over one that an earlier ``ship`` wrote."""
    if folder.is_dir() and backend.wrote(folder):
        return
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise TatamiError(
            "is there already, and shipping did not write it",
            hint="name another folder",
            file=folder,
        )
