"""Recurrent layers."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import onnx_ir as ir

from tatami.errors import TatamiError
from tatami.graph.attributes import integer, real, text
from tatami.graph.network import shape_of
from tatami.graph.operators.row import Array, Inputs, Operator, value_at, wrong
from tatami.ops.recurrent import GATES, USUAL, Cell, Kind, Weights, activations, run


def cells_of(node: ir.Node) -> tuple[Cell, ...]:
    """Read how each direction of a recurrent node works.

    Raises:
        TatamiError: For a function that no cell has.
    """
    kind = cast(Kind, node.op_type)
    direction = text(node, "direction", "forward")
    count = 2 if direction == "bidirectional" else 1
    given = node.attributes.get("activations")
    names = USUAL[kind] * count if given is None else tuple(given.as_strings())
    numbers = [
        () if name not in node.attributes else tuple(node.attributes[name].as_floats())
        for name in ("activation_alpha", "activation_beta")
    ]
    functions = activations(names, *numbers)
    each = len(USUAL[kind])
    if len(functions) < each * count:
        raise wrong(node, f"has {len(functions)} functions, not {each * count}")
    return tuple(
        Cell(
            kind,
            functions[number * each : (number + 1) * each],
            reverse=direction == "reverse" or number == 1,
            clip=real(node, "clip", 0.0),
            input_forget=bool(integer(node, "input_forget", 0)),
            reset_after=bool(integer(node, "linear_before_reset", 0)),
        )
        for number in range(count)
    )


def _recurrent(node: ir.Node, inputs: Inputs) -> tuple[Array, ...]:
    given: list[Any] = [*inputs, *[None] * (8 - len(inputs))]
    x, w, r, biases, lengths, h, c, peepholes = given
    batch_first = bool(integer(node, "layout", 0))
    if batch_first:
        x = x.swapaxes(0, 1)
        h, c = (None if one is None else one.swapaxes(0, 1) for one in (h, c))
    found = []
    for number, cell in enumerate(cells_of(node)):
        first = [None if one is None else one[number] for one in (biases, peepholes, h, c)]
        weights = Weights(w[number], r[number], *first[:2])
        found.append(run(cell, weights, x, lengths, *first[2:]))
    y, last_h, last_c = (np.stack(each) for each in zip(*found, strict=True))
    y = y.swapaxes(0, 1)  # (steps, directions, n, hidden)
    if batch_first:
        y, last_h, last_c = y.transpose(2, 0, 1, 3), last_h.swapaxes(0, 1), last_c.swapaxes(0, 1)
    return (y, last_h, last_c) if node.op_type == "LSTM" else (y, last_h)


def _check(node: ir.Node) -> None:
    try:
        directions = len(cells_of(node))
    except TatamiError as error:
        raise wrong(node, f"cannot be run: {error.reason}") from None
    x, w, r = (shape_of(value_at(node, index)) for index in range(3))
    gates = GATES[cast(Kind, node.op_type)]
    hidden = r[-1] if len(r) == 3 else 0
    if len(x) != 3 or w != (directions, gates * hidden, x[2]):
        raise wrong(node, f"has weights of the shapes {w} and {r} for an input of {x}")
    if r != (directions, gates * hidden, hidden):
        raise wrong(node, f"has weights of the shapes {w} and {r} for an input of {x}")
    n = x[0] if integer(node, "layout", 0) else x[1]
    states = (n, directions, hidden) if integer(node, "layout", 0) else (directions, n, hidden)
    wanted = {
        3: (directions, 2 * gates * hidden),
        4: (n,),
        5: states,
        6: states,
        7: (directions, 3 * hidden),
    }
    for index, shape in wanted.items():
        value = node.inputs[index] if index < len(node.inputs) else None
        if value is not None and shape_of(value) != shape:
            raise wrong(node, f"has an input {index} of {shape_of(value)}, not {shape}")


ROWS = (
    Operator("GRU", _recurrent, None, _check, settings=True, outputs=2),
    Operator("LSTM", _recurrent, None, _check, settings=True, outputs=3),
    Operator("RNN", _recurrent, None, _check, settings=True, outputs=2),
)
