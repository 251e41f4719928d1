"""Examples of many samples to one, places of extremes, and running sums."""

from __future__ import annotations

import numpy as np

from tests.operators.example import Example

MAP, VOLUME, LONG = (1, 3, 4, 5), (2, 3, 2, 2, 3), (1, 5, 40, 26)
WHOLE = np.arange(-12, 12, dtype=np.int32).reshape(2, 3, 4)
TIES = np.array([[1, 3, 3, 0, 0], [2, 2, 2, 2, 2]], np.float32)


def _axes(*axes: int) -> np.ndarray:
    return np.array(axes, np.int64)


def _reduced(
    low: float = -2.0, whole: bool = True, smooth: bool = True, tolerance: float = 1e-5
) -> list[Example]:
    """Give all axes, some, the channels, without the axes, over none, and of whole numbers."""
    real = {"low": low, "smooth": smooth, "tolerance": tolerance}
    found = [
        Example([MAP], **real),
        Example([MAP], [_axes(2, 3)], **real),
        Example([MAP], [_axes(1)], {"keepdims": 0}, **real),
        Example([MAP], [_axes(-1)], **real),
        Example([VOLUME], [_axes(0, 3)], {"keepdims": 0}, **real),
        Example([VOLUME], [_axes(1, 2, 4)], **real),
        Example([(4, 37)], [_axes(1)], **real),
        Example([MAP], [_axes()], {"noop_with_empty_axes": 1}, **real),
    ]
    return [*found, Example([WHOLE], [_axes(1)]), Example([WHOLE])] if whole else found


def _long(smooth: bool = True) -> list[Example]:
    return [
        Example([LONG], [_axes(2, 3)], smooth=smooth),
        Example([LONG], [_axes(1, 2)], {"keepdims": 0}, smooth=smooth),
    ]


def _places() -> list[Example]:
    return [
        Example([MAP], attributes={"axis": 1}),
        Example([MAP], attributes={"axis": -1, "keepdims": 0}),
        Example([VOLUME], attributes={"axis": 2}),
        Example([TIES], attributes={"axis": 1, "select_last_index": 1}),
        Example([TIES], attributes={"axis": 1}),
        Example([WHOLE], attributes={"axis": 2, "keepdims": 0}),
    ]


def _running() -> list[Example]:
    return [
        Example([MAP], [np.int64(1)]),
        Example([MAP], [np.int32(-1)], {"exclusive": 1}),
        Example([VOLUME], [np.int64(2)], {"reverse": 1}),
        Example([WHOLE], [np.int64(1)], {"reverse": 1, "exclusive": 1}),
    ]


EXAMPLES: dict[str, list[Example]] = {
    "ReduceL1": [*_reduced(), *_long()],
    "ReduceL2": [*_reduced(whole=False), *_long()],
    "ReduceLogSum": _reduced(low=0.1, whole=False),
    "ReduceLogSumExp": [*_reduced(whole=False), *_long()],
    "ReduceMax": [
        *_reduced(smooth=False),
        *_long(smooth=False),
        Example([WHOLE.astype(np.uint8)], [_axes(0)]),
    ],
    "ReduceMean": [*_reduced(), *_long()],
    "ReduceMin": [*_reduced(smooth=False), Example([WHOLE.astype(np.int8)], [_axes(0)])],
    "ReduceProd": [*_reduced(low=0.5), Example([(3, 4)])],
    "ReduceSum": [*_reduced(), *_long()],
    "ReduceSumSquare": [*_reduced(), *_long()],
    "ArgMax": _places(),
    "ArgMin": _places(),
    "CumProd": [
        Example([MAP], [np.int64(1)], opset=26),
        Example([WHOLE], [np.int64(2)], {"exclusive": 1}, opset=26),
    ],
    "CumSum": _running(),
}
