"""Verilog as a back end: the engine, and what it is told of one network."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tatami.errors import TatamiError
from tatami.graph.metadata import from_metadata, to_metadata
from tatami.program.steps import Program, parameters
from tatami.rules.regions import Propose
from tatami.ship.backend import (
    Backend,
    Files,
    Footprint,
    Need,
    Plan,
    PlannedNetwork,
    Programs,
    Row,
    Running,
    Share,
    Shipped,
)
from tatami.ship.c.backend import C
from tatami.ship.c.emit import PlanInC
from tatami.ship.c.names import c_name
from tatami.ship.c.tasks.base import TaskInC
from tatami.ship.rtl.core import MODULES, Core, core_of
from tatami.ship.rtl.driver import FOLDER, divided, driver_files, image_file, plan_driver
from tatami.ship.rtl.frame import Frame, check_tail, frame_from, frame_of
from tatami.ship.rtl.lower import Lowered
from tatami.ship.rtl.model import FrameTime, frame_time
from tatami.ship.rtl.run import SimulatedNetwork, kind_of, running
from tatami.ship.rtl.strips import lower_twice
from tatami.types import Spec

MANIFEST = "rtl.json"
"""What says that a folder is of this back end, and all that runs it again."""
FORMAT = 2
"""Of the manifest."""
BANK = 9 * 4
"""Bytes of a word of each of the nine banks."""
CLOCK = 150e6
"""Hz for which rates are said: what such engines are usually clocked with on a small part."""
USUAL = {"target": "any", "threads": 1, "weights": "auto", "rtl": ""}
"""What may be set, and how it usually is."""


@dataclass(frozen=True)
class Options:
    """Say how a network is shipped as RTL.

    Args:
        core: The engine.
    """

    core: Core


@dataclass(frozen=True)
class NetworkInRtl(PlannedNetwork):
    """Hold what the engine is told of a network.

    Args:
        lowered: What it is told.
        frame: What runs it.
        trace: The same where every value leaves.
        time: How long a frame takes.
        beside: The C of what is left to the processor.
    """

    lowered: Lowered
    frame: Frame
    trace: Frame
    time: FrameTime
    beside: PlanInC


@dataclass(frozen=True)
class FootprintInRtl(Footprint):
    """Hold what an engine with a network takes.

    Args:
        network: The network.
    """

    network: NetworkInRtl

    @property
    def needs(self) -> tuple[Need, ...]:
        """List map memory and DDR."""
        time = self.network.time
        read = tuple(Share(one.name, one.operator, one.constants) for one in time.layers)
        maps = tuple(
            Share(run.work.name, run.work.operator, run.source.size * BANK)
            for run in self.network.lowered.runs
        )
        return (
            Need("map memory", "bytes", self.network.memory, maps),
            Need("DDR", "bytes", self.network.lowered.end, read),
        )

    def to_json(self) -> dict[str, Any]:
        """Give the needs, and what a frame takes, as plain values."""
        return {
            "values": self.network.lower_bound,
            "map_memory": self.network.memory,
            "ddr": self.network.lowered.end,
            **self.network.time.to_json(),
        }

    def lines(self) -> list[str]:
        """Say the needs in words."""
        return [
            f"on the device {self.network.lowered.end:,} bytes of DDR, of them "
            f"{self.network.weights:,} constants",
            *self.network.time.lines(CLOCK),
        ]


class Rtl(Backend[NetworkInRtl, Options]):
    """Ship an engine in Verilog with the commands and constants of one network in 8 bits."""

    name = "rtl"
    what = "Verilog, and what its engine is told of one network in 8 bits"
    only_integers = True

    def added_by(self, task: object | None) -> Any:
        """Give what a task adds in C, which the processor beside the engine runs."""
        return C().added_by(task)

    def targets(self) -> Mapping[str, str]:
        """Name the only target: Verilog is for any part."""
        return {"any": "any FPGA"}

    def emulated(self) -> tuple[str, ...]:
        """Name nothing: the engine is simulated as it is opened."""
        return ()

    def options(self, **settings: Any) -> Options:
        """Make options of ``rtl``, the engine's parameters as LANES=16; no other can be set.

        Raises:
            TatamiError: For a setting that there is not, and parameters that no engine has.
        """
        for setting, value in settings.items():
            if USUAL.get(setting) != value and setting != "rtl":
                raise TatamiError(
                    "RTL has no such setting", hint="give the engine's parameters", setting=setting
                )
        return Options(core_of(str(settings.get("rtl", ""))))

    def name_of(self, text: str) -> str:
        """Make a C name, as that of the driver."""
        return c_name(text)

    def plan(
        self,
        programs: Programs,
        name: str,
        options: Options | None = None,
        task: object | None = None,
    ) -> Plan[NetworkInRtl, Options]:
        """Lower the only program to what the engine is told, and plan the C beside it."""
        options = options or self.options()
        if len(programs) != 1:
            raise TatamiError(
                f"the engine runs one network, not {', '.join(programs)}",
                hint="it would need a program of several frames, and regions between them",
            )
        ((part, program),) = programs.items()
        network = planned(program, name, options.core, self.added_by(task))
        return Plan(name, {part: network}, options, network.beside.added)

    def emit(self, plan: Plan[NetworkInRtl, Options]) -> Shipped:
        """Write the Verilog, the driver with what it loads, the manifest and how to use them."""
        (network,) = plan.networks.values()
        frame, trace = network.frame, network.trace
        verilog = {file.name: file.read_bytes() for file in sorted(MODULES.glob("*.v"))}
        driver = driver_files(frame, network.beside)
        same = trace.constants == frame.constants  # but for maps that are copied to leave
        spec = network.program.spec
        manifest = {
            "format": FORMAT,
            "name": plan.name,
            "metadata": None if spec is None else to_metadata(spec),
            "verilog": list(verilog),
            "frame": frame.to_json(),
            "trace": trace.to_json(),
        }
        files = {
            **verilog,
            MANIFEST: json.dumps(manifest, ensure_ascii=False, indent=1).encode(),
            "trace-commands.bin": trace.commands,
            **({} if same else {"trace-constants.bin": trace.constants}),
            "README.md": readme(plan.name, network).encode(),
            **{f"{FOLDER}/{file}": content for file, content in driver.items()},
        }
        return Shipped(plan.name, Files(files), None)

    def footprint(self, plan: Plan[NetworkInRtl, Options], shipped: Shipped) -> FootprintInRtl:
        """Say what the engine keeps in block RAM and in DDR, and what a frame takes."""
        (network,) = plan.networks.values()
        return FootprintInRtl(network)

    def build(self, plan: Plan[NetworkInRtl, Options], shipped: Shipped, folder: Path) -> None:
        """Build nothing: the simulator is built when the folder is opened."""

    def wrote(self, folder: Path) -> bool:
        """Say whether there is an rtl.json."""
        return (folder / MANIFEST).is_file()

    def spec(self, folder: Path) -> Spec | None:
        """Read the spec in rtl.json."""
        return _read(folder)[0]

    def variants(self, folder: Path, target: str | None = None) -> tuple[str, ...]:
        """Name the engine: there is one."""
        return (kind_of(_read(folder)[1].core),)

    def open(
        self,
        folder: Path,
        task: object | None = None,
        *,
        variant: str | None = None,
        target: str | None = None,
        find: Propose | None = None,
        built: bool = True,
    ) -> Running:
        """Build the simulator of the folder's Verilog, and run it."""
        spec, frame, trace = _read(folder)
        return running(spec, SimulatedNetwork(frame, trace, folder), task)


def planned(program: Program, name: str, core: Core, task: TaskInC[Any] | None) -> NetworkInRtl:
    """Lower a program, and say what becomes of each step.

    Args:
        program: The program.
        name: Begins every name of the C beside the engine.
        core: The engine.
        task: What the network's task adds in C; None: it is bare.

    Raises:
        TatamiError: For a step that the engine cannot do, by its name, and as C's own plan does.
    """
    lowered, trace = lower_twice(program, core)
    check_tail(lowered)
    frame = frame_of(lowered)
    rows = tuple(
        Row(
            step.name, type(step).__name__, step.output, program.values[step.output].shape,
            program.multiply_adds(step), parameters(step),
            lowered.places[step.output].base * BANK if step.output in lowered.places else 0,
        )
        for step in program.steps
    )  # fmt: skip
    return NetworkInRtl(
        name, program, rows, lowered.map_words * BANK, lowered.least_words * BANK,
        len(lowered.constants), lowered, frame, frame_of(trace), frame_time(lowered),
        plan_driver(program, frame, name, task),
    )  # fmt: skip


def _read(folder: Path) -> tuple[Spec | None, Frame, Frame]:
    """Read rtl.json and the files beside it.

    Raises:
        TatamiError: Where it is missing, damaged or of another version.
    """
    path = folder / MANIFEST
    try:
        content = json.loads(path.read_bytes())
        if content["format"] != FORMAT:
            raise TatamiError(
                f"{MANIFEST} has the format {content['format']!r}, not {FORMAT}",
                hint="ship again with this version",
                file=path,
            )
        metadata = content["metadata"]
        spec = None if metadata is None else from_metadata(metadata)
        if not str(content["name"]).isidentifier():
            raise ValueError("a name that no folder was shipped under")
        whole = (folder / FOLDER / image_file(content["name"])).read_bytes()
        frame = frame_from(content["frame"], *divided(content["frame"], whole))
        own = folder / "trace-constants.bin"
        trace = frame_from(
            content["trace"],
            (folder / "trace-commands.bin").read_bytes(),
            own.read_bytes() if own.is_file() else frame.constants,
        )
    except (ArithmeticError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise TatamiError(f"{MANIFEST} is damaged", hint="ship again", file=path) from None
    except OSError as error:
        raise TatamiError(
            f"cannot be read: {error.strerror}", hint="ship again", file=path
        ) from None
    return spec, frame, trace


def readme(name: str, network: NetworkInRtl) -> str:
    """Say what the files are and how they are used."""
    lowered, time = network.lowered, network.time
    chosen = "\n".join(f"    .{key}({value})," for key, value in lowered.core.verilog.items())
    places = [
        f"| {what} | {planes.address:,} | {planes.size:,} | {planes.count} planes of "
        f"{planes.channels} channels, {planes.shape[1]} x {planes.shape[2]} pixels, "
        f"{'32-bit sums' if planes.sample == 4 else 'bytes'} |"
        for what, planes in [
            *((f"input `{key}`", each) for key, each in lowered.inputs.items()),
            *((f"`{key}`", each) for key, parts in lowered.streams.items() for each in parts),
        ]
    ]
    return README.format(
        name=name, parameters=chosen, places="\n".join(places),
        constants_at=f"{lowered.constants_at:,}", constants=f"{len(lowered.constants):,}",
        commands_at=f"{lowered.program_at:,}", commands=f"{4 * len(lowered.words):,}",
        lines="\n".join(time.lines(CLOCK)),
    )  # fmt: skip


README = """# {name} as RTL

`tatami_core.v` is the engine: streams in and out. `tatami_axi.v` puts it on AXI4 and AXI4-Lite.
Each module says at its head what it does. For this network the parameters are

{parameters}

What lies in DDR, in bytes from the frame's base:

| what | at | bytes | as |
|---|---|---|---|
{places}
| constants | {constants_at} | {constants} | rows of weights and of channels' factors |
| commands | {commands_at} | {commands} | 32-bit words, little-endian |

A map is planes of a few channels; each plane is its pixels in the order of reading, each pixel its
channels. Constants and commands are `driver/{name}_rtl.bin`, from the first constant on. rtl.json
says the same for programs, and what the sums of an output are multiplied by. trace-commands.bin
(with trace-constants.bin, where those are not the same) is of a frame in which every layer's map
leaves, for comparison; the engine does not need it.

`driver/` is C99 for the processor beside the engine. `{name}.c` is its share of the network: how a
picture is prepared, and what becomes of the engine's outputs. `{name}_rtl.c` says where they lie,
and `tatami_rtl.c` drives the engine, on bare metal or as a UIO device of Linux. `make` builds the
example `main.c`; a bare network has none.

By the model, which the counters of the simulated engine equal:

{lines}
"""
