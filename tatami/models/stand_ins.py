"""Other functions in the place of some of blocks.py's, while a network is written down.

A network that is exported or counted runs once, on no picture. Where a function of blocks.py is one
operator of ONNX, but not one of torch's, whoever writes it down lets that operator stand for it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from torch import Tensor

from tatami.errors import TatamiError
from tatami.models import blocks


@contextlib.contextmanager
def replaced(functions: Mapping[str, Callable[..., Any]]) -> Iterator[None]:
    """Let others stand for functions of blocks.py for a while; uneven bins are refused.

    Args:
        functions: What stands for each, by its name there.
    """
    before = {name: getattr(blocks, name) for name in (*functions, "uneven_bins")}
    try:
        for name, function in {"uneven_bins": _refuse, **functions}.items():
            setattr(blocks, name, function)
        yield
    finally:
        for name, function in before.items():
            setattr(blocks, name, function)


def _refuse(x: Tensor, rows: int, columns: int, pool: Callable[..., Tensor]) -> Tensor:
    """Uneven bins are no operator of ONNX."""
    height, width = x.shape[2:]
    raise TatamiError(
        f"a map of {width}x{height} does not fall into {columns}x{rows} bins of one size",
        hint="give an input of another size, as the one of the paper",
    )
