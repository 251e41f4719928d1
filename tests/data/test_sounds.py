"""WAV files: what they hold, and what is wrong with them."""

import struct
import wave

import numpy as np
import pytest

from tatami.data.open import kind_of, open_sounds
from tatami.data.sounds import read_sound, sound_header, write_sound
from tatami.errors import TatamiError

SAMPLES = np.array([0, 1, -1, 12345, -32768, 32767], np.int16)


def wav(path, content, form, kind=1, more=b""):
    """A WAV file: its fmt chunk of (channels, rate, bits), another chunk, its data."""
    channels, rate, bits = form
    width = channels * bits // 8
    head = struct.pack("<HHIIHH", kind, channels, rate, rate * width, width, bits) + more
    chunks = struct.pack("<4sI", b"fmt ", len(head)) + head
    chunks += struct.pack("<4sI", b"LIST", 3) + b"abc\0"
    chunks += struct.pack("<4sI", b"data", len(content)) + content
    path.write_bytes(struct.pack("<4sI4s", b"RIFF", 4 + len(chunks), b"WAVE") + chunks)
    return path


def test_written_it_is_what_pythons_own_module_reads(tmp_path):
    write_sound(tmp_path / "a.wav", SAMPLES, 8000)
    with wave.open(str(tmp_path / "a.wav")) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 8000)
        assert file.readframes(6) == SAMPLES.tobytes()
    assert read_sound(tmp_path / "a.wav").tolist() == SAMPLES.tolist()
    assert sound_header(tmp_path / "a.wav").samples == 6


def test_every_width_and_channels(tmp_path):
    wide = SAMPLES.astype(np.int64)
    in_24 = b"".join(struct.pack("<i", value << 8)[:3] for value in wide.tolist())
    extensible = struct.pack("<HHIH14s", 22, 16, 4, 1, b"")
    for name, content, form, kind, more in (
        ("8", np.array([128, 129, 0, 255], np.uint8).tobytes(), (1, 8000, 8), 1, b""),
        ("16", SAMPLES.tobytes(), (1, 8000, 16), 1, b""),
        ("24", in_24, (1, 8000, 24), 1, b""),
        ("32", (wide << 16).astype("<i4").tobytes(), (1, 8000, 32), 1, b""),
        ("float", (wide / 32768).astype("<f4").tobytes(), (1, 8000, 32), 3, b""),
        ("double", (wide / 32768).astype("<f8").tobytes(), (1, 8000, 64), 3, b""),
        ("extensible", SAMPLES.tobytes(), (1, 8000, 16), 0xFFFE, extensible),
    ):
        found = read_sound(wav(tmp_path / f"{name}.wav", content, form, kind, more))
        expected = [0, 256, -32768, 32512] if name == "8" else SAMPLES.tolist()
        assert found.tolist() == expected, name
    pair = np.array([[10, 11], [-3, -4], [32767, 32767]], np.int16)
    assert read_sound(wav(tmp_path / "2.wav", pair.tobytes(), (2, 8000, 16))).tolist() == [
        *(10, -4, 32767)
    ]
    odd = np.array([np.nan, np.inf, -np.inf, 2, -2], "<f4")
    assert read_sound(wav(tmp_path / "nan.wav", odd.tobytes(), (1, 8000, 32), 3)).tolist() == [
        *(0, 32767, -32768, 32767, -32768)
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "cut short"),
        (b"RIFF\0\0\0\0AVI ", "not a WAV file"),
        (b"RIFF\0\0\0\0WAVE", "cut short"),
        (b"RIFF\0\0\0\0WAVEdata\4\0\0\0abcd", "does not say how"),
    ],
)
def test_damaged(tmp_path, content, said):
    (tmp_path / "a.wav").write_bytes(content)
    with pytest.raises(TatamiError, match=said) as error:
        read_sound(tmp_path / "a.wav")
    assert error.value.file == tmp_path / "a.wav"


def test_of_a_kind_that_is_not_read(tmp_path):
    with pytest.raises(TatamiError, match="1 channels of 4 bits of kind 2"):
        read_sound(wav(tmp_path / "a.wav", b"", (1, 8000, 4), 2))
    whole = wav(tmp_path / "b.wav", SAMPLES.tobytes(), (1, 8000, 16)).read_bytes()
    (tmp_path / "b.wav").write_bytes(whole[:-2])
    with pytest.raises(TatamiError, match="cut short"):
        read_sound(tmp_path / "b.wav")


def sounds(root, names, rate=8000):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        write_sound(root / name, np.full(100, len(name), np.int16), rate)


def test_folders_of_splits_and_classes(tmp_path):
    sounds(tmp_path, ["train/yes/a.wav", "train/no/b.wav", "train/no/c.WAV", "valid/yes/d.wav"])
    assert kind_of(tmp_path) == "sounds"
    found = open_sounds(tmp_path, split="train").sounds
    assert (found.classes, found.ids) == (("no", "yes"), ("no/b.wav", "no/c.WAV", "yes/a.wav"))
    assert (found.labels.tolist(), found.rate) == ([0, 0, 1], 8000)
    assert len(found.read(2)) == 100
    assert open_sounds(tmp_path, split="val").sounds.ids == ("yes/d.wav",)
    half = found.select(np.array([2, 0]), "half")
    assert (half.ids, half.labels.tolist()) == (("yes/a.wav", "no/b.wav"), [1, 0])


def test_names_that_begin_with_their_class(tmp_path):
    sounds(tmp_path, ["7_george_3.wav", "0_theo_1.wav", "7_theo_2.wav"])
    assert kind_of(tmp_path) == "sounds"
    found = open_sounds(tmp_path).sounds
    assert (found.classes, found.split, found.labels.tolist()) == (("0", "7"), "all", [0, 1, 1])
    sounds(tmp_path, ["other.wav"])
    with pytest.raises(TatamiError, match="not a labeled set"):
        kind_of(tmp_path)


def test_what_is_wrong_with_a_set(tmp_path):
    sounds(tmp_path, ["yes/a.wav", "yes/b.wav", "no/c.wav"])
    sounds(tmp_path, ["no/d.wav"], rate=16000)
    with pytest.raises(TatamiError, match="other-rate: 16000 samples a second, where most"):
        open_sounds(tmp_path)
    (tmp_path / "no" / "e.wav").write_bytes(b"RIFF")
    write_sound(tmp_path / "no" / "f.wav", SAMPLES[:0], 8000)
    with pytest.raises(TatamiError, match="unreadable-sound") as error:
        open_sounds(tmp_path, skip=("other-rate",))
    assert "1 more: 1 unreadable-sound" in error.value.hint.replace("2 more", "1 more")
    opened = open_sounds(tmp_path, skip=("other-rate", "unreadable-sound"))
    assert opened.sounds.ids == ("no/c.wav", "yes/a.wav", "yes/b.wav")
    assert opened.skipped == {"other-rate": 1, "unreadable-sound": 2}
    (tmp_path / "classes.txt").write_text("yes\nmaybe\n")
    with pytest.raises(TatamiError, match=r"unknown-class: classes\.txt does not name 'no'"):
        open_sounds(tmp_path, skip=("other-rate", "unreadable-sound"))
