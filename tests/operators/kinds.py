"""Examples of operators that change what samples are made of."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from tests.operators.example import Example

MAP, VOLUME = (1, 3, 4, 5), (2, 3, 2, 2, 3)
WHOLE = np.arange(-6, 6).reshape(2, 6)
REAL = np.array([[-2.7, -0.5, 0.0], [0.5, 1.5, 100.2]], np.float32)
INSIDE = np.abs(REAL)


def _to(kind: int) -> dict[str, int]:
    return {"to": kind}


EXAMPLES: dict[str, list[Example]] = {
    "Cast": [
        Example([REAL], attributes=_to(TensorProto.INT32)),
        Example([REAL.reshape(1, 2, 3, 1)], attributes=_to(TensorProto.INT64)),
        Example([INSIDE], attributes=_to(TensorProto.UINT8)),
        Example([REAL], attributes=_to(TensorProto.INT8)),
        Example([REAL], attributes=_to(TensorProto.BOOL)),
        Example([REAL], attributes=_to(TensorProto.DOUBLE)),
        Example([WHOLE], attributes=_to(TensorProto.FLOAT)),
        Example([WHOLE], attributes=_to(TensorProto.UINT8)),
        Example([WHOLE > 0], attributes=_to(TensorProto.FLOAT)),
        Example([WHOLE.astype(np.uint8)], attributes=_to(TensorProto.INT32)),
        Example([REAL], attributes=_to(TensorProto.FLOAT16)),
        Example([REAL.astype(np.float16)], attributes=_to(TensorProto.FLOAT)),
        Example([REAL.reshape(1, 2, 3, 1)], attributes=_to(TensorProto.FLOAT16)),
    ],
    "CastLike": [
        Example([REAL, WHOLE]),
        Example([WHOLE], [np.float32(0)]),
        Example([INSIDE], [np.zeros(2, np.uint8)]),
    ],
    "BitCast": [
        Example([REAL], attributes=_to(TensorProto.INT32), opset=26),
        Example([WHOLE.astype(np.int8)], attributes=_to(TensorProto.UINT8), opset=26),
    ],
}
