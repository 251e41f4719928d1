"""How a translation is searched for: parameters of the rule in docs/translation-rule.md."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tatami.errors import TatamiError
from tatami.types import strict
from tatami.types.arrays import Float32

KEY = "tatami.search"
MAX_BEAM = 16
"""Hypotheses that are followed at once, at most."""
MAX_PENALTY = 2.0


@dataclass(frozen=True)
class Search:
    """Say how a translation is searched for.

    Args:
        beam: Hypotheses that are followed at once; 1 is greedy.
        penalty: How much a longer translation is favored.
    """

    beam: int = 1
    penalty: float = 0.6

    def __post_init__(self) -> None:
        if not 1 <= self.beam <= MAX_BEAM or not 0 <= self.penalty <= MAX_PENALTY:
            raise TatamiError(
                f"a search has a beam of {self.beam} and a penalty of {self.penalty:g}",
                hint=f"give a beam of 1 to {MAX_BEAM} and a penalty of 0 to {MAX_PENALTY:g}",
            )

    def weights(self, longest: int) -> Float32:
        """Give what the score of n tokens is divided by, for n = 0 ... longest."""
        counts = np.arange(longest + 1, dtype=np.float64)
        return (((5 + counts) / 6) ** self.penalty).astype(np.float32)

    def to_json(self) -> dict[str, Any]:
        """Give its members as plain values."""
        return {"beam": self.beam, "penalty": float(self.penalty)}

    @staticmethod
    def from_json(value: object) -> Search:
        """Read what a file's metadata says of it. Raises TatamiError."""
        found = strict.members(KEY, value, Search)
        (penalty,) = strict.finite(KEY, "penalty", [found["penalty"]], 1)
        return Search(strict.whole(KEY, "beam", found["beam"], 1, MAX_BEAM), penalty)
