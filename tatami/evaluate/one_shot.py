"""One-shot classification: which of several characters, a picture each, another picture shows.

A run is of one alphabet, of ``ways`` of its characters, and of two drawers: the first drew the
supports, one a character, the second the queries, one a character. Each query is a trial. It is
right where its distance from the support of its own character is less than from every other: equal
distances are wrong, so that a network that gives one answer for all scores nothing. The alphabets
take turns until there are as many trials as asked for; characters and drawers are drawn at random.

Source:
    Lake, Salakhutdinov and Tenenbaum 2015, "Human-level concept learning through probabilistic
    program induction": 20 ways, 400 trials, of ten alphabets two runs each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tatami.types import Float32, Int64


@dataclass(frozen=True)
class Run:
    """The pictures of a run: as many trials as there are queries.

    Args:
        alphabet: Of all its characters.
        supports: The place of a picture of each character, (ways,).
        queries: The place of another picture of each, (ways,), in the same order.
    """

    alphabet: str
    supports: Int64
    queries: Int64


@dataclass(frozen=True)
class OneShot:
    """How many trials were right.

    Args:
        ways: Characters of a run, at most.
        right: Trials that were right, by alphabet.
        trials: All trials, by alphabet.
        ties: Trials that were wrong because the least distance was there twice.
    """

    ways: int
    right: Mapping[str, int]
    trials: Mapping[str, int]
    ties: int

    @property
    def accuracy(self) -> float:
        """The share of trials that were right."""
        return sum(self.right.values()) / sum(self.trials.values())

    def to_json(self) -> dict[str, Any]:
        """Give the figures as plain values."""
        return {
            "accuracy": self.accuracy,
            "trials": sum(self.trials.values()),
            "ways": self.ways,
            "ties": self.ties,
            "alphabets": {
                name: {"trials": self.trials[name], "right": self.right[name]}
                for name in self.trials
            },
        }


def draw_runs(
    alphabets: Mapping[str, Mapping[int, Mapping[str, Sequence[int]]]],
    ways: int,
    trials: int,
    seed: int,
) -> Iterator[Run]:
    """Draw the runs of an evaluation: the same ones for the same seed.

    Args:
        alphabets: The places of pictures by alphabet, character and drawer; the drawer "" has
            those of which nobody knows who drew them.
        ways: Characters of a run; fewer where an alphabet has fewer.
        trials: At least how many there are; 0 only where no alphabet allows a run.
        seed: Of characters and drawers.
    """
    rng = np.random.default_rng([seed, 20])
    left = {name: _drawable(characters) for name, characters in sorted(alphabets.items())}
    names = [name for name, characters in left.items() if len(characters) > 1]
    done = turn = 0
    while names and done < trials:
        name = names[turn % len(names)]
        characters = alphabets[name]
        chosen = rng.permutation(left[name])[:ways].tolist()
        both = [sorted(characters[one]) for one in chosen]
        common = [drawer for drawer in both[0] if drawer and all(drawer in one for one in both)]
        if len(common) > 1:
            first, second = rng.permutation(len(common))[:2]
            drawers = [(common[first], common[second])] * len(chosen)
        else:
            drawers = [_two(rng, one) for one in both]
        pairs = [
            _pictures(rng, characters[one], *each)
            for one, each in zip(chosen, drawers, strict=True)
        ]
        supports, queries = np.array(pairs, np.int64).T
        yield Run(name, supports, queries)
        done, turn = done + len(chosen), turn + 1


def judge(apart: Float32) -> tuple[int, int]:
    """Count the trials of a run that are right, and those that are wrong by a tie.

    Args:
        apart: Distances (ways, ways): of each query, a row, from each support.
    """
    own = np.diag(apart)
    others = np.where(np.eye(len(apart), dtype=bool), np.inf, apart).min(axis=1)
    return int((own < others).sum()), int((own == others).sum())


def _drawable(characters: Mapping[int, Mapping[str, Sequence[int]]]) -> list[int]:
    """List the characters of which there are pictures of two drawers, or two of nobody's."""
    return [
        one
        for one, drawers in sorted(characters.items())
        if len(drawers) > 1 or len(drawers.get("", ())) > 1
    ]


def _two(rng: np.random.Generator, drawers: Sequence[str]) -> tuple[str, str]:
    """Choose two drawers of one character; of none that is known, "" twice."""
    if len(drawers) == 1:
        return drawers[0], drawers[0]
    first, second = rng.permutation(len(drawers))[:2]
    return drawers[first], drawers[second]


def _pictures(
    rng: np.random.Generator, drawers: Mapping[str, Sequence[int]], first: str, second: str
) -> tuple[int, int]:
    """Choose a picture of each of two drawers, or two pictures of one."""
    if first == second:
        one, other = rng.permutation(np.array(drawers[first]))[:2].tolist()
        return one, other
    return int(rng.choice(drawers[first])), int(rng.choice(drawers[second]))
