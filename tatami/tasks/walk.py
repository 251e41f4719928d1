"""What the tasks share: the walk over pictures, classes in order, how figures are written."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np

from tatami.errors import TatamiError
from tatami.types import Int64, Mask, Picture, Seen
from tatami.types.progress import Progress, quiet, tracked

T = TypeVar("T")
Found = TypeVar("Found")


SHOWN = 12
"""Pictures on a report's page: the worst of all."""
SHOWN_BY_KIND = 3
"""Pictures that come with each kind of mistake, where they are not among those."""
CONFUSED = 40
"""Classes up to which the confusion matrix is on a report's page."""


@dataclass(frozen=True)
class Looked(Generic[T, Found]):
    """What came of a look at one picture.

    Args:
        item: What the picture belongs to.
        picture: The picture, (height, width, 3).
        found: What was found.
        seconds: How long the look took, from decoded pixels.
    """

    item: T
    picture: Picture
    found: Found
    seconds: float


def walk(
    look: Callable[[Seen], Found],
    items: Sequence[T],
    read: Callable[[T], Seen],
    unreadable: list[T],
    *,
    file: Path,
    skip: Collection[str] = (),
    stage: str = "",
    progress: Progress = quiet,
) -> Iterator[Looked[T, Found]]:
    """Look at every item's picture, one after another, and take the time.

    Args:
        look: What is run on a picture (height, width, 3), or on a sound (n,).
        items: What has a picture each.
        read: Reads an item's picture.
        unreadable: Takes up the items that cannot be read, where ``skip`` allows them.
        file: What an error names where not one picture can be read.
        skip: Kinds of problems to leave out: unreadable-picture.
        stage: What progress calls it, as "Detecting".
        progress: Takes up how far it is.

    Raises:
        TatamiError: For the first item that cannot be read, where ``skip`` does not allow it, and
            where not one can be read.
    """
    for item in tracked(items, stage, progress):
        try:
            picture = read(item)
        except TatamiError:
            if "unreadable-picture" not in skip:
                raise
            unreadable.append(item)
            continue
        started = time.perf_counter()
        found = look(picture)
        yield Looked(item, picture, found, time.perf_counter() - started)
    if len(unreadable) == len(items):
        raise TatamiError("not one picture can be read", hint="check them", file=file)


def class_order(network: Sequence[str], data: Sequence[str]) -> Int64:
    """Find the place of each class of a network among the data's.

    Args:
        network: The names of the network's classes.
        data: The names of the data's.

    Returns:
        The places, (classes,).

    Raises:
        TatamiError: Where they are not the same names; it names the difference.
    """
    unknown = [name for name in network if name not in data]
    missing = [name for name in data if name not in network]
    if unknown or missing:
        parts = []
        if unknown:
            parts.append(f"the network knows {_names(unknown)}, which the data do not have")
        if missing:
            parts.append(f"the data have {_names(missing)}, which the network does not know")
        raise TatamiError(
            "; ".join(parts), hint="evaluate on data with the classes it was trained on"
        )
    return np.array([data.index(name) for name in network], np.int64)


def timed(look: Callable[[], Found]) -> tuple[Found, float]:
    """Call a function, and give what it returns and the seconds that it takes."""
    started = time.perf_counter()
    found = look()
    return found, time.perf_counter() - started


def figure(value: float) -> str:
    """Write a metric with four decimals; "-" where it does not exist."""
    return "-" if math.isnan(value) else f"{value:.4f}"


def percent(part: float) -> str:
    """Write a part of 1 in percent; "-" where it does not exist."""
    return "-" if math.isnan(part) else f"{100 * part:.1f} %"


def spread(pictures: int, wanted: int) -> range:
    """Give the places of at most ``wanted`` pictures, evenly spread over all."""
    every = max(1, pictures // wanted)
    return range(0, min(pictures, wanted * every), every)


def worst_first(mistakes: Sequence[Mapping[str, int]], badness: Sequence[float]) -> list[int]:
    """Choose pictures for a page: the worst of all, and the worst of each kind of mistake.

    Args:
        mistakes: How many of each kind each picture has.
        badness: Of each picture; of equals the first comes first.

    Returns:
        Their places, the worst first. Where fewer than SHOWN have a mistake, others follow.
    """
    order = sorted(range(len(mistakes)), key=lambda place: -badness[place])
    chosen = set(order[:SHOWN])
    for kind in dict.fromkeys(kind for one in mistakes for kind in one):
        having = [place for place in order if mistakes[place].get(kind)]
        having.sort(key=lambda place: -mistakes[place][kind])
        chosen.update(having[:SHOWN_BY_KIND])
    return [place for place in order if place in chosen]


def in_order(found: Mask, to_data: Int64) -> Mask:
    """Give a network's classes as the data number them.

    Args:
        found: The classes of a picture's pixels, (height, width).
        to_data: For each class of the network its place among the data's, (classes,).
    """
    return to_data.astype(np.uint8)[found]


def check_share(setting: str, value: float) -> None:
    """Raise TatamiError unless a setting's value lies in 0 to 1."""
    if not 0 <= value <= 1:
        raise TatamiError(
            f"{value:g} is out of range", hint="give a number from 0 to 1", setting=setting
        )


def _names(names: Sequence[str]) -> str:
    shown = [f"'{name}'" for name in names[:5]]
    return ", ".join(shown) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
