"""Recurrent layers in C: one sequence after the other, all gates of a step at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from tatami.graph.attributes import integer
from tatami.graph.network import shape_of
from tatami.graph.operators.recurrent import cells_of
from tatami.graph.operators.row import value_at
from tatami.ops.recurrent import GATES, Activation, Cell, Kind
from tatami.ship.c.general.elementwise import EXPRESSIONS
from tatami.ship.c.general.loops import Loops
from tatami.ship.c.general.nest import General, Operand, indented, row_major
from tatami.ship.c.operator import number

UNROLLED = 4
"""Inputs whose products are added before the gates are written again."""
_TURNED = (1, 2)  # weights, which lie as (directions, inputs, gates): gates are walked innermost


def _sizes(general: General) -> tuple[int, int, int, int, int]:
    """Give steps, sequences, inputs, the numbers remembered, and gates."""
    x, r = (shape_of(value_at(general.node, index)) for index in (0, 2))
    steps, n = (x[1], x[0]) if integer(general.node, "layout", 0) else (x[0], x[1])
    return steps, n, x[2], r[2], GATES[cast(Kind, general.node.op_type)]


def _constants(general: General) -> dict[str, NDArray[Any]]:
    found = {}
    for index in range(1, len(general.node.inputs)):
        array = None if index in general.operands else general.setting(index)
        if array is not None:
            array = array.transpose(0, 2, 1) if index in _TURNED else array
            found[f"in{index}"] = np.ascontiguousarray(array)
    return found


def _scratch(general: General) -> int:
    _, _, _, hidden, gates = _sizes(general)
    return 4 * hidden * (gates + 4)


def _operand(general: General, index: int) -> Operand | None:
    """Find an input, whether it is computed or constant; weights with their gates last."""
    node = general.node
    value = node.inputs[index] if index < len(node.inputs) else None
    if value is None or not value.name:
        return None
    if index in general.operands:
        one = general.operand(index)
        if index in _TURNED:
            order = (0, 2, 1)
            sides, strides = (tuple(each[at] for at in order) for each in (one.sides, one.strides))
            return Operand(one.name, one.kind, sides, strides)
        return one
    assert general.constants is not None
    sides = shape_of(value)
    if index in _TURNED:
        sides = (sides[0], sides[2], sides[1])
    kind = "int32_t" if index == 4 else "float"
    return Operand(general.constants[f"in{index}"], kind, sides, row_major(sides))


def _function(one: Activation, x: str) -> str:
    given = {name: number(value) for name, value in one.parameters.items()}
    if one.name == "Affine":
        return f"{given['alpha']} * {x} + {given['beta']}"
    if one.name == "ScaledTanh":
        return f"{given['alpha']} * net_tanh({given['beta']} * {x})"
    return EXPRESSIONS[one.name].format(x=x, **given)


def _clipped(cell: Cell, x: str) -> str:
    if cell.clip <= 0:
        return x
    return f"net_within({x}, {number(-cell.clip)}, {number(cell.clip)})"


def _products(target: str, vector: str, weights: Operand, d: int, first: int, count: int) -> str:
    """Write target[j] += sum over i of vector(i) * weights(i, first + j), some inputs at a time."""
    length = weights.sides[1]
    whole = length - length % UNROLLED
    shifted = "j" if first == 0 else f"j + {first}"

    def row(many: int) -> str:
        terms = []
        for at in range(many):
            i = f"i + {at}" if at else "i"
            terms.append(f"{vector.format(i=i)} * {weights.at([d, i, shifted])}")
        return f"for (int j = 0; j < {count}; j++) {target}[j] += {' + '.join(terms)};"

    text = []
    if whole:
        text.append(f"for (int i = 0; i < {whole}; i += {UNROLLED}) {{\n    {row(UNROLLED)}\n}}")
    if length > whole:
        text.append(f"for (int i = {whole}; i < {length}; i++) {{\n    {row(1)}\n}}")
    return "\n".join(text)


def _direction(general: General, cell: Cell, d: int) -> str:
    """Write one direction."""
    steps, n, _, hidden, gates = _sizes(general)
    batch_first = integer(general.node, "layout", 0)
    x, w, r, biases, lengths, h0, c0, peepholes = (_operand(general, at) for at in range(8))
    assert x is not None
    assert w is not None
    assert r is not None

    def state(one: Operand, i: str) -> str:
        return one.at(["b", d, i] if batch_first else [d, "b", i])

    begin = [
        f"h[i] = {'0' if h0 is None else state(h0, 'i')};",
        f"c[i] = {'0' if c0 is None else state(c0, 'i')};",
    ]
    total = gates * hidden
    split = total if general.node.op_type != "GRU" else 2 * hidden
    bias = "0"
    if biases is not None:
        both = f" + {biases.at([d, f'j + {total}'])}"
        bias = biases.at([d, "j"])
        if general.node.op_type != "GRU":
            bias += both
        else:  # the last gate's bias of the states is added where its product is
            bias += f" + (j < {split} ? {biases.at([d, f'j + {total}'])} : 0)"
    sample = x.at(["b", "at", "{i}"] if batch_first else ["at", "b", "{i}"])
    sample = sample.replace("({i})", "{i}").replace("{i}", "({i})")
    lines = [
        f"for (int j = 0; j < {total}; j++) gates[j] = {bias};",
        _products("gates", sample, w, d, 0, total),
        _products("gates", "h[{i}]", r, d, 0, split),
    ]
    lines.append(_CELLS[general.node.op_type](cell, hidden, r, biases, peepholes, d))
    lines.append(_written(general, d, steps))
    limit, position = str(steps), "t"
    head = ""
    if lengths is not None:
        head = f"const int end = (int){lengths.at(['b'])};\n"
        limit = "end"
    if cell.reverse:
        position = f"{limit} - 1 - t"
    body = f"const int at = {position};\n\n(void)at;\n" + "\n".join(lines)
    walk = f"for (int t = 0; t < {limit}; t++) {{\n{indented(body)}\n}}"
    if lengths is not None:
        walk = walk.replace("t < end", f"t < {steps} && t < end", 1)
        walk += _silent(general, d, steps)
    start = f"for (int i = 0; i < {hidden}; i++) {{\n{indented(chr(10).join(begin))}\n}}"
    text = f"{head}\n{start}\n{walk}\n{_states(general, d)}"
    return f"for (int b = 0; b < {n}; b++) {{\n{indented(text)}\n}}"


def _rnn(cell: Cell, hidden: int, r: Operand, b: Operand | None, p: Operand | None, d: int) -> str:
    x = _clipped(cell, "gates[i]")
    body = f"const float x = {x};\n\nh[i] = {_function(cell.activations[0], 'x')};"
    return f"for (int i = 0; i < {hidden}; i++) {{\n{indented(body)}\n}}"


def _gru(cell: Cell, hidden: int, r: Operand, b: Operand | None, p: Operand | None, d: int) -> str:
    f, g = cell.activations[:2]
    x = _clipped(cell, "gates[j]")
    body = f"const float x = {x};\n\ngates[j] = {_function(f, 'x')};"
    bias = "0" if b is None else b.at([d, f"i + {5 * hidden}"])
    lines = [
        f"for (int j = 0; j < {2 * hidden}; j++) {{\n{indented(body)}\n}}",
        f"for (int i = 0; i < {hidden}; i++) c[i] = {bias};",
    ]
    vector = "h[{i}]"
    if not cell.reset_after:
        lines.append(f"for (int i = 0; i < {hidden}; i++) more[i] = gates[i + {hidden}] * h[i];")
        vector = "more[{i}]"
    lines.append(_products("c", vector, r, d, 2 * hidden, hidden))
    reset = f"gates[i + {hidden}] * c[i]" if cell.reset_after else "c[i]"
    total = _clipped(cell, f"gates[i + {2 * hidden}] + {reset}")
    body = (
        f"const float x = {total};\nconst float candidate = {_function(g, 'x')};\n\n"
        "h[i] = (1 - gates[i]) * candidate + gates[i] * h[i];"
    )
    lines.append(f"for (int i = 0; i < {hidden}; i++) {{\n{indented(body)}\n}}")
    return "\n".join(lines)


def _lstm(cell: Cell, hidden: int, r: Operand, b: Operand | None, p: Operand | None, d: int) -> str:
    f, g, out = cell.activations[:3]

    def gate(name: str, at: int, peep: int | None = None) -> str:
        x = f"gates[i + {at * hidden}]" if at else "gates[i]"
        if p is not None and peep is not None:
            x += f" + {p.at([d, f'i + {peep * hidden}'])} * c[i]"
        function = g if name == "fresh" else f
        return (
            f"const float {name}_sum = {_clipped(cell, x)};\n"
            f"const float {name} = {_function(function, f'{name}_sum')};"
        )

    lines = [gate("let_in", 0, 0)]
    lines.append("const float keep = 1 - let_in;" if cell.input_forget else gate("keep", 2, 2))
    lines += [gate("fresh", 3), "", "c[i] = keep * c[i] + let_in * fresh;", ""]
    lines += [gate("let_out", 1, 1), f"const float shown = {_function(out, 'c[i]')};", ""]
    lines.append("h[i] = let_out * shown;")
    text = "\n".join(lines)
    return f"for (int i = 0; i < {hidden}; i++) {{\n{indented(text)}\n}}"


_CELLS = {"RNN": _rnn, "GRU": _gru, "LSTM": _lstm}


def _parts(general: General) -> dict[int, Operand]:
    """Find where each output that is made lies: of several, one after the other in y."""
    node, index = general.node, general.step.index
    if index >= 0:
        return {index: general.result}
    parts, first = {}, 0
    for at, value in enumerate(node.outputs):
        if not value.name:
            continue
        sides = shape_of(value)
        one = Operand(f"(y + {first})", "float", sides, row_major(sides))
        parts[at], first = one, first + one.size
    return parts


def _sequence(general: General, d: int, at: str, i: str) -> str | None:
    y = _parts(general).get(0)
    if y is None:
        return None
    return y.at(["b", at, d, i] if integer(general.node, "layout", 0) else [at, d, "b", i])


def _written(general: General, d: int, steps: int) -> str:
    """Write what a step gives, where that is wanted."""
    y = _sequence(general, d, "at", "i")
    hidden = _sizes(general)[3]
    return "" if y is None else f"for (int i = 0; i < {hidden}; i++) {y} = h[i];"


def _silent(general: General, d: int, steps: int) -> str:
    """Write zeros beyond a sequence's end."""
    y = _sequence(general, d, "t", "i")
    if y is None:
        return ""
    hidden = _sizes(general)[3]
    return (
        f"\nfor (int t = end < 0 ? 0 : end; t < {steps}; t++) {{\n"
        f"    for (int i = 0; i < {hidden}; i++) {y} = 0;\n}}"
    )


def _states(general: General, d: int) -> str:
    """Write what is remembered at the end, where that is wanted."""
    hidden = _sizes(general)[3]
    lines = []
    for at, name in ((1, "h"), (2, "c")):
        one = _parts(general).get(at)
        if one is not None:
            place = one.at(["b", d, "i"] if integer(general.node, "layout", 0) else [d, "b", "i"])
            lines.append(f"for (int i = 0; i < {hidden}; i++) {place} = {name}[i];")
    return "\n".join(lines)


def _recurrent(general: General) -> str:
    _, _, _, hidden, gates = _sizes(general)
    head = [
        f"float *const gates = (float *)(void *){general.scratch};",
        f"float *const h = gates + {gates * hidden};",
        f"float *const c = h + {hidden};",
    ]
    if general.node.op_type == "GRU":
        head.append(f"float *const more = c + {hidden};")
        if all(cell.reset_after for cell in cells_of(general.node)):
            head.pop()
    return "\n".join(
        [
            *head,
            "",
            *(_direction(general, cell, d) for d, cell in enumerate(cells_of(general.node))),
        ]
    )


ROWS: Mapping[str, Loops] = {
    name: Loops(_recurrent, scratch=_scratch, constants=_constants) for name in GATES
}
