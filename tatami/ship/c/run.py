"""A shipped folder, run: its own program, as a process that answers over pipes.

``CompiledNetwork`` runs the network of any shipped folder, on this machine or on an emulated one,
with the kernels that are asked for. ``CompiledDetector``, ``CompiledClassifier`` and
``CompiledSegmenter`` are the ``types.Detector``, ``Classifier`` and ``Segmenter`` around it.
"""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import tempfile
import time
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from tatami.errors import TatamiError
from tatami.graph.metadata import from_metadata
from tatami.ops.fixed_point import quantize
from tatami.program.steps import Quantization, Value
from tatami.ship.c.build import build, build_for
from tatami.ship.c.emit import FORMAT, example
from tatami.ship.c.targets import TARGETS, Target, target_of
from tatami.types import (
    ClassificationSpec,
    Detections,
    DetectionSpec,
    Float32,
    Mask,
    Picture,
    RawMaps,
    SegmentationSpec,
    Spec,
    detector_spec,
)

DESCRIPTION, PROOF = "network.json", "proof.c"
PROVING = (DESCRIPTION, PROOF)
"""What a folder holds of a network so that it can be run by itself."""
HOST = "host"
"""The target that is this machine itself."""

Array = NDArray[Any]
_DETECTION = np.dtype([("xyxy", "<f4", 4), ("score", "<f4"), ("label", "<i4")])


@dataclass(frozen=True)
class Description:
    """What network.json says.  values: of inputs and of every step's output, in order, by name.

    steps: the value that each step makes, in order.  target, threads: what it was shipped for.
    """

    name: str
    target: str
    threads: int
    spec: Spec | None
    values: Mapping[str, Value]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    steps: tuple[str, ...]


class CompiledNetwork:
    """The network of a folder that ``tatami ship`` wrote, compiled for the time being.

    variant: the kernels to use, as "portable" or "avx2" (kernels/variant.c); None: the best.
    target: "host", or one of ship/c/targets.py, whose program runs in its emulator.
    threads: None: as many as it was shipped for.  options: for the compiler.
    part: the name of one of the networks of a detector in two stages.

    ``close`` it, or use it in a ``with`` statement. Raises TatamiError for a folder that is not a
    shipped one, where a compiler or an emulator is missing, for kernels that the build or the
    processor has not got, and for a program that dies.
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
        self.threads = threads or self.description.threads
        self._options = tuple(options)
        self._temporary = tempfile.TemporaryDirectory(prefix="tatami-")
        self._processes: list[_Process] = []
        # Called by close, or when the network is forgotten: no process outlives it.
        self._end = weakref.finalize(self, _end, self._processes, self._temporary)
        self._channel: _Channel | None = None
        self._kernels = ""

    @property
    def kernels(self) -> str:
        """The name of the kernels in use."""
        self._proof()
        return self._kernels

    def check(self) -> None:
        """Compile it now. Raises TatamiError for what is not there, as its first run would."""
        self._proof()

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        """The outputs for one picture, as program/interpret.py gives them: (channels, rows,
        columns) each, float32 or uint8. An input that the network takes as bytes may be float32."""
        values = [self.description.values[name] for name in self.description.outputs]
        answer = self.ask(b"F" + self._packed(inputs), sum(value.bytes for value in values))
        return _unpacked(answer, values)

    def values(self, inputs: Sequence[Array]) -> dict[str, Array]:
        """The output of every step for one picture, by the name that it has in ONNX, in order."""
        values = [self.description.values[name] for name in self.description.steps]
        answer = self.ask(b"T" + self._packed(inputs), sum(value.bytes for value in values))
        return dict(zip(self.description.steps, _unpacked(answer, values), strict=True))

    def ask(self, request: bytes, size: int) -> bytes:
        """So many bytes of what proof.c answers."""
        return self._proof().ask(request, size)

    def cpu_seconds(self) -> float | None:
        """Processor time that its processes have taken so far; None where the system has no clock
        of another process."""
        spent = [process.cpu_seconds() for process in self._processes]
        known = [one for one in spent if one is not None]
        return sum(known) if len(known) == len(spent) else None

    def close(self) -> None:
        """End the processes and remove what was compiled."""
        self._end()

    def __enter__(self) -> CompiledNetwork:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def start(self, command: Sequence[str]) -> _Process:
        """A process that ends with this network."""
        process = _Process(command, self.folder)
        self._processes.append(process)
        return process

    def stop(self, process: _Process) -> None:
        """End one of them now."""
        process.close()
        self._processes.remove(process)

    def example(self) -> Path:
        """The example: that in the folder where there is one, else compiled for the time being."""
        assert self.description.spec is not None
        shipped = self.folder / example(self.description.name, self.description.spec)
        if shipped.is_file() and os.access(shipped, os.X_OK):
            return shipped.resolve()
        program = Path(self._temporary.name) / "example"
        if not program.exists():
            build(self.folder, self.description.name, program, threads=self.description.threads)
        return program

    def _packed(self, inputs: Sequence[Array]) -> bytes:
        """The inputs as proof.c reads them: channels last, in the network's own types."""
        if len(inputs) != len(self.description.inputs):
            raise ValueError(f"{len(self.description.inputs)} inputs, not {len(inputs)}")
        parts = []
        for name, array in zip(self.description.inputs, inputs, strict=True):
            value = self.description.values[name]
            if array.shape != value.shape:
                raise ValueError(f"input '{name}' is {value.shape}, not {array.shape}")
            parts.append(np.ascontiguousarray(native(array, value).transpose(1, 2, 0)).tobytes())
        return b"".join(parts)

    def _proof(self) -> _Channel:
        """What answers for the parts: the same net.c, with its trace compiled in."""
        if self._channel is None:
            about = self.description
            program = Path(self._temporary.name) / "proof"
            options = [
                *self._options,
                f"-D{about.name.upper()}_TRACE={about.name}_trace",
                f"-D{about.name.upper()}_THREADS={self.threads}",
            ]
            target = TARGETS["any"] if self.target == HOST else target_of(self.target)
            build_for(
                target,
                self.folder,
                about.name,
                program,
                main=part_file(self._part, PROOF),
                options=options,
                threads=self.threads,
            )
            channel: _Channel
            if target.board:
                channel = _Board(target, program, self.variant, self.folder)
            else:
                channel = self.start([*target.runner, str(program)])
            self._kernels = channel.choose(self.variant)
            if self._kernels == "-":
                raise TatamiError(
                    f"this machine or program has no kernels '{self.variant}'",
                    hint="leave the choice to the program",
                    file=self.folder,
                )
            self._channel = channel
        return self._channel


class _Compiled:
    """What those in C have in common: pictures in, the network, its values.

    On this machine, with the best kernels, the program in the folder is used where there is one,
    and pictures go to it as PPM, one process for all of one setting. All else: CompiledNetwork.
    """

    def __init__(
        self,
        folder: Path,
        *,
        variant: str | None = None,
        target: str = HOST,
        threads: int | None = None,
    ) -> None:
        self.network = CompiledNetwork(folder, variant=variant, target=target, threads=threads)
        self.folder = folder
        self.name = self.network.description.name
        spec = self.network.description.spec
        if spec is None:
            raise _without_rules(folder)
        self._check(spec)
        self._as_shipped = variant is None and target == HOST and threads is None
        self._running: tuple[str, _Process] | None = None

    def _check(self, spec: Spec) -> None:
        """Raise TatamiError for a network of another use."""
        raise NotImplementedError

    @property
    def input(self) -> Value:
        """What the network takes: float32, or bytes."""
        return self.network.description.values[self.network.description.inputs[0]]

    def prepare(self, picture: Picture) -> Array:
        """The C picture rule alone: (height, width, 3) to the network's input (3, H, W), float32 or
        uint8."""
        answer = self.network.ask(b"P" + _request(picture), self.input.bytes)
        return _unpacked(answer, [self.input])[0]

    def forward(self, images: Float32) -> RawMaps:
        """The C network alone: images (n, 3, H, W) to raw maps (n, channels, rows, columns)."""
        found = [self.network.run([image]) for image in images]
        return tuple(np.stack(maps) for maps in zip(*found, strict=True))

    def values(self, images: Float32) -> dict[str, Array]:
        """The output of every step for images (n, 3, H, W), by the name that it has in ONNX: each
        (n, channels, rows, columns), float32 or uint8."""
        found = [self.network.values([image]) for image in images]
        names = self.network.description.steps
        return {name: np.stack([values[name] for values in found]) for name in names}

    def close(self) -> None:
        """End the processes and remove what was compiled for the time being."""
        self.network.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _shipped(self, *options: str) -> _Process:
        """The shipped program with these options, waiting for pictures."""
        setting = " ".join(options)
        if self._running is None or self._running[0] != setting:
            if self._running is not None:
                self.network.stop(self._running[1])
            program = str(self.network.example())
            self._running = (setting, self.network.start([program, *options, "-"]))
        return self._running[1]

    def _told(self, option: str, value: str, picture: Picture) -> list[list[str]]:
        """The words of the lines that the shipped program prints for a picture."""
        process = self._shipped(option, value)
        height, width = picture.shape[:2]
        process.send(_ppm(picture))
        count = int(process.line().split()[1])
        if count < 0:
            raise self._refused(width, height)
        return [process.line().split() for _ in range(count)]

    def _refused(self, width: int, height: int) -> TatamiError:
        return TatamiError(
            f"the program refuses a picture of {width}x{height}",
            hint="give a score threshold that is a number, and a smaller picture",
            file=self.folder,
        )


class CompiledDetector(_Compiled):
    """Implements ``types.Detector`` with the C program of a folder that ``tatami ship`` wrote."""

    def _check(self, spec: Spec) -> None:
        self._spec = detector_spec(spec)

    @property
    def spec(self) -> DetectionSpec:
        return self._spec

    def detect(self, picture: Picture, score_threshold: float) -> Detections:
        """Boxes in the pixels of the picture (height, width, 3), best first."""
        if self._as_shipped:
            rows = self._told("--threshold", repr(float(score_threshold)), picture)
            # Nine digits give every float32 back: float32 first, as the program computed it.
            return Detections.of(
                np.array([row[1:5] for row in rows], np.float32),
                np.array([row[0] for row in rows], np.float32),
                [int(row[5]) for row in rows],
            )
        request = b"D" + np.float32(score_threshold).tobytes() + _request(picture)
        count = int(np.frombuffer(self.network.ask(request, 4), "<i4")[0])
        if count < 0:
            raise self._refused(picture.shape[1], picture.shape[0])
        found = np.frombuffer(self.network.ask(b"", _DETECTION.itemsize * count), _DETECTION)
        return Detections.of(found["xyxy"], found["score"], found["label"])


class CompiledClassifier(_Compiled):
    """Implements ``types.Classifier`` with the C program of a folder that ``tatami ship`` wrote."""

    def _check(self, spec: Spec) -> None:
        if not isinstance(spec, ClassificationSpec):
            raise TatamiError("the network names no whole picture", hint="give a classifier's")
        self._spec = spec

    @property
    def spec(self) -> ClassificationSpec:
        return self._spec

    def classify(self, picture: Picture) -> Float32:
        """(classes,): the probabilities of a picture (height, width, 3)."""
        count = len(self.spec.classes)
        if self._as_shipped:
            scores = np.zeros(count, np.float32)
            for row in self._told("--top", str(count), picture):
                scores[int(row[1])] = np.float32(row[0])
            return scores
        return np.frombuffer(self.network.ask(b"S" + _request(picture), 4 * count), "<f4")


class CompiledSegmenter(_Compiled):
    """Implements ``types.Segmenter`` with the C program of a folder that ``tatami ship`` wrote."""

    def _check(self, spec: Spec) -> None:
        if not isinstance(spec, SegmentationSpec):
            raise TatamiError("the network names no pixels", hint="give a segmenter's")
        self._spec = spec

    @property
    def spec(self) -> SegmentationSpec:
        return self._spec

    def segment(self, picture: Picture) -> Mask:
        """(height, width): the class of each pixel of a picture (height, width, 3)."""
        height, width = picture.shape[:2]
        if self._as_shipped:
            head = b"P5\n%d %d\n255\n" % (width, height)
            answer = self._shipped().ask(_ppm(picture), len(head) + height * width)[len(head) :]
        else:
            answer = self.network.ask(b"M" + _request(picture), height * width)
        return np.frombuffer(answer, np.uint8).reshape(height, width)


def _ppm(picture: Picture) -> bytes:
    """A picture as the shipped programs read it."""
    height, width = picture.shape[:2]
    return b"P6 %d %d 255\n" % (width, height) + np.ascontiguousarray(picture).tobytes()


def _request(picture: Picture) -> bytes:
    """A picture as proof.c reads it."""
    height, width = picture.shape[:2]
    return np.array([width, height], "<i4").tobytes() + np.ascontiguousarray(picture).tobytes()


def _without_rules(folder: Path) -> TatamiError:
    return TatamiError(
        "the folder holds a network without rules for pictures and boxes",
        hint="run it as a network, not as a detector",
        file=folder,
    )


def open_compiled(
    folder: Path, *, variant: str | None = None, target: str = HOST
) -> CompiledDetector | CompiledClassifier | CompiledSegmenter:
    """A shipped folder as what its network.json says that it is. Raises TatamiError."""
    spec = describe(folder).spec
    if spec is None:
        raise _without_rules(folder)
    if isinstance(spec, ClassificationSpec):
        return CompiledClassifier(folder, variant=variant, target=target)
    if isinstance(spec, SegmentationSpec):
        return CompiledSegmenter(folder, variant=variant, target=target)
    return CompiledDetector(folder, variant=variant, target=target)


def native(array: Array, value: Value) -> Array:
    """An input in the network's own type: float32, or bytes, which float32 is quantized to."""
    if value.quantization is None:
        return np.asarray(array, np.float32)
    if array.dtype == np.uint8:
        return array
    quantization = value.quantization
    return quantize(np.asarray(array, np.float32), quantization.scale, quantization.zero_point)


def _unpacked(answer: bytes, values: Sequence[Value]) -> list[Array]:
    """Arrays (channels, rows, columns) from values one after another, channels last."""
    arrays = []
    at = 0
    for value in values:
        channels, rows, columns = value.shape
        kind = np.float32 if value.quantization is None else np.uint8
        flat: Array = np.frombuffer(answer, kind, channels * rows * columns, at)
        arrays.append(
            np.ascontiguousarray(flat.reshape(rows, columns, channels).transpose(2, 0, 1))
        )
        at += value.bytes
    return arrays


class _Channel(Protocol):
    """A way to proof.c."""

    def choose(self, variant: str | None) -> str:
        """Use those kernels from now on; the name of those in use, or "-"."""
        ...

    def ask(self, request: bytes, size: int) -> bytes:
        """The next so many bytes of the answer."""
        ...


class _Process:
    """A program that takes requests on its standard input and answers on its standard output."""

    def __init__(self, command: Sequence[str], folder: Path) -> None:
        self.folder = folder
        try:
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )
        except OSError as error:
            raise TatamiError(
                f"the program cannot be run: {error.strerror}",
                hint="compile it on this machine: run `make` there",
                file=folder,
            ) from None

    def choose(self, variant: str | None) -> str:
        self.send(b"K" + (variant or "").encode() + b"\n")
        return self.line().strip()

    def ask(self, request: bytes, size: int) -> bytes:
        self.send(request)
        assert self.process.stdout is not None
        data = self.process.stdout.read(size)
        if len(data) != size:
            raise self._dead()
        return data

    def send(self, data: bytes) -> None:
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(data)
            self.process.stdin.flush()
        except BrokenPipeError:
            raise self._dead() from None

    def line(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line.endswith(b"\n"):
            raise self._dead()
        return line.decode(errors="replace")

    def cpu_seconds(self) -> float | None:
        try:  # POSIX, but not everywhere
            clock_of = ctypes.CDLL(None).clock_getcpuclockid
        except AttributeError:
            return None
        clock = ctypes.c_int()
        if clock_of(self.process.pid, ctypes.byref(clock)) != 0:
            raise self._dead()
        return time.clock_gettime(clock.value)

    def close(self) -> None:
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert pipe is not None
            try:
                pipe.close()
            except BrokenPipeError:
                continue  # it has died with a request unread
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _dead(self) -> TatamiError:
        self.process.kill()
        _, message = self.process.communicate()
        return _died(self.folder, self.process.returncode, message)


class _Board:
    """A machine without an operating system, started anew for every request: it reads one file and
    writes another."""

    def __init__(self, target: Target, program: Path, variant: str | None, folder: Path) -> None:
        self.command = [*target.runner, str(program)]
        self.variant = variant
        self.place = program.parent
        self.folder = folder
        self._unread = b""

    def choose(self, variant: str | None) -> str:
        return self._started(b"K" + (variant or "").encode() + b"\n").decode().strip()

    def ask(self, request: bytes, size: int) -> bytes:
        if request:
            choice = b"K" + (self.variant or "").encode() + b"\n"
            self._unread = self._started(choice + request).split(b"\n", 1)[1]
        answer, self._unread = self._unread[:size], self._unread[size:]
        if len(answer) != size:
            raise TatamiError(
                "the board's program answers too little",
                hint="ship a smaller network: it may not fit its memory",
                file=self.folder,
            )
        return answer

    def _started(self, requests: bytes) -> bytes:
        (self.place / "requests.bin").write_bytes(requests)
        (self.place / "answers.bin").write_bytes(b"")
        result = subprocess.run(
            self.command, cwd=self.place, capture_output=True, check=False, timeout=600
        )
        if result.returncode != 0:
            raise _died(self.folder, result.returncode, result.stderr)
        return (self.place / "answers.bin").read_bytes()


def _died(folder: Path, code: int, message: bytes) -> TatamiError:
    text = message.decode(errors="replace").strip().splitlines()
    reason = text[-1] if text else f"exit code {code}"
    return TatamiError(f"the program died: {reason[:300]}", hint="ship it again", file=folder)


def _end(processes: list[_Process], temporary: tempfile.TemporaryDirectory[str]) -> None:
    for process in processes:
        process.close()
    temporary.cleanup()


def part_file(part: str, file: str) -> str:
    """What a file of PROVING is called of a part of a detector in two stages; "" of a network."""
    return f"{part}_{file}" if part else file


def describe(folder: Path, part: str = "") -> Description:
    """network.json, checked, or that of a part.

    Raises TatamiError where it is missing, damaged or of another time.
    """
    path = folder / part_file(part, DESCRIPTION)
    if not path.is_file():
        raise TatamiError(
            "there is no network.json: not a folder that `tatami ship` wrote",
            hint="give the folder given to `tatami ship -o`",
            file=folder,
        )
    try:
        content = json.loads(path.read_bytes())
        if content["format"] != FORMAT:
            raise TatamiError(
                f"network.json has the format {content['format']!r}, not {FORMAT}",
                hint="ship again with this version",
                file=path,
            )
        return _checked(content)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise TatamiError("network.json is damaged", hint="ship again", file=path) from None


def _checked(content: Mapping[str, Any]) -> Description:
    """Raises ValueError, KeyError, TypeError or AttributeError for what is not as it should be."""
    metadata = content["metadata"]
    values = {str(entry["name"]): _value(entry) for entry in content["values"]}
    about = Description(
        name=content["name"],
        target=str(content["target"]),
        threads=int(content["threads"]),
        spec=None if metadata is None else from_metadata(metadata),
        values=values,
        inputs=tuple(map(str, content["inputs"])),
        outputs=tuple(map(str, content["outputs"])),
        steps=tuple(str(step["output"]) for step in content["steps"]),
    )
    name = about.name
    if not isinstance(name, str) or not name.replace("_", "a").isalnum() or not name.isascii():
        raise ValueError
    if not {*about.inputs, *about.outputs, *about.steps} <= set(values) or about.threads < 1:
        raise ValueError
    if metadata is not None and (about.spec is None or len(about.inputs) != 1):
        raise ValueError
    return about


def _value(entry: Mapping[str, Any]) -> Value:
    channels, rows, columns = map(int, entry["shape"])
    if min(channels, rows, columns) < 1:
        raise ValueError
    found = entry["quantization"]
    if found is None:
        return Value((channels, rows, columns))
    quantization = Quantization(float(found["scale"]), int(found["zero_point"]))
    return Value((channels, rows, columns), quantization)
