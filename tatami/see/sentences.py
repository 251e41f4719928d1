"""One sentence a section of the report: what one sees there, computed from what it shows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from tatami.see import text
from tatami.see.plots import Layer, Panel
from tatami.see.rows import ClassResult, LedgerRow, Stage

BACKGROUND = "background"
"""What a box is taken for that is not found, and what is there where one is found for nothing."""

SEEN = (
    "What the network makes of one picture: in the map of a channel, light is where it answers "
    "most; click on a picture to enlarge it; another click or Escape goes back."
)
SOUNDS = (
    "For each class a sound of the data and one that the network made, which the same seed makes "
    "again on every machine."
)
PROVENANCE = "With these data, this recipe and these versions the training can be run again."


def of_stages(stages: Sequence[Stage], measure: str) -> str:
    """Say what changes from the first artifact to the last."""
    if len(stages) < 2:
        return ""
    first, last = stages[0], stages[-1]
    parts = []
    if first.map is not None and last.map is not None:
        parts.append(_change(f"the {measure}", f"{first.map:.3f}", f"{last.map:.3f}"))
    if first.bytes is not None and last.bytes is not None:
        parts.append(_change("the size", text.size(first.bytes), text.size(last.bytes)))
    if first.milliseconds is not None and last.milliseconds is not None:
        before, after = f"{first.milliseconds:.1f} ms", f"{last.milliseconds:.1f} ms"
        parts.append(_change("the time a picture", before, after))
    return f"From {first.name} to {last.name}: {_and(parts)}." if parts else ""


def of_ledger(ledger: Sequence[LedgerRow], measure: str) -> str:
    """Say what a row compares, and what a row in dB means where there is one."""
    if not ledger:
        return ""
    said = (
        "Each row compares one form of the network with the form that it was made of, on the same "
        "pictures; a difference above its bound is more than rounding."
    )
    if any(row.measure == "dB" for row in ledger):
        said += (
            " The row in dB is the step to integers: the signal of the noisiest layer above the "
            f"noise of rounding (more is better); what is bounded there is the loss of {measure}."
        )
    return said


def of_mistakes(pictures: int, flawless: int, mistakes: Mapping[str, int]) -> str:
    """Say how many pictures are right, and what is wrong most often.

    Args:
        pictures: How many were looked at.
        flawless: How many of them have no mistake.
        mistakes: How many of each kind there are in all.
    """
    said = f"{flawless:,} of {pictures:,} pictures have no mistake"
    kind = max(mistakes, key=lambda name: mistakes[name], default=None)
    if kind is None or not mistakes[kind]:
        return f"{said}."
    total = sum(mistakes.values())
    if len(mistakes) == 1:
        return f"{said}; the worst come first."
    return (
        f"{said}; {mistakes[kind]:,} of the {total:,} mistakes are “{kind}”. The worst come first."
    )


def of_training(log: Sequence[Mapping[str, float]], panels: Sequence[Panel]) -> str:
    """Say how the loss fell, and where the figure was best."""
    parts = []
    losses = _column(log, "loss")
    if len(losses) > 1:
        (_, first), (step, last) = losses[0], losses[-1]
        way = "falls" if last < first else "rises"
        parts.append(f"the loss {way} from {first:.3g} to {last:.3g} in {step:,.0f} steps")
    for panel in panels:
        rows = _column(log, panel.keys[0]) if len(panel.keys) == 1 else []
        if panel.keys[0] in ("loss", "learning_rate") or not rows:
            continue
        step, best = max(rows, key=lambda row: row[1])
        parts.append(f"{panel.title} is best at step {step:,.0f}: {best:.3f}")
    return _sentence("; ".join(parts))


def of_classes(classes: Sequence[ClassResult]) -> str:
    """Say which class is found best and which worst."""
    for name, key in (("AP", "ap"), ("IoU", "iou"), ("F1", "f1")):
        known = [(getattr(one, key), one.name) for one in classes]
        sure = [(value, of) for value, of in known if value is not None and not math.isnan(value)]
        if len(sure) > 1:
            (best, first), (worst, last) = max(sure), min(sure)
            if best == worst:
                return f"All classes have the same {name}: {best:.3f}."
            return f"Best is {first} ({name} {best:.3f}), worst is {last} ({worst:.3f})."
    return ""


def of_confusion(counts: Sequence[Sequence[int]], classes: Sequence[str]) -> str:
    """Say which mistake has the largest share of its class, and which class is lost most.

    Args:
        counts: A row a class, and one more of the background where boxes are counted.
        classes: Their names, without the background.
    """
    mixed: list[tuple[float, int, int]] = []
    lost: list[tuple[float, int, int]] = []
    for label, row in enumerate(counts[: len(classes)]):
        total = sum(row)
        for other, count in enumerate(row):
            if count and other != label:
                chosen = mixed if other < len(classes) else lost
                chosen.append((count / total, label, other))
    parts = []
    if mixed:
        share, label, other = max(mixed)
        parts.append(
            f"most often mistaken is {classes[label]} for {classes[other]}, "
            f"in {100 * share:.1f} % of what is {classes[label]}"
        )
    elif counts:
        parts.append("no class is taken for another")
    if lost:
        share, label, _ = max(lost)
        parts.append(f"most often not found is {classes[label]}, {100 * share:.1f} % of it")
    return _sentence("; ".join(parts))


def of_layers(layers: Sequence[Layer]) -> str:
    """Say which layer does most of the work, and which holds most of the parameters."""
    parts: list[str] = []
    named = ""
    for cost, verb, what in (
        ("multiply_adds", "does", "multiply-adds"),
        ("parameters", "holds", "parameters"),
    ):
        total = sum(getattr(layer, cost) for layer in layers)
        if total:
            most = max(layers, key=lambda layer: getattr(layer, cost))
            share = 100 * getattr(most, cost) / total
            who = "" if most.name == named else f"{most.name} "
            named = most.name
            parts.append(f"{who}{verb} {share:.0f} % of the {text.count(total)} {what}")
    # A layer's name stays as it is written, so the sentence does not begin with it.
    return f"Of all layers, {' and '.join(parts)}." if parts else ""


def _column(log: Sequence[Mapping[str, float]], key: str) -> list[tuple[float, float]]:
    """Give the finite numbers of a column with their steps."""
    rows = [(row["step"], row[key]) for row in log if key in row and "step" in row]
    return [row for row in rows if all(map(math.isfinite, row))]


def _and(parts: Sequence[str]) -> str:
    *some, last = parts
    return f"{', '.join(some)} and {last}" if some else last


def _change(what: str, before: str, after: str) -> str:
    return f"{what} stays {after}" if before == after else f"{what} goes from {before} to {after}"


def _sentence(said: str) -> str:
    return f"{said[0].upper()}{said[1:]}." if said else ""
