"""Loops over lines of samples: what reductions and normalizations are written with.

Some axes of a value are kept, the others make up a line that is folded: added up, or searched. How
the loops lie follows from memory. A line is folded by several numbers side by side, which a
compiler makes a vector register where samples lie together, which wait less for one another where
they do not, and which lose less in rounding than one long sum. Where the samples of neighboring
lines lie together, as channels do, all those lines are folded at once, each in a number of the
scratch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tatami.ship.c.general.nest import Operand, indented, loop, place

WIDTHS = (16, 8, 4)
"""Numbers side by side, of which the first that a line fills is taken."""
LONG, BLOCK = 512, 256
"""Of more samples than the first, as many as the second are added up by themselves."""
SIDE_BY_SIDE = 4
"""So many neighboring lines are worth being folded at once."""
BYTES = {"double": 8, "int64_t": 8, "uint64_t": 8}
"""Of an accumulator; 4 of any other kind."""


@dataclass(frozen=True)
class Axis:
    """Hold a loop: its name, how often it runs, and the distances of each operand."""

    name: str
    side: int
    strides: tuple[int, ...]


@dataclass(frozen=True)
class Fold:
    """Hold how many samples become one number.

    Args:
        start: The number of no samples, C.
        term: Takes a sample; gives what it adds, C.
        join: Takes two numbers; gives the one of both, C.
    """

    start: str
    term: Callable[[str], str]
    join: Callable[[str, str], str]


def summed(term: Callable[[str], str] = lambda x: x, start: str = "0") -> Fold:
    """Add up terms."""
    return Fold(start, term, lambda a, b: f"{a} + {b}")


@dataclass(frozen=True)
class Lines:
    """Hold the loops of an operator over lines.

    Args:
        operands: What is read and made, each over all axes; the first says how memory lies.
        outer: Loops over lines.
        lane: The loop over neighboring lines that are folded at once; None where one line is.
        inner: Loops over a line.
        scratch: A pointer to the numbers of neighboring lines, uint8_t.
    """

    operands: tuple[Operand, ...]
    outer: tuple[Axis, ...]
    lane: Axis | None
    inner: tuple[Axis, ...]
    scratch: str = ""

    @property
    def length(self) -> int:
        """Count the samples of a line."""
        count = 1
        for axis in self.inner:
            count *= axis.side
        return count

    def sample(self, operand: int, moved: Mapping[str, str] | None = None) -> str:
        """Write a sample of an operand; ``moved`` gives loops another index than their name."""
        moved = moved or {}
        axes = [*self.outer, *((self.lane,) if self.lane else ()), *self.inner]
        names = [moved.get(axis.name, axis.name) for axis in axes]
        found = place(names, [axis.strides[operand] for axis in axes])
        return f"{self.operands[operand].name}[{found}]"

    def number(self, name: str) -> str:
        """Write an accumulator of the line at hand."""
        return name if self.lane is None else f"{name}[{self.lane.name}]"

    def scratch_bytes(self, numbers: Mapping[str, str]) -> int:
        """Say how much scratch accumulators take.

        Args:
            numbers: Their C types by name. ``part`` is there for blocks of long sums.
        """
        if self.lane is None:
            return 0
        kinds = [*numbers.values(), *self._part_kind(numbers)]
        return sum(BYTES.get(kind, 4) * self.lane.side for kind in kinds)

    def _part_kind(self, numbers: Mapping[str, str]) -> list[str]:
        blocks = self.inner and self.inner[-1].side > LONG
        return [max(numbers.values(), key=lambda kind: BYTES.get(kind, 4))] if blocks else []

    def whole(self, numbers: Mapping[str, str], body: str) -> str:
        """Write the loops over lines around what is done for each; accumulators are declared.

        Args:
            numbers: C types of accumulators, by name.
            body: What ``fold``, ``each`` and ``once`` have written.
        """
        if self.lane is None:
            declared = [f"{kind} {name};" for name, kind in numbers.items()]
            return loop(_pairs(self.outer), "\n".join([*declared, "", body]))
        lines = []
        # The widest first, so that each is aligned.
        named = [*numbers.items(), *(("part", kind) for kind in self._part_kind(numbers))]
        at = 0
        for name, kind in sorted(named, key=lambda one: -BYTES.get(one[1], 4)):
            lines.append(f"{kind} *const {name} = ({kind} *)({self.scratch} + {at});")
            at += BYTES.get(kind, 4) * self.lane.side
        return "\n".join([*lines, "", loop(_pairs(self.outer), body)])

    def once(self, statement: str) -> str:
        """Write a statement that is done once for each line."""
        return statement if self.lane is None else loop(_pairs([self.lane]), statement)

    def each(self, statement: str) -> str:
        """Write a statement that is done for every sample of the lines at hand."""
        lanes = [self.lane] if self.lane else []
        return loop(_pairs([*self.inner, *lanes]), statement)

    def fold(self, name: str, kind: str, fold: Fold, operand: int = 0) -> str:
        """Write the folding of the lines at hand into an accumulator.

        Args:
            name: The accumulator.
            kind: Its C type.
            fold: How.
            operand: Of what.
        """
        number = self.number(name)
        start = self.once(f"{number} = {fold.start};")
        if self.lane is None:
            return f"{start}\n{self._fold_line(number, kind, fold, operand)}"

        def step(into: str) -> str:
            assert self.lane is not None
            joined = fold.join(into, fold.term(self.sample(operand)))
            return loop(_pairs([self.lane]), f"{into} = {joined};")

        if not self.inner or self.inner[-1].side <= LONG:
            return f"{start}\n{loop(_pairs(self.inner), step(number))}"
        last, part = self.inner[-1], self.number("part")
        block = (
            f"{self.once(f'{part} = {fold.start};')}\n"
            f"for (int {last.name} = block; {last.name} < block + {BLOCK} &&"
            f" {last.name} < {last.side}; {last.name}++) {{\n{indented(step(part))}\n}}\n"
            f"{self.once(f'{number} = {fold.join(number, part)};')}"
        )
        blocks = (
            f"for (int block = 0; block < {last.side}; block += {BLOCK}) {{\n{indented(block)}\n}}"
        )
        return f"{start}\n{loop(_pairs(self.inner[:-1]), blocks)}"

    def _fold_line(self, number: str, kind: str, fold: Fold, operand: int) -> str:
        """Fold one line, by several numbers side by side."""
        plain = f"{number} = {fold.join(number, fold.term(self.sample(operand)))};"
        last = self.inner[-1] if self.inner else None
        width = next((w for w in WIDTHS if last is not None and last.side >= w), 0)
        if last is None or not width:
            return loop(_pairs(self.inner), plain)
        r, whole = last.name, last.side // width * width
        sample = self.sample(operand, {r: f"{r} + lane"})
        lines = [
            f"for (int {r} = 0; {r} < {whole}; {r} += {width})",
            f"    for (int lane = 0; lane < {width}; lane++)",
            f"        side[lane] = {fold.join('side[lane]', fold.term(sample))};",
        ]
        if whole < last.side:
            lines += [f"for (int {r} = {whole}; {r} < {last.side}; {r}++)", f"    {plain}"]
        inside = loop(_pairs(self.inner[:-1]), "\n".join(lines))
        return "\n".join(
            [
                "{",
                f"    {kind} side[{width}];",
                "",
                f"    for (int lane = 0; lane < {width}; lane++) side[lane] = {fold.start};",
                indented(inside),
                f"    for (int lane = 0; lane < {width}; lane++)",
                f"        {number} = {fold.join(number, 'side[lane]')};",
                "}",
            ]
        )


def _pairs(axes: Sequence[Axis]) -> list[tuple[str, int]]:
    return [(axis.name, axis.side) for axis in axes]


def lines_of(
    operands: Sequence[Operand], axes: Sequence[int], scratch: str = "", side_by_side: bool = True
) -> Lines:
    """Lay out loops over lines.

    Args:
        operands: What is read and made; the first has all axes, the others are spread over them.
        axes: Those that make up a line.
        scratch: A pointer to scratch, uint8_t.
        side_by_side: Whether neighboring lines may be folded at once.
    """
    rank = len(operands[0].sides)
    spread = tuple(one.spread(rank) for one in operands)
    every = [
        (axis, side, tuple(one.strides[axis] for one in spread))
        for axis, side in enumerate(operands[0].sides)
        if side > 1
    ]
    kept = _merged([one for one in every if one[0] not in axes], "k")
    inner = _merged([one for one in every if one[0] in axes], "r")
    lane = None
    if side_by_side and kept and kept[-1].side >= SIDE_BY_SIDE:
        closest = kept[-1].strides[0]
        if all(closest < axis.strides[0] for axis in inner) and inner:
            lane = kept[-1]
            kept = kept[:-1]
    return Lines(spread, tuple(kept), lane, tuple(inner), scratch)


def _merged(axes: list[tuple[int, int, tuple[int, ...]]], letter: str) -> list[Axis]:
    """Make loops of axes, the farthest apart outermost; those that lie together become one."""
    merged: list[tuple[int, tuple[int, ...]]] = []
    for _, side, strides in sorted(axes, key=lambda axis: -axis[2][0]):
        if merged and all(
            outer == inner * side for outer, inner in zip(merged[-1][1], strides, strict=True)
        ):
            merged[-1] = (merged[-1][0] * side, strides)
        else:
            merged.append((side, strides))
    return [Axis(f"{letter}{index}", *one) for index, one in enumerate(merged)]


def beside(result: Operand, source: Operand, axes: Sequence[int]) -> Operand:
    """See a result that lacks the axes of a line, or has them with one index, over all axes."""
    rank = len(source.sides)
    if len(result.sides) == rank:
        return result.spread(rank)
    strides = iter(result.strides)
    sides = iter(result.sides)
    folded = [axis in axes for axis in range(rank)]
    return Operand(
        result.name,
        result.kind,
        tuple(1 if one else next(sides) for one in folded),
        tuple(0 if one else next(strides) for one in folded),
    )
