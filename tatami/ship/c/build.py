"""Compile a shipped folder: with the machine's own C compiler, or with a target's."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tatami.errors import TatamiError
from tatami.ship.c.targets import BOARDS, Target, check_there

WARNINGS = ("-Wall", "-Wextra", "-Wpedantic", "-Werror")


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
    line = [*(command or compiler()), "-std=c99", *options, "-o", str(program.resolve())]
    # The folder is where the compiler runs, so that the assembler finds the weights.
    result = subprocess.run(
        [*line, *sources, *libraries], cwd=folder, capture_output=True, text=True, check=False
    )
    if result.returncode != 0:
        message = next((m for m in result.stderr.splitlines() if "error" in m), result.stderr)
        raise TatamiError(
            f"the C compiler failed: {message.strip()[:300]}", hint="ship again", file=folder
        )


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
