"""What the emitters of C share: the files of kernels/ and their names, comments and numbers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tatami import __version__
from tatami.ship.c.operator import Options, double_number, integer_number, number
from tatami.ship.c.targets import Target


def renamed(source: str, name: str) -> str:
    """Give a text the network's own name: kernels/ and the operators say ``net``.

    ``net_x`` and ``net.h`` become ``name_x`` and ``name.h``, ``NET_X`` and ``-DNET_X`` become
    ``NAME_X`` and ``-DNAME_X``.
    """
    own = re.sub(r"(?<![A-Za-z0-9])net(?=_|\.[hc]\b)", name, source)
    return re.sub(r"(?:\b|(?<=-D))NET_", f"{name.upper()}_", own)


def text(file: str) -> str:
    """Read a file of kernels/, as it is."""
    return files("tatami.ship.c").joinpath("kernels", file).read_text(encoding="utf-8")


def kernel(file: str, name: str) -> str:
    """Read a file of kernels/, with the network's own name."""
    return renamed(text(file), name)


def filled(template: str, **parts: str) -> str:
    """Put texts in the places of a template that ``@key@`` marks."""
    for key, part in parts.items():
        template = template.replace(f"@{key}@", part)
    return template


def banner() -> str:
    """Write the first line of every file."""
    return f"/* Written by tatami {__version__}; ship the network again instead of editing. */\n"


def beginning(options: Options, target: Target) -> str:
    """Write what the compiler must know before all else: kernels/beginning.c."""
    kinds = {
        "X86": any(variant.startswith("avx") for variant in target.variants),
        "NEON": "neon" in target.variants,
        "DOTPROD": "dotprod" in target.variants,
        "DSP": "dsp" in target.variants,
        "SIMD128": "simd128" in target.variants,
    }
    return filled(
        text("beginning.c"),
        threads=str(options.threads),
        alignment=str(target.alignment),
        written_for="\n".join(f"#define NET_FOR_{key} {int(yes)}" for key, yes in kinds.items()),
    )


def defines(values: Mapping[str, object]) -> str:
    """Write macros, a line each, under kernels' own names."""
    return "\n".join(f"#define NET_{key} {value}" for key, value in values.items())


def c_string(text: str) -> str:
    """Write a C string of UTF-8 bytes; whatever is not plain ASCII as octal escapes."""
    plain = set(range(32, 127)) - {ord('"'), ord("\\"), ord("?")}  # "?": no trigraphs
    return '"' + "".join(chr(b) if b in plain else f"\\{b:03o}" for b in text.encode()) + '"'


def in_comment(text: str) -> str:
    """Make a text safe within a C comment: it can neither end it nor begin another."""
    plain = "".join(letter if letter.isprintable() else "?" for letter in text)
    plain = plain.replace("*", "?").replace("\\", "?")
    return plain.encode("ascii", "replace").decode()


def number_lines(numbers: NDArray[Any]) -> list[str]:
    """Write the numbers of an array, in lines for between the braces.

    A float32 has decimal digits enough to be read back as the same.
    """
    if numbers.dtype == np.float32:
        texts = [number(value) for value in numbers.tolist()]
    elif numbers.dtype == np.float64:
        texts = [double_number(value) for value in numbers.tolist()]
    else:
        texts = [integer_number(int(value), numbers.dtype.name) for value in numbers.tolist()]
    width = 12 if numbers.dtype.itemsize >= 4 else 24
    return ["    " + ",".join(texts[i : i + width]) + "," for i in range(0, len(texts), width)]
