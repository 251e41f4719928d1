"""How a task's networks are trained unless told otherwise: as in their papers, or as today."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tatami.models.table import Model
from tatami.train.recipe import Recipe


@dataclass(frozen=True)
class Style:
    """Say how to train where nothing else is said.

    Args:
        recipe: The numbers of training.
        settings: Those of the task, by name: what they say where a training leaves it open (None).
        augment: What is varied otherwise than the task does, as "mosaic=1".
    """

    recipe: Recipe = Recipe()
    settings: Mapping[str, Any] = field(default_factory=dict)
    augment: tuple[str, ...] = ()

    def completed(self, settings: Any, model: Model[Any]) -> Any:
        """Decide what the settings of a training leave open, as far as the network has it."""
        left_open = {
            name: value
            for name, value in self.settings.items()
            if getattr(settings, name) is None and (name != "loss" or model.alignable)
        }
        return replace(settings, **left_open) if left_open else settings
