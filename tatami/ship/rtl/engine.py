"""The simulated engine as something that runs a frame: maps in, values and counters out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tatami.ops import fixed_point
from tatami.program import interpret
from tatami.ship.rtl.frame import Frame, frame_of
from tatami.ship.rtl.lower import Lowered
from tatami.ship.rtl.simulate import Bench, Counters

Array = NDArray[Any]


class Engine:
    """One frame in the DDR of a simulator.

    Args:
        network: The lowered program, or what a shipped folder has of it.
        bench: The simulator of its core.
    """

    def __init__(self, network: Lowered | Frame, bench: Bench) -> None:
        self.frame = network if isinstance(network, Frame) else frame_of(network)
        self.bench = bench
        bench.write(self.frame.constants_at, self.frame.constants)
        bench.write(self.frame.commands_at, self.frame.commands + self.frame.first)

    def made(
        self, inputs: Sequence[Array], *, stall: int = 0, seed: int = 1
    ) -> tuple[dict[str, Array], Counters]:
        """Run a frame on the engine alone.

        Args:
            inputs: One array (channels, rows, columns) an input.
            stall: How many of 1,000 beats of each stream wait, at random.
            seed: Of the stalls.

        Returns:
            What has left the engine, by name: bytes, and float32 where sums leave; and what the
            engine has counted.
        """
        frame = self.frame
        given = dict(zip(frame.taken, inputs, strict=True))
        for name, planes in frame.inputs.items():
            given[name] = interpret.quantize(given[name], frame.values[name].quantization)
            self.bench.write(planes.address, planes.pack(given[name]))
        if frame.first:  # as the frame before would have done
            self.bench.go(frame.first_at, stall=stall, seed=seed)
        counters = self.bench.go(frame.commands_at, stall=stall, seed=seed)
        left = {name: self._left(name) for name in frame.streams}
        found: dict[str, Array] = dict(given)
        for name in frame.values:
            parts = left.get(name, {})
            if name in frame.joins:  # a part that was copied, else what it was copied from
                maps = [parts.get(at, found.get(one)) for at, one in frame.joins[name]]
            else:
                maps = list(parts.values())
            whole = [each for each in maps if each is not None]
            if whole and len(whole) == len(maps):
                found[name] = np.concatenate(whole)
        return {name: array for name, array in found.items() if name not in given}, counters

    def _left(self, name: str) -> dict[int, Array]:
        """Read the parts of a value, by where they lie in it."""
        parts = {
            part.part: part.unpack(self.bench.read(part.address, part.size))
            for part in self.frame.streams[name]
        }
        scale = self.frame.scales.get(name)
        if scale is None:
            return parts
        return {at: fixed_point.to_float(sums[None], scale)[0] for at, sums in parts.items()}

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
        given = dict(zip(self.frame.taken, inputs, strict=True))
        return found | self._after(given | found), counters

    def _after(self, found: Mapping[str, Array]) -> dict[str, Array]:
        """Do the steps after the engine's."""
        program = self.frame.after(found)
        values = interpret.values(program, [found[name] for name in program.inputs])
        return {name: values[name] for name in program.outputs}
