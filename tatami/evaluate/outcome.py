"""How a rule of matching judges the detections of a pool: right, wrong, or neither."""

from __future__ import annotations

from dataclasses import dataclass

from tatami.types import Bool


@dataclass(frozen=True)
class Outcome:
    """The rows of a pool with n truths and m detections, judged.

    Args:
        hit: (m,) bool, which detections found a truth.
        counted: (m,) bool, which are right or wrong; the others count neither way, as what goes to
            a difficult truth.
        to_find: (n,) bool, the truths that are to be found.
    """

    hit: Bool
    counted: Bool
    to_find: Bool
