"""Run yosys, from the wheel pyosys: what reads, proves and synthesizes the Verilog.

A process of its own runs the passes, because yosys ends its process at an error.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tatami.errors import TatamiError

_CHILD = """
import sys
from pyosys import libyosys
design = libyosys.Design()
for line in sys.stdin.read().splitlines():
    libyosys.run_pass(line, design)
sys.stdout.flush()
"""


@dataclass(frozen=True)
class Ran:
    """Hold what yosys said.

    Args:
        log: All of it.
        finished: Whether every pass ran; a proof that fails ends yosys.
    """

    log: str
    finished: bool


def has_yosys() -> bool:
    """Say whether yosys can run here."""
    return importlib.util.find_spec("pyosys") is not None


def run(passes: Sequence[str], *, folder: Path | None = None, timeout: float = 3600.0) -> Ran:
    """Run passes on an empty design.

    Args:
        passes: As a yosys script has them, one a line.
        folder: Where they run; None: here.
        timeout: Seconds after which yosys is stopped.

    Raises:
        TatamiError: Where pyosys is not installed, and where it takes longer.
    """
    if not has_yosys():
        raise TatamiError("yosys is not installed", hint="pip install 'tatami-nn[rtl]'")
    try:
        ran = subprocess.run(
            [sys.executable, "-c", _CHILD],
            input="\n".join(passes),
            capture_output=True,
            text=True,
            cwd=folder,
            timeout=timeout,
        )
    except subprocess.TimeoutExpired as error:
        raise TatamiError(
            f"yosys has not ended within {timeout:.0f} s", hint="give it a smaller design"
        ) from error
    return Ran(ran.stdout + ran.stderr, ran.returncode == 0)


def read(
    top: str,
    files: Iterable[Path],
    parameters: Mapping[str, int] | None = None,
    *,
    formal: bool = False,
) -> list[str]:
    """Give the passes that read files and choose the top module.

    Args:
        top: The module's name.
        files: Verilog; what the top does not need does no harm.
        parameters: Of the top.
        formal: Whether ``assert`` and ``assume`` count.
    """
    flags = "-formal -sv" if formal else "-sv"
    chosen = "".join(f" -chparam {name} {value}" for name, value in (parameters or {}).items())
    names = " ".join(str(file) for file in files)
    return [f"read_verilog {flags} {names}", f"hierarchy -check -top {top}{chosen}"]
