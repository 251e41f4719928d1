"""A network as a function of NumPy arrays, run by the executable specification."""

from __future__ import annotations

import numpy as np

from tatami.graph.network import Network
from tatami.graph.run import run
from tatami.program import interpret
from tatami.program.lower import lower
from tatami.program.steps import Program
from tatami.types import Float32, Forward, RawMaps


def numpy_forward(network: Network) -> Forward:
    """Give a network as a function from images to raw maps.

    A quantized network is run as the program of integers that it means, not as float arithmetic.

    Raises:
        TatamiError: Where a quantized network cannot be lowered.
    """
    if is_quantized(network):
        program = lower(network)
        return lambda images: run_program(program, images)
    return lambda images: run(network, images)


def is_quantized(network: Network) -> bool:
    """Say whether a network holds integers, in the form of QDQ."""
    return any(node.op_type == "QuantizeLinear" for node in network.graph)


def run_program(program: Program, images: Float32) -> RawMaps:
    """Run a program on images (n, 3, height, width), one after another, and give its raw maps."""
    found = [interpret.run(program, [image]) for image in images]
    return tuple(np.stack(maps) for maps in zip(*found, strict=True))
