"""Examples of the rows of graph/operators/matrix.py."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.operators.example import Example


def drawn(*shape: int, seed: int = 5) -> np.ndarray[Any, Any]:
    """Draw weights."""
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


def bytes_of(*shape: int) -> np.ndarray[Any, Any]:
    """Draw bytes."""
    return np.random.default_rng(2).integers(0, 256, shape).astype(np.uint8)


EXAMPLES: dict[str, list[Example]] = {
    "Det": [Example([(4, 4)]), Example([(2, 3, 3, 3)], tolerance=1e-4)],
    "Einsum": [
        Example([(3, 4), (4, 5)], attributes={"equation": "ij,jk"}),
        Example([(1, 2, 5, 3), (1, 2, 3, 4)], attributes={"equation": "bhid,bhdj->bhij"}),
        Example([(2, 4, 4)], attributes={"equation": "...ii->...i"}),
        Example([(1, 3, 4, 5)], [drawn(4, 6)], {"equation": "nchw,ho->nwo"}),
    ],
    "Gemm": [
        Example([(1, 7)], [drawn(5, 7), drawn(5)], {"transB": 1}),
        Example([(6, 7)], [drawn(7, 5), drawn(1, 5)]),
        Example([(7, 6), (7, 5)], [drawn(6, 1)], {"transA": 1, "alpha": 0.5, "beta": 2.0}),
        Example([(3, 7), (5, 7), (5,)], (), {"transB": 1, "beta": -1.5}),
    ],
    "MatMul": [
        Example([(1, 7)], [drawn(7, 5)]),
        Example([(1, 9, 7)], [drawn(7, 5)]),
        Example([(1, 3, 9, 7)], [drawn(7, 5)]),
        Example([(2, 3, 9, 7)], [drawn(7, 5)]),
        Example([(1, 4, 6, 8), (1, 4, 8, 6)]),
        Example([(2, 1, 3, 5), (4, 5, 3)]),
        Example([(1, 3, 19, 20), (1, 3, 20, 35)]),  # by the tile of convolutions, as are the next
        Example([(2, 3, 9, 21), (21, 47)]),
        Example([(2, 1, 5, 33), (3, 33, 40)]),
        Example([(3, 5), (5,)]),
        Example([(5,), (2, 5, 3)]),
        Example([np.arange(12).reshape(3, 4), np.arange(8).reshape(4, 2)]),
    ],
    "MatMulInteger": [
        Example([bytes_of(3, 4), bytes_of(4, 2)], [np.uint8(12), np.uint8(7)]),
        Example([bytes_of(1, 2, 3, 4), bytes_of(2, 4, 5)]),
    ],
}
