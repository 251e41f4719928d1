"""How work reports its progress: a callable handed in by whoever asked for the work."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol, TypeVar

T = TypeVar("T")


class Progress(Protocol):
    """Receive how far some work is; what to do with that is the caller's affair."""

    def __call__(self, stage: str, done: int, total: int, note: str = "") -> None:
        """Report that ``done`` of ``total`` parts of a stage are over.

        Args:
            stage: What is being done, as "Training" or "Detecting".
            done: How many parts of it are over.
            total: How many parts it has; 0 for a remark that measures no work.
            note: An addition, as the loss of a training.
        """
        ...


def quiet(stage: str, done: int, total: int, note: str = "") -> None:
    """Ignore progress."""


def tracked(items: Sequence[T], stage: str, progress: Progress) -> Iterator[T]:
    """Yield the items one by one, and report before each how many are over.

    Args:
        items: What is worked on.
        stage: What is being done, as "Detecting".
        progress: Receives the reports.
    """
    for done, item in enumerate(items):
        progress(stage, done, len(items))
        yield item
    progress(stage, len(items), len(items))
