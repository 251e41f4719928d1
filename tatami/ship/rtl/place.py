"""Where a map lies in the map memory, and how a window walks over it.

The nine banks hold pixel (y, x), group g of four channels in bank

    (3 * (y mod 3) + x mod 3 + g) mod 9

at the address base + (y div 3) * pitch + (x div 3) * groups + g.
"""

from __future__ import annotations

from dataclasses import dataclass

from tatami.program.steps import Shape


def ceil_div(a: int, b: int) -> int:
    """Divide, halves and all else up."""
    return -(-a // b)


@dataclass(frozen=True)
class Place:
    """Say where a map, or a strip of its rows, lies.

    Args:
        shape: Of the whole map, (channels, rows, columns).
        base: Address of its first third.
        groups: Words of a pixel in its buffer, which may hold other maps beside it.
        first: The word at which it begins.
        lies: The place of each channel, counted from that word: a concatenated map may have gaps.
        row: The first of its rows that is there.
        rows: How many are there.
    """

    shape: Shape
    base: int
    groups: int
    first: int
    lies: tuple[int, ...]
    row: int
    rows: int

    @property
    def words(self) -> int:
        """Words of a pixel that hold it."""
        return ceil_div(self.lies[-1] + 1, 4)

    @property
    def pitch(self) -> int:
        """Words of a bank from one third of the rows to the next."""
        return ceil_div(self.shape[2], 3) * self.groups

    @property
    def size(self) -> int:
        """Words of a bank that its buffer takes."""
        return ceil_div(self.rows, 3) * self.pitch

    def corner(self, y: int, x: int) -> int:
        """Give the address of the third of a row and a column, which may lie outside."""
        return self.base + y // 3 * self.pitch + x // 3 * self.groups + self.first


@dataclass(frozen=True)
class Walk:
    """Say how a window walks over a map, both axes as (rows, columns).

    Args:
        kernel: Taps of the window.
        stride: Samples from one place to the next.
        before: Padding above and left.
        places: Of the window, or of a fused pool of 2 x 2 of them.
        depth: Whether nine groups of one pixel are read, in place of one group of nine pixels.
        pieces: Windows of 3 x 3 that the window is made of.
        piece: Samples from one piece to the next, a multiple of 3.
        repeat: Places that look at the same window, for a nearest resize.
    """

    kernel: tuple[int, int]
    stride: tuple[int, int]
    before: tuple[int, int]
    places: tuple[int, int]
    depth: bool = False
    pieces: tuple[int, int] = (1, 1)
    piece: tuple[int, int] = (3, 3)
    repeat: tuple[int, int] = (1, 1)

    def fields(self, source: Place, first_place: int = 0) -> dict[str, int]:
        """Give the fields of a layer that say it.

        Args:
            source: The map.
            first_place: The first place down, of a strip.
        """
        y = first_place * self.stride[0] // self.repeat[0] - self.before[0] - source.row
        x = -self.before[1]
        pitch, groups = source.pitch, source.groups
        kernel = (255, 255) if self.depth else self.kernel
        return {
            "depth": int(self.depth),
            "rows": source.rows, "columns": source.shape[2],
            "out_rows": self.places[0], "out_columns": self.places[1],
            "base": source.corner(y, x), "first_g9": source.first % 9,
            "pitch": pitch, "groups": groups,
            "kernel_rows": kernel[0], "kernel_columns": kernel[1],
            "last_piece_y": self.pieces[0] - 1, "last_piece_x": self.pieces[1] - 1,
            "piece_row": self.piece[0] // 3 * pitch, "piece_column": self.piece[1] // 3 * groups,
            "piece_y": self.piece[0], "piece_x": self.piece[1],
            "repeat_y": self.repeat[0] - 1, "repeat_x": self.repeat[1] - 1,
            "stride_y": self.stride[0], "stride_x": self.stride[1],
            "stride_ym": self.stride[0] % 3, "stride_xm": self.stride[1] % 3,
            "stride_row": self.stride[0] // 3 * pitch,
            "stride_column": self.stride[1] // 3 * groups,
            "first_y": y, "first_x": x, "first_ym": y % 3, "first_xm": x % 3,
        }  # fmt: skip


def target_fields(
    target: Place,
    first_row: int = 0,
    begin: tuple[int, int] = (0, 0),
    step: tuple[int, int] = (1, 1),
) -> dict[str, int]:
    """Give the fields of a layer that say where its result is laid.

    Args:
        target: Where.
        first_row: The first row that is written, of a strip.
        begin: The first place, from there on.
        step: From one place to the next.
    """
    row, column = first_row - target.row + begin[0], begin[1]
    return {
        "to_map": 1,
        "out_ym": row % 3, "out_xm": column % 3, "out_g9": target.first % 9,
        "out_base": target.corner(row, column),
        "out_pitch": target.pitch, "out_groups": target.groups,
        "out_step_ym": step[0] % 3, "out_step_xm": step[1] % 3,
        "out_step_row": step[0] // 3 * target.pitch,
        "out_step_column": step[1] // 3 * target.groups,
    }  # fmt: skip
