"""A mistake in a picture, whatever the task: what the studio chooses and counts them by."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mistake:
    """One thing that is wrong in a picture.

    Args:
        kind: One of KINDS of evaluate/mistakes.py.
        label: Its class: of what is missed the labeled one, of anything else the found one.
        side: How large it is in the picture: the square root of its area, in pixels.
        score: Of what was found; 1 for what is missed, which is worse than any doubt.
    """

    kind: str
    label: int
    side: float
    score: float
