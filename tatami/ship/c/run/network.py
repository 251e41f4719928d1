"""The network of a shipped folder, run by its own program, proof.c."""

from __future__ import annotations

import os
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from tatami.errors import TatamiError
from tatami.ops.fixed_point import quantize
from tatami.program.steps import Value
from tatami.ship.backend import Array, RunningNetwork
from tatami.ship.c.build import build, build_for
from tatami.ship.c.files import PROOF, part_file
from tatami.ship.c.run.board import Board
from tatami.ship.c.run.description import describe
from tatami.ship.c.run.process import Channel, Framed, Process
from tatami.ship.c.targets import TARGETS, Target, target_of

HOST = "host"
"""The target that is this machine itself."""


class CompiledNetwork(RunningNetwork):
    """The network of a shipped folder, compiled to a temporary folder.

    ``close`` it, or use it in a ``with`` statement.

    Args:
        folder: The shipped folder.
        variant: The kernels to use, as "portable" or "avx2" (kernels/variant.c); None: the best.
        target: "host", or one of ship/c/targets.py, whose program runs in its emulator.
        threads: None: as many as it was shipped for.
        options: For the compiler.
        part: The name of one of several networks; "" is the only one.

    Raises:
        TatamiError: For a folder that is not a shipped one; by every method, where a compiler or
            an emulator is missing, for kernels that the build or the processor has not got, and
            for a program that dies.
    """

    def __init__(
        self,
        folder: Path,
        *,
        variant: str | None = None,
        target: str = HOST,
        threads: int | None = None,
        options: Sequence[str] = ("-O3",),
        part: str = "",
    ) -> None:
        self.folder = folder
        self._part = part
        self.description = describe(folder, part)
        self.variant = variant
        self.target = target
        self.built = True  # whether the built example in the folder may be run
        self.program: Path | None = None  # proof.c, compiled already
        self.threads = threads or self.description.threads
        self._options = tuple(options)
        self._temporary = tempfile.TemporaryDirectory(prefix="tatami-")
        self._processes: list[Process] = []
        # Called by close, or when the network is forgotten: no process outlives it.
        self._end = weakref.finalize(self, _end, self._processes, self._temporary)
        self._channel: Channel | None = None
        self._kernels = ""

    @property
    def known(self) -> Mapping[str, Value]:
        """Say the shape and type of the inputs and of every step's output, by name."""
        return self.description.values

    @property
    def inputs(self) -> tuple[str, ...]:
        """Name the inputs."""
        return self.description.inputs

    @property
    def outputs(self) -> tuple[str, ...]:
        """Name the outputs."""
        return self.description.outputs

    @property
    def remembers(self) -> bool:
        """Say whether something lives from call to call."""
        return bool(self.description.states)

    @property
    def kernels(self) -> str:
        """Name the kernels in use."""
        self._proof()
        return self._kernels

    @property
    def size(self) -> int:
        """Count the bytes of its C and its weights."""
        return source_size(self.folder, self._part or self.description.name)

    def check(self) -> None:
        """Compile it now, as its first run would.

        Raises:
            TatamiError: For what is not there.
        """
        self._proof()

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        """Compute the outputs for one picture, as program/interpret.py gives them.

        Args:
            inputs: (channels, rows, columns) each. One that the network takes as bytes may be
                float32.

        Returns:
            (channels, rows, columns) each, float32 or uint8.
        """
        return self.run_calls([inputs])[0]

    def values(self, inputs: Sequence[Array]) -> dict[str, Array]:
        """Compute the output of every step for one picture, by the name that it has in ONNX."""
        return self.values_of_calls([inputs])[0]

    def run_calls(self, calls: Sequence[Sequence[Array]]) -> list[list[Array]]:
        """Compute the outputs of calls one after another, the first of which finds zeros."""
        found = self._answers(b"F", calls, self.description.outputs)
        return [[each[at] for each in found] for at in range(len(calls))]

    def values_of_calls(self, calls: Sequence[Sequence[Array]]) -> list[dict[str, Array]]:
        """Compute the output of every step of calls one after another."""
        steps = self.description.steps
        found = self._answers(b"T", calls, steps)
        return [
            {name: each[at] for name, each in zip(steps, found, strict=True)}
            for at in range(len(calls))
        ]

    def _answers(
        self, letter: bytes, calls: Sequence[Sequence[Array]], names: Sequence[str]
    ) -> list[Array]:
        """Ask for values of calls one after another, from the beginning.

        Returns:
            For each name (calls, channels, rows, columns).
        """
        values = [self.description.values[name] for name in names]
        size = sum(value.bytes for value in values)
        requests = [letter + self._packed(inputs) for inputs in calls]
        if self.description.states:
            requests[0] = b"R" + requests[0]
        answer = self._proof().ask_each(requests, size)
        return unpacked_calls(answer, values, len(calls))

    def ask(self, request: bytes, size: int) -> bytes:
        """Send proof.c a request, or none, and give the next ``size`` bytes of its answer."""
        return self._proof().ask(request, size)

    def cpu_seconds(self) -> float | None:
        """Measure the processor time that its processes have taken so far.

        Returns:
            None where the system has no clock of another process.
        """
        spent = [process.cpu_seconds() for process in self._processes]
        known = [one for one in spent if one is not None]
        return sum(known) if len(known) == len(spent) else None

    def close(self) -> None:
        """End the processes and remove what was compiled."""
        self._end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def start(self, command: Sequence[str]) -> Process:
        """Start a process that ends with this network."""
        return self._kept(Process(command, self.folder))

    def _kept(self, process: Process) -> Process:
        self._processes.append(process)
        return process

    def stop(self, process: Process) -> None:
        """End one of them now."""
        process.close()
        self._processes.remove(process)

    def example(self, file: str) -> Path:
        """Find the example: in the folder, where it may be run, or else compile it elsewhere.

        Args:
            file: What it is called in the folder.
        """
        shipped = self.folder / file
        if self.built and shipped.is_file() and os.access(shipped, os.X_OK):
            return shipped.resolve()
        program = Path(self._temporary.name) / "example"
        if not program.exists():
            build(self.folder, self.description.name, program, threads=self.description.threads)
        return program

    def _packed(self, inputs: Sequence[Array]) -> bytes:
        """Give the inputs as proof.c reads them: channels last, in the network's own types."""
        if len(inputs) != len(self.description.inputs):
            raise ValueError(f"{len(self.description.inputs)} inputs, not {len(inputs)}")
        parts = []
        for name, array in zip(self.description.inputs, inputs, strict=True):
            value = self.description.values[name]
            if array.shape != value.shape:
                raise ValueError(f"input '{name}' is {value.shape}, not {array.shape}")
            parts.append(np.ascontiguousarray(native(array, value).transpose(1, 2, 0)).tobytes())
        return b"".join(parts)

    def _compiled(self, target: Target) -> Path:
        """Compile proof.c, and net.c with its trace compiled in."""
        about = self.description
        program = Path(self._temporary.name) / "proof"
        build_for(
            target,
            self.folder,
            about.name,
            program,
            main=part_file(self._part, PROOF),
            options=(
                *self._options,
                f"-D{about.name.upper()}_TRACE={about.name}_trace",
                f"-D{about.name.upper()}_THREADS={self.threads}",
            ),
            threads=self.threads,
        )
        return program

    def _proof(self) -> Channel:
        """Start what answers for the parts: the same net.c, with its trace compiled in."""
        if self._channel is None:
            target = TARGETS["any"] if self.target == HOST else target_of(self.target)
            program = self.program or self._compiled(target)
            command = [*target.runner, str(program)]
            channel: Channel
            if target.framed:
                channel = self._kept(Framed(command, self.folder))
            elif target.board:
                channel = Board(target, program, self.variant, self.folder)
            else:
                channel = self.start(command)
            self._kernels = channel.choose(self.variant)
            if self._kernels == "-":
                raise TatamiError(
                    f"this machine or program has no kernels '{self.variant}'",
                    hint="leave the choice to the program",
                    file=self.folder,
                )
            self._channel = channel
        return self._channel


def native(array: Array, value: Value) -> Array:
    """Give an input in the network's own type: float32, or bytes, to which float32 is quantized."""
    if value.quantization is None:
        return np.asarray(array, value.dtype)
    if array.dtype == np.uint8:
        return array
    quantization = value.quantization
    return quantize(np.asarray(array, np.float32), quantization.scale, quantization.zero_point)


def unpacked(answer: bytes, values: Sequence[Value]) -> list[Array]:
    """Read arrays (channels, rows, columns) from values one after another, channels last."""
    return [each[0] for each in unpacked_calls(answer, values, 1)]


def unpacked_calls(answer: bytes, values: Sequence[Value], calls: int) -> list[Array]:
    """Read the values of calls one after another, as ``unpacked`` does those of one.

    Returns:
        For each value (calls, channels, rows, columns).
    """
    size = sum(value.bytes for value in values)
    rows_of_bytes = np.frombuffer(answer, np.uint8, calls * size).reshape(calls, size)
    arrays = []
    at = 0
    for value in values:
        channels, rows, columns = value.shape
        own = np.ascontiguousarray(rows_of_bytes[:, at : at + value.bytes]).view(value.dtype)
        maps: Array = own.reshape(calls, rows, columns, channels).transpose(0, 3, 1, 2)
        arrays.append(np.ascontiguousarray(maps))
        at += value.bytes
    return arrays


def source_size(folder: Path, name: str) -> int:
    """Count the bytes of the C and the weights of what begins with a name."""
    return sum(
        file.stat().st_size
        for file in folder.iterdir()
        if file.name.startswith(name)
        and file.suffix in (".c", ".h", ".S", ".bin")
        and not file.name.endswith((f"_{PROOF}", "_selftest.c"))
    )


def _end(processes: list[Process], temporary: tempfile.TemporaryDirectory[str]) -> None:
    for process in processes:
        process.close()
    temporary.cleanup()
