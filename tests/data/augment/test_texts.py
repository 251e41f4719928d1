"""Corrupted sentences: what is left of them, and how far it moved."""

import numpy as np

from tatami.data.augment.texts import corrupted


def test_tokens_are_left_out_and_moved_by_little() -> None:
    rng = np.random.default_rng(0)
    whole = list(range(100))
    found = [corrupted(whole, rng) for _ in range(200)]
    assert abs(np.mean([len(one) for one in found]) - 80) < 1
    for one in found:
        assert len(set(one)) == len(one)
        assert all(later > earlier - 3 for at, earlier in enumerate(one) for later in one[at:])
    assert any(one != sorted(one) for one in found)


def test_one_token_is_always_left() -> None:
    rng = np.random.default_rng(0)
    assert corrupted([], rng) == []
    assert all(corrupted([7], rng) == [7] for _ in range(50))
    assert all(len(corrupted([7, 8], rng, dropped=1.0)) == 1 for _ in range(50))
