"""Run a network with tatami.ops in float32: slow, plain, and the reference of everything else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import onnx_ir as ir

from tatami.errors import TatamiError
from tatami.graph.network import Network, shape_of
from tatami.graph.operators import OPERATORS
from tatami.graph.operators.row import Array
from tatami.types import Float32, RawMaps

Given = Float32 | Sequence[Array]
"""What a network is given: its images, or an array for each of its inputs."""


def run(network: Network, images: Given) -> RawMaps:
    """Run some images through a network.

    The pictures are run one batch after the other, so that a picture's answer never depends on its
    neighbors and memory does not grow with n.

    Args:
        network: The network.
        images: (n, 3, height, width) float32, for any n that the network's own batch (mostly 1)
            divides; of a network with several inputs, an array of the right shape for each.

    Returns:
        The raw maps in the order of the network's outputs, each with n along its first axis.

    Raises:
        TatamiError: For images of another shape.
    """
    names = [str(value.name) for value in network.graph.outputs]
    found = []
    for batch in _batches(network, images):
        computed = _forward(network.graph, batch, forget=True)
        found.append([computed[name] for name in names])
    return tuple(_joined(maps) for maps in zip(*found, strict=True))


def values(network: Network, images: Given, indices: bool = False) -> dict[str, Float32]:
    """Run some images and keep every activation.

    Args:
        network: The network.
        images: (n, 3, height, width) float32, as for ``run``.
        indices: Whether to keep whole numbers of 64 bits, too, as where the samples of max pools
            lay: they are no activations.

    Returns:
        Every activation by name, in the order in which the network computes them, the input first,
        each with n along its first axis. Weights are left out.

    Raises:
        TatamiError: For images of another shape.
    """
    batches = [_forward(network.graph, batch) for batch in _batches(network, images)]
    return {
        name: _joined([batch[name] for batch in batches])
        for name, array in batches[0].items()
        if indices or array.dtype != np.int64
    }


def _joined(batches: Sequence[Array]) -> Array:
    """Join the results of batches along their first axis; a single one may have no axis."""
    return batches[0] if len(batches) == 1 else np.concatenate(batches)


def _batches(network: Network, images: Given) -> Iterator[list[Array]]:
    """Divide the images into batches of the size that the network was exported for."""
    inputs = network.graph.inputs
    given = [images] if isinstance(images, np.ndarray) else list(images)
    shapes = [shape_of(value) for value in inputs]
    fits = len(given) == len(shapes) and all(
        np.shape(array)[1:] == shape[1:] and len(np.shape(array)) == len(shape)
        for array, shape in zip(given, shapes, strict=True)
    )
    size = shapes[0][0] if shapes[0] else 1
    if len(shapes) > 1 or not shapes[0]:
        fits = fits and [np.shape(array) for array in given] == shapes
    elif fits:
        fits = len(given[0]) > 0 and len(given[0]) % size == 0
    if not fits:
        told = ", ".join(str(np.shape(array)) for array in given)
        wanted = ", ".join(map(str, shapes))
        raise TatamiError(
            f"images of shape {told} do not fit a network for {wanted}",
            hint="prepare the pictures with the network's own input description",
        )
    arrays = [
        np.asarray(array, np.float32 if value.dtype is None else value.dtype.numpy())
        for array, value in zip(given, inputs, strict=True)
    ]
    if len(arrays) > 1 or not shapes[0]:
        yield arrays
        return
    for start in range(0, len(arrays[0]), size):
        yield [arrays[0][start : start + size]]


def _forward(graph: ir.Graph, given: Sequence[Array], forget: bool = False) -> dict[str, Array]:
    """Compute every activation of one batch; with ``forget``, only outputs are kept."""
    waiting = {value: len(value.uses()) for node in graph for value in node.outputs}
    computed: dict[ir.Value, Array] = dict(zip(graph.inputs, given, strict=True))

    def array(value: ir.Value | None) -> Array | None:
        if value is None or not value.name:
            return None
        if value in computed:
            return computed[value]
        assert value.const_value is not None, f"{value.name} is neither computed nor constant"
        return value.const_value.numpy()

    for node in graph:
        inputs = [array(value) for value in node.inputs]
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # as torch: inf, nan
            found = OPERATORS[node.op_type].evaluate(node, inputs)
        computed |= zip(node.outputs, found if isinstance(found, tuple) else (found,), strict=False)
        if forget:
            for value in node.inputs:
                if value in waiting and value is not None:
                    waiting[value] -= 1
                    if waiting[value] <= 0 and not value.is_graph_output():
                        computed.pop(value, None)
    for value in graph.outputs:  # one that no input changes, as the anchors of a detector
        if value not in computed and value.const_value is not None:
            computed[value] = value.const_value.numpy()
    return {str(value.name): result for value, result in computed.items()}
