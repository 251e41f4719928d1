"""Sound files: WAV, brought to 16-bit samples of one channel, bounded before memory is taken."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tatami.errors import TatamiError
from tatami.types import Samples

MAX_BYTES = 1 << 28
"""The largest file that is read: 50 minutes at 44.1 kHz in stereo."""
_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_AGAIN = "copy it again, or save it as a WAV file of 16-bit samples"


@dataclass(frozen=True)
class SoundHeader:
    """What a WAV file says of its samples.

    Args:
        rate: Samples a second.
        channels: Numbers of a sample.
        bits: Of a number.
        floats: Whether numbers are floats.
        start: Where they begin in the file.
        length: Their bytes.
    """

    rate: int
    channels: int
    bits: int
    floats: bool
    start: int
    length: int

    @property
    def samples(self) -> int:
        """How many samples there are, of all channels one each."""
        return self.length // (self.channels * self.bits // 8)


def is_sound_name(path: Path) -> bool:
    """Tell whether a file's name ends as a sound's does."""
    return path.suffix.lower() in (".wav", ".wave") and not path.name.startswith(".")


def sounds_in(folder: Path) -> list[Path]:
    """List the sound files directly in a folder, sorted by name; none without a folder."""
    return sorted(filter(is_sound_name, folder.iterdir())) if folder.is_dir() else []


def sound_header(path: Path) -> SoundHeader:
    """Read what a WAV file says of itself.

    Raises:
        TatamiError: For a file that is no WAV file, is damaged or too large, or of a kind that is
            not read.
    """
    try:
        return _header(path)
    except OSError as error:
        reason = f"cannot be read: {error.strerror or error}"
        raise TatamiError(reason, hint="check the file", file=path) from error
    except struct.error:
        raise TatamiError("the file is cut short", hint=_AGAIN, file=path) from None


def _header(path: Path) -> SoundHeader:
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise TatamiError(
            f"the file has {size:,} bytes, more than {MAX_BYTES:,}", hint="cut it", file=path
        )
    form: tuple[int, int, int, int] | None = None
    with path.open("rb") as file:
        riff, _, wave = struct.unpack("<4sI4s", file.read(12))
        if (riff, wave) != (b"RIFF", b"WAVE"):
            raise TatamiError("the file is not a WAV file", hint=_AGAIN, file=path)
        while True:
            name, length = struct.unpack("<4sI", file.read(8))
            here = file.tell()
            if name == b"fmt ":
                kind, channels, rate, _, _, bits = struct.unpack("<HHIIHH", file.read(16))
                if kind == _EXTENSIBLE and length >= 26:
                    (kind,) = struct.unpack("<H", file.read(10)[8:])
                form = (kind, channels, rate, bits)
            elif name == b"data":
                break
            file.seek(here + length + length % 2)
    if form is None:
        raise TatamiError("the file does not say how its samples are", hint=_AGAIN, file=path)
    kind, channels, rate, bits = form
    known = (kind == _PCM and bits in (8, 16, 24, 32)) or (kind == _FLOAT and bits in (32, 64))
    if not known or not 1 <= channels <= 32 or rate < 1:
        raise TatamiError(
            f"{channels} channels of {bits} bits of kind {kind} at {rate} Hz are not read",
            hint="save it as a WAV file of 16-bit samples",
            file=path,
        )
    if here + length > size:
        raise TatamiError("the file is cut short", hint=_AGAIN, file=path)
    return SoundHeader(rate, channels, bits, kind == _FLOAT, here, length)


def read_sound(path: Path) -> Samples:
    """Read a WAV file: int16 (n,), the mean of its channels, rounded down.

    Numbers of more bits keep their high 16; floats from -1 to 1 are held to that range and rounded.

    Raises:
        TatamiError: As for ``sound_header``.
    """
    header = sound_header(path)
    width = header.bits // 8
    count = header.samples * header.channels
    with path.open("rb") as file:
        file.seek(header.start)
        content = file.read(count * width)
    if header.floats:
        numbers = np.frombuffer(content, f"<f{width}").astype(np.float64)
        held = np.clip(np.nan_to_num(numbers, posinf=1.0, neginf=-1.0), -1.0, 1.0)
        samples = np.clip(np.floor(held * 32768 + 0.5), -32768, 32767).astype(np.int64)
    elif width == 1:  # the only width without a sign
        samples = (np.frombuffer(content, np.uint8).astype(np.int64) - 128) << 8
    else:
        high = np.frombuffer(content, np.uint8).reshape(-1, width)[:, width - 2 :]
        samples = np.ascontiguousarray(high).view("<i2").reshape(-1).astype(np.int64)
    mean: Samples = (samples.reshape(-1, header.channels).sum(axis=1) // header.channels).astype(
        np.int16
    )
    return mean


def write_sound(path: Path, samples: Samples, rate: int) -> None:
    """Write samples, int16 (n,), as a WAV file of one channel."""
    path.write_bytes(sound_bytes(samples, rate))


def sound_bytes(samples: Samples, rate: int) -> bytes:
    """Give samples, int16 (n,), as the bytes of a WAV file of one channel."""
    content = samples.astype("<i2").tobytes()
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, _PCM, 1, rate, 2 * rate, 2, 16)
    data = struct.pack("<4sI", b"data", len(content)) + content
    return struct.pack("<4sI4s", b"RIFF", 4 + len(form) + len(data), b"WAVE") + form + data
