"""Other people's generators of C beside Tatami's: the same network, the same compiler and flags.

Each generator's C becomes a program of its own (peers/race.c) that runs the network as often as it
is asked to. The programs take turns on one core, so that whatever else the machine does meets all
alike; a time is the median of all turns, the thread's processor time.

EMX_ONNX_CGEN and ONNX2C name the commands, where they are not found by the names emx-onnx-cgen and
onnx2c. https://github.com/emmtrix/emx-onnx-cgen comes by pip; https://github.com/kraiskil/onnx2c is
built with cmake (its submodule of ONNX, a protobuf compiler).
"""

from __future__ import annotations

import os
import re
import resource
import shlex
import shutil
import statistics
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import numpy as np

FLAGS = ("-O3", "-march=native")
"""Of the compiler, for every generator's C alike."""
RACE = Path(__file__).parent / "peers" / "race.c"
TURN = 0.02
"""Seconds that a turn takes at least; as many runs as that needs."""
TURNS = 15
LIMIT = 30.0
"""Seconds that the turns of all together may take; at least five turns are taken."""
GENERATE = 300
COMPILE = 600
Array = np.ndarray[Any, Any]


class Refused(Exception):
    """Tell that a generator, or the compiler of its C, does not take a network."""


@dataclass(frozen=True)
class Ends:
    """Hold what goes in and comes out, as the generator's C has it.

    Args:
        inputs: What is read.
        outputs: Bytes of each output.
    """

    inputs: Sequence[Array]
    outputs: Sequence[int]


class Racer:
    """Run one generator's program; use it in a ``with`` statement."""

    def __init__(self, program: Path, ends: Ends) -> None:
        self._outputs = ends.outputs
        given = program.with_suffix(".in")
        given.write_bytes(b"".join(np.ascontiguousarray(one).tobytes() for one in ends.inputs))
        self._process = subprocess.Popen(
            [str(program), str(given)],
            cwd=program.parent,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            preexec_fn=_set_up,
        )
        self.runs = 1

    def seconds(self, runs: int) -> float:
        """Run the network; give the processor time of a run."""
        self._ask(runs)
        line = self._out().readline()
        if not line:
            raise Refused(f"its program ended with {self._process.wait()}")
        return float(line) / 1e9 / runs

    def outputs(self) -> list[bytes]:
        """Give the outputs of the last run."""
        self._ask(0)
        return [self._out().read(size) for size in self._outputs]

    def _ask(self, runs: int) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f"{runs}\n".encode())
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise Refused(f"its program ended with {self._process.wait()}") from error

    def _out(self) -> IO[bytes]:
        assert self._process.stdout is not None
        return self._process.stdout

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.communicate()


def _set_up() -> None:
    """Keep a program on one core; let it have its values on the stack, as other people's C may."""
    _, hard = resource.getrlimit(resource.RLIMIT_STACK)
    resource.setrlimit(resource.RLIMIT_STACK, (hard, hard))
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def race(racers: Mapping[str, Racer]) -> dict[str, float]:
    """Let programs take turns; give the median seconds of a run of each."""
    taken: dict[str, list[float]] = {name: [] for name in racers}
    for racer in racers.values():
        racer.seconds(1)  # memory is touched
        first = racer.seconds(1)
        racer.runs = max(1, int(TURN / max(first, 1e-9)))
        racer.runs = min(racer.runs, 1_000_000)
    spent = 0.0
    for turn in range(TURNS):
        if turn >= 5 and spent > LIMIT:
            break
        for name, racer in racers.items():
            taken[name].append(racer.seconds(racer.runs))
            spent += taken[name][-1] * racer.runs
    return {name: statistics.median(times) for name, times in taken.items()}


# Programs ----------------------------------------------------------------------------------------


def program(
    folder: Path,
    name: str,
    source: str,
    ends: Ends,
    call: str,
    begin: str = "1",
    others: Sequence[str] = (),
) -> Path:
    """Compile a network's C to a program.

    Args:
        folder: Where the C lies, and the program is made.
        name: The program's.
        source: The file that race.c includes.
        ends: What goes in and comes out.
        call: The function of one run: it takes the inputs, then the outputs.
        begin: C that is true where the network is ready.
        others: Further sources.

    Raises:
        Refused: Where the compiler does not take it.
    """
    inputs = [(f"race_in{at}", one.nbytes) for at, one in enumerate(ends.inputs)]
    outputs = [(f"race_out{at}", size) for at, size in enumerate(ends.outputs)]
    lines = [
        f"static _Alignas(64) unsigned char {one}[{max(size, 1)}];"
        for one, size in inputs + outputs
    ]
    reads = " && ".join(f"fread({one}, 1, {size}, file) == {size}" for one, size in inputs)
    writes = " ".join(f"fwrite({one}, 1, {size}, file);" for one, size in outputs)
    given = ", ".join(f"(void *){one}" for one, _ in inputs + outputs)
    lines += [
        f"static int race_read(FILE *file) {{ return {reads or '1'}; }}",
        f"static void race_write(FILE *file) {{ {writes} }}",
        f"static int race_begin(void) {{ return {begin}; }}",
        f"static void race_run(void) {{ {call}({given}); }}",
    ]
    (folder / "race_buffers.h").write_text("\n".join(lines) + "\n")
    made = folder / name
    _run(
        [
            *compiler(),
            *FLAGS,
            "-w",
            f'-DRACE_SOURCE="{source}"',
            f"-I{folder}",
            "-o",
            str(made),
            str(RACE),
            *others,
            "-lm",
        ],
        folder,
        COMPILE,
    )
    return made


def compiler() -> list[str]:
    """Give the command of the compiler."""
    return shlex.split(os.environ.get("CC") or "cc")


def objects(folder: Path, sources: Sequence[str]) -> tuple[list[str], int]:
    """Compile sources; give the objects' names, and the bytes of their code and constants."""
    made = [str(Path(source).with_suffix(".o")) for source in sources]
    for source, name in zip(sources, made, strict=True):
        _run([*compiler(), *FLAGS, "-w", "-c", source, "-o", name], folder, COMPILE)
    sizes = subprocess.run(["size", *made], cwd=folder, check=True, capture_output=True, text=True)
    columns = [line.split() for line in sizes.stdout.splitlines()[1:]]
    return made, sum(int(text) + int(data) for text, data, *_ in columns)


def _run(command: Sequence[str], folder: Path, seconds: int, out: Path | None = None) -> None:
    """Run a command; a failure is a refusal in the command's own last words."""
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise Refused(f"{Path(command[0]).name} took more than {seconds} s") from error
    if done.returncode != 0:
        said = (done.stderr.decode(errors="replace").strip() or "no word").splitlines()
        telling = next((one for one in said if "rror" in one), said[-1])
        raise Refused(re.sub(r"\x1b\[[0-9;]*m|/tmp/\S*/", "", telling)[:160])
    if out is not None:
        out.write_bytes(done.stdout)


# Generators --------------------------------------------------------------------------------------


def emx(command: Sequence[str], network: Path, folder: Path) -> tuple[str, str, str]:
    """Let emx-onnx-cgen write C; give the file, its function and what must be true before."""
    _run([*command, "compile", str(network), str(folder / "model.c")], folder, GENERATE)
    return "model.c", "model", 'model_load("model.bin")'


def onnx2c(command: Sequence[str], network: Path, folder: Path) -> tuple[str, str, str]:
    """Let onnx2c write C."""
    _run([*command, str(network)], folder, GENERATE, folder / "model.c")
    return "model.c", "entry", "1"


GENERATORS = {
    "emx-onnx-cgen": ("EMX_ONNX_CGEN", emx),
    "onnx2c": ("ONNX2C", onnx2c),
}
"""By command: what names it otherwise, and how it is used."""


def command_of(name: str) -> list[str]:
    """Give the command of a generator; none where it is not installed."""
    given = os.environ.get(GENERATORS[name][0]) or shutil.which(name)
    return shlex.split(given) if given else []


def installed() -> list[str]:
    """Name the generators that are installed."""
    return [name for name in GENERATORS if command_of(name)]


def generate(name: str, network: Path, folder: Path) -> tuple[str, str, str]:
    """Let a generator write C to a new folder.

    Raises:
        Refused: Where it does not take the network.
    """
    folder.mkdir()
    return GENERATORS[name][1](command_of(name), network, folder)


def other_program(name: str, network: Path, folder: Path, ends: Ends) -> Path:
    """Make the program of a generator in a new folder.

    Raises:
        Refused: Where it, or the compiler, does not take the network.
    """
    source, function, begin = generate(name, network, folder)
    return program(folder, name, source, ends, function, begin)
