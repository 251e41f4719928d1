"""The front is what its definition says."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tatami.evaluate.pareto import nondominated, pareto_front

few = st.sampled_from([0.0, 1.0, 1.5, 2.0, np.inf, np.nan])  # few, so that there are ties


def dominates(one: tuple[float, float], other: tuple[float, float]) -> bool:
    """Nowhere worse, somewhere better. A point is (cost, score)."""
    return one[0] <= other[0] and one[1] >= other[1] and (one[0] < other[0] or one[1] > other[1])


@given(st.lists(st.tuples(few, few), max_size=12))
def test_a_point_is_on_the_front_if_and_only_if_no_other_dominates_it(
    points: list[tuple[float, float]],
) -> None:
    table = np.array(points, float).reshape(-1, 2)
    found = pareto_front(table[:, 0], table[:, 1])
    expected = [
        not np.isnan(point).any() and not any(dominates(other, point) for other in points)
        for point in points
    ]
    assert found.tolist() == expected


@given(
    st.lists(st.tuples(st.floats(0, 1e9), st.floats(0, 1)), min_size=1, max_size=30),
    st.randoms(use_true_random=False),
)
def test_the_order_does_not_matter_and_somebody_is_on_it(
    points: list[tuple[float, float]], random: object
) -> None:
    table = np.array(points, float)
    order = np.array(sorted(range(len(points)), key=lambda _: random.random()))  # type: ignore
    found = pareto_front(table[:, 0], table[:, 1])
    assert found.any()
    assert pareto_front(table[order, 0], table[order, 1]).tolist() == found[order].tolist()


def test_equal_points_are_all_on_it() -> None:
    cost, score = np.array([1.0, 1.0, 2.0, 1.0]), np.array([0.5, 0.5, 0.5, 0.4])
    assert pareto_front(cost, score).tolist() == [True, True, False, False]


@given(st.lists(st.tuples(few, few, few), max_size=12))
def test_of_several_costs_a_point_is_on_the_front_if_no_other_is_better_throughout(
    points: list[tuple[float, float, float]],
) -> None:
    table = np.array(points, float).reshape(-1, 3)

    def beats(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
        pairs = list(zip(one, other, strict=True))
        return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)

    expected = [
        not np.isnan(point).any() and not any(beats(other, point) for other in points)
        for point in points
    ]
    assert nondominated(table).tolist() == expected
