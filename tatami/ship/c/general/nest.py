"""Nests of loops in C, over operands of any rank that lie in any order.

Hand-written kernels (kernels/) do the work of pictures. What is left are operators on values of any
rank: for them the loops are written out, with the sides and distances as numbers, which a compiler
unrolls and vectorizes. An operand knows where its samples lie, so no value is moved for a loop.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import onnx_ir as ir
from numpy.typing import NDArray

from tatami.graph.attributes import weight
from tatami.graph.network import shape_of
from tatami.program.lowering import batched, map_shape
from tatami.program.steps import Apply, Program
from tatami.ship.c.operator import c_type


@dataclass(frozen=True)
class Operand:
    """Hold an array of C.

    Args:
        name: The pointer to its first sample.
        kind: The C type of its samples.
        sides: Its axes, as ONNX has them.
        strides: Samples from one index of each axis to the next; 0 where there is one index.
    """

    name: str
    kind: str
    sides: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def size(self) -> int:
        """Count its samples."""
        return math.prod(self.sides)

    @property
    def real(self) -> bool:
        """Tell whether its samples are real numbers."""
        return self.kind == "float"

    def at(self, indices: Sequence[str | int]) -> str:
        """Write the sample at some indices, one an axis, each a C expression without side effect.

        Where there are more indices than axes, the last axes are meant, as ONNX broadcasts.
        """
        own = indices[len(indices) - len(self.sides) :]
        return f"{self.name}[{place(own, self.strides)}]"

    def spread(self, rank: int) -> Operand:
        """See it with more axes in front, and with the distance 0 along those of one index."""
        missing = rank - len(self.sides)
        strides = tuple(
            0 if side == 1 else stride
            for side, stride in zip(self.sides, self.strides, strict=True)
        )
        return Operand(self.name, self.kind, (1,) * missing + self.sides, (0,) * missing + strides)


def place(indices: Sequence[str | int], strides: Sequence[int]) -> str:
    """Write the distance of a sample from the first, in samples."""
    terms = []
    fixed = 0
    for index, stride in zip(indices, strides, strict=True):
        if stride == 0:
            continue
        if isinstance(index, int):
            fixed += index * stride
        else:
            simple = index.isidentifier()
            factor = index if simple else f"({index})"
            terms.append(factor if stride == 1 else f"{factor} * {stride}")
    if fixed or not terms:
        terms.append(str(fixed))
    return " + ".join(terms)


def strides_of(sides: tuple[int, ...]) -> tuple[int, ...]:
    """Say where the samples of a value lie in C: a map has its channels last.

    All else lies in ONNX's order.

    Args:
        sides: The value's axes, as ONNX has them.
    """
    shape = map_shape(sides)
    if shape is None:
        return row_major(sides)
    channels, _, columns = shape
    front = batched(sides)
    inner = (1, columns * channels, channels)[: len(sides) - front]
    return (0,) * front + inner


def row_major(sides: tuple[int, ...]) -> tuple[int, ...]:
    """Give the distances of an array whose last axis lies together."""
    return tuple(math.prod(sides[axis + 1 :]) for axis in range(len(sides)))


@dataclass(frozen=True)
class General:
    """Hold what an operator's C is written from.

    Args:
        step: The step.
        result: What it makes.
        operands: What it reads, by the node's input.
        scratch: A pointer to its scratch, uint8_t.
        constants: Pointers to its own constants, by its names for them.
    """

    step: Apply
    result: Operand
    operands: Mapping[int, Operand]
    scratch: str = ""
    constants: Mapping[str, str] | None = None

    @property
    def node(self) -> ir.Node:
        """The node."""
        return self.step.node

    def operand(self, index: int) -> Operand:
        """Give an input that a node must have."""
        return self.operands[index]

    def setting(self, index: int) -> NDArray[Any] | None:
        """Give a constant input as numbers; None where it is left out or computed."""
        return weight(self.node, index)


def general_of(program: Program, step: Apply, scratch: str = "") -> General:
    """See a step as its C is written: a0, a1, ... are its inputs, y is what it makes."""
    operands = {}
    for name, index in zip(step.inputs, step.places, strict=True):
        value = step.node.inputs[index]
        assert value is not None
        sides = shape_of(value)
        kind = c_type(program.values[name])
        operands[index] = Operand(f"a{index}", kind, sides, strides_of(sides))
    whole = program.values[step.output].shape[:1]  # of all outputs together
    sides = whole if step.index < 0 else shape_of(step.node.outputs[step.index])
    kind = c_type(program.values[step.output])
    return General(step, Operand("y", kind, sides, strides_of(sides)), operands, scratch)


def along(line: Operand, axis: int, rank: int) -> Operand:
    """See an operand of one axis along one of several."""
    sides, strides = [1] * rank, [0] * rank
    sides[axis], strides[axis] = line.sides[0], line.strides[0]
    return replace(line, sides=tuple(sides), strides=tuple(strides))


# Loops -------------------------------------------------------------------------------------------


def loop(axes: Sequence[tuple[str, int]], body: str) -> str:
    """Write loops around C, the first outermost; an axis of one index is no loop."""
    text = body
    for name, side in reversed(axes):
        if side == 1:
            text = f"{{\n    const int {name} = 0;\n\n    (void){name};\n{indented(text)}\n}}"
        else:
            text = f"for (int {name} = 0; {name} < {side}; {name}++) {{\n{indented(text)}\n}}"
    return text


def indented(text: str) -> str:
    """Move lines four columns to the right."""
    return "\n".join(f"    {line}" if line else line for line in text.splitlines())


def each(
    result: Operand, operands: Sequence[Operand], body: Callable[[str, Sequence[str]], str]
) -> str:
    """Write loops over every sample of a result, and over those of operands that are spread to it.

    Axes that lie together in all of them become one loop; the axis whose samples lie closest in the
    result is the innermost.

    Args:
        result: What is made.
        operands: What is read; each is spread over the result's axes.
        body: Takes the result's sample and those of the operands; gives a C statement.
    """
    rank = len(result.sides)
    everything = [result.spread(rank), *(operand.spread(rank) for operand in operands)]
    axes = [
        (side, tuple(one.strides[axis] for one in everything))
        for axis, side in enumerate(result.sides)
        if side > 1
    ]
    axes.sort(key=lambda axis: -axis[1][0])
    merged: list[tuple[int, tuple[int, ...]]] = []
    for side, strides in axes:
        if merged and all(
            outer == inner * side for outer, inner in zip(merged[-1][1], strides, strict=True)
        ):
            merged[-1] = (merged[-1][0] * side, strides)
        else:
            merged.append((side, strides))
    names = [f"i{number}" for number in range(len(merged))]
    samples = [
        f"{one.name}[{place(names, [strides[index] for _, strides in merged])}]"
        for index, one in enumerate(everything)
    ]
    sides = [side for side, _ in merged]
    return loop(list(zip(names, sides, strict=True)), body(samples[0], samples[1:]))
