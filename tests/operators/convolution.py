"""Examples of the rows of graph/operators/convolution.py."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.operators.example import Example


def drawn(*shape: int, seed: int = 7) -> np.ndarray[Any, Any]:
    """Draw weights."""
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


MAP, BATCH, LINE, LINES = (1, 4, 6, 5), (3, 4, 6, 5), (1, 4, 9), (2, 4, 9)
VOLUME, VOLUMES = (1, 2, 4, 5, 3), (2, 4, 4, 5, 6)
BYTES = np.random.default_rng(1).integers(0, 256, (1, 2, 5, 4)).astype(np.uint8)
STEPS = np.random.default_rng(2).integers(0, 256, (3, 2, 3, 3)).astype(np.uint8)

EXAMPLES: dict[str, list[Example]] = {
    "Conv": [
        Example([MAP], [drawn(6, 4, 3, 3), drawn(6)], {"pads": [1, 0, 1, 2]}),
        Example([BATCH], [drawn(6, 2, 3, 3)], {"group": 2, "strides": [2, 1]}),
        Example([BATCH], [drawn(4, 1, 3, 2), drawn(4)], {"group": 4, "auto_pad": "SAME_UPPER"}),
        Example([LINE], [drawn(6, 4, 3), drawn(6)], {"pads": [2, 1], "dilations": [2]}),
        Example([LINES], [drawn(6, 4, 3), drawn(6)], {"auto_pad": "SAME_LOWER", "strides": [2]}),
        Example([VOLUME], [drawn(3, 2, 2, 3, 2)], {"pads": [1, 1, 0, 0, 1, 1]}),
        Example([VOLUMES], [drawn(4, 2, 2, 2, 2), drawn(4)], {"group": 2, "strides": [1, 2, 2]}),
        Example([MAP, (6, 4, 2, 2)], [drawn(6)]),
        Example([BATCH, (4, 2, 3, 3), (4,)], (), {"group": 2, "pads": [1, 1, 1, 1]}),
    ],
    "ConvInteger": [
        Example([BYTES], [STEPS, np.uint8(9), np.uint8(120)], {"pads": [1, 1, 1, 1]}),
        Example([BYTES.repeat(2, axis=0)], [STEPS], {"strides": [2, 1]}),
    ],
    "ConvTranspose": [
        Example([MAP], [drawn(4, 6, 3, 3), drawn(6)], {"strides": [2, 2], "pads": [1, 0, 1, 1]}),
        Example([BATCH], [drawn(4, 3, 2, 3)], {"group": 2, "strides": [2, 3]}),
        Example([LINE], [drawn(4, 6, 3), drawn(6)], {"strides": [2], "output_padding": [1]}),
        Example([LINES], [drawn(4, 2, 4)], {"strides": [2], "output_shape": [17]}),
        Example([VOLUME], [drawn(2, 3, 2, 2, 2), drawn(3)], {"dilations": [2, 1, 1]}),
        Example([VOLUMES, (4, 2, 2, 2, 2)], (), {"group": 4, "pads": [1, 0, 1, 0, 1, 0]}),
    ],
}
