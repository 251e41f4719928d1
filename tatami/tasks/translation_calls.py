"""What the two networks of a translator are given, call by call, by pairs of sentences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tatami.rules.text import Tokens
from tatami.rules.translation import fitted
from tatami.types.datasets import TextPair
from tatami.types.specs import TranslationSpec
from tatami.types.text import BEGIN

Call = list[NDArray[Any]]
"""An array for each input that a caller gives."""


def calls_of(
    spec: TranslationSpec,
    encode: Callable[[NDArray[np.int64]], Sequence[NDArray[Any]]],
    pair: TextPair,
) -> tuple[list[Call], list[Call]]:
    """Give the calls of both networks that a pair makes, each target token following the right one.

    Args:
        spec: What the networks are for.
        encode: The encoder: a source (1, max_source) to what the decoder attends to.
        pair: The sentences. Without a target as many steps are made as the source has tokens.

    Returns:
        The only call of the encoder; a call of the decoder for each token of the target, of which
        the first finds an empty memory.
    """
    rule = spec.input
    tokens = Tokens(rule)
    language = (pair.target_language or rule.languages[0]) if rule.languages else None
    source = fitted(tokens.source(pair.source, language), rule.max_source)[None]
    known = list(encode(source))
    written = [BEGIN, *tokens.encode(pair.target or pair.source)][: rule.max_target]
    steps: list[Call] = [
        [np.array([[token]], np.int64), np.array([[place]], np.int64), *known]
        for place, token in enumerate(written)
    ]
    return [[source]], steps
