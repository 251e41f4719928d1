"""What a frame is to the engine and to whoever runs it: all that a shipped folder says of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from tatami.errors import TatamiError
from tatami.program.steps import (
    Concat,
    Dequantize,
    L2Norm,
    Program,
    Quantization,
    QuantizedSoftmax,
    Reshape,
    Slice,
    Softmax,
    Step,
    Table,
    Transpose,
    Value,
)
from tatami.ship.rtl.core import Core
from tatami.ship.rtl.lower import Lowered, Planes
from tatami.types import Float32

TAIL = (*(Concat, Dequantize, L2Norm, QuantizedSoftmax, Reshape, Slice, Softmax, Table, Transpose),)
"""Steps that may follow the engine's: what is known of each is plain values, and small."""


@dataclass(frozen=True, eq=False)
class Frame:
    """Hold what runs a network on the engine.

    Args:
        core: The engine.
        commands: Words of the program, little-endian.
        constants: The stream of them.
        commands_at: Where the commands lie in DDR.
        constants_at: Where the constants lie.
        end: Bytes of DDR that are used.
        inputs: Where the inputs lie in DDR, by name.
        streams: Where values come to lie in DDR, in parts, by name.
        scales: What the sums of a value that leaves so stand for, a channel each, by name.
        joins: Of each concatenation that is only addresses, by its output's name: the place and
            the name of each input.
        values: What every value is, by name, in the order in which they are made.
        taken: The network's inputs, in order.
        given: The network's outputs, in order.
        tail: The steps that the processor does afterwards.
        first: Words of the program before the first frame, where a frame loads the next picture.
    """

    core: Core
    commands: bytes
    constants: bytes
    commands_at: int
    constants_at: int
    end: int
    inputs: Mapping[str, Planes]
    streams: Mapping[str, tuple[Planes, ...]]
    scales: Mapping[str, Float32]
    joins: Mapping[str, tuple[tuple[int, str], ...]]
    values: Mapping[str, Value]
    taken: tuple[str, ...]
    given: tuple[str, ...]
    tail: tuple[Step, ...]
    first: bytes = b""

    @property
    def first_at(self) -> int:
        """Where the words of ``first`` lie in DDR: after the commands."""
        return self.commands_at + len(self.commands)

    def parts(self, name: str) -> tuple[Planes, ...]:
        """Find where a value lies in DDR, its channels in order; empty: nowhere.

        A concatenation that is only addresses lies where its inputs do.
        """
        if name in self.inputs:
            return (self.inputs[name],)
        own = {part.part: part for part in self.streams.get(name, ())}
        if name not in self.joins:
            return tuple(own.values())
        found: list[Planes] = []
        for at, one in self.joins[name]:  # a part that was copied, else what it was copied from
            part = (own[at],) if at in own else self.parts(one)
            if not part:
                return ()
            found += part
        return tuple(found)

    def after(self, found: Mapping[str, Any]) -> Program:
        """Make a program of the steps after the engine's, of what is there before them."""
        made = tuple(step.output for step in self.tail)
        wanted = [name for step in self.tail for name in step.inputs if name not in made]
        names = tuple(name for name in found if name in wanted)
        return Program(self.tail, self.values, names, made)

    def to_json(self) -> dict[str, Any]:
        """Give all but commands and constants as plain values."""
        return {
            "parameters": self.core.verilog,
            "commands": {"address": self.commands_at, "bytes": len(self.commands)},
            "constants": {"address": self.constants_at, "bytes": len(self.constants)},
            "end": self.end,
            "inputs": {name: _planes_to_json(planes) for name, planes in self.inputs.items()},
            "streams": {
                name: [_planes_to_json(part) for part in parts]
                for name, parts in self.streams.items()
            },
            "scales": {
                name: [float(each) for each in scale] for name, scale in self.scales.items()
            },
            "joins": {name: [list(each) for each in parts] for name, parts in self.joins.items()},
            "values": {name: _value_to_json(value) for name, value in self.values.items()},
            "taken": list(self.taken),
            "given": list(self.given),
            "tail": [_step_to_json(step) for step in self.tail],
        }


def frame_of(lowered: Lowered) -> Frame:
    """Take from a lowered program what runs it."""
    program = lowered.program
    joins = {
        step.output: tuple(zip(lowered.joins[step.output], step.inputs, strict=True))
        for step in program.steps
        if isinstance(step, Concat) and step.output in lowered.joins
    }
    names = (*program.inputs, *(step.output for step in program.steps))
    values = {name: program.values[name] for name in names}
    return Frame(
        lowered.core, np.asarray(lowered.words, "<u4").tobytes(), lowered.constants,
        lowered.program_at, lowered.constants_at, lowered.end, lowered.inputs, lowered.streams,
        lowered.scales, joins, values, program.inputs, program.outputs, lowered.tail,
        np.asarray([word for one in lowered.first for word in one.words()], "<u4").tobytes(),
    )  # fmt: skip


def frame_from(content: Mapping[str, Any], commands: bytes, constants: bytes) -> Frame:
    """Read a frame again.

    Args:
        content: What ``to_json`` gave.
        commands: Of the frame.
        constants: Of the frame.

    Raises:
        ValueError: For what is no frame; so does any other error of Python's say.
    """
    core = Core(**{name.lower(): int(value) for name, value in content["parameters"].items()})
    values = {str(name): _value(each) for name, each in content["values"].items()}
    frame = Frame(
        core, commands, constants,
        int(content["commands"]["address"]), int(content["constants"]["address"]),
        int(content["end"]),
        {str(name): _planes(each) for name, each in content["inputs"].items()},
        {str(name): tuple(map(_planes, each)) for name, each in content["streams"].items()},
        {str(name): np.asarray(each, np.float32) for name, each in content["scales"].items()},
        {str(name): tuple((int(at), str(one)) for at, one in each)
         for name, each in content["joins"].items()},
        values, tuple(map(str, content["taken"])), tuple(map(str, content["given"])),
        tuple(_step(each) for each in content["tail"]),
    )  # fmt: skip
    if (len(frame.commands), len(frame.constants)) != (
        content["commands"]["bytes"],
        content["constants"]["bytes"],
    ):
        raise ValueError("files of other sizes")
    used = {*frame.inputs, *frame.streams, *frame.scales, *frame.taken, *frame.given}
    if not used <= {*values}:
        raise ValueError("values that there are not")
    return frame


# Plain values -------------------------------------------------------------------------------------


def _value_to_json(value: Value) -> dict[str, Any]:
    found = value.quantization
    return {
        "shape": list(value.shape),
        "dtype": value.dtype,
        "quantization": None if found is None else asdict(found),
    }


def _value(content: Mapping[str, Any]) -> Value:
    channels, rows, columns = map(int, content["shape"])
    found = content["quantization"]
    if found is None:
        return Value((channels, rows, columns), dtype=str(np.dtype(content["dtype"])))
    quantization = Quantization(float(found["scale"]), int(found["zero_point"]))
    return Value((channels, rows, columns), quantization)


def _planes_to_json(planes: Planes) -> dict[str, Any]:
    plain = planes.lies == tuple(range(len(planes.lies)))
    return {**asdict(planes), "lies": len(planes.lies) if plain else list(planes.lies)}


def _planes(content: Mapping[str, Any]) -> Planes:
    lies = content["lies"]
    places = range(lies) if isinstance(lies, int) else map(int, lies)
    channels, rows, columns = map(int, content["shape"])
    return Planes(
        int(content["address"]), (channels, rows, columns), tuple(places),
        int(content["channels"]), int(content["sample"]), int(content["part"]),
    )  # fmt: skip


def _step_to_json(step: Step) -> dict[str, Any]:
    content: dict[str, Any] = {"step": type(step).__name__}
    for each in fields(step):
        value = getattr(step, each.name)
        if isinstance(value, np.ndarray):
            value = {"dtype": value.dtype.name, "values": value.tolist()}
        content[each.name] = value
    return content


def _step(content: Mapping[str, Any]) -> Step:
    kind = {each.__name__: each for each in TAIL}[content["step"]]
    given: dict[str, Any] = {}
    for each in fields(kind):
        value = content[each.name]
        if isinstance(value, Mapping):
            value = np.asarray(value["values"], value["dtype"])
        given[each.name] = tuple(value) if isinstance(value, list) else value
    made: Step = kind(**given)
    return made


def check_tail(lowered: Lowered) -> None:
    """Check that what follows the engine can be written down.

    Raises:
        TatamiError: For a step that cannot, by its name.
    """
    for step in lowered.tail:
        if not isinstance(step, TAIL):
            raise TatamiError(
                f"the engine cannot do {type(step).__name__} '{step.name}', and a shipped folder "
                "does not say how a processor would",
                hint="cut the network before it",
            )
