"""A shipped program on an emulated board, which reads and writes files of its host."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from tatami.errors import TatamiError
from tatami.ship.c.run.process import died
from tatami.ship.c.targets import Target


class Board:
    """A machine without an operating system, emulated.

    It is started anew for every request: it reads one file and writes another.

    Args:
        target: The machine.
        program: What it runs.
        variant: The kernels; None: the best.
        folder: The shipped folder, for errors.
    """

    def __init__(self, target: Target, program: Path, variant: str | None, folder: Path) -> None:
        self.command = [*target.runner, str(program)]
        self.variant = variant
        self.place = program.parent
        self.folder = folder
        self._unread = b""

    def choose(self, variant: str | None) -> str:
        """Try kernels, as ``Channel`` says."""
        return self._started(b"K" + (variant or "").encode() + b"\n").decode().strip()

    def ask(self, request: bytes, size: int) -> bytes:
        """Send a request, or none, and give the next ``size`` bytes of the answer to the last."""
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

    def ask_each(self, requests: Sequence[bytes], size: int) -> bytes:
        """Send all requests to one start of the board, as ``Channel`` says."""
        return self.ask(b"".join(requests), size * len(requests))

    def _started(self, requests: bytes) -> bytes:
        (self.place / "requests.bin").write_bytes(requests)
        (self.place / "answers.bin").write_bytes(b"")
        result = subprocess.run(
            self.command, cwd=self.place, capture_output=True, check=False, timeout=600
        )
        if result.returncode != 0:
            raise died(self.folder, result.returncode, result.stderr)
        return (self.place / "answers.bin").read_bytes()
