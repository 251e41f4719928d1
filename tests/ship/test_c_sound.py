"""The sound rule in C and in NumPy: the same numbers, however a sound is cut into pieces."""

import shutil
import struct
import subprocess

import numpy as np
import pytest

from tatami.rules.sound import features_of
from tatami.ship.c.tasks.sound import sound_macros, sound_rule
from tatami.types.sound import Gain, SoundInput

RULES = {
    "usual": SoundInput(),
    "telephone": SoundInput(rate=8000, window=256, step=128, frames=3, coefficients=10),
    "gain": SoundInput(rate=8000, window=200, step=80, bands=30, low=100, gain=Gain(240, 3)),
    "all": SoundInput(11025, 331, 330, 7, 20, 0, 5512, coefficients=20, gain=Gain(256, 0)),
    "tiny": SoundInput(rate=8000, window=16, step=7, bands=2, low=300, high=4000),
    "long": SoundInput(rate=48000, window=4096, step=4095, bands=128, low=50, high=24000),
}
MAIN = """
int main(void)
{
    int16_t samples[10000];
    int32_t count, last = 0;

    while (fread(&count, sizeof count, 1, stdin) == 1) {
        int i;
        if (fread(samples, sizeof *samples, (size_t)count, stdin) != (size_t)count) return 1;
        for (i = 0; i < count; i++) /* one by one, so that every frame is still there */
            if (net_listen(samples + i, 1)) {
                last = (net_sound.next + NET_FRAMES - 1) % NET_FRAMES;
                fwrite(net_sound.features[last], sizeof(int16_t), NET_FEATURES, stdout);
            }
        if (count == 0) net_reset();
    }
    return 0;
}
"""
PIECES = MAIN.replace("for (i = 0; i < count; i++)", "i = 0;").replace(
    "net_listen(samples + i, 1)", "net_listen(samples + i, count)"
)


def compiled(sound, main, folder):
    folder.mkdir()
    head = "#include <stdint.h>\n#include <stdio.h>\n#include <string.h>\n"
    (folder / "sound.c").write_text(
        head + "void net_reset(void);\nint net_listen(const int16_t *samples, int count);\n"
        + "".join(f"{macro.line()}\n" for macro in sound_macros(sound)) + sound_rule(sound) + main
    )  # fmt: skip
    flags = ["-std=c99", "-O1", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
    flags.append("-fsanitize=address,undefined")
    subprocess.run(["cc", *flags, "sound.c", "-o", "sound"], cwd=folder, check=True)
    return folder / "sound"


def heard(program, pieces, sound):
    given = b"".join(struct.pack("<i", len(one)) + one.tobytes() for one in pieces)
    found = subprocess.run([program], input=given, capture_output=True, check=True).stdout
    return np.frombuffer(found, np.int16).reshape(-1, sound.features)


def sounds(rng):
    """Noise of every loudness, silence, and what makes the largest sums."""
    yield rng.integers(-32768, 32768, 9000).astype(np.int16)
    yield rng.integers(-3, 4, 9000).astype(np.int16)
    yield np.zeros(9000, np.int16)
    yield np.full(9000, -32768, np.int16)
    yield np.where(np.arange(9000) % 2, 32767, -32768).astype(np.int16)
    yield np.where(np.arange(9000) % 97 > 48, 32767, -32768).astype(np.int16)


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
@pytest.mark.parametrize("name", RULES)
def test_bit_for_bit(name, tmp_path):
    sound, rng = RULES[name], np.random.default_rng(0)
    program = compiled(sound, MAIN, tmp_path / "each")
    for samples in sounds(rng):
        expected = features_of(samples, sound)
        assert np.array_equal(heard(program, [samples], sound), expected)
    silence = np.zeros(0, np.int16)
    twice = heard(program, [samples, silence, samples], sound)
    assert np.array_equal(twice, np.concatenate([expected, expected]))


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
def test_pieces_of_any_length(tmp_path):
    sound, rng = RULES["gain"], np.random.default_rng(1)
    program = compiled(sound, PIECES, tmp_path / "pieces")
    samples = rng.integers(-9000, 9000, 8000).astype(np.int16)
    whole = features_of(samples, sound)
    for longest in (1, 79, 80, 281, 5000):
        cuts = np.sort(rng.integers(0, 8001, 8000 // longest))
        pieces = [one for one in np.split(samples, cuts) if len(one)]
        found = heard(program, pieces, sound)
        # The last frame that each piece completed, where it completed one.
        ends = np.cumsum([len(one) for one in pieces])
        counts = np.maximum(0, (ends - sound.window) // sound.step + 1)
        newest = counts[np.diff(counts, prepend=0) > 0] - 1
        assert np.array_equal(found, whole[newest])
