"""How parameters follow their gradients: arrays by name, changed in place by ``update``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[Any]]


class Optimizer(Protocol):
    """A rule by which parameters follow their gradients."""

    def update(self, params: Arrays, grads: Arrays) -> None:
        """Take one step: change params, in place, by grads of the same names and shapes."""
        ...


class SGD:
    """Stochastic gradient descent: p -= rate * g.

    Args:
        rate: The learning rate.
    """

    def __init__(self, rate: float) -> None:
        self.rate = rate

    def update(self, params: Arrays, grads: Arrays) -> None:
        """Take one step."""
        for name, p in params.items():
            p -= self.rate * grads[name]


class Momentum:
    """Gradient descent with momentum: v = momentum * v - rate * g; p += v.

    Args:
        rate: The learning rate.
        momentum: The share of the last step that is kept.

    Source:
        I. Sutskever et al., ICML 2013, equation 1.
    """

    def __init__(self, rate: float, momentum: float = 0.9) -> None:
        self.rate, self.momentum = rate, momentum
        self.velocity: dict[str, NDArray[Any]] = {}

    def update(self, params: Arrays, grads: Arrays) -> None:
        """Take one step."""
        for name, p in params.items():
            v = self.velocity.setdefault(name, np.zeros_like(p))
            v *= self.momentum
            v -= self.rate * grads[name]
            p += v


class AdaGrad:
    """Gradient descent with a rate for each number: h += g^2; p -= rate * g / (sqrt(h) + epsilon).

    Args:
        rate: The learning rate.
        epsilon: Keeps it from dividing by zero.

    Source:
        J. Duchi, E. Hazan and Y. Singer, "Adaptive Subgradient Methods", JMLR 2011, the diagonal
        form.
    """

    def __init__(self, rate: float, epsilon: float = 1e-7) -> None:
        self.rate, self.epsilon = rate, epsilon
        self.squares: dict[str, NDArray[Any]] = {}

    def update(self, params: Arrays, grads: Arrays) -> None:
        """Take one step."""
        for name, p in params.items():
            h = self.squares.setdefault(name, np.zeros_like(p))
            h += np.square(grads[name])
            p -= self.rate * grads[name] / (np.sqrt(h) + self.epsilon)


class Adam:
    """Adam: p -= rate * m / (sqrt(v) + epsilon), m and v running means of g and g^2.

    The start of both means is corrected.

    Args:
        rate: The learning rate.
        beta1: The share of m that is kept.
        beta2: The share of v that is kept.
        epsilon: Keeps it from dividing by zero.

    Source:
        D. Kingma and J. Ba, "Adam", ICLR 2015, Algorithm 1.
    """

    def __init__(
        self, rate: float = 1e-3, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8
    ) -> None:
        self.rate, self.beta1, self.beta2, self.epsilon = rate, beta1, beta2, epsilon
        self.step = 0
        self.means: dict[str, NDArray[Any]] = {}
        self.squares: dict[str, NDArray[Any]] = {}

    def update(self, params: Arrays, grads: Arrays) -> None:
        """Take one step."""
        self.step += 1
        of_mean, of_square = 1 - self.beta1**self.step, 1 - self.beta2**self.step
        for name, p in params.items():
            m = self.means.setdefault(name, np.zeros_like(p))
            v = self.squares.setdefault(name, np.zeros_like(p))
            m += (1 - self.beta1) * (grads[name] - m)
            v += (1 - self.beta2) * (np.square(grads[name]) - v)
            p -= self.rate / of_mean * m / (np.sqrt(v / of_square) + self.epsilon)
