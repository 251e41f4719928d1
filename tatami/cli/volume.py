"""How much a command says beside its result: ``--quiet`` and ``-v``, before or after its name."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # it needs NumPy, and every command begins here
    from tatami.types.progress import Progress

QUIET, VERBOSE = ("--quiet", "-q"), ("--verbose", "-v")


@dataclass
class Volume:
    """What was asked for.

    Args:
        quiet: Whether progress and remarks are left out: only results and errors are printed.
        verbose: Whether stages say their seconds, and an error where in the code it was raised.
    """

    quiet: bool = False
    verbose: bool = False


VOLUME = Volume()
"""Of the command that runs."""


def taken(arguments: Sequence[str], options: Sequence[str]) -> list[str]:
    """Take --quiet and -v out of what was typed after a command's name, and remember them.

    Args:
        arguments: What was typed; after "--" nothing is an option.
        options: The command's own, which are left alone.
    """
    end = list(arguments).index("--") if "--" in arguments else len(arguments)
    kept = []
    for argument in arguments[:end]:
        if argument in QUIET and argument not in options:
            VOLUME.quiet = True
        elif argument in VERBOSE and argument not in options:
            VOLUME.verbose = True
        else:
            kept.append(argument)
    return [*kept, *arguments[end:]]


class Timed:
    """A Progress that notes how long each stage took.

    Args:
        progress: Takes up the same.
    """

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.spans: dict[str, tuple[float, float]] = {}

    def __call__(self, stage: str, done: int, total: int, note: str = "") -> None:
        """Take up how far a stage is, and when."""
        now = time.monotonic()
        if total:
            begun, _ = self.spans.get(stage, (now, now))
            self.spans[stage] = begun, now
        self.progress(stage, done, total, note)

    def lines(self) -> list[str]:
        """Say how long each stage took, from its first word to its last."""
        return [f"{stage}: {end - begin:.1f} s" for stage, (begin, end) in self.spans.items()]
