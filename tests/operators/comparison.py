"""Examples of comparisons, logic, bits, and choosing between two values."""

from __future__ import annotations

import numpy as np

from tests.operators.example import Example

MAP, VOLUME = (1, 3, 4, 5), (2, 3, 2, 2, 3)
WHOLE = np.arange(-6, 6).reshape(2, 6)
BYTES = np.arange(12, dtype=np.uint8).reshape(3, 4)
TRUTH = np.arange(24).reshape(1, 2, 3, 4) % 3 == 0
STEPS = np.round(np.linspace(-2, 2, 60, dtype=np.float32)).reshape(MAP)
ODD = np.array([[1, np.nan, -np.inf], [np.inf, 0, -1]], np.float32)


def _compared() -> list[Example]:
    return [
        Example([STEPS, STEPS[:, ::-1].copy()]),
        Example([VOLUME, (3, 1, 2, 1)]),
        Example([WHOLE], [np.int64(-1)]),
        Example([WHOLE.astype(np.int32), WHOLE[::-1].astype(np.int32)]),
    ]


def _logic() -> list[Example]:
    return [
        Example([TRUTH, TRUTH[:, ::-1].copy()]),
        Example([TRUTH], [np.array([True, False, True, True])]),
    ]


def _bits() -> list[Example]:
    return [
        Example([BYTES, BYTES[::-1].copy()]),
        Example([WHOLE], [np.int64(5)]),
        Example([WHOLE.astype(np.int32), WHOLE[:1].astype(np.int32)]),
    ]


EXAMPLES: dict[str, list[Example]] = {
    **{name: _compared() for name in ("Greater", "GreaterOrEqual", "Less", "LessOrEqual")},
    "Equal": [*_compared(), Example([TRUTH, TRUTH[:, ::-1].copy()])],
    **{name: _logic() for name in ("And", "Or", "Xor")},
    "Not": [Example([TRUTH]), Example([TRUTH[0, 0]])],
    **{name: _bits() for name in ("BitwiseAnd", "BitwiseOr", "BitwiseXor")},
    "BitwiseNot": [Example([BYTES]), Example([WHOLE])],
    "BitShift": [
        Example([BYTES], [np.uint8(2)], {"direction": "LEFT"}),
        Example([BYTES, BYTES[::-1].copy()], attributes={"direction": "RIGHT"}),
        Example([BYTES.astype(np.uint64)], [np.uint64(40)], {"direction": "LEFT"}),
    ],
    "IsInf": [
        Example([ODD]),
        Example([ODD.reshape(1, 2, 3, 1)], attributes={"detect_negative": 0}),
        Example([ODD], attributes={"detect_positive": 0}),
    ],
    "IsNaN": [Example([ODD]), Example([ODD.reshape(1, 2, 3, 1)])],
    "Where": [
        Example([TRUTH, (1, 2, 3, 4), (3, 1)]),
        Example([TRUTH[0]], [np.float32(1), np.zeros((2, 1, 4), np.float32)]),
        Example([WHOLE > 0, WHOLE, WHOLE[::-1].copy()]),
        Example([BYTES > 3, BYTES, BYTES[:1]]),
    ],
}
