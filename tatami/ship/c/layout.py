"""Where everything of a program lies: values and scratch in the arena, constants beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tatami.program.memory import Buffer, Plan, overlaps, plan
from tatami.program.steps import Program
from tatami.ship.c.operator import (
    C_TYPES,
    DEFAULT,
    Decision,
    Numbers,
    Options,
    Places,
    c_type,
)
from tatami.ship.c.operators.table import decide
from tatami.ship.c.targets import target_of


@dataclass(frozen=True)
class Constant:
    """Hold numbers that steps read.

    Args:
        name: In C, of its own.
        numbers: What it holds.
        offset: Where they lie in the binary file, in bytes.
    """

    name: str
    numbers: Numbers
    offset: int


@dataclass(frozen=True)
class Layout:
    """Say where everything lies.

    Args:
        decisions: What each step needs.
        plan: Of the arena; what lives from call to call lies at its end, and shares no bytes.
        state: Bytes of what lives from call to call.
        offsets: Bytes in the arena, by name of the value.
        scratch: Bytes in the arena, by index of the step.
        constants: Those of all steps, in their order.
        step_constants: Those of each step, by the step's own name for them.
        value_constants: Those that are values of the program, by name.
        constant_bytes: What all constants take, each aligned.
    """

    decisions: tuple[Decision, ...]
    plan: Plan
    state: int
    offsets: Mapping[str, int]
    scratch: Mapping[int, int]
    constants: tuple[Constant, ...]
    step_constants: tuple[Mapping[str, Constant], ...]
    value_constants: Mapping[str, Constant]
    constant_bytes: int


def lay_out(program: Program, options: Options = DEFAULT) -> Layout:
    """Decide every step, then plan the arena by lifetime.

    Raises:
        TatamiError: For a step that has no C, naming it.
    """
    decisions = tuple(decide(program, step, options) for step in program.steps)
    alignment = target_of(options.target).alignment
    buffer_of, buffers = _buffers(program, decisions)
    planned = plan(buffers, alignment)
    assert not overlaps(buffers, planned.offsets), "the memory plan is wrong"
    state_offsets, size = _after(program, planned.size, alignment)
    state = size - planned.size
    arena = Plan(planned.offsets, size, planned.lower_bound + state)
    constants: list[Constant] = []
    end = 0

    def keep(name: str, numbers: Numbers) -> Constant:
        nonlocal end
        constants.append(Constant(name, numbers, end))
        end += -(-numbers.nbytes // 64) * 64
        return constants[-1]

    step_constants = tuple(
        {key: keep(f"net_c{index}_{key}", array) for key, array in decision.constants.items()}
        for index, decision in enumerate(decisions)
    )
    value_constants = {
        name: keep(f"net_v{index}", channels_last(array))
        for index, (name, array) in enumerate(program.constants.items())
    }
    return Layout(
        decisions,
        arena,
        state,
        {name: planned.offsets[buffer] for name, buffer in buffer_of.items()} | state_offsets,
        {
            index: planned.offsets[_scratch_name(index)]
            for index, decision in enumerate(decisions)
            if decision.scratch
        },
        tuple(constants),
        step_constants,
        value_constants,
        end,
    )


def channels_last(array: NDArray[Any]) -> NDArray[Any]:
    """Turn (channels, rows, columns) to what lies in C: (rows, columns, channels)."""
    return np.ascontiguousarray(array.transpose(1, 2, 0))


def _buffers(
    program: Program, decisions: Sequence[Decision]
) -> tuple[dict[str, str], list[Buffer]]:
    """Name the buffer of each value, and list all: a step in place shares its input's buffer."""
    lifetimes = program.lifetimes()
    buffer_of = {name: name for name in lifetimes}
    for index, (step, decision) in enumerate(zip(program.steps, decisions, strict=True)):
        dying = [
            name
            for name in step.inputs
            if name in lifetimes
            and lifetimes[name].last == index
            and program.values[name].bytes == program.values[step.output].bytes
        ]
        if decision.in_place and dying:
            buffer_of[step.output] = buffer_of[dying[0]]
    buffers = []
    for buffer in dict.fromkeys(buffer_of.values()):
        sharing = [lifetimes[name] for name in lifetimes if buffer_of[name] == buffer]
        first, last = min(life.first for life in sharing), max(life.last for life in sharing)
        buffers.append(Buffer(buffer, program.values[buffer].bytes, first, last))
    for index, decision in enumerate(decisions):
        if decision.scratch:
            buffers.append(Buffer(_scratch_name(index), decision.scratch, index, index))
    return buffer_of, buffers


def _after(program: Program, size: int, alignment: int) -> tuple[dict[str, int], int]:
    """Place what lives from call to call behind an arena of a size; give the new size, too."""
    end = -(-size // alignment) * alignment if program.states else size
    offsets = {}
    for name in program.states:
        offsets[name] = end
        end += -(-program.values[name].bytes // alignment) * alignment
    return offsets, end


def _scratch_name(index: int) -> str:
    return f"scratch of step {index}"  # no value of an ONNX file from tatami is called so


def constant_type(numbers: Numbers) -> str:
    """Name the C type of a constant's numbers."""
    return C_TYPES[numbers.dtype.name]


class Addresses:
    """Say where everything lies, as C expressions.

    Args:
        program: The program that was laid out.
        layout: Where its values and constants are.
        as_array: Whether constants are C arrays; else they lie in one block of bytes.
    """

    def __init__(self, program: Program, layout: Layout, as_array: bool) -> None:
        self.layout = layout
        self.as_array = as_array
        self.values = {
            name: f"({c_type(program.values[name])} *)(net_arena + {offset})"
            for name, offset in layout.offsets.items()
        }
        self.values |= {
            name: self.constant(constant) for name, constant in layout.value_constants.items()
        }

    def constant(self, constant: Constant) -> str:
        """Point to a constant."""
        if self.as_array:
            return constant.name
        return f"(const {constant_type(constant.numbers)} *)(net_weights + {constant.offset})"

    def of_step(self, index: int) -> Places:
        """Point to all that a step reads and writes."""
        return Places(
            self.values,
            f"(net_arena + {self.layout.scratch.get(index, 0)})",
            {key: self.constant(one) for key, one in self.layout.step_constants[index].items()},
        )
