"""Examples of the rows of graph/operators/selection.py."""

from __future__ import annotations

import numpy as np

from tests.operators.example import Example

MAP = (1, 3, 4, 6)
WHOLE = np.array([[3, 1, 3, 2], [0, -1, 0, 5]])


def whole(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int64)


EXAMPLES: dict[str, list[Example]] = {
    "Compress": [
        Example([MAP], [np.array([True, False, True])], {"axis": 1}, made=(1, 2, 4, 6)),
        Example([(1, 2, 2, 2)], [np.array([0, 1, 1, 0, 0, 1], bool)], made=(3,)),
        Example([WHOLE], [np.array([False, True])], {"axis": 0}, made=(1, 4)),
    ],
    "EyeLike": [
        Example([(3, 5)], [], {"k": 1}),
        Example([WHOLE], [], {"dtype": 1, "k": -1}),
    ],
    "OneHot": [
        Example([whole(0, 2, -1, 7)], [np.array(4), np.array([0, 1], np.float32)]),
        Example([np.array([[1, 0], [2, 2]])], [np.array(3), np.array([5, -2])], {"axis": 1}),
    ],
    "ReverseSequence": [
        Example([(4, 3, 2)], [whole(1, 4, 2)]),
        Example([(2, 5)], [whole(3, 5)], {"batch_axis": 0, "time_axis": 1}),
        Example([MAP, whole(2)], [], {"batch_axis": 0, "time_axis": 1}),
    ],
    "TopK": [
        Example([MAP], [whole(2)], {"axis": 1}, outputs=2),
        Example([(2, 3, 7)], [whole(4)], {"largest": 0}, outputs=2),
        Example([WHOLE], [whole(3)], outputs=2),
    ],
    "Trilu": [
        Example([MAP]),
        Example([(5, 3)], [np.array(-1)], {"upper": 0}),
        Example([WHOLE], [np.array(1)]),
    ],
}
