"""What the engine is told: commands of 32-bit words, field by field.

**Streams.** tatami_core.v has four, each with valid and ready, of ``BUS`` bytes a beat but the
first:

- ``c``: commands, a word a beat. A header has the operation in bits 7 to 0, the number of words
  that follow in bits 15 to 8 and the flags. Commands are done in order; while the engines work
  the next one is taken in already.
- ``w``: constants, rows of ``LANES`` x 36 bytes in the order in which layers use them, tile by
  tile. A tile is ``LANES`` output channels. Its first row has 16 bytes a lane: what its sums
  begin with, m for sums of 0 or more, m for others, the shift, 32 bits each. Then, where it has
  weights, a row a step: 36 bytes a lane, tap by tap (row by row), of each four channels; by depth
  36 channels of one tap. The steps of a window larger than 3 x 3 go piece by piece.
- ``m``: maps in. A load has planes of a few channels, each in the order of reading, pixel by
  pixel; it begins with a beat, and what is over of its last beat is nothing.
- ``o``: what leaves, in the order in which it is made: a plane of ``LANES`` channels for each
  tile, bytes, or sums of 32 bits.

**Maps.** The map memory has nine banks of words of four channels (place.py, maps.v). A layer's
window begins at row ``first_y`` and column ``first_x`` of its map, which may lie outside;
``base`` is the address of the thirds that they are in, ``first_ym`` and ``first_xm`` are both mod
3, and ``first_g9`` the map's first group of four channels mod 9. ``pitch`` is from one third of
rows to the next, ``groups`` from one third of columns to the next. A step of the window is so
many samples (``stride_y``), so many thirds in addresses (``stride_row``) and the rest mod 3
(``stride_ym``); it is made after ``repeat_y`` + 1 places. ``out_*`` say the same of the map that
is written. ``second`` and ``second_g9`` are from the first to the second map of two.

**Kinds of layers.** Weights on windows of four channels; ``depth``: on nine groups of one pixel;
``by_tile``: each tile of the output sees only the groups of its own channels (depthwise);
``by_word``: no weights, but the largest byte under the kernel (``kernel_rows``,
``kernel_columns``) times ``factor``, of ``two`` maps added up, or, with ``keep_largest``, the
largest kept. ``same``: one row of weights for every piece. ``pool``: of 2 x 2 places the largest
sum leaves. ``raw``: sums leave as they are. ``keep``: the ring keeps this layer's constants for
the next one (strips). ``through_table``: bytes go through the table.

``LAYER`` is the one list of a layer's fields; tatami_core.v has the same bits, and a test
compares the two. Addresses of the map memory are words of a bank, those of DDR bytes from the
frame's base.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

END, RUN_LAYER, LOAD, TABLE, CONSTANTS, MAPS_IN, MAPS_OUT = 0, 1, 2, 3, 16, 17, 18
"""Operation codes; those from 16 on are the wrapper's, which turns streams into bursts."""
AFTER_LAYER, AFTER_LOAD, AFTER_OUT = 1 << 16, 1 << 17, 1 << 18
"""Flags of a header: wait until the layer engine is idle, the loader is, all maps are written."""
PAYLOAD = 24
"""Words of a layer."""

LAYER: Mapping[str, tuple[int, int, int]] = {
    # name: (word, lowest bit, bits)
    "depth": (0, 0, 1), "by_word": (0, 1, 1), "keep_largest": (0, 2, 1), "two": (0, 3, 1),
    "pool": (0, 4, 1), "raw": (0, 5, 1), "to_map": (0, 6, 1), "to_stream": (0, 7, 1),
    "keep": (0, 8, 1), "by_tile": (0, 9, 1), "same": (0, 10, 1),
    "through_table": (0, 11, 1),
    "rows": (1, 0, 16), "columns": (1, 16, 16),
    "out_rows": (2, 0, 16), "out_columns": (2, 16, 16),
    "base": (3, 0, 16), "second": (4, 0, 16),
    "pitch": (5, 0, 16), "groups": (5, 16, 16),
    "tiles": (6, 0, 16), "steps": (6, 16, 16),
    "out_words": (7, 0, 16), "first_g9": (7, 16, 4), "second_g9": (7, 20, 4),
    "kernel_rows": (8, 0, 8), "kernel_columns": (8, 8, 8),
    "last_piece_y": (8, 16, 8), "last_piece_x": (8, 24, 8),
    "piece_row": (9, 0, 16), "piece_column": (9, 16, 16),
    "piece_y": (10, 0, 8), "piece_x": (10, 8, 8), "repeat_y": (10, 16, 8), "repeat_x": (10, 24, 8),
    "stride_y": (11, 0, 8), "stride_x": (11, 8, 8),
    "stride_ym": (11, 16, 2), "stride_xm": (11, 18, 2),
    "stride_row": (12, 0, 16), "stride_column": (12, 16, 16),
    "first_y": (13, 0, 16), "first_x": (13, 16, 16),
    "first_ym": (14, 0, 2), "first_xm": (14, 2, 2), "out_ym": (14, 4, 2), "out_xm": (14, 6, 2),
    "out_g9": (14, 8, 4), "out_step_ym": (14, 12, 2), "out_step_xm": (14, 14, 2),
    "out_base": (15, 0, 16), "out_pitch": (16, 0, 16), "out_groups": (16, 16, 16),
    "fill": (17, 0, 8), "zero": (17, 8, 8), "low": (17, 16, 8), "high": (17, 24, 8),
    "factor": (18, 0, 23), "second_factor": (19, 0, 23),
    "out_step_row": (20, 0, 16), "out_step_column": (20, 16, 16),
}  # fmt: skip
"""Where each field of a layer stands in its payload."""

SIGNED = {"first_y", "first_x", "factor", "second_factor"}
"""Fields that may be below 0, held as the lowest bits."""
TURNED = {"base", "second"}
"""Addresses that may lie outside: they count in a circle."""


@dataclass(frozen=True)
class Layer:
    """Say what the engine does in one go: a layer, or some rows of one.

    Args:
        values: Each field that is not 0.
        flags: For what it waits.
    """

    values: Mapping[str, int]
    flags: int = 0

    def __getitem__(self, name: str) -> int:
        """Give a field."""
        return self.values.get(name, 0)

    def words(self) -> list[int]:
        """Write the command.

        Raises:
            ValueError: For a value that its field cannot hold.
        """
        payload = [0] * PAYLOAD
        for name, value in self.values.items():
            word, lowest, bits = LAYER[name]
            least, most = (-(1 << (bits - 1)), 1 << bits) if name in SIGNED else (0, 1 << bits)
            if name not in TURNED and not least <= value < most:
                raise ValueError(f"{name} is {value}, and has {bits} bits")
            payload[word] |= (value & ((1 << bits) - 1)) << lowest
        return [RUN_LAYER | PAYLOAD << 8 | self.flags, *payload]


@dataclass(frozen=True)
class Load:
    """Say what is loaded into the map memory.

    Args:
        base: Where.
        pitch: Words from one third of the rows to the next.
        groups: Words of a pixel.
        rows: Of the map, or of the strip.
        columns: Of the map.
        planes: How many there are.
        per_pixel: Words of a pixel in a plane.
        first_row: Its number mod 3.
        first_g9: The first group, mod 9.
        written: Words of a pixel that are kept; the others of the last plane are not.
        flags: For what it waits.
    """

    base: int
    pitch: int
    groups: int
    rows: int
    columns: int
    planes: int
    per_pixel: int
    first_row: int
    first_g9: int
    written: int
    flags: int = 0

    def words(self) -> list[int]:
        """Write the command."""
        return [
            LOAD | 6 << 8 | self.flags,
            self.base & 0xFFFF,
            self.pitch | self.groups << 16,
            self.rows | self.columns << 16,
            self.planes | self.per_pixel << 16,
            self.first_row % 3 | self.first_g9 << 4,
            self.written,
        ]


@dataclass(frozen=True)
class Lookup:
    """Say what the table of the next layers is: 256 bytes."""

    content: bytes

    def words(self) -> list[int]:
        """Write the command."""
        return [TABLE | 64 << 8, *struct.unpack("<64I", self.content)]


@dataclass(frozen=True)
class Constants:
    """Say which bytes of DDR are the next constants."""

    address: int
    bytes: int

    def words(self) -> list[int]:
        """Write the command."""
        return [CONSTANTS | 2 << 8, self.address, self.bytes]


@dataclass(frozen=True)
class Transfer:
    """Say which bytes of DDR are the next maps in or out: ``count`` blocks, a stride apart."""

    code: int
    address: int
    bytes: int
    count: int = 1
    stride: int = 0
    flags: int = 0

    @property
    def total(self) -> int:
        """Bytes of all blocks."""
        return self.bytes * self.count

    def words(self) -> list[int]:
        """Write the command."""
        return [self.code | 4 << 8 | self.flags, self.address, self.bytes, self.count, self.stride]


@dataclass(frozen=True)
class End:
    """Say that the frame is done when everything is idle."""

    flags: int = field(default=AFTER_LAYER | AFTER_LOAD)

    def words(self) -> list[int]:
        """Write the command."""
        return [END | self.flags]


Command = Layer | Load | Lookup | Constants | Transfer | End
