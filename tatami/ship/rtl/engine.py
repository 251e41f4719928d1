"""The simulated engine as something that runs a program: maps in, values and counters out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tatami.ops import fixed_point
from tatami.program import interpret
from tatami.program.steps import Concat, Program
from tatami.ship.rtl.lower import Lowered
from tatami.ship.rtl.simulate import Bench, Counters

Array = NDArray[Any]


class Engine:
    """One lowered program in the DDR of a simulator.

    Args:
        lowered: The program.
        bench: The simulator of its core.
    """

    def __init__(self, lowered: Lowered, bench: Bench) -> None:
        self.lowered = lowered
        self.bench = bench
        bench.write(lowered.constants_at, lowered.constants)
        bench.write(lowered.program_at, np.asarray(lowered.words, "<u4").tobytes())

    def made(
        self, inputs: Sequence[Array], *, stall: int = 0, seed: int = 1
    ) -> tuple[dict[str, Array], Counters]:
        """Run a frame on the engine alone.

        Args:
            inputs: As for ``values``.
            stall: How many of 1,000 beats of each stream wait, at random.
            seed: Of the stalls.

        Returns:
            What has left the engine, by name: bytes, and float32 where sums leave; and what the
            engine has counted.
        """
        lowered, program = self.lowered, self.lowered.program
        given = dict(zip(program.inputs, inputs, strict=True))
        for name, planes in lowered.inputs.items():
            stored = interpret.quantize(given[name], program.values[name].quantization)
            self.bench.write(planes.address, planes.pack(stored))
        counters = self.bench.go(lowered.program_at, stall=stall, seed=seed)
        left = {
            name: {
                part.part: part.unpack(self.bench.read(part.address, part.size)) for part in parts
            }
            for name, parts in lowered.streams.items()
        }
        found: dict[str, Array] = dict(given)
        for step in program.steps:
            parts = left.get(step.output, {})
            if isinstance(step, Concat):
                maps = [
                    parts.get(place, found.get(name))
                    for place, name in zip(lowered.joins[step.output], step.inputs, strict=True)
                ]
            else:
                maps = list(parts.values())
            whole = [each for each in maps if each is not None]
            if not whole or len(whole) < len(maps):
                continue
            found[step.output] = np.concatenate(whole)
            scale = lowered.scales.get(step.output)
            if scale is not None:
                found[step.output] = fixed_point.to_float(found[step.output][None], scale)[0]
        return {name: array for name, array in found.items() if name not in given}, counters

    def values(
        self, inputs: Sequence[Array], *, stall: int = 0, seed: int = 1
    ) -> tuple[dict[str, Array], Counters]:
        """Run a frame, and what the processor beside the engine does after it.

        Args:
            inputs: One array (channels, rows, columns) an input.
            stall: How many of 1,000 beats of each stream wait, at random.
            seed: Of the stalls.

        Returns:
            Every value that left the engine or came after it, by name; and the counters.
        """
        found, counters = self.made(inputs, stall=stall, seed=seed)
        return found | self.tail(
            found | dict(zip(self.program.inputs, inputs, strict=True))
        ), counters

    @property
    def program(self) -> Program:
        """The whole program."""
        return self.lowered.program

    def tail(self, found: Mapping[str, Array]) -> dict[str, Array]:
        """Do the steps after the engine's."""
        steps = self.lowered.tail
        if not steps:
            return {}
        made = {step.output for step in steps}
        wanted = {name for step in steps for name in step.inputs if name not in made}
        names = tuple(name for name in found if name in wanted)
        part = replace(self.program, steps=steps, inputs=names, outputs=tuple(made))
        values = interpret.values(part, [found[name] for name in names])
        return {name: values[name] for name in values if name in made}
