"""A shipped folder as a detector: its own program, run as a process that answers over pipes."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import weakref
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

import numpy as np

from tatami.errors import TatamiError
from tatami.graph.metadata import from_metadata
from tatami.ship.c.build import build
from tatami.types import Detections, Float32, NetworkSpec, Picture

DESCRIPTION = "network.json"


class CompiledDetector:
    """Implements ``types.Detector`` with the C program of a folder that ``tatami ship`` wrote.

    The program in the folder is used where there is one, else it is compiled for the time being.
    Pictures go to it as PPM, one process for all of one threshold. ``close`` it, or use it in a
    ``with`` statement.

    shapes: (channels, rows, columns) of the output of every step, by its name in ONNX, in order.
    output: the name of the raw map.

    Raises TatamiError for a folder that is not a shipped one, for one without a program where
    there is no compiler either, and for a program that dies.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.name, self._spec, self.shapes, self.output = _description(folder)
        self._temporary = tempfile.TemporaryDirectory(prefix="tatami-")
        self._processes: list[_Process] = []
        # Called by close, or when the detector is forgotten: no process outlives it.
        self._end = weakref.finalize(self, _end, self._processes, self._temporary)
        self._detecting: tuple[float, _Process] | None = None
        self._proving: _Process | None = None

    @property
    def spec(self) -> NetworkSpec:
        return self._spec

    def detect(self, picture: Picture, score_threshold: float) -> Detections:
        """Boxes in the pixels of the picture (height, width, 3), best first."""
        if self._detecting is None or self._detecting[0] != score_threshold:
            if self._detecting is not None:
                self._detecting[1].close()
                self._processes.remove(self._detecting[1])
            threshold = repr(float(score_threshold))
            process = self._start([str(self._program()), "--threshold", threshold, "-"])
            self._detecting = (score_threshold, process)
        process = self._detecting[1]
        height, width = picture.shape[:2]
        process.send(b"P6 %d %d 255\n" % (width, height) + np.ascontiguousarray(picture).tobytes())
        count = int(process.line().split()[1])
        if count < 0:
            raise TatamiError(
                f"the program refuses a picture of {width}x{height}",
                mend="give a score threshold that is a number, and a smaller picture",
                file=self.folder,
            )
        rows = [process.line().split(maxsplit=6) for _ in range(count)]
        # Nine digits give every float32 back: float32 first, as the program computed it.
        return Detections.of(
            np.array([row[1:5] for row in rows], np.float32),
            np.array([row[0] for row in rows], np.float32),
            [int(row[5]) for row in rows],
        )

    def prepare(self, picture: Picture) -> Float32:
        """The C picture rule alone: (height, width, 3) to the network's input (3, H, W)."""
        height, width = picture.shape[:2]
        sides = np.array([width, height], np.int32).tobytes()
        process = self._proof()
        process.send(b"P" + sides + np.ascontiguousarray(picture).tobytes())
        size = self._spec.input.size
        return process.numbers((3, size.height, size.width))

    def forward(self, images: Float32) -> Float32:
        """The C network alone: images (n, 3, H, W) to raw maps (n, channels, rows, columns)."""
        shape = self.shapes[self.output]
        maps = np.empty((len(images), *shape), np.float32)
        process = self._proof()
        for index, image in enumerate(images):
            process.send(b"F" + self._checked(image).tobytes())
            maps[index] = process.numbers(shape)
        return maps

    def values(self, images: Float32) -> dict[str, Float32]:
        """The output of every step for images (n, 3, H, W), by the name that it has in ONNX."""
        process = self._proof()
        results: dict[str, list[Float32]] = {name: [] for name in self.shapes}
        for image in images:
            process.send(b"T" + self._checked(image).tobytes())
            for name, shape in self.shapes.items():
                results[name].append(process.numbers(shape))
        return {name: np.stack(arrays) for name, arrays in results.items()}

    def close(self) -> None:
        """End the processes and remove what was compiled for the time being."""
        self._end()

    def __enter__(self) -> CompiledDetector:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _checked(self, image: Float32) -> Float32:
        size = self._spec.input.size
        if image.shape != (3, size.height, size.width):
            raise ValueError(f"an image is (3, {size.height}, {size.width}), not {image.shape}")
        return np.ascontiguousarray(image, np.float32)

    def _program(self) -> Path:
        shipped = self.folder / f"{self.name}_detect"
        if shipped.is_file() and os.access(shipped, os.X_OK):
            return shipped.resolve()
        program = Path(self._temporary.name) / "detect"
        if not program.exists():
            build(self.folder, self.name, program)
        return program

    def _proof(self) -> _Process:
        """The process that answers for the parts: the same net.c, with its trace compiled in."""
        if self._proving is None:
            program = Path(self._temporary.name) / "proof"
            trace = f"-D{self.name.upper()}_TRACE={self.name}_trace"
            build(self.folder, self.name, program, main="proof.c", options=("-O3", trace))
            self._proving = self._start([str(program)])
        return self._proving

    def _start(self, command: list[str]) -> _Process:
        process = _Process(command, self.folder)
        self._processes.append(process)
        return process


def _end(processes: list[_Process], temporary: tempfile.TemporaryDirectory[str]) -> None:
    for process in processes:
        process.close()
    temporary.cleanup()


class _Process:
    """A program that takes requests on its standard input and answers on its standard output."""

    def __init__(self, command: list[str], folder: Path) -> None:
        self.folder = folder
        try:
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )
        except OSError as error:
            raise TatamiError(
                f"the program cannot be run: {error.strerror}",
                mend="compile it on this machine: run `make` there",
                file=folder,
            ) from None

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

    def numbers(self, shape: tuple[int, ...]) -> Float32:
        assert self.process.stdout is not None
        size = 4 * int(np.prod(shape))
        data = self.process.stdout.read(size)
        if len(data) != size:
            raise self._dead()
        return np.frombuffer(data, np.float32).reshape(shape)

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
        text = message.decode(errors="replace").strip().splitlines()
        reason = text[-1] if text else f"exit code {self.process.returncode}"
        return TatamiError(
            f"the program died: {reason[:300]}", mend="ship it again", file=self.folder
        )


def _description(folder: Path) -> tuple[str, NetworkSpec, Mapping[str, tuple[int, ...]], str]:
    """Name, spec, shapes and output's name of network.json, checked."""
    path = folder / DESCRIPTION
    if not path.is_file():
        raise TatamiError(
            "there is no network.json: not a folder that `tatami ship` wrote",
            mend="give the folder given to `tatami ship -o`",
            file=folder,
        )
    try:
        content = json.loads(path.read_bytes())
        spec = from_metadata(content["metadata"])
        shapes = {str(step["output"]): tuple(map(int, step["shape"])) for step in content["steps"]}
        name, output = content["name"], content["output"]
        if spec is None or content["format"] != 1 or output not in shapes:
            raise ValueError
        if not isinstance(name, str) or not name.replace("_", "a").isalnum() or "/" in name:
            raise ValueError
        if any(len(shape) != 3 or min(shape) < 1 for shape in shapes.values()):
            raise ValueError
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise TatamiError("network.json is damaged", mend="ship again", file=path) from None
    return name, spec, shapes, output
