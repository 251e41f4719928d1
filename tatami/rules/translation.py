"""The translation rule: greedy and beam search over an encoder and a step of a decoder.

docs/translation-rule.md is the rule in words; the C that Tatami writes gives the same tokens.

Source: Vaswani et al. 2017, section 6.1; Wu et al. 2016, "Google's Neural Machine Translation
System", section 7, for the penalty of length.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from tatami.ops.exponential import exp
from tatami.ops.logarithm import log
from tatami.types import Float32, Int64
from tatami.types.search import Search
from tatami.types.text import BEGIN, END, PAD

GREEDY = Search()


class EncoderDecoder(Protocol):
    """Any form of the two networks. A memory is what a decoder has seen of a translation."""

    def begin(self, source: Int64) -> Any:
        """Read a source (max_source,) and give the memory of an empty translation."""
        ...

    def step(self, memory: Any, token: int, place: int) -> tuple[Float32, Any]:
        """Give the logits (tokens,) of what follows a token, and the memory that has it.

        The memory that is given stays as it is.
        """
        ...


def fitted(tokens: Sequence[int], max_source: int) -> Int64:
    """Cut or fill the tokens of a source up: section 1.

    Args:
        tokens: They end in END.
        max_source: As many are given back.
    """
    kept = list(tokens) if len(tokens) <= max_source else [*tokens[: max_source - 1], END]
    return np.array([*kept, *[PAD] * (max_source - len(kept))], np.int64)


def translate(
    networks: EncoderDecoder, source: Int64, longest: int, search: Search = GREEDY
) -> list[int]:
    """Search for the translation of a source, without the tokens around it.

    Args:
        networks: The encoder and the decoder.
        source: From ``fitted``.
        longest: max_target.
        search: How.
    """
    memory = networks.begin(source)
    if search.beam == 1:
        return _greedy(networks, memory, longest)
    return _beam(networks, memory, longest, search)


def best(logits: Float32) -> int:
    """Give the token of the largest logit, of equal ones the lowest: section 3."""
    return int(np.argmax(np.where(np.isnan(logits), -np.inf, logits)))


def _greedy(networks: EncoderDecoder, memory: Any, longest: int) -> list[int]:
    found: list[int] = []
    token = BEGIN
    for place in range(longest):
        logits, memory = networks.step(memory, token, place)
        token = best(logits)
        if token == END:
            break
        found.append(token)
    return found


@dataclass(frozen=True)
class _Hypothesis:
    tokens: tuple[int, ...]
    score: np.float32
    memory: Any


def _beam(networks: EncoderDecoder, memory: Any, longest: int, search: Search) -> list[int]:
    alive = [_Hypothesis((), np.float32(0), memory)]
    finished: list[_Hypothesis] = []
    for place in range(longest):
        candidates = []
        for number, one in enumerate(alive):
            token = one.tokens[-1] if one.tokens else BEGIN
            logits, memory = networks.step(one.memory, token, place)
            scores = one.score + worth(logits)
            for token in _leading(logits, search.beam + 1):
                key = (-scores[token], -logits[token], number, token)
                made = _Hypothesis((*one.tokens, token), scores[token], memory)
                candidates.append((key, made))
        alive = []
        candidates.sort(key=lambda candidate: candidate[0])
        for rank, (_, one) in enumerate(candidates):
            if len(alive) == search.beam:
                break
            if one.tokens[-1] != END:
                alive.append(one)
            elif rank < search.beam:
                finished.append(one)
        if len(finished) >= search.beam:
            break
    else:
        finished += alive
    weights = search.weights(longest)
    values = [one.score / weights[len(one.tokens)] for one in finished]
    tokens = finished[int(np.argmax(values))].tokens
    return list(tokens[:-1] if tokens[-1] == END else tokens)


def worth(logits: Float32) -> Float32:
    """Compute the logarithm of each token's probability, to the bit: section 4."""
    apart = logits - logits.max()
    total = np.add.accumulate(exp(apart), dtype=np.float32)[-1]  # one after another
    result: Float32 = apart - log(total)
    return result


def _leading(logits: Float32, count: int) -> list[int]:
    """Give the tokens of the largest logits, the largest first, of equal ones the lowest first."""
    order = np.argsort(-logits, kind="stable")[:count]
    return [int(token) for token in order]
