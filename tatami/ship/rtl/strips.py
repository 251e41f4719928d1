"""A network whose first maps are too large for the map memory, in strips of rows.

The first layers, as far as each reads only the one before it, are computed strip by strip: the
rows of the picture that a strip of the last one's rows needs are loaded, and all of these layers
are done for it. Rows that two strips need are computed twice. The next strip is loaded while all
layers but the first work on this one. The rest of the network has its maps whole.

``lower_to_fit`` is how a network is lowered wherever its engine's map memory may be given.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tatami.errors import TatamiError
from tatami.program.steps import Program
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
    Transfer,
)
from tatami.ship.rtl.core import LARGEST_MAP, Core
from tatami.ship.rtl.engine_steps import Work
from tatami.ship.rtl.lower import (
    Layout,
    Lowered,
    Planes,
    Telling,
    aligned,
    fitting,
    input_planes,
    lay_out,
    layer_of,
    load_of,
    lower,
    output_planes,
    told,
)
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


def lower_to_fit(program: Program, core: Core, *, observe: bool = False) -> Lowered:
    """Lower a program whole, or in strips where that takes more map memory than the engine has.

    Args:
        program: The program, quantized.
        core: The engine. Where it leaves MAP open, the maps are whole, as far as any engine can
            have them.
        observe: Whether every value that is written comes to lie in DDR, too.

    Raises:
        TatamiError: For a step that the engine cannot do, and where no strips fit.
    """
    layout = lay_out(program, core, observe=observe)
    if layout.words <= (core.map or LARGEST_MAP):
        return told(layout, core)
    core = fitting(replace(core, map=core.map or LARGEST_MAP), replace(layout, words=0))
    chain = _chain(layout)
    for count in range(1, len(chain) + 1):
        found = _with(layout, core, chain[:count], observe=observe)
        if found is not None:
            return found
    raise TatamiError(
        f"the network needs {layout.words:,} of the engine's MAP, words of a bank; it has "
        f"{core.map:,}, and no strips of the first {len(chain)} layers fit",
        hint="give it more, or take a network of a smaller size",
        setting="rtl",
    )


def lower_twice(program: Program, core: Core) -> tuple[Lowered, Lowered]:
    """Lower a program to fit, and once more so that every value that is written leaves.

    Raises:
        TatamiError: As ``lower_to_fit`` does.
    """
    lowered = lower_to_fit(program, core)
    try:
        return lowered, lower_to_fit(program, lowered.core, observe=True)
    except TatamiError:  # what leaves at the end stays longer: some maps more, for this alone
        return lowered, lower(program, replace(lowered.core, map=0), observe=True)


def strips_of(works: Sequence[Work], places: Sequence[Place], count: int) -> list[Strip]:
    """Divide the rows of what the last of some layers makes, and find what each strip needs.

    Rows that no strip needs belong to the strip before them, so that every map is made whole.

    Args:
        works: The layers, each of which reads what the one before it makes.
        places: Of the input and of what each makes, whole.
        count: Of strips, at most as many as there are rows.
    """
    rows = places[-1].shape[1]
    height = ceil_div(rows, count)
    made = [(begin, min(begin + height, rows)) for begin in range(0, rows, height)]
    maps = [made]
    for work, source in zip(reversed(works), reversed(places[:-1]), strict=True):
        stride, span = work.split()
        first = [max(0, begin * stride - work.walk.before[0]) for begin, _ in made]
        last = [(end - 1) * stride - work.walk.before[0] + span for _, end in made]
        first[0] = 0
        following = [*first[1:], source.shape[1]]
        ends = [
            min(source.shape[1], max(end, begin))
            for end, begin in zip(last, following, strict=True)
        ]
        made = list(zip(first, ends, strict=True))
        maps.insert(0, made)
    return [Strip(tuple(parts)) for parts in zip(*maps, strict=True)]


def _chain(layout: Layout) -> list[Work]:
    """Find the first layers that read only the one before them."""
    program = layout.program
    chain: list[Work] = []
    if len(program.inputs) != 1:
        return chain
    readers = Counter(name for step in program.steps for name in step.inputs)
    made = {step.output for step in program.steps}
    last = program.inputs[0]
    for work in layout.works[:-1]:
        once = work.step == (1, 1) and work.walk.repeat == (1, 1) and not work.part
        if work.inputs != (last,) or work.scale is not None or not once or work.output not in made:
            break
        place = layout.places[last]
        if readers[last] != 1 or last in program.outputs or place.groups != place.words:
            break
        if work.count != program.values[work.output].shape[0]:
            break
        chain.append(work)
        last = work.output
    return chain


def _with(layout: Layout, core: Core, chain: Sequence[Work], *, observe: bool) -> Lowered | None:
    """Lower with some layers in strips, as few strips as possible; None: they do not fit."""
    program = layout.program
    last = chain[-1].output
    after = next(i for i, step in enumerate(program.steps) if step.output == last) + 1
    rest = replace(program, steps=program.steps[after:], inputs=(last,))
    try:
        suffix = lower(rest, core, observe=observe)
    except TatamiError:
        return None
    if last in program.outputs or any(last in step.inputs for step in suffix.tail):
        return None
    target = suffix.places[last]
    names = [program.inputs[0], *(work.output for work in chain)]
    places = [layout.places[name] for name in names[:-1]] + [target]
    given = input_planes(layout, names[0], core, 0)
    if given.line % core.bus:
        return None
    room = _Room(core.map, target)
    for count in range(2, target.shape[1] + 1):
        strips = strips_of(chain, places, count)
        sizes = [
            max(replace(place, rows=strip.rows[i][1] - strip.rows[i][0]).size for strip in strips)
            for i, place in enumerate(places[:-1])
        ]
        bases = room.place(sizes)
        if bases is not None:
            bottom = [replace(place, base=base) for place, base in zip(places, bases, strict=False)]
            outputs: list[Planes] = []
            address = aligned(given.size)
            for work in chain if observe else ():
                outputs.append(output_planes(layout, work, core, address))
                address = aligned(address + outputs[-1].size)
            begun = _Begun(program, chain, [*bottom, target], strips, given, outputs, address)
            return _joined(begun, suffix)
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


@dataclass(frozen=True)
class _Begun:
    """Hold the layers that are done in strips.

    Args:
        program: The whole program.
        chain: The layers.
        places: Of the input and of what each makes; the last one is whole.
        strips: Of them.
        given: The input in DDR.
        outputs: The same of what each makes, where it is observed.
        end: Where these end in DDR.
    """

    program: Program
    chain: Sequence[Work]
    places: Sequence[Place]
    strips: Sequence[Strip]
    given: Planes
    outputs: Sequence[Planes]
    end: int


def _joined(begun: _Begun, suffix: Lowered) -> Lowered:
    """Put the strips before the rest."""
    core, given, chain, strips = suffix.core, begun.given, begun.chain, begun.strips
    telling = Telling(core)
    top = 0
    for number, strip in enumerate(strips):
        now = [
            replace(place, row=rows[0], rows=rows[1] - rows[0])
            for place, rows in zip(begun.places[:-1], strip.rows, strict=False)
        ] + [begun.places[-1]]
        top = max(top, *(place.base + place.size for place in now))
        if number == 0:
            telling.commands += _load(given, now[0], 0)
        for index, whole in enumerate(chain):
            ends = [each.rows[index + 1][1] for each in strips]
            work = replace(whole, products=_share(whole.products, number, ends))
            rows = strip.rows[index + 1]
            stream = bool(begun.outputs)
            layer = _layer(
                core, work, now[index], now[index + 1], rows, first=index == 0, stream=stream
            )
            out = begun.outputs[index].transfer(MAPS_OUT, rows) if stream else None
            telling.layer(work, layer, now[index], out)
            if index == 0 and number + 1 < len(strips):
                begin, end = strips[number + 1].rows[0]
                following = replace(begun.places[0], row=begin, rows=end - begin)
                telling.commands += _load(given, following, AFTER_LAYER)
    stream_bytes = b"".join(telling.constants) + suffix.constants
    constants_at = aligned(begun.end + suffix.constants_at)
    program_at = aligned(constants_at + len(stream_bytes))
    rest = _rest(suffix, begun.end)
    all_of = (Constants(constants_at, len(stream_bytes)), *telling.commands, *rest, End())
    streams: dict[str, tuple[Planes, ...]] = {
        work.output: (planes,) for work, planes in zip(chain, begun.outputs, strict=False)
    }
    streams |= {
        name: tuple(replace(part, address=part.address + begun.end) for part in parts)
        for name, parts in suffix.streams.items()
    }
    return replace(
        suffix,
        program=begun.program,
        commands=all_of,
        constants=stream_bytes,
        runs=(*telling.runs, *suffix.runs),
        inputs={begun.program.inputs[0]: given},
        streams=streams,
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
    rows = place.row, place.row + place.rows
    return [given.transfer(MAPS_IN, rows), load_of(given, place, flags)]


def _layer(
    core: Core, work: Work, source: Place, target: Place, rows: Rows, *, first: bool, stream: bool
) -> Layer:
    """Make the command of a layer for some rows of what it makes."""
    # only the first layer reads what is loaded: the others run while the next strip comes
    flags = AFTER_LAYER | (AFTER_LOAD if first else 0)
    of_whole = layer_of(core, work, {work.inputs[0]: source}, target, stream=stream, flags=flags)
    walk = replace(work.walk, places=(rows[1] - rows[0], work.walk.places[1]))
    values = {**of_whole.values, **walk.fields(source, rows[0]), **work.fields}
    return Layer({**values, **target_fields(target, rows[0])}, flags)


def _share(products: int, number: int, ends: Sequence[int]) -> int:
    """Give a strip the products of the rows that no strip before it has made.

    Args:
        products: Of the whole layer.
        number: Of the strip.
        ends: The row at which each strip ends.
    """
    before = ends[number - 1] if number else 0
    return products * ends[number] // ends[-1] - products * before // ends[-1]
