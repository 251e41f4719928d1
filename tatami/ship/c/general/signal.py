"""Fourier transforms as products with a constant matrix, and sampling by a grid, in C."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tatami.graph.operators.signal import affine_of, dft_of, sampling_of, stft_of
from tatami.ops.grid_sample import affine_places
from tatami.ops.spectrum import dft_matrix, stft_matrix
from tatami.ship.c.general.loops import Loops
from tatami.ship.c.general.matrix import product
from tatami.ship.c.general.nest import General, Operand, indented, loop, row_major


def _dft_constants(general: General) -> dict[str, NDArray[Any]]:
    x = general.operand(0)
    axis, length, inverse, onesided = dft_of(general.node)
    matrix = dft_matrix(x.sides[axis], x.sides[-1], length, inverse, onesided)
    return {"matrix": matrix.astype(np.float32)}


def _stft_constants(general: General) -> dict[str, NDArray[Any]]:
    _, frame, window, onesided = stft_of(general.node)
    matrix = stft_matrix(frame, general.operand(0).sides[-1], window, onesided)
    return {"matrix": matrix.astype(np.float32)}


def _matrix(general: General, sides: tuple[int, ...]) -> Operand:
    assert general.constants is not None
    return Operand(general.constants["matrix"], "float", sides, row_major(sides))


def _pair(k: str, parts: int) -> tuple[str, str | int]:
    """Divide the number of a product into a sample's and its part's."""
    return (k, 0) if parts == 1 else (f"{k} / 2", f"{k} % 2")


def _dft(general: General) -> str:
    x, y = general.operand(0), general.result
    axis, parts = dft_of(general.node)[0], x.sides[-1]
    matrix = _matrix(general, (x.sides[axis], parts, y.sides[axis], y.sides[-1]))
    axes = [(f"i{at}", side) for at, side in enumerate(y.sides)]
    names = [name for name, _ in axes]

    def factors(k: str) -> tuple[str, str]:
        sample, part = _pair(k, parts)
        at = [*names[:-1], part]
        at[axis] = sample
        return x.at(at), matrix.at([sample, part, names[axis], names[-1]])

    return product(y, axes, factors, x.sides[axis] * parts)


def _stft(general: General) -> str:
    x, y = general.operand(0), general.result
    step, frame, _, _ = stft_of(general.node)
    parts = x.sides[-1]
    matrix = _matrix(general, (frame, parts, y.sides[2], 2))
    axes = list(zip(("n", "f", "p", "q"), y.sides, strict=True))

    def factors(k: str) -> tuple[str, str]:
        sample, part = _pair(k, parts)
        return x.at(["n", f"f * {step} + {sample}", part]), matrix.at([sample, part, "p", "q"])

    return product(y, axes, factors, frame * parts)


def _affine_constants(general: General) -> dict[str, NDArray[Any]]:
    """Give where the samples of each axis lie, one axis behind the other."""
    sides, aligned = affine_of(general.node)
    return {
        "places": np.concatenate([affine_places(side, aligned) for side in sides]).astype(
            np.float32
        )
    }


def _affine_grid(general: General) -> str:
    theta, y = general.operand(0), general.result
    sides, _ = affine_of(general.node)
    assert general.constants is not None
    table, rank = general.constants["places"], len(sides)
    names = [f"o{axis}" for axis in range(rank)]
    starts = [sum(sides[:axis]) for axis in range(rank)]
    terms = [
        f"{theta.at(['n', 'j', rank - 1 - axis])} * {table}[{starts[axis]} + {names[axis]}]"
        for axis in reversed(range(rank))
    ]
    total = " + ".join([*terms, theta.at(["n", "j", rank])])
    walked = [("n", y.sides[0]), *zip(names, sides, strict=True), ("j", rank)]
    return loop(walked, f"{y.at(['n', *names, 'j'])} = {total};")


_TAPS = {"nearest": 1, "linear": 2, "cubic": 4}


def _grid_sample(general: General) -> str:
    x, grid, y = general.operand(0), general.operand(1), general.result
    mode, padding, aligned = sampling_of(general.node)
    taps, rank = _TAPS[mode], len(x.sides) - 2
    places = [f"o{axis}" for axis in range(rank)]
    lines = [f"int at{axis}[{taps}];\nfloat weight{axis}[{taps}];\n" for axis in range(rank)]
    for axis in range(rank):
        sample = grid.at(["n", *places, rank - 1 - axis])
        lines.append(
            f"net_grid_taps({sample}, {x.sides[2 + axis]}, {taps}, NET_GRID_{padding.upper()},"
            f" {int(aligned)}, at{axis}, weight{axis});"
        )
    chosen = [f"at{axis}[k{axis}]" for axis in range(rank)]
    outside = " || ".join(f"{one} < 0" for one in chosen)
    weights = " * ".join(f"weight{axis}[k{axis}]" for axis in range(rank))
    add = f"if ({outside}) continue;\ntotal += {weights} * {x.at(['n', 'c', *chosen])};"
    for axis in reversed(range(rank)):
        add = f"for (int k{axis} = 0; k{axis} < {taps}; k{axis}++) {{\n{indented(add)}\n}}"
    each = f"float total = 0;\n\n{add}\n{y.at(['n', 'c', *places])} = total;"
    lines.append(loop([("c", x.sides[1])], each))
    walked = [("n", x.sides[0]), *zip(places, y.sides[2:], strict=True)]
    return loop(walked, "\n".join(lines))


ROWS: Mapping[str, Loops] = {
    "AffineGrid": Loops(_affine_grid, constants=_affine_constants),
    "DFT": Loops(_dft, constants=_dft_constants),
    "GridSample": Loops(_grid_sample, kernels=("grid",)),
    "STFT": Loops(_stft, constants=_stft_constants),
}
