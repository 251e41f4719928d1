"""How a task's networks are trained unless told otherwise: as in their papers, or as today."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tatami.train.recipe import Recipe


@dataclass(frozen=True)
class Style:
    """Say how to train where nothing else is said.

    Args:
        recipe: The numbers of training.
        settings: Those of the task, by name: what they say where a training leaves it open (None).
        augment: What is varied otherwise than the task does, as typed: ``flip=0``.
    """

    recipe: Recipe = Recipe()
    settings: Mapping[str, Any] = field(default_factory=dict)
    augment: tuple[str, ...] = ()

    def completed(self, settings: Any) -> Any:
        """Decide what the settings of a training leave open."""
        left_open = {
            name: value for name, value in self.settings.items() if getattr(settings, name) is None
        }
        return replace(settings, **left_open)
