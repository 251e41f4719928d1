"""Examples of functions of single samples, and of several side by side."""

from __future__ import annotations

import numpy as np

from tests.operators.example import Example

MAP, VOLUME = (1, 3, 4, 5), (2, 3, 2, 2, 3)
WHOLE = np.arange(-6, 6).reshape(2, 6)


def _functions(low: float = -2.0, high: float = 2.0, smooth: bool = True) -> list[Example]:
    return [Example([shape], low=low, high=high, smooth=smooth) for shape in (MAP, VOLUME)]


EXAMPLES: dict[str, list[Example]] = {
    **{
        name: _functions()
        for name in (
            *("Abs", "Asinh", "Atan", "Celu", "Cos", "Cosh", "Elu", "Erf", "Exp", "HardSwish"),
            *("LeakyRelu", "Mish", "Neg", "Relu", "Selu", "Sigmoid", "Sin", "Sinh", "Softplus"),
            *("Softsign", "Tanh"),
        )
    },
    **{name: _functions(-0.9, 0.9) for name in ("Acos", "Asin", "Atanh", "Tan")},
    **{name: _functions(1.1, 3.0) for name in ("Acosh", "Log", "Reciprocal", "Sqrt")},
    **{name: _functions(smooth=False) for name in ("Ceil", "Floor", "Round", "Sign")},
    "HardSigmoid": [*_functions(), Example([MAP], attributes={"alpha": 0.3, "beta": 0.4})],
    "Shrink": [
        *_functions(smooth=False),
        Example([MAP], attributes={"bias": 0.5, "lambd": 1.0}, smooth=False),
    ],
    "Swish": [Example([MAP], opset=24), Example([VOLUME], attributes={"alpha": 0.7}, opset=24)],
    "ThresholdedRelu": [*_functions(smooth=False), Example([MAP], attributes={"alpha": 0.3})],
    "Add": [
        Example([MAP, MAP]),
        Example([MAP], [np.ones((3, 1, 1), np.float32)]),
        Example([VOLUME, (2, 1, 3)]),
        Example([WHOLE, np.arange(6)]),
    ],
    "Sub": [Example([MAP, (4, 5)]), Example([WHOLE, WHOLE[::-1].copy()])],
    "Mul": [Example([MAP, (1, 3, 1, 1)]), Example([VOLUME, VOLUME])],
    "Div": [Example([MAP, (1, 3, 1, 1)], low=0.5), Example([WHOLE, np.full(6, 4)])],
    "Gelu": [*_functions(), Example([MAP], attributes={"approximate": "tanh"})],
    "Clip": [
        Example([WHOLE], [np.int64(-3), np.int64(2)]),
        Example([WHOLE.astype(np.uint8) % 9], [None, np.uint8(5)]),
        Example([(2, 6), np.float32(-0.5).reshape(())], smooth=False),
        Example([MAP], [np.float32(-1), np.float32(1)], smooth=False),
        Example([VOLUME], [None, np.float32(0.5)], smooth=False),
    ],
    "Dropout": [Example([MAP])],
    "Identity": [Example([MAP]), Example([WHOLE])],
}
