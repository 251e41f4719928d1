"""The arrays that travel between rooms, by the names of what they hold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]
Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]
Bool = NDArray[np.bool_]
Real = TypeVar("Real", np.float32, np.float64)
"""The numbers an operation works in: float32 as networks do, float64 to check a gradient."""
Picture = NDArray[np.uint8]
"""A picture: uint8, shape (height, width, 3), RGB, upright."""
Samples = NDArray[np.int16]
"""Sound: int16, shape (n,), one channel."""
Seen = NDArray[Any]
"""What a network of any task looks at: a Picture, Samples, or a series of numbers."""
Mask = NDArray[np.uint8]
"""A class for every pixel of a picture: uint8, shape (height, width); VOID where none is stated."""
VOID = 255
"""In a Mask: a pixel of no stated class, neither learned from nor counted."""


RawMaps = tuple[Float32, ...]
"""What a network says of n images: its raw maps, each (n, channels, rows, columns) float32."""

Forward = Callable[[Float32], RawMaps]
"""Images (n, 3, height, width) float32 to the raw maps, in the order of the network's outputs."""
