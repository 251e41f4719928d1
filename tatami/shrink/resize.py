"""Another input size for a trained network: the same weights on smaller (or larger) maps.

Convolutions and pools do not care how large a map is, so a fully convolutional network runs at any
size; what it loses in accuracy, fine-tuning wins back in part. Anchors keep their size in pixels.
"""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
from onnx import numpy_helper

from tatami.errors import TatamiError
from tatami.graph.network import Network, shape_of
from tatami.graph.read import network_of
from tatami.types import Size


def resize(network: Network, size: Size) -> Network:
    """Adapt a network to images of another size.

    Args:
        network: The network, which is left as it is.
        size: The new size of its input.

    Raises:
        TatamiError: For a network that fixes a shape on the way (a Reshape), and where the size
            does not suit it.
    """
    proto = ir.to_proto(network.model)
    graph = proto.graph
    fixed = [node.output[0] for node in graph.node if node.op_type == "Reshape"]
    if fixed:
        raise TatamiError(
            f"Reshape '{fixed[0]}' fixes a shape, which another input size changes",
            hint="import or export the network again at that size",
        )
    _scale_by_factors(network, graph)
    sides = graph.input[0].type.tensor_type.shape.dim
    sides[2].dim_value, sides[3].dim_value = size.height, size.width
    for output in graph.output:
        for side in output.type.tensor_type.shape.dim:
            side.Clear()
    del proto.metadata_props[:]
    resized = network_of(proto)
    if network.spec is None:
        return resized
    before = [shape_of(value)[2:] for value in network.graph.outputs]
    after = [shape_of(value)[2:] for value in resized.graph.outputs]
    return Network(resized.model, network.spec.resized(size, before, after))


def _scale_by_factors(network: Network, graph: onnx.GraphProto) -> None:
    """Change every Resize to sizes into one by the factors that these sizes are now."""
    shapes = {
        str(value.name): shape_of(value)
        for node in network.graph
        for value in (*node.inputs, *node.outputs)
        if value is not None and value.shape is not None and value.shape.is_static()
    }
    for index, node in enumerate(graph.node):
        if node.op_type != "Resize" or len(node.input) < 4 or not node.input[3]:
            continue
        before, after = shapes[node.input[0]], shapes[node.output[0]]
        factors = [new / old for new, old in zip(after, before, strict=True)]
        name = f"{node.output[0]}.factors{index}"
        array = np.asarray(factors, np.float32)
        graph.initializer.append(numpy_helper.from_array(array, name))
        node.input[2] = name
        del node.input[3:]
