"""What a predictor computes on the way to its answer for one picture: every value, by its name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tatami import graph
from tatami.errors import TatamiError
from tatami.graph.network import Network, shape_of
from tatami.rules.picture import Placement, prepare
from tatami.tasks.structure import Part
from tatami.types import Float32, InputSpec, Picture, Size

ASSUMED = "no tatami metadata: the picture is stretched, RGB, its numbers from 0 to 1"
"""How a picture becomes an input where the network does not say it."""


@dataclass(frozen=True)
class Inside:
    """All values of a network for one picture.

    Args:
        network: The network.
        picture: What it looks at, (height, width, 3).
        images: Its input, (1, 3, H, W), or as many copies as its batch.
        computed: The values of the first copy by name, (1, ...) each where the batch is first.
        place: Where the picture lies on the input.
        canvas: The size of the input.
        parts: The networks of the predictor that this one is the first of.
        assumed: How the picture became an input, where the network does not say it.
    """

    network: Network
    picture: Picture
    images: Float32
    computed: dict[str, Float32]
    place: Placement
    canvas: Size
    parts: Sequence[Part] = ()
    assumed: str = ""

    def of_picture(self, value: str) -> Float32:
        """Give a value without the axis of the batch."""
        array = self.computed[value]
        return np.asarray(array[0] if len(array) == 1 else array)

    @property
    def raw(self) -> tuple[Float32, ...]:
        """The network's outputs, (1, ...) each."""
        return tuple(self.computed[str(value.name)] for value in self.network.graph.outputs)


def look_inside(network: Network, picture: Picture, parts: Sequence[Part] = ()) -> Inside:
    """Run a network on a picture and keep every value.

    Args:
        network: What looks. One without metadata is given the picture stretched to its input, in
            numbers from 0 to 1.
        picture: (height, width, 3).
        parts: The networks of the predictor that this one is the first of.

    Raises:
        TatamiError: For a network whose input is not a picture of three planes.
    """
    shape = shape_of(network.graph.inputs[0])
    spec = network.spec
    rule = None if spec is None else spec.input
    if len(shape) != 4 or shape[1] != 3 or not isinstance(rule, InputSpec | None):
        raise TatamiError(
            f"the network takes arrays of shape {shape}, and a picture has three planes",
            hint="take a network of color pictures",
        )
    batch, _, rows, columns = shape
    planes, place = prepare(picture, rule or InputSpec(Size(columns, rows), "stretch"))  # (3, H, W)
    images = np.repeat(planes[None], batch, axis=0)
    computed = {
        name: array[: max(1, len(array) // batch)]
        for name, array in graph.values(network, images).items()
    }
    assumed = ASSUMED if spec is None else ""
    return Inside(network, picture, images, computed, place, Size(columns, rows), parts, assumed)
