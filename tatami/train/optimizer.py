"""The optimizers of training, and what a checkpoint keeps of them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tatami.train.checkpoint import Checkpoint
from tatami.train.layers import parameter_groups
from tatami.train.recipe import Recipe

KEPT = {
    "momentum_buffer": "momentum",
    "exp_avg": "mean",
    "exp_avg_sq": "square",
    "step": "count",
}
"""What torch's optimizers remember of a parameter, and its part of a checkpoint."""
SQUARE_DECAY = 0.999
"""AdamW's beta_2."""


def optimizer_of(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """Make the optimizer that a recipe names; the loop sets its rates."""
    groups = parameter_groups(model, recipe)
    if recipe.optimizer == "adamw":
        # One pass over the numbers where a processor would make six: a third of the time.
        fused = next(model.parameters()).device.type == "cpu" or None
        betas = (recipe.momentum, SQUARE_DECAY)
        return torch.optim.AdamW(groups, lr=0.0, betas=betas, fused=fused)
    return torch.optim.SGD(groups, lr=0.0, momentum=recipe.momentum)


def state_of(optimizer: torch.optim.Optimizer, model: nn.Module) -> dict[str, Tensor]:
    """Name what an optimizer remembers, as a checkpoint keeps it."""
    names: dict[Tensor, str] = {parameter: name for name, parameter in model.named_parameters()}
    return {
        f"{KEPT[what]}.{names[parameter]}": value
        for parameter, state in optimizer.state.items()
        for what, value in state.items()
    }


def fill(optimizer: torch.optim.Optimizer, model: nn.Module, latest: Checkpoint) -> None:
    """Give an optimizer back what it remembered at a checkpoint."""
    for what, part in KEPT.items():
        kept = latest.part(part)
        for name, parameter in model.named_parameters():
            if name not in kept:
                continue
            value = kept[name]
            if value.shape == parameter.shape:  # in the parameter's layout
                value = torch.empty_like(parameter).copy_(value)
            optimizer.state[parameter][what] = value
