"""The raw maps behind a detector's outputs: a file that joins them is cut where they are made.

Exporters of SSDs flatten the map of every head, (1, A * k, rows, columns) to (1, rows * columns *
A, k), join those of all feature maps and take softmax; those of YOLO and of detectors without
anchors write the whole decoding into the file. Tatami's decoding reads the maps themselves.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import onnx
from onnx import helper

from tatami.errors import TatamiError
from tatami.graph.shapes import known_shapes
from tatami.types import AnchorGrid, Decoding

_MOVES = ("Softmax", "Sigmoid", "Reshape", "Flatten", "Transpose", "Identity", "Squeeze")


def cut_at_heads(model: onnx.ModelProto, decoding: Decoding, classes: int) -> onnx.ModelProto:
    """Make the raw maps of a model's heads its outputs, in the order of ``decoding.grids``.

    A model whose outputs are as many as the decoding asks for, maps all of them, is given back as
    it is.

    Args:
        model: The model.
        decoding: How its maps are read.
        classes: How many classes there are.

    Raises:
        TatamiError: Where the maps behind the outputs are not those of the decoding.
    """
    expected = decoding.maps(classes)
    shapes = shapes_of(model)
    outputs = [value.name for value in model.graph.output]
    if len(outputs) == len(expected) and all(len(shapes[name]) == 4 for name in outputs):
        return model
    if decoding.kind != "ssd":
        return with_outputs(model, _by_shape(model, shapes, expected), shapes)
    makers = {name: node for node in model.graph.node for name in node.output}
    found = [_heads(name, makers) for name in outputs]
    if len(found) != 2 or {len(one) for one in found} != {len(decoding.grids)}:
        raise TatamiError(
            f"behind the outputs {', '.join(outputs)} lie {' and '.join(map(str, map(len, found)))}"
            f" maps, where the decoding asks for {len(expected)}",
            hint="give a spec with a grid for each feature map",
        )
    boxes = [channels for _, channels in expected[::2]]
    found.sort(key=lambda names: [shapes[name][1] for name in names] != boxes)
    maps = [name for pair in zip(*found, strict=True) for name in pair]
    for name, (_, channels) in zip(maps, expected, strict=True):
        if len(shapes[name]) != 4 or shapes[name][1] != channels:
            raise TatamiError(
                f"'{name}' is a map of {shapes[name][1:]}, where {channels} channels are asked for",
                hint="correct the anchors or the classes of the spec",
            )
    return with_outputs(model, maps, shapes)


_READS_HEADS = (*_MOVES, "Concat", "Split", "Slice", "Unsqueeze", "Exp", "Gather")


def _by_shape(
    model: onnx.ModelProto,
    shapes: dict[str, tuple[int, ...]],
    expected: Sequence[tuple[AnchorGrid, int]],
) -> list[str]:
    """Find the raw maps of heads that the file decodes itself, by their channels and their sides.

    A head is the last convolution on its way: nothing that computes on maps reads it.
    """
    readers: dict[str, list[str]] = {}
    for node in model.graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node.op_type)
    outputs = {value.name for value in model.graph.output}
    heads = [
        node.output[0]
        for node in model.graph.node
        if node.op_type == "Conv"
        and len(shapes[node.output[0]]) == 4
        and (node.output[0] in outputs or readers.get(node.output[0]))
        and set(readers.get(node.output[0], [])) <= set(_READS_HEADS)
    ]
    image = shapes[model.graph.input[0].name]
    found: list[str] = []
    for grid, channels in expected:
        sides = [
            math.ceil(side / stride - 1e-3)
            for side, stride in zip(image[2:], (grid.stride[1], grid.stride[0]), strict=True)
        ]
        wanted = (channels, *sides)
        fits = [name for name in heads if shapes[name][1:] == wanted and name not in found]
        if not fits:
            there = ", ".join(str(shapes[name][1:]) for name in heads[:12]) or "none"
            raise TatamiError(
                f"no head has {wanted} channels, rows and columns; the heads are {there}",
                hint="correct the grids, the classes or the bins of the spec",
            )
        found.append(fits[0])
    return found


def _heads(name: str, makers: dict[str, onnx.NodeProto]) -> list[str]:
    """Find the maps that a value is made of, in order, by moves of numbers alone."""
    node = makers.get(name)
    if node is None:
        return [name]
    if node.op_type == "Concat":
        return [head for value in node.input for head in _heads(value, makers)]
    if node.op_type == "Transpose":
        order = [list(a.ints) for a in node.attribute if a.name == "perm"]
        if order != [[0, 2, 3, 1]]:
            raise TatamiError(
                f"Transpose '{node.output[0]}' reorders a head in a way that is not known",
                hint="export the network with its raw maps as outputs",
            )
    if node.op_type in _MOVES:
        return _heads(node.input[0], makers)
    return [name]


def shapes_of(model: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    """Infer the shape of every value of a model, by name."""
    return {
        name: tuple(side.dim_value for side in kind.tensor_type.shape.dim)
        for name, kind in known_shapes(model).items()
    }


def with_outputs(
    model: onnx.ModelProto, names: Sequence[str], shapes: dict[str, tuple[int, ...]]
) -> onnx.ModelProto:
    """Give a model other values of it for outputs, without what they do not need.

    Args:
        model: The model.
        names: The new outputs.
        shapes: The shape of each value.
    """
    needed = set(names)
    kept = []
    for node in reversed(model.graph.node):
        if needed & set(node.output):
            kept.append(node)
            needed |= set(node.input)
    result = onnx.ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    del graph.node[:], graph.output[:], graph.value_info[:]
    graph.node.extend(reversed(kept))
    kind = onnx.TensorProto.FLOAT
    graph.output.extend(helper.make_tensor_value_info(name, kind, shapes[name]) for name in names)
    weights = [tensor for tensor in graph.initializer if tensor.name in needed]
    del graph.initializer[:]
    graph.initializer.extend(weights)
    return result
