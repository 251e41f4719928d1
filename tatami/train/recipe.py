"""What a training run is: every number that its result depends on."""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from tatami.errors import TatamiError
from tatami.types import Size

Precision = Literal["auto", "float32", "bfloat16"]
Optimizer = Literal["sgd", "adamw"]

_POSITIVE = ("epochs", "batch", "learning_rate", "clip_norm")
_FROM_ZERO = (
    *("warmup_epochs", "weight_decay", "closing_epochs"),
    *("checkpoint_seconds", "evaluate_every", "patience", "seed"),
)
_SHARES = ("momentum", "ema_decay", "multi_scale")
_TYPES: dict[str, type] = {"size": str, "epochs": int, "freeze": list, "multi_scale": float}
"""What JSON holds for those fields whose defaults are of another type."""


SEEN, LEAST, MOST = 40_000, 30, 300
"""Pictures that a training sees where no epochs are given, and the bounds on its epochs."""


def epochs_for(pictures: int) -> int:
    """Choose the epochs of a training on a set of so many pictures."""
    return max(LEAST, min(MOST, math.ceil(SEEN / max(1, pictures))))


@dataclass(frozen=True)
class Recipe:
    """How to train, whatever the task.

    Two runs of one recipe on the same data, threads and machine are equal.
    """

    size: Size | None = None
    """The input, width by height; None: the network's own. A run's recipe says which it was."""
    epochs: int | None = None
    """How often every picture is seen; None: ``epochs_for`` the set. A run's recipe says it."""
    batch: int = 16
    """Pictures a step, over all processes together."""

    learning_rate: float = 0.01
    """The highest rate, reached after the warm-up; then a half cosine down to 1 % of it."""
    warmup_epochs: float = 2.0
    optimizer: Optimizer = "sgd"
    """sgd: with momentum, and weight decay in the gradient. adamw: Loshchilov and Hutter 2019; its
    steps do not grow with the loss, and its rates are a tenth of SGD's or less."""
    momentum: float = 0.9
    """Of the mean gradient; AdamW's beta_1."""
    weight_decay: float = 5e-4
    """On convolution weights alone: biases and normalization are left free."""
    clip_norm: float = 20.0
    """The gradient's Euclidean norm is cut to this: the first steps of a new head are wild."""
    ema_decay: float = 0.998
    """The averaged weights forget with this factor a step; they are the ones that are kept."""

    multi_scale: float | None = None
    """Every 10 steps the input size is drawn within this share of ``size`` (YOLO9000, section 2,
    "Multi-Scale Training"); 0 keeps it; None: as in the network's paper."""
    closing_epochs: int = 5
    """The last epochs see whole pictures at the exact size: no mosaic, no multi-scale."""

    freeze: tuple[str, ...] = ()
    """Weights whose names begin with one of these parts, as ``layer1``, are left as they are, and
    so are the statistics of normalization there."""
    layer_rate: float = 1.0
    """Layer-wise learning rates (Howard and Ruder 2018, section 3.2): a layer learns at this factor
    of the rate of the layer after it; the last at the full rate."""

    precision: Precision = "auto"
    """auto: bfloat16 autocast where the processor is faster with it, else float32."""
    checkpoint_seconds: float = 30.0
    """A checkpoint after the first step that ends this long after the last; 0: after each."""
    evaluate_every: int = 0
    """Epochs between evaluations while training, on the pictures that validate it or, where there
    are none, on the test split; 0: at the end only."""
    patience: int = 0
    """Evaluations in a row without a better figure after which the training ends; 0: it never does
    before its last epoch."""
    seed: int = 0

    def __post_init__(self) -> None:
        """Raise TatamiError, with the hint, for a number out of its range."""
        for name in (*_POSITIVE, *_FROM_ZERO, *_SHARES):
            value = getattr(self, name)
            if value is None:
                continue
            if name in _POSITIVE and not 0 < value < math.inf:
                raise TatamiError(f"{name} is {value}", hint="give a number above 0")
            if name in _FROM_ZERO and not 0 <= value < 2**63:
                raise TatamiError(f"{name} is {value}", hint="give 0 or a number above it")
            if name in _SHARES and not 0 <= value < 1:
                raise TatamiError(f"{name} is {value}", hint="give a number from 0 to below 1")
        if not 0 < self.layer_rate <= 1:
            raise TatamiError(f"layer_rate is {self.layer_rate}", hint="give a factor from 0 to 1")
        for name, choices in (("precision", Precision), ("optimizer", Optimizer)):
            if getattr(self, name) not in get_args(choices):
                hint = f"give {', '.join(get_args(choices))}"
                raise TatamiError(f"no {name} '{getattr(self, name)}'", hint=hint)

    @property
    def whole_epochs(self) -> int:
        """The epochs of a recipe in which every number is decided."""
        assert self.epochs is not None, "decided where the data are known"
        return self.epochs

    def learning_rate_at(self, step: int, steps_an_epoch: int) -> float:
        """Give the rate of a step: linear warm-up, then half a cosine down to 1 %.

        Source: Loshchilov and Hutter 2017, equation 5.
        """
        warmup = self.warmup_epochs * steps_an_epoch
        if step < warmup:
            return min(self.learning_rate, self.learning_rate * (step + 1) / warmup)
        total = self.whole_epochs * steps_an_epoch
        progress = (step - warmup) / max(1.0, total - warmup)
        return self.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress)))

    def to_json(self) -> dict[str, Any]:
        """Give plain values; the size as ``416x320``."""
        size = None if self.size is None else str(self.size)
        return dataclasses.asdict(self) | {"size": size, "freeze": list(self.freeze)}

    @staticmethod
    def from_json(values: dict[str, Any], file: Path | None = None) -> Recipe:
        """Read what ``to_json`` gives; missing keys keep their defaults.

        Raises:
            TatamiError: For an unknown key, and for a value of another type or out of its range.
        """
        known = {field.name: field.default for field in dataclasses.fields(Recipe)}
        for name, value in values.items():
            if name not in known:
                raise TatamiError(
                    f"unknown key '{name}' in the recipe", file=file, hint=f"known: {sorted(known)}"
                )
            if value is None and known[name] is None:
                continue
            wanted = _TYPES.get(name, type(known[name]))
            if type(value) is not wanted and not (wanted is float and type(value) is int):
                raise TatamiError(
                    f"recipe key '{name}' is {json.dumps(value)}",
                    file=file,
                    hint=f"give a {wanted.__name__}",
                )
        if not all(isinstance(part, str) and part for part in values.get("freeze", [])):
            raise TatamiError(
                "recipe key 'freeze' is not a list of names", file=file, hint="give names of layers"
            )
        parsed: dict[str, Any] = {"freeze": tuple(values.get("freeze", ()))}
        if values.get("size") is not None:
            parsed["size"] = Size.parse(values["size"])
        return Recipe(**{**values, **parsed})
