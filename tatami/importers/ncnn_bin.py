"""ncnn's .bin: weights one after the other, in the order of the layers that need them.

Weights of a matrix or a convolution begin with four bytes that say how they are kept; the rest,
biases for one, are bare float32. Everything is little-endian and ends at a multiple of four bytes.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from tatami.errors import TatamiError
from tatami.types import Float32

MAX_BYTES = 1 << 28
"""The largest file that is read; a table of bytes grows to four times itself."""

HALF = 0x01306B47
BYTES = 0x000D4B38
SCALED = 0x0002C056
"""Bare float32, beside scales that only ncnn's own integers use."""
TABLE = 256
"""Float32 values, of which each weight says one by a byte."""

AGAIN = "copy the file again, or give the .param that belongs to it"


class Weights:
    """The file, taken from its beginning to its end.

    Args:
        path: The file.

    Raises:
        TatamiError: Where it holds fewer bytes than a layer needs, or numbers that are not finite.
        OSError: Where it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise self._wrong(
                f"the file has {size} bytes, more than {MAX_BYTES}", "give a smaller network"
            )
        self.content = path.read_bytes()
        self.at = 0

    def tagged(self, layer: str, shape: tuple[int, ...]) -> Float32:
        """Take weights that begin with how they are kept."""
        count = math.prod(shape)
        tag = int.from_bytes(self._take(layer, 4), "little")
        if tag == BYTES:
            raise self._wrong(
                f"layer '{layer}' keeps its weights as int8, which Tatami does not read",
                "convert it without ncnn2int8, and quantize it here",
            )
        if tag == HALF:
            found = np.frombuffer(self._take(layer, 2 * count), "<f2").astype(np.float32)
        elif tag in (0, SCALED):
            found = np.frombuffer(self._take(layer, 4 * count), "<f4")
        else:
            table = np.frombuffer(self._take(layer, 4 * TABLE), "<f4")
            found = table[np.frombuffer(self._take(layer, count), np.uint8)]
        return self._finite(layer, found).reshape(shape)

    def bare(self, layer: str, count: int) -> Float32:
        """Take (count,) float32."""
        return self._finite(layer, np.frombuffer(self._take(layer, 4 * count), "<f4"))

    def end(self) -> None:
        """Check that nothing is left.

        Raises:
            TatamiError: Where the file has more than was taken.
        """
        if self.at != len(self.content):
            raise self._wrong(
                f"the network needs {self.at} bytes, the file has {len(self.content)}", AGAIN
            )

    def _take(self, layer: str, count: int) -> bytes:
        """Take the next bytes, and go past them to a multiple of four."""
        end = self.at + count
        if end > len(self.content):
            raise self._wrong(
                f"layer '{layer}' needs bytes {self.at} to {end}, the file has {len(self.content)}",
                AGAIN,
            )
        found = self.content[self.at : end]
        self.at = end + -end % 4
        return found

    def _finite(self, layer: str, found: Float32) -> Float32:
        if not np.isfinite(found).all():
            raise self._wrong(f"layer '{layer}' holds a NaN or an infinity", AGAIN)
        return np.asarray(found, np.float32)

    def _wrong(self, reason: str, hint: str) -> TatamiError:
        return TatamiError(reason, hint=hint, file=self.path)
