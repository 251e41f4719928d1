"""Hold out part of a split, for a set that has only one: the same part every time."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from tatami.errors import TatamiError
from tatami.types import LabeledPictures


@dataclass(frozen=True)
class HoldOut:
    """How many pictures are held out; written ``10000`` or, with another seed, ``10000:7``.

    Args:
        count: How many.
        seed: Which ones depends on it.
    """

    count: int
    seed: int = 0

    @staticmethod
    def parse(text: str) -> HoldOut:
        """Read ``10000`` or ``10000:7``.

        Raises:
            TatamiError: For anything else, and for no pictures at all.
        """
        match = re.fullmatch(r"(\d{1,9})(?::(\d{1,9}))?", text.strip())
        if match is None or int(match[1]) < 1:
            raise TatamiError(
                f"'{text}' is not a number of pictures to hold out",
                hint="give a number, as 10000, or with a seed, as 10000:7",
            )
        return HoldOut(int(match[1]), int(match[2] or 0))

    def __str__(self) -> str:
        return f"{self.count}:{self.seed}" if self.seed else str(self.count)


def hold_out(pictures: LabeledPictures, how: HoldOut) -> tuple[LabeledPictures, LabeledPictures]:
    """Divide a split into what is left to learn from and what is held out, both in its order.

    Args:
        pictures: The split.
        how: How many are held out, and the seed.

    Returns:
        The rest, and the pictures held out.

    Raises:
        TatamiError: Where nothing would be left.
    """
    total = len(pictures)
    if how.count >= total:
        raise TatamiError(
            f"{how.count} of {total} pictures cannot be held out: none would be left",
            hint="give a smaller number",
            file=pictures.root,
            setting="hold_out",
        )
    order = np.random.default_rng([how.seed, 3]).permutation(total)
    rest, held = np.sort(order[how.count :]), np.sort(order[: how.count])
    return (
        pictures.select(rest, f"{pictures.split} without {how}"),
        pictures.select(held, f"{how} of {pictures.split}"),
    )
