"""Examples of normalizations, and of softmax and its kin."""

from __future__ import annotations

import numpy as np

from tests.operators.example import Example

MAP, VOLUME, BATCH, WIDE = (1, 6, 4, 5), (2, 6, 2, 2, 3), (2, 6, 3, 2), (1, 5, 30, 21)
RNG = np.random.default_rng(4)


def _numbers(*sides: int, low: float = -1.0, high: float = 1.0) -> np.ndarray:
    return RNG.uniform(low, high, sides).astype(np.float32)


def _along(smooth: bool = True) -> list[Example]:
    return [
        Example([MAP], attributes={"axis": 1}, smooth=smooth),
        Example([MAP], smooth=smooth),
        Example([VOLUME], attributes={"axis": 2}, smooth=smooth),
        Example([(3, 37)], smooth=smooth),
        Example([(1, 7, 19)], smooth=smooth),
    ]


def _of_channels(channels: int, positive: bool = False) -> np.ndarray:
    return _numbers(channels, low=0.2 if positive else -1.0)


def _batch() -> list[Example]:
    numbers = [*(_of_channels(6) for _ in range(3)), _of_channels(6, positive=True)]
    return [
        *(Example([sides], numbers) for sides in (MAP, VOLUME, BATCH, (1, 6), (3, 6), (1, 6, 4))),
        Example([MAP], numbers, {"epsilon": 0.1}),
        Example([BATCH, *numbers[:3], (np.abs(numbers[3]))], smooth=False),
    ]


EXAMPLES: dict[str, list[Example]] = {
    "BatchNormalization": _batch(),
    "GroupNormalization": [
        *(
            Example([sides], [_of_channels(6), _of_channels(6)], {"num_groups": groups})
            for sides, groups in ((MAP, 3), (VOLUME, 2), (BATCH, 1), ((1, 6, 5), 3))
        ),
        Example(
            [MAP], [_of_channels(3), _of_channels(3)], {"num_groups": 3, "epsilon": 0.1}, opset=18
        ),
    ],
    "InstanceNormalization": [
        Example([sides], [_of_channels(sides[1]), _of_channels(sides[1])])
        for sides in (MAP, VOLUME, WIDE, (2, 6, 5))
    ],
    "LayerNormalization": [
        Example([(1, 5, 24)], [_numbers(24), _numbers(24)]),
        Example([MAP], [_numbers(6, 4, 5), _numbers(6, 4, 5)], {"axis": 1}),
        Example([VOLUME], [_numbers(2, 3)], {"axis": -2, "epsilon": 0.1}),
        Example([(2, 3, 40)], [_numbers(40), _numbers(40)], outputs=3),
        Example([MAP], [_numbers(5), _numbers(5)], outputs=2),
    ],
    "RMSNormalization": [
        Example([(1, 5, 24)], [_numbers(24)], opset=23),
        Example([MAP], [_numbers(4, 5)], {"axis": 2}, opset=23),
        Example([VOLUME], [_numbers(3)], opset=23),
    ],
    "LRN": [
        Example([MAP], attributes={"size": 3, "alpha": 0.5}),
        Example([BATCH], attributes={"size": 7, "beta": 0.6, "bias": 2.0, "alpha": 0.3}),
        Example([WIDE], attributes={"size": 5, "beta": 0.5, "alpha": 1.0}),
    ],
    "LpNormalization": [
        Example([MAP], attributes={"axis": 1}),
        Example([BATCH], attributes={"axis": -1, "p": 1}),
        Example([np.zeros((2, 3), np.float32)]),
    ],
    "MeanVarianceNormalization": [
        Example([MAP], attributes={"axes": [0, 2, 3]}),
        Example([BATCH], attributes={"axes": [1, 2]}),
    ],
    "Softmax": _along(),
    "LogSoftmax": _along(),
    "Hardmax": _along(smooth=False),
}
