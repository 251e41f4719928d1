"""The networks: one paper, one file; table.py says which there are.

Their modules need torch. ``tatami.models.resnet`` is imported when it is first asked for, so that
the table can be read without torch.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any


def __getattr__(name: str) -> Any:
    """Import a module of this package when it is first asked for."""
    if name.startswith("_") or find_spec(f"{__name__}.{name}") is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return import_module(f"{__name__}.{name}")
