"""Where a sliding window of a convolution or a pool lies, one axis at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tatami.errors import TatamiError


@dataclass(frozen=True)
class Axis:
    """A window along one axis: ``kernel`` taps, ``dilation`` apart, moved by ``stride``.

    Args:
        kernel: How many taps.
        stride: Samples from one place to the next.
        before: Padding at the beginning, in samples.
        after: Padding at the end, in samples.
        dilation: Samples from one tap to the next.
        beyond: How much of ``after`` lies beyond the padding, where a pool rounds its places up: it
            counts in no mean.

    Raises:
        TatamiError: For numbers that no window has.
    """

    kernel: int
    stride: int = 1
    before: int = 0
    after: int = 0
    dilation: int = 1
    beyond: int = 0

    def __post_init__(self) -> None:
        if min(self.kernel, self.stride, self.dilation) < 1 or min(self.before, self.after) < 0:
            raise TatamiError(
                f"{self} is not a window",
                hint="kernel, stride and dilation start at 1, padding at 0",
            )

    @property
    def span(self) -> int:
        """Samples from the first tap to the last, both counted."""
        return (self.kernel - 1) * self.dilation + 1

    def output(self, length: int) -> int:
        """Count the places that the window takes on ``length`` samples: ONNX's floor rule.

        Raises:
            TatamiError: Where it fits nowhere.
        """
        room = length + self.before + self.after - self.span
        if room < 0:
            raise TatamiError(
                f"a window of {self.span} does not fit in {length} samples with its padding",
                hint="use a larger input or a smaller kernel",
            )
        return room // self.stride + 1


@dataclass(frozen=True)
class Window:
    """A window over both axes of a map.

    Args:
        rows: Down.
        columns: Across.
    """

    rows: Axis
    columns: Axis

    def __iter__(self) -> Iterator[Axis]:
        """Give both axes, in the order in which a map has them."""
        return iter((self.rows, self.columns))

    @staticmethod
    def square(kernel: int, stride: int = 1, pad: int = 0, dilation: int = 1) -> Window:
        """Make a window that is the same along both axes, with ``pad`` on all four sides."""
        axis = Axis(kernel, stride, pad, pad, dilation)
        return Window(axis, axis)


Axes = Iterable[Axis]
"""A window over any number of axes; a ``Window`` is one over two."""


def outputs(axes: Axes, sides: Iterable[int]) -> tuple[int, ...]:
    """Count the places of a window along each axis of a map.

    Args:
        axes: The window.
        sides: Samples of the map along each axis.

    Raises:
        TatamiError: Where it fits nowhere.
    """
    return tuple(axis.output(length) for axis, length in zip(axes, sides, strict=True))
