"""How long work tells how far it is: a callable that whoever asked for the work hands in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol, TypeVar

T = TypeVar("T")


class Progress(Protocol):
    """Takes up how far some work is. What it does with that is the caller's affair."""

    def __call__(self, stage: str, done: int, total: int, note: str = "") -> None:
        """Take up that ``done`` of ``total`` parts of a stage are over.

        Args:
            stage: What is being done, as "Training" or "Detecting".
            done: How many parts of it are over.
            total: How many parts it has; 0 for a remark that measures no work.
            note: A word more, as the loss of a training.
        """
        ...


def quiet(stage: str, done: int, total: int, note: str = "") -> None:
    """Take up progress and do nothing with it."""


def tracked(items: Sequence[T], stage: str, progress: Progress) -> Iterator[T]:
    """Yield the items one by one, and tell before each how many are over."""
    for done, item in enumerate(items):
        progress(stage, done, len(items))
        yield item
    progress(stage, len(items), len(items))
