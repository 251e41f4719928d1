"""The Pareto front: of networks that cost something, those that no other dominates."""

from __future__ import annotations

import numpy as np

from tatami.types import Bool, Float64


def pareto_front(cost: Float64, score: Float64) -> Bool:
    """Find the points that no other dominates: less cost is better, and more score.

    A point dominates another that is nowhere better and somewhere worse. Equal points do not
    dominate one another: all of them are on the front, or none. A point with a NaN is not on it.

    Args:
        cost: (n,).
        score: (n,).

    Returns:
        (n,) bool.
    """
    on_front = np.zeros(len(cost), bool)
    there = np.flatnonzero(~(np.isnan(cost) | np.isnan(score)))
    # The cheapest first, of equally cheap ones the best: a point then has to beat all before it.
    best, best_cost = -np.inf, np.nan
    for index in there[np.lexsort((-score[there], cost[there]))]:
        if score[index] > best or (score[index] == best and cost[index] == best_cost):
            on_front[index] = True
            best, best_cost = score[index], cost[index]
    return on_front


def nondominated(costs: Float64) -> Bool:
    """Find the points that no other dominates, of any number of costs: less of each is better.

    Equal points do not dominate one another. A point with a NaN is not on the front.

    Args:
        costs: (n, m): a score is a negative cost.

    Returns:
        (n,) bool.
    """
    points = costs[~np.isnan(costs).any(axis=1)]
    # A comparison with a NaN is false: such a point is dominated by none, and is left out here.
    return np.array(
        [
            not (
                np.isnan(point).any() or ((points <= point).all(1) & (points < point).any(1)).any()
            )
            for point in costs
        ],
        bool,
    )
