"""Examples of quantizing and back."""

from __future__ import annotations

import numpy as np

from tests.operators.example import Example

MAP, VOLUME = (1, 3, 4, 5), (2, 3, 2, 2, 3)
SCALES = np.array([0.05, 0.011, 0.02], np.float32)
ONE = np.float32(0.023)
BYTES = np.arange(60, dtype=np.uint8).reshape(MAP) * np.uint8(4)


def _zeros(kind: str, *numbers: int) -> np.ndarray:
    return np.array(numbers, kind)


EXAMPLES: dict[str, list[Example]] = {
    "QuantizeLinear": [
        Example([MAP], [ONE, np.uint8(120)], smooth=False),
        Example([MAP], [ONE], smooth=False),
        Example([MAP], [SCALES, _zeros("uint8", 100, 128, 0)], smooth=False),
        Example([MAP], [ONE, np.int8(-7)], smooth=False),
        Example([VOLUME], [SCALES, _zeros("int8", 1, -2, 3)], {"axis": -1}, smooth=False),
        Example([(6, 3)], [SCALES, _zeros("int16", 1000, -2, 3)], smooth=False),
        Example([(6, 3)], [SCALES, _zeros("uint16", 1000, 2, 3)], smooth=False),
        Example(
            [(2, 6)], [np.tile(SCALES, (2, 1))], {"block_size": 2, "output_dtype": 3}, smooth=False
        ),
    ],
    "DequantizeLinear": [
        Example([BYTES], [ONE, np.uint8(120)]),
        Example([BYTES], [SCALES, _zeros("uint8", 100, 128, 0)]),
        Example([BYTES.astype(np.int8)], [ONE, np.int8(-7)]),
        Example([BYTES.reshape(5, 4, 3).astype(np.int8)], [SCALES], {"axis": 2}),
        Example([BYTES.astype(np.int32) * 1000], [SCALES], {"axis": 1}),
        Example([BYTES.reshape(20, 3).astype(np.int16)], [SCALES, _zeros("int16", 1000, 2, 3)]),
        Example([BYTES.reshape(10, 6)], [np.tile(SCALES, (10, 1))], {"block_size": 2}),
        Example([BYTES, np.float32(0.1).reshape(()), np.uint8(3).reshape(())]),
    ],
    "DynamicQuantizeLinear": [
        Example([MAP], outputs=3, smooth=False),
        Example([VOLUME], outputs=3, low=0.5, smooth=False),
        Example([(7,)], outputs=3, high=-0.5, smooth=False),
    ],
}
