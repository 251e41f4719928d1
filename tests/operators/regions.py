"""Examples of the rows of graph/operators/regions.py."""

from __future__ import annotations

import numpy as np

from tests.operators.example import Example

MAPS = (2, 3, 9, 11)
BOXES = np.array([[0, 0, 10, 8], [2.3, 1.1, 7.7, 9.9], [5, 5, 5, 5], [-3, -2, 20, 15]], np.float32)
OF = np.array([0, 1, 1, 0])

EXAMPLES: dict[str, list[Example]] = {
    "Col2Im": [
        Example(
            [(1, 12, 12)],
            [np.array([5, 6]), np.array([3, 2])],
            {"strides": [2, 1], "pads": [1, 0, 1, 0], "dilations": [1, 2]},
        ),
        Example([(2, 9, 4)], [np.array([4]), np.array([3])], {"pads": [1, 1]}),
        Example([(1, 6, 2)], [np.array([2, 2, 3]), np.array([1, 2, 3])], {"strides": [1, 2, 1]}),
    ],
    "DeformConv": [
        Example([(1, 2, 5, 6), (3, 2, 3, 2), (1, 12, 3, 5)], opset=19),
        Example(
            [(2, 4, 5, 6), (6, 2, 2, 2), (2, 16, 3, 4), (6,), (2, 8, 3, 4)],
            [],
            {"group": 2, "offset_group": 2, "strides": [2, 2], "pads": [1, 1, 1, 1]},
            opset=19,
        ),
    ],
    "RoiAlign": [
        Example([MAPS, BOXES, OF], [], {"output_height": 3, "output_width": 4}),
        Example(
            [MAPS, BOXES, OF],
            [],
            {"output_height": 2, "sampling_ratio": 2, "spatial_scale": 0.7, "mode": "max"},
        ),
        Example([MAPS, BOXES], [OF], {"output_width": 2, "spatial_scale": 0.5}, opset=13),
    ],
}
