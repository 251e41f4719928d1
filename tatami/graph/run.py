"""Run a network with tatami.ops in float32: slow, plain, and the reference of everything else."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx_ir as ir

from tatami.errors import TatamiError
from tatami.graph.network import Network, shape_of
from tatami.graph.operators import OPERATORS, Array, max_pool_indices
from tatami.types import Float32, RawMaps


def run(network: Network, images: Float32) -> RawMaps:
    """Run some images through a network.

    The pictures are run one batch after the other, so that a picture's answer never depends on its
    neighbors and memory does not grow with n.

    Args:
        network: The network.
        images: (n, 3, height, width) float32, for any n that the network's own batch (mostly 1)
            divides.

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
    return tuple(np.concatenate(maps) for maps in zip(*found, strict=True))


def values(network: Network, images: Float32, indices: bool = False) -> dict[str, Float32]:
    """Run some images and keep every activation.

    Args:
        network: The network.
        images: (n, 3, height, width) float32, as for ``run``.
        indices: Whether to keep where the samples of max pools lay, int64, for unpooling: they are
            no activations.

    Returns:
        Every activation by name, in the order in which the network computes them, the input first,
        each with n along its first axis. Weights are left out.

    Raises:
        TatamiError: For images of another shape.
    """
    batches = [_forward(network.graph, batch) for batch in _batches(network, images)]
    return {
        name: np.concatenate([batch[name] for batch in batches])
        for name, array in batches[0].items()
        if indices or array.dtype != np.int64
    }


def _batches(network: Network, images: Float32) -> Iterator[Float32]:
    """Divide the images into batches of the size that the network was exported for."""
    shape = shape_of(network.graph.inputs[0])
    if images.shape[1:] != shape[1:] or not len(images) or len(images) % shape[0]:
        raise TatamiError(
            f"images of shape {images.shape} do not fit a network for {shape}",
            hint="prepare the pictures with the network's own input description",
        )
    for start in range(0, len(images), shape[0]):
        yield np.asarray(images[start : start + shape[0]], np.float32)


def _forward(graph: ir.Graph, images: Array, forget: bool = False) -> dict[str, Array]:
    """Compute every activation of one batch; with ``forget``, only outputs are kept."""
    waiting = {value: len(value.uses()) for node in graph for value in node.outputs}
    computed: dict[ir.Value, Array] = {graph.inputs[0]: images}

    def array(value: ir.Value | None) -> Array | None:
        if value is None:
            return None
        if value in computed:
            return computed[value]
        assert value.const_value is not None, f"{value.name} is neither computed nor constant"
        return value.const_value.numpy()

    for node in graph:
        inputs = [array(value) for value in node.inputs]
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # as torch: inf, nan
            computed[node.outputs[0]] = OPERATORS[node.op_type](node, inputs)
            for indices in node.outputs[1:]:
                computed[indices] = max_pool_indices(node, inputs)
        if forget:
            for value in node.inputs:
                if value in waiting and value is not None:
                    waiting[value] -= 1
                    if waiting[value] <= 0 and not value.is_graph_output():
                        computed.pop(value, None)
    return {str(value.name): result for value, result in computed.items()}
