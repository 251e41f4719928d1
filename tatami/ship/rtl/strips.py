"""A network whose first maps are too large for the map memory, in strips of rows.

The first layers, as far as each reads only the one before it, are computed strip by strip: the
rows of the picture that a strip of the last one's rows needs are loaded, and all of these layers
are done for it. Rows that two strips need are computed twice. The next strip is loaded while all
layers but the first work on this one. The rest of the network has its maps whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tatami.errors import TatamiError
from tatami.program.steps import Program
from tatami.ship.rtl.commands import (
    AFTER_LAYER,
    AFTER_LOAD,
    MAPS_IN,
    Command,
    Constants,
    End,
    Layer,
    Load,
    Transfer,
)
from tatami.ship.rtl.core import Core
from tatami.ship.rtl.engine_steps import Work
from tatami.ship.rtl.lower import ALIGNMENT, Lowered, Planes, Run, constants_of, layer_of, lower
from tatami.ship.rtl.place import Place, ceil_div, target_fields

Rows = tuple[int, int]
"""Of a map: the first one, and the one after the last."""


@dataclass(frozen=True)
class Strip:
    """Say which rows of each map belong to a strip.

    Args:
        rows: Of the input, then of what each layer makes.
    """

    rows: tuple[Rows, ...]


def lower_in_strips(program: Program, core: Core) -> Lowered:
    """Lower a program for an engine whose map memory holds it whole, or else in strips.

    Args:
        program: The program, quantized.
        core: The engine, its MAP chosen.

    Raises:
        TatamiError: For a step that the engine cannot do, and where no strips fit.
    """
    whole = lower(program, replace(core, map=0))
    if whole.map_words <= core.map:
        return lower(program, core)
    chain = _chain(whole)
    for count in range(1, len(chain) + 1):
        found = _with(whole, core, chain[:count])
        if found is not None:
            return found
    raise TatamiError(
        f"the network needs {whole.map_words:,} of the engine's MAP, words of a bank; it has "
        f"{core.map:,}, and no strips of the first {len(chain)} layers fit",
        hint="give it more, or take a network of a smaller size",
        setting="rtl",
    )


def strips_of(works: Sequence[Work], places: Sequence[Place], count: int) -> list[Strip]:
    """Divide the rows of what the last of some layers makes, and find what each strip needs.

    Args:
        works: The layers, each of which reads what the one before it makes.
        places: Of the input and of what each makes, whole.
        count: Of strips, at most as many as there are rows.
    """
    rows = places[-1].shape[1]
    height = ceil_div(rows, count)
    strips = []
    for begin in range(0, rows, height):
        parts = [(begin, min(begin + height, rows))]
        for work, source in zip(reversed(works), reversed(places[:-1]), strict=True):
            first, end = parts[0]
            stride, span = work.split()
            low = first * stride - work.walk.before[0]
            high = (end - 1) * stride - work.walk.before[0] + span
            parts.insert(0, (max(0, low), min(source.shape[1], high)))
        strips.append(Strip(tuple(parts)))
    return strips


def _chain(whole: Lowered) -> list[Run]:
    """Find the first layers that read only the one before them."""
    program = whole.program
    chain: list[Run] = []
    if len(program.inputs) != 1:
        return chain
    readers = [name for step in program.steps for name in step.inputs]
    made = {step.output: step for step in program.steps}
    last = program.inputs[0]
    for run in whole.runs[:-1]:
        work = run.work
        simple = work.scale is None and work.table is None and work.walk.repeat == (1, 1)
        if work.inputs != (last,) or not simple or work.part or work.output not in made:
            break
        place = whole.places[last]
        if readers.count(last) != 1 or last in program.outputs or place.groups != place.words:
            break
        if work.count != program.values[work.output].shape[0]:
            break
        chain.append(run)
        last = work.output
    return chain


def _with(whole: Lowered, core: Core, chain: Sequence[Run]) -> Lowered | None:
    """Lower with some layers in strips, as few strips as possible; None: they do not fit."""
    program = whole.program
    last = chain[-1].work.output
    after = next(i for i, step in enumerate(program.steps) if step.output == last) + 1
    rest = replace(program, steps=program.steps[after:], inputs=(last,))
    try:
        suffix = lower(rest, core)
    except TatamiError:
        return None
    if last in program.outputs or any(last in step.inputs for step in suffix.tail):
        return None
    target = suffix.places[last]
    names = [whole.program.inputs[0], *(run.work.output for run in chain)]
    places = [whole.places[name] for name in names[:-1]] + [target]
    works = [run.work for run in chain]
    given = whole.inputs[names[0]]
    columns = given.shape[2] * given.channels
    if columns % core.bus:
        return None
    room = _Room(core.map, target)
    for count in range(2, target.shape[1] + 1):
        strips = strips_of(works, places, count)
        sizes = [
            max(replace(place, rows=strip.rows[i][1] - strip.rows[i][0]).size for strip in strips)
            for i, place in enumerate(places[:-1])
        ]
        bases = room.place(sizes)
        if bases is not None:
            bottom = [replace(place, base=base) for place, base in zip(places, bases, strict=False)]
            return _joined(whole, suffix, chain, [*bottom, target], strips)
    return None


class _Room:
    """The words beside the one map that is whole."""

    def __init__(self, words: int, target: Place) -> None:
        self.gaps = [(0, target.base), (target.base + target.size, words)]

    def place(self, sizes: Sequence[int]) -> list[int] | None:
        """Find a place for each of some buffers, the large ones first."""
        gaps = list(self.gaps)
        bases = [0] * len(sizes)
        for index in sorted(range(len(sizes)), key=lambda i: -sizes[i]):
            for number, (begin, end) in enumerate(gaps):
                if end - begin >= sizes[index]:
                    bases[index] = begin
                    gaps[number] = (begin + sizes[index], end)
                    break
            else:
                return None
        return bases


def _joined(
    whole: Lowered,
    suffix: Lowered,
    chain: Sequence[Run],
    places: Sequence[Place],
    strips: Sequence[Strip],
) -> Lowered:
    """Put the strips before the rest."""
    of = whole.core
    core = replace(suffix.core, acc=of.acc, ring=max(suffix.core.ring, of.ring))
    (name,) = whole.program.inputs
    given = replace(whole.inputs[name], address=0)
    offset = ceil_div(given.size, ALIGNMENT) * ALIGNMENT
    commands: list[Command] = []
    constants: list[bytes] = []
    runs: list[Run] = []
    top = 0
    for number, strip in enumerate(strips):
        now = [
            replace(place, row=rows[0], rows=rows[1] - rows[0])
            for place, rows in zip(places[:-1], strip.rows, strict=False)
        ] + [places[-1]]
        top = max(top, *(place.base + place.size for place in now))
        if number == 0:
            commands += _load(given, now[0], 0)
        for index, run in enumerate(chain):
            made = [each.rows[index + 1][1] for each in strips]
            work = replace(run.work, products=_share(run.work.products, number, made))
            layer = _layer(core, work, now[index], now[index + 1], strip.rows[index + 1], index)
            content = constants_of(core, work, now[index])
            constants.append(content)
            runs.append(Run(work, layer, now[index], len(content) // core.row))
            commands.append(layer)
            if index == 0 and number + 1 < len(strips):
                rows = strips[number + 1].rows[0]
                following = replace(places[0], row=rows[0], rows=rows[1] - rows[0])
                commands += _load(given, following, AFTER_LAYER)
    moved = _rest(suffix, offset)
    stream = b"".join(constants) + suffix.constants
    constants_at = ceil_div(offset + suffix.constants_at, ALIGNMENT) * ALIGNMENT
    program_at = ceil_div(constants_at + len(stream), ALIGNMENT) * ALIGNMENT
    all_of = (Constants(constants_at, len(stream)), *commands, *moved, End())
    return replace(
        suffix,
        core=core,
        program=whole.program,
        commands=all_of,
        constants=stream,
        runs=(*runs, *suffix.runs),
        inputs={name: given},
        streams={
            key: tuple(replace(part, address=part.address + offset) for part in parts)
            for key, parts in suffix.streams.items()
        },
        program_at=program_at,
        constants_at=constants_at,
        end=program_at + 4 * sum(len(command.words()) for command in all_of),
        map_words=max(top, suffix.map_words),
    )


def _rest(suffix: Lowered, offset: int) -> list[Command]:
    """Take the rest's commands: without the load of what the strips have made, addresses moved."""
    rest: list[Command] = []
    for command in suffix.commands:
        if isinstance(command, Constants | Load | End):
            continue
        if isinstance(command, Transfer):
            if command.code == MAPS_IN:
                continue
            command = replace(command, address=command.address + offset)
        rest.append(command)
    return rest


def _load(given: Planes, place: Place, flags: int) -> list[Command]:
    """Bring the rows of a strip in."""
    line = given.shape[2] * given.channels
    bytes_of = place.rows * line
    return [
        Transfer(MAPS_IN, given.address + place.row * line, bytes_of, given.count, given.plane),
        Load(
            place.base + place.first, place.pitch, place.groups, place.rows, place.shape[2],
            given.count, given.channels // 4, 0, place.first % 9, place.words, flags,
        ),
    ]  # fmt: skip


def _layer(core: Core, work: Work, source: Place, target: Place, rows: Rows, index: int) -> Layer:
    """Make the command of a layer for some rows of what it makes."""
    # only the first layer reads what is loaded: the others run while the next strip comes
    flags = AFTER_LAYER | (AFTER_LOAD if index == 0 else 0)
    of_whole = layer_of(core, work, {work.inputs[0]: source}, target, flags=flags)
    walk = replace(work.walk, places=(rows[1] - rows[0], work.walk.places[1]))
    values = {**of_whole.values, **walk.fields(source, rows[0]), **work.fields}
    return Layer({**values, **target_fields(target, rows[0])}, flags)


def _share(products: int, number: int, made: Sequence[int]) -> int:
    """Give a strip the products of the rows that no strip before it has made.

    Args:
        products: Of the whole layer.
        number: Of the strip.
        made: The row at which each strip ends.
    """
    before = made[number - 1] if number else 0
    return products * made[number] // made[-1] - products * before // made[-1]
