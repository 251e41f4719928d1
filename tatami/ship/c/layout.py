"""Where everything of a program lies: values and scratch in the arena, constants in one blob."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tatami.ship.c import activate, add, concat, conv, max_pool
from tatami.ship.c.operator import Decision, Places, count
from tatami.ship.memory import Buffer, Plan, overlaps, plan
from tatami.ship.program import Activate, Add, Concat, Conv, MaxPool, Program, Step
from tatami.types import Float32


@dataclass(frozen=True)
class Layout:
    """decisions: of each step.  plan: of the arena.  offsets: bytes in it, by name of the value.

    scratch: bytes in the arena, by index of the step.  constants: float32, flat, one blob.
    constant_offsets: for each step, where its constants begin in that blob, in numbers.
    """

    decisions: tuple[Decision, ...]
    plan: Plan
    offsets: Mapping[str, int]
    scratch: Mapping[int, int]
    constants: Float32
    constant_offsets: tuple[tuple[int, ...], ...]


def lay_out(program: Program) -> Layout:
    """Decide every step, then plan the arena by lifetime."""
    decisions = tuple(_decide(program, step) for step in program.steps)
    buffer_of, buffers = _buffers(program, decisions)
    planned = plan(buffers)
    assert not overlaps(buffers, planned.offsets), "the memory plan is wrong"
    parts: list[Float32] = []
    starts = []
    end = 0
    for decision in decisions:
        starts.append(tuple(end + sum(map(len, decision.constants[:i])) for i in range(9)))
        starts[-1] = starts[-1][: len(decision.constants)]
        parts += decision.constants
        end += sum(map(len, decision.constants))
    return Layout(
        decisions,
        planned,
        {name: planned.offsets[buffer] for name, buffer in buffer_of.items()},
        {
            index: planned.offsets[_scratch_name(index)]
            for index, decision in enumerate(decisions)
            if decision.scratch
        },
        np.concatenate(parts) if parts else np.zeros(0, np.float32),
        tuple(starts),
    )


def emit_step(program: Program, step: Step, places: Places) -> str:
    """The C statements of a step."""
    match step:
        case Conv():
            return conv.emit(program, step, places)
        case MaxPool():
            return max_pool.emit(program, step, places)
        case Activate():
            return activate.emit(program, step, places)
        case Add():
            return add.emit(program, step, places)
        case Concat():
            return concat.emit(program, step, places)


def _decide(program: Program, step: Step) -> Decision:
    match step:
        case Conv():
            return conv.decide(program, step)
        case MaxPool():
            return max_pool.decide(program, step)
        case Activate():
            return activate.decide(program, step)
        case Add():
            return add.decide(program, step)
        case Concat():
            return concat.decide(program, step)


def _buffers(
    program: Program, decisions: Sequence[Decision]
) -> tuple[dict[str, str], list[Buffer]]:
    """The buffer of each value, and all buffers: a step in place shares its input's buffer."""
    lifetimes = program.lifetimes()
    buffer_of = {name: name for name in lifetimes}
    for index, (step, decision) in enumerate(zip(program.steps, decisions, strict=True)):
        dying = [
            name
            for name in step.inputs
            if lifetimes[name].last == index
            and count(program.shapes[name]) == count(program.shapes[step.output])
        ]
        if decision.in_place and dying:
            buffer_of[step.output] = buffer_of[dying[0]]
    buffers = []
    for buffer in dict.fromkeys(buffer_of.values()):
        sharing = [lifetimes[name] for name in lifetimes if buffer_of[name] == buffer]
        size = count(program.shapes[buffer]) * 4
        first, last = min(life.first for life in sharing), max(life.last for life in sharing)
        buffers.append(Buffer(buffer, size, first, last))
    for index, decision in enumerate(decisions):
        if decision.scratch:
            buffers.append(Buffer(_scratch_name(index), decision.scratch, index, index))
    return buffer_of, buffers


def _scratch_name(index: int) -> str:
    return f"scratch of step {index}"  # no value of an ONNX file from tatami is called so
