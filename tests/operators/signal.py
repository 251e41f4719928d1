"""Examples of the rows of graph/operators/signal.py."""

from __future__ import annotations

import numpy as np

from tests.operators.example import Example

MAP, GRID, SMALL = (1, 3, 5, 4), (1, 3, 6, 2), (2, 2, 3, 4)
WHOLE = np.int64(8)

EXAMPLES: dict[str, list[Example]] = {
    "AffineGrid": [
        Example([(2, 2, 3)], [np.array([2, 3, 5, 4])], opset=20),
        Example([(1, 3, 4)], [np.array([1, 3, 2, 5, 3])], {"align_corners": 1}, opset=20),
    ],
    "DFT": [
        Example([(1, 8, 1)], opset=20),
        Example([(2, 8, 3, 1)], [None, np.int64(1)], {"onesided": 1}, opset=20),
        Example([(1, 3, 8, 2)], [np.int64(6), np.int64(2)], {"inverse": 1}, opset=20),
        Example([(1, 5, 2)], [WHOLE, np.int64(1)], {"inverse": 1, "onesided": 1}, opset=20),
        Example([(1, 10, 2)], [np.int64(16)], {"axis": 1}, opset=17),
    ],
    "GridSample": [
        Example([MAP, GRID], smooth=False),
        Example([MAP, GRID], attributes={"padding_mode": "border", "align_corners": 1}),
        Example([MAP, GRID], attributes={"padding_mode": "reflection", "mode": "cubic"}),
        Example([SMALL, (2, 3, 3, 2)], attributes={"mode": "nearest"}),
        Example([(2, 2, 3, 4, 3), (2, 2, 2, 2, 3)], attributes={"padding_mode": "reflection"}),
        Example([MAP, GRID], attributes={"mode": "bilinear"}, opset=16),
    ],
    "STFT": [
        Example(
            [(1, 64, 1)],
            [np.int64(8), np.hanning(16).astype(np.float32)],
            {"onesided": 1},
            opset=17,
        ),
        Example(
            [(2, 40, 1)],
            [np.int64(5), None, np.int64(12)],
            {"onesided": 0},
            tolerance=3e-5,
            opset=17,
        ),
    ],
}
