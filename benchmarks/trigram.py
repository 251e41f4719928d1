"""Bits a sample that a trigram of codes takes: what a network that makes sound must do better.

    python benchmarks/trigram.py FSDD

The folder has the splits train, val and test. A code of the mu law is told from the two before it:
counts of the training split, each order mixed with the next lower one by the number of different
codes that were seen there (Witten and Bell 1991, method C, with a weight on it). The weights are
chosen on val.
"""

from __future__ import annotations

import sys
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tatami.data.open import open_sounds
from tatami.rules.mu_law import LEVELS, SILENCE, encode

Codes = NDArray[np.int64]


def split(root: Path, name: str) -> list[Codes]:
    """Read the codes of a split's sounds, two of silence before each."""
    data = open_sounds(root, split=name, format=None).sounds
    before = np.full(2, SILENCE)
    return [
        np.concatenate([before, encode(data.read(place))]).astype(np.int64)
        for place in range(len(data))
    ]


class Trigram:
    """Counts of three codes in a row, and of fewer."""

    def __init__(self, sounds: list[Codes]) -> None:
        self.three = np.zeros((LEVELS,) * 3, np.int64)
        for codes in sounds:
            np.add.at(self.three, (codes[:-2], codes[1:-1], codes[2:]), 1)
        self.two = self.three.sum(axis=0)
        one = self.two.sum(axis=0) + 0.5
        self.one = one / one.sum()

    def bits(self, sounds: list[Codes], weights: tuple[float, float]) -> float:
        """Measure bits a sample."""
        upper, lower = weights
        two = _mixed(self.two, self.one, lower)
        total, count = 0.0, 0
        for codes in sounds:
            x, y, z = codes[:-2], codes[1:-1], codes[2:]
            seen = self.three[x, y]
            kinds = upper * (seen > 0).sum(axis=1)
            rows = np.arange(len(z))
            every = seen.sum(axis=1) + kinds
            backed = (seen[rows, z] + kinds * two[y, z]) / np.maximum(every, 1e-9)
            total -= np.log2(np.where(every > 0, backed, two[y, z])).sum()
            count += len(z)
        return total / count


def _mixed(counts: Codes, lower: NDArray[np.float64], weight: float) -> NDArray[np.float64]:
    kinds = weight * (counts > 0).sum(axis=1, keepdims=True)
    every = counts.sum(axis=1, keepdims=True) + kinds
    mixed: NDArray[np.float64] = np.where(
        every > 0, (counts + kinds * lower) / np.maximum(every, 1e-9), lower
    )
    return mixed


def main() -> None:
    root = Path(sys.argv[1])
    trigram, chosen, held = Trigram(split(root, "train")), split(root, "val"), split(root, "test")
    bits, weights = min(
        (trigram.bits(chosen, weights), weights) for weights in product((1, 2, 3, 5), (1, 2, 3))
    )
    print(f"val {bits:.3f} bits a sample, weights {weights}")
    print(f"test {trigram.bits(held, weights):.3f} bits a sample of {len(held)} sounds")


if __name__ == "__main__":
    main()
