"""Axes of any value resized: each sample of the result mixes the same number of samples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tatami.graph.attributes import real, resize_axes_of
from tatami.ship.c.general.loops import Loops
from tatami.ship.c.general.nest import General, indented, loop


def _tables(general: General) -> dict[str, NDArray[Any]]:
    tables: dict[str, NDArray[Any]] = {}
    for axis, taps in resize_axes_of(general.node).items():
        tables[f"places{axis}"] = taps.places
        if not taps.copies:
            tables[f"weights{axis}"] = taps.weights
        if taps.outside.any():
            tables[f"outside{axis}"] = taps.outside.astype(np.int32)
    return tables


def _resize(general: General) -> str:
    """Write the loops over the result, and in them those over the taps of each axis."""
    x, y, tables = general.operand(0), general.result, general.constants
    assert tables is not None
    axes = resize_axes_of(general.node)
    wide = "double" if x.kind == "double" else "float"
    names = [f"i{axis}" for axis in range(len(y.sides))]
    source: list[str | int] = list(names)
    mixed = []
    for axis, taps in axes.items():
        count = taps.places.shape[1]
        at = names[axis] if taps.copies else f"{names[axis]} * {count} + k{axis}"
        source[axis] = f"{tables[f'places{axis}']}[{at}]"
        if not taps.copies:
            mixed.append((axis, count, f"{tables[f'weights{axis}']}[{at}]"))
    number = x.at(source)
    text = ""
    for axis, count, share in reversed(mixed):
        inner = f"{text}s{axis} += {number} * {share};"
        text = (
            f"{wide} s{axis} = 0;\n\nfor (int k{axis} = 0; k{axis} < {count}; k{axis}++) {{\n"
            f"{indented(inner)}\n}}\n"
        )
        number = f"s{axis}"
    whole = f"({y.kind})" if mixed and y.kind != wide else ""
    text += f"{y.at(names)} = {whole}{number};"
    beyond = [f"{tables[f'outside{a}']}[{names[a]}]" for a, t in axes.items() if t.outside.any()]
    if beyond:
        value = np.float32(real(general.node, "extrapolation_value", 0.0))
        text = (
            f"if ({' || '.join(beyond)}) {{\n    {y.at(names)} = ({y.kind}){float(value)!r};\n"
            f"}} else {{\n{indented(text)}\n}}"
        )
    order = sorted(range(len(names)), key=lambda axis: -y.strides[axis])
    return loop([(names[axis], y.sides[axis]) for axis in order], text)


ROWS: Mapping[str, Loops] = {"Resize": Loops(_resize, constants=_tables)}
