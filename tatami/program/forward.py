"""A network as a function of NumPy arrays, run by the executable specification."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tatami.graph.network import Network
from tatami.graph.run import run
from tatami.program import interpret
from tatami.program.lower import lower
from tatami.program.steps import Program
from tatami.program.stream import streamed
from tatami.types import Float32, Forward, RawMaps


@dataclass(frozen=True)
class NumpyForward:
    """A network as a function from images to raw maps, which may also take a column a call.

    Args:
        network: The network.
        whole: Images to raw maps.
    """

    network: Network
    whole: Forward

    def __call__(self, images: Float32) -> RawMaps:
        """Compute the raw maps of images (n, channels, rows, columns)."""
        return self.whole(images)

    def begun(self) -> Callable[[Float32], Float32]:
        """Give the function from the next column (channels, rows, 1) to the first output's.

        Raises:
            TatamiError: For a network that looks ahead.
        """
        program = streamed(lower(self.network))
        memory = interpret.memory_of(program)
        return lambda column: interpret.run(program, [column], memory)[0]


def numpy_forward(network: Network) -> Forward:
    """Give a network as a function from images to raw maps.

    A quantized network is run as the program of integers that it means, not as float arithmetic.

    Raises:
        TatamiError: Where a quantized network cannot be lowered.
    """
    if is_quantized(network):
        program = lower(network)
        return NumpyForward(network, lambda images: run_program(program, images))
    return NumpyForward(network, lambda images: run(network, images))


def is_quantized(network: Network) -> bool:
    """Say whether a network holds integers, in the form of QDQ."""
    return any(node.op_type == "QuantizeLinear" for node in network.graph)


def run_program(program: Program, images: Float32) -> RawMaps:
    """Run a program on images (n, 3, height, width), one after another, and give its raw maps."""
    found = [interpret.run(program, [image]) for image in images]
    return tuple(np.stack(maps) for maps in zip(*found, strict=True))
