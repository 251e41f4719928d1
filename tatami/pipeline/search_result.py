"""What came of a search: its trials, the front of them, a chart and a page."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tatami.evaluate.pareto import nondominated, pareto_front
from tatami.pipeline.search_space import Value
from tatami.pipeline.search_study import COSTS, REFUSED, Study
from tatami.pipeline.search_trial import ACCURACIES, FOLDER, SPENT, TRIED
from tatami.see.html import result_html
from tatami.see.plots import CostPanel, Mark, Step, pareto_chart, search_chart
from tatami.see.text import count
from tatami.types.table import Table, numbers, words

if TYPE_CHECKING:
    import optuna

PAGE = "front.html"
STATES = {
    "COMPLETE": "complete",
    "PRUNED": "ended early",
    "FAIL": "broken off",
    "RUNNING": "running",
    "WAITING": "waiting",
}
"""What a user calls the states of a trial."""


@dataclass(frozen=True)
class Trial:
    """One trial of a search.

    Args:
        number: Its number in the study.
        state: One of STATES, or "refused".
        accuracy: The best figure on what was held out, in 0 to 1; None where there is none yet.
        costs: What is known of what the network costs.
        values: What was varied, and its value.
        folder: The run folder, on the machine that trained it; None where nothing was trained.
        evaluations: How many there were.
        seconds: Of the processor, for the training and what was measured.
        reason: Why it was refused; "" where it was not.
        on_front: Whether it is complete and no other complete one is better throughout.
    """

    number: int
    state: str
    accuracy: float | None
    costs: Mapping[str, float]
    values: Mapping[str, Value]
    folder: str | None
    evaluations: int
    seconds: float
    reason: str
    on_front: bool

    def to_json(self) -> dict[str, Any]:
        """Give the trial as plain values."""
        return {**vars(self), "costs": dict(self.costs), "values": dict(self.values)}

    def line(self, measure: str) -> str:
        """Say what came of it.

        Args:
            measure: What the accuracy is called.
        """
        figure = "" if self.accuracy is None else f"{measure} {100 * self.accuracy:.2f} %"
        costs = [f"{_cost(name, self)} {COSTS[name]}" for name in self.costs]
        return ", ".join([*filter(None, [self.state, figure]), *costs, self.varied])

    @property
    def varied(self) -> str:
        """What was varied, in a few words."""
        return ", ".join(
            f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}"
            for name, value in self.values.items()
        )


@dataclass(frozen=True)
class SearchResult:
    """What came of a search.

    Args:
        path: The folder with the trials and the page.
        url: Where the study is.
        study: Its description.
        trials: Every trial, by number.
    """

    path: Path
    url: str
    study: Study
    trials: tuple[Trial, ...]

    @property
    def front(self) -> tuple[Trial, ...]:
        """The trials on the front, the most accurate first; without costs the best alone."""
        on_front = [one for one in self.trials if one.on_front]
        return tuple(sorted(on_front, key=lambda one: (-(one.accuracy or 0.0), one.number)))

    def to_json(self) -> dict[str, Any]:
        """Give the study, its trials and the front as plain values."""
        return {
            "output": str(self.path),
            "study": self.url,
            "measure": self.study.task.measure,
            **self.study.to_json(),
            "front": [one.number for one in self.front],
            "results": [one.to_json() for one in self.trials],
        }

    def tables(self) -> list[Table]:
        """Lay out the front."""
        return [self._table(self.front)]

    def lines(self) -> list[str]:
        """Say how many trials there were, and where they are."""
        states = [one.state for one in self.trials]
        told = [f"{states.count(one)} {one}" for one in dict.fromkeys(states)]
        what = "no other trial is better throughout" if self.study.costs else "the best trial"
        lines = [f"{what}; {self.study.task.measure} on {self.study.validate} held out"]
        lines += [f"trials: {', '.join(told) or 'none'}"]
        if self.front:
            lines.append(f"the first one: {self.front[0].folder}")
        return [*lines, f"wrote {self.path / PAGE}"]

    def page(self) -> str:
        """Write a page with the chart, the front and every trial."""
        everything = self._table(self.trials, title="Every trial", states=True)
        about = [f"varied: {' '.join(map(str, self.study.space))}"]
        about += [f"the same: {'  '.join(self.study.to_json()['fixed'])}"]
        return (
            '<!DOCTYPE html>\n<html lang="en"><meta charset="utf-8">'
            "<title>A search</title><style>body{font:15px/1.5 sans-serif;max-width:60em;"
            "margin:2em auto;padding:0 1em}td,th{padding:0 1em 0 0}svg{max-width:100%}</style>"
            f"<h1>A search</h1>{self._svg()}{result_html(self.tables(), [*self.lines(), *about])}"
            f"{result_html([everything], [])}</html>\n"
        )

    def _repr_html_(self) -> str:
        """Show the chart and the front in a notebook."""
        return self._svg() + result_html(self.tables(), self.lines())

    def _svg(self) -> str:
        chart = self.chart()
        return chart[chart.index("<svg") :] if chart else ""

    def chart(self) -> str:
        """Draw the accuracies against each cost, or else one after the other, as SVG.

        Returns:
            The SVG; "" where no trial is complete.
        """
        done = [one for one in self.trials if one.state == STATES["COMPLETE"]]
        if not done:
            return ""
        score = f"{self.study.task.measure}, %"
        figures = np.array([_number(one.accuracy) for one in done])
        if not self.study.costs:
            tried = [one for one in self.trials if one.accuracy is not None]
            steps = [
                Step(one.number, 100 * _number(one.accuracy), one.state == STATES["COMPLETE"])
                for one in tried
            ]
            return search_chart(steps, score)
        bits = self.study.fixed.get("bits")
        marks = [
            Mark(
                str(one.number),
                100 * _number(one.accuracy),
                int(one.values.get("bits", bits or 0)) < 32,
            )
            for one in done
        ]
        panels = []
        for name in self.study.costs:
            costs = np.array([one.costs[name] for one in done], float)
            front = pareto_front(costs, figures).tolist()
            panels.append(CostPanel(COSTS[name], costs.tolist(), front))
        return pareto_chart(marks, panels, score)

    def _table(self, trials: tuple[Trial, ...], *, title: str = "", states: bool = False) -> Table:
        shown = {name: COLUMNS[name] for name in self.study.costs}
        columns = (
            *numbers("trial", f"{self.study.task.measure}\n%", *shown.values()),
            *((words("state"),) if states else ()),
            words("varied", flexible=1, wraps=True),
        )
        rows = tuple(
            (
                str(one.number),
                "-" if one.accuracy is None else f"{100 * one.accuracy:.2f}",
                *(_cost(name, one) for name in shown),
                *((one.reason or one.state,) if states else ()),
                one.varied,
            )
            for one in trials
        )
        return Table(columns, rows, title=title)


COLUMNS = {"multiply_adds": "mult.-\nadds", "ram": "RAM", "flash": "flash", "milliseconds": "ms"}
"""What a table calls the costs."""


def result_of(path: Path, url: str, study: optuna.Study, description: Study) -> SearchResult:
    """Read what a study holds.

    Args:
        path: The folder of this worker.
        url: Where the study is, without a password.
        study: The study.
        description: What it says of itself.
    """
    every = study.get_trials(deepcopy=False)
    done = [one for one in every if one.state.name == "COMPLETE" and one.values]
    costs = np.array([[-one.values[0], *one.values[1:]] for one in done], float)
    best: list[bool] = nondominated(costs).tolist() if done else []
    front = {one.number for one, on in zip(done, best, strict=True) if on}
    if not description.costs:
        front = {min(front)} if front else set()
    return SearchResult(
        path, url, description, tuple(trial_of(one, one.number in front) for one in every)
    )


def trial_of(one: Any, on_front: bool) -> Trial:
    """Give a trial as a study holds it."""
    kept = one.user_attrs
    accuracies = kept.get(ACCURACIES, ())
    accuracy = one.values[0] if one.state.name == "COMPLETE" else None
    if accuracy is None and accuracies:
        accuracy = accuracies[-1]
    reason = kept.get(REFUSED, "")
    return Trial(
        one.number,
        "refused" if reason else STATES[one.state.name],
        accuracy,
        kept.get(TRIED, {}),
        dict(one.params),
        kept.get(FOLDER),
        len(accuracies),
        float(kept.get(SPENT, 0.0)),
        reason,
        on_front,
    )


def _cost(name: str, trial: Trial) -> str:
    """Write a cost of a trial in three digits; "-" where it is not known."""
    cost = trial.costs.get(name)
    if cost is None:
        return "-"
    return f"{cost:.3g}" if name == "milliseconds" else count(cost)


def _number(figure: float | None) -> float:
    return math.nan if figure is None else figure
