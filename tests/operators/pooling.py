"""Examples of the rows of graph/operators/pooling.py."""

from __future__ import annotations

import numpy as np

from tests.operators.example import Example

MAP, BATCH, LINE, LINES, VOLUME = (1, 3, 7, 6), (2, 3, 7, 6), (1, 3, 8), (2, 3, 8), (2, 2, 4, 5, 5)
CEIL = {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1}
BYTES = np.random.default_rng(3).integers(0, 256, MAP).astype(np.uint8)
UNPOOLED = (np.arange(6).reshape(1, 1, 2, 3) * 4 + np.array([1, 0, 1])).astype(np.int64)

POOLS = [
    Example([MAP], attributes={"kernel_shape": [3, 2], "pads": [1, 0, 1, 1]}),
    Example([BATCH], attributes=CEIL),
    Example([LINE], attributes={"kernel_shape": [3], "strides": [2], "pads": [1, 1]}),
    Example([LINES], attributes={"kernel_shape": [4], "auto_pad": "SAME_UPPER", "strides": [3]}),
    Example([VOLUME], attributes={"kernel_shape": [2, 2, 3], "strides": [2, 1, 2]}),
]
DILATED = Example([BATCH], attributes={"kernel_shape": [2, 2], "dilations": [2, 3]})
WHOLE = [Example([shape]) for shape in (MAP, BATCH, LINE, VOLUME)]

EXAMPLES: dict[str, list[Example]] = {
    "AveragePool": [
        *POOLS,
        DILATED,
        Example([MAP], attributes={**CEIL, "count_include_pad": 1, "pads": [1, 1, 1, 1]}),
        Example([BATCH], attributes={**CEIL, "count_include_pad": 1, "pads": [1, 1, 0, 0]}),
    ],
    "GlobalAveragePool": WHOLE,
    "GlobalLpPool": [*WHOLE[:2], Example([VOLUME], attributes={"p": 3})],
    "GlobalMaxPool": WHOLE,
    "LpPool": [*POOLS, Example([MAP], attributes={"kernel_shape": [2, 2], "p": 3})],
    "MaxPool": [
        *POOLS,
        DILATED,
        Example([BYTES], attributes={"kernel_shape": [2, 2]}),
        Example([MAP], attributes=CEIL, outputs=2),
        Example([VOLUME], attributes={"kernel_shape": [2, 2, 2]}, outputs=2),
        Example([LINES], attributes={"kernel_shape": [3], "storage_order": 1}, outputs=2),
        Example([BATCH], attributes={"kernel_shape": [2, 2], "storage_order": 1}, outputs=2),
    ],
    "MaxUnpool": [
        Example([(1, 1, 2, 3)], [UNPOOLED], {"kernel_shape": [2, 2], "strides": [2, 2]}),
        Example([(1, 1, 2, 3), UNPOOLED], (), {"kernel_shape": [2, 2], "strides": [2, 2]}),
        Example(
            [(2, 1, 3)],
            [np.array([[[1, 2, 4]], [[6, 9, 11]]])],
            {"kernel_shape": [2], "strides": [2]},
        ),
    ],
}
