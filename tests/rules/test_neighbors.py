from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tatami.rules.neighbors import neighbors
from tatami.types import Float64


def brute(points: Float64, reach: Float64, others: Float64) -> set[tuple[int, int]]:
    near = (np.abs(points[:, None] - others[None]) <= reach[:, None]).all(axis=2)
    return {(int(i), int(j)) for i, j in zip(*near.nonzero(), strict=True)}


def check(points: Float64, reach: Float64, others: Float64) -> int:
    rows, columns = neighbors(points, reach, others)
    found = list(zip(rows.tolist(), columns.tolist(), strict=True))
    assert len(set(found)) == len(found)
    assert set(found) == brute(points, reach, others)
    return len(found)


@given(st.integers(0, 2**32 - 1), st.integers(0, 40), st.integers(0, 40), st.booleans())
def test_they_are_those_of_all_pairs(seed: int, count: int, others: int, whole: bool) -> None:
    rng = np.random.default_rng(seed)
    scale = 10.0 ** rng.integers(-6, 7)
    a, b, reach = (
        rng.uniform(low, 9, (n, 2)) for n, low in ((count, -9), (others, -9), (count, 0))
    )
    if whole:  # many at the very edge of the reach
        a, b, reach = np.round(a), np.round(b), np.round(reach / 3)
    check(a * scale, reach * scale, b * scale)


@pytest.mark.parametrize("seed", range(5))
def test_of_any_sizes_and_distances(seed: int) -> None:
    rng = np.random.default_rng(seed)
    others = rng.normal(0, 1, (400, 2)) * np.exp(rng.uniform(-12, 14, (400, 1)))
    points = others[:200] + np.exp(rng.uniform(-16, 4, (200, 2)))
    assert check(points, np.exp(rng.uniform(-16, 8, (200, 2))), others) > 200


def test_all_in_one_line_or_one_point() -> None:
    line = np.zeros((50, 2))
    line[:, 0] = np.arange(50)
    assert check(line, np.full((50, 2), 1.0), line) == 148
    assert check(line[:, ::-1], np.full((50, 2), 1.0), line[:, ::-1]) == 148
    assert check(np.zeros((9, 2)), np.zeros((9, 2)), np.zeros((9, 2))) == 81
