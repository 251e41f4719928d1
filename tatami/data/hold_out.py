"""Hold out part of a split, for a set that has only one: the same part every time."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tatami.errors import TatamiError
from tatami.types import Int64


@dataclass(frozen=True)
class HoldOut:
    """How many pictures are held out.

    It is written ``10000``, or as a share ``0.2``; with another seed, ``10000:7`` and ``0.2:7``.

    Args:
        count: How many; 0: the share says it.
        seed: Which ones depends on it.
        share: Of every class, in 0 to 1; 0: the count says it.
    """

    count: int
    seed: int = 0
    share: float = 0.0

    @staticmethod
    def parse(text: str) -> HoldOut:
        """Read ``10000``, ``10000:7``, ``0.2`` or ``0.2:7``.

        Raises:
            TatamiError: For anything else, and for no pictures at all.
        """
        match = re.fullmatch(r"(\d{1,9}|0?\.\d{1,9})(?::(\d{1,9}))?", text.strip(), re.ASCII)
        if match is None or float(match[1]) <= 0:
            raise TatamiError(
                f"'{text}' is not a number of pictures to hold out",
                hint="give a number, as 10000, or a share, as 0.2, or with a seed, as 0.2:7",
            )
        seed = int(match[2] or 0)
        if "." in match[1]:
            return HoldOut(0, seed, float(match[1]))
        return HoldOut(int(match[1]), seed)

    def __str__(self) -> str:
        much = f"{self.share:g}" if self.share else str(self.count)
        return f"{much}:{self.seed}" if self.seed else much


def held_places(strata: Sequence[int], how: HoldOut, root: Path) -> tuple[Int64, Int64]:
    """Choose the places that are held out.

    A number of pictures is drawn from all; a share is drawn from every stratum, rounded so that the
    sum is the share of all, and so that no stratum is held out whole.

    Args:
        strata: The stratum of each picture, as its class.
        how: How many, and the seed.
        root: The set, which an error names.

    Returns:
        The places that are left, and those held out, each ascending.

    Raises:
        TatamiError: Where nothing would be left, or nothing held out.
    """
    total = len(strata)
    rng = np.random.default_rng([how.seed, 3])
    count = how.count or round(how.share * total)
    if count >= total or not count:
        raise TatamiError(
            f"{how} of {total} pictures cannot be held out: none would be "
            + ("left" if count else "held out"),
            hint="give a smaller number" if count else "give a larger share",
            file=root,
            setting="hold_out",
        )
    order = rng.permutation(total)
    if how.share:
        order = _by_stratum(np.asarray(strata)[order], order, count, how.share)
    return np.sort(order[count:]), np.sort(order[:count])


def _by_stratum(strata: Int64, order: Int64, count: int, share: float) -> Int64:
    """Bring to the front of an order as many of each stratum as its share is."""
    sizes = Counter(strata.tolist())
    wanted = {one: share * size for one, size in sizes.items()}
    taken = {one: min(int(much), sizes[one] - 1) for one, much in wanted.items()}
    # What rounding down left over goes to the strata that lost most by it, the lowest first.
    lost = sorted(sizes, key=lambda one: (taken[one] - wanted[one], one))
    for one in lost * 2:
        if sum(taken.values()) < count and taken[one] < max(1, sizes[one] - 1):
            taken[one] += 1
    front: list[int] = []
    back: list[int] = []
    for one, place in zip(strata.tolist(), order.tolist(), strict=True):
        if taken[one] > 0 and len(front) < count:
            taken[one] -= 1
            front.append(place)
        else:
            back.append(place)
    short = count - len(front)
    return np.array([*front, *back[:short], *back[short:]], np.int64)


def rarest(labels: Sequence[Sequence[int]]) -> list[int]:
    """Give each picture the stratum of the rarest class in it; -1 where it has none.

    Args:
        labels: The classes in each picture.
    """
    counts = Counter(label for one in labels for label in {*one})
    return [min({*one}, key=lambda label: (counts[label], label), default=-1) for one in labels]
