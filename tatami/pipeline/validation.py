"""The pictures by which the best weights of a training are chosen: never those of its test split.

They are named as a split of the set, or as a part of what is learned from: ``0.1``, a tenth of each
class, or ``200``, a number of pictures; ``0.1:SEED`` is drawn by another seed.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from tatami.errors import TatamiError
from tatami.tasks.base import Task

USUAL = "0.1"
"""The part that validates where patience is asked for and nothing is named."""
NAMES = ("val", "valid", "validation", "dev")
"""What sets call the split that is made for it."""
_PART = re.compile(r"(0?\.\d{1,9}|\d{1,9})(?::(\d{1,9}))?", re.ASCII)


def is_part(rule: str) -> bool:
    """Say whether a rule means a part of what is learned from, and not a split."""
    return _PART.fullmatch(rule) is not None


def parted(task: Task[Any, Any, Any], data: Any, rule: str) -> tuple[Any, Any]:
    """Part a split in what is learned from and what validates, both in its order.

    Args:
        task: The task of the data.
        data: The split.
        rule: Which part validates, as "0.1", "200" or "0.1:SEED".

    Returns:
        The rest, and the pictures that validate.

    Raises:
        TatamiError: Where one of the two would be empty.
    """
    try:
        rest, validates = task.hold_out(data, rule)
    except TatamiError as error:
        raise TatamiError(
            error.reason, hint=error.hint, file=error.file, setting="validate"
        ) from error
    return rest, validates


def rule_for(
    asked: str | None, patience: int, splits: Collection[str], learned: str, test: str | None
) -> str | None:
    """Decide what validates: what was asked for, else, for patience, the split made for it.

    Args:
        asked: The rule that was asked for, if any.
        patience: Whether one is needed: not where it is 0.
        splits: The splits of the set.
        learned: The split that is learned from.
        test: The split that is evaluated on at the end, if there is one.

    Returns:
        The rule; None: nothing validates.

    Raises:
        TatamiError: Where what is learned from was asked for.
    """
    if asked is not None:
        if asked == learned:
            raise TatamiError(
                f"split {asked} is what is learned from",
                hint="give another split, or a part of it, as 0.1",
                setting="validate",
            )
        return asked
    if not patience:
        return None
    own = [name for name in splits if name in NAMES and name not in (learned, test)]
    # Those of trainval would be learned from.
    return own[0] if len(own) == 1 and not learned.startswith("trainval") else USUAL


def named(rule: str, learned: str) -> str:
    """Say in words which pictures validate.

    Args:
        rule: The rule.
        learned: The split that is learned from.
    """
    return f"{rule} of {learned}" if is_part(rule) else rule
