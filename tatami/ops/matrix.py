"""Products of matrices and of values of any rank, in the order in which letters say."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tatami.errors import TatamiError

Array = NDArray[Any]


def matmul_backward(a: Array, b: Array, dy: Array) -> tuple[Array, Array]:
    """Differentiate y = a b for values of any rank, one axis being a row or a column.

    Args:
        a: (..., m, k) or (k,).
        b: (..., k, n) or (k,).
        dy: The product's shape.

    Returns:
        The derivative in each, spread over the axes of the batch of dy.
    """
    rows = a[None, :] if a.ndim == 1 else a
    columns = b[:, None] if b.ndim == 1 else b
    if b.ndim == 1:
        dy = dy[..., None]
    if a.ndim == 1:
        dy = dy[..., None, :]
    da, db = dy @ np.swapaxes(columns, -1, -2), np.swapaxes(rows, -1, -2) @ dy
    return (da[..., 0, :] if a.ndim == 1 else da), (db[..., 0] if b.ndim == 1 else db)


def determinant(x: Array) -> Array:
    """Compute the determinants of (..., n, n)."""
    return np.asarray(np.linalg.det(x), x.dtype)


@dataclass(frozen=True)
class Letters:
    """Hold what an equation of Einsum says.

    Args:
        inputs: For each input, a letter an axis.
        output: For the result.
        sides: How long the axis of each letter is.
    """

    inputs: tuple[str, ...]
    output: str
    sides: dict[str, int]

    @property
    def summed(self) -> str:
        """Give the letters over which products are added up."""
        return "".join(letter for letter in self.sides if letter not in self.output)

    @property
    def products(self) -> int:
        """Count the products that are added up."""
        return math.prod(self.sides.values())


_SPARE = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def letters_of(equation: str, shapes: Sequence[tuple[int, ...]]) -> Letters:
    """Read an equation of Einsum; the axes that three dots stand for get letters of their own.

    Args:
        equation: As "bij,bjk->bik".
        shapes: Of the inputs.

    Raises:
        TatamiError: For an equation that does not fit the shapes.
    """
    left, arrow, right = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    spare = [letter for letter in _SPARE if letter not in equation]
    dots = max(
        (
            len(shape) - len(term) + 3
            for term, shape in zip(terms, shapes, strict=False)
            if "..." in term
        ),
        default=0,
    )
    wrong = TatamiError(
        f"the equation '{equation}' does not fit inputs of {list(map(list, shapes))}",
        hint="export the network again",
    )
    if len(terms) != len(shapes) or dots < 0 or dots > len(spare):
        raise wrong
    sides: dict[str, int] = {}
    inputs = []
    for term, shape in zip(terms, shapes, strict=True):
        if "..." in term:
            own = len(shape) - len(term) + 3
            term = term.replace("...", "".join(spare[dots - own : dots]))
        if len(term) != len(shape) or (not term.isalpha() and term):
            raise wrong
        for letter, side in zip(term, shape, strict=True):
            if sides.setdefault(letter, side) != side:
                if 1 not in (sides[letter], side):
                    raise wrong
                sides[letter] = max(sides[letter], side)
        inputs.append(term)
    whole = "".join(spare[:dots])
    if arrow:
        output = right.replace("...", whole)
    else:
        once = sorted(set(left) - {",", "."})
        output = whole + "".join(letter for letter in once if left.count(letter) == 1)
    if any(letter not in sides for letter in output) or len(set(output)) != len(output):
        raise wrong
    return Letters(tuple(inputs), output, sides)


def einsum(letters: Letters, inputs: Sequence[Array]) -> Array:
    """Add up the products of the inputs' samples along the letters that the result has not."""
    equation = f"{','.join(letters.inputs)}->{letters.output}"
    return np.asarray(np.einsum(equation, *inputs, optimize=len(inputs) > 1), inputs[0].dtype)
