"""A shipped program as a process that answers over pipes."""

from __future__ import annotations

import ctypes
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from tatami.errors import TatamiError

HELD = 1 << 14
"""Bytes that a pipe holds before anybody reads: on Linux four times as many."""


class Channel(Protocol):
    """A way to proof.c of a shipped folder."""

    def choose(self, variant: str | None) -> str:
        """Use kernels from now on, None being the best; give the name of those in use, or "-"."""
        ...

    def ask(self, request: bytes, size: int) -> bytes:
        """Send a request, and give the next ``size`` bytes of the answer."""
        ...

    def ask_each(self, requests: Sequence[bytes], size: int) -> bytes:
        """Send requests to one run of the program, each answered by ``size`` bytes; give all."""
        ...


class Process:
    """A program that takes requests on its standard input and answers on its standard output.

    Args:
        command: What starts it.
        folder: The shipped folder, for errors.

    Raises:
        TatamiError: Where it cannot be run; by every method, where it has died.
    """

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
        """Use kernels from now on, as ``Channel`` says."""
        self.send(b"K" + (variant or "").encode() + b"\n")
        return self.line().strip()

    def ask(self, request: bytes, size: int) -> bytes:
        """Send a request, and give the next ``size`` bytes of the answer."""
        self.send(request)
        assert self.process.stdout is not None
        data = self.process.stdout.read(size)
        if len(data) != size:
            raise self._dead()
        return data

    def ask_each(self, requests: Sequence[bytes], size: int) -> bytes:
        """Send one request after another, as ``Channel`` says.

        As many go at once as the pipes hold of them and of their answers, so that neither side
        waits for the other to read.
        """
        longest = max((len(request) for request in requests), default=0)
        together = max(1, HELD // max(1, size, longest))
        return b"".join(
            self.ask(b"".join(group), size * len(group))
            for group in (
                requests[first : first + together] for first in range(0, len(requests), together)
            )
        )

    def send(self, data: bytes) -> None:
        """Send bytes."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(data)
            self.process.stdin.flush()
        except BrokenPipeError:
            raise self._dead() from None

    def line(self) -> str:
        """Read a line of the answer."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line.endswith(b"\n"):
            raise self._dead()
        return line.decode(errors="replace")

    def cpu_seconds(self) -> float | None:
        """Measure the processor time it has taken; None where the system has no clock of it."""
        try:  # POSIX, but not everywhere
            clock_of = ctypes.CDLL(None).clock_getcpuclockid
        except AttributeError:
            return None
        clock = ctypes.c_int()
        if clock_of(self.process.pid, ctypes.byref(clock)) != 0:
            raise self._dead()
        return time.clock_gettime(clock.value)

    def close(self) -> None:
        """End it."""
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
        return died(self.folder, self.process.returncode, message)


class Framed(Process):
    """One that must be told how long a request is before it: kernels/board/answer.mjs."""

    def send(self, data: bytes) -> None:
        """Send a request, if it is one."""
        if data:
            super().send(len(data).to_bytes(4, "little") + data)


def died(folder: Path, code: int, message: bytes) -> TatamiError:
    """Give the error of a program that ended with a code, by the last line of its complaint."""
    text = message.decode(errors="replace").strip().splitlines()
    reason = text[-1] if text else f"exit code {code}"
    return TatamiError(f"the program died: {reason[:300]}", hint="ship it again", file=folder)
