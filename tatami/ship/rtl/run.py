"""A network on the simulated engine, as something that runs: for the ledger and for metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tatami.ops.fixed_point import dequantize
from tatami.program.steps import Program, Value
from tatami.ship.backend import Array, Running, RunningNetwork
from tatami.ship.rtl.core import MODULES, Core
from tatami.ship.rtl.engine import Engine
from tatami.ship.rtl.frame import Frame, check_tail, frame_of
from tatami.ship.rtl.simulate import FAST, QUICK, Bench, Counters
from tatami.ship.rtl.strips import lower_twice
from tatami.types import Float32, Spec

STALL = 100
"""Beats of 1,000 of each stream that wait, at random, where every layer is looked at."""

SMALL = 288
"""Multipliers up to which an engine is soon simulated, so that its simulator may be built soon."""


class SimulatedNetwork(RunningNetwork):
    """One network on the simulated engine.

    Args:
        frame: What runs it.
        trace: The same where every value leaves the engine.
        modules: Where the engine's Verilog lies.
    """

    def __init__(self, frame: Frame, trace: Frame, modules: Path = MODULES) -> None:
        self.frame, self.trace, self.modules = frame, trace, modules
        self.counters: Counters | None = None
        self._engines: dict[bool, Engine] = {}

    def _engine(self, *, trace: bool) -> Engine:
        if trace not in self._engines:
            frame = self.trace if trace else self.frame
            level = FAST if frame.core.products > SMALL else QUICK
            bench = Bench(frame.core, level=level, modules=self.modules)
            self._engines[trace] = Engine(frame, bench)
        return self._engines[trace]

    @property
    def known(self) -> Mapping[str, Value]:
        """Say the shape and type of the inputs and of every step's output, by name."""
        return self.frame.values

    @property
    def inputs(self) -> tuple[str, ...]:
        """Name the inputs."""
        return self.frame.taken

    @property
    def outputs(self) -> tuple[str, ...]:
        """Name the outputs."""
        return self.frame.given

    @property
    def kernels(self) -> str:
        """Name the engine by its lanes and pixels."""
        return kind_of(self.frame.core)

    @property
    def size(self) -> int:
        """Count the bytes of commands and constants."""
        return len(self.frame.commands) + len(self.frame.constants)

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        """Simulate a frame; ``counters`` has what the engine counted."""
        found, self.counters = self._engine(trace=False).values(inputs)
        return [found[name] for name in self.outputs]

    def values(self, inputs: Sequence[Array]) -> dict[str, Array]:
        """Simulate a frame in which every value leaves, while its streams stall at random."""
        return self._engine(trace=True).values(inputs, stall=STALL)[0]

    def close(self) -> None:
        """End the simulators."""
        for engine in self._engines.values():
            engine.bench.close()
        self._engines.clear()


def kind_of(core: Core) -> str:
    """Name an engine in few letters: 16x1 has 16 lanes and 1 pixel."""
    return f"{core.lanes}x{core.pixels}"


def simulated(program: Program, core: Core) -> SimulatedNetwork:
    """Lower a program for an engine, and simulate it.

    Raises:
        TatamiError: As lowering does.
    """
    lowered, trace = lower_twice(program, core)
    check_tail(lowered)
    return SimulatedNetwork(frame_of(lowered), frame_of(trace))


def running(spec: Spec | None, network: SimulatedNetwork, task: Any) -> Running:
    """Put the task's written rules around a network.

    Args:
        spec: What it is for; None: a bare network.
        network: The network.
        task: A value of tasks/table.py; None: a bare network.
    """

    def forward(images: Float32) -> tuple[Float32, ...]:
        maps = network.forward(images)
        return tuple(
            _real(each, network.known[name])
            for name, each in zip(network.outputs, maps, strict=True)
        )

    predictor = None
    if spec is not None and task is not None:
        predictor = task.structure(spec).predictor(spec, [forward])
    return Running(spec, {"": network}, predictor, None, network.size)


def _real(array: Array, value: Value) -> Float32:
    found = value.quantization
    return array if found is None else dequantize(array, found.scale, found.zero_point)
