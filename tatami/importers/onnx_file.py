"""ONNX files of other programs, brought to what Tatami reads: today's operators, fixed shapes.

Old exporters write operator sets that are no longer read, weights among the inputs, and whole
calculations of shapes (Shape, Gather, Unsqueeze, Concat) whose result is known once the input has
one size.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper, version_converter
from onnx.reference import ReferenceEvaluator

from tatami.errors import TatamiError
from tatami.graph.form import check_sizes
from tatami.graph.passes.expand_functions import expand_functions
from tatami.graph.passes.fold_shapes import read_by
from tatami.graph.passes.qoperators_to_qdq import qoperators_to_qdq
from tatami.graph.passes.unroll import LOOPS
from tatami.graph.passes.upgrade import upgrade
from tatami.graph.read import OPSETS, load
from tatami.graph.shapes import REFUSALS, first_line, known_shapes, sides_of
from tatami.importers.build import OPSET
from tatami.importers.imported import Imported
from tatami.importers.onnx_inputs import Given, bind_inputs, check_branches
from tatami.importers.onnx_states import pair_states

MAX_NUMBERS = 1 << 20
"""A constant that is computed here may have so many: shapes, and anchors of an SSD."""
_SMALLER = ("Compress", "NonZero", "Unique")
"""What makes no more of constants than is given, though how much only the numbers say."""
MAX_MADE = 1 << 28
"""All constants that are computed together may have so many (1 GiB), small ones aside."""
SMALL = 1 << 12
"""A constant of so many is computed in any case: shapes."""
_LEFT = (
    *("Bernoulli", "DequantizeLinear", "Multinomial", "QuantizeLinear", "RandomNormal"),
    *("RandomNormalLike", "RandomUniform", "RandomUniformLike"),
)
"""What is not computed: pairs that say how a weight is stored, and what is another each time."""
AGAIN = "export the network again, with a newer exporter"


def read_onnx(file: Path, given: Given | None = None) -> Imported:
    """Import an ONNX file of another program; every input gets one shape, and a batch of one.

    Args:
        file: The file.
        given: What is said of its inputs.

    Raises:
        TatamiError: Naming the file, for what is not ONNX, for sides that stay open, and for what
            ONNX's own converter does not bring to today's operators.
    """
    model = load(file)
    operators, version = len(model.graph.node), _version(model)
    try:
        _drop_weights_from_inputs(model)
        bind_inputs(model, given or Given())
        upgrade(model)
        qoperators_to_qdq(model)
        model = _computed(_converted(model))
        if any(node.op_type in LOOPS for node in model.graph.node):
            expand_functions(model)
            check_branches(model)
            model = _computed(model)
        notes = pair_states(model)
        if version not in OPSETS:
            notes = (*notes, f"operator set {version} was brought to {_version(model)}")
        return Imported(model, notes=notes, operators=operators)
    except TatamiError as error:
        raise TatamiError(
            error.reason, hint=error.hint, file=file, setting=error.setting
        ) from error


def _version(model: onnx.ModelProto) -> int:
    """Give the operator set of a model."""
    sets = [each.version for each in model.opset_import if each.domain in ("", "ai.onnx")]
    return max(sets, default=0)


def _drop_weights_from_inputs(model: onnx.ModelProto) -> None:
    weights = {tensor.name for tensor in model.graph.initializer}
    images = [value for value in model.graph.input if value.name not in weights]
    del model.graph.input[:]
    model.graph.input.extend(images)
    model.ir_version = max(model.ir_version, 4)  # the first in which a weight need be no input
    _drop_unused(model)


def _drop_unused(model: onnx.ModelProto) -> None:
    """Drop the weights that nothing reads."""
    used = {name for node in model.graph.node for name in read_by(node)}
    used |= {output.name for output in model.graph.output}
    kept = [tensor for tensor in model.graph.initializer if tensor.name in used]
    if len(kept) == len(model.graph.initializer):
        return
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)


def _converted(model: onnx.ModelProto) -> onnx.ModelProto:
    if _version(model) in OPSETS:
        return model
    check_sizes(model)
    try:
        return version_converter.convert_version(model, OPSET)
    except (version_converter.ConvertError, *REFUSALS) as error:
        raise TatamiError(
            f"operator set {_version(model)} cannot be brought to {OPSET}: {first_line(error)}",
            hint=AGAIN,
        ) from None


def _computed(model: onnx.ModelProto) -> onnx.ModelProto:
    """Turn every value that no image changes into a constant."""
    constants = {tensor.name: _array(tensor) for tensor in model.graph.initializer}
    room = MAX_MADE
    while True:
        kinds = known_shapes(model)
        shapes = {
            name: sides for name, kind in kinds.items() if (sides := sides_of(kind)) is not None
        }
        used = {name for node in model.graph.node for name in read_by(node)}
        used |= {output.name for output in model.graph.output}
        made: dict[str, NDArray[np.generic]] = {}
        left = []
        for node in model.graph.node:
            results = _compute(node, constants, shapes, room)
            if results is None:
                left.append(node)
                continue
            room -= sum(array.size for array in results if array.size > SMALL)
            found = dict(zip(node.output, results, strict=False))
            made |= {name: array for name, array in found.items() if name in used}
            constants |= made
        if not made:
            for output in model.graph.output:
                if output.name in kinds:
                    output.type.CopyFrom(kinds[output.name])
                known = constants.get(output.name)
                if known is not None and not output.type.tensor_type.HasField("shape"):
                    shape = output.type.tensor_type.shape  # one that no input changes
                    shape.SetInParent()
                    for side in known.shape:
                        shape.dim.add().dim_value = side
            _drop_unused(model)
            return model
        del model.graph.node[:]
        model.graph.node.extend(left)
        model.graph.initializer.extend(
            numpy_helper.from_array(array, name) for name, array in made.items()
        )


def _array(tensor: onnx.TensorProto) -> NDArray[np.generic]:
    try:
        return numpy_helper.to_array(tensor)
    except (onnx.checker.ValidationError, ValueError, TypeError, KeyError, OSError) as error:
        raise TatamiError(
            f"the weight {tensor.name[:80]!r} is damaged: {first_line(error)}", hint=AGAIN
        ) from None


def _compute(
    node: onnx.NodeProto,
    constants: dict[str, NDArray[np.generic]],
    shapes: Mapping[str, tuple[int, ...]],
    room: int,
) -> list[NDArray[np.generic]] | None:
    """Compute what a node gives, where no image changes it.

    A constant may have as many numbers as one that it is made of: weights are standardized so.

    Args:
        node: The node.
        constants: What is known.
        shapes: Of values.
        room: How many numbers may be made that are not few.
    """
    if node.op_type in _LEFT:
        return None
    if any(attribute.HasField("g") for attribute in node.attribute):
        return None  # its graph may read what changes: graph/passes/unroll.py
    asked = shapes.get(node.input[0]) if node.op_type == "Shape" and node.input else None
    if asked is not None and not node.attribute:
        return [np.asarray(asked, np.int64)]
    given = {name: constants[name] for name in node.input if name in constants}
    if len(given) != len({name for name in node.input if name}):
        return None
    limit = max([MAX_NUMBERS, *(array.size for array in given.values())])
    limit = max(SMALL, min(limit, room))
    for name in filter(None, node.output):
        known = shapes.get(name)
        if math.prod(known) > limit if known is not None else node.op_type not in _SMALLER:
            return None  # no memory is taken before it is known how much
    try:
        results = ReferenceEvaluator(node).run(None, given)
    except Exception as error:
        raise TatamiError(
            f"{node.op_type} '{node.output[0]}' of constants cannot be computed: {error}",
            hint=AGAIN,
        ) from None
    arrays = [np.asarray(one) for one in results]
    return arrays if all(array.size <= limit for array in arrays) else None
