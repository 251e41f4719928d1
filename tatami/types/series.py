"""How a series becomes a network's input: parameters of the rule in docs/series-rule.md."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from tatami.errors import TatamiError
from tatami.types import strict
from tatami.types.geometry import Size
from tatami.types.inputs import Input

MAX_STEPS = 1 << 16
MAX_CHANNELS = 1 << 16
MAX_NUMBERS = 1 << 20
"""Of an input: steps times channels."""
KEY = "tatami.series"


@dataclass(frozen=True)
class SeriesInput(Input):
    """How a series becomes a network's input of (steps, channels); a vector is one step.

    value = (number - mean[c]) * scale[c] in float32.

    Args:
        steps: Steps that the network looks at.
        channels: The names of the numbers of a step: the columns of a table.
        mean: Taken off the numbers of each channel.
        scale: Multiplied with what is left.
    """

    steps: int
    channels: tuple[str, ...]
    mean: tuple[float, ...]
    scale: tuple[float, ...]

    def __post_init__(self) -> None:
        count = len(self.channels)
        for name, value, high in (
            ("steps", self.steps, MAX_STEPS),
            ("channels", count, MAX_CHANNELS),
            ("numbers", self.steps * count, MAX_NUMBERS),
        ):
            if not 1 <= value <= high:
                raise TatamiError(f"a series has {value:,} {name}", hint=f"give 1 to {high:,}")
        if len(self.mean) != count or len(self.scale) != count:
            raise TatamiError(
                f"{count} channels have {len(self.mean)} means and {len(self.scale)} scales",
                hint="give one for each",
            )

    @property
    def size(self) -> Size:  # type: ignore[override]  # it follows from the other members
        """Channels across and steps down."""
        return Size(len(self.channels), self.steps)

    @property
    def shape(self) -> tuple[int, int, int]:
        """One plane of steps down and channels across."""
        return 1, self.steps, len(self.channels)

    def resized(self, size: Size) -> SeriesInput:
        """Refuse another size: it is given by the steps and their channels."""
        raise TatamiError(
            "the size of a series is its channels and steps", hint="train it for others"
        )

    def to_json(self) -> dict[str, Any]:
        """Give its members as plain values."""
        return asdict(self)

    @staticmethod
    def from_json(value: object) -> SeriesInput:
        """Read what a file's metadata says of it. Raises TatamiError."""
        found = strict.members(KEY, value, SeriesInput)
        channels = strict.names(KEY, found["channels"])
        return SeriesInput(
            strict.whole(KEY, "steps", found["steps"], 1, MAX_STEPS),
            channels,
            strict.finite(KEY, "mean", found["mean"], len(channels)),
            strict.finite(KEY, "scale", found["scale"], len(channels)),
        )


def plain(channels: Iterable[str], steps: int) -> SeriesInput:
    """Give the rule that takes numbers as they are."""
    names = tuple(channels)
    return SeriesInput(steps, names, (0.0,) * len(names), (1.0,) * len(names))
