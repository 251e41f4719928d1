"""Examples of the rows of graph/operators/moving.py."""

from __future__ import annotations

import numpy as np

from tests.operators.example import Example

MAP, VOLUME = (1, 3, 4, 6), (2, 3, 2, 2, 3)
WHOLE = np.arange(24).reshape(2, 3, 4)


def whole(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int64)


EXAMPLES: dict[str, list[Example]] = {
    "Resize": [
        Example([MAP], [None, np.array([1, 1, 2, 2], np.float32)]),
        Example([MAP], [None, None, whole(1, 3, 7, 5)], {"mode": "linear"}),
        Example(
            [MAP],
            [None, np.array([1, 1, 1.5, 0.5], np.float32)],
            {"mode": "cubic", "coordinate_transformation_mode": "align_corners"},
        ),
        Example([MAP], [None, None, whole(1, 3, 8, 9)], {"mode": "cubic", "exclude_outside": 1}),
        Example(
            [(2, 3, 5)],
            [None, np.array([1, 1, 2.5], np.float32)],
            {"mode": "nearest", "coordinate_transformation_mode": "asymmetric"},
        ),
        Example(
            [(2, 2, 3, 4, 5)],
            [None, None, whole(2, 2, 5, 4, 9)],
            {"mode": "linear", "coordinate_transformation_mode": "half_pixel"},
        ),
        Example(
            [(1, 1, 4, 6)],
            [np.array([0, 0, 0.2, 0.3, 1, 1, 0.7, 1.0], np.float32), None, whole(1, 1, 3, 3)],
            {"mode": "linear", "coordinate_transformation_mode": "tf_crop_and_resize"},
        ),
        Example([MAP], [None, None, whole(9, 8)], {"axes": [3, 2], "mode": "cubic"}, opset=19),
        Example([(6, 4)], [None, np.array([0.5, 2], np.float32)], {"nearest_mode": "ceil"}),
        Example([WHOLE.astype(np.int32)], [None, None, whole(2, 3, 9)]),
    ],
    "Concat": [
        Example([MAP, (1, 2, 4, 6)], [], {"axis": 1}),
        Example([MAP, MAP], [], {"axis": -1}),
        Example([VOLUME, VOLUME], [], {"axis": 2}),
        Example([WHOLE, WHOLE[:, :1]], [], {"axis": 1}),
    ],
    "Flatten": [
        Example([MAP]),
        Example([VOLUME], [], {"axis": 3}),
        Example([(4, 5)], [], {"axis": 0}),
    ],
    "Reshape": [
        Example([MAP], [whole(1, 6, 2, 6)]),
        Example([MAP], [whole(1, 3, 24)]),
        Example([MAP], [whole(3, 2, 2, 6)]),
        Example([VOLUME], [whole(6, -1)]),
        Example([(6, 4)], [whole(4, 6)]),
        Example([WHOLE], [whole(0, -1)]),
    ],
    "Squeeze": [Example([(1, 3, 1, 5)], [whole(2)]), Example([(2, 1, 3)], [whole(1)])],
    "Unsqueeze": [Example([(3, 4)], [whole(0, 3)]), Example([MAP], [whole(1)])],
    "Transpose": [
        Example([MAP], [], {"perm": [0, 2, 3, 1]}),
        Example([VOLUME], [], {"perm": [4, 0, 2, 1, 3]}),
        Example([(3, 5)]),
        Example([WHOLE], [], {"perm": [2, 0, 1]}),
    ],
    "Slice": [
        Example([MAP], [whole(1, 0), whole(3, 5), whole(1, 3), whole(1, 2)]),
        Example([VOLUME], [whole(-1), whole(-9), whole(4), whole(-1)]),
        Example([WHOLE], [whole(1), whole(9), whole(1)]),
    ],
    "SpaceToDepth": [
        Example([MAP], [], {"blocksize": 2}),
        Example([(2, 3, 4, 2)], [], {"blocksize": 2}),
    ],
    "Pad": [
        Example([MAP], [whole(0, 0, 1, 2, 0, 0, 0, 1), np.float32(1.5)]),
        Example([MAP], [whole(0, 1, 0, 0, 0, 2, 0, 0)]),
        Example([MAP], [whole(0, 0, -1, 2, 0, 0, 0, -2)]),
        Example([VOLUME], [whole(1, 0, 0, 0, 0, 0, 1, 0, 0, 2)]),
        Example([MAP], [whole(0, 0, 1, 2, 0, 0, 2, 1)], {"mode": "reflect"}),
        Example([VOLUME], [whole(0, 1, 0, 1, 0, 0, 0, 1, 0, 2)], {"mode": "edge"}),
        Example([(2, 5)], [whole(0, 2, 0, 1)], {"mode": "wrap"}),
        Example([WHOLE], [whole(0, 1, 0, 0, 0, 2), np.array(7)]),
    ],
}
