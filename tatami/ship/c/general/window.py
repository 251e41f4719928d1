"""Loops over the taps of a window, along any number of axes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tatami.ops.window import Axis
from tatami.ship.c.general.nest import Operand, indented, loop


@dataclass(frozen=True)
class Side:
    """Hold one axis of a map under a window.

    Args:
        axis: The window along it.
        length: Samples of the map.
        places: Where the window goes.
        number: Which of the window's axes it is.
    """

    axis: Axis
    length: int
    places: int
    number: int

    @property
    def place(self) -> str:
        """Name the loop over its places."""
        return f"o{self.number}"

    @property
    def tap(self) -> str:
        """Name the loop over its taps."""
        return f"k{self.number}"

    @property
    def sample(self) -> str:
        """Name the sample that a tap sees at a place."""
        return f"i{self.number}"

    @property
    def open(self) -> bool:
        """Tell whether a tap may see what is no sample."""
        return self.axis.before > 0 or self.axis.after > 0

    def seen(self) -> str:
        """Say which sample a tap sees at a place."""
        terms = [self.place if self.axis.stride == 1 else f"{self.place} * {self.axis.stride}"]
        if self.axis.kernel > 1:
            terms.append(
                self.tap if self.axis.dilation == 1 else f"{self.tap} * {self.axis.dilation}"
            )
        text = " + ".join(terms)
        return f"{text} - {self.axis.before}" if self.axis.before else text

    def bounds(self, count: int, length: int) -> str:
        """Write which of ``count`` places, from and before which, reach ``length`` samples."""
        stride, number = self.axis.stride, self.number
        first, left, reach = f"first{number}", f"left{number}", f"reach{number}"
        seen = f"{self.tap} * {self.axis.dilation} - {self.axis.before}"
        return "\n".join(
            [
                f"const int {first} = {seen}, {left} = {length - 1} - {first};",
                f"const int from{number} = {first} < 0 ? ({stride - 1} - {first}) / {stride} : 0;",
                f"const int {reach} = {left} < 0 ? 0 : {left} / {stride} + 1;",
                f"const int end{number} = {reach} < {count} ? {reach} : {count};",
            ]
        )


def sides_of(axes: Sequence[Axis], lengths: Sequence[int], places: Sequence[int]) -> list[Side]:
    """See a window, a map and the places of the window side by side."""
    return [
        Side(axis, length, count, number)
        for number, (axis, length, count) in enumerate(zip(axes, lengths, places, strict=True))
    ]


def under_window(
    result: Operand,
    sides: Sequence[Side],
    begin: Callable[[str], str],
    add: Callable[[str], str],
    end: Callable[[str], str] | None = None,
    before_taps: Sequence[tuple[str, int]] = (),
) -> str:
    """Write loops over a result (n, c, places...), and at each place over the taps of a window.

    The axis whose samples lie closest in the result is walked innermost, within the taps, so that a
    compiler takes many places at once. Loops are called n, c and o0, o1, ...; taps k0, k1, ...; the
    samples under them i0, i1, ....

    Args:
        result: What is made.
        sides: The window's axes.
        begin: Takes the result's sample; gives the statement that starts it.
        add: The same of the one that adds what a tap sees, if that is a sample.
        end: The same of the one that finishes it.
        before_taps: More loops, outside those over taps.
    """
    loops = [("n", result.sides[0]), ("c", result.sides[1])]
    loops += [(side.place, side.places) for side in sides]
    order = sorted(range(len(loops)), key=lambda at: (loops[at][1] > 1, -result.strides[at], at))
    *outer, last = order
    name, count = loops[last]
    y = result.at([each for each, _ in loops])
    inner = next((side for side in sides if side.place == name), None)
    samples = "".join(
        f"const int {side.sample} = {side.seen()};\n" for side in sides if side is inner
    )
    text = f"{samples}\n{add(y)}" if samples else add(y)
    ranged = inner is not None and inner.open
    start, stop = "0", str(count)
    if inner is not None and inner.open:
        start, stop = f"from{inner.number}", f"end{inner.number}"
    text = f"for (int {name} = {start}; {name} < {stop}; {name}++) {{\n{indented(text)}\n}}"
    for side in reversed(sides):
        head = ""
        if side is not inner:
            head = f"const int {side.sample} = {side.seen()};\n\n"
            if side.open:
                head += f"if ({side.sample} < 0 || {side.sample} >= {side.length}) continue;\n"
        elif ranged:
            head = f"{side.bounds(side.places, side.length)}\n\n"
        text = tap_loop(side, head + text)
    text = loop(list(before_taps), text)
    parts = [f"for (int {name} = 0; {name} < {count}; {name}++) {begin(y)}", text]
    if end is not None:
        parts.append(f"for (int {name} = 0; {name} < {count}; {name}++) {{\n{indented(end(y))}\n}}")
    return loop([loops[at] for at in outer], "\n".join(parts))


def tap_loop(side: Side, body: str) -> str:
    """Write the loop over an axis's taps; it is a loop even of one, for ``continue``."""
    return (
        f"for (int {side.tap} = 0; {side.tap} < {side.axis.kernel}; {side.tap}++) {{\n"
        f"{indented(body)}\n}}"
    )
