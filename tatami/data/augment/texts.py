"""Corrupt a sentence for training: what it says is then to be told again in its own language."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def corrupted(
    tokens: Sequence[int], rng: np.random.Generator, dropped: float = 0.2, distance: int = 3
) -> list[int]:
    """Leave tokens out and move the others a little.

    Args:
        tokens: A sentence, without tokens that say something about it.
        rng: What is random is drawn from it.
        dropped: The share of tokens that is left out; one is always left.
        distance: No token passes one that stood this many places after it, or more.

    Returns:
        At least one token, if there was one.

    Source:
        G. Lample, A. Conneau, L. Denoyer and M. Ranzato, "Unsupervised Machine Translation Using
        Monolingual Corpora Only", 2018, section 2.3, word dropout and shuffling.
    """
    if not tokens:
        return []
    keys = rng.random(len(tokens))
    kept = np.flatnonzero(keys >= dropped)
    if not len(kept):
        kept = np.array([int(np.argmax(keys))])
    order = np.argsort(kept + rng.uniform(0, distance, len(kept)), kind="stable")
    return [tokens[place] for place in kept[order]]
