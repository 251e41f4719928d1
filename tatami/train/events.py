"""TensorBoard's event files, written without TensorBoard: a record for every row of a log.

A record is its length in 8 bytes, the masked CRC-32C of those, an Event of TensorFlow's event.proto
as a protocol buffer, and the masked CRC-32C of that, all little-endian.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

_POLYNOMIAL = 0x82F63B78
"""Castagnoli's, with its bits reversed."""


def _table() -> tuple[int, ...]:
    """Give the CRC-32C of every byte."""
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (_POLYNOMIAL if value & 1 else 0)
        table.append(value)
    return tuple(table)


_TABLE = _table()


def crc32c(content: bytes) -> int:
    """Give the CRC-32C of some bytes.

    Source: RFC 3720, appendix B.4.
    """
    crc = 0xFFFFFFFF
    for byte in content:
        crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def record(content: bytes) -> bytes:
    """Frame the bytes of an event as a record."""
    length = struct.pack("<Q", len(content))
    return length + _masked(length) + content + _masked(content)


def _masked(content: bytes) -> bytes:
    crc = crc32c(content)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def _varint(value: int) -> bytes:
    """Write a number from 0 on, seven bits a byte, the lowest first."""
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*parts, value))


def _bytes(field: int, content: bytes) -> bytes:
    """Write a field of text or of a message."""
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _event(step: int, content: bytes) -> bytes:
    """Write an Event: when (field 1), the step (field 2), and what happened."""
    return b"\x09" + struct.pack("<d", time.time()) + b"\x10" + _varint(step) + content


def _scalars(row: Mapping[str, float]) -> bytes:
    """Write a Summary (field 5) with a Value for each number: its tag (1) and itself (2)."""
    values = (
        _bytes(1, _bytes(1, tag.encode()) + b"\x15" + struct.pack("<f", value))
        for tag, value in row.items()
    )
    return _bytes(5, b"".join(values))


class EventFile:
    """An event file of its own for each start of a training; TensorBoard reads them in turn.

    Args:
        folder: Holds the event files of one training.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        number = len([*folder.glob("events.out.tfevents.*")])
        path = folder / f"events.out.tfevents.{int(time.time()):010d}.tatami.{number:04d}"
        self.file = path.open("xb")
        self.begun = False
        self._write(_event(0, _bytes(3, b"brain.Event:2")))

    def add(self, step: int, row: Mapping[str, float]) -> None:
        """Write the numbers of a step.

        Args:
            step: Its number. The first one makes TensorBoard forget that step and all later ones of
                earlier files: a resumed training makes them again.
            row: Each number under its tag.
        """
        if not self.begun:
            self.begun = True
            self._write(_event(step, _bytes(7, b"\x08\x01")))  # SessionLog: START
        self._write(_event(step, _scalars(row)))

    def _write(self, event: bytes) -> None:
        self.file.write(record(event))
        self.file.flush()

    def __enter__(self) -> EventFile:
        """Begin."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file."""
        self.file.close()
