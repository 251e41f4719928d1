"""How far work is, as lines for a file or a pipe: where there is no terminal to draw a bar on."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

EVERY = 10.0
"""Seconds between two lines; the first one comes after as many."""


class Lines:
    """A Progress that tells in lines how far work is, and how long it will still take.

    Args:
        tell: Prints a line.
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        self.tell = tell
        self.begun: dict[str, tuple[float, int]] = {}
        self.told = time.monotonic()

    def __call__(self, stage: str, done: int, total: int, note: str = "") -> None:
        """Tell how far a stage is, unless the last line is too young."""
        now = time.monotonic()
        begun, before = self.begun.setdefault(stage, (now, done))
        if now - self.told < EVERY or done == before:
            return
        self.told = now
        seconds = round((now - begun) / (done - before) * (total - done))
        left = f"{timedelta(seconds=seconds)} left" if before < done < total else ""
        self.tell("  ".join(part for part in (f"{stage} {done}/{total}", note, left) if part))
