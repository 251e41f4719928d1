"""BLEU is the paper's, by its own examples, and sacrebleu's to the last digits."""

from __future__ import annotations

import numpy as np
import pytest

from tatami.evaluate.bleu import (
    DEFAULTS,
    corpus_bleu,
    count,
    paired_bootstrap,
    score,
    sentence_bleu,
    tokenize_13a,
)

metrics = pytest.importorskip("sacrebleu.metrics")

WORDS = [
    *("a", "the", "The", "cat", "sat", "on", "3.5", "1,000", "1990-91", "don't", "e-mail", "(x)"),
    *("&amp;", "&lt;b&gt;", "&quot;", "&amp;lt;", "<skipped>", "Größe", "日本", "«ja»", "U.S."),
    *("end.", "no,yes", "50%", "...", "-", "$5", "x/y", "\u00a0", "a\u2028b"),
]
MARKS = list(" .,-'0123456789abAB&;<>\"/\\[]{}()!?@#\t\u00a0\u3000é")


def sentence(rng: np.random.Generator, most: int = 12) -> str:
    return " ".join(rng.choice(WORDS, int(rng.integers(0, most + 1))))


def near(rng: np.random.Generator, line: str) -> str:
    """A line with a third of its words changed, dropped or doubled."""
    words = []
    for word in line.split(" "):
        chance = rng.random()
        words += [] if chance < 0.1 else [word, word] if chance < 0.2 else [word]
        if chance > 0.9:
            words[-1:] = [str(rng.choice(WORDS))]
    return " ".join(words)


def made(rng: np.random.Generator) -> tuple[list[str], list[list[str]]]:
    """Translations and their references: 1 to 8 sentences, 1 to 4 references each."""
    references = [
        [sentence(rng) for _ in range(rng.integers(1, 5))] for _ in range(rng.integers(1, 9))
    ]
    return [near(rng, each[int(rng.integers(len(each)))]) for each in references], references


def columns(references: list[list[str]]) -> list[list[str | None]]:
    """The references as sacrebleu takes them: the first of all sentences, the second, ..."""
    most = max(map(len, references))
    return [[each[i] if i < len(each) else None for each in references] for i in range(most)]


def test_papers_examples():
    """Section 2.1 and 2.2: clipped precisions of two candidates, and seven times "the"."""
    references = [
        "It is a guide to action that ensures that the military will forever heed Party commands",
        "It is the guiding principle which guarantees the military forces always being under the "
        "command of the Party",
        "It is the practical guide for the army always to heed the directions of the party",
    ]
    good = "It is a guide to action which ensures that the military always obeys the commands of "
    poor = "It is to insure the troops forever hearing the activity guidebook that party direct"
    first, second = (
        count([line], [references], lower=True)[0] for line in (good + "the party", poor)
    )
    assert (first[2], first[6], first[3], first[7]) == (17, 18, 10, 17)
    assert (second[2], second[6], second[3], second[7]) == (8, 14, 1, 13)
    mats = ["The cat is on the mat", "There is a cat on the mat"]
    row = count(["the the the the the the the"], [mats], lower=True)[0]
    assert (row[2], row[6], row[3]) == (2, 7, 0)


def test_best_match_length():
    """Section 2.2.2: references of 12, 15 and 17 words, a candidate of 12: no penalty."""
    lines = [" ".join(["w"] * n) for n in (12, 15, 17)]
    found = corpus_bleu([lines[0]], [lines])
    assert (found.reference_length, found.brevity_penalty) == (12, 1)
    assert count(["w w w"], [["w w w w", "w w"]])[0, 1] == 2  # of two as close, the shorter


def test_tokens_equal_sacrebleus():
    peer = metrics.BLEU(tokenize="13a").tokenizer
    rng = np.random.default_rng(0)
    for _ in range(3000):
        line = "".join(rng.choice(MARKS, int(rng.integers(0, 30))))
        line += sentence(rng, 4)
        assert tokenize_13a(line) == peer(line.rstrip()).split(), repr(line)


@pytest.mark.parametrize("smoothing", DEFAULTS)
def test_corpora_equal_sacrebleu(smoothing):
    """250 made corpora a smoothing, half of them lower-cased, with usual and other amounts."""
    rng = np.random.default_rng(len(smoothing))
    zeros = 0
    for index in range(250):
        hypotheses, references = made(rng)
        lower = index % 2 == 1
        amount = float(rng.random()) if index % 3 == 0 and smoothing in ("floor", "add-k") else None
        peer = metrics.BLEU(lowercase=lower, smooth_method=smoothing, smooth_value=amount)
        want = peer.corpus_score(hypotheses, columns(references))
        found = corpus_bleu(hypotheses, references, lower=lower, smoothing=smoothing, amount=amount)
        assert abs(found.score - want.score) <= 1e-9
        assert found.precisions == pytest.approx(want.precisions, abs=1e-9)
        assert found.brevity_penalty == pytest.approx(want.bp, abs=1e-12)
        assert (found.length, found.reference_length) == (want.sys_len, want.ref_len)
        zeros += found.score == 0
    assert zeros < 200  # most corpora say something


def test_sentences_equal_sacrebleu():
    rng = np.random.default_rng(5)
    peer = metrics.BLEU(effective_order=True)
    for _ in range(500):
        line = sentence(rng)
        references = [near(rng, line) for _ in range(int(rng.integers(1, 4)))]
        want = peer.sentence_score(line, references).score
        assert abs(sentence_bleu(line, references).score - want) <= 1e-9


def test_paired_bootstrap_equals_sacrebleu(monkeypatch):
    monkeypatch.setenv("SACREBLEU_SEED", "12345")
    from sacrebleu.significance import PairedTest

    rng = np.random.default_rng(7)
    references = [[sentence(rng, 15)] for _ in range(60)]
    first = [near(rng, near(rng, each[0])) for each in references]
    second = [near(rng, each[0]) for each in references]
    test = PairedTest([("first", first), ("second", second)], {"BLEU": metrics.BLEU()},
                      columns(references), test_type="bs", n_samples=200)  # fmt: skip
    want = test()[1]["BLEU"]
    found = paired_bootstrap(count(first, references), count(second, references), resamples=200)
    assert found.difference == pytest.approx(want[1].score - want[0].score, abs=1e-9)
    assert found.p_value == pytest.approx(want[1].p_value, abs=1e-12)
    assert found.low < found.difference < found.high


def test_the_same_system_does_not_differ():
    rows = count(["a b c d", "e f"], [["a b c d"], ["e g"]])
    same = paired_bootstrap(rows, rows, resamples=20)
    assert (same.difference, same.low, same.high) == (0, 0, 0)
    assert same.p_value == 1  # sacrebleu, which counts larger ones only, says 1 / 21


def test_bad_input():
    with pytest.raises(ValueError, match="2 translations, references for 1"):
        count(["a", "b"], [["a"]])
    with pytest.raises(ValueError, match="no reference for: a"):
        count(["a"], [[]])
    with pytest.raises(ValueError, match="smoothing is one of none, floor, add-k, exp"):
        score(np.zeros(10, np.int64), smoothing="most")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="2 and 1 sentences"):
        paired_bootstrap(np.zeros((2, 10), np.int64), np.zeros((1, 10), np.int64))
    assert corpus_bleu([], []).score == 0
    assert corpus_bleu([""], [["a"]]).brevity_penalty == 0
