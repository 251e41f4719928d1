"""Reverse-mode differentiation: how values on the way change a number made of the results.

D. E. Rumelhart, G. E. Hinton, R. J. Williams, "Learning representations by back-propagating
errors", Nature 323, 1986; in general, A. Griewank and A. Walther, "Evaluating Derivatives", 2008,
section 3.2. Nodes are visited from the last to the first, each by the derivative of its row in
graph/operators/; the gradients that several readers give one value are summed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import numpy as np
import onnx_ir as ir

from tatami.errors import TatamiError
from tatami.graph.network import Network, shape_of
from tatami.graph.operators import OPERATORS
from tatami.graph.operators.row import Array
from tatami.graph.run import Given, values
from tatami.types import Float32


def gradient(
    network: Network, images: Given, seed: Mapping[str, Float32], wanted: Collection[str]
) -> dict[str, Float32]:
    """Differentiate the sum over s in seed of <seed[s], value s> with respect to some values.

    Only the nodes between the wanted values and the seeded ones are visited.

    Args:
        network: The network; quantized ones have no derivative.
        images: (n, 3, height, width) float32, or an array an input, as for ``graph.run``.
        seed: By the name of an output, or of any other value, its weight in the sum, of its shape
            with n in front.
        wanted: Names of values, as ``graph.values`` gives them.

    Returns:
        The derivative in each wanted value, of its shape, n in front; zero where the value has no
        part in the sum.

    Raises:
        TatamiError: For a name that there is not, a seed or images of another shape, and where an
            operator on the way has no derivative.
    """
    known = {str(value.name) for value in network.graph.inputs}
    known |= {str(value.name) for node in network.graph for value in node.outputs}
    for name in (*seed, *wanted):
        if name not in known:
            raise TatamiError(f"the network has no value '{name}'", hint="name one that it makes")
    found = []
    for part, batch in _parts(network, images):
        computed = values(network, batch, indices=True)
        for name, weight in seed.items():
            whole = computed[name].shape
            if isinstance(images, np.ndarray) and whole:
                whole = (len(images), *whole[1:])
            if weight.shape != whole:
                raise TatamiError(
                    f"a seed of shape {weight.shape} does not fit '{name}', {whole}",
                    hint="give it the shape of its value",
                )
        weights = {name: weight[part] for name, weight in seed.items()}
        found.append(_backward(network.graph, computed, weights, wanted))
    if len(found) == 1:
        return found[0]
    return {name: np.concatenate([batch[name] for batch in found]) for name in wanted}


def _parts(network: Network, images: Given) -> Iterator[tuple[Any, Given]]:
    """Divide what is given into batches of the network's own size: the part, and its arrays."""
    sides = shape_of(network.graph.inputs[0])
    if not isinstance(images, np.ndarray) or not sides:
        yield ..., images
        return
    for start in range(0, max(len(images), 1), sides[0]):
        part = slice(start, start + sides[0])
        yield part, images[part]


def _backward(
    graph: ir.Graph,
    computed: Mapping[str, Array],
    seed: Mapping[str, Array],
    wanted: Collection[str],
) -> dict[str, Array]:
    """Compute the gradients of one batch, whose values are ``computed``."""
    moved = set(wanted)  # the values that a wanted one changes, itself among them
    path = []
    for node in graph:
        if any(value is not None and value.name in moved for value in node.inputs):
            path.append(node)
            moved.add(str(node.outputs[0].name))
    found: dict[str, Array] = {name: np.asarray(seed[name], np.float32) for name in seed}
    for node in reversed(path):
        name = str(node.outputs[0].name)
        dy = found.get(name) if name in wanted else found.pop(name, None)
        if dy is None:
            continue
        backward = OPERATORS[node.op_type].backward
        if backward is None:
            raise TatamiError(
                f"{node.op_type} '{name}' has no derivative",
                hint="take the network in float32 that this one was made from",
            )
        inputs = [_array(value, computed) for value in node.inputs]
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # as in graph/run.py
            parts = backward(node, inputs, computed[name], dy)
        for value, part in zip(node.inputs, parts, strict=False):  # weights at the end have none
            if value is not None and value.name in moved:
                known = found.get(value.name)
                found[value.name] = part if known is None else known + part
    return {
        name: found[name] if name in found else np.zeros_like(computed[name]) for name in wanted
    }


def _array(value: ir.Value | None, computed: Mapping[str, Array]) -> Array | None:
    if value is None:
        return None
    if str(value.name) in computed:
        return computed[str(value.name)]
    assert value.const_value is not None, f"{value.name} is neither computed nor constant"
    return value.const_value.numpy()
