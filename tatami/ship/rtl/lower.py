"""From a program to what the engine is told: commands, the stream of constants, and maps in DDR.

Steps are taken in order. Those that the engine does become layers; what only follows them, as the
step from a sum to a float, is left to the processor beside it. A concatenation is addresses: what
it joins is made where it lies.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tatami.errors import TatamiError
from tatami.program.memory import Buffer, plan
from tatami.program.steps import (
    Concat,
    Dequantize,
    Program,
    QuantizedAdd,
    QuantizedExtreme,
    Shape,
    SpaceToDepth,
    Step,
    ToFloat,
)
from tatami.ship.rtl.commands import (
    AFTER_LAYER,
    AFTER_LOAD,
    MAPS_IN,
    MAPS_OUT,
    Command,
    Constants,
    End,
    Layer,
    Load,
    Lookup,
    Transfer,
)
from tatami.ship.rtl.core import Core, sized
from tatami.ship.rtl.engine_steps import Work, copy_of, refused, unfused, work_of
from tatami.ship.rtl.place import Place, ceil_div, target_fields

Array = NDArray[Any]
LEAVING = "Leaving"
"""What a layer is called that only lets a map leave."""
ALIGNMENT = 64
"""Bytes, of whatever lies in DDR."""


@dataclass(frozen=True)
class Home:
    """Say where a value lies in a buffer.

    Args:
        buffer: The buffer's name, that of the value which fills it.
        first: The word of a pixel at which it begins.
        lies: The place of each channel, counted from there.
    """

    buffer: str
    first: int
    lies: tuple[int, ...]


@dataclass(frozen=True)
class Planes:
    """Say where a map lies in DDR: planes of a few channels, each in the order of reading.

    Args:
        address: Of the first plane, in bytes.
        shape: Of the map.
        lies: The place of each channel.
        channels: Of a plane, as many as a pixel of it has samples.
        sample: Bytes of each: 1, or 4 of a sum.
        part: Where the first one lies among the value's.
    """

    address: int
    shape: Shape
    lies: tuple[int, ...]
    channels: int
    sample: int = 1
    part: int = 0

    @property
    def count(self) -> int:
        """How many planes there are."""
        return ceil_div(self.lies[-1] + 1, self.channels)

    @property
    def line(self) -> int:
        """Bytes of a row of a plane."""
        return self.shape[2] * self.channels * self.sample

    @property
    def plane(self) -> int:
        """Bytes of a plane."""
        return self.shape[1] * self.line

    @property
    def size(self) -> int:
        """Bytes of all planes."""
        return self.count * self.plane

    def transfer(self, code: int, rows: tuple[int, int] | None = None) -> Transfer:
        """Say which bytes of DDR are some of its rows, from one on to before another; None: all."""
        begin, end = rows or (0, self.shape[1])
        return Transfer(
            code, self.address + begin * self.line, (end - begin) * self.line, self.count,
            self.plane,
        )  # fmt: skip

    def pack(self, array: Array) -> bytes:
        """Lay a map (channels, rows, columns) out as it lies in DDR."""
        _, rows, columns = self.shape
        wide = np.zeros((self.count * self.channels, rows, columns), np.uint8)
        wide[list(self.lies)] = array
        planes = wide.reshape(self.count, self.channels, rows, columns)
        return planes.transpose(0, 2, 3, 1).tobytes()

    def unpack(self, content: bytes) -> Array:
        """Read a map (channels, rows, columns) of bytes, or of sums in int32."""
        _, rows, columns = self.shape
        flat = np.frombuffer(content, np.int32 if self.sample == 4 else np.uint8)
        planes = flat.reshape(self.count, rows, columns, self.channels).transpose(0, 3, 1, 2)
        return planes.reshape(-1, rows, columns)[list(self.lies)]


@dataclass(frozen=True, eq=False)
class Run:
    """Say which work a layer command does, and where.

    Args:
        work: The work.
        layer: The command.
        source: The map that it reads.
        constants: Rows of constants that it brings.
    """

    work: Work
    layer: Layer
    source: Place
    constants: int


@dataclass(frozen=True, eq=False)
class Lowered:
    """Hold what the engine is told of one program.

    Args:
        core: The engine, every parameter chosen.
        program: The whole program.
        commands: In order.
        constants: The stream of them.
        runs: The layers, in order.
        inputs: Where the engine's inputs lie in DDR, by name.
        streams: Where values come to lie in DDR, in parts, by name.
        joins: Where each input of a concatenation lies among its channels, by its output's name.
        tail: The steps that are left to the processor.
        program_at: Where the commands lie in DDR.
        constants_at: Where the constants lie.
        end: Bytes of DDR that are used.
        map_words: Words of a bank that the maps take.
        least_words: The same of what is alive at once, at most.
        places: Where each value lies in the map memory.
        first: Where a frame loads the picture of the next one: the program before the first frame,
            which loads its own.
    """

    core: Core
    program: Program
    commands: tuple[Command, ...]
    constants: bytes
    runs: tuple[Run, ...]
    inputs: Mapping[str, Planes]
    streams: Mapping[str, tuple[Planes, ...]]
    joins: Mapping[str, tuple[int, ...]]
    tail: tuple[Step, ...]
    program_at: int
    constants_at: int
    end: int
    map_words: int
    least_words: int
    places: Mapping[str, Place]
    first: tuple[Command, ...] = ()

    @property
    def words(self) -> list[int]:
        """The commands as words."""
        return [word for command in self.commands for word in command.words()]

    @property
    def first_at(self) -> int:
        """Where the words of ``first`` lie in DDR."""
        return self.program_at + 4 * len(self.words)

    @property
    def scales(self) -> dict[str, NDArray[np.float32]]:
        """What the sums of a value that leaves so stand for, a channel each, by name."""
        return {run.work.output: run.work.scale for run in self.runs if run.work.scale is not None}

    @property
    def made(self) -> tuple[str, ...]:
        """The values that the engine makes, in order, those that only addresses make too."""
        steps = [step for step in self.program.steps if step not in self.tail]
        return tuple(step.output for step in steps)


# What goes where ----------------------------------------------------------------------------------


def divided(program: Program) -> tuple[list[Step], list[Step]]:
    """Divide a program's steps: the engine's, and those after them that the processor does.

    Raises:
        TatamiError: Where the engine cannot do a step that one with products needs, by its name.
    """
    engine: list[Step] = []
    tail: list[Step] = []
    known = {name for name in program.inputs if program.values[name].quantization is not None}
    reasons: dict[str, TatamiError] = {}
    reals: set[str] = set()
    for step in program.steps:
        after = next((name for name in step.inputs if name in reasons), None)
        error = reasons.get(after or "")
        if error is not None and after in reals and not isinstance(step, Dequantize):
            error = refused(step, "it computes with real numbers", "its own form in 8 bits")
        if error is None:
            try:
                _check(program, step, known)
            except TatamiError as found:
                error = found
        if error is None:
            engine.append(step)
            raw = isinstance(getattr(step, "result", None), ToFloat)
            if raw:
                reasons[step.output] = refused(step, "its result is real numbers", "quantized sums")
            else:
                known.add(step.output)
            continue
        if program.multiply_adds(step):
            raise error
        tail.append(step)
        reasons[step.output] = error
        if isinstance(step, Dequantize):
            reals.add(step.output)
    if not engine:
        if reasons:
            raise next(iter(reasons.values()))
        raise TatamiError(
            "there is nothing that the engine could do",
            hint="it runs networks in 8 bits: quantize it",
        )
    return engine, tail


def _check(program: Program, step: Step, known: set[str]) -> None:
    if isinstance(step, Concat):
        if step.axis != 0 or program.values[step.output].quantization is None:
            raise refused(step, "it joins no channels of bytes", "addresses along another axis")
    else:
        work_of(program, step)
    missing = [name for name in step.inputs if name not in known]
    if missing:
        raise refused(step, f"'{missing[0]}' is not on the engine", "that value in bytes")


def words_of(lies: Sequence[int]) -> int:
    """Count the words of a pixel whose channels lie so."""
    return ceil_div(lies[-1] + 1, 4)


def _homes(program: Program, steps: Sequence[Step]) -> tuple[dict[str, Home], set[tuple[str, int]]]:
    """Find where each value lies in which buffer, and which inputs of concatenations are copied."""
    copied: set[tuple[str, int]] = set()
    parents: dict[str, tuple[str, int]] = {}
    single = {
        name
        for step in steps
        if isinstance(step, QuantizedAdd | QuantizedExtreme)
        for name in (*step.inputs, step.output)
    }
    for step in reversed(steps):
        if isinstance(step, Concat):
            for index, name in enumerate(step.inputs):
                if name in parents or name in single or step.inputs.index(name) != index:
                    copied.add((step.output, index))
                else:
                    parents[name] = step.output, index
    by_output = {step.output: step for step in steps}
    lies: dict[str, tuple[int, ...]] = {}
    offsets: dict[tuple[str, int], int] = {}
    for name in program.inputs:
        lies[name] = tuple(range(program.values[name].shape[0]))
    for step in steps:
        if isinstance(step, Concat):
            joined: list[int] = []
            begin = 0
            for index, name in enumerate(step.inputs):
                offsets[step.output, index] = begin // 4
                joined += [begin + each for each in lies[name]]
                begin += words_of(lies[name]) * 4
            lies[step.output] = tuple(joined)
        elif isinstance(step, SpaceToDepth):
            source = lies[step.inputs[0]]
            lies[step.output] = tuple(
                part * words_of(source) * 4 + place
                for part in range(step.block**2)
                for place in source
            )
        elif work_of(program, step)[0].fields.get("by_tile"):
            lies[step.output] = lies[step.inputs[0]]
        else:
            lies[step.output] = tuple(range(program.values[step.output].shape[0]))
    homes: dict[str, Home] = {}

    def home(name: str) -> Home:
        if name not in homes:
            if name in parents:
                parent, index = parents[name]
                of = home(parent)
                homes[name] = Home(of.buffer, of.first + offsets[parent, index], lies[name])
            else:
                homes[name] = Home(name, 0, lies[name])
        return homes[name]

    for name in (*program.inputs, *by_output):
        if name in lies:
            home(name)
    return homes, copied


def works_of(program: Program, steps: Iterable[Step], copied: set[tuple[str, int]],
             homes: Mapping[str, Home]) -> list[Work]:  # fmt: skip
    """List all that the engine does, in order; concatenations only where something is copied."""
    works: list[Work] = []
    for step in steps:
        if not isinstance(step, Concat):
            made = work_of(program, step)
            if not isinstance(step, SpaceToDepth):
                works += made
                continue
            width = words_of(homes[step.inputs[0]].lies) * 4  # of a part, where there are several
            works += [replace(work, part=index * width) for index, work in enumerate(made)]
            continue
        begin = 0
        for index, name in enumerate(step.inputs):
            words = words_of(homes[name].lies)
            if (step.output, index) in copied:
                works.append(copy_of(program, name, step.output, begin * 4))
            begin += words
    return works


def _fused(program: Program, works: Sequence[Work]) -> list[Work]:
    """Let the bytes that only a table reads go through it before they are written."""
    readers = Counter(name for step in program.steps for name in step.inputs)
    readers.update(program.outputs)
    made = {work.output for work in works if work.table is None and work.operator != "Concat"}
    by_source = {
        work.inputs[0]: work
        for work in works
        if work.operator == "Table" and work.inputs[0] in made and readers[work.inputs[0]] == 1
    }
    fused = []
    for work in works:
        after = by_source.get(work.output)
        if after is not None:
            fields = {**work.fields, "through_table": 1}
            work = replace(work, output=after.output, fields=fields, table=after.table)
        if by_source.get(work.inputs[0]) is not work:
            fused.append(work)
    return fused


def _leaving(
    program: Program, works: Sequence[Work], wanted: set[str], *, observe: bool
) -> list[Work]:
    """Let maps that are made out of order leave when they are whole."""
    last = {work.output: index for index, work in enumerate(works)}
    found = []
    for index, work in enumerate(works):
        found.append(work)
        out_of_order = work.step != (1, 1) and last[work.output] == index
        if out_of_order and (observe or work.output in wanted):
            copied = copy_of(program, work.output, work.output, 0)
            found.append(replace(copied, operator=LEAVING))
    return found


# The whole ----------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Layout:
    """Hold what the engine does of a program, and where its maps lie, however large their memory.

    Args:
        program: The program, pools of their own where the engine does not do them on sums.
        steps: The engine's steps.
        tail: Those that are left to the processor.
        homes: Where each value lies in which buffer.
        works: What the engine does, in order.
        leaves: Of each of these, whether what it makes leaves as bytes.
        used: The inputs that it reads.
        again: The work from which on the next picture comes in; None: it does not.
        places: Where each value lies in the map memory.
        words: Of a bank, that the maps take.
        least: The same of what is alive at once, at most.
        rows: Of constants, that must be held at once.
        bits: Of the largest sum.
    """

    program: Program
    steps: Sequence[Step]
    tail: Sequence[Step]
    homes: Mapping[str, Home]
    works: Sequence[Work]
    leaves: Sequence[bool]
    used: Sequence[str]
    again: int | None
    places: Mapping[str, Place]
    words: int
    least: int
    rows: int
    bits: int


def lay_out(program: Program, core: Core, *, observe: bool = False, ahead: bool = False) -> Layout:
    """Say what the engine does of a program, and where its maps lie; arguments as of ``lower``.

    Raises:
        TatamiError: For a step that the engine cannot do, by name, and where the next picture has
            no time to come in.
    """
    if program.states:
        raise TatamiError(
            f"'{next(iter(program.states))}' lives from call to call",
            hint="the engine would need an address that a frame leaves for the next one",
        )
    program = unfused(program)
    steps, tail = divided(program)
    homes, copied = _homes(program, steps)
    works = _fused(program, works_of(program, steps, copied, homes))
    wanted = _wanted(program, steps, tail)
    works = _leaving(program, works, wanted, observe=observe)
    # what a concatenation copies leaves as what it was copied from
    leaves = [
        work.step == (1, 1) and (observe or (work.output in wanted and work.operator != "Concat"))
        for work in works
    ]
    used = _used(program, steps, works)
    again = _again(program, core, works, homes, used) if ahead else None
    places, words, least = _place_all(program, works, homes, used, again)
    rows = max(work.tile_rows(core, places[work.inputs[0]]) for work in works) + 1
    bits = max(work.bound for work in works).bit_length() + 1
    return Layout(
        program, steps, tail, homes, works, leaves, used, again, places, words, least, rows, bits
    )


def lower(program: Program, core: Core, *, observe: bool = False, ahead: bool = False) -> Lowered:
    """Lower a program to what the engine is told.

    Args:
        program: The program, quantized.
        core: The engine; what it leaves open is chosen.
        observe: Whether every value that is written comes to lie in DDR, too, so that it can be
            compared.
        ahead: Whether the picture of the next frame comes in while the last layers are computed.

    Raises:
        TatamiError: For a step that the engine cannot do, by name, for a network that does not fit
            the engine, and for one in which the next picture has no time to come in.
    """
    return told(lay_out(program, core, observe=observe, ahead=ahead), core)


@dataclass
class Telling:
    """Collect what the engine is told, in order.

    Args:
        core: The engine.
        commands: So far.
        constants: So far, of one layer after another.
        runs: The layers so far.
        table: What the engine's table holds.
    """

    core: Core
    commands: list[Command] = field(default_factory=list)
    constants: list[bytes] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    table: bytes | None = None

    def layer(self, work: Work, layer: Layer, source: Place, out: Transfer | None) -> None:
        """Add a layer, with what must be there before it.

        Args:
            work: What it does.
            layer: Its command.
            source: The map that it reads.
            out: Where what it makes comes to lie in DDR; None: it does not leave.
        """
        if out is not None:
            self.commands.append(out)
        if work.table is not None and work.table != self.table:
            self.commands.append(Lookup(work.table))
            self.table = work.table
        content = constants_of(self.core, work, source)
        self.constants.append(content)
        self.runs.append(Run(work, layer, source, len(content) // self.core.row))
        self.commands.append(layer)


def told(layout: Layout, core: Core) -> Lowered:
    """Write what the engine is told, once it is known where the maps lie.

    Raises:
        TatamiError: Where the engine is too small.
    """
    core = fitting(core, layout)
    places, again = layout.places, layout.again
    telling = Telling(core)
    inputs: dict[str, Planes] = {}
    streams: dict[str, list[Planes]] = {}
    loads: list[Command] = []
    address = 0
    for name in layout.used:
        inputs[name] = planes = input_planes(layout, name, core, address)
        address = aligned(address + planes.size)
        size = ceil_div(planes.size, core.bus) * core.bus
        loads += [
            Transfer(MAPS_IN, planes.address, size),
            load_of(planes, places[name], AFTER_LAYER if again is not None else 0),
        ]
    if again is None:
        telling.commands += loads
    for index, (work, leaves) in enumerate(zip(layout.works, layout.leaves, strict=True)):
        if index == again:
            telling.commands += loads
        waits = AFTER_LAYER | (0 if again is not None and index >= again else AFTER_LOAD)
        out = None
        if leaves or work.scale is not None:
            planes = output_planes(layout, work, core, address)
            address = aligned(address + planes.size)
            streams.setdefault(work.output, []).append(planes)
            out = planes.transfer(MAPS_OUT)
        lays = work.scale is None and work.operator != LEAVING
        target = places[work.output] if lays else None
        layer = layer_of(core, work, places, target, stream=leaves, flags=waits)
        telling.layer(work, layer, places[work.inputs[0]], out)
    stream_bytes = b"".join(telling.constants)
    constants_at, address = address, aligned(address + len(stream_bytes))
    commands = [Constants(constants_at, len(stream_bytes)), *telling.commands, End()]
    first = (*loads, End()) if again is not None else ()
    program_at = address
    end = address + 4 * sum(len(command.words()) for command in (*commands, *first))
    return Lowered(
        core, layout.program, tuple(commands), stream_bytes, tuple(telling.runs), inputs,
        {name: tuple(parts) for name, parts in streams.items()},
        _joins(layout.steps, layout.homes), tuple(layout.tail), program_at, constants_at, end,
        layout.words, layout.least, places, first,
    )  # fmt: skip


def input_planes(layout: Layout, name: str, core: Core, address: int) -> Planes:
    """Say how an input lies in DDR."""
    value = layout.program.values[name]
    channels = 4 if value.shape[0] <= 4 else core.lanes
    return Planes(address, value.shape, layout.homes[name].lies, channels)


def output_planes(layout: Layout, work: Work, core: Core, address: int) -> Planes:
    """Say how what some work makes comes to lie in DDR."""
    shape = (work.count, *layout.program.values[work.output].shape[1:])
    by_tile = work.fields.get("by_tile")
    lies = layout.places[work.inputs[0]].lies if by_tile else tuple(range(work.count))
    sample = 1 if work.scale is None else 4
    return Planes(address, shape, lies, core.lanes, sample, work.part)


def _joins(steps: Sequence[Step], homes: Mapping[str, Home]) -> dict[str, tuple[int, ...]]:
    """Say where each input of a concatenation lies among the channels of its output."""
    joins = {}
    for step in steps:
        if isinstance(step, Concat):
            widths = [words_of(homes[name].lies) * 4 for name in step.inputs]
            joins[step.output] = tuple(sum(widths[:index]) for index in range(len(widths)))
    return joins


def fitting(core: Core, layout: Layout) -> Core:
    """Choose what an engine leaves open.

    Raises:
        TatamiError: Where it is too small.
    """
    core = sized(core, map_words=layout.words, ring_rows=layout.rows, acc=layout.bits)
    for have, need, what in (
        (core.map, layout.words, "MAP, words of a bank"),
        (core.rows, layout.rows, "RING, rows of constants"),
        (core.acc, layout.bits, "ACC, bits of a sum"),
    ):
        if need > have:
            raise TatamiError(
                f"the network needs {need:,} of the engine's {what}; it has {have:,}",
                hint="give it more, or leave the parameter out",
                setting="rtl",
            )
    return core


def aligned(address: int) -> int:
    """Give the next address at which something may lie in DDR."""
    return ceil_div(address, ALIGNMENT) * ALIGNMENT


def _wanted(program: Program, steps: Sequence[Step], tail: Sequence[Step]) -> set[str]:
    """Find the values that must leave the engine; of a concatenation its parts."""
    made = {step.output: step for step in steps}
    wanted: set[str] = set()

    def want(name: str) -> None:
        if name not in made:
            return
        wanted.add(name)
        step = made[name]
        if isinstance(step, Concat):
            for part in step.inputs:
                want(part)

    for name in (*program.outputs, *(name for step in tail for name in step.inputs)):
        want(name)
    return wanted


def _place_all(
    program: Program,
    works: Sequence[Work],
    homes: Mapping[str, Home],
    inputs: Sequence[str],
    again: int | None,
) -> tuple[dict[str, Place], int, int]:
    """Plan the map memory by lifetime, and place every value.

    From the work ``again`` on the input's place is free for the next picture, which lies there.
    """
    born = {homes[name].buffer: -1 for name in inputs}
    died: dict[str, int] = {}
    groups: dict[str, int] = {}
    on_map = [
        name
        for work in works
        for name in (*work.inputs, *(() if work.scale is not None else (work.output,)))
    ]
    for name in dict.fromkeys((*inputs, *on_map)):
        home = homes[name]
        end = home.first + words_of(home.lies)
        groups[home.buffer] = max(groups.get(home.buffer, 0), end)
    for index, work in enumerate(works):
        for name in work.inputs:
            buffer = homes[name].buffer
            born.setdefault(buffer, -1)
            died[buffer] = index
        if work.scale is None:
            buffer = homes[work.output].buffer
            born.setdefault(buffer, index)
            died[buffer] = max(died.get(buffer, index), index)
    buffers = []
    for name, width in groups.items():
        _, rows, columns = program.values[name].shape
        size = ceil_div(rows, 3) * ceil_div(columns, 3) * width
        buffers.append(Buffer(name, size, born[name], died[name]))
    fixed: dict[str, int] = {}
    if again is not None:
        (name,) = inputs
        mine = next(buffer for buffer in buffers if buffer.name == homes[name].buffer)
        buffers.append(replace(mine, name=f"{mine.name} of the next", first=again, last=len(works)))
        fixed = {mine.name: 0, f"{mine.name} of the next": 0}
    planned = plan(buffers, alignment=1, fixed=fixed)
    places = {
        name: Place(
            program.values[name].shape, planned.offsets[home.buffer], groups[home.buffer],
            home.first, home.lies, 0, program.values[name].shape[1],
        )
        for name, home in homes.items()
        if home.buffer in planned.offsets
    }  # fmt: skip
    return places, planned.size, planned.lower_bound


def _used(program: Program, steps: Sequence[Step], works: Sequence[Work]) -> list[str]:
    """Find the inputs that some work reads, or a concatenation that is addresses."""
    read = {name for work in works for name in work.inputs}
    for step in reversed(steps):
        if isinstance(step, Concat) and step.output in read:
            read |= {*step.inputs}
    return [name for name in program.inputs if name in read]


def _again(
    program: Program,
    core: Core,
    works: Sequence[Work],
    homes: Mapping[str, Home],
    inputs: Sequence[str],
) -> int:
    """Find the latest work from which on there is time for the next picture to come in.

    Raises:
        TatamiError: Where there is none.
    """
    if len(inputs) != 1:
        raise TatamiError(
            f"the network reads {len(inputs)} inputs, and one can come in meanwhile",
            hint="load them before their frame",
        )
    mine = homes[inputs[0]].buffer  # where a concatenation may lie that it belongs to
    used = [
        index
        for index, work in enumerate(works)
        if any(homes[name].buffer == mine for name in (*work.inputs, work.output) if name in homes)
    ]
    channels, rows, columns = program.values[inputs[0]].shape
    asked = rows * columns * ceil_div(channels, 4) * 5 // 4  # a word may wait for a result
    for index in range(len(works) - 1, used[-1], -1):
        if sum(work.products for work in works[index:]) // core.products >= asked:
            return index
    raise TatamiError(
        "the next picture has no time to come in while this one is computed",
        hint="load it before its frame",
    )


def load_of(planes: Planes, place: Place, flags: int = 0) -> Load:
    """Make the command that takes the rows of a place in."""
    return Load(
        place.base + place.first, place.pitch, place.groups, place.rows, place.shape[2],
        planes.count, planes.channels // 4, 0, place.first % 9, place.words, flags,
    )  # fmt: skip


def layer_of(
    core: Core,
    work: Work,
    places: Mapping[str, Place],
    target: Place | None,
    *,
    stream: bool = False,
    flags: int = AFTER_LAYER | AFTER_LOAD,
) -> Layer:
    """Make the command of some work.

    Args:
        core: The engine.
        work: What it does.
        places: Where the values lie.
        target: Where the result is laid in the map memory; None: nowhere.
        stream: Whether it leaves, too.
        flags: For what it waits.
    """
    source = places[work.inputs[0]]
    words = source.words if work.fields.get("by_tile") else ceil_div(work.count, 4)
    values = {**work.walk.fields(source), **work.fields, "out_words": words}
    values |= {"tiles": ceil_div(words * 4, core.lanes), "to_stream": int(stream)}
    pieces = work.walk.pieces[0] * work.walk.pieces[1]
    values["steps"] = max(1, work.tile_rows(core, source) // pieces)
    if len(work.inputs) > 1:
        other = places[work.inputs[1]]
        if (other.groups, other.lies) != (source.groups, source.lies):
            raise TatamiError(
                f"the engine cannot do '{work.name}': the maps that it reads lie in different ways",
                hint="it would need an address for each of them",
            )
        values["second"] = other.corner(0, 0) - source.corner(0, 0)
        values["second_g9"] = (other.first - source.first) % 9
    if target is not None:
        lies = replace(target, first=target.first + work.part // 4)
        values |= target_fields(lies, begin=work.begin, step=work.step)
    else:
        values["to_map"] = 0
    return Layer(values, flags)


def constants_of(core: Core, work: Work, source: Place) -> bytes:
    """Lay out the rows of constants of some work, tile by tile, in the order of use."""
    by_tile = work.fields.get("by_tile")
    lies = list(source.lies) if by_tile else list(range(work.count))
    tiles = ceil_div(source.words * 4 if by_tile else work.count, core.lanes)
    parameters = np.zeros((tiles * core.lanes, 4), np.int64)
    parameters[:, 3] = 1
    of = work.channels
    parameters[lies] = np.stack([of.start, of.multiplier, of.negative, of.shift], axis=1)
    head = np.zeros((tiles, core.row), np.uint8)
    head[:, : core.lanes * 16] = (
        (parameters & 0xFFFFFFFF).astype(np.uint32).view(np.uint8).reshape(tiles, core.lanes * 16)
    )
    made = []
    for tile in range(tiles):
        made.append(head[tile].tobytes())
        if work.rows is not None:
            made.append(work.rows(core, source, tile * core.lanes).tobytes())
    return b"".join(made)
