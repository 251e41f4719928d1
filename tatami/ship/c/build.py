"""Compile a shipped folder with the machine's own C compiler."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tatami.errors import TatamiError

WARNINGS = ("-Wall", "-Wextra", "-Wpedantic", "-Werror")


def compiler() -> list[str]:
    """``$CC``, else ``cc``, as a command. Raises TatamiError where there is none."""
    command = shlex.split(os.environ.get("CC") or "cc")
    if not command or shutil.which(command[0]) is None:
        raise TatamiError(
            f"there is no C compiler '{' '.join(command)}'",
            mend="install gcc (apt-get install gcc) or name another in CC",
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
) -> None:
    """Compile ``main`` (main.c or proof.c) of the folder to the file ``program``.

    Raises TatamiError where there is no compiler or the code does not compile.
    """
    weights = f"{name}_weights.c"
    if not (folder / weights).exists():
        weights = f"{name}_weights.S"
    sources = [main, f"{name}.c", weights]
    for source in sources:
        if not (folder / source).is_file():
            raise TatamiError(f"{source} is missing", mend="ship again", file=folder)
    line = [*(command or compiler()), "-std=c99", *options, "-o", str(program.resolve())]
    # The folder is where the compiler runs, so that the assembler finds the weights.
    result = subprocess.run(
        [*line, *sources, "-lm"], cwd=folder, capture_output=True, text=True, check=False
    )
    if result.returncode != 0:
        message = next((m for m in result.stderr.splitlines() if "error" in m), result.stderr)
        raise TatamiError(
            f"the C compiler failed: {message.strip()[:300]}", mend="ship again", file=folder
        )
