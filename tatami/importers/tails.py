"""The ends of a classifier or segmenter of another program, made those that Tatami's rules read.

Tatami's classifiers take pictures as three planes (1, 3, H, W) and give a logit a class, its
segmenters a logit a class and pixel. Other programs put a softmax or an argmax behind, keep
pictures with channels last or of one gray plane, and answer with a map smaller than the picture.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from tatami.errors import TatamiError
from tatami.importers.heads import shapes_of, with_outputs

Shape = tuple[int, ...]
_LAST = ("Softmax", "LogSoftmax", "Sigmoid", "ArgMax", "Cast", "Identity")
"""What only reads a choice from logits, or changes its form."""
_GRAY = (0.299, 0.587, 0.114)
"""The weights of red, green and blue in a gray pixel: ITU-R BT.601, as Pillow and OpenCV take."""


def as_classifier(model: onnx.ModelProto) -> tuple[onnx.ModelProto, list[str]]:
    """Make a model's input a picture's planes, and its output a logit a class, (1, classes).

    Args:
        model: One input, and one output of as many numbers as classes.

    Returns:
        The model, and what was changed, a line each.

    Raises:
        TatamiError: For another input or output.
    """
    changed, notes = _with_planes(model)
    name, notes = _without_tail(changed, notes)
    shape = shapes_of(changed)[name]
    long = [side for side in shape if side > 1]
    if len(long) > 1 or not shape:
        raise TatamiError(
            f"the output '{name}' has the shape {shape}, not one number a class",
            hint="import it for another task, or as a network without one",
            setting="task",
        )
    classes = long[0] if long else 1
    if shape != (1, classes):
        name = _add(changed, "Reshape", name, "logits", np.array([1, classes]))
        notes.append(f"the output {shape} is seen as {(1, classes)}")
    return _ending(changed, name, (1, classes)), notes


def as_segmenter(model: onnx.ModelProto) -> tuple[onnx.ModelProto, list[str]]:
    """Make a model's input a picture's planes, and its output a logit a class and pixel.

    Args:
        model: One input, and one output (1, classes, rows, columns).

    Returns:
        The model, and what was changed, a line each. A smaller map is enlarged, bilinearly.

    Raises:
        TatamiError: For another input or output.
    """
    changed, notes = _with_planes(model)
    name, notes = _without_tail(changed, notes)
    shapes = shapes_of(changed)
    shape, image = shapes[name], shapes[changed.graph.input[0].name]
    if len(shape) == 4 and shape[0] == 1 and shape[1:3] == image[2:] and shape[3] < shape[1]:
        name = _add(changed, "Transpose", name, "logits_first", perm=[0, 3, 1, 2])
        shape = (1, shape[3], shape[1], shape[2])
        notes.append("the output's channels, which lay last, are put first")
    if len(shape) != 4 or shape[0] != 1:
        raise TatamiError(
            f"the output '{name}' has the shape {shape}, not (1, classes, rows, columns)",
            hint="import it for another task, or as a network without one",
            setting="task",
        )
    whole = (1, shape[1], *image[2:])
    if shape != whole:
        sizes = np.array(whole)
        name = _add(changed, "Resize", name, "logits", None, None, sizes, mode="linear")
        notes.append(f"the output {shape} is enlarged to {whole}")
    return _ending(changed, name, whole), notes


def _with_planes(model: onnx.ModelProto) -> tuple[onnx.ModelProto, list[str]]:
    """Copy a model, its input being (1, 3, H, W)."""
    result = onnx.ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    if len(graph.input) != 1 or len(graph.output) != 1:
        raise TatamiError(
            f"the network has {len(graph.input)} inputs and {len(graph.output)} outputs",
            hint="one of each is what classifiers and segmenters have",
            setting="task",
        )
    value = graph.input[0]
    shape = shapes_of(model)[value.name]
    if len(shape) == 4 and shape[1] == 3:
        return result, []
    last = len(shape) == 4 and shape[3] in (1, 3)
    if not last and not (len(shape) == 4 and shape[1] == 1):
        raise TatamiError(
            f"the input '{value.name}' has the shape {shape}, not that of a picture",
            hint="import it as a network without a task",
            setting="task",
        )
    rows, columns = shape[1:3] if last else shape[2:]
    channels = shape[3] if last else 1
    notes = []
    first: list[onnx.NodeProto] = []
    picture = name = _free(graph, "picture")
    if channels == 1:
        weights = numpy_helper.from_array(
            np.array(_GRAY, np.float32).reshape(1, 3, 1, 1), _free(graph, "gray.weight")
        )
        graph.initializer.append(weights)
        gray = _free(graph, "gray")
        first.append(helper.make_node("Conv", [name, weights.name], [gray]))
        name = gray
        notes.append("the input is gray: it is made of red, green and blue by their luminance")
    if last:
        turned = _free(graph, "channels_last")
        first.append(helper.make_node("Transpose", [name], [turned], perm=[0, 2, 3, 1]))
        name = turned
        notes.append("the input's channels, which lay last, are taken as planes")
    nodes = [*first, *graph.node]
    for node in nodes[len(first) :]:
        for place, given in enumerate(node.input):
            if given == value.name:
                node.input[place] = name
    del graph.node[:], graph.input[:]
    graph.node.extend(nodes)
    graph.input.append(
        helper.make_tensor_value_info(picture, onnx.TensorProto.FLOAT, (1, 3, rows, columns))
    )
    return result, notes


def _free(graph: onnx.GraphProto, name: str) -> str:
    """Make a name that no value of a graph has."""
    taken = {each for node in graph.node for each in (*node.input, *node.output)}
    taken |= {value.name for value in (*graph.input, *graph.initializer)}
    while name in taken:
        name += "_"
    return name


def _without_tail(model: onnx.ModelProto, notes: list[str]) -> tuple[str, list[str]]:
    """Name the value behind what only reads a choice from logits."""
    makers = {name: node for node in model.graph.node for name in node.output}
    name = model.graph.output[0].name
    dropped = []
    while name in makers and makers[name].op_type in _LAST:
        dropped.append(makers[name].op_type)
        name = makers[name].input[0]
    reads = [one for one in dropped if one not in ("Cast", "Identity")]
    more = [f"{', '.join(reads)} at its end is left out: Tatami's rules do it"] if reads else []
    return name, [*notes, *more]


def _add(
    model: onnx.ModelProto,
    operator: str,
    given: str,
    name: str,
    *settings: np.ndarray[tuple[int, ...], np.dtype[np.int64]] | None,
    **attributes: Any,
) -> str:
    """Append a node with constant settings; give the name of what it makes."""
    name = _free(model.graph, name)
    names = [given]
    for place, setting in enumerate(settings):
        names.append("" if setting is None else f"{name}.{place}")
        if setting is not None:
            model.graph.initializer.append(numpy_helper.from_array(setting, names[-1]))
    model.graph.node.append(helper.make_node(operator, names, [name], **attributes))
    return name


def _ending(model: onnx.ModelProto, name: str, shape: Shape) -> onnx.ModelProto:
    """Give a model one output, without what it does not need."""
    return with_outputs(model, [name], {name: shape})
