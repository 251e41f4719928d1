"""What a row of this folder says of its operator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from tatami.ship.c.general.nest import General

Emit = Callable[[General], str]


def _nothing(general: General) -> dict[str, NDArray[Any]]:
    return {}


def _none(general: General) -> int:
    return 0


@dataclass(frozen=True)
class Loops:
    """Hold how an operator is written in C.

    Args:
        emit: Writes it as statements of C, on a0, a1, ... (its inputs) and y (its result), each a
            pointer of the right type.
        in_place: Whether y may be an input that has its samples in the same places.
        kernels: Files of kernels/ that it calls, without ".c"; of a node, where they differ.
        scratch: Bytes of the arena that it needs for itself, at ``General.scratch``.
        constants: Arrays that it reads beside values, by its own names for them.
    """

    emit: Emit
    in_place: bool = False
    kernels: tuple[str, ...] | Callable[[General], tuple[str, ...]] = ()
    scratch: Callable[[General], int] = _none
    constants: Callable[[General], Mapping[str, NDArray[Any]]] = _nothing
