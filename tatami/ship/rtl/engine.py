"""The simulated engine as something that runs a frame: maps in, values and counters out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tatami.ops import fixed_point
from tatami.program import interpret
from tatami.ship.rtl.frame import Frame, frame_of
from tatami.ship.rtl.lower import Lowered, Planes
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
        found = {
            name: self._read(name, parts)
            for name in frame.values
            if name not in given and (parts := frame.parts(name))
        }
        return found, counters

    def _read(self, name: str, parts: Sequence[Planes]) -> Array:
        """Read a value that has left."""
        maps = [part.unpack(self.bench.read(part.address, part.size)) for part in parts]
        whole = np.concatenate(maps)
        scale = self.frame.scales.get(name)
        return whole if scale is None else fixed_point.to_float(whole[None], scale)[0]

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
