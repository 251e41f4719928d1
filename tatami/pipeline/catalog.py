"""The networks that can be trained, with what each needs and what it reached: a table to choose by.

The figures lie in two tables beside the networks: models/needs.csv, which benchmarks/model_needs.py
measures, and models/measured.csv, of docs/results.md.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tatami.errors import TatamiError
from tatami.models import table
from tatami.models.table import MODELS, names
from tatami.pipeline.ship import parse_bytes
from tatami.see.html import result_html
from tatami.see.text import count
from tatami.types.table import Table, numbers, words

FOLDER = Path(table.__file__).parent
UNITS = ((1024**3, "G"), (1024**2, "M"), (1024, "K"))


@dataclass(frozen=True)
class Form:
    """A network at one width and input, and what it needs as C in 8 bits on a microcontroller.

    Args:
        width: Multiplies every layer's channels.
        size: The input, width by height.
        parameters: Numbers that are learned.
        multiply_adds: Of a picture: at most, where regions are looked at.
        ram: Bytes.
        flash: Bytes of weights and code.
    """

    width: float
    size: str
    parameters: int
    multiply_adds: int
    ram: int
    flash: int


@dataclass(frozen=True)
class Measured:
    """What a network reached on a set.

    Args:
        width: Multiplies every layer's channels.
        size: The input, width by height.
        data: The set, as "BCCD".
        measure: As "mAP".
        float32: The figure of the float network.
        int8: The same in 8 bits; "" where it was not measured.
    """

    width: float
    size: str
    data: str
    measure: str
    float32: str
    int8: str


@dataclass(frozen=True)
class ListedModel:
    """A network of the table.

    Args:
        name: What it is called.
        task: What it is for.
        input: The paper's input, width by height.
        paper: Where it is from.
        forms: What it needs at some widths and inputs, the paper's first where it was measured.
        measured: What it reached.
    """

    name: str
    task: str
    input: str
    paper: str
    forms: tuple[Form, ...] = ()
    measured: tuple[Measured, ...] = field(default=())

    def to_json(self) -> dict[str, Any]:
        """Give everything that is known as plain values."""
        values = asdict(self)
        del values["name"]
        return values


@dataclass(frozen=True)
class Catalog:
    """Networks to choose from.

    Args:
        models: The networks.
        fit: For which RAM and flash, in words; "": for any.
    """

    models: tuple[ListedModel, ...]
    fit: str = ""

    def to_json(self) -> dict[str, Any]:
        """Give each network by its name."""
        return {model.name: model.to_json() for model in self.models}

    def tables(self) -> list[Table]:
        """Lay the networks out, a table for each task and a row for each network.

        A row is of the paper's form, where it was measured, or of the largest one that fits.
        """
        columns = (
            words("model", flexible=1),
            *numbers("width", "input", "param.", "m.-a.", "RAM", "flash"),
            words("reached"),
        )
        tasks = dict.fromkeys(model.task for model in self.models)
        return [
            Table(columns, tuple(_row(one) for one in self.models if one.task == task), title=task)
            for task in tasks
        ]

    def lines(self) -> list[str]:
        """Say what the columns mean, and how to go on."""
        needs = "RAM and flash: of C in 8 bits, built for a Cortex-M7; m.-a.: multiply-adds"
        if not self.fit:
            return [
                needs,
                "reached: by a narrower form, in float; JSON says by which, and the paper",
            ]
        if not self.models:
            return [f"no form that was measured fits in {self.fit}"]
        return [f"the largest measured form of each network that fits in {self.fit}", needs]

    def _repr_html_(self) -> str:
        """Show the table in a notebook."""
        return result_html(self.tables(), self.lines())


def list_models(task: str | None = None, *, fit: str | None = None) -> Catalog:
    """List the networks that can be trained, with what they need and reached.

    Args:
        task: Only those of this task: "detect", "classify" or "segment"; None: all.
        fit: Only those that fit a device, by its RAM and flash, as "512K,2M"; None: all.

    Raises:
        TatamiError: For a task that there is not, and for a size that cannot be read.
    """
    tasks = tuple(dict.fromkeys(row.task for row in MODELS.values()))
    if task is not None and task not in tasks:
        raise TatamiError(
            f"no task '{task}'", hint=f"the tasks are {', '.join(tasks)}", setting="task"
        )
    found = [_listed(name) for name in names(task)]
    if fit is None:
        return Catalog(tuple(found))
    ram, flash = _limits(fit)
    fitting = [
        ListedModel(model.name, model.task, model.input, model.paper, forms, model.measured)
        for model in found
        if (forms := _fitting(model.forms, ram, flash))
    ]
    return Catalog(tuple(fitting), f"{_bytes(ram)} of RAM and {_bytes(flash)} of flash")


def _fitting(forms: Sequence[Form], ram: int, flash: int) -> tuple[Form, ...]:
    """Give the forms that fit, those of most multiply-adds first."""
    fitting = [form for form in forms if form.ram <= ram and form.flash <= flash]
    return tuple(sorted(fitting, key=lambda form: -form.multiply_adds))


def _listed(name: str) -> ListedModel:
    model = MODELS[name]
    forms = [
        Form(float(width), size, int(parameters), int(multiply_adds), int(ram), int(flash))
        for _, width, size, parameters, multiply_adds, _, _, ram, flash in _rows("needs", name)
    ]
    forms.sort(key=lambda form: (form.size != str(model.size), -form.width, -form.multiply_adds))
    measured = [Measured(float(width), *rest) for _, width, *rest in _rows("measured", name)]
    return ListedModel(
        name, model.task, str(model.size), model.paper, tuple(forms), tuple(measured)
    )


def _rows(file: str, name: str) -> list[list[str]]:
    """Read the rows of a network in one of the two tables."""
    lines = (FOLDER / f"{file}.csv").read_text("utf-8").splitlines()
    return [row for row in csv.reader(lines[1:]) if row[0] == name]


def _limits(fit: str) -> tuple[int, int]:
    """Read "512K,2M" as bytes of RAM and flash."""
    ram, comma, flash = fit.partition(",")
    if not comma:
        raise TatamiError(
            f"{fit} is not two sizes", hint="give RAM and flash, as 512K,2M", setting="fit"
        )
    return parse_bytes(ram, "fit") or 0, parse_bytes(flash, "fit") or 0


def _row(model: ListedModel) -> tuple[str, ...]:
    """Lay out a network in its first form, with what that one reached, or else another."""
    shown = [(form.width, form.size) for form in model.forms[:1]]
    reached_by = sorted(model.measured, key=lambda one: (one.width, one.size) not in shown)
    best = reached_by[0] if reached_by else None
    reached = "" if best is None else f"{best.float32} {best.data}"
    if not model.forms:
        return (model.name, "1", model.input, "", "", "", "", reached)
    form = model.forms[0]
    return (model.name, f"{form.width:g}", form.size, *_sizes(form), reached)


def _sizes(form: Form) -> tuple[str, str, str, str]:
    """Write the four sizes of a form, each of three digits."""
    return (
        count(form.parameters), count(form.multiply_adds), _bytes(form.ram), _bytes(form.flash),
    )  # fmt: skip


def _bytes(amount: int) -> str:
    """Write bytes as 512K or 2.5M."""
    for unit, letter in UNITS:
        if amount >= unit:
            return (
                f"{amount / unit:.3g}{letter}"
                if amount < 1000 * unit
                else f"{amount / unit:.0f}{letter}"
            )
    return str(amount)
