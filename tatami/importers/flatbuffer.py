"""Read flatbuffers and flexbuffers, every offset checked against the file.

A flatbuffer is tables that point to one another: a table begins with the distance back to its
vtable, which says for each field, by its index in the schema, how far into the table it lies, or 0
where it is left out. Whatever the bytes are, reading gives values from within the file or raises
TatamiError; nothing is copied that the file does not hold.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tatami.errors import TatamiError

Integer = Literal["int8", "uint8", "int32", "uint32", "uint64"]
_CODES = {"int8": "<b", "uint8": "<B", "int32": "<i", "uint32": "<I", "uint64": "<Q"}

MAX_NAME = 1000
"""Many tables may share one name, and each gets a copy."""


def root(data: bytes, identifier: bytes) -> Table:
    """Give the table that a file begins with.

    Args:
        data: The file.
        identifier: The four bytes that say what the file is.

    Raises:
        TatamiError: For another file.
    """
    if data[4:8] != identifier:
        raise TatamiError(
            f"the file does not say {identifier.decode('ascii')} in bytes 4 to 8",
            hint="give a file of that format",
        )
    return Table(data, _unpack("<I", data, 0))


@dataclass(frozen=True, eq=False)
class Table:
    """A table of a flatbuffer; a field is read by its index in the schema and by its kind.

    Args:
        data: The file.
        at: The byte where it begins.
    """

    data: bytes
    at: int

    def integer(self, field: int, kind: Integer, default: int = 0) -> int:
        """Read a whole number; ``default`` where it is left out."""
        place = self._place(field)
        return default if place is None else int(_unpack(_CODES[kind], self.data, place))

    def flag(self, field: int) -> bool:
        """Read a bool; False where it is left out."""
        return self.integer(field, "uint8") != 0

    def real(self, field: int, default: float = 0.0) -> float:
        """Read a float32; ``default`` where it is left out."""
        place = self._place(field)
        return default if place is None else float(_unpack("<f", self.data, place))

    def table(self, field: int) -> Table | None:
        """Read a table; None where it is left out."""
        place = self._place(field)
        return None if place is None else Table(self.data, self._target(place))

    def tables(self, field: int, limit: int) -> list[Table]:
        """Read a vector of tables.

        Raises:
            TatamiError: For more than ``limit`` of them.
        """
        start, count = self._vector(field, 4)
        if count > limit:
            raise TatamiError(
                f"the file lists {count} things, more than {limit}",
                hint="give a smaller one",
            )
        places = range(start, start + 4 * count, 4)
        return [Table(self.data, self._target(place)) for place in places]

    def numbers(self, field: int, kind: str) -> NDArray[Any]:
        """Read a vector of numbers, (n,), read only; none where it is left out.

        Args:
            field: The field's index.
            kind: NumPy's name of the numbers.
        """
        dtype = np.dtype(kind).newbyteorder("<")
        start, count = self._vector(field, dtype.itemsize)
        return np.frombuffer(self.data, dtype, count, start) if count else np.zeros(0, dtype)

    def text(self, field: int) -> str:
        """Read a name, as far as it is UTF-8, up to MAX_NAME of it; empty where it is left out."""
        start, count = self._vector(field, 1)
        return self.data[start : start + min(count, MAX_NAME)].decode(errors="ignore")

    def _place(self, field: int) -> int | None:
        """Find where a field lies; None where the file leaves it out."""
        vtable = self.at - int(_unpack("<i", self.data, self.at))
        size = int(_unpack("<H", self.data, vtable))
        entry = 4 + 2 * field
        if entry + 2 > size:
            return None
        offset = int(_unpack("<H", self.data, vtable + entry))
        return self.at + offset if offset else None

    def _target(self, place: int) -> int:
        return place + int(_unpack("<I", self.data, place))

    def _vector(self, field: int, width: int) -> tuple[int, int]:
        """Find where a vector's elements of ``width`` bytes begin, and how many there are."""
        place = self._place(field)
        if place is None:
            return 0, 0
        target = self._target(place)
        count = int(_unpack("<I", self.data, target))
        if target + 4 + width * count > len(self.data):
            raise _damaged("a vector that ends outside it")
        return target + 4, count


def flexbuffer_map(data: bytes) -> dict[str, float]:
    """Read the numbers of a flexbuffer whose root is a map, by key; what is no number is left out.

    A flexbuffer is read from its end: the root's width in bytes, its kind, and before them where it
    lies. A map is values and their kinds, and before them, backwards, their count, the width of the
    keys and how far back those lie, sorted.
    """
    if len(data) < 3:
        raise _damaged("options that are cut short")
    width, kind = data[-1], data[-2]
    if kind >> 2 != 9:
        raise _damaged("options that are no map")
    at = _back(data, len(data) - 2 - width, width)
    width = 1 << (kind & 3)
    count = _unsigned(data, at - width, width)
    if count * (width + 1) > len(data):
        raise _damaged("a map that ends outside it")
    keys = _back(data, at - 3 * width, width)
    key_width = _unsigned(data, at - 2 * width, width)
    result = {}
    for index in range(count):
        start = _back(data, keys + index * key_width, key_width)
        end = data.find(b"\0", start, start + 256)
        if end < 0:
            raise _damaged("a key without an end")
        place = at + index * width
        value = _number(data, place, width, _unsigned(data, at + count * width + index, 1))
        if value is not None:
            result[data[start:end].decode("latin-1")] = value
    return result


_SIGNED = {1: "<b", 2: "<h", 4: "<i", 8: "<q"}
_UNSIGNED = {1: "<B", 2: "<H", 4: "<I", 8: "<Q"}
_REALS = {2: "<e", 4: "<f", 8: "<d"}
_FLEX = {
    **{1: _SIGNED, 2: _UNSIGNED, 3: _REALS, 26: _UNSIGNED},  # 26: true or false
    **{6: _SIGNED, 7: _UNSIGNED, 8: _REALS},  # indirect
}
"""Codes of struct, by a flexbuffer's kind and width."""


def _number(data: bytes, place: int, width: int, kind: int) -> float | None:
    """Read a number of a flexbuffer: in its place or, of the kinds called indirect, elsewhere."""
    if kind >> 2 in (6, 7, 8):
        place, width = _back(data, place, width), 1 << (kind & 3)
    code = _FLEX.get(kind >> 2, {})
    return _unpack(code[width], data, place) if width in code else None


def _back(data: bytes, place: int, width: int) -> int:
    """Find where an offset of a flexbuffer leads: they all point backwards."""
    target = place - _unsigned(data, place, width)
    if target < 0:
        raise _damaged("an offset that leads outside it")
    return target


def _unsigned(data: bytes, place: int, width: int) -> int:
    if width not in (1, 2, 4, 8) or place < 0 or place + width > len(data):
        raise _damaged("an offset that leads outside it")
    return int.from_bytes(data[place : place + width], "little")


def _unpack(code: str, data: bytes, place: int) -> Any:
    if place < 0 or place + struct.calcsize(code) > len(data):
        raise _damaged("an offset that leads outside it")
    return struct.unpack_from(code, data, place)[0]


def _damaged(what: str) -> TatamiError:
    return TatamiError(f"the file holds {what}: it is damaged", hint="copy it again")
