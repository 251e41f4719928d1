"""The matching rule: how far apart two pictures are, and whether they show the same.

docs/matching-rule.md is the rule in words. The weights of the distance are in the network: its last
layer multiplies each number of an embedding by that number's weight.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from tatami.errors import TatamiError
from tatami.ops.exponential import sigmoid
from tatami.rules.picture import prepare
from tatami.types import Float32, Forward, Picture
from tatami.types.specs import MatchingSpec

EVEN = 4.0
"""The distance at which it is as likely as not that two pictures show the same."""


class Matcher(Protocol):
    """Anything that embeds pictures: a run folder, an ONNX file, a compiled C program."""

    @property
    def spec(self) -> MatchingSpec:
        """What the network is for."""
        ...

    def embed(self, picture: Picture) -> Float32:
        """Give the embedding (numbers,) of a picture (height, width, 3)."""
        ...


@dataclass(frozen=True)
class ForwardMatcher:
    """A matcher around any ``forward``: torch, NumPy, ONNX Runtime or compiled C.

    Args:
        spec: What the network is for.
        forward: Images (n, 3, height, width) to one output, the embeddings (n, numbers).
    """

    spec: MatchingSpec
    forward: Forward

    def embed(self, picture: Picture) -> Float32:
        """Give the embedding (numbers,) of a picture (height, width, 3)."""
        images, _ = prepare(picture, self.spec.input)
        (embeddings,) = self.forward(images[None])
        return np.asarray(embeddings, np.float32).reshape(-1)


def distance(first: Float32, second: Float32) -> float:
    """Add up |a - b| over two embeddings (numbers,), one after another, in float64."""
    apart = np.abs(first - second).astype(np.float64)
    return float(np.cumsum(apart)[-1])


def distances(found: Float32, others: Sequence[Float32]) -> Float32:
    """Give the distance of an embedding (numbers,) from each of others, (n,), in float32."""
    return np.array([distance(found, one) for one in others], np.float32)


def probability(apart: Float32) -> Float32:
    """Give the probability that two pictures show the same, by their distance: any shape."""
    return sigmoid(np.float32(EVEN) - np.asarray(apart, np.float32))


def kept_embeddings(spec: MatchingSpec) -> list[Float32]:
    """Give the embeddings that a network keeps, in the order of their names.

    Raises:
        TatamiError: Where it keeps none.
    """
    if not spec.enrolled:
        raise TatamiError("nothing is enrolled to match with", hint="enroll a picture under a name")
    return [np.array(numbers, np.float32) for numbers in spec.enrolled.values()]
