"""Compile a shipped folder: with the machine's own C compiler, or with a target's."""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import subprocess
import tempfile
import threading
import weakref
from collections.abc import Sequence
from pathlib import Path

from tatami.errors import TatamiError
from tatami.ship.c.targets import BOARDS, Target, check_there

WARNINGS = ("-Wall", "-Wextra", "-Wpedantic", "-Werror")
READ = (".c", ".h", ".S", ".bin", ".ld")
"""What the files of a folder that a compiler reads end with."""
KEPT_BYTES = 1 << 26
"""How large the programs may be together that are kept to be used again."""


def compiler() -> list[str]:
    """Find the machine's C compiler, as a command: ``$CC``, else ``cc``.

    Raises:
        TatamiError: Where there is none.
    """
    command = shlex.split(os.environ.get("CC") or "cc")
    if not command or shutil.which(command[0]) is None:
        raise TatamiError(
            f"there is no C compiler '{' '.join(command)}'",
            hint="install gcc (apt-get install gcc) or name another in CC",
        )
    return command


def build(
    folder: Path,
    name: str,
    program: Path,
    *,
    main: str = "main.c",
    options: Sequence[str] = ("-O3",),
    command: Sequence[str] | None = None,
    threads: int = 1,
    networks: Sequence[str] = (),
) -> None:
    """Compile a shipped folder to one program.

    What this process compiled shortly before of the same files in the same way is not compiled
    again: one program holds the kernels of every instruction set, and each is proved by itself.

    Args:
        folder: The folder.
        name: Begins its C names.
        program: The file that is made.
        main: Which of its mains: main.c, or proof.c.
        options: For the compiler.
        command: The compiler; None: this machine's own.
        threads: As many as the folder was shipped for; more than one need a library.
        networks: The names of several networks, beside which there are no weights.

    Raises:
        TatamiError: Where there is no compiler, or the code does not compile.
    """
    sources = [main, f"{name}.c"]
    for network in networks or (name,):
        weights = f"{network}_weights.c"
        if not (folder / weights).exists():
            weights = f"{network}_weights.S"
        sources += [*([f"{network}.c"] if networks else []), weights]
    for source in sources:
        if not (folder / source).is_file():
            raise TatamiError(f"{source} is missing", hint="ship again", file=folder)
    libraries = ["-lm", "-lpthread"] if threads > 1 else ["-lm"]
    line = [*(command or compiler()), "-std=c99", *options, *sources, *libraries]
    digest = _digest(folder, line)
    if digest is not None and _PROGRAMS.give(digest, program):
        return
    # The folder is where the compiler runs, so that the assembler finds the weights.
    result = subprocess.run(
        [*line, "-o", str(program.resolve())],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode != 0:
        message = next((m for m in result.stderr.splitlines() if "error" in m), result.stderr)
        raise TatamiError(
            f"the C compiler failed: {message.strip()[:300]}", hint="ship again", file=folder
        )
    if digest is not None:
        _PROGRAMS.keep(digest, program)


def _digest(folder: Path, line: Sequence[str]) -> bytes | None:
    """Give one number for a command and all that it may read in a folder.

    Returns:
        None where that is so much that the program, which holds the weights, would not be kept:
        large weights are not read for nothing.
    """
    files = [file for file in sorted(folder.iterdir()) if file.suffix in READ and file.is_file()]
    if sum(file.stat().st_size for file in files) > KEPT_BYTES:
        return None
    digest = hashlib.sha256(repr((shutil.which(line[0]), list(line))).encode())
    for file in files:
        content = file.read_bytes()
        digest.update(f"{file.name} {len(content)} ".encode() + content)
    return digest.digest()


class _Programs:
    """Keep the programs that were compiled last, until the process ends."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._folder: Path | None = None
        self._kept: dict[bytes, Path] = {}  # the last used at its end

    def give(self, digest: bytes, program: Path) -> bool:
        """Copy a program to where it is wanted; False where there is none."""
        with self._lock:
            kept = self._kept.pop(digest, None)
            if kept is None:
                return False
            self._kept[digest] = kept
            program.unlink(missing_ok=True)  # one that runs cannot be written over
            shutil.copy(kept, program)
            return True

    def keep(self, digest: bytes, program: Path) -> None:
        """Keep a copy of a program, and let go of those that are too many."""
        if program.stat().st_size > KEPT_BYTES:
            return
        with self._lock:
            if self._folder is None:
                self._folder = Path(tempfile.mkdtemp(prefix="tatami-"))
                weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
            self._kept[digest] = self._folder / digest.hex()
            shutil.copy(program, self._kept[digest])
            while sum(one.stat().st_size for one in self._kept.values()) > KEPT_BYTES:
                self._kept.pop(next(iter(self._kept))).unlink()


_PROGRAMS = _Programs()


def build_for(
    target: Target,
    folder: Path,
    name: str,
    program: Path,
    *,
    main: str = "main.c",
    options: Sequence[str] = ("-O3",),
    threads: int = 1,
    networks: Sequence[str] = (),
) -> None:
    """Compile a shipped folder for a target; arguments as of ``build``.

    For a target with a compiler of its own the program needs no library of this machine's, and for
    a board it starts by itself.

    Raises:
        TatamiError: As ``build``, and where this machine lacks what builds or runs it.
    """
    check_there(target)
    if not target.compiler:
        build(folder, name, program, main=main, options=options, threads=threads, networks=networks)
        return
    alone = target.link
    if target.board:
        scripts = [f"-T{BOARDS / file}" for file in target.board if file.endswith(".ld")]
        starts = [str(BOARDS / file) for file in target.board if file.endswith(".c")]
        threads = 1
        alone = (f"-D{name.upper()}_THREADS=1", *alone, *scripts, *starts)
    build(
        folder,
        name,
        program,
        main=main,
        options=(*target.options, *options, *alone),
        command=target.compiler,
        threads=threads,
        networks=networks,
    )
