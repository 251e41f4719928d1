"""Examples of the rows of graph/operators/gathering.py."""

from __future__ import annotations

import numpy as np

from tests.operators.example import Example

MAP, VOLUME = (1, 8, 4, 6), (2, 3, 2, 2, 3)
WHOLE = np.arange(24).reshape(2, 3, 4)


def whole(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int64)


EXAMPLES: dict[str, list[Example]] = {
    "Split": [
        Example([MAP], [whole(3, 5)], {"axis": 1}, outputs=2),
        Example([VOLUME], [], {"axis": 4, "num_outputs": 3}, outputs=3),
        Example([WHOLE], [whole(1, 2)], {"axis": 1}, outputs=2),
    ],
    "Gather": [
        Example([MAP], [whole(7, 0, -2)], {"axis": 1}),
        Example([(5, 3)], [np.array([[0, 4], [2, -1]])], {"axis": 0}),
        Example([VOLUME], [np.array(1)], {"axis": 2}),
        Example([(5, 3), whole(0, 4, 2)], [], {"axis": 0}),
        Example([WHOLE], [whole(2, 1)], {"axis": 2}),
    ],
    "GatherElements": [
        Example([(3, 4)], [np.array([[0, 1, -1, 2], [2, 2, 0, 0]])], {"axis": 0}),
        Example([MAP], [np.zeros((1, 8, 4, 2), np.int64)], {"axis": 3}),
    ],
    "GatherND": [
        Example([(3, 4, 2)], [np.array([[0, 1], [2, -1]])]),
        Example([(2, 3, 4)], [np.array([[[0], [2]], [[1], [1]]])], {"batch_dims": 1}),
    ],
    "ScatterElements": [
        Example([(3, 4), np.array([[0, 1, 2, 0]]), (1, 4)], [], {"axis": 0}),
        Example([(3, 4), np.array([[1], [1], [-1]]), (3, 1)], [], {"axis": 1, "reduction": "add"}),
    ],
    "ScatterND": [
        Example([(4, 3), np.array([[2], [0]]), (2, 3)]),
        Example([(4, 3), np.array([[2, 1], [2, 1]]), (2,)], [], {"reduction": "add"}),
    ],
    "Tile": [
        Example([MAP], [whole(1, 2, 1, 3)]),
        Example([(2, 3)], [whole(2, 2)]),
        Example([WHOLE], [whole(1, 1, 2)]),
    ],
    "Expand": [
        Example([(1, 8, 1, 1)], [whole(1, 8, 4, 6)]),
        Example([(3, 1)], [whole(2, 3, 4)]),
    ],
    "DepthToSpace": [
        Example([MAP], [], {"blocksize": 2}),
        Example([(2, 8, 3, 2)], [], {"blocksize": 2, "mode": "CRD"}),
    ],
}
