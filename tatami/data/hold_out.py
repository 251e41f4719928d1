"""Part of a split held out by number, for a set that has only one: the same part every time."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from tatami.errors import TatamiError
from tatami.types import LabeledPictures


@dataclass(frozen=True)
class HoldOut:
    """count pictures, drawn by the seed; written ``10000`` or, with another seed, ``10000:7``."""

    count: int
    seed: int = 0

    @staticmethod
    def parse(text: str) -> HoldOut:
        """Raises TatamiError for anything else, and for none."""
        match = re.fullmatch(r"(\d{1,9})(?::(\d{1,9}))?", text.strip())
        if match is None or int(match[1]) < 1:
            raise TatamiError(
                f"'{text}' is no number of pictures to hold out",
                hint="give a number, as 10000, or with a seed, as 10000:7",
            )
        return HoldOut(int(match[1]), int(match[2] or 0))

    def __str__(self) -> str:
        return f"{self.count}:{self.seed}" if self.seed else str(self.count)


def hold_out(pictures: LabeledPictures, how: HoldOut) -> tuple[LabeledPictures, LabeledPictures]:
    """What is left to learn from, and what is held out; both in the order of the split.

    Raises TatamiError where nothing would be left.
    """
    total = len(pictures)
    if how.count >= total:
        raise TatamiError(
            f"{how.count} of {total} pictures cannot be held out: none would be left",
            hint="give a smaller --hold-out",
            file=pictures.root,
        )
    order = np.random.default_rng([how.seed, 3]).permutation(total)
    rest, held = np.sort(order[how.count :]), np.sort(order[: how.count])
    return (
        pictures.select(rest, f"{pictures.split} without {how}"),
        pictures.select(held, f"{how} of {pictures.split}"),
    )
