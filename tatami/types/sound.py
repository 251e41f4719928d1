"""How sound becomes a network's input: parameters of the rule in docs/sound-rule.md."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from tatami.errors import TatamiError
from tatami.types import strict
from tatami.types.geometry import Size
from tatami.types.inputs import Input

MAX_RATE = 192_000
MAX_WINDOW = 4096
MAX_BANDS = 128
MAX_FRAMES = 4096
MAX_SAMPLES = 1 << 20
MAX_CLASSES = 4096
KEY = "tatami.sound"
WAVE_KEY = "tatami.wave"


@dataclass(frozen=True)
class Gain:
    """Loudness taken off each band before its logarithm is used, as PCEN and PCAN do.

    Args:
        strength: How much of the smoothed energy is taken off, in 256ths: 256 is all of it.
        smoothing: A frame moves the smoothed energy by 2^-smoothing of its distance.

    Source:
        Wang et al. 2017, "Trainable Frontend For Robust and Far-Field Keyword Spotting", eq. 1
        and 2, whose quotient is a difference here: it is taken of logarithms.
    """

    strength: int = 250
    smoothing: int = 5


@dataclass(frozen=True)
class SoundInput(Input):
    """How sound becomes a network's input of (frames, features).

    value = (feature - mean) * scale in float32; a feature is 256 times a binary logarithm.

    Args:
        rate: Samples a second.
        window: Samples of a frame.
        step: Samples from the beginning of a frame to that of the next.
        frames: Frames that the network looks at.
        bands: Mel bands.
        low: Where the lowest band begins, in Hz.
        high: Where the highest band ends, in Hz.
        coefficients: Cosine coefficients of the bands (MFCC); 0: the bands themselves.
        gain: Loudness that is taken off; None: nothing is.
        mean: Taken off a feature.
        scale: Multiplied with what is left.
    """

    rate: int = 16000
    window: int = 640
    step: int = 320
    frames: int = 49
    bands: int = 40
    low: int = 20
    high: int = 4000
    coefficients: int = 0
    gain: Gain | None = None
    mean: float = 0.0
    scale: float = 1 / 256

    def __post_init__(self) -> None:
        for name, value, low, high in (
            ("rate", self.rate, 1000, MAX_RATE),
            ("window", self.window, 16, MAX_WINDOW),
            ("step", self.step, 1, self.window),
            ("frames", self.frames, 1, MAX_FRAMES),
            ("bands", self.bands, 1, MAX_BANDS),
            ("low", self.low, 0, self.high - 1),
            ("high", self.high, 1, self.rate // 2),
            ("coefficients", self.coefficients, 0, self.bands),
        ):
            if not low <= value <= high:
                raise TatamiError(
                    f"a sound input has a {name} of {value}", hint=f"give {low} to {high}"
                )
        if self.gain is not None and not (
            0 <= self.gain.strength <= 256 and 0 <= self.gain.smoothing <= 16
        ):
            raise TatamiError(
                f"a sound input has a gain of {self.gain.strength} and {self.gain.smoothing}",
                hint="give a strength of 0 to 256 and a smoothing of 0 to 16",
            )

    @property
    def size(self) -> Size:  # type: ignore[override]  # it follows from the other members
        """Features across and frames down."""
        return Size(self.features, self.frames)

    @property
    def shape(self) -> tuple[int, int, int]:
        """One plane of frames down and features across."""
        return 1, self.frames, self.features

    @property
    def transform(self) -> int:
        """Samples of the Fourier transform: the first power of two that holds a window."""
        return 1 << (self.window - 1).bit_length()

    @property
    def features(self) -> int:
        """Numbers of a frame."""
        return self.coefficients or self.bands

    @property
    def samples(self) -> int:
        """Samples that the network looks at."""
        return self.window + (self.frames - 1) * self.step

    def resized(self, size: Size) -> SoundInput:
        """Refuse another size: it is given by the frames and their features."""
        raise TatamiError(
            "the size of a sound input is its frames and features", hint="train it for others"
        )

    def to_json(self) -> dict[str, Any]:
        """Give its members as plain values."""
        return asdict(self)

    @staticmethod
    def from_json(value: object) -> SoundInput:
        """Read what a file's metadata says of it. Raises TatamiError."""
        found = strict.members(KEY, value, SoundInput)
        gain = found["gain"]
        mean, scale = (strict.finite(KEY, one, [found[one]], 1)[0] for one in ("mean", "scale"))
        return SoundInput(
            **{name: _whole(found, name) for name in SoundInput.__annotations__ if name in _COUNTS},
            gain=None if gain is None else _gain(gain),
            mean=mean,
            scale=scale,
        )


@dataclass(frozen=True)
class WaveInput(Input):
    """How samples themselves become a network's input: parameters of docs/generation-rule.md.

    value = (byte - 128) / 128: plane 0 holds the mu law's codes of the samples before, the other
    planes the class.

    Args:
        rate: Samples a second.
        samples: Samples that the network is given at once, where it is not given one a call.
        classes: How many there are.
        receptive: The newest samples from which the next one is told.
    """

    rate: int = 8000
    samples: int = 4096
    classes: int = 1
    receptive: int = 1

    def __post_init__(self) -> None:
        for name, value, low, high in (
            ("rate", self.rate, 1000, MAX_RATE),
            ("classes", self.classes, 1, MAX_CLASSES),
            ("receptive", self.receptive, 1, MAX_SAMPLES),
            ("samples", self.samples, 1, MAX_SAMPLES),
        ):
            if not low <= value <= high:
                raise TatamiError(
                    f"a wave input has {value} as its {name}", hint=f"give {low} to {high}"
                )

    @property
    def size(self) -> Size:  # type: ignore[override]  # it follows from the other members
        """Samples across, and one row."""
        return Size(self.samples, 1)

    @property
    def shape(self) -> tuple[int, int, int]:
        """A plane of sound and one for each class, each of one row."""
        return 1 + self.classes, 1, self.samples

    def resized(self, size: Size) -> WaveInput:
        """Give the same rule for another number of samples."""
        if size.height != 1:
            raise TatamiError(
                f"a wave input of {size} has more than one row",
                hint=f"give it as {size.width}x1",
                setting="size",
            )
        return replace(self, samples=size.width)

    def to_json(self) -> dict[str, Any]:
        """Give its members as plain values."""
        return asdict(self)

    @staticmethod
    def from_json(value: object) -> WaveInput:
        """Read what a file's metadata says of it. Raises TatamiError."""
        found = strict.members(WAVE_KEY, value, WaveInput)
        return WaveInput(
            **{name: strict.whole(WAVE_KEY, name, found[name], 1, MAX_SAMPLES) for name in found}
        )


_COUNTS = ("rate", "window", "step", "frames", "bands", "low", "high", "coefficients")


def _whole(found: Mapping[str, Any], name: str) -> int:
    return strict.whole(KEY, name, found[name], 0, MAX_RATE)


def _gain(value: object) -> Gain:
    found = strict.members(KEY, value, Gain)
    return Gain(*(strict.whole(KEY, name, found[name], 0, 256) for name in Gain.__annotations__))
