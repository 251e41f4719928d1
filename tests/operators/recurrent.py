"""Examples of the rows of graph/operators/recurrent.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tests.operators.example import Example

HIDDEN, SIZE = 5, 3


def drawn(*shape: int, seed: int = 5) -> np.ndarray[Any, Any]:
    """Draw weights."""
    return np.random.default_rng(seed).uniform(-0.7, 0.7, shape).astype(np.float32)


def layer(
    gates: int,
    x: tuple[int, ...],
    outputs: int,
    directions: int = 1,
    more: Sequence[Any] = (),
    biases: bool = True,
    **attributes: Any,
) -> Example:
    """Make an example of a layer with weights that are drawn."""
    constants = [
        drawn(directions, gates * HIDDEN, SIZE),
        drawn(directions, gates * HIDDEN, HIDDEN, seed=6),
        drawn(directions, 2 * gates * HIDDEN, seed=7) if biases else None,
        *more,
    ]
    return Example([x], constants, {"hidden_size": HIDDEN, **attributes}, outputs=outputs)


def examples(gates: int, outputs: int) -> list[Example]:
    """Give what every kind of layer is tried with."""
    lengths = np.array([4, 2], np.int32)
    return [
        layer(gates, (4, 1, SIZE), 1),
        layer(gates, (4, 1, SIZE), outputs, biases=False, direction="reverse"),
        layer(gates, (4, 2, SIZE), outputs, 2, [None, drawn(2, 2, HIDDEN)],
              direction="bidirectional"),
        layer(gates, (4, 2, SIZE), outputs, 2, [lengths], direction="bidirectional", clip=0.6),
    ]  # fmt: skip


EXAMPLES: dict[str, list[Example]] = {
    "GRU": [
        *examples(3, 2),
        layer(3, (4, 2, SIZE), 2, linear_before_reset=1),
        layer(3, (1, 1, SIZE), 2, activations=["HardSigmoid", "Softsign"]),
    ],
    "LSTM": [
        *examples(4, 3),
        layer(4, (3, 2, SIZE), 3, 1, [None, drawn(1, 2, HIDDEN), drawn(1, 2, HIDDEN, seed=9),
              drawn(1, 3 * HIDDEN)]),
        layer(4, (1, 1, SIZE), 3),
    ],
    "RNN": [
        *examples(1, 2),
        layer(1, (4, 2, SIZE), 2, activations=["Affine"], activation_alpha=[0.5],
              activation_beta=[0.1]),
    ],
}  # fmt: skip
