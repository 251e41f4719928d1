"""ONNX files of other programs, brought to what Tatami reads: today's operators, fixed shapes.

Old exporters write operator sets that are no longer read, weights among the inputs, and whole
calculations of shapes (Shape, Gather, Unsqueeze, Concat) whose result is known once the input has
one size.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper, version_converter
from onnx.reference import ReferenceEvaluator

from tatami.errors import TatamiError
from tatami.graph.passes.qoperators_to_qdq import qoperators_to_qdq
from tatami.graph.passes.upgrade import upgrade
from tatami.graph.read import OPSETS, load
from tatami.importers.build import OPSET
from tatami.importers.imported import Imported
from tatami.types import Size

MAX_NUMBERS = 1 << 20
"""A constant that is computed here may have so many: shapes, and anchors of an SSD."""
AGAIN = "export the network again, with a newer exporter"


def read_onnx(file: Path, size: Size | None) -> Imported:
    """Import an ONNX file of another program; the first input gets a batch of one.

    Args:
        file: The file.
        size: In place of the file's input size.

    Raises:
        TatamiError: Naming the file, for what is not ONNX, and for what ONNX's own converter does
            not bring to today's operators.
    """
    model = load(file)
    try:
        _drop_weights_from_inputs(model)
        _set_size(model, size)
        upgrade(model)
        qoperators_to_qdq(model)
        model = _converted(model)
        return Imported(_computed(model))
    except TatamiError as error:
        raise TatamiError(error.reason, hint=error.hint, file=file) from error


_REFUSALS = (version_converter.ConvertError, onnx.shape_inference.InferenceError)
"""What ONNX raises for a network that it does not take; neither is an error of Python's."""


def _drop_weights_from_inputs(model: onnx.ModelProto) -> None:
    weights = {tensor.name for tensor in model.graph.initializer}
    images = [value for value in model.graph.input if value.name not in weights]
    del model.graph.input[:]
    model.graph.input.extend(images)
    used = {name for node in model.graph.node for name in node.input}
    kept = [tensor for tensor in model.graph.initializer if tensor.name in used]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)


def _converted(model: onnx.ModelProto) -> onnx.ModelProto:
    versions = [opset.version for opset in model.opset_import if opset.domain in ("", "ai.onnx")]
    if max(versions, default=0) in OPSETS:
        return model
    try:
        # The converter asks for weights among the inputs, as the old sets had them.
        return version_converter.convert_version(model, OPSET)
    except (*_REFUSALS, RuntimeError, ValueError, TypeError) as error:
        raise TatamiError(
            f"operator set {max(versions, default=0)} cannot be brought to {OPSET}: "
            f"{str(error).splitlines()[0]}",
            hint=AGAIN,
        ) from None


def _set_size(model: onnx.ModelProto, size: Size | None) -> None:
    """Bind an open batch to 1, and that of pictures; set the size of the first input."""
    for value in model.graph.input:
        sides = value.type.tensor_type.shape.dim
        if not sides:
            continue
        batch = sides[0].dim_value if sides[0].HasField("dim_value") else 0
        if len(sides) == 4 and batch > 1:
            _refuse_batch(model, batch)
        if not batch or len(sides) == 4:
            sides[0].dim_value = 1
        if size is not None and len(sides) == 4 and value is model.graph.input[0]:
            sides[2].dim_value, sides[3].dim_value = size.height, size.width
        if not all(side.HasField("dim_value") for side in sides):
            said = ", ".join(
                str(side.dim_value) if side.HasField("dim_value") else "?" for side in sides
            )
            raise TatamiError(
                f"the input '{value.name}' leaves its sides open: ({said})",
                hint="say which size, as 352x288",
                setting="size",
            )
    for output in model.graph.output:  # they have other sizes now
        output.type.tensor_type.ClearField("shape")
    del model.graph.value_info[:]


def _refuse_batch(model: onnx.ModelProto, batch: int) -> None:
    """Raise TatamiError where a constant of the network speaks of its batch."""
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        shape = weights.get(node.input[1]) if node.op_type == "Reshape" else None
        if shape is not None and (target := _array(shape)).size and int(target.flat[0]) == batch:
            raise TatamiError(
                f"Reshape '{node.output[0]}' speaks of a batch of {batch}: with one picture it "
                "would mix samples",
                hint="export the network with a batch of 1",
            )


def _computed(model: onnx.ModelProto) -> onnx.ModelProto:
    """Turn every value that no image changes into a constant."""
    constants = {tensor.name: _array(tensor) for tensor in model.graph.initializer}
    while True:
        inferred = _inferred(model)
        shapes = {
            value.name: [side.dim_value for side in value.type.tensor_type.shape.dim]
            for value in (*inferred.graph.value_info, *inferred.graph.input)
            if value.type.tensor_type.HasField("shape")
            and all(side.HasField("dim_value") for side in value.type.tensor_type.shape.dim)
        }
        made = {}
        left = []
        for node in model.graph.node:
            result = _compute(node, constants, shapes)
            if result is None:
                left.append(node)
            else:
                constants[node.output[0]] = made[node.output[0]] = result
        if not made:
            for output in inferred.graph.output:  # one that no input changes has no node to say it
                known = constants.get(output.name)
                if known is not None and not output.type.tensor_type.HasField("shape"):
                    shape = output.type.tensor_type.shape
                    shape.SetInParent()
                    for side in known.shape:
                        shape.dim.add().dim_value = side
            return inferred
        del model.graph.node[:]
        model.graph.node.extend(left)
        model.graph.initializer.extend(
            numpy_helper.from_array(array, name) for name, array in made.items()
        )


def _array(tensor: onnx.TensorProto) -> NDArray[np.generic]:
    try:
        return numpy_helper.to_array(tensor)
    except (ValueError, TypeError, KeyError, OSError) as error:
        raise TatamiError(
            f"the weight {tensor.name[:80]!r} is damaged: {str(error).splitlines()[0]}", hint=AGAIN
        ) from None


def _inferred(model: onnx.ModelProto) -> onnx.ModelProto:
    try:
        return onnx.shape_inference.infer_shapes(model, data_prop=True)
    except (onnx.shape_inference.InferenceError, RuntimeError) as error:
        raise TatamiError(f"ONNX refuses the network: {error}", hint=AGAIN) from None


def _compute(
    node: onnx.NodeProto,
    constants: dict[str, NDArray[np.generic]],
    shapes: dict[str, list[int]],
) -> NDArray[np.generic] | None:
    """Compute what a node gives, where no image changes it."""
    if len(node.output) != 1 or node.op_type in ("DequantizeLinear", "QuantizeLinear"):
        return None
    if node.op_type == "Shape" and node.input[0] in shapes and not node.attribute:
        return np.asarray(shapes[node.input[0]], np.int64)
    given = {name: constants[name] for name in node.input if name in constants}
    if len(given) != len({name for name in node.input if name}):
        return None
    if any(array.size > MAX_NUMBERS for array in given.values()):
        return None
    try:
        results = ReferenceEvaluator(node).run(None, given)
    except Exception as error:
        raise TatamiError(
            f"{node.op_type} '{node.output[0]}' of constants cannot be computed: {error}",
            hint=AGAIN,
        ) from None
    (result,) = (np.asarray(one) for one in results)
    return result if result.size <= MAX_NUMBERS else None
