"""What a search may vary of a training: the names that recipe and task declare, and ranges.

A range is written ``NAME=LOW..HIGH``, choices ``NAME=A,B,C``, and what is the same in every trial
``NAME=VALUE``.
"""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from tatami.data.augment import Augmentation
from tatami.errors import TatamiError
from tatami.models.table import model_named
from tatami.pipeline.plan import Asked, Source, settings_for, style_of
from tatami.tasks.base import Task
from tatami.tasks.settings import check_size
from tatami.tasks.table import task_named
from tatami.train.recipe import Recipe
from tatami.types import Size

Value = float | int | str
Kind = Literal["float", "int", "text"]
Owner = Literal["search", "recipe", "settings", "augmentation"]

OWN: Mapping[str, Kind] = {
    "model": "text",
    "width": "float",
    "bits": "int",
    "recipe": "text",
    "augment": "text",
}
"""What is varied beside the numbers of recipe and task: the network, the factor of its channels,
the bits that it is shipped in, the way it is trained, and whether its pictures are varied."""
AUGMENT = ("usual", "off")
BITS = (32, 8)
LOGARITHMIC = ("learning_rate", "weight_decay")
"""What is drawn by its logarithm: a tenth matters as much as ten times."""
NOT_VARIED = ("freeze", "patience", "seed")
"""Fields of a recipe that make no better network, or that the search sets itself."""
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_RANGE = re.compile(rf"({_NUMBER})\.\.({_NUMBER})", re.ASCII)


@dataclass(frozen=True)
class Variable:
    """Something that a training depends on.

    Args:
        kind: What its values are.
        owner: Who takes it.
    """

    kind: Kind
    owner: Owner


@dataclass(frozen=True)
class Dimension:
    """A variable with what a search may give it.

    Args:
        name: The variable.
        kind: What its values are.
        choices: The values; none where there is a range.
        low: The smallest value of a range.
        high: The largest.
    """

    name: str
    kind: Kind
    choices: tuple[Value, ...] = ()
    low: float = 0.0
    high: float = 0.0

    @property
    def logarithmic(self) -> bool:
        """Whether it is drawn by its logarithm."""
        return self.name in LOGARITHMIC and self.low > 0

    @property
    def ends(self) -> tuple[Value, ...]:
        """The values that are checked before anything is trained: all choices, or both ends."""
        return self.choices or (_read(self.kind, repr(self.low)), _read(self.kind, repr(self.high)))

    def holds(self, value: Value | None) -> bool:
        """Say whether a value is one of it."""
        if self.choices:
            return value in self.choices
        return isinstance(value, float | int) and self.low <= value <= self.high

    def __str__(self) -> str:
        if self.choices:
            return f"{self.name}={','.join(map(written, self.choices))}"
        low, high = self.ends
        return f"{self.name}={written(low)}..{written(high)}"


def variables(task: Task[Any, Any, Any]) -> dict[str, Variable]:
    """Name everything that a search may vary of a training of this task."""
    found = {name: Variable(kind, "search") for name, kind in OWN.items()}
    for owner, kind in (("recipe", Recipe), ("settings", task.settings)):
        hints = typing.get_type_hints(kind)
        for field in fields(kind):
            if field.name not in NOT_VARIED:
                variable = Variable(_kind(hints[field.name]), typing.cast(Owner, owner))
                found.setdefault(field.name, variable)
    for name, value in asdict(task.augmentation).items():
        if name not in task.unvaried and name != "pad":
            kind_of: Kind = "text" if isinstance(value, tuple) else "float"
            found.setdefault(name, Variable(kind_of, "augmentation"))
    return found


def parse(text: str, known: Mapping[str, Variable], *, one: bool = False) -> Dimension:
    """Read ``NAME=LOW..HIGH``, ``NAME=A,B,C`` or ``NAME=VALUE``.

    Args:
        text: What is read.
        known: What may be varied.
        one: Whether it is a single value, in which a comma is no separator.

    Raises:
        TatamiError: For a name that is not known, and for what is no range and no list of it.
    """
    setting = "fixed" if one else "vary"
    name, equals, given = text.partition("=")
    name = name.strip().replace("-", "_")
    if name not in known:
        raise TatamiError(
            f"nothing is called '{name}'",
            hint=f"it can be {', '.join(known)}",
            setting=setting,
        )
    kind, given = known[name].kind, given.strip()
    found = None if one else _RANGE.fullmatch(given)
    try:
        if found and kind != "text":
            low, high = (float(_read(kind, end)) for end in found.groups())
            if low < high:
                return Dimension(name, kind, (), low, high)
            raise ValueError
        values = tuple(_read(kind, part.strip()) for part in ([given] if one else given.split(",")))
        if not equals or "" in values or len({*values}) < len(values):
            raise ValueError
    except ValueError:
        example = "A,B,C" if kind == "text" else "LOW..HIGH or A,B,C"
        raise TatamiError(
            f"'{text}' is not understood",
            hint=f"give {name}={'VALUE' if one else example}",
            setting=setting,
        ) from None
    return Dimension(name, kind, values)


def written(value: Value) -> str:
    """Write a value as it can be read again."""
    short = f"{value:g}" if isinstance(value, float) else str(value)
    return short if isinstance(value, str) or float(short) == value else repr(value)


def asked(
    values: Mapping[str, Value],
    source: Source,
    *,
    seed: int = 0,
    threads: int = 0,
    device: str = "cpu",
) -> Asked:
    """Say which training a point of the space is.

    Args:
        values: The value of each variable, of which "model" is one; others are as usual.
        source: The data.
        seed: Of the training.
        threads: Of torch; 0: torch chooses.
        device: "cpu" or "cuda".

    Raises:
        TatamiError: For a value that it cannot have.
    """
    model = str(values["model"])
    task = task_named(model_named(model).task)
    known = variables(task)
    own = {name: value for name, value in values.items() if known[name].owner == "search"}
    style = style_of(model, str(own["recipe"]) if "recipe" in own else None)
    bits, augment = own.get("bits", BITS[0]), own.get("augment", AUGMENT[0])
    for name, value, choices in (("bits", bits, BITS), ("augment", augment, AUGMENT)):
        if value not in choices:
            hint = f"give {' or '.join(map(str, choices))}"
            raise TatamiError(f"{name} is {value}", hint=hint, setting="vary")

    def of(owner: Owner) -> dict[str, Value]:
        return {name: value for name, value in values.items() if known[name].owner == owner}

    numbers = {**style.recipe.to_json(), "evaluate_every": 1, **of("recipe"), "seed": seed}
    recipe = Recipe.from_json(numbers)
    if not recipe.evaluate_every:
        raise TatamiError("evaluate_every is 0", hint="give 1 or more epochs", setting="vary")
    for size in [recipe.size] if recipe.size else []:
        check_size(size, model_named(model).stride)
    varied = [f"{name}={written(value)}" for name, value in of("augmentation").items()]
    plain = _unvaried(task) if augment == AUGMENT[1] else []
    task.augmentation.with_settings((*style.augment, *plain, *varied))
    return Asked(
        model,
        float(own.get("width", 1.0)),
        recipe,
        settings_for(model, of("settings")),
        (*plain, *varied),
        source,
        threads,
        device,
        style,
    )


def usual(values: Mapping[str, Value], space: Sequence[Dimension]) -> dict[str, Value]:
    """Give the point of a space that is nearest to the network's own recipe.

    Args:
        values: What is the same in every trial.
        space: What is varied.

    Returns:
        A value of each dimension that holds the usual one; a network is the first of the choices.
    """
    point = dict(values)
    for dimension in space:
        if dimension.name == "model":
            point["model"] = dimension.choices[0]
    model = str(point["model"])
    row = model_named(model)
    style = style_of(model, str(point["recipe"]) if "recipe" in point else None)
    known: dict[str, Any] = {**asdict(task_named(row.task).augmentation)}
    known |= {**style.recipe.to_json(), **style.settings, "size": str(row.size), "model": model}
    known |= {"width": 1.0, "bits": BITS[0], "recipe": row.recipe, "augment": AUGMENT[0]}
    for setting in style.augment:
        name, _, value = setting.partition("=")
        known[name] = float(value) if re.fullmatch(_NUMBER, value) else value
    return {
        one.name: known[one.name]
        for one in space
        if one.name in known and one.holds(known[one.name])
    }


def _unvaried(task: Task[Any, Any, Any]) -> list[str]:
    """Say, as typed, that pictures are taken as they are."""
    plain = asdict(Augmentation.none())
    return [
        f"{name}={','.join(map(str, value)) if isinstance(value, tuple) else value}"
        for name, value in plain.items()
        if name != "pad" and value != getattr(task.augmentation, name)
    ]


def _kind(hint: Any) -> Kind:
    """Say of what kind the values of a field are, by its type; None is nothing to vary."""
    union = typing.get_origin(hint) in (typing.Union, types.UnionType)
    options = typing.get_args(hint) if union else (hint,)
    if float in options:
        return "float"
    return "int" if int in options or bool in options else "text"


def _read(kind: Kind, text: str) -> Value:
    """Read a value.

    Raises:
        ValueError: Where it is no number and should be one.
    """
    if kind == "text":
        return text
    number = float(text)
    if number != number or abs(number) == float("inf") or (kind == "int" and number % 1):
        raise ValueError(text)
    return int(number) if kind == "int" else number


def check_sizes(space: Sequence[Dimension], values: Mapping[str, Value]) -> None:
    """Check that each network of a space takes each input size of it, where a row alone tells.

    Raises:
        TatamiError: For the first that does not.
    """
    every: dict[str, tuple[Value, ...]] = {name: (value,) for name, value in values.items()}
    every |= {one.name: one.choices for one in space}
    for model in every["model"]:
        for size in every.get("size", ()):
            try:
                check_size(Size.parse(str(size)), model_named(str(model)).stride)
            except TatamiError as error:
                raise TatamiError(
                    f"{model}: {error.reason}", hint=error.hint, setting="vary"
                ) from error
