"""Recurrent layers: RNN, GRU and LSTM, with all that ONNX gives them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tatami.errors import TatamiError
from tatami.ops.elementwise import FUNCTIONS

Array = NDArray[Any]
Kind = Literal["RNN", "GRU", "LSTM"]

GATES: Mapping[Kind, int] = {"RNN": 1, "GRU": 3, "LSTM": 4}
"""How many sums a cell has for each number that it remembers."""
USUAL: Mapping[Kind, tuple[str, ...]] = {
    "RNN": ("Tanh",),
    "GRU": ("Sigmoid", "Tanh"),
    "LSTM": ("Sigmoid", "Tanh", "Tanh"),
}
"""The functions of a cell where nothing else is said."""
_OWN: Mapping[str, Mapping[str, float]] = {
    "Affine": {"alpha": 1.0, "beta": 0.0},
    "ScaledTanh": {"alpha": 1.0, "beta": 1.0},
}
_SHARED = (
    *("Relu", "Tanh", "Sigmoid", "LeakyRelu", "ThresholdedRelu", "HardSigmoid", "Elu"),
    *("Softsign", "Softplus"),
)


@dataclass(frozen=True)
class Activation:
    """Hold a function of a cell.

    Args:
        name: One of ONNX's operators, or Affine (alpha x + beta) or ScaledTanh (alpha tanh(beta
            x)).
        parameters: Its numbers, by name.
    """

    name: str
    parameters: Mapping[str, float]

    def __call__(self, x: Array) -> Array:
        """Compute the function."""
        if self.name == "Affine":
            y = self.parameters["alpha"] * x + self.parameters["beta"]
        elif self.name == "ScaledTanh":
            y = self.parameters["alpha"] * np.tanh(self.parameters["beta"] * x)
        else:
            y = FUNCTIONS[self.name].of(x, **self.parameters)
        return np.asarray(y, x.dtype)


def activations(
    names: Sequence[str], alphas: Sequence[float], betas: Sequence[float]
) -> tuple[Activation, ...]:
    """Read the functions of a cell; each takes the next alpha and the next beta that it needs.

    Raises:
        TatamiError: For a function that no cell has.
    """
    left = {"alpha": list(alphas), "beta": list(betas)}
    known = {name.lower(): name for name in (*_OWN, *_SHARED)}
    found = []
    for given in names:
        name = known.get(given.lower())
        if name is None:
            raise TatamiError(
                f"'{given}' is no function of a recurrent layer",
                hint=f"use one of {', '.join(sorted(known.values()))}",
            )
        usual = _OWN[name] if name in _OWN else FUNCTIONS[name].parameters
        taken = {key: left[key].pop(0) if left.get(key) else value for key, value in usual.items()}
        found.append(Activation(name, taken))
    return tuple(found)


@dataclass(frozen=True)
class Cell:
    """Say how one direction of a layer works.

    Args:
        kind: What it is.
        activations: Its functions.
        reverse: Whether it reads from the end.
        clip: Bound of what its functions are given; 0: none.
        input_forget: LSTM: whether what is let in and what is kept add up to one.
        reset_after: GRU: whether the reset works on the product, not on what is multiplied.
    """

    kind: Kind
    activations: tuple[Activation, ...]
    reverse: bool = False
    clip: float = 0.0
    input_forget: bool = False
    reset_after: bool = False


@dataclass(frozen=True)
class Weights:
    """Hold the numbers of one direction; gates lie one after the other.

    Args:
        inputs: (gates * hidden, size).
        states: (gates * hidden, hidden).
        biases: (2 * gates * hidden,): of the inputs, then of the states; None: zeros.
        peepholes: LSTM: (3 * hidden,), of in, out and forget; None: zeros.
    """

    inputs: Array
    states: Array
    biases: Array | None = None
    peepholes: Array | None = None


def run(
    cell: Cell,
    weights: Weights,
    x: Array,
    lengths: Array | None = None,
    h: Array | None = None,
    c: Array | None = None,
) -> tuple[Array, Array, Array]:
    """Run one direction over a batch of sequences.

    Args:
        cell: How it works.
        weights: Its numbers.
        x: (steps, n, size).
        lengths: (n,): how many steps of each sequence count; None: all.
        h: (n, hidden): what it remembers at first; None: zeros.
        c: LSTM: (n, hidden), the same of its cells.

    Returns:
        y (steps, n, hidden), zero beyond a sequence's end; h and c at the end.

    Source:
        S. Hochreiter and J. Schmidhuber, "Long Short-Term Memory", 1997, with F. Gers's forget gate
        and peepholes; K. Cho et al., "Learning Phrase Representations using RNN Encoder-Decoder",
        2014, for GRU.
    """
    steps, n, _ = x.shape
    hidden = weights.states.shape[1]
    h = np.zeros((n, hidden), x.dtype) if h is None else h
    c = np.zeros((n, hidden), x.dtype) if c is None else c
    ends = np.full(n, steps) if lengths is None else np.asarray(lengths, np.int64)
    y = np.zeros((steps, n, hidden), x.dtype)
    step = _STEPS[cell.kind]
    rows = np.arange(n)
    for count in range(steps):
        alive = count < ends
        at = np.where(alive, ends - 1 - count, count) if cell.reverse else np.full(n, count)
        new_h, new_c = step(cell, weights, x[at, rows], h, c)
        h = np.where(alive[:, None], new_h, h)
        c = np.where(alive[:, None], new_c, c)
        y[at[alive], rows[alive]] = h[alive]
    return y, h, c


Step = Callable[[Cell, Weights, Array, Array, Array], tuple[Array, Array]]


def _clipped(cell: Cell, x: Array) -> Array:
    return np.clip(x, -cell.clip, cell.clip) if cell.clip > 0 else x


def _biases(weights: Weights) -> tuple[Array, Array]:
    """Give the biases of the inputs and of the states."""
    size = len(weights.inputs)
    if weights.biases is None:
        none = np.zeros(size, weights.inputs.dtype)
        return none, none
    return weights.biases[:size], weights.biases[size:]


def _rnn(cell: Cell, weights: Weights, x: Array, h: Array, c: Array) -> tuple[Array, Array]:
    of_x, of_h = _biases(weights)
    total = x @ weights.inputs.T + h @ weights.states.T + of_x + of_h
    return cell.activations[0](_clipped(cell, total)), c


def _gru(cell: Cell, weights: Weights, x: Array, h: Array, c: Array) -> tuple[Array, Array]:
    f, g = cell.activations[:2]
    hidden = h.shape[1]
    of_x, of_h = _biases(weights)
    given = x @ weights.inputs.T + of_x
    two = 2 * hidden
    gates = given[:, :two] + h @ weights.states[:two].T + of_h[:two]
    gates = f(_clipped(cell, gates))
    update, reset = gates[:, :hidden], gates[:, hidden:]
    if cell.reset_after:
        inner = reset * (h @ weights.states[two:].T + of_h[two:])
    else:
        inner = (reset * h) @ weights.states[two:].T + of_h[two:]
    new = g(_clipped(cell, given[:, two:] + inner))
    return np.asarray((1 - update) * new + update * h, x.dtype), c


def _lstm(cell: Cell, weights: Weights, x: Array, h: Array, c: Array) -> tuple[Array, Array]:
    f, g, out = cell.activations[:3]
    of_x, of_h = _biases(weights)
    total = x @ weights.inputs.T + h @ weights.states.T + of_x + of_h
    let_in, let_out, keep, new = np.split(total, 4, axis=1)
    if weights.peepholes is not None:
        of_in, of_out, of_keep = np.split(weights.peepholes, 3)
        let_in, keep = let_in + of_in * c, keep + of_keep * c
    let_in = f(_clipped(cell, let_in))
    keep = 1 - let_in if cell.input_forget else f(_clipped(cell, keep))
    c = np.asarray(keep * c + let_in * g(_clipped(cell, new)), x.dtype)
    if weights.peepholes is not None:
        let_out = let_out + of_out * c
    return np.asarray(f(_clipped(cell, let_out)) * out(c), x.dtype), c


_STEPS: Mapping[Kind, Step] = {"RNN": _rnn, "GRU": _gru, "LSTM": _lstm}
