"""BLEU: how much of a translation stands in its references (Papineni et al. 2002).

Of each sentence ten numbers are counted: its matched and its possible n-grams for n = 1 to 4, its
length, and the length of the reference that is closest to it. A corpus is the sum of its
sentences, so a resample of a corpus is a weighted sum, and its score needs no second count.

Scores are in percent and equal sacrebleu's with the same settings.
"""

from __future__ import annotations

import math
import re
import string
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from tatami.types import Float64, Int64

ORDER = 4
"""The longest n-gram (Papineni et al. 2002, section 2.3)."""
Smoothing = Literal["none", "floor", "add-k", "exp"]
"""What stands for a precision of zero; see ``score``."""
DEFAULTS: dict[Smoothing, float] = {"none": 0.0, "floor": 0.1, "add-k": 1.0, "exp": 0.0}
"""The amount of each smoothing, where none is given."""
Tokenize = Callable[[str], list[str]]
CONFIDENCE = 0.95

_ESCAPED = (("&quot;", '"'), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">"))
_APART = re.compile("([" + re.escape("".join(sorted({*string.punctuation} - {*"',-."}))) + "])")
_AFTER_NO_DIGIT = re.compile(r"([^0-9])([.,])")
_BEFORE_NO_DIGIT = re.compile(r"([.,])([^0-9])")
_DASH_AFTER_DIGIT = re.compile(r"([0-9])(-)")


def tokenize_13a(line: str) -> list[str]:
    """Split a line as NIST's mteval-v13a does for languages with spaces.

    Punctuation stands apart; a period or comma stays between digits, an apostrophe and a hyphen
    stay in their word, but a hyphen after a digit does not.

    Args:
        line: A sentence, not tokenized.
    """
    line = line.rstrip().replace("<skipped>", "").replace("-\n", "").replace("\n", " ")
    for escaped, meant in _ESCAPED:  # one after the other: "&amp;lt;" becomes "<"
        line = line.replace(escaped, meant)
    line = _APART.sub(r" \1 ", f" {line} ")
    line = _AFTER_NO_DIGIT.sub(r"\1 \2 ", line)
    line = _BEFORE_NO_DIGIT.sub(r" \1 \2", line)
    return _DASH_AFTER_DIGIT.sub(r"\1 \2 ", line).split()


@dataclass(frozen=True)
class Bleu:
    """The score of a corpus or a sentence, and what it was made of.

    Args:
        score: In percent.
        precisions: Of 1-grams to 4-grams, in percent, smoothed.
        brevity_penalty: 1 where the translations are as long as their closest references.
        length: Tokens of the translations.
        reference_length: Tokens of the closest references.
        matches: Matched n-grams, each clipped to its most frequent reference; by order.
        totals: Possible n-grams, by order.
    """

    score: float
    precisions: tuple[float, ...]
    brevity_penalty: float
    length: int
    reference_length: int
    matches: tuple[int, ...]
    totals: tuple[int, ...]


def count(
    hypotheses: Sequence[str],
    references: Sequence[Sequence[str]],
    *,
    lower: bool = False,
    tokenize: Tokenize = tokenize_13a,
) -> Int64:
    """Count the ten numbers of each sentence.

    Args:
        hypotheses: A translation a sentence.
        references: For each sentence one reference or several.
        lower: Whether upper and lower case are the same.
        tokenize: Splits a line into tokens.

    Returns:
        (sentences, 10) int64: the length, the closest reference's length (of two as close the
        shorter), four matches, four totals.

    Raises:
        ValueError: Where there is not a reference for each translation.
    """
    if len(hypotheses) != len(references):
        raise ValueError(f"{len(hypotheses)} translations, references for {len(references)}")

    def tokens(line: str) -> list[str]:
        return tokenize(line.lower() if lower else line)

    rows = np.zeros((len(hypotheses), 2 + 2 * ORDER), np.int64)
    for row, hypothesis, allowed in zip(rows, hypotheses, references, strict=True):
        if not allowed:
            raise ValueError(f"no reference for: {hypothesis}")
        found, against = tokens(hypothesis), [tokens(each) for each in allowed]
        closest = min((abs(len(each) - len(found)), len(each)) for each in against)[1]
        most: Counter[tuple[str, ...]] = Counter()
        for each in against:
            most |= Counter(_ngrams(each))
        row[:2] = len(found), closest
        for ngram, times in Counter(_ngrams(found)).items():
            row[1 + len(ngram)] += min(times, most[ngram])
            row[1 + ORDER + len(ngram)] += times
    return rows


def _ngrams(tokens: Sequence[str]) -> Iterator[tuple[str, ...]]:
    for order in range(1, ORDER + 1):
        for start in range(len(tokens) - order + 1):
            yield tuple(tokens[start : start + order])


def score(
    counts: Int64,
    *,
    smoothing: Smoothing = "exp",
    amount: float | None = None,
    effective_order: bool = False,
) -> Bleu:
    """Compute the score of ten summed numbers.

    Args:
        counts: (10,) int64, as ``count`` lays them, summed over the sentences.
        smoothing: For an order without a match, "none" makes the score 0; "floor" counts
            ``amount`` matches; "exp" counts 1/2 at the first such order, 1/4 at the next and so
            on. "add-k" adds ``amount`` to matches and totals of every order above 1.
        amount: Of the smoothing; None: that of DEFAULTS.
        effective_order: Whether orders longer than the sentence are left out of the mean, which
            suits single sentences.

    Raises:
        ValueError: For a smoothing that there is not.

    Source:
        Papineni et al. 2002, section 2.3; Chen and Cherry 2014, section 3, smoothings 1 to 3.
    """
    if smoothing not in get_args(Smoothing):
        raise ValueError(f"smoothing is one of {', '.join(get_args(Smoothing))}: not {smoothing}")
    k = DEFAULTS[smoothing] if amount is None else amount
    length, reference_length = int(counts[0]), int(counts[1])
    matches = tuple(int(each) for each in counts[2 : 2 + ORDER])
    totals = tuple(int(each) for each in counts[2 + ORDER :])
    penalty = 1.0
    if length < reference_length:
        penalty = math.exp(1 - reference_length / length) if length else 0.0
    precisions = [0.0] * ORDER
    orders, halved = ORDER, 1.0
    for n in range(ORDER if any(matches) else 0):
        matched, total = float(matches[n]), float(totals[n])
        if smoothing == "add-k" and n > 0:
            matched, total = matched + k, total + k
        if total == 0:
            break  # longer than every sentence, as are those after it
        if effective_order:
            orders = n + 1
        if matched == 0 and smoothing == "exp":
            halved /= 2
            matched = halved
        elif matched == 0 and smoothing == "floor":
            matched = k
        precisions[n] = 100 * matched / total
    used = precisions[:orders]
    whole = math.exp(math.fsum(map(math.log, used)) / orders) if all(used) else 0.0
    return Bleu(penalty * whole, tuple(precisions), penalty, length, reference_length, matches,
                totals)  # fmt: skip


def corpus_bleu(
    hypotheses: Sequence[str],
    references: Sequence[Sequence[str]],
    *,
    lower: bool = False,
    tokenize: Tokenize = tokenize_13a,
    smoothing: Smoothing = "exp",
    amount: float | None = None,
) -> Bleu:
    """Score the translations of a corpus.

    Args:
        hypotheses: A translation a sentence.
        references: For each sentence one reference or several.
        lower: Whether upper and lower case are the same.
        tokenize: Splits a line into tokens.
        smoothing: What stands for a precision of zero; see ``score``.
        amount: Of the smoothing.
    """
    counts = count(hypotheses, references, lower=lower, tokenize=tokenize)
    return score(counts.sum(axis=0), smoothing=smoothing, amount=amount)


def sentence_bleu(
    hypothesis: str,
    references: Sequence[str],
    *,
    lower: bool = False,
    tokenize: Tokenize = tokenize_13a,
    smoothing: Smoothing = "exp",
    amount: float | None = None,
) -> Bleu:
    """Score one translation; orders longer than it are left out.

    Args:
        hypothesis: The translation.
        references: One or several.
        lower: Whether upper and lower case are the same.
        tokenize: Splits a line into tokens.
        smoothing: What stands for a precision of zero; see ``score``.
        amount: Of the smoothing.
    """
    counts = count([hypothesis], [references], lower=lower, tokenize=tokenize)
    return score(counts[0], smoothing=smoothing, amount=amount, effective_order=True)


@dataclass(frozen=True)
class Comparison:
    """Whether two systems differ by more than the luck of which sentences were drawn.

    Args:
        difference: The second system's score above the first's, in percent.
        low: The lower end of the middle 95 % of the resampled differences.
        high: The upper end.
        p_value: How often a difference as large would come by chance, were there none.
    """

    difference: float
    low: float
    high: float
    p_value: float


def paired_bootstrap(
    first: Int64, second: Int64, *, resamples: int = 1000, seed: int = 12345
) -> Comparison:
    """Compare two systems on resamples of the same sentences.

    Args:
        first: (sentences, 10) int64, what ``count`` gives for the one system.
        second: The same for the other.
        resamples: How many bootstrap resamples, at least 1.
        seed: They are drawn with.

    Raises:
        ValueError: For systems with unlike numbers of sentences, and without any.

    Source:
        Koehn 2004, section 4; the p-value after Riezler and Maxwell 2005, section 4: the
        resampled differences are moved to a mean of 0.
    """
    if first.shape != second.shape or not len(first):
        raise ValueError(f"{len(first)} and {len(second)} sentences")
    if resamples < 1:
        raise ValueError(f"{resamples} resamples")
    drawn = np.random.default_rng(seed).integers(0, len(first), (resamples, len(first)))
    differences: Float64 = np.array([
        score(second[rows].sum(axis=0)).score - score(first[rows].sum(axis=0)).score
        for rows in drawn
    ])  # fmt: skip
    difference = score(second.sum(axis=0)).score - score(first.sum(axis=0)).score
    moved = np.abs(differences - differences.mean())
    # As large counts too, or equal systems, which never differ, would be found unlike.
    beyond = int((moved >= abs(difference)).sum())
    low, high = np.quantile(differences, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Comparison(difference, float(low), float(high), (beyond + 1) / (resamples + 1))
