"""Examples of arithmetic of two and more values."""

from __future__ import annotations

import numpy as np

from tests.operators.example import Example

MAP, VOLUME = (1, 3, 4, 5), (2, 3, 2, 2, 3)
SIGNED = np.arange(-6, 6).reshape(2, 6)
UNSIGNED = np.arange(12, dtype=np.uint8).reshape(3, 4)
FLOATS = np.linspace(-3, 3, 12, dtype=np.float32).reshape(2, 6)


def _extremes() -> list[Example]:
    return [
        Example([MAP, MAP], smooth=False),
        Example([MAP], [np.float32(0.3)], smooth=False),
        Example([VOLUME, (3, 1, 2, 1)], [np.float32(0.2)], smooth=False),
        Example([SIGNED, SIGNED[::-1].copy()]),
        Example([UNSIGNED, UNSIGNED[::-1].copy()]),
        Example([(3,)]),
    ]


EXAMPLES: dict[str, list[Example]] = {
    "Max": _extremes(),
    "Min": _extremes(),
    "Mean": [Example([MAP, MAP, (3, 1, 1)]), Example([VOLUME])],
    "Sum": [Example([MAP, (4, 1), (1, 3, 1, 5)]), Example([VOLUME], [np.ones(3, np.float32)])],
    "Mod": [
        Example([SIGNED], [np.array([3, -3, 2, -2, 5, 4])]),
        Example([SIGNED.astype(np.int32)], [np.int32(-4)], {"fmod": 1}),
        Example([UNSIGNED, UNSIGNED[::-1] + np.uint8(1)]),
        Example([FLOATS], [np.float32(-0.7)], {"fmod": 1}),
    ],
    "Pow": [
        Example([MAP], [np.float32(2)]),
        Example([VOLUME], [np.float32(0.5)], low=0.1),
        Example([MAP], [np.array([-1], np.float32)], low=0.5),
        Example([MAP, (1, 3, 1, 1)], low=0.5),
        Example([(2, 6)], [np.array(3)]),
        Example([SIGNED], [np.array([0, 1, 2, 3, 4, 5])]),
        Example([SIGNED.astype(np.int32)], [np.float32(2)]),
    ],
    "PRelu": [
        Example([MAP], [np.array([0.1, -0.2, 0.3], np.float32).reshape(3, 1, 1)]),
        Example([MAP], [np.float32(0.25).reshape(1)]),
        Example([VOLUME, (3, 1, 1, 1)]),
    ],
    "SwiGLU": [
        Example([MAP, MAP], opset=28),
        Example([VOLUME, VOLUME], attributes={"alpha": 0.7}, opset=28),
    ],
}
