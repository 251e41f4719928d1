"""Greedy and beam search by the written rule."""

import itertools

import numpy as np
import pytest

from tatami.errors import TatamiError
from tatami.rules.translation import fitted, translate, worth
from tatami.types.search import Search
from tatami.types.text import BEGIN, END

TOKENS, LONGEST = 5, 3


class Toy:
    """Logits that depend on all tokens so far; its memory is these."""

    def __init__(self, seed, levels=None):
        self.seed, self.levels = seed, levels

    def begin(self, source):
        return ()

    def step(self, memory, token, place):
        assert place == len(memory)
        known = (*memory, token)
        rng = np.random.default_rng([self.seed, *known])
        if self.levels:  # many ties
            return rng.integers(0, self.levels, TOKENS).astype(np.float32), known
        return rng.normal(0, 2, TOKENS).astype(np.float32), known


def every_value(toy, search):
    """The value of every whole translation, by its tokens."""
    found = {}
    weights = search.weights(LONGEST)
    for length in range(1, LONGEST + 1):
        for tokens in itertools.product(range(TOKENS), repeat=length):
            if END in tokens[:-1] or (length < LONGEST and tokens[-1] != END):
                continue
            score, memory = np.float32(0), ()
            for place, token in enumerate(tokens):
                before = tokens[place - 1] if place else BEGIN
                logits, memory = toy.step(memory, before, place)
                score = score + worth(logits)[token]
            found[tokens] = score / weights[length]
    return found


@pytest.mark.parametrize("seed", range(12))
def test_a_wide_beam_finds_what_trying_everything_finds(seed):
    """Of 4 tokens that go on, 16 hypotheses are all that there are before the last step."""
    toy, search = Toy(seed), Search(16, 0.6)
    values = every_value(toy, search)
    found = translate(toy, np.zeros(4, np.int64), LONGEST, search)
    whole = (*found, END) if (*found, END) in values else tuple(found)
    assert values[whole] == max(values.values())


def test_ties_go_to_the_lowest_token_and_the_first_hypothesis():
    class Flat(Toy):
        def step(self, memory, token, place):
            return np.array([1, 1, 0, 1, 1], np.float32), (*memory, token)

    flat = Flat(0)
    assert translate(flat, np.zeros(4, np.int64), 3) == [0, 0, 0]
    assert translate(flat, np.zeros(4, np.int64), 3, Search(2, 0.0)) == [0, 0, 0]


def test_a_beam_of_one_is_greedy():
    for seed in range(30):
        toy = Toy(seed, levels=3)
        found = translate(toy, np.zeros(4, np.int64), LONGEST)
        token, memory, expected = BEGIN, (), []
        for place in range(LONGEST):
            logits, memory = toy.step(memory, token, place)
            token = int(logits.argmax())
            if token == END:
                break
            expected.append(token)
        assert found == expected


def test_a_long_source_is_cut_and_a_short_one_filled_up():
    assert fitted([7, 8, END], 5).tolist() == [7, 8, END, 0, 0]
    assert fitted([7, 8, 9, 10, END], 4).tolist() == [7, 8, 9, END]


@pytest.mark.parametrize(("beam", "penalty"), [(0, 0.6), (17, 0.6), (4, -0.1), (4, 3)])
def test_a_search_out_of_range_is_refused(beam, penalty):
    with pytest.raises(TatamiError, match="a search has a beam of"):
        Search(beam, penalty)
