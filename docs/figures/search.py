"""Draw the pictures of docs/search.md: python docs/figures/search.py.

Optuna's own samplers and pruner, on a landscape and on learning curves that are made up, for then
it is known what they should find.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import optuna
from matplotlib.axes import Axes
from matplotlib.figure import Figure

FOLDER = Path(__file__).resolve().parent
TRIALS = 45
INK, SOON, LATE = "#777777", "#86b6ef", "#2a78d6"


def accuracy(x: float, y: float) -> float:
    """Make up a ridge that bends: the best rate depends on the other number, as it often does."""
    across = x + 2.5 - 0.8 * np.sin(1.4 * y)
    return float(np.exp(-1.8 * across**2 - 0.35 * (y - 0.6) ** 2))


def landscape(axes: Axes, title: str) -> None:
    """Draw the lines of equal accuracy."""
    x, y = np.meshgrid(np.linspace(-5, 0, 120), np.linspace(-2, 2, 120))
    shown = np.vectorize(accuracy)(x, y)
    axes.contour(x, y, shown, levels=[0.1, 0.3, 0.5, 0.7, 0.9], colors=INK, linewidths=0.6)
    axes.set(title=title, xlabel="log10 of the learning rate", xlim=(-5, 0), ylim=(-2, 2))


def searched(sampler: optuna.samplers.BaseSampler, trials: int = TRIALS) -> np.ndarray:
    """Give points in the order in which they were tried, with their values: (n, 3)."""
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(
        lambda trial: accuracy(trial.suggest_float("x", -5, 0), trial.suggest_float("y", -2, 2)),
        n_trials=trials,
    )
    return np.array([[one.params["x"], one.params["y"], one.value] for one in study.trials])


def scatter(axes: Axes, points: np.ndarray) -> None:
    """Draw points, later ones darker, and the best with a star."""
    order = np.arange(len(points))
    axes.scatter(*points[:, :2].T, c=order, cmap="Blues", vmin=-25, s=18, ec=INK, lw=0.3, zorder=2)
    best = points[points[:, 2].argmax()]
    axes.scatter(*best[:2], marker="*", s=130, color="#d6452a", zorder=3)
    axes.text(-4.85, -1.85, f"best {best[2]:.2f}", fontsize=9)


def samplers() -> Figure:
    """Draw random search and TPE with as many trials."""
    figure = Figure(figsize=(8.4, 3.4), layout="constrained")
    random, tpe = figure.subplots(1, 2, sharey=True)
    landscape(random, f"random search, {TRIALS} trials")
    scatter(random, searched(optuna.samplers.RandomSampler(seed=1)))
    landscape(tpe, f"TPE, {TRIALS} trials, light to dark")
    scatter(tpe, searched(optuna.samplers.TPESampler(seed=1, multivariate=True)))
    random.set_ylabel("another number")
    return figure


def cmaes() -> Figure:
    """Draw three generations of CMA-ES, with the ellipse that each drew from."""
    from cmaes import CMA

    figure = Figure(figsize=(9.6, 3.2), layout="constrained")
    every = figure.subplots(1, 3, sharey=True)
    optimizer = CMA(np.array([-3.6, -1.2]), 0.7, seed=3, population_size=8)
    turn = np.linspace(0, 2 * np.pi, 80)
    circle = np.stack([np.cos(turn), np.sin(turn)])
    drawn = {0: every[0], 4: every[1], 10: every[2]}
    for generation in range(11):
        mean = optimizer.mean.copy()
        spread = np.linalg.cholesky(optimizer._C) * optimizer._sigma
        tried = [optimizer.ask() for _ in range(optimizer.population_size)]
        if generation in drawn:
            axes = drawn[generation]
            landscape(axes, f"generation {generation + 1}")
            axes.plot(*(mean[:, None] + 2 * spread @ circle), color=LATE, lw=1.2)
            axes.scatter(*np.array(tried).T, s=16, color=LATE, zorder=2)
        optimizer.tell([(point, -accuracy(*point)) for point in tried])
    every[0].set_ylabel("another number")
    return figure


def halving() -> Figure:
    """Draw learning curves, of which successive halving ends those that are behind."""
    figure = Figure(figsize=(7.2, 3.4), layout="constrained")
    axes = figure.subplots()
    rng, epochs = np.random.default_rng(4), 27
    pruner = optuna.pruners.SuccessiveHalvingPruner(3, 3)
    study = optuna.create_study(direction="maximize", pruner=pruner)
    spent = 0
    for _ in range(18):
        end, pace = rng.uniform(0.35, 0.95), rng.uniform(3, 9)
        trial, shown = study.ask(), list[float]()
        for epoch in range(1, epochs + 1):
            shown.append(end * (1 - np.exp(-epoch / pace)) + rng.normal(0, 0.008))
            trial.report(shown[-1], epoch)
            if trial.should_prune():
                break
        spent += len(shown)
        whole = len(shown) == epochs
        steps = np.arange(1, len(shown) + 1)
        axes.plot(steps, shown, color=LATE if whole else SOON, lw=1.4 if whole else 1)
        axes.plot(steps[-1], shown[-1], "o", ms=4, color=LATE if whole else SOON)
        study.tell(trial, None if not whole else shown[-1],
                   None if whole else optuna.trial.TrialState.PRUNED)  # fmt: skip
    for rung in (3, 9):
        axes.axvline(rung, color=INK, lw=0.8, ls=":")
    axes.set(xlabel="epoch", ylabel="accuracy", ylim=(0, 1))
    axes.set_title(f"18 trainings in {spent} of {18 * epochs} epochs")
    return figure


def main() -> None:
    """Draw all three."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    for name, figure in (("samplers", samplers()), ("cmaes", cmaes()), ("halving", halving())):
        figure.savefig(FOLDER / f"search-{name}.webp", dpi=120, facecolor="white")


if __name__ == "__main__":
    main()
