"""Which layers learn, and how fast: frozen parts, layer-wise rates, weight decay."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from tatami.errors import TatamiError
from tatami.train.recipe import Recipe


def freeze(model: nn.Module, prefixes: Sequence[str]) -> None:
    """Leave the weights whose names begin with one of these parts, and their statistics, alone.

    Raises:
        TatamiError: For a part that names nothing, and where nothing is left to learn.
    """
    for prefix in prefixes:
        named = [p for name, p in model.named_parameters() if _within(name, prefix)]
        if not named:
            parts = ", ".join(name for name, _ in model.named_children())
            raise TatamiError(f"no weight's name begins with '{prefix}'", hint=f"there are {parts}")
        for parameter in named:
            parameter.requires_grad_(False)
        for name, module in model.named_modules():
            if _within(name, prefix):
                module.eval()
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise TatamiError("every weight is frozen", hint="freeze fewer layers", setting="freeze")


def _within(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(f"{prefix}.")


def parameter_groups(model: nn.Module, recipe: Recipe) -> list[dict[str, Any]]:
    """Group a model's parameters by their weight decay and their share of the learning rate.

    Weight decay pulls on the weights of layers only: they alone have more than one dimension. The
    share is by the layers that come after; a normalization and a bias belong to the layer before
    them.

    Returns:
        The groups as torch's optimizers take them, each with a "share" besides.
    """
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    parameters = list(model.parameters())
    after = sum(p.ndim > 1 for p in parameters)
    for parameter in parameters:
        is_layer = parameter.ndim > 1
        after -= is_layer
        if parameter.requires_grad:
            groups.setdefault((recipe.layer_rate**after, is_layer), []).append(parameter)
    return [
        {"params": members, "share": share, "weight_decay": recipe.weight_decay if layer else 0.0}
        for (share, layer), members in groups.items()
    ]
