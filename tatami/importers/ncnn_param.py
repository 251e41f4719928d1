"""ncnn's .param text: a layer a line, with its numbered parameters.

    7767517
    <layers> <blobs>
    <type> <name> <bottoms> <tops> <bottom>... <top>... <id>=<value> <-23300 - id>=<n>,<value>...

ncnn keeps a value with a point or an exponent as float32 and any other as int32, and never
converts: a whole number where a real one is meant is its bits (1077936128 is 3.0).
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from pathlib import Path

from tatami.errors import TatamiError
from tatami.files import read_text

MAGIC = "7767517"
MAX_BYTES = 1 << 22
"""The largest text that is read."""
ARRAY = -23300
HINTS = (30, 31)
"""Shapes of blobs and switches of speed-ups: they change no result."""

AGAIN = "copy the file again"

_INTEGER = re.compile(r"-?[0-9]{1,10}", re.ASCII)
_REAL = re.compile(r"-?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?", re.ASCII)


@dataclass(frozen=True)
class Layer:
    """One layer of the file.

    Args:
        type: Its type.
        name: Its name.
        bottoms: The blobs that it reads.
        tops: The blobs that it makes.
        parameters: Each id's values as written; those of an array (id <= -23300) by its plain id.
        arrays: The ids of arrays.
        file: The .param file.
        line: Its line.
    """

    type: str
    name: str
    bottoms: tuple[str, ...]
    tops: tuple[str, ...]
    parameters: dict[int, tuple[str, ...]]
    arrays: frozenset[int]
    file: Path
    line: int

    def wrong(self, reason: str, hint: str = "convert the network again") -> TatamiError:
        """Make an error at this layer's line."""
        return TatamiError(
            f"layer '{self.name}' {reason}", hint=hint, file=self.file, line=self.line
        )

    def allow(self, *ids: int) -> None:
        """Check that only these parameters are given.

        Raises:
            TatamiError: For the first other one.
        """
        for identity, values in self.parameters.items():
            if identity not in (*ids, *HINTS):
                raise self.wrong(
                    f"of type {self.type} has a parameter {identity}={','.join(values)}, which "
                    "Tatami does not know",
                    "bring the network by way of ONNX",
                )

    def integer(self, identity: int, default: int) -> int:
        """Read a whole number; ``default`` where it is left out."""
        value = self._one(identity)
        return default if value is None else self._integer(identity, value)

    def real(self, identity: int, default: float) -> float:
        """Read a real number; ``default`` where it is left out."""
        value = self._one(identity)
        return default if value is None else self._real(identity, value)

    def reals(self, identity: int) -> list[float]:
        """Read an array; empty where the file has none."""
        if identity in self.parameters and identity not in self.arrays:
            raise self.wrong(f"has one number as its parameter {identity}, not an array")
        return [self._real(identity, value) for value in self.parameters.get(identity, ())]

    def integers(self, identity: int) -> list[int]:
        """Read an array of whole numbers; empty where the file has none."""
        if identity in self.parameters and identity not in self.arrays:
            raise self.wrong(f"has one number as its parameter {identity}, not an array")
        return [self._integer(identity, value) for value in self.parameters.get(identity, ())]

    def _one(self, identity: int) -> str | None:
        if identity in self.arrays:
            raise self.wrong(f"has an array as its parameter {identity}, not one number")
        values = self.parameters.get(identity)
        return None if values is None else values[0]

    def _integer(self, identity: int, value: str) -> int:
        number = int(value) if _INTEGER.fullmatch(value) else None
        if number is None or not -(2**31) <= number < 2**31:
            raise self.wrong(f"says {identity}={value}, not a whole number of 32 bits")
        return number

    def _real(self, identity: int, value: str) -> float:
        if _INTEGER.fullmatch(value):
            bits = struct.pack("<i", self._integer(identity, value))
            number: float = struct.unpack("<f", bits)[0]
        else:
            number = float(value) if _REAL.fullmatch(value) else float("nan")
        if not abs(number) < 3e38:
            raise self.wrong(f"says {identity}={value}, not a number")
        return number


def parse_param(path: Path) -> list[Layer]:
    """Read every layer in order.

    Raises:
        TatamiError: For a file that is not one; it names the line.
        OSError: Where it cannot be opened.
    """
    lines = read_text(path, MAX_BYTES, "give ncnn's .param in text, and the .bin after it").split(
        "\n"
    )
    if lines[0].strip() != MAGIC:
        raise TatamiError(
            f"the first line is '{lines[0].strip()[:40]}', not {MAGIC}",
            hint="give ncnn's .param in text, of 2017 or later",
            file=path,
            line=1,
        )
    counts = lines[1].split() if len(lines) > 1 else []
    if len(counts) != 2 or not all(_INTEGER.fullmatch(count) for count in counts):
        raise TatamiError(
            "the second line does not hold the numbers of layers and blobs",
            hint=AGAIN,
            file=path,
            line=2,
        )
    layers = [
        _layer(path, number, line.split())
        for number, line in enumerate(lines[2:], start=3)
        if line.strip()
    ]
    found = (len(layers), sum(len(layer.tops) for layer in layers))
    for kind, count, said in zip(("layers", "blobs"), found, map(int, counts), strict=True):
        if count != said:
            raise TatamiError(
                f"the file has {count} {kind}, where its second line says {said}",
                hint=f"{AGAIN}, or correct the second line",
                file=path,
                line=2,
            )
    return layers


def _layer(path: Path, number: int, words: list[str]) -> Layer:
    def wrong(reason: str) -> TatamiError:
        return TatamiError(reason, hint=AGAIN, file=path, line=number)

    if len(words) < 4 or not all(re.fullmatch("[0-9]{1,6}", word) for word in words[2:4]):
        raise wrong("the line is not: type, name, number of bottoms, number of tops, ...")
    bottoms, tops = int(words[2]), int(words[3])
    names, rest = words[4 : 4 + bottoms + tops], words[4 + bottoms + tops :]
    if len(names) < bottoms + tops or any("=" in name for name in names):
        raise wrong(
            f"layer '{words[1]}' names fewer blobs than its {bottoms} bottoms and {tops} tops"
        )
    parameters: dict[int, tuple[str, ...]] = {}
    arrays: set[int] = set()
    for word in rest:
        identity, equals, value = word.partition("=")
        if not equals or not _INTEGER.fullmatch(identity):
            raise wrong(f"layer '{words[1]}' says '{word[:40]}', which is not a parameter")
        key, values = int(identity), value.split(",")
        if key <= ARRAY:
            key = ARRAY - key
            arrays.add(key)
            count, *values = values
            if not _INTEGER.fullmatch(count) or int(count) != len(values):
                raise wrong(
                    f"layer '{words[1]}' has an array {identity} of {len(values)} numbers, "
                    f"where it says '{count[:40]}'"
                )
        elif len(values) != 1:
            raise wrong(f"layer '{words[1]}' says '{word[:40]}', which is not a parameter")
        if key in parameters:
            raise wrong(f"layer '{words[1]}' says its parameter {key} twice")
        parameters[key] = tuple(values)
    return Layer(
        words[0],
        words[1],
        tuple(names[:bottoms]),
        tuple(names[bottoms:]),
        parameters,
        frozenset(arrays),
        path,
        number,
    )
