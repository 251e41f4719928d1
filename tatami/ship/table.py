"""The table of back ends."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tatami.errors import TatamiError
from tatami.ship.backend import Backend
from tatami.ship.c.backend import C
from tatami.ship.rtl.backend import Rtl
from tatami.ship.wasm.backend import Wasm

BACKENDS: Mapping[str, Backend[Any, Any]] = {"c": C(), "rtl": Rtl(), "wasm": Wasm()}
"""What can be shipped to, by name."""


def backend_named(name: str) -> Backend[Any, Any]:
    """Find a back end.

    Raises:
        TatamiError: For a name that there is not.
    """
    if name not in BACKENDS:
        raise TatamiError(
            f"nothing ships to '{name}'", hint=f"give one of {', '.join(BACKENDS)}", setting="to"
        )
    return BACKENDS[name]


def backend_of(folder: Path) -> Backend[Any, Any] | None:
    """Find the back end that wrote a folder; None where none did."""
    return next((each for each in BACKENDS.values() if each.wrote(folder)), None)
