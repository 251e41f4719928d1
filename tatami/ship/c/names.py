"""Names in C: of what is made of a file's name, and which are taken."""

from __future__ import annotations

import re

from tatami.errors import TatamiError

_HEADERS = ("ctype", "errno", "limits", "main", "math", "proof", "stddef", "stdint", "stdio")
_TAKEN = (*_HEADERS, "stdlib", "string", "time", "pthread")


def c_name(text: str) -> str:
    """Make a C name of a file's name: ``YOLO tiny-2`` becomes ``yolo_tiny_2``."""
    name = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_") or "net"
    name = f"net_{name}" if name[0].isdigit() or name in _TAKEN else name
    return name[:40].rstrip("_")


def check_name(name: str) -> None:
    """Check what shall begin every C name and file name of a network.

    Raises:
        TatamiError: For what is not a C identifier, or is taken by the C library.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,39}", name) or name in _TAKEN:
        raise TatamiError(
            f"'{name}' cannot begin the names of a C program",
            hint="give a small letter, then letters, digits and _, not a C header's name",
        )
