"""What the emitters of C share: the files of kernels/ and their names, banners and strings."""

from __future__ import annotations

import re
from importlib.resources import files

from tatami import __version__


def renamed(source: str, name: str) -> str:
    """kernels/ and the operators say ``net``; a shipped folder says the network's own name."""
    own = re.sub(r"(?<![A-Za-z0-9])net(?=_|\.[hc]\b)", name, source)
    return re.sub(r"\bNET_", f"{name.upper()}_", own)


def text(file: str) -> str:
    """A file of kernels/, as it is."""
    return files("tatami.ship.c").joinpath("kernels", file).read_text(encoding="utf-8")


def kernel(file: str, name: str) -> str:
    """A file of kernels/, with the network's own name."""
    return renamed(text(file), name)


def banner() -> str:
    """The first line of every file."""
    return f"/* Written by tatami {__version__}; ship the network again instead of editing. */\n"


def c_string(text: str) -> str:
    """A C string of UTF-8 bytes; whatever is not plain ASCII as octal escapes."""
    plain = set(range(32, 127)) - {ord('"'), ord("\\"), ord("?")}  # "?": no trigraphs
    return '"' + "".join(chr(b) if b in plain else f"\\{b:03o}" for b in text.encode()) + '"'
