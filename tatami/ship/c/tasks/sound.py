"""The sound rule's macros and tables: kernels/sound.c."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tatami.ops.integer_fourier import TWIDDLE, cosines, headroom
from tatami.rules.sound import bands, cosine_table, logarithms, window
from tatami.ship.c.tasks.base import Macro
from tatami.ship.c.text import defines, filled, number_lines, text
from tatami.types.sound import SoundInput


def sound_macros(sound: SoundInput) -> list[Macro]:
    """List what a caller of the sound rule may want to know."""
    return [
        Macro("RATE", sound.rate, "samples a second"),
        Macro("STEP", sound.step, "samples from frame to frame"),
        Macro("WINDOW", sound.window, "samples of a frame"),
        Macro("FRAMES", sound.frames, "that the network looks at"),
        Macro("FEATURES", sound.features, "numbers of a frame"),
        Macro("SAMPLES", sound.samples, "that the network looks at"),
    ]


def sound_rule(sound: SoundInput) -> str:
    """Write the sound rule with its tables, under kernels' own names, below sound_macros.

    Raises:
        TatamiError: For a band in which no place of the spectrum lies.
    """
    filters = bands(sound)
    lengths = [len(weights) for _, weights in filters]
    gain = sound.gain
    macros = {
        "BANDS": sound.bands,
        "COEFFICIENTS": sound.coefficients,
        "TRANSFORM": sound.transform,
        "HEADROOM": headroom(sound.transform),
        "GAIN": int(gain is not None),
        **({} if gain is None else {"STRENGTH": gain.strength, "SMOOTHING": gain.smoothing}),
    }
    return defines(macros) + filled(
        text("sound.c"),
        window=_lines(window(sound.window)),
        cosines=_lines(cosines(sound.transform // 2, sound.transform, TWIDDLE), np.int32),
        places=_lines(np.array([first for first, _ in filters])),
        starts=_lines(np.cumsum([0, *lengths])),
        weights=_lines(np.concatenate([weights for _, weights in filters])),
        logarithms=_lines(logarithms()),
        transform=_lines(cosine_table(sound.coefficients, sound.bands).ravel())
        if sound.coefficients
        else "",
    )


def _lines(numbers: NDArray[np.int64], dtype: type[np.signedinteger] = np.int64) -> str:
    return "\n".join(number_lines(numbers.astype(dtype)))
