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

_POSITIVE = ("epochs", "batch", "learning_rate", "clip_norm")
_FROM_ZERO = (
    *("warmup_epochs", "weight_decay", "closing_epochs"),
    *("checkpoint_seconds", "evaluate_every", "seed"),
)
_SHARES = ("momentum", "ema_decay", "multi_scale", "label_smoothing")


@dataclass(frozen=True)
class Recipe:
    """How to train. Two runs of one recipe on the same data, threads and machine are equal."""

    size: Size = Size(416, 416)
    stride: int = 32
    """The sides of ``size`` divide by it: a detector's largest cells are so large; 1: any size."""
    epochs: int = 100
    batch: int = 16
    """Pictures a step, over all processes together."""

    learning_rate: float = 0.01
    """The highest rate, reached after the warm-up; then a half cosine down to 1 % of it."""
    warmup_epochs: float = 2.0
    momentum: float = 0.9
    weight_decay: float = 5e-4
    """On convolution weights alone: biases and normalization are left free."""
    clip_norm: float = 20.0
    """The gradient's Euclidean norm is cut to this: the first steps of a new head are wild."""
    ema_decay: float = 0.998
    """The averaged weights forget with this factor a step; they are the ones that are kept."""

    multi_scale: float = 0.25
    """Every 10 steps the input size is drawn within this share of ``size`` (YOLO9000, section 2,
    "Multi-Scale Training"); 0 keeps it."""
    closing_epochs: int = 5
    """The last epochs see whole pictures at the exact size: no mosaic, no multi-scale."""

    label_smoothing: float = 0.0
    """Of classifiers: this share of every target is spread over all classes (Szegedy et al. 2016,
    section 7)."""
    class_weights: tuple[float, ...] = ()
    """Of segmenters: what a pixel of each class weighs; none: all alike."""
    alternating: bool = False
    """Of Faster R-CNN: four trainings, of ``epochs`` each, of its two parts in turns (Ren et al.
    2015, section 3.2), rather than one of both."""
    freeze: tuple[str, ...] = ()
    """Weights whose names begin with one of these parts, as ``layer1``, are left as they are, and
    so are the statistics of normalization there."""
    layer_rate: float = 1.0
    """Layer-wise learning rates (Howard and Ruder 2018, section 3.2): a layer learns at this factor
    of the rate of the layer after it; the last at the full rate."""

    precision: Precision = "auto"
    """auto: bfloat16 autocast where the processor computes it natively, else float32."""
    checkpoint_seconds: float = 30.0
    """A checkpoint after the first step that ends this long after the last; 0: after each."""
    evaluate_every: int = 0
    """Epochs between evaluations on the test split while training; 0: at the end only."""
    seed: int = 0

    def __post_init__(self) -> None:
        """Raise TatamiError, with the hint, for a number out of its range."""
        for name in (*_POSITIVE, *_FROM_ZERO, *_SHARES):
            value = getattr(self, name)
            if name in _POSITIVE and not 0 < value < math.inf:
                raise TatamiError(f"{name} is {value}", hint="give a number above 0")
            if name in _FROM_ZERO and not 0 <= value < 2**63:
                raise TatamiError(f"{name} is {value}", hint="give 0 or a number above it")
            if name in _SHARES and not 0 <= value < 1:
                raise TatamiError(f"{name} is {value}", hint="give a number from 0 to below 1")
        if not 0 < self.layer_rate <= 1:
            raise TatamiError(f"layer_rate is {self.layer_rate}", hint="give a factor from 0 to 1")
        if not 1 <= self.stride <= 1024:
            raise TatamiError(f"stride is {self.stride}", hint="give a number from 1 to 1024")
        if not all(0 <= weight < math.inf for weight in self.class_weights):
            raise TatamiError("class_weights has a weight below 0", hint="give a number a class")
        if self.precision not in get_args(Precision):
            raise TatamiError(
                f"no precision '{self.precision}'", hint=f"give {', '.join(get_args(Precision))}"
            )
        if self.size.width % self.stride or self.size.height % self.stride:
            step = self.stride
            width, height = (max(step, step * round(side / step)) for side in _sides(self.size))
            raise TatamiError(
                f"input size {self.size} is not a multiple of the stride, {step}",
                hint=f"give sides that divide by {step}, as {width}x{height}",
            )

    def learning_rate_at(self, step: int, steps_an_epoch: int) -> float:
        """Linear warm-up, then half a cosine (Loshchilov and Hutter 2017) down to 1 %."""
        warmup = self.warmup_epochs * steps_an_epoch
        if step < warmup:
            return min(self.learning_rate, self.learning_rate * (step + 1) / warmup)
        total = self.epochs * steps_an_epoch
        progress = (step - warmup) / max(1.0, total - warmup)
        return self.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress)))

    def to_json(self) -> dict[str, Any]:
        """Plain values; the size as ``416x320``."""
        lists = {"freeze": list(self.freeze), "class_weights": list(self.class_weights)}
        return dataclasses.asdict(self) | {"size": str(self.size), **lists}

    @staticmethod
    def from_json(values: dict[str, Any], file: Path | None = None) -> Recipe:
        """The inverse of to_json; missing keys keep their defaults. Raises TatamiError."""
        known = {field.name: field.default for field in dataclasses.fields(Recipe)}
        for name, value in values.items():
            if name not in known:
                raise TatamiError(
                    f"unknown key '{name}' in the recipe", file=file, hint=f"known: {sorted(known)}"
                )
            wanted = {"size": str, "freeze": list, "class_weights": list}.get(
                name, type(known[name])
            )
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
        weights = values.get("class_weights", [])
        if not all(type(weight) in (int, float) for weight in weights):
            raise TatamiError(
                "recipe key 'class_weights' is not a list of numbers",
                file=file,
                hint="give numbers",
            )
        parsed: dict[str, Any] = {
            "freeze": tuple(values.get("freeze", ())),
            "class_weights": tuple(float(weight) for weight in weights),
        }
        if "size" in values:
            parsed["size"] = Size.parse(values["size"])
        return Recipe(**{**values, **parsed})


def _sides(size: Size) -> tuple[int, int]:
    return size.width, size.height
