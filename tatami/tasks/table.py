"""The tasks that there are. A new one is a file of its own and a row here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tatami.data.open import kind_of
from tatami.errors import TatamiError
from tatami.tasks.base import Task
from tatami.tasks.classification import CLASSIFICATION
from tatami.tasks.detection import DETECTION
from tatami.tasks.generation import GENERATION
from tatami.tasks.matching import MATCHING
from tatami.tasks.recognition import RECOGNITION
from tatami.tasks.segmentation import SEGMENTATION
from tatami.tasks.series import SERIES_CLASSIFICATION
from tatami.tasks.translation import TRANSLATION
from tatami.types import Spec

TASKS: tuple[Task[Any, Any, Any], ...] = (
    DETECTION,
    CLASSIFICATION,
    SEGMENTATION,
    RECOGNITION,
    SERIES_CLASSIFICATION,
    MATCHING,
    GENERATION,
    TRANSLATION,
)
"""Every task."""


def task_of(spec: Spec) -> Task[Any, Any, Any]:
    """Find the task of a network by its spec."""
    for task in TASKS:
        if type(spec) in task.specs:
            return task
    raise TatamiError(
        f"no task has a {type(spec).__name__}", hint=f"the tasks are {', '.join(_names())}"
    )


def task_named(name: str) -> Task[Any, Any, Any]:
    """Find a task by its name, as "detect".

    Raises:
        TatamiError: Where there is none of this name.
    """
    for task in TASKS:
        if task.name == name:
            return task
    raise TatamiError(f"no task '{name}'", hint=f"the tasks are {', '.join(_names())}")


def task_of_data(root: Path, format: str | None = None) -> Task[Any, Any, Any]:
    """Find the task that a labeled set is for, by its format or by what lies in it.

    Args:
        root: The set's folder, or the file that describes it.
        format: The name of its format; None: it is recognized.

    Raises:
        TatamiError: For a set that is not there or of no format, and for a format that is not.
    """
    labels = kind_of(root, format)
    return next(task for task in TASKS if task.labels == labels)


def _names() -> list[str]:
    return [task.name for task in TASKS]
