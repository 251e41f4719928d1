"""What every description of a network's input says, whatever the input is made of."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from tatami.types.geometry import Size


class Input(ABC):
    """How what a user has becomes a network's input, by a written rule. Abstract."""

    size: Size
    """Columns and rows of the input."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, int, int]:
        """Planes, rows and columns of the input."""

    @abstractmethod
    def resized(self, size: Size) -> Input:
        """Give the same rule for another size.

        Raises:
            TatamiError: Where the rule allows none.
        """

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """Give its members as plain values."""
